import { createHash } from "node:crypto";
import { callText, type MacroText, namesMade, readMacro, type Template, templatesOf } from "./scan/macros.ts";
import { MENTION } from "./scan/mention.ts";
import { hashBytes, IntList, NameTable } from "./scan/names.ts";
import { CodeScanner, MACRO_BYTES_MAX, OWNER } from "./scan/scanner.ts";
import { addWords } from "./scan/words.ts";
import { READ_AS, readAs } from "./tree/files.ts";
import { type Place, readEach, type Wanted } from "./tree/read.ts";

/** Characters of a call that are read for its arguments. */
const CALL_BYTES_MAX = 1 << 14;

export interface ExportFound {
  readonly file: number;
  readonly line: number;
  readonly symbol: string;
  readonly macro: string;
  readonly gpl: boolean;
  /** Undefined: the default namespace of the file. */
  readonly namespace: string | undefined;
  readonly modules: string | undefined;
  readonly sort: string;
}

/** An export, or a pasted name, whose name could not be made out. */
export interface Unresolved {
  readonly file: number;
  readonly line: number;
  readonly macro: string;
  readonly text: string;
}

export interface HeaderResult {
  /** Files that may export: they hold the word, or one of the texts asked for. */
  readonly exporting: readonly number[];
  readonly hashes: readonly (readonly [file: number, hash: string])[];
  readonly lost: readonly (readonly [file: number, why: string])[];
}

export interface ExportResult {
  readonly exports: readonly ExportFound[];
  readonly unresolved: readonly Unresolved[];
  /** By file: what it defines as DEFAULT_SYMBOL_NAMESPACE. */
  readonly namespaces: readonly (readonly [file: number, name: string])[];
}

export interface MentionResult {
  /** Rows of file, name, line, sort of mention: those outside of owners. */
  readonly mentions: Int32Array;
  /** Rows of owner (counted over all owners of this result), name, line, sort of mention. */
  readonly owned: Int32Array;
  /** Rows of file, name (0: the file itself), line, sort of owner. */
  readonly owners: Int32Array;
  /** Rows of file, path in `includePaths`, line, 0. */
  readonly includes: Int32Array;
  readonly includePaths: readonly string[];
  /** Files that make tracepoints of the headers that they include. */
  readonly tracing: readonly number[];
  /** Headers that define tracepoints. */
  readonly traced: readonly number[];
  readonly unresolved: readonly Unresolved[];
}

export type Tables = readonly (readonly [macro: string, templates: readonly Template[]])[];

/** One share of a tree's files, and what was learnt of them: a thread has one. */
export class Work {
  readonly #place: Place;
  readonly #onFile: (count: number) => void;
  // The graph of the headers: rows of owner, name, line, sort; owners as rows of file, name, line, sort.
  readonly #names: NameTable = new NameTable(1 << 20);
  readonly #meaning: Uint8Array;
  readonly #mentions: IntList = new IntList(1 << 16);
  readonly #owners: IntList = new IntList(1 << 16);
  readonly #macroOwners: Map<number, Wanted> = new Map();
  /** Headers in which macros or functions mention names at all. */
  readonly #carrying: Set<number> = new Set();
  #byName: Int32Array | null = null;
  #starts: Int32Array = new Int32Array(0);

  constructor(place: Place, onFile: (count: number) => void) {
    this.#place = place;
    this.#onFile = onFile;
    this.#meaning = addWords(this.#names);
  }

