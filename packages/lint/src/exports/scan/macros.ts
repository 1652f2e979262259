/** A piece of a name that a macro makes: text, or the number of the macro's parameter. */
export type Part = string | number;

/** How a symbol is exported. */
export interface ExportShape {
  readonly gpl: boolean;
  /** The namespace as the export states it; undefined: the default one of the file. */
  readonly namespace: readonly Part[] | undefined;
  /** What EXPORT_SYMBOL_FOR_MODULES lists. */
  readonly modules: readonly Part[] | undefined;
  readonly sort: "symbol" | "tracepoint" | "per-cpu" | "static-call" | "pm-ops";
}

/** A name that a macro makes of its arguments, and the export that it makes of it, if it does. */
export interface Template {
  readonly parts: readonly Part[];
  readonly shape: ExportShape | null;
}

/** By the macro's name. */
export type TemplateTable = Map<string, readonly Template[]>;

const TEMPLATES_MAX = 48;
const PARTS_MAX = 16;
const ARGUMENTS_MAX = 64;

export interface MacroText {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly body: string;
}

const TOKEN =
  /\/\*[\s\S]*?\*\/|\\\r?\n|\s+|[A-Za-z_]\w*|\.?\d[\w.]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|##|\.\.\.|[\s\S]/g;

function tokens(text: string): string[] {
  return (text.match(TOKEN) ?? []).filter((token) => !/^(\s|\\\r?\n|\/\*)/.test(token));
}

/** Reads `NAME(parameters) body`, the text behind #define. */
export function readMacro(text: string): MacroText | null {
  const head = /^([A-Za-z_]\w*)(?:\(([^)]*)\))?/.exec(text);
  if (head === null) return null;
  const parameters = (head[2] ?? "")
    .replace(/\\\r?\n/g, " ")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => (one === "..." ? "__VA_ARGS__" : one.replace(/\s*\.\.\.$/, "")));
  return { name: head[1] ?? "", parameters, body: text.slice(head[0].length) };
}

/** What a macro makes of its arguments, by itself and by the macros that it uses. */
export function templatesOf(macro: MacroText, table: TemplateTable): readonly Template[] {
  const found = new Map<string, Template>();
  const add = (template: Template): void => {
    if (found.size >= TEMPLATES_MAX || template.parts.length > PARTS_MAX) return;
    const { shape } = template;
    found.set(
      JSON.stringify([template.parts, shape?.gpl, shape?.namespace, shape?.modules, shape?.sort]),
      template,
    );
  };
  const list = tokens(macro.body);
  for (let at = 0; at < list.length; at++) {
    const token = list[at] ?? "";
    if (list[at + 1] === "##" && list[at - 1] !== "##") {
      const { parts } = pasted(list, at, macro.parameters);
      if (parts?.some((part) => typeof part === "number") === true) add({ parts, shape: null });
    }
    if (token === "#") {
      const parts = stringified(list, at, macro.parameters);
      if (parts !== null) add({ parts, shape: null });
    }
    const used = list[at + 1] === "(" ? table.get(token) : undefined;
    if (used === undefined || token === macro.name || list[at - 1] === "##") continue;
    const args = argumentsAt(list, at + 1).map((one) => partsOf(one, macro.parameters));
    for (const template of used) {
      const filled = fill(template, args);
      if (filled !== null) add(filled);
    }
  }
  return [...found.values()];
}

/** The name that `"bl text_" #parameter` makes for the assembler, or null. */
function stringified(list: readonly string[], at: number, parameters: readonly string[]): Part[] | null {
  const before = /(\w+)"$/.exec(list[at - 1] ?? "")?.[1];
  const parameter = parameters.indexOf(list[at + 1] ?? "");
  if (before === undefined || parameter < 0) return null;
  const after = /^"(\w*)/.exec(list[at + 2] ?? "")?.[1] ?? "";
  return after === "" ? [before, parameter] : [before, parameter, after];
}

/** The pieces that `##` joins from a token on. */
function pasted(
  list: readonly string[],
  from: number,
  parameters: readonly string[],
): { readonly parts: readonly Part[] | null; readonly end: number } {
  const parts: Part[] = [];
  let at = from;
  let whole = true;
  for (;;) {
    const token = list[at] ?? "";
    if (!/^\w+$/.test(token)) whole = false;
    const parameter = parameters.indexOf(token);
    parts.push(parameter >= 0 ? parameter : token);
    if (list[at + 1] !== "##") break;
    at += 2;
  }
  return { parts: whole ? parts : null, end: at + 1 };
}

