import type { Architecture } from "./c/architecture.ts";
import {
  type Declarations,
  declarationsOf,
  type EnumDeclaration,
  type RecordDeclaration,
} from "./c/declarations.ts";
import { ExpansionFault, type Macro } from "./c/expand.ts";
import { NoValue } from "./c/expression.ts";
import { type FieldLayout, NoLayout, type RecordLayout } from "./c/layout.ts";
import { type CParser, makeParser } from "./c/parser.ts";
import { type Preprocessed, Preprocessor, type Problem } from "./c/preprocess.ts";
import { type Placed, type Scope, scopeOf } from "./c/scope.ts";
import { type Comment, type Token, type TokenizedFile, textOf, tokenize } from "./c/tokens.ts";
import { type Elsewhere, type IoctlNumber, Values } from "./c/values.ts";
import type { HeaderFiles } from "./header-files.ts";

/** What a constant stands for. */
export type ConstantValue =
  | { readonly kind: "integer"; readonly value: bigint }
  /** A text, a floating number, or nothing at all. */
  | { readonly kind: "text"; readonly text: string }
  /** C that is no number: compared as it is written. */
  | { readonly kind: "code"; readonly text: string; readonly why: string };

/** A define without parameters, or an enumerator. */
export interface AbiConstant {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly from: "define" | "enum";
  /** `enum e`, or where an enum without a name stands; null of a define. */
  readonly group: string | null;
  /** `#ifdef NAME` holds. */
  readonly isMacro: boolean;
  readonly value: ConstantValue;
  /** Set if it is an ioctl number. */
  readonly ioctl: IoctlNumber | null;
}

/** A define with parameters: compared by what it gives for a few numbers, or as it is written. */
export interface AbiMacro {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly parameters: number;
  readonly text: string;
  /** Values for the numbers tried; null: it is no number for them. */
  readonly samples: readonly (bigint | null)[];
}

/** A struct or union that programs can name. */
export interface AbiRecord {
  /** `struct s`, `union u`, or the name that a typedef gives. */
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly endLine: number;
  readonly layout: RecordLayout | null;
  /** Why there is no layout. */
  readonly fault: string | null;
}

/** A name that a typedef gives to something that is no struct of its own. */
export interface AbiType {
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly text: string;
  /** Null if its size is not known. */
  readonly bytes: number | null;
  readonly signed: boolean;
}

export interface AbiHeader {
  readonly path: string;
  readonly constants: ReadonlyMap<string, AbiConstant>;
  readonly macros: ReadonlyMap<string, AbiMacro>;
  readonly records: ReadonlyMap<string, AbiRecord>;
  readonly types: ReadonlyMap<string, AbiType>;
  /** Functions with a body, and their lines. */
  readonly functions: ReadonlyMap<string, number>;
  /** Headers that it includes, also by others, and itself. */
  readonly sees: ReadonlySet<string>;
  readonly comments: readonly Comment[];
}

/** Something that cannot be judged. */
export interface Unjudged {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

/** All that the headers of one release promise on one machine. */
export interface AbiInterface {
  readonly label: string;
  readonly architecture: string;
  readonly headers: ReadonlyMap<string, AbiHeader>;
  readonly unjudged: readonly Unjudged[];
  place(path: string): string;
  /** A header of another machine that has a name, null if there is none. */
  onOtherMachines(name: string): string | null;
}

/** Numbers that macros with parameters are tried with: nothing, one bit, a small size, all that a size has room for. */
const SAMPLES = ["0", "1", "3", "64", "0x1234"] as const;

/** Reads interfaces; what it parsed once it need not parse again, for another machine or release. */
export class InterfaceReader implements Disposable {
  readonly #parser: CParser;
  readonly #parsed = new Map<string, Declarations>();
  readonly #tokenized = new Map<string, TokenizedFile>();

  private constructor(parser: CParser) {
    this.#parser = parser;
  }

