// Reads one file's mentions of a name by its syntax tree, which the scanner does not use.
import type { Node } from "web-tree-sitter";
import type { CParser } from "../src/abi/c/parser.ts";

/** How a mention is read. */
export type Reading =
  /** Code that runs or data that is linked: a user. */
  | { readonly kind: "use"; readonly in: string | null }
  /** In the body of a macro: its users are users. */
  | { readonly kind: "macro"; readonly name: string }
  /** In the body of a function of a header: its users are users. */
  | { readonly kind: "inline"; readonly name: string }
  /** A declaration, a member, a label, a local of the same name…: no user, and why. */
  | { readonly kind: "none"; readonly why: string };

export interface Mention {
  readonly line: number;
  readonly reading: Reading;
}

/** Comments, texts and what `#if 0` leaves out as spaces; lines stay. */
export function stripped(text: string, keepTexts = false): string {
  let out = text.replace(
    /\/\*[\s\S]*?(?:\*\/|$)|\/\/(?:[^\n\\]|\\[\s\S])*|"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/g,
    (part) => {
      if (keepTexts && part.startsWith('"')) return part;
      const blank = part.replace(/[^\n]/g, " ");
      return part.startsWith('"') && part.length >= 2 ? `"${blank.slice(1, -1)}"` : blank;
    },
  );
  out = withoutZero(out);
  return out;
}

function withoutZero(text: string): string {
  let depth = 0;
  let skip = 0;
  return text
    .split("\n")
    .map((line) => {
      const word = /^\s*#\s*(if|ifdef|ifndef|else|elif|endif)\b\s*(\S*)/.exec(line);
      if (word !== null) {
        const [, kind = "", value = ""] = word;
        if (kind.startsWith("if")) {
          depth++;
          if (skip === 0 && kind === "if" && value === "0") {
            skip = depth;
            return line;
          }
        } else if (kind === "endif") {
          if (skip === depth) skip = 0;
          depth--;
        } else if (skip === depth) skip = 0;
      }
      return skip > 0 ? "" : line;
    })
    .join("\n");
}

/** Reads every mention of a name in a C file or header. */
export function readMentions(
  text: string,
  name: string,
  header: boolean,
  parser: CParser,
): readonly Mention[] {
  const code = stripped(text);
  const tree = parser.parse(code);
  try {
    // A header's stub is for those that do without; a file's stub under #ifdef too: their other mentions mean the export.
    const definedHere = header ? null : definitionOf(tree.rootNode, name);
    const mentions: Mention[] = [];
    const visit = (node: Node): void => {
      if (!node.text.includes(name)) return;
      if (node.type === "preproc_arg" || (node.type === "preproc_directive" && node.childCount === 0)) {
        for (const line of linesOf(node, name)) mentions.push({ line, reading: inMacro(node) });
        return;
      }
      if (node.childCount === 0) {
        if (node.text === name)
          mentions.push({
            line: node.startPosition.row + 1,
            reading: readingOf(node, name, header, definedHere),
          });
        return;
      }
      for (const child of node.children) visit(child);
    };
    visit(tree.rootNode);
    return mentions;
  } finally {
    tree.delete();
  }
}

function linesOf(node: Node, name: string): readonly number[] {
  // Members of that name (`.name`, `->name`, `struct name`) are something else.
  const word = new RegExp(`(?<![.>]\\s*|\\b(?:struct|union|enum)\\s+)\\b${name}\\b`);
  return node.text
    .split("\n")
    .flatMap((line, index) => (word.test(line) ? [node.startPosition.row + 1 + index] : []));
}

function inMacro(node: Node): Reading {
  const { parent } = node;
  if (parent?.type === "preproc_def" || parent?.type === "preproc_function_def") {
    const name = parent.childForFieldName("name")?.text ?? "";
    return { kind: "macro", name };
  }
  return { kind: "none", why: `in ${parent?.type ?? "a directive"}` };
}

/** Whether a file has a definition of its own of a name: then it means that one. */
function definitionOf(root: Node, name: string): string | null {
  let found: string | null = null;
  const visit = (node: Node, depth: number): void => {
    if (found !== null || depth > 6) return;
    if (node.type === "function_definition") {
      const declarator = node.childForFieldName("declarator");
      if (declarator !== null && nameOfDeclarator(declarator) === name)
        found = /^\s*(static|inline|__always_inline)\b/.test(node.text)
          ? "a function of its own"
          : "another definition";
      return;
    }
    if (node.type === "declaration") {
      const isStatic = node.children.some(
        (one) => one.type === "storage_class_specifier" && one.text === "static",
      );
      for (const one of node.childrenForFieldName("declarator"))
        if (nameOfDeclarator(one) === name && (isStatic || one.type === "init_declarator"))
          found = isStatic ? "a static of its own" : "another definition";
      return;
    }
    if (/^(translation_unit|linkage_|declaration_list|ERROR)/.test(node.type))
      for (const child of node.namedChildren) visit(child, depth + 1);
  };
  visit(root, 0);
  return found;
}

