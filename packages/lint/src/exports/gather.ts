import { Kbuild } from "./kbuild/kbuild.ts";
import { Pool } from "./pool.ts";
import { exportMacros, pasteMacros, tracepointNames } from "./rules.ts";
import { type MacroText, type Template, type TemplateTable, templatesOf } from "./scan/macros.ts";
import { NameTable } from "./scan/names.ts";
import { CLASS_PREFIX } from "./scan/text.ts";
import { addWords } from "./scan/words.ts";
import { READ_AS, readAs } from "./tree/files.ts";
import type { Place, Wanted } from "./tree/read.ts";
import type { ExportFound, MentionResult, Tables, Unresolved } from "./work.ts";

/** Rounds of looking for macros that use macros: chains are longer in no kernel. */
const ROUNDS_MAX = 16;

/** What was learnt of a tree, before anything is judged. */
export interface Gathered {
  readonly files: readonly string[];
  readonly hashes: ReadonlyMap<number, string>;
  readonly exports: readonly ExportFound[];
  readonly unresolvedExports: readonly Unresolved[];
  /** Names that count, by number as the mentions have it. */
  readonly nameIds: ReadonlyMap<string, number>;
  readonly names: readonly string[];
  readonly results: readonly MentionResult[];
  readonly kbuild: Kbuild;
  readonly fileNamespaces: ReadonlyMap<number, string>;
  readonly templates: TemplateTable;
  readonly warnings: readonly string[];
}

export type OnProgress = (what: string, done: number, total: number) => void;

/** Reads a tree: its exports, and who mentions them. `builds` holds the Makefiles and Kconfig files. */
export async function gather(
  place: Place,
  wanted: readonly Wanted[],
  builds: () => Promise<ReadonlyMap<string, string>>,
  onProgress: OnProgress,
): Promise<Gathered> {
  const shares = share(wanted);
  using pool = new Pool(place, shares.length);
  const at = (thread: number): readonly Wanted[] => shares[thread] ?? [];
  const files: string[] = [];
  for (const file of wanted) files[file.index] = file.path;
  const warnings: string[] = [];

  // 1. Headers: macros and inline functions that carry uses to those who use them.
  let done = 0;
  const total = wanted.length;
  pool.onFiles = (count) => {
    done += count;
    onProgress("reading headers", done, total);
  };
  const headersDone = pool.all("headers", (thread) => [at(thread)]);
  const kbuild = new Kbuild(await builds());
  const headers = await headersDone;
  for (const [file, why] of headers.flatMap((one) => one.lost))
    warnings.push(`${files[file]}: cannot be read (${why}); left out`);

  // 2. Exports, by the macros that are known and by those that are built on them.
  const exporters = exportMacros();
  await grow(pool, exporters, (template) => template.shape !== null);
  const byIndex = new Map(wanted.map((file) => [file.index, file]));
  const exportResults = await pool.all("exports", (thread) => [
    (headers[thread]?.exporting ?? []).flatMap((file) => byIndex.get(file) ?? []),
    [...exporters],
  ]);
  const exports = exportResults.flatMap((one) => one.exports);

  // 3. What leads to the exported names: macros that paste them, and what carries them in headers.
  const symbols = new Set(exports.map((one) => one.symbol));
  for (const one of exports) {
    if (one.sort !== "tracepoint") continue;
    for (const name of tracepointNames(one.symbol.slice("__tracepoint_".length))) symbols.add(name);
  }
  onProgress("following macros", 0, 1);
  const pasters = pasteMacros();
  const couldMake = matcher([...symbols]);
  const direct = (await pool.all("macros", () => [[], true])).flat();
  await grow(pool, pasters, (template) => template.shape === null && couldMake(template), direct);
  const names = await reach(pool, symbols, [...pasters.keys()]);

  // 4. Who mentions any of them.
  done = 0;
  pool.onFiles = (count) => {
    done += count;
    onProgress("looking for consumers", done, total);
  };
  const words = new NameTable();
  addWords(words);
  const nameIds = new Map<string, number>();
  const nameList: string[] = [];
  const added: string[] = [];
  for (const name of names) {
    if (words.lookUp(name) !== 0) continue;
    added.push(name);
    const id = words.size + added.length;
    nameIds.set(name, id);
    nameList[id] = name;
  }
  const tables: Tables = [...pasters];
  const results = await pool.all("mentions", (thread) => [at(thread), added, tables]);
  return {
    files,
    hashes: new Map(headers.flatMap((one) => one.hashes)),
    exports,
    unresolvedExports: exportResults.flatMap((one) => one.unresolved),
    nameIds,
    names: nameList,
    results,
    kbuild,
    fileNamespaces: new Map(exportResults.flatMap((one) => one.namespaces)),
    templates: pasters,
    warnings,
  };
}

