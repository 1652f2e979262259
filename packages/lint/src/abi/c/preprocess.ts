import { ExpansionFault, expand, type Macro } from "./expand.ts";
import { evaluate, type Integer, int, type Meaning, NoValue } from "./expression.ts";
import { type LogicalLine, type Token, type TokenizedFile, textOf, tokenize, touches } from "./tokens.ts";

/** Where headers come from. */
export interface HeaderSource {
  /** The text of a header by its name in #include (`linux/types.h`), undefined if there is none. */
  text(path: string): string | undefined;
}

/** Something in a header that could not be followed; what depends on it is not judged. */
export interface Problem {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** A header as it comes out where it was included. */
export interface Preprocessed {
  readonly path: string;
  /** C without directives and macros, line by line as in the file; what is conditioned away is empty. */
  readonly text: string;
  /** Macros that it leaves behind, its own and those of what it includes; undefined: taken away. */
  readonly changes: readonly (readonly [name: string, macro: Macro | undefined])[];
  /** Headers that it included, as they came out here. */
  readonly children: readonly Preprocessed[];
  /** Headers that it names and the set does not have. */
  readonly missing: readonly string[];
  readonly problems: readonly Problem[];
}

/** #include within #include. */
const DEPTH_MAX = 60;
/** Ways in which one header may come out in one set. */
const VARIANTS_MAX = 64;

type Lookups = Map<string, Macro | undefined>;

interface Variant {
  /** What it asked of the macros around it: with the same answers it comes out the same. */
  readonly lookups: ReadonlyMap<string, Macro | undefined>;
  readonly result: Preprocessed;
}

/** Reads headers as a compiler would that has certain macros of its own. */
export class Preprocessor {
  readonly #source: HeaderSource;
  readonly #builtIn: ReadonlyMap<string, Macro>;
  readonly #longBits: 32 | 64;
  readonly #files = new Map<string, TokenizedFile | undefined>();
  readonly #macros = new Map<LogicalLine, Macro>();
  readonly #variants = new Map<string, Variant[]>();

  /** Tokens may be shared between preprocessors of the same headers: `tokenized` is asked before a text is cut up. */
  readonly #tokenized: (text: string) => TokenizedFile;

  constructor(
    source: HeaderSource,
    definitions: readonly string[],
    longBits: 32 | 64,
    tokenized: (text: string) => TokenizedFile = tokenize,
  ) {
    this.#source = source;
    this.#longBits = longBits;
    this.#tokenized = tokenized;
    const macros = definitions.map((text) => parseDefine(tokenize(text).lines[0], "", 0));
    this.#builtIn = new Map(macros.flatMap((one) => (one === undefined ? [] : [[one.name, one]])));
  }

  /** One header by itself, as a program sees that includes it first. */
  header(path: string): Preprocessed | undefined {
    if (this.file(path) === undefined) return undefined;
    return this.#process(path, new Map(this.#builtIn), 0).result;
  }

  /** The tokens and comments of a header. */
  file(path: string): TokenizedFile | undefined {
    if (!this.#files.has(path)) {
      const text = this.#source.text(path);
      this.#files.set(path, text === undefined ? undefined : this.#tokenized(text));
    }
    return this.#files.get(path);
  }

  /** Macros that the compiler brings. */
  get builtIn(): ReadonlyMap<string, Macro> {
    return this.#builtIn;
  }

  #process(path: string, macros: Map<string, Macro>, depth: number): Variant {
    const known = this.#variants.get(path);
    const same = known?.find(({ lookups }) => {
      for (const [name, macro] of lookups) if (macros.get(name) !== macro) return false;
      return true;
    });
    if (same !== undefined) {
      apply(same.result.changes, macros);
      return same;
    }
    const file = this.file(path) as TokenizedFile;
    const frame = new Frame(path, macros, this.#longBits);
    for (const line of file.lines) {
      if (line.directive) this.#directive(line, frame, depth);
      else if (frame.active) frame.text(line);
    }
    frame.close();
    const variant: Variant = { lookups: frame.lookups, result: frame.result() };
    if (known === undefined) this.#variants.set(path, [variant]);
    else if (known.length < VARIANTS_MAX) known.push(variant);
    return variant;
  }

  #directive(line: LogicalLine, frame: Frame, depth: number): void {
    const [word, ...rest] = line.tokens;
    switch (word?.text) {
      case "if":
      case "ifdef":
      case "ifndef":
      case "elif":
      case "else":
      case "endif":
        frame.condition(word.text, rest, line.line);
        return;
      default:
        if (!frame.active) return;
    }
    if (word?.text === "define") {
      let macro = this.#macros.get(line);
      if (macro === undefined) {
        macro = parseDefine({ ...line, tokens: rest }, frame.path, line.line);
        if (macro === undefined) {
          frame.problem(line.line, "#define without a name");
          return;
        }
        this.#macros.set(line, macro);
      }
      frame.define(macro.name, macro);
    } else if (word?.text === "undef") {
      if (rest[0] !== undefined) frame.define(rest[0].text, undefined);
    } else if (word?.text === "include" || word?.text === "include_next") {
      this.#include(rest, line.line, frame, depth);
    } else if (word?.text === "pragma") frame.pragma(line);
  }

