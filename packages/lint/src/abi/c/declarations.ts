import type { Node } from "web-tree-sitter";
import type { CParser } from "./parser.ts";

/** A type as it is written; names are looked up where it is used. */
export type TypeRef =
  | { readonly kind: "base"; readonly name: string }
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "tagged"; readonly of: "struct" | "union" | "enum"; readonly tag: string }
  | { readonly kind: "record"; readonly record: RecordDeclaration }
  | { readonly kind: "enum"; readonly enumeration: EnumDeclaration }
  | { readonly kind: "pointer"; readonly to: string }
  | { readonly kind: "array"; readonly of: TypeRef; readonly count: string | null }
  | { readonly kind: "function" };

/** What __attribute__ says of a layout. */
export interface Attributes {
  readonly packed: boolean;
  /** Expressions of aligned(); an empty one is the biggest alignment of the machine. */
  readonly aligned: readonly string[];
  /** Ones that change the layout in a way that is not known here. */
  readonly unknown: readonly string[];
}

export interface FieldDeclaration {
  /** Null of an anonymous struct or union, and of a bit-field that only takes room. */
  readonly name: string | null;
  readonly type: TypeRef;
  /** The width of a bit-field, as an expression. */
  readonly bits: string | null;
  readonly attributes: Attributes;
  readonly line: number;
}

export interface RecordDeclaration {
  readonly kind: "struct" | "union";
  readonly tag: string | null;
  readonly fields: readonly FieldDeclaration[];
  readonly attributes: Attributes;
  /** From `#pragma pack`, in bytes. */
  readonly pack: number | null;
  readonly line: number;
  readonly endLine: number;
  /** Why its layout cannot be told, or null. */
  readonly fault: string | null;
}

export interface EnumDeclaration {
  readonly tag: string | null;
  readonly enumerators: readonly {
    readonly name: string;
    readonly value: string | null;
    readonly line: number;
  }[];
  readonly attributes: Attributes;
  readonly line: number;
}

export interface TypedefDeclaration {
  readonly name: string;
  readonly type: TypeRef;
  readonly attributes: Attributes;
  readonly line: number;
}

/** What a header declares that programs can name. */
export interface Declarations {
  /** With those inside of others. */
  readonly records: readonly RecordDeclaration[];
  readonly enums: readonly EnumDeclaration[];
  readonly typedefs: readonly TypedefDeclaration[];
  /** Functions that the header itself has the body of. */
  readonly functions: readonly { readonly name: string; readonly line: number }[];
  /** Places that do not parse. */
  readonly faults: readonly { readonly line: number; readonly text: string }[];
}

const NO_ATTRIBUTES: Attributes = { packed: false, aligned: [], unknown: [] };
/** Attributes that leave layouts alone. */
const HARMLESS =
  /^_*(deprecated|unused|may_alias|bitwise|counted_by|nonstring|transparent_union|designated_init|warn_unused_result|const|pure|format|noderef|address_space)_*$/;
const FAULTS_MAX = 100;

/** Finds the declarations in C text that has no directives. */
export function declarationsOf(text: string, parser: CParser): Declarations {
  const tree = parser.parse(repaired(text));
  try {
    return new Reader().read(tree.rootNode);
  } finally {
    tree.delete();
  }
}

/**
 * GNU C takes attributes where the grammar does not: `typedef T __attribute__((x)) name;`, and before a declaration.
 * There they move to a place that means the same and is known.
 */
function repaired(text: string): string {
  if (!text.includes("__attribute__")) return text;
  return text
    .replace(
      /\btypedef(\s+[\w\s]+?)\s*(__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\))(\s*\w+)\s*;/g,
      "typedef$1$3 $2;",
    )
    .replace(
      /(^|[;}]\s*)(__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\))\s*(struct|union|enum)\b/g,
      "$1$3 $2",
    );
}

class Reader {
  readonly #records: RecordDeclaration[] = [];
  readonly #enums: EnumDeclaration[] = [];
  readonly #typedefs: TypedefDeclaration[] = [];
  readonly #functions: { name: string; line: number }[] = [];
  readonly #faults: { line: number; text: string }[] = [];
  #pack: number | null = null;
  readonly #packs: (number | null)[] = [];

  read(root: Node): Declarations {
    this.#declarations(root);
    return {
      records: this.#records,
      enums: this.#enums,
      typedefs: this.#typedefs,
      functions: this.#functions,
      faults: this.#faults,
    };
  }