  /** Reads the headers for what their macros and functions mention, and finds the files that may export. */
  async headers(files: readonly Wanted[]): Promise<HeaderResult> {
    const exporting: number[] = [];
    const hashes: (readonly [number, string])[] = [];
    const lost: (readonly [number, string])[] = [];
    const scanner = new CodeScanner(this.#names, this.#meaning, {
      onMacro() {},
      onUse() {},
      onInclude() {},
    });
    await this.#each(
      files,
      (file, bytes) => {
        hashes.push([file.index, createHash("sha1").update(bytes).digest("base64")]);
        const sort = readAs(file.path);
        if (sort !== READ_AS.text && sort !== READ_AS.rust && bytes.indexOf("EXPORT") >= 0)
          exporting.push(file.index);
        if (sort !== READ_AS.header) return;
        scanner.scan(bytes, bytes.length, {
          internAll: true,
          owners: true,
          everything: false,
          assembler: false,
        });
        const first = this.#owners.length >> 2;
        const { owners, mentions } = scanner;
        if (owners.length > 0) this.#carrying.add(file.index);
        for (let i = 0; i < owners.length; i += 4) {
          if (owners.at(i + 2) === OWNER.macro) this.#macroOwners.set(first + (i >> 2), file);
          this.#owners.push(file.index, owners.at(i), owners.at(i + 1), owners.at(i + 2));
        }
        for (let i = 0; i < mentions.length; i += 4)
          this.#mentions.push(first + mentions.at(i), mentions.at(i + 1), mentions.at(i + 2), 0);
      },
      lost,
    );
    return { exporting, hashes, lost };
  }

  /** Rows of the graph sorted by name: `#byName` holds owners, from `#starts[name]` on. */
  #index(): Int32Array {
    if (this.#byName !== null) return this.#byName;
    const rows = this.#mentions;
    const starts = new Int32Array(this.#names.size + 2);
    for (let i = 0; i < rows.length; i += 4) {
      const id = rows.at(i + 1) + 1;
      starts[id] = (starts[id] as number) + 1;
    }
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
    const next = starts.slice();
    const byName = new Int32Array(rows.length >> 2);
    for (let i = 0; i < rows.length; i += 4) {
      const id = rows.at(i + 1);
      const at = next[id] as number;
      byName[at] = rows.at(i);
      next[id] = at + 1;
    }
    this.#starts = starts;
    this.#byName = byName;
    return byName;
  }

  #ownersOf(name: string): Int32Array {
    const byName = this.#index();
    const id = this.#names.lookUp(name);
    if (id === 0 || id + 1 >= this.#starts.length) return new Int32Array(0);
    return byName.subarray(this.#starts[id] as number, this.#starts[id + 1] as number);
  }

  /** The names of macros and inline functions of the headers that mention one of the names. */
  carriers(names: readonly string[]): string[] {
    const found = new Set<number>();
    for (const name of names)
      for (const owner of this.#ownersOf(name)) {
        const carrier = this.#owners.at(owner * 4 + 1);
        if (carrier !== 0) found.add(carrier);
      }
    return [...found].map((id) => this.#names.name(id));
  }

  /** The texts of the headers' macros that mention one of the names, or that paste tokens. */
  async macros(names: readonly string[], pasting: boolean): Promise<MacroText[]> {
    const wanted = new Map<Wanted, Set<string>>();
    for (const name of names)
      for (const owner of this.#ownersOf(name)) {
        const file = this.#macroOwners.get(owner);
        if (file === undefined) continue;
        const set = wanted.get(file) ?? new Set<string>();
        set.add(this.#names.name(this.#owners.at(owner * 4 + 1)));
        wanted.set(file, set);
      }
    const files = pasting ? [...new Set(this.#macroOwners.values())] : [...wanted.keys()];
    const found: MacroText[] = [];
    await this.#each(
      files,
      (file, bytes) => {
        if (pasting && !PASTING.some((text) => bytes.indexOf(text) >= 0)) return;
        const only = wanted.get(file);
        for (const macro of macrosIn(bytes))
          if (pasting ? /##|\w"\s*#\s*\w/.test(macro.body) : only?.has(macro.name) === true)
            found.push(macro);
      },
      [],
      false,
    );
    return found;
  }

  /** The exports of files. */
  async exports(files: readonly Wanted[], tables: Tables): Promise<ExportResult> {
    const exports: ExportFound[] = [];
    const unresolved: Unresolved[] = [];
    const namespaces: (readonly [number, string])[] = [];
    const names = new NameTable();
    const meaning = addWords(names);
    let current: Wanted | undefined;
    let bytes: Buffer = Buffer.alloc(0);
    const table = new Map(tables);
    const local: string[] = [];
    const scanner = new CodeScanner(names, meaning, {
      onMacro: (start, end) => {
        const macro = readMacro(bytes.toString("latin1", start, end));
        if (macro === null || table.has(macro.name)) return;
        const made = templatesOf(macro, table).filter((one) => one.shape !== null);
        if (made.length === 0) return;
        table.set(macro.name, made);
        const id = names.add(macro.name);
        scanner.pasting[id] = USE_EXPORTS;
        local.push(macro.name);
      },
      onUse: (id, end, line) => {
        if (current === undefined) return;
        const macro = names.name(id);
        const call = callText(bytes, bytes.indexOf(40, end), CALL_BYTES_MAX);
        const made = call === null ? [null] : namesMade(table.get(macro) ?? [], call);
        for (const one of made)
          if (one === null)
            unresolved.push({ file: current.index, line, macro, text: (call ?? "").slice(0, 120) });
          else {
            const symbol = nameBehind(one.name, bytes, readAs(current.path) === READ_AS.assembler);
            if (symbol === null) {
              unresolved.push({ file: current.index, line, macro, text: (call ?? "").slice(0, 120) });
              continue;
            }
            exports.push({
              file: current.index,
              line,
              symbol,
              macro,
              gpl: one.gpl,
              namespace: one.namespace,
              modules: one.modules,
              sort: one.sort,
            });
          }
      },
      onInclude() {},
    });
    for (const macro of table.keys()) scanner.pasting[names.add(macro)] = USE_EXPORTS;
    const size = names.size;
    await this.#each(
      files,
      (file, content) => {
        current = file;
        bytes = content;
        const defined = /#\s*define\s+DEFAULT_SYMBOL_NAMESPACE\s+"?(\w+)/.exec(
          content.indexOf("DEFAULT_SYMBOL_NAMESPACE") < 0 ? "" : content.toString("latin1"),
        );
        if (defined !== null) namespaces.push([file.index, defined[1] ?? ""]);
        scanner.scan(content, content.length, {
          internAll: false,
          owners: false,
          everything: false,
          assembler: readAs(file.path) === READ_AS.assembler,
        });
        // The file's own macros end with it.
        for (const macro of local) {
          table.delete(macro);
          scanner.pasting[names.lookUp(macro)] = 0;
        }
        local.length = 0;
        names.truncate(size);
      },
      [],
      false,
    );
    return { exports, unresolved, namespaces };
  }

  /** The mentions of the names in all files. */
  async mentions(
    files: readonly Wanted[],
    allNames: readonly string[],
    tables: Tables,
  ): Promise<MentionResult> {
    const names = new NameTable(1 << 17);
    const meaning = addWords(names);
    for (const name of allNames) names.add(name);
    const table = new Map(tables);
    const includePaths = new NameTable();
    const includes = new IntList();
    const mentions = new IntList(1 << 20);
    const owned = new IntList(1 << 16);
    const owners = new IntList(1 << 14);
    const tracing: number[] = [];
    const traced: number[] = [];
    const unresolved: Unresolved[] = [];
    let current: Wanted = { index: 0, path: "", blob: "" };
    let bytes: Buffer = Buffer.alloc(0);
    const pastes: number[] = [];
    const local: string[] = [];
    const scanner = new CodeScanner(names, meaning, {
      onMacro: (start, end) => {
        const macro = readMacro(bytes.toString("latin1", start, end));
        if (macro === null || macro.parameters.length === 0) return;
        const made = templatesOf(macro, table).filter((one) => one.shape === null);
        if (made.length === 0 || table.has(macro.name)) return;
        const id = names.add(macro.name);
        if (id >= scanner.pasting.length) return;
        table.set(macro.name, made);
        local.push(macro.name);
        scanner.pasting[id] = USE_PASTES;
      },
      onUse: (id, end, line, owner) => {
        const macro = names.name(id);
        const templates = table.get(macro);
        if (templates === undefined) return;
        const call = callText(bytes, bytes.indexOf(40, end), CALL_BYTES_MAX);
        if (call === null) return;
        for (const one of namesMade(templates, call))
          if (one === null) {
            if (unresolved.length < UNRESOLVED_MAX)
              unresolved.push({ file: current.index, line, macro, text: call.slice(0, 120) });
          } else {
            const made = names.lookUp(one.name);
            if (made > 0) pastes.push(owner, made, line, MENTION.pasted);
          }
      },
      onInclude: (start, end, line) => {
        const text = bytes.toString("latin1", start, Math.min(end, start + 200));
        const path = /include\s*["<]([^">]+)[">]/.exec(text)?.[1];
        if (path !== undefined) includes.push(current.index, includePaths.add(path), line, 0);
      },
    });
    scanner.pasting = new Uint8Array(names.size + 4096);
    for (const macro of table.keys()) {
      const id = names.lookUp(macro);
      if (id !== 0) scanner.pasting[id] = USE_PASTES;
    }
    const size = names.size;
    await this.#each(
      files,
      (file, content) => {
        current = file;
        bytes = content;
        pastes.length = 0;
        const sort = readAs(file.path);
        if (sort === READ_AS.rust) {
          for (const [id, line] of rustUses(content, names))
            mentions.push(file.index, id, line, MENTION.rust);
          return;
        }
        if (sort === READ_AS.text) {
          for (const [id, line] of wordsIn(content, names, meaning.length))
            mentions.push(file.index, id, line, MENTION.generator);
          return;
        }
        const header = sort === READ_AS.header;
        // Tables of registers: nothing in them carries a use.
        if (header && !this.#carrying.has(file.index) && content.indexOf("#include") < 0) return;
        if (content.indexOf("CREATE_TRACE_POINTS") >= 0) tracing.push(file.index);
        if (header && (content.indexOf("TRACE_EVENT") >= 0 || content.indexOf("DECLARE_EVENT_CLASS") >= 0))
          traced.push(file.index);
        scanner.scan(content, content.length, {
          internAll: false,
          owners: header,
          everything: false,
          assembler: sort === READ_AS.assembler,
        });
        const rows = scanner.mentions;
        if (header) {
          const first = owners.length >> 2;
          for (let i = 0; i < scanner.owners.length; i += 4)
            owners.push(file.index, scanner.owners.at(i), scanner.owners.at(i + 1), scanner.owners.at(i + 2));
          for (let i = 0; i < rows.length; i += 4)
            if (rows.at(i + 3) < MENTION.export)
              owned.push(first + rows.at(i), rows.at(i + 1), rows.at(i + 2), rows.at(i + 3));
          for (let i = 0; i < pastes.length; i += 4)
            owned.push(
              first + (pastes[i] as number),
              pastes[i + 1] as number,
              pastes[i + 2] as number,
              MENTION.pasted,
            );
        } else {
          for (let i = 0; i < rows.length; i += 4)
            if (rows.at(i + 3) < MENTION.export && rows.at(i + 1) <= size)
              mentions.push(file.index, rows.at(i + 1), rows.at(i + 2), rows.at(i + 3));
          for (let i = 0; i < pastes.length; i += 4)
            mentions.push(file.index, pastes[i + 1] as number, pastes[i + 2] as number, MENTION.pasted);
        }
        for (const macro of local) {
          table.delete(macro);
          scanner.pasting[names.lookUp(macro)] = 0;
        }
        local.length = 0;
        names.truncate(size);
      },
      [],
    );
    const paths: string[] = [];
    for (let id = 1; id <= includePaths.size; id++) paths.push(includePaths.name(id));
    return {
      mentions: mentions.toArray(),
      owned: owned.toArray(),
      owners: owners.toArray(),
      includes: includes.toArray(),
      includePaths: ["", ...paths],
      tracing,
      traced,
      unresolved,
    };
  }

  async #each(
    files: readonly Wanted[],
    take: (file: Wanted, bytes: Buffer) => void,
    lost: (readonly [file: number, why: string])[],
    counted = true,
  ): Promise<void> {
    let done = 0;
    await readEach(
      this.#place,
      files,
      (file, bytes) => {
        take(file, bytes);
        done++;
        if (counted && (done & 255) === 0) this.#onFile(256);
      },
      (file, why) => lost.push([file.index, why]),
    );
    if (counted) this.#onFile(done & 255);
  }
}

/** What a file with a macro that makes names has in it. */
const PASTING = ["##", '" #', '"#'];
const USE_PASTES = 1;
const USE_EXPORTS = 2;
const UNRESOLVED_MAX = 20_000;

/**
 * The name that `#define NAME name` of the file stands for: `#define FUNC_NAME memcpy`. Names of functions begin small,
 * but in assembler. Null: it stands for several, or for something that is no name.
 */
function nameBehind(name: string, bytes: Buffer, assembler: boolean): string | null {
  if (!(assembler || /^[A-Z]/.test(name)) || bytes.indexOf(`define ${name}`) < 0) return name;
  const defined = new RegExp(`^[ \\t]*#[ \\t]*define[ \\t]+${name}[ \\t]+(\\S.*?)[ \\t]*$`, "gm");
  const meant = new Set([...bytes.toString("latin1").matchAll(defined)].map((match) => match[1] ?? ""));
  const plain = [...meant].filter((value) => /^[A-Za-z_]\w*$/.test(value));
  if (assembler && meant.size > 0 && (meant.size > 1 || plain.length === 0)) return null;
  return plain[0] ?? name;
}

/** The macros that a file defines. */
function* macrosIn(bytes: Buffer): Generator<MacroText> {
  const text = bytes.toString("latin1");
  for (const match of text.matchAll(/^[ \t]*#[ \t]*define[ \t]+(?=\w+\()/gm)) {
    const start = match.index + match[0].length;
    let end = start;
    for (;;) {
      const newline = text.indexOf("\n", end);
      if (newline < 0) {
        end = text.length;
        break;
      }
      const continued =
        text[newline - 1] === "\\" || (text[newline - 1] === "\r" && text[newline - 2] === "\\");
      end = newline + 1;
      if (!continued) break;
    }
    if (end - start > MACRO_BYTES_MAX) continue;
    const macro = readMacro(text.slice(start, end));
    if (macro !== null) yield macro;
  }
}

/** `bindings::name` and `bindings::{a, b}`. */
function* rustUses(bytes: Buffer, names: NameTable): Generator<readonly [id: number, line: number]> {
  if (bytes.indexOf("bindings::") < 0) return;
  const lines = bytes.toString("latin1").split("\n");
  for (const [at, line] of lines.entries()) {
    if (line.trimStart().startsWith("//")) continue;
    for (const match of line.matchAll(/bindings::(\w+|\{[^}]*)/g))
      for (const name of (match[1] ?? "").match(/\w+/g) ?? []) {
        const id = names.lookUp(name);
        if (id !== 0) yield [id, at + 1];
      }
  }
}

function* wordsIn(
  bytes: Buffer,
  names: NameTable,
  words: number,
): Generator<readonly [id: number, line: number]> {
  const seen = new Set<number>();
  for (const [at, line] of bytes.toString("latin1").split("\n").entries()) {
    const code = line.replace(/^\s*(#|\/\/|;).*$/, "");
    for (const name of code.match(/[A-Za-z_]\w{3,}/g) ?? []) {
      const text = Buffer.from(name, "latin1");
      const id = names.find(text, 0, text.length, hashBytes(text, 0, text.length));
      if (id === 0 || seen.has(id) || (id < words && id < 256)) continue;
      seen.add(id);
      yield [id, at + 1];
    }
  }
}