function argumentsAt(list: readonly string[], open: number): string[][] {
  const args: string[][] = [[]];
  let depth = 0;
  for (let at = open; at < list.length; at++) {
    const token = list[at] ?? "";
    if (token === "(" || token === "[" || token === "{") depth++;
    else if (token === ")" || token === "]" || token === "}") depth--;
    if (depth === 0) return args;
    if (depth === 1 && at === open) continue;
    if (depth === 1 && token === ",") {
      if (args.length >= ARGUMENTS_MAX) return args;
      args.push([]);
    } else args.at(-1)?.push(token);
  }
  return args;
}

/** An argument as pieces of a name, or null when it is more than a name. */
function partsOf(argument: readonly string[], parameters: readonly string[]): readonly Part[] | null {
  if (argument.length === 0) return [];
  const first = argument[0] ?? "";
  const text = /^"(.*)"$/.exec(first);
  if (text !== null && argument.length === 1) return [text[1] ?? ""];
  if (argument.length > 1 && argument[1] !== "##") {
    // EXPORT_SYMBOL_NS_GPL(name, __stringify(NAME)) and the like name their argument.
    if (argument[1] === "(" && argument.length === 4) return partsOf(argument.slice(2, 3), parameters);
    return null;
  }
  const { parts, end } = pasted(argument, 0, parameters);
  return end === argument.length ? parts : null;
}

function fill(template: Template, args: readonly (readonly Part[] | null)[]): Template | null {
  const parts = substitute(template.parts, args);
  if (parts === null) return null;
  const { shape } = template;
  if (shape === null) return { parts, shape };
  return {
    parts,
    shape: {
      ...shape,
      namespace: shape.namespace === undefined ? undefined : (substitute(shape.namespace, args) ?? ["?"]),
      modules: shape.modules === undefined ? undefined : (substitute(shape.modules, args) ?? ["?"]),
    },
  };
}

function substitute(
  parts: readonly Part[],
  args: readonly (readonly Part[] | null)[],
): readonly Part[] | null {
  const filled: Part[] = [];
  for (const part of parts) {
    if (typeof part === "string") filled.push(part);
    else {
      const arg = args[part];
      if (arg === undefined || arg === null) return null;
      filled.push(...arg);
    }
  }
  // Neighbouring texts become one, so that what a template begins and ends with is plain.
  const joined: Part[] = [];
  for (const part of filled) {
    const last = joined.at(-1);
    if (typeof part === "string" && typeof last === "string") joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

/** A name that a use of a macro makes. */
export interface Made {
  readonly name: string;
  readonly gpl: boolean;
  readonly namespace: string | undefined;
  readonly modules: string | undefined;
  readonly sort: ExportShape["sort"];
  readonly exported: boolean;
}

/**
 * The names that `MACRO(arguments)` makes; `text` starts at the parenthesis. Null stands for a template that the
 * arguments do not fill: an argument is missing or is more than a name.
 */
export function namesMade(templates: readonly Template[], text: string): (Made | null)[] {
  const args = argumentsAt(tokens(text), 0).map((one) => partsOf(one, []));
  return templates.map((template) => {
    const filled = fill(template, args);
    const name = filled === null ? "" : filled.parts.join("");
    if (filled === null || !/^[A-Za-z_@][\w @]*$/.test(name)) return null;
    const { shape } = filled;
    return {
      name,
      gpl: shape?.gpl ?? false,
      namespace: shape?.namespace?.join(""),
      modules: shape?.modules?.join(""),
      sort: shape?.sort ?? "symbol",
      exported: shape !== null,
    };
  });
}

/** The text of a call from its parenthesis on, whole, or null when it does not end within bounds. */
export function callText(bytes: Uint8Array, from: number, limit: number): string | null {
  let depth = 0;
  const end = Math.min(bytes.length, from + limit);
  for (let at = from; at < end; at++) {
    const c = bytes[at];
    if (c === 40) depth++;
    else if (c === 41 && --depth === 0)
      return Buffer.from(bytes.buffer, bytes.byteOffset + from, at + 1 - from).toString("latin1");
  }
  return null;
}
