import { posix } from "node:path";
import type { ExportClass } from "./classes.ts";
import type { Gathered } from "./gather.ts";
import type { BuiltAs, Kbuild } from "./kbuild/kbuild.ts";
import type { Consumer, ExportedSymbol, Undetermined } from "./report.ts";
import { knownUse, tracepointNames } from "./rules.ts";
import { MENTION_WORDS } from "./scan/mention.ts";
import { OWNER } from "./scan/scanner.ts";
import { architectureOf, isLinkedAlone, isTest, READ_AS, readAs } from "./tree/files.ts";
import type { ExportFound } from "./work.ts";

/** Consumers that are kept of each symbol. */
export const CONSUMERS_KEPT = 6;
/** Owners (macros, inline functions, headers) that are followed for one symbol before it counts as undetermined. */
const OWNERS_MAX = 200_000;
/** Files that include each other are followed this far. */
const INCLUDERS_MAX = 4000;

type Built = Consumer["built"];
/** Who counts before whom. A test that is a module needs the export; so it counts before what is built in. */
const RANK: Readonly<Record<Built, number>> = {
  module: 0,
  test: 1,
  "same-module": 2,
  "built-in": 3,
  unknown: 4,
};

interface How {
  readonly built: Built;
  readonly module: string | null;
  readonly config: string | null;
}

/** Rows of a table that are found by one of their columns. */
class Index {
  readonly #starts: Int32Array;
  readonly #order: Int32Array;

  constructor(keys: Int32Array, size: number) {
    const starts = new Int32Array(size + 2);
    for (const key of keys) starts[key + 1] = (starts[key + 1] as number) + 1;
    for (let i = 1; i < starts.length; i++) starts[i] = (starts[i] as number) + (starts[i - 1] as number);
    const next = starts.slice();
    const order = new Int32Array(keys.length);
    for (let row = 0; row < keys.length; row++) {
      const key = keys[row] as number;
      const at = next[key] as number;
      order[at] = row;
      next[key] = at + 1;
    }
    this.#starts = starts;
    this.#order = order;
  }

  rows(key: number): Int32Array {
    if (key < 0 || key + 1 >= this.#starts.length) return EMPTY;
    return this.#order.subarray(this.#starts[key] as number, this.#starts[key + 1] as number);
  }
}

const EMPTY = new Int32Array(0);

/** A column of several tables of four columns, one behind the other; `shift` is added to the rows of each table. */
function column(tables: readonly Int32Array[], which: number, shift?: readonly number[]): Int32Array {
  const rows = tables.reduce((sum, table) => sum + (table.length >> 2), 0);
  const values = new Int32Array(rows);
  let at = 0;
  tables.forEach((table, t) => {
    const add = shift?.[t] ?? 0;
    for (let i = which; i < table.length; i += 4) values[at++] = (table[i] as number) + add;
  });
  return values;
}

/** Judges the exports of a tree. */
export class Judge {
  readonly #tree: Gathered;
  readonly #kbuild: Kbuild;
  // Mentions outside of headers' owners.
  readonly #mentionFile: Int32Array;
  readonly #mentionLine: Int32Array;
  readonly #mentionHow: Int32Array;
  readonly #mentions: Index;
  // Mentions in owners.
  readonly #ownedOwner: Int32Array;
  readonly #owned: Index;
  // Owners.
  readonly #ownerFile: Int32Array;
  readonly #ownerName: Int32Array;
  readonly #ownerLine: Int32Array;
  readonly #ownerSort: Int32Array;
  readonly #includers: Map<number, number[]> = new Map();
  readonly #tracing: ReadonlySet<number>;
  readonly #traced: ReadonlySet<number>;
  readonly #builtCache: Map<number, readonly BuiltAs[]> = new Map();
  readonly #architectures: readonly string[];
  readonly #doubts: readonly { readonly pattern: RegExp; readonly where: string }[];

  constructor(tree: Gathered) {
    this.#tree = tree;
    this.#kbuild = tree.kbuild;
    const { results } = tree;
    const names = tree.names.length + 1;
    const mentions = results.map((one) => one.mentions);
    this.#mentionFile = column(mentions, 0);
    this.#mentionLine = column(mentions, 2);
    this.#mentionHow = column(mentions, 3);
    this.#mentions = new Index(column(mentions, 1), names);
    const owners = results.map((one) => one.owners);
    const shifts: number[] = [];
    let owner = 0;
    for (const table of owners) {
      shifts.push(owner);
      owner += table.length >> 2;
    }
    this.#ownerFile = column(owners, 0);
    this.#ownerName = column(owners, 1);
    this.#ownerLine = column(owners, 2);
    this.#ownerSort = column(owners, 3);
    const owned = results.map((one) => one.owned);
    this.#ownedOwner = column(owned, 0, shifts);
    this.#owned = new Index(column(owned, 1), names);
    this.#tracing = new Set(results.flatMap((one) => one.tracing));
    this.#traced = new Set(results.flatMap((one) => one.traced));
    this.#architectures = tree.files.map(architectureOf);
    this.#resolveIncludes();
    this.#doubts = this.#doubtful();
  }

