import { posix } from "node:path";

/** Expansions nest no deeper. */
const DEPTH_MAX = 24;
/** Characters that one expansion may have. */
const VALUE_MAX = 1 << 20;
const INCLUDES_MAX = 256;

/** Stands where an architecture of two widths has 32 or 64 in the names of its files. */
export const BITS_OF_BOTH = "@bits@";

export interface Makefile {
  /** The variables, as they are at the end, with all branches of conditions taken. */
  readonly variables: ReadonlyMap<string, string>;
  expand(text: string): string;
}

/**
 * Reads a Makefile of the kernel's build. All branches of conditions count, `$(CONFIG_X)` stays as it is, and an
 * assignment adds to what is there: what could be built is asked, not what one configuration builds.
 */
export function readMakefile(
  folder: string,
  text: string,
  read: (path: string) => string | undefined,
): Makefile {
  const variables = new Map<string, string>([
    ["src", folder],
    ["obj", folder],
    ["srctree", "."],
    ["objtree", "."],
    ["srcroot", "."],
    ["BITS", BITS_OF_BOTH],
  ]);
  const expand = (value: string): string => expandValue(value, variables, 0);
  let includes = 0;
  const take = (content: string): void => {
    for (const line of content.replace(/\\\r?\n/g, " ").split("\n")) {
      const code = line.replace(/(^|[^\\])#.*$/, "$1");
      if (/^\t/.test(code) && !/^\t+\s*[\w.$(){}-]+\s*[:+?]?=/.test(code)) continue;
      const include = /^\s*-?include\s+(.*)$/.exec(code);
      if (include !== null) {
        for (const word of expand(include[1] ?? "").split(/\s+/)) {
          if (word === "" || includes >= INCLUDES_MAX) continue;
          const path = posix.normalize(word);
          // Files of the build's own (scripts/, include/config/) hold no objects.
          const inner = path.startsWith("scripts/") || path.startsWith("../") ? undefined : read(path);
          if (inner === undefined) continue;
          includes++;
          take(inner);
        }
        continue;
      }
      const set = /^\s*(?:export\s+|override\s+)*([^\s:=+?#][^:=+?#]*?)\s*([:+?]{0,3}=)\s*(.*)$/.exec(code);
      if (set === null) continue;
      const name = keepConfigs(set[1] ?? "", expand);
      const value = (set[3] ?? "").trim();
      const before = variables.get(name);
      const now = set[2] === ":=" ? expand(value) : value;
      if (before === undefined || before === "") variables.set(name, now);
      else if (!before.includes(now) || set[2] === "+=")
        if (before.length + now.length < VALUE_MAX) variables.set(name, `${before} ${now}`);
    }
  };
  take(text);
  return { variables, expand };
}

function keepConfigs(name: string, expand: (text: string) => string): string {
  return name.includes("$") ? expand(name) : name;
}

function expandValue(text: string, variables: ReadonlyMap<string, string>, depth: number): string {
  if (depth > DEPTH_MAX || !text.includes("$")) return text;
  let out = "";
  for (let at = 0; at < text.length; ) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0) return out + text.slice(at);
    out += text.slice(at, dollar);
    const open = text[dollar + 1];
    if (open !== "(" && open !== "{") {
      at = dollar + 2;
      continue;
    }
    const close = closing(text, dollar + 1);
    const inner = text.slice(dollar + 2, close);
    at = close + 1;
    out += evaluate(inner, variables, depth + 1);
    if (out.length > VALUE_MAX) return out;
  }
  return out;
}

function closing(text: string, open: number): number {
  const [opens, closes] = text[open] === "(" ? ["(", ")"] : ["{", "}"];
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === opens) depth++;
    else if (text[at] === closes && --depth === 0) return at;
  }
  return text.length;
}