/** Adds the headers' macros that are built on those of a table, until there are no more. */
async function grow(
  pool: Pool,
  table: TemplateTable,
  keep: (template: Template) => boolean,
  first: readonly MacroText[] = [],
): Promise<void> {
  const base = new Set(table.keys());
  const known = new Map<string, MacroText[]>();
  let fresh: string[] = [...table.keys()];
  let batch: readonly MacroText[] = first;
  for (let round = 0; round < ROUNDS_MAX && (fresh.length > 0 || batch.length > 0); round++) {
    const asked = fresh;
    const more = asked.length === 0 ? [] : (await pool.all("macros", () => [asked, false])).flat();
    const changed = new Set<string>();
    for (const macro of [...batch, ...more]) {
      if (base.has(macro.name)) continue;
      const made = templatesOf(macro, table).filter(keep);
      if (made.length === 0) continue;
      // The same macro may be defined several times, each for a configuration.
      const before = table.get(macro.name) ?? [];
      const all = new Map([...before, ...made].map((one) => [JSON.stringify(one), one]));
      if (all.size === before.length) continue;
      table.set(macro.name, [...all.values()].slice(0, 64));
      changed.add(macro.name);
      known.set(macro.name, [...(known.get(macro.name) ?? []), macro]);
    }
    fresh = [...changed];
    batch = [];
  }
}

/** Whether a template could make one of the names, by what it begins and ends with. */
function matcher(names: readonly string[]): (template: Template) => boolean {
  const forwards = [...names].sort();
  const backwards = names.map(reversed).sort();
  return ({ parts }) => {
    const first = parts[0];
    const last = parts.at(-1);
    if (parts.length === 1 && typeof first === "string") return names.includes(first);
    if (first === undefined) return false;
    if (typeof first === "string" && first.startsWith(CLASS_PREFIX)) return true;
    const literal = parts.some((part) => typeof part === "string");
    if (!literal) return true;
    return (
      (typeof first !== "string" || hasPrefix(forwards, first)) &&
      (typeof last !== "string" || hasPrefix(backwards, reversed(last)))
    );
  };
}

function reversed(text: string): string {
  return text.split("").reverse().join("");
}

function hasPrefix(sorted: readonly string[], prefix: string): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < prefix) low = middle + 1;
    else high = middle;
  }
  return sorted[low]?.startsWith(prefix) === true;
}

/** The names, what pastes them, and the headers' macros and functions that lead to either. */
async function reach(
  pool: Pool,
  symbols: ReadonlySet<string>,
  macros: readonly string[],
): Promise<Set<string>> {
  const all = new Set([...symbols, ...macros]);
  let fresh = [...all];
  for (let round = 0; round < ROUNDS_MAX * 2 && fresh.length > 0; round++) {
    const asked = fresh;
    const found = (await pool.all("carriers", () => [asked])).flat();
    fresh = [];
    for (const name of found) {
      if (all.has(name)) continue;
      all.add(name);
      fresh.push(name);
    }
  }
  return all;
}

/** The files in shares of about the same size, one a thread; neighbours stay together. */
function share(files: readonly Wanted[]): Wanted[][] {
  const threads = Math.max(1, Math.min(THREADS, Math.ceil(files.length / FILES_A_THREAD)));
  const shares: Wanted[][] = Array.from({ length: threads }, () => []);
  // In turns by blocks: headers of one folder are alike in size, and those of another are not.
  files.forEach((file, i) => {
    shares[Math.floor(i / BLOCK) % threads]?.push(file);
  });
  return shares;
}

const BLOCK = 16;
const FILES_A_THREAD = 200;
const THREADS: number = threadsOf();

function threadsOf(): number {
  return Math.min(4, Math.max(1, Number(process.env.HMS_LINT_THREADS ?? 0) || 2));
}

/** Whether a file is read at all. */
export function isRead(path: string): boolean {
  return readAs(path) !== READ_AS.none;
}