  /** Every exported symbol with its class. */
  all(): ExportedSymbol[] {
    const seen = new Set<string>();
    const judged: ExportedSymbol[] = [];
    for (const found of this.#tree.exports) {
      const file = this.#tree.files[found.file] ?? "";
      const key = `${found.symbol}\0${file}`;
      // The same symbol again in the same file is the other branch of a condition.
      if (seen.has(key)) continue;
      seen.add(key);
      judged.push(this.#judge(found, file));
    }
    judged.sort((a, b) =>
      a.symbol !== b.symbol ? (a.symbol < b.symbol ? -1 : 1) : a.file < b.file ? -1 : 1,
    );
    return judged;
  }

  undetermined(): Undetermined[] {
    return this.#tree.unresolvedExports.map(({ file, line, macro, text }) => ({
      file: this.#tree.files[file] ?? "",
      line,
      macro,
      text,
    }));
  }

  #judge(found: ExportFound, file: string): ExportedSymbol {
    const consumers = new Found();
    const own = this.#builtAs(found.file);
    let lookedAt = 0;
    for (const name of namesOf(found)) {
      const id = this.#tree.nameIds.get(name);
      if (id !== undefined)
        lookedAt += this.#follow(id, found.file, found.sort === "tracepoint", own, consumers);
    }
    const known = knownUse(found.symbol);
    const verdict = this.#verdict(found, consumers, known?.by ?? null, lookedAt);
    return {
      symbol: found.symbol,
      file,
      line: found.line,
      macro: found.macro,
      sort: found.sort,
      gpl: found.gpl,
      namespace: this.#namespaceOf(found, file),
      modules: found.modules ?? null,
      class: verdict.class,
      why: verdict.why,
      rule: known?.rule ?? null,
      mentionedIn: consumers.files.size,
      consumers: consumers.best(),
    };
  }

  #namespaceOf(found: ExportFound, file: string): string | null {
    const stated =
      found.namespace ?? this.#tree.fileNamespaces.get(found.file) ?? this.#kbuild.namespaceOf(file);
    return stated === undefined || stated === "" ? null : stated;
  }

  #verdict(
    found: ExportFound,
    consumers: Found,
    knownBy: string | null,
    lookedAt: number,
  ): { readonly class: ExportClass; readonly why: string } {
    const [first] = consumers.best();
    if (first !== undefined && first.built === "module")
      return { class: "module", why: `used by ${first.file}, which can be a module` };
    if (knownBy !== null) return { class: "module", why: `used by ${knownBy}` };
    if (first?.built === "test")
      return { class: "tests", why: `used by tests or samples only, such as ${first.file}` };
    if (first?.built === "same-module")
      return {
        class: "same-module",
        why: `used by ${first.file} only, which is linked into the same module ${first.module ?? ""}`,
      };
    if (first?.built === "built-in")
      return { class: "built-in", why: `used only by what is built in, such as ${first.file}` };
    if (first !== undefined)
      return {
        class: "undetermined",
        why: `mentioned by ${first.file}, which no Makefile shows how to build`,
      };
    if (lookedAt >= OWNERS_MAX)
      return { class: "undetermined", why: `more than ${OWNERS_MAX} macros and functions lead to it` };
    const doubt = this.#doubts.find((one) => one.pattern.test(found.symbol));
    if (consumers.owners > 0)
      return {
        class: "headers",
        why: `mentioned in ${consumers.ownerText} only, which nothing uses`,
      };
    if (doubt !== undefined)
      return { class: "undetermined", why: `its name may be made by token pasting: ${doubt.where}` };
    return { class: "nobody", why: "no file of the tree but its own uses it" };
  }

  /** Follows a name to its consumers, through headers; stops when enough modules are found. */
  #follow(
    id: number,
    exporter: number,
    isTracepoint: boolean,
    own: readonly BuiltAs[],
    found: Found,
  ): number {
    this.#direct(id, exporter, own, found, [], -1);
    const queue: { readonly owner: number; readonly through: readonly string[] }[] = [];
    const seen = new Set<number>();
    const carriersOf = (name: number, through: readonly string[], within: number): void => {
      for (const row of this.#owned.rows(name)) {
        const owner = this.#ownedOwner[row] as number;
        if (seen.has(owner) || seen.size >= OWNERS_MAX) continue;
        if (within >= 0 && !this.#sees(this.#ownerFile[owner] as number, within)) continue;
        // A macro or function of the same name is the symbol's own stub.
        if (this.#ownerName[owner] === id) continue;
        const header = this.#ownerFile[owner] as number;
        if (!this.#fits(header, exporter)) continue;
        // TRACE_EVENT makes the tracepoint; that is no use of it.
        if (this.#ownerName[owner] === 0 && isTracepoint && this.#traced.has(header)) continue;
        seen.add(owner);
        found.owner(this.#describe(owner));
        queue.push({ owner, through });
      }
    };
    carriersOf(id, [], -1);
    for (let at = 0; at < queue.length && !found.enough; at++) {
      const step = queue[at];
      if (step === undefined) break;
      const name = this.#ownerName[step.owner] as number;
      const header = this.#ownerFile[step.owner] as number;
      const through = [this.#describe(step.owner), ...step.through];
      if (name === 0)
        this.#byInclusion(header, exporter, own, found, through, this.#ownerLine[step.owner] as number);
      else {
        this.#direct(name, exporter, own, found, through, header);
        carriersOf(name, through, header);
      }
    }
    return seen.size;
  }

  /** The files that mention a name themselves. `header`: where a carrier of that name is defined; −1: none. */
  #direct(
    id: number,
    exporter: number,
    own: readonly BuiltAs[],
    found: Found,
    through: readonly string[],
    header: number,
  ): void {
    for (const row of this.#mentions.rows(id)) {
      const file = this.#mentionFile[row] as number;
      if (file === exporter || !this.#fits(file, exporter)) continue;
      if (header >= 0 && !this.#sees(file, header)) continue;
      const path = this.#tree.files[file] ?? "";
      if (isLinkedAlone(path)) continue;
      found.add({
        file: path,
        line: this.#mentionLine[row] as number,
        how: MENTION_WORDS[this.#mentionHow[row] as number] ?? "",
        ...this.#how(file, path, own),
        through,
      });
      if (found.enough && through.length > 0) return;
    }
  }

  /** What stands in a header outside of functions is compiled into every file that includes it. */
  #byInclusion(
    header: number,
    exporter: number,
    own: readonly BuiltAs[],
    found: Found,
    through: readonly string[],
    line: number,
  ): void {
    const queue = [header];
    const seen = new Set(queue);
    const tracepoints = this.#traced.has(header);
    for (let at = 0; at < queue.length && seen.size < INCLUDERS_MAX && !found.enough; at++)
      for (const file of this.#includers.get(queue[at] as number) ?? []) {
        if (seen.has(file)) continue;
        seen.add(file);
        const path = this.#tree.files[file] ?? "";
        if (readAs(path) === READ_AS.header) {
          queue.push(file);
          continue;
        }
        if (file === exporter || !this.#fits(file, exporter) || isLinkedAlone(path)) continue;
        if (tracepoints && !this.#tracing.has(file)) continue;
        found.add({ file: path, line, how: "by including a header", ...this.#how(file, path, own), through });
      }
  }

  /** Whether a file of one architecture can use what a file of another one exports. */
  #fits(file: number, exporter: number): boolean {
    const one = this.#architectures[file] ?? "";
    const other = this.#architectures[exporter] ?? "";
    return one === "" || other === "" || one === other;
  }

  /**
   * Whether a file can see what a header defines: one below include/ can be included from everywhere, others from
   * their part of the tree.
   */
  #sees(file: number, header: number): boolean {
    const path = this.#tree.files[header] ?? "";
    if (path.startsWith("include/") || path.includes("/include/")) return this.#fits(file, header);
    const parts = path.split("/");
    const part = parts.slice(0, Math.max(1, Math.min(3, parts.length - 2))).join("/");
    const other = this.#tree.files[file] ?? "";
    return other.startsWith(`${part}/`) || this.#includers.get(header)?.includes(file) === true;
  }

  #how(file: number, path: string, own: readonly BuiltAs[]): How {
    let best: How = { built: "unknown", module: null, config: null };
    if (path.startsWith("rust/"))
      // What the kernel crate has of C is compiled into the modules that use it.
      return { built: "module", module: path, config: "RUST" };
    for (const one of this.#builtAs(file)) {
      const module = one.capability === "module" ? one.module : null;
      const built: Built =
        one.capability === "unknown"
          ? "unknown"
          : isTest(path, one.config)
            ? "test"
            : module === null
              ? "built-in"
              : own.some((mine) => mine.module === module && mine.capability === "module")
                ? "same-module"
                : "module";
      if (RANK[built] < RANK[best.built]) best = { built, module, config: one.config };
    }
    if (best.built === "unknown" && isTest(path, null)) return { ...best, built: "test" };
    return best;
  }

  /** How a file is built: by its Makefile, or as a part of the files that include it. */
  #builtAs(file: number): readonly BuiltAs[] {
    const cached = this.#builtCache.get(file);
    if (cached !== undefined) return cached;
    this.#builtCache.set(file, []);
    let built = this.#kbuild.builtAs(this.#tree.files[file] ?? "");
    if (built.length === 0) {
      const list: BuiltAs[] = [];
      for (const includer of this.#includers.get(file) ?? []) list.push(...this.#builtAs(includer));
      built = list;
    }
    this.#builtCache.set(file, built);
    return built;
  }

  /** Which files include which: those beside the includer first, then by the end of the path. */
  #resolveIncludes(): void {
    const { files, results } = this.#tree;
    const byPath = new Map<string, number>();
    const byName = new Map<string, number[]>();
    files.forEach((path, index) => {
      byPath.set(path, index);
      const name = posix.basename(path);
      const list = byName.get(name);
      if (list === undefined) byName.set(name, [index]);
      else list.push(index);
    });
    for (const { includes, includePaths } of results) {
      // Of each included path: the files that it could be.
      const ends: (readonly number[])[] = includePaths.map((path) => {
        const end = path.replace(/^(\.\.?\/)+/, "");
        return (byName.get(posix.basename(path)) ?? []).filter(
          (index) => files[index] === end || files[index]?.endsWith(`/${end}`) === true,
        );
      });
      for (let i = 0; i < includes.length; i += 4) {
        const file = includes[i] as number;
        const which = includes[i + 1] as number;
        const path = includePaths[which] ?? "";
        const folder = posix.dirname(files[file] ?? "");
        const beside = byPath.get(posix.join(folder, path));
        const targets =
          beside !== undefined ? [beside] : (ends[which] ?? []).filter((index) => this.#fits(file, index));
        if (targets.length > 40) continue;
        for (const target of targets) {
          const list = this.#includers.get(target);
          if (list === undefined) this.#includers.set(target, [file]);
          else list.push(file);
        }
      }
    }
  }

  #describe(owner: number): string {
    const name = this.#ownerName[owner] as number;
    const place = `${this.#tree.files[this.#ownerFile[owner] as number] ?? ""}:${this.#ownerLine[owner]}`;
    if (name === 0) return place;
    const sort = this.#ownerSort[owner] === OWNER.macro ? "macro" : "inline";
    return `${sort} ${this.#tree.names[name] ?? ""} (${place})`;
  }

  /** Macros whose uses could not all be resolved, as patterns of the names that they may make. */
  #doubtful(): { readonly pattern: RegExp; readonly where: string }[] {
    const places = new Map<string, string>();
    for (const { unresolved } of this.#tree.results)
      for (const { file, line, macro } of unresolved)
        if (!places.has(macro)) places.set(macro, `${macro} at ${this.#tree.files[file]}:${line}`);
    const doubts: { readonly pattern: RegExp; readonly where: string }[] = [];
    for (const [macro, where] of places)
      for (const { parts, shape } of this.#tree.templates.get(macro) ?? []) {
        if (shape !== null) continue;
        const text = parts.filter((part) => typeof part === "string").join("");
        if (text.length < DOUBT_CHARACTERS) continue;
        const source = parts
          .map((part) => (typeof part === "string" ? part.replace(/\W/g, "\\$&") : "\\w*"))
          .join("");
        doubts.push({ pattern: new RegExp(`^${source}$`), where });
      }
    return doubts;
  }
}

/** Shorter texts of a template match too much to mean anything. */
const DOUBT_CHARACTERS = 5;

/** The names by which an export is used. */
function namesOf(found: ExportFound): readonly string[] {
  return found.sort === "tracepoint"
    ? tracepointNames(found.symbol.slice("__tracepoint_".length))
    : [found.symbol];
}

/** The consumers that are found of a symbol. */
class Found {
  readonly files: Set<string> = new Set();
  readonly #kept: Consumer[] = [];
  #modules = 0;
  owners = 0;
  ownerText = "";

  get enough(): boolean {
    return this.#modules >= 2;
  }

  owner(text: string): void {
    this.owners++;
    if (this.ownerText === "") this.ownerText = text;
  }

  add(consumer: Consumer): void {
    if (consumer.through.length === 0) this.files.add(consumer.file);
    if (consumer.built === "module") this.#modules++;
    const rank = RANK[consumer.built];
    if (this.#kept.length < CONSUMERS_KEPT) this.#kept.push(consumer);
    else {
      const worst = this.#kept.at(-1);
      if (worst === undefined || RANK[worst.built] <= rank) return;
      this.#kept[CONSUMERS_KEPT - 1] = consumer;
    }
    this.#kept.sort((a, b) => RANK[a.built] - RANK[b.built] || a.through.length - b.through.length);
  }

  best(): readonly Consumer[] {
    return this.#kept;
  }
}