  #include(tokens: readonly Token[], line: number, frame: Frame, depth: number): void {
    const name = includeName(tokens);
    if (name === undefined || depth >= DEPTH_MAX) {
      const why =
        name === undefined
          ? "it names no file that is known"
          : `headers include each other more than ${DEPTH_MAX} deep`;
      frame.problem(line, `#include ${textOf(tokens)}: ${why}`);
      return;
    }
    const found = this.#find(name, frame.path, tokens[0]?.kind === "string");
    if (found === undefined) frame.missing.push(name);
    else frame.included(this.#process(found, frame.macros, depth + 1));
  }

  #find(name: string, from: string, quoted: boolean): string | undefined {
    if (quoted) {
      const beside = normalize(`${from.slice(0, from.lastIndexOf("/") + 1)}${name}`);
      if (beside !== undefined && this.file(beside) !== undefined) return beside;
    }
    return this.file(name) === undefined ? undefined : name;
  }
}

/** One file while it is read. */
class Frame {
  readonly path: string;
  readonly macros: Map<string, Macro>;
  readonly lookups: Lookups = new Map();
  readonly missing: string[] = [];
  readonly #longBits: 32 | 64;
  readonly #defined = new Set<string>();
  readonly #changes: [string, Macro | undefined][] = [];
  readonly #children: Preprocessed[] = [];
  readonly #problems: Problem[] = [];
  /** Conditions that are open: whether their lines count, and whether a branch was taken already. */
  readonly #open: { active: boolean; taken: boolean; outer: boolean }[] = [];
  readonly #parts: string[] = [];
  #line = 1;
  /** Text lines that wait for the end of a macro's arguments. */
  #pending: Token[] = [];

  constructor(path: string, macros: Map<string, Macro>, longBits: 32 | 64) {
    this.path = path;
    this.macros = macros;
    this.#longBits = longBits;
  }

  get active(): boolean {
    return this.#open.at(-1)?.active ?? true;
  }

