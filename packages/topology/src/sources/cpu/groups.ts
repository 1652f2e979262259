import type { CpuGroup } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { ID_RANGE, readInteger, readList, readMask } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { cpuInfoOf } from "./cpuinfo.ts";
import { CPU_DIRECTORY, onlineCpus } from "./processors.ts";

/** How the kernel states one sort of group in `cpuN/topology`. */
interface Level {
  readonly type: Exclude<CpuGroup["type"], "group">;
  /** Files that may hold the CPUs of the group, the newer name first. */
  readonly masks: readonly string[];
  readonly id: string;
}

const PACKAGE: Level = {
  type: "package",
  masks: ["package_cpus", "core_siblings"],
  id: "physical_package_id",
};
const CORE: Level = { type: "core", masks: ["core_cpus", "thread_siblings"], id: "core_id" };
/** From the outermost inwards. */
const LEVELS: readonly Level[] = [
  { type: "drawer", masks: ["drawer_cpus", "drawer_siblings"], id: "drawer_id" },
  { type: "book", masks: ["book_cpus", "book_siblings"], id: "book_id" },
  PACKAGE,
  { type: "die", masks: ["die_cpus"], id: "die_id" },
  { type: "cluster", masks: ["cluster_cpus"], id: "cluster_id" },
  CORE,
];
/** Sorts that say nothing when they have the same CPUs as another group: a kernel states them on every machine. */
const WITHOUT_SUBSTANCE: ReadonlySet<CpuGroup["type"]> = new Set(["die", "cluster"]);
/** Cores after which it is clear that this machine has no modules of two cores. */
const PLAIN_CORES_MIN = 4;
/** CPUs whose files tell which files there are. */
const CPUS_ASKED = 2;
/** What the kernel gives as the id of a cluster that there is not. */
const NO_CLUSTER = 65_535;

/** Packages, dies, cores and what else CPUs belong to. */
export const groups: Source = {
  name: "groups",
  after: ["system", "processors"],
  discover(discovery: Discovery): void {
    const online = onlineCpus(discovery);
    const reader = new GroupReader(discovery, online);
    const found = LEVELS.flatMap((level) => reader.read(level));
    if (found.length === 0) found.push(...fromCpuInfo(discovery, online));
    const sets = new Set<string>();
    for (const group of found) if (!WITHOUT_SUBSTANCE.has(group.type)) sets.add(group.cpus.toList());
    for (const group of found) {
      if (WITHOUT_SUBSTANCE.has(group.type)) {
        const key = group.cpus.toList();
        if (sets.has(key)) continue;
        sets.add(key);
      }
      discovery.facts.groups.push(group.type === "package" ? named(discovery, group) : group);
    }
    if (!found.some(({ type }) => type === "package"))
      Object.assign(discovery.facts.info, cpuInfoOf(discovery).infoOf(online.first));
  },
};

class GroupReader {
  readonly #discovery: Discovery;
  readonly #online: IndexSet;
  /** Names of the files that the kernel has for a CPU. */
  readonly #files = new Set<string>();
  /** Cores of several threads that had one id, as long as none had several. */
  #plainCores = 0;
  /** By CPU: its package, for ids that are unique only in one. */
  readonly #package = new Map<number, number>();

  constructor(discovery: Discovery, online: IndexSet) {
    this.#discovery = discovery;
    this.#online = online;
    // A kernel has the same files for every CPU: what two of them do not have is not looked for at all.
    let asked = 0;
    for (const cpu of online) {
      const names = discovery.tree.list(`${CPU_DIRECTORY}/cpu${cpu}/topology`);
      for (const name of names) this.#files.add(name);
      if (names.length > 0) asked++;
      if (asked === CPUS_ASKED) break;
    }
  }