function nameOfDeclarator(node: Node): string | null {
  let one: Node | null = node;
  while (
    one !== null &&
    one.type !== "identifier" &&
    one.type !== "field_identifier" &&
    one.type !== "type_identifier"
  )
    one =
      one.childForFieldName("declarator") ??
      one.namedChildren.find((child) => /declarator$|^identifier$/.test(child.type)) ??
      null;
  return one?.text ?? null;
}

function readingOf(node: Node, name: string, header: boolean, definedHere: string | null): Reading {
  const none = (why: string): Reading => ({ kind: "none", why });
  if (node.type === "field_identifier") return none("a member of that name");
  if (node.type === "statement_identifier") return none("a label");
  if (node.type === "type_identifier" && /struct|union|enum|type_definition/.test(node.parent?.type ?? ""))
    return none("a tag or type of that name");
  if (/^preproc/.test(node.parent?.type ?? "")) return none("the name of a macro, or a condition");
  if (definedHere !== null) return none(`the file has ${definedHere}`);
  if (isExport(node)) return none("an export");
  let one: Node | null = node;
  for (let up: Node | null = node.parent; up !== null; one = up, up = up.parent) {
    if (up.type === "parameter_declaration" && nameOfDeclarator(up) === name)
      return none("a parameter of that name");
    if (up.type === "enumerator" && up.childForFieldName("name")?.id === one?.id)
      return none("an enumerator of that name");
    if (up.type === "goto_statement") return none("a label");
    if (up.type === "function_definition") {
      if (up.childForFieldName("body")?.id !== one?.id) return none("a definition");
      if (isLocal(up, name)) return none("a local of that name");
      const of = nameOfDeclarator(up.childForFieldName("declarator") ?? up) ?? "";
      return header ? { kind: "inline", name: of } : { kind: "use", in: of };
    }
    if (up.type === "declaration" && !insideFunction(up)) {
      const initialized = hasAncestorInitializer(node, up);
      return initialized ? { kind: "use", in: null } : none("a declaration");
    }
  }
  const line = node.tree.rootNode.text.split("\n")[node.startPosition.row] ?? "";
  if (
    /^\s*(extern|typedef|static\s+(__always_)?inline)\b|^\s*(?:[\w*]+\s+)+\**\w+\s*\([^;{]*\)?[^={]*;?\s*$/.test(
      line,
    )
  )
    return none("looks like a declaration");
  return { kind: "use", in: null };
}

function isExport(node: Node): boolean {
  for (let up: Node | null = node; up !== null; up = up.parent) {
    if (up.type === "function_definition" || up.type === "compound_statement") return false;
    if (
      /^\s*(EXPORT_|ALLOW_ERROR_INJECTION|NOKPROBE_SYMBOL|BTF_ID|_ASM_NOKPROBE|KSYM_FUNC)/.test(up.text) &&
      up.text.length < 300
    )
      return true;
  }
  return false;
}

function insideFunction(node: Node): boolean {
  for (let up = node.parent; up !== null; up = up.parent) if (up.type === "function_definition") return true;
  return false;
}

function hasAncestorInitializer(node: Node, declaration: Node): boolean {
  for (let up: Node | null = node; up !== null && up.id !== declaration.id; up = up.parent) {
    const { parent } = up;
    if (parent?.type === "init_declarator" && parent.childForFieldName("value")?.id === up.id) return true;
  }
  return false;
}

/** A parameter or a variable of the function that has the name. */
function isLocal(definition: Node, name: string): boolean {
  let found = false;
  const visit = (node: Node): void => {
    if (found) return;
    if (node.type === "parameter_declaration" || node.type === "declaration") {
      const declarators = node.childrenForFieldName("declarator");
      const isExtern = node.children.some(
        (one) => one.type === "storage_class_specifier" && one.text === "extern",
      );
      if (
        !isExtern &&
        declarators.some((one) => nameOfDeclarator(one) === name && !/function_declarator/.test(one.type))
      )
        found = true;
    }
    for (const child of node.namedChildren) visit(child);
  };
  const body = definition.childForFieldName("body");
  const declarator = definition.childForFieldName("declarator");
  if (declarator !== null) visit(declarator);
  if (body?.text.includes(name) === true) visit(body);
  return found;
}