  readonly lookup = (name: string): Macro | undefined => {
    const macro = this.macros.get(name);
    if (!this.#defined.has(name) && !this.lookups.has(name)) this.lookups.set(name, macro);
    return macro;
  };

  define(name: string, macro: Macro | undefined): void {
    this.#flush();
    this.#defined.add(name);
    this.#changes.push([name, macro]);
    if (macro === undefined) this.macros.delete(name);
    else this.macros.set(name, macro);
  }

  included(variant: Variant): void {
    this.#flush();
    for (const [name, macro] of variant.lookups)
      if (!this.#defined.has(name) && !this.lookups.has(name)) this.lookups.set(name, macro);
    for (const change of variant.result.changes) {
      this.#defined.add(change[0]);
      this.#changes.push([...change]);
    }
    this.#children.push(variant.result);
  }

  problem(line: number, message: string): void {
    this.#problems.push({ path: this.path, line, message });
  }

  condition(word: string, tokens: readonly Token[], line: number): void {
    this.#flush();
    if (word === "if" || word === "ifdef" || word === "ifndef") {
      const outer = this.active;
      const holds = outer && this.#holds(word, tokens, line);
      this.#open.push({ active: holds, taken: holds, outer });
      return;
    }
    const top = this.#open.at(-1);
    if (top === undefined) this.problem(line, `#${word} without #if`);
    else if (word === "endif") this.#open.pop();
    else if (top.taken || !top.outer) top.active = false;
    else {
      top.active = word === "else" || this.#holds("if", tokens, line);
      top.taken = top.active;
    }
  }

  #holds(word: string, tokens: readonly Token[], line: number): boolean {
    if (word === "ifdef") return this.lookup(tokens[0]?.text ?? "") !== undefined;
    if (word === "ifndef") return this.lookup(tokens[0]?.text ?? "") === undefined;
    try {
      const expanded = expand(this.#definedAnswered(tokens), this.lookup);
      return evaluate(expanded, this.#meaning()).value !== 0n;
    } catch (error) {
      if (!(error instanceof NoValue || error instanceof ExpansionFault)) throw error;
      this.problem(line, `#if ${textOf(tokens)}: ${error.message}; its lines are left out`);
      return false;
    }
  }

  /** `defined X` and `defined(X)` as 1 or 0. */
  #definedAnswered(tokens: readonly Token[]): Token[] {
    const out: Token[] = [];
    for (let index = 0; index < tokens.length; index++) {
      const token = tokens[index] as Token;
      if (token.text !== "defined") {
        out.push(token);
        continue;
      }
      const bare = tokens[index + 1]?.text !== "(";
      const name = tokens[index + (bare ? 1 : 2)]?.text ?? "";
      out.push({ ...token, kind: "number", text: this.lookup(name) === undefined ? "0" : "1" });
      index += bare ? 1 : 3;
    }
    return out;
  }

  #meaning(): Meaning {
    return {
      valueOf: (): Integer => int(0),
      sizeOf: () => undefined,
      alignOf: () => undefined,
      isSigned: () => true,
      isType: () => false,
      call: () => int(0),
      longBits: this.#longBits,
    };
  }

  /** A line of C. Macros' arguments may go on over lines, so what has open parentheses waits. */
  text(line: LogicalLine): void {
    const waiting = this.#pending.length > 0;
    if (!waiting && !line.tokens.some((one) => one.kind === "name" && this.lookup(one.text) !== undefined)) {
      this.#emit(line.tokens);
      return;
    }
    this.#pending.push(...line.tokens);
    if (depth(this.#pending) <= 0 && !this.#endsInCall()) this.#flush();
  }

  /** The name of a macro whose parenthesis may follow on the next line. */
  #endsInCall(): boolean {
    const last = this.#pending.at(-1);
    return last?.kind === "name" && this.lookup(last.text)?.parameters != null;
  }

  #flush(): void {
    if (this.#pending.length === 0) return;
    const tokens = this.#pending;
    this.#pending = [];
    try {
      this.#emit(expand(tokens, this.lookup));
    } catch (error) {
      if (!(error instanceof ExpansionFault)) throw error;
      this.problem(tokens[0]?.line ?? this.#line, error.message);
    }
  }

  pragma(line: LogicalLine): void {
    this.#flush();
    if (line.tokens[1]?.text !== "pack") return;
    this.#toLine(line.line);
    this.#parts.push(`#${textOf(line.tokens)}\n`);
    this.#line++;
  }

  #emit(tokens: readonly Token[]): void {
    let before: Token | undefined;
    for (const token of tokens) {
      this.#toLine(token.line);
      if (before !== undefined && (token.spaced || touches(before, token))) this.#parts.push(" ");
      this.#parts.push(token.text);
      this.#line += token.text.split("\n").length - 1;
      before = token;
    }
    this.#parts.push(" ");
  }

  #toLine(line: number): void {
    if (line <= this.#line) return;
    this.#parts.push("\n".repeat(line - this.#line));
    this.#line = line;
  }

  close(): void {
    this.#flush();
    if (this.#open.length > 0) this.problem(this.#line, "#if without #endif");
  }

  result(): Preprocessed {
    return {
      path: this.path,
      text: this.#parts.join(""),
      changes: this.#changes,
      children: this.#children,
      missing: this.missing,
      problems: this.#problems,
    };
  }
}

function apply(changes: Preprocessed["changes"], macros: Map<string, Macro>): void {
  for (const [name, macro] of changes) {
    if (macro === undefined) macros.delete(name);
    else macros.set(name, macro);
  }
}

function depth(tokens: readonly Token[]): number {
  let open = 0;
  for (const { kind, text } of tokens) {
    if (kind !== "mark") continue;
    if (text === "(") open++;
    else if (text === ")") open--;
  }
  return open;
}

/** The name in `<a/b.h>` or `"a/b.h"`. */
function includeName(tokens: readonly Token[]): string | undefined {
  const first = tokens[0];
  if (first?.kind === "string") return first.text.slice(1, -1);
  if (first?.text !== "<") return undefined;
  const end = tokens.findIndex((one) => one.text === ">");
  if (end < 0) return undefined;
  return tokens
    .slice(1, end)
    .map((one) => one.text)
    .join("");
}

/** `a/../b` as `b`; undefined if it leads out of the set. */
function normalize(path: string): string | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** Reads what follows #define: `NAME body` or `NAME(a, b) body`. */
function parseDefine(line: LogicalLine | undefined, path: string, lineNumber: number): Macro | undefined {
  const [name, open, ...more] = line?.tokens ?? [];
  if (name === undefined || name.kind !== "name") return undefined;
  const base = { name: name.text, path, line: lineNumber };
  if (open === undefined) return { ...base, parameters: null, rest: null, body: [] };
  if (open.text !== "(" || open.spaced)
    return { ...base, parameters: null, rest: null, body: [open, ...more] };
  const end = more.findIndex((one) => one.text === ")");
  if (end < 0) return undefined;
  const inside = more.slice(0, end);
  const dots = inside.some((one) => one.text === "...");
  const named = inside.filter((one) => one.kind === "name").map((one) => one.text);
  // `NAME(x...)` gives the rest a name; `NAME(x, ...)` calls it __VA_ARGS__.
  const gives = dots && inside.at(-2)?.kind === "name";
  const parameters = dots && !gives ? [...named, "__VA_ARGS__"] : named;
  return {
    ...base,
    parameters,
    rest: dots ? (parameters.at(-1) ?? null) : null,
    body: more.slice(end + 1),
  };
}