  read(level: Level): CpuGroup[] {
    const groups: CpuGroup[] = [];
    const covered = new Set<number>();
    const left: number[] = [];
    const files = level.masks
      .flatMap((mask) => [mask, `${mask}_list`])
      .filter((file) => this.#files.has(file));
    if (files.length === 0 && !this.#files.has(level.id)) return [];
    for (const cpu of this.#online) {
      // The CPUs of a group all have the same mask: the first of them that can be read speaks for the others.
      if (covered.has(cpu)) continue;
      const cpus = this.#readCpus(cpu, files);
      if (cpus === undefined) {
        left.push(cpu);
        continue;
      }
      for (const each of cpus) covered.add(each);
      if (level === CORE) groups.push(...this.#cores(cpus));
      else groups.push(group(level, this.#id(cpu, level), cpus));
    }
    const rest = left.filter((cpu) => !covered.has(cpu));
    if (level === PACKAGE || level === CORE) groups.push(...this.#byId(level, rest));
    if (level === PACKAGE)
      for (const [i, { cpus }] of groups.entries()) for (const cpu of cpus) this.#package.set(cpu, i);
    return groups;
  }

  #readCpus(cpu: number, files: readonly string[]): IndexSet | undefined {
    for (const file of files) {
      const path = `${CPU_DIRECTORY}/cpu${cpu}/topology/${file}`;
      const read = file.endsWith("_list") ? readList : readMask;
      const cpus = read(this.#discovery, path)?.and(this.#online);
      if (cpus === undefined || cpus.isEmpty) continue;
      if (cpus.has(cpu)) return cpus;
      this.#discovery.warn(path, `names the CPUs ${cpus.toList()}, but not CPU ${cpu} itself: not used`);
    }
    return undefined;
  }

  #id(cpu: number, { id }: Level): number | null {
    if (!this.#files.has(id)) return null;
    const value = readInteger(this.#discovery, `${CPU_DIRECTORY}/cpu${cpu}/topology/${id}`, ID_RANGE);
    if (value === undefined || value < 0 || (id === "cluster_id" && value === NO_CLUSTER)) return null;
    return value;
  }

  /** AMD's modules of two cores are stated as one core of two threads, but with two core ids. */
  #cores(cpus: IndexSet): CpuGroup[] {
    if (this.#plainCores >= PLAIN_CORES_MIN) return [group(CORE, this.#id(cpus.first, CORE), cpus)];
    const byId = Map.groupBy(cpus, (cpu) => this.#id(cpu, CORE));
    const [first = null] = byId.keys();
    if (byId.size > 1 && !byId.has(null)) {
      this.#plainCores = Number.NEGATIVE_INFINITY;
      return [...byId].map(([id, members]) => group(CORE, id, IndexSet.of(members)));
    }
    if (cpus.size > 1) this.#plainCores++;
    return [group(CORE, first, cpus)];
  }

  /** Where the files with the CPUs are missing: those with one id are together. */
  #byId(level: Level, cpus: readonly number[]): CpuGroup[] {
    const groups: CpuGroup[] = [];
    const inside = Map.groupBy(cpus, (cpu) => (level === CORE ? this.#package.get(cpu) : undefined));
    for (const members of inside.values()) {
      for (const [id, together] of Map.groupBy(members, (cpu) => this.#id(cpu, level)))
        if (id !== null) groups.push(group(level, id, IndexSet.of(together)));
    }
    return groups;
  }
}

function group({ type }: Level, index: number | null, cpus: IndexSet): CpuGroup {
  return { type, index, cpus, info: {} };
}

function named(discovery: Discovery, of: CpuGroup): CpuGroup {
  return { ...of, info: cpuInfoOf(discovery).infoOf(of.cpus.first) };
}

/** What /proc/cpuinfo of x86 and ia64 says, for captures without `cpuN/topology`. */
function fromCpuInfo(discovery: Discovery, online: IndexSet): CpuGroup[] {
  const cpuInfo = cpuInfoOf(discovery);
  const groups: CpuGroup[] = [];
  for (const [packageId, cpus] of Map.groupBy(online, (cpu) => cpuInfo.numberOf(cpu, "physical id"))) {
    if (packageId === undefined) continue;
    groups.push(group(PACKAGE, packageId, IndexSet.of(cpus)));
    for (const [id, threads] of Map.groupBy(cpus, (cpu) => cpuInfo.numberOf(cpu, "core id")))
      if (id !== undefined) groups.push(group(CORE, id, IndexSet.of(threads)));
  }
  return groups;
}
