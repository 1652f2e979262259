import type { CpuCache } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import {
  ID_RANGE,
  numbered,
  quoted,
  type Range,
  readInteger,
  readLine,
  readList,
  readMask,
} from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { deviceTreeCaches } from "./device-tree.ts";
import { CPU_DIRECTORY, onlineCpus } from "./processors.ts";

const LEVEL_RANGE: Range = { min: 1, max: 16 };
const COUNT_RANGE: Range = { min: 0, max: 2 ** 31 - 1 };
/** Bytes by the letter behind a cache's size. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["K", 2 ** 10],
  ["M", 2 ** 20],
  ["G", 2 ** 30],
]);
const TYPES: ReadonlyMap<string, CpuCache["type"]> = new Map([
  ["Unified", "unified"],
  ["Data", "data"],
  ["Instruction", "instruction"],
]);

/** The caches of the CPUs. */
export const caches: Source = {
  name: "caches",
  after: ["groups"],
  discover(discovery: Discovery): void {
    const online = onlineCpus(discovery);
    const reader = new CacheReader(discovery, online);
    for (const cpu of online) reader.readOf(cpu);
    const found = reader.found.length > 0 ? reader.found : deviceTreeCaches(discovery, online);
    discovery.facts.caches.push(...found.sort((a, b) => a.level - b.level || a.cpus.first - b.cpus.first));
  },
};

/** What caches of one sort have in common. */
type Sort = Pick<CpuCache, "level" | "type" | "lineSize" | "associativity"> & {
  /** Whether the kernel numbers them: it does for some levels and not for others. */
  readonly hasId: boolean;
};

class CacheReader {
  readonly found: CpuCache[] = [];
  readonly #discovery: Discovery;
  readonly #online: IndexSet;
  /** By CPU: the caches found so far that it shares. */
  readonly #shared = new Map<number, CpuCache[]>();
  /** By place among the caches of a CPU, and size. */
  readonly #sorts = new Map<string, Sort>();
  /** By CPU: how many caches the kernel shows for it. */
  readonly #counts = new Map<number, number>();
  /** By CPU: the CPUs of its core. */
  readonly #cores = new Map<number, IndexSet>();

  constructor(discovery: Discovery, online: IndexSet) {
    this.#discovery = discovery;
    this.#online = online;
    for (const { type, cpus } of discovery.facts.groups)
      if (type === "core") for (const cpu of cpus) this.#cores.set(cpu, cpus);
  }

  readOf(cpu: number): void {
    // All that a thread has it shares with the others of its core.
    const core = this.#cores.get(cpu);
    const found = this.#shared.get(cpu)?.length ?? 0;
    if (core !== undefined && core.first < cpu && found > 0 && found === this.#counts.get(core.first)) return;
    const directory = `${CPU_DIRECTORY}/cpu${cpu}/cache`;
    const indexes = numbered(this.#discovery, directory, "index");
    this.#counts.set(cpu, indexes.length);
    // Every cache of this CPU was found already at a CPU that shares it: nothing more to read.
    if (indexes.length === found) return;
    for (const index of indexes)
      this.#read(cpu, `${directory}/index${index}`, `${index} of ${indexes.length}`);
  }

  #read(cpu: number, directory: string, place: string): void {
    const size = this.#size(`${directory}/size`);
    const sort = this.#sort(directory, { place, size });
    if (sort === undefined) return;
    const shared = this.#shared.get(cpu) ?? [];
    if (shared.some((cache) => cache.level === sort.level && cache.type === sort.type)) return;
    const cpus = this.#cpus(cpu, directory);
    const { hasId, ...alike } = sort;
    const id = hasId ? (readInteger(this.#discovery, `${directory}/id`, ID_RANGE) ?? -1) : -1;
    const cache: CpuCache = { ...alike, cpus, size, index: id < 0 ? null : id, inclusive: null };
    this.found.push(cache);
    for (const each of cpus) {
      const list = this.#shared.get(each);
      if (list === undefined) this.#shared.set(each, [cache]);
      else list.push(cache);
    }
  }

  /**
   * The sort of a cache. These are half of all files of a machine: what has the same place among the same number of
   * caches, and the same size, as one that was read at another CPU is of the same sort.
   */
  #sort(directory: string, of: { readonly place: string; readonly size: number }): Sort | undefined {
    const key = `${of.place}, ${of.size}`;
    const known = this.#sorts.get(key);
    if (known !== undefined) return known;
    const level = readInteger(this.#discovery, `${directory}/level`, LEVEL_RANGE);
    const type = this.#type(`${directory}/type`);
    if (level === undefined || type === undefined) return undefined;
    const hasId = this.#discovery.tree.exists(`${directory}/id`);
    const sort: Sort = { level, type, hasId, ...this.#build(directory, of.size) };
    this.#sorts.set(key, sort);
    return sort;
  }

  #build(directory: string, size: number): Pick<CpuCache, "lineSize" | "associativity"> {
    const number = (file: string): number =>
      readInteger(this.#discovery, `${directory}/${file}`, COUNT_RANGE) ?? 0;
    const lineSize = number("coherency_line_size");
    const sets = number("number_of_sets");
    const ways = number("ways_of_associativity");
    const computed = size / (lineSize * sets);
    const known = ways > 0 ? ways : Number.isInteger(computed) ? computed : 0;
    return { lineSize, associativity: sets === 1 ? -1 : known };
  }

  #type(path: string): CpuCache["type"] | undefined {
    const line = readLine(this.#discovery, path);
    const type = TYPES.get(line ?? "");
    if (type === undefined && line !== undefined)
      this.#discovery.warn(path, `holds ${quoted(line)} where Unified, Data or Instruction is expected`);
    return type;
  }

  /** Bytes; 0 when unknown. */
  #size(path: string): number {
    const line = readLine(this.#discovery, path);
    if (line === undefined) return 0;
    const [, digits, unit = ""] = /^(\d{1,9})([KMG]?)$/.exec(line) ?? [];
    if (digits !== undefined) return Number(digits) * (UNITS.get(unit) ?? 1);
    this.#discovery.warn(path, `holds ${quoted(line)} where a size such as 32K is expected`);
    return 0;
  }

  #cpus(cpu: number, directory: string): IndexSet {
    const path = `${directory}/shared_cpu_map`;
    const mask = readMask(this.#discovery, path) ?? readList(this.#discovery, `${directory}/shared_cpu_list`);
    const cpus = mask?.and(this.#online);
    if (cpus?.has(cpu) === true) return cpus;
    if (cpus !== undefined && !cpus.isEmpty)
      this.#discovery.warn(path, `names the CPUs ${cpus.toList()}, but not CPU ${cpu} itself: not used`);
    // Some ia64 kernels give an empty mask for caches of a whole core.
    return this.#cores.get(cpu) ?? IndexSet.of([cpu]);
  }
}