  #declarations(parent: Node): void {
    for (const node of parent.namedChildren) {
      switch (node.type) {
        case "struct_specifier":
        case "union_specifier":
        case "enum_specifier":
          this.#type(node);
          break;
        case "declaration": {
          const type = node.childForFieldName("type");
          if (type !== null) this.#type(type);
          break;
        }
        case "type_definition":
          this.#typedef(node);
          break;
        case "function_definition":
          this.#function(node);
          break;
        case "linkage_specification": {
          const body = node.childForFieldName("body");
          if (body !== null) this.#declarations(body);
          break;
        }
        case "preproc_call":
          this.#pragma(node.text);
          break;
        case "ERROR":
          this.#fault(node);
          // What parses inside is read all the same: a macro before a struct does not hide it.
          this.#declarations(node);
          break;
        default:
      }
    }
  }

  #function(node: Node): void {
    let one = node.childForFieldName("declarator");
    while (one !== null && one.type !== "identifier") one = one.childForFieldName("declarator");
    if (one !== null) this.#functions.push({ name: one.text, line: node.startPosition.row + 1 });
  }

  #fault(node: Node): void {
    const text = node.text.trim();
    if (text === ";" || text === "") return;
    if (this.#faults.length < FAULTS_MAX)
      this.#faults.push({ line: node.startPosition.row + 1, text: text.replace(/\s+/g, " ").slice(0, 80) });
  }

  #pragma(text: string): void {
    const inside = /pack\s*\(([^)]*)\)/.exec(text)?.[1];
    if (inside === undefined) return;
    const parts = inside.split(",").map((part) => part.trim());
    if (parts[0] === "push") this.#packs.push(this.#pack);
    if (parts[0] === "pop") this.#pack = this.#packs.pop() ?? null;
    const number = parts.find((part) => /^\d+$/.test(part));
    if (number !== undefined) this.#pack = Number(number);
    else if (inside.trim() === "") this.#pack = null;
  }

  #typedef(node: Node): void {
    const typeNode = node.childForFieldName("type");
    if (typeNode === null) return;
    const type = this.#type(typeNode);
    const attributes = together(attributesOf(node), attributesOfUse(typeNode));
    for (const declarator of node.childrenForFieldName("declarator")) {
      const { name, type: whole } = declared(declarator, type, typeNode.text);
      if (name !== null)
        this.#typedefs.push({ name, type: whole, attributes, line: declarator.startPosition.row + 1 });
    }
    if (node.hasError && !typeNode.hasError) this.#errorsOf(node);
  }

  #errorsOf(node: Node): void {
    for (const child of node.children) if (child.type === "ERROR") this.#fault(child);
  }

  #type(node: Node): TypeRef {
    switch (node.type) {
      case "struct_specifier":
      case "union_specifier":
        return this.#record(node, node.type === "struct_specifier" ? "struct" : "union");
      case "enum_specifier":
        return this.#enum(node);
      case "primitive_type":
        return { kind: "base", name: node.text };
      case "sized_type_specifier":
        return { kind: "base", name: node.text.replace(/\s+/g, " ") };
      default:
        return { kind: "named", name: node.text.replace(/\s+/g, " ") };
    }
  }

  #record(node: Node, kind: "struct" | "union"): TypeRef {
    const tag = node.childForFieldName("name")?.text ?? null;
    const body = node.childForFieldName("body");
    if (body === null) return { kind: "tagged", of: kind, tag: tag ?? "" };
    const fields: FieldDeclaration[] = [];
    let fault: string | null = null;
    for (const child of body.namedChildren) {
      if (child.type === "field_declaration") {
        const errors = child.hasError ? realErrors(child) : [];
        if (errors[0] !== undefined) {
          fault ??= `line ${errors[0].startPosition.row + 1} does not parse: ${errors[0].text.slice(0, 60)}`;
          this.#fault(errors[0]);
        }
        fields.push(...this.#field(child));
      } else if (child.type === "ERROR" && child.text.trim() !== ";") {
        fault ??= `line ${child.startPosition.row + 1} does not parse: ${child.text.slice(0, 60)}`;
        this.#fault(child);
      }
    }
    const record: RecordDeclaration = {
      kind,
      tag,
      fields,
      attributes: attributesOf(node),
      pack: this.#pack,
      line: node.startPosition.row + 1,
      endLine: node.endPosition.row + 1,
      fault,
    };
    this.#records.push(record);
    return { kind: "record", record };
  }

  #field(node: Node): FieldDeclaration[] {
    const typeNode = node.childForFieldName("type");
    if (typeNode === null) return [];
    const type = this.#type(typeNode);
    const line = node.startPosition.row + 1;
    const fields: FieldDeclaration[] = [];
    const attributes = together(attributesOf(node), attributesOfUse(typeNode));
    const children = node.children;
    for (const [index, child] of children.entries()) {
      if (node.fieldNameForChild(index) !== "declarator") continue;
      const following = children[index + 1];
      const bits = following?.type === "bitfield_clause" ? following.text.replace(/^\s*:\s*/, "") : null;
      const { name, type: whole } = declared(child, type, typeNode.text);
      fields.push({
        name: name === "" ? null : name,
        type: whole,
        bits,
        attributes,
        line: child.isMissing ? line : nameLine(child),
      });
    }
    if (fields.length === 0) fields.push({ name: null, type, bits: null, attributes, line });
    return fields;
  }

  #enum(node: Node): TypeRef {
    const tag = node.childForFieldName("name")?.text ?? null;
    const body = node.childForFieldName("body");
    if (body === null) return { kind: "tagged", of: "enum", tag: tag ?? "" };
    const enumerators = body.namedChildren
      .filter((child) => child.type === "enumerator")
      .map((child) => ({
        name: child.childForFieldName("name")?.text ?? "",
        value: child.childForFieldName("value")?.text ?? null,
        line: child.startPosition.row + 1,
      }));
    for (const child of body.namedChildren) if (child.type === "ERROR") this.#fault(child);
    const enumeration: EnumDeclaration = {
      tag,
      enumerators,
      attributes: attributesOf(node),
      line: node.startPosition.row + 1,
    };
    this.#enums.push(enumeration);
    return { kind: "enum", enumeration };
  }
}