function evaluate(inner: string, variables: ReadonlyMap<string, string>, depth: number): string {
  if (/^CONFIG_\w+$/.test(inner)) return `$(${inner})`;
  const call = /^([a-z-]+)\s+([\s\S]*)$/.exec(inner);
  if (call !== null && call[1] !== undefined && FUNCTIONS.has(call[1])) {
    const args = splitArguments(call[2] ?? "").map((one) => expandValue(one, variables, depth));
    return apply(call[1], args);
  }
  // $(name:.c=.o) and $(CONFIG_X:m=y)
  const replaced = /^([^:]+):([^=]*)=(.*)$/.exec(inner);
  if (replaced !== null) {
    const [, name = "", from = "", to = ""] = replaced;
    if (/^CONFIG_\w+$/.test(name)) return from === "m" && to === "y" ? "y" : `$(${name})`;
    const value = expandValue(variables.get(name) ?? "", variables, depth);
    return words(value)
      .map((word) => (from.includes("%") ? pattern(word, from, to) : suffix(word, from, to)))
      .join(" ");
  }
  const name = expandValue(inner, variables, depth);
  const own = expandValue(variables.get(name) ?? "", variables, depth);
  // $(mmu-y) holds what mmu-$(CONFIG_MMU) adds to it, if that is y or m.
  if (!/-[ym]$/.test(name)) return own;
  const start = `${name.slice(0, -1)}$(CONFIG_`;
  const lists = [own];
  for (const [other, value] of variables)
    if (other.startsWith(start)) lists.push(expandValue(value, variables, depth));
  return lists.join(" ");
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  "addprefix",
  "addsuffix",
  "patsubst",
  "subst",
  "sort",
  "strip",
  "notdir",
  "basename",
  "filter",
  "filter-out",
  "if",
  "or",
  "wildcard",
  "foreach",
  "shell",
  "call",
  "error",
  "warning",
  "info",
  "dir",
  "word",
  "firstword",
]);

function apply(name: string, args: readonly string[]): string {
  const [first = "", second = "", third = ""] = args;
  switch (name) {
    case "addprefix":
      return words(second)
        .map((word) => first.trim() + word)
        .join(" ");
    case "addsuffix":
      return words(second)
        .map((word) => word + first.trim())
        .join(" ");
    case "patsubst":
      return words(third)
        .map((word) => pattern(word, first.trim(), second.trim()))
        .join(" ");
    case "subst":
      // $(subst m,y,$(CONFIG_X)): what is built at all is built in.
      if (/^\$\(CONFIG_\w+\)$/.test(third.trim())) return first === "m" && second === "y" ? "y" : third;
      return first === "" ? third : third.replaceAll(first, second);
    case "sort":
    case "strip":
      return words(first).join(" ");
    case "notdir":
      return words(first)
        .map((word) => posix.basename(word))
        .join(" ");
    case "dir":
      return words(first)
        .map((word) => `${posix.dirname(word)}/`)
        .join(" ");
    case "basename":
      return words(first)
        .map((word) => word.replace(/\.[^./]*$/, ""))
        .join(" ");
    case "filter":
      return second;
    case "filter-out":
      return second;
    case "if":
      return /^\s*(\$\(CONFIG_\w+\)|)\s*$/.test(first) && third === "" ? second : `${second} ${third}`;
    case "or":
      return args.join(" ");
    default:
      return "";
  }
}

function splitArguments(text: string): string[] {
  const args: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "(" || c === "{") depth++;
    else if (c === ")" || c === "}") depth--;
    else if (c === "," && depth === 0) {
      args.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...args, text.slice(from)];
}

export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function pattern(word: string, from: string, to: string): string {
  const [before = "", after = ""] = from.split("%");
  if (!from.includes("%")) return word === from ? to : word;
  if (!word.startsWith(before) || !word.endsWith(after) || word.length < before.length + after.length)
    return word;
  return to.replace("%", word.slice(before.length, word.length - after.length));
}

function suffix(word: string, from: string, to: string): string {
  return word.endsWith(from) ? word.slice(0, word.length - from.length) + to : word;
}