  static async make(): Promise<InterfaceReader> {
    return new InterfaceReader(await makeParser());
  }

  [Symbol.dispose](): void {
    this.#parser[Symbol.dispose]();
  }

  /** Reads all headers of a release as they are on one machine. */
  read(
    files: HeaderFiles,
    machine: Architecture,
    onHeader: (done: number, of: number) => void = () => {},
  ): AbiInterface {
    const preprocessor = new Preprocessor(files, machine.macros, machine.longBits, (text) =>
      this.#tokens(text),
    );
    const scopes = new Map<string, { readonly scope: Scope; readonly header: Preprocessed }>();
    const unjudged: Unjudged[] = [];
    const told = new Set<string>();
    for (const [index, path] of files.paths.entries()) {
      onHeader(index, files.paths.length);
      const header = preprocessor.header(path);
      if (header === undefined) continue;
      const scope = scopeOf(header, preprocessor.builtIn, (one) => this.#declarations(one.text));
      scopes.set(path, { scope, header });
      for (const one of problemsOf(header)) {
        // Also of headers that it includes: they may come out otherwise by themselves.
        const key = `${one.path}\0${one.line}\0${one.message}`;
        if (!told.has(key)) unjudged.push({ path: one.path, line: one.line, what: one.message });
        told.add(key);
      }
      for (const { line, text } of this.#declarations(header.text).faults)
        unjudged.push({ path, line, what: `this does not parse as C: ${text}` });
    }
    for (const { path, why } of files.skipped) unjudged.push({ path, line: 1, what: `left out: ${why}` });
    const elsewhere = new Index(
      [...scopes.values()].map(({ scope, header }) => ({
        scope,
        header,
        declarations: this.#declarations(header.text),
      })),
    );
    const caches = { layouts: new Map(), enums: new Map() };
    const headers = new Map<string, AbiHeader>();
    for (const [path, { scope, header }] of scopes) {
      const values = new Values(scope, elsewhere, machine, caches);
      const file = preprocessor.file(path);
      headers.set(path, headerOf(header, scope, values, this.#declarations(header.text), file));
    }
    return {
      label: files.label,
      architecture: machine.name,
      headers,
      unjudged,
      place: (path) => files.place(path),
      onOtherMachines: (name) => files.onOtherMachines(name),
    };
  }

  #tokens(text: string): TokenizedFile {
    let found = this.#tokenized.get(text);
    if (found === undefined) {
      found = tokenize(text);
      this.#tokenized.set(text, found);
    }
    return found;
  }

  #declarations(text: string): Declarations {
    let found = this.#parsed.get(text);
    if (found === undefined) {
      found = declarationsOf(text, this.#parser);
      this.#parsed.set(text, found);
    }
    return found;
  }
}

function problemsOf(header: Preprocessed, seen: Set<Preprocessed> = new Set()): readonly Problem[] {
  if (seen.has(header)) return [];
  seen.add(header);
  return [...header.problems, ...header.children.flatMap((child) => problemsOf(child, seen))];
}

/** Names of all headers: for those that use what they do not include. */
class Index implements Elsewhere {
  readonly #macros = new Map<string, Macro | null>();
  readonly #records = new Map<string, Placed<RecordDeclaration> | null>();
  readonly #enums = new Map<string, Placed<EnumDeclaration> | null>();
  readonly #enumerators = new Map<
    string,
    { readonly of: Placed<EnumDeclaration>; readonly index: number } | null
  >();
  readonly #typedefs = new Map<string, Placed<Declarations["typedefs"][number]> | null>();

  constructor(
    all: readonly {
      readonly scope: Scope;
      readonly header: Preprocessed;
      readonly declarations: Declarations;
    }[],
  ) {
    for (const { scope, header, declarations } of all) {
      const { path } = header;
      for (const macro of scope.macros.values())
        if (macro.path === path) put(this.#macros, macro.name, macro);
      for (const one of declarations.records)
        if (one.tag !== null) put(this.#records, `${one.kind} ${one.tag}`, { path, one });
      for (const one of declarations.typedefs) put(this.#typedefs, one.name, { path, one });
      for (const one of declarations.enums) {
        const of = { path, one };
        if (one.tag !== null) put(this.#enums, one.tag, of);
        for (const [index, { name }] of one.enumerators.entries())
          put(this.#enumerators, name, { of, index });
      }
    }
  }

  macro(name: string): Macro | undefined {
    return this.#macros.get(name) ?? undefined;
  }
  record(name: string): Placed<RecordDeclaration> | undefined {
    return this.#records.get(name) ?? undefined;
  }
  enumeration(name: string): Placed<EnumDeclaration> | undefined {
    return this.#enums.get(name) ?? undefined;
  }
  enumerator(name: string): { readonly of: Placed<EnumDeclaration>; readonly index: number } | undefined {
    return this.#enumerators.get(name) ?? undefined;
  }
  typedef(name: string): Placed<Declarations["typedefs"][number]> | undefined {
    return this.#typedefs.get(name) ?? undefined;
  }
}

/** Null marks a name that several headers have: which one is meant cannot be told. */
function put<T>(map: Map<string, T | null>, name: string, value: T): void {
  map.set(name, map.has(name) ? null : value);
}

function headerOf(
  header: Preprocessed,
  scope: Scope,
  values: Values,
  declarations: Declarations,
  file: TokenizedFile | undefined,
): AbiHeader {
  const { path } = header;
  const constants = new Map<string, AbiConstant>();
  const macros = new Map<string, AbiMacro>();
  const guard = guardOf(file);
  for (const one of declarations.enums) {
    const group = one.tag === null ? `enum of line ${one.line}` : `enum ${one.tag}`;
    for (const [index, value] of values.enumerators(one).entries()) {
      const { name, line } = one.enumerators[index] ?? { name: "", line: one.line };
      const is: ConstantValue =
        typeof value === "string"
          ? { kind: "code", text: one.enumerators[index]?.value ?? "", why: value }
          : { kind: "integer", value: value.value };
      const isMacro = scope.macros.has(name);
      constants.set(name, { name, path, line, from: "enum", group, isMacro, value: is, ioctl: null });
    }
  }
  for (const [name] of header.changes) {
    const macro = scope.macros.get(name);
    if (macro === undefined || macro.path !== path || name === guard) continue;
    const { line } = macro;
    if (macro.parameters === null) {
      // `#define A A` beside an enumerator only says that it is there.
      if (constants.has(name) && macro.body.length === 1 && macro.body[0]?.text === name) continue;
      constants.set(name, {
        name,
        path,
        line,
        from: "define",
        group: null,
        isMacro: true,
        ...constantOf(macro, values),
      });
    } else macros.set(name, { name, path, line, ...macroOf(macro, values) });
  }
  return {
    path,
    constants,
    macros,
    records: recordsOf(path, declarations, values),
    types: typesOf(path, declarations, values),
    functions: new Map(declarations.functions.map(({ name, line }) => [name, line])),
    sees: scope.paths,
    comments: file?.comments ?? [],
  };
}

/** The name that keeps a header from being read twice. */
function guardOf(file: TokenizedFile | undefined): string | null {
  const directives = file?.lines.filter((line) => line.directive) ?? [];
  const [first, second] = directives;
  if (first?.tokens[0]?.text === "ifndef" && second?.tokens[0]?.text === "define") {
    const name = first.tokens[1]?.text;
    if (name !== undefined && second.tokens[1]?.text === name && second.tokens.length <= 3) return name;
  }
  return null;
}

function constantOf(macro: Macro, values: Values): Pick<AbiConstant, "value" | "ioctl"> {
  const expanded = tried(() => values.expanded(macro.body)) ?? macro.body;
  if (expanded.every((one) => one.kind === "string"))
    return { value: { kind: "text", text: textOf(expanded) }, ioctl: null };
  try {
    // From the name on, so that a macro that names itself means the enumerator of that name.
    const { value, ioctl } = values.value(tokenize(macro.name).lines[0]?.tokens ?? []);
    return { value: { kind: "integer", value: value.value }, ioctl };
  } catch (error) {
    if (!(error instanceof NoValue || error instanceof ExpansionFault)) throw error;
    if (expanded.length === 1 && expanded[0]?.kind === "number")
      return { value: { kind: "text", text: expanded[0].text }, ioctl: null };
    return { value: { kind: "code", text: textOf(expanded), why: error.message }, ioctl: null };
  }
}

function macroOf(macro: Macro, values: Values): Pick<AbiMacro, "parameters" | "text" | "samples"> {
  const count = macro.parameters?.length ?? 0;
  const samples = SAMPLES.map((sample) => {
    const call = tokenize(`${macro.name}(${new Array(count).fill(sample).join(",")})`);
    const tokens = call.lines.flatMap((line) => line.tokens);
    return tried(() => values.value(tokens).value.value) ?? null;
  });
  const renamed = macro.body.map((token): Token => {
    const index = macro.parameters?.indexOf(token.text) ?? -1;
    return index < 0 ? token : { ...token, text: `$${index}` };
  });
  return { parameters: count, text: textOf(renamed), samples };
}

function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof NoValue || error instanceof ExpansionFault || error instanceof NoLayout)
      return undefined;
    throw error;
  }
}

function recordsOf(path: string, declarations: Declarations, values: Values): ReadonlyMap<string, AbiRecord> {
  const records = new Map<string, AbiRecord>();
  const add = (name: string, record: RecordDeclaration): void => {
    let layout: RecordLayout | null = null;
    let fault: string | null = null;
    try {
      layout = values.layout(record);
    } catch (error) {
      if (!(error instanceof NoLayout)) throw error;
      fault = error.message;
    }
    records.set(name, { name, path, line: record.line, endLine: record.endLine, layout, fault });
  };
  for (const record of declarations.records)
    if (record.tag !== null) add(`${record.kind} ${record.tag}`, record);
  for (const { name, type } of declarations.typedefs)
    if (type.kind === "record" && type.record.tag === null) add(name, type.record);
  return records;
}

function typesOf(path: string, declarations: Declarations, values: Values): ReadonlyMap<string, AbiType> {
  const types = new Map<string, AbiType>();
  for (const { name, type, line } of declarations.typedefs) {
    if (type.kind === "record" && type.record.tag === null) continue;
    const bytes = tried(() => values.extentOf(type).bytes) ?? null;
    const signed = tried(() => values.natureOf(type).signed) ?? false;
    types.set(name, { name, path, line, text: values.textOf(type), bytes, signed });
  }
  return types;
}

/** What is said of a line: beside it, or right above it. */
export function commentsAt(header: AbiHeader, line: number): string {
  return header.comments
    .filter((one) => (one.line <= line && one.endLine >= line) || (one.alone && one.endLine === line - 1))
    .map((one) => one.text.replace(/\s*\n\s*\*?\s*/g, " ").trim())
    .join(" ");
}

/** What is said right above a struct, and inside of it. */
export function commentsOf(header: AbiHeader, record: AbiRecord): readonly string[] {
  return header.comments
    .filter((one) => one.endLine >= record.line - 2 && one.line <= record.endLine)
    .map((one) => one.text.replace(/\s*\n\s*\*?\s*/g, " ").trim());
}

/** A field as messages show it: `offset 8, 4 bytes`. */
export function extentText(field: FieldLayout): string {
  const { bitOffset, bitSize } = field;
  if (bitOffset % 8 === 0 && bitSize % 8 === 0) return `offset ${bitOffset / 8}, ${bytesText(bitSize / 8)}`;
  return `bit ${bitOffset}, ${bitSize} ${bitSize === 1 ? "bit" : "bits"}`;
}

export function bytesText(bytes: number): string {
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}