/** Errors below a field, but for the name that an unnamed bit-field lacks. */
function realErrors(node: Node): Node[] {
  const errors: Node[] = [];
  const visit = (one: Node, parent: Node | null): void => {
    if (one.type === "ERROR") errors.push(one);
    else if (one.isMissing && !(parent?.type === "field_declaration" && one.type === "field_identifier"))
      errors.push(one);
    // A struct inside has its own faults.
    else if (one.hasError && one.type !== "field_declaration_list")
      for (const child of one.children) visit(child, one);
  };
  for (const child of node.children) visit(child, node);
  return errors;
}

/** Name and whole type of a declarator: pointers, arrays and functions around the name. */
function declared(
  node: Node,
  type: TypeRef,
  typeText: string,
): { readonly name: string | null; readonly type: TypeRef } {
  let whole = type;
  let one: Node | null = node;
  while (one !== null) {
    switch (one.type) {
      case "pointer_declarator":
        whole = { kind: "pointer", to: typeText.replace(/\s*\{[\s\S]*/, "").replace(/\s+/g, " ") };
        one = one.childForFieldName("declarator");
        break;
      case "array_declarator":
        whole = { kind: "array", of: whole, count: one.childForFieldName("size")?.text ?? null };
        one = one.childForFieldName("declarator");
        break;
      case "function_declarator":
        whole = { kind: "function" };
        one = one.childForFieldName("declarator");
        break;
      case "parenthesized_declarator":
      case "attributed_declarator":
        one = one.namedChildren.find((child) => child.type !== "attribute_specifier") ?? null;
        break;
      default:
        return { name: one.text, type: whole };
    }
  }
  return { name: null, type: whole };
}

function nameLine(node: Node): number {
  return node.startPosition.row + 1;
}

/** In `struct s __attribute__((aligned(8))) *x;` they are of x, though they stand with the struct. */
function attributesOfUse(type: Node): Attributes {
  const isUse = /^(struct|union|enum)_specifier$/.test(type.type) && type.childForFieldName("body") === null;
  return isUse ? attributesOf(type) : NO_ATTRIBUTES;
}

function together(one: Attributes, other: Attributes): Attributes {
  if (other === NO_ATTRIBUTES) return one;
  return {
    packed: one.packed || other.packed,
    aligned: [...one.aligned, ...other.aligned],
    unknown: [...one.unknown, ...other.unknown],
  };
}

/** The attributes that stand directly in a node. */
function attributesOf(node: Node): Attributes {
  const specifiers = node.children.filter(
    (child) => child.type === "attribute_specifier" || child.type === "attributed_declarator",
  );
  if (specifiers.length === 0) return NO_ATTRIBUTES;
  let packed = false;
  const aligned: string[] = [];
  const unknown: string[] = [];
  for (const specifier of specifiers)
    for (const list of specifier.namedChildren)
      for (const one of list.namedChildren) {
        const name = (one.childForFieldName("function") ?? one).text.replace(/^__|__$/g, "");
        const value = one.childForFieldName("arguments")?.text.slice(1, -1) ?? "";
        if (name === "packed") packed = true;
        else if (name === "aligned") aligned.push(value);
        else if (!HARMLESS.test(name)) unknown.push(name);
      }
  return { packed, aligned, unknown };
}
