import type { DistanceMatrix, KindConclusion, NumaNode } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { numbered, readList, readMask } from "../attribute.ts";
import { cpusetOf } from "../cpu/cpuset.ts";
import { deviceTreeMemory } from "../cpu/device-tree.ts";
import { onlineCpus } from "../cpu/processors.ts";
import type { Discovery, Source } from "../source.ts";
import { readAccess } from "./access.ts";
import { readDistances } from "./distances.ts";
import { nearCpus, withInitiators } from "./locality.ts";
import { type Meminfo, readMeminfo } from "./meminfo.ts";
import { basePageSize, hugePages, pageSizes } from "./page-sizes.ts";
import { readSideCaches } from "./side-caches.ts";

/** Where the kernel has a directory for each node. */
export const NODE_DIRECTORY = "sys/devices/system/node";
/** Until a later source concludes something. */
const NOT_YET: KindConclusion = { kind: "unknown", reason: "nothing says what it is" };

/**
 * NUMA nodes: their CPUs, memory, pages, caches, access classes and distances. What kind of memory each is follows
 * in a source of its own.
 */
export const nodes: Source = {
  name: "numa",
  after: ["processors"],
  discover(discovery: Discovery): void {
    const indexes = numbered(discovery, NODE_DIRECTORY, "node");
    if (indexes.length === 0) {
      discovery.facts.nodes.push(...wholeMachine(discovery));
      return;
    }
    const found = new NodeReader(discovery, indexes).read();
    if (found.matrix !== null) discovery.facts.distances.push(found.matrix);
    const near = nearCpus(found.nodes, found.matrix ?? undefined);
    for (const node of found.nodes) {
      const cpus = near.get(node.index) ?? node.cpus;
      const access = withInitiators(node.access, cpus, found.nodes);
      discovery.facts.nodes.push({ ...node, nearCpus: cpus, access });
    }
  },
};

class NodeReader {
  readonly #discovery: Discovery;
  readonly #indexes: readonly number[];
  readonly #online: IndexSet;
  readonly #cpus: IndexSet;

  constructor(discovery: Discovery, indexes: readonly number[]) {
    this.#discovery = discovery;
    this.#indexes = indexes;
    this.#cpus = IndexSet.of(discovery.facts.processors.map(({ index }) => index));
    const all = IndexSet.of(indexes);
    const listed = readList(discovery, `${NODE_DIRECTORY}/online`);
    // The kernel has directories for online nodes only: a list that names none of them is none.
    this.#online = listed?.intersects(all) === true ? listed : all;
  }

  read(): { readonly nodes: NumaNode[]; readonly matrix: DistanceMatrix | null } {
    const cpus = this.#cpusOf();
    const kept = [...cpus.keys()];
    const directories = kept.map((index) => `${NODE_DIRECTORY}/node${index}`);
    const page = basePageSize(this.#discovery, directories);
    const allowed = this.#allowed(kept);
    const generic = readList(this.#discovery, `${NODE_DIRECTORY}/has_generic_initiator`);
    const found = [...cpus].map(([index, own]) => {
      const node = describeNode(this.#discovery, { index, page, alone: cpus.size === 1 });
      return {
        ...node,
        online: this.#online.has(index),
        // The kernel leaves a node without memory out of every list of allowed ones.
        allowed: allowed === null || allowed.has(index) || node.size === 0,
        cpus: own,
        nearCpus: own,
        genericInitiator: generic?.has(index) ?? false,
      };
    });
    const matrix = readDistances(this.#discovery, {
      directory: NODE_DIRECTORY,
      online: [...this.#online],
      nodes: kept.filter((index) => this.#online.has(index)),
    });
    return { nodes: found, matrix };
  }

  /**
   * CPUs of each node. A CPU is in one node only: a node that names a CPU of one before it (no kernel shows that)
   * is left out, as hwloc does.
   */
  #cpusOf(): Map<number, IndexSet> {
    const cpus = new Map<number, IndexSet>();
    let taken = IndexSet.EMPTY;
    for (const index of this.#indexes) {
      const path = `${NODE_DIRECTORY}/node${index}/cpumap`;
      const named =
        readMask(this.#discovery, path) ??
        readList(this.#discovery, `${NODE_DIRECTORY}/node${index}/cpulist`) ??
        IndexSet.EMPTY;
      if (named.intersects(taken)) {
        const twice = named.and(taken).toList();
        this.#discovery.warn(path, `names the CPUs ${twice} of nodes before it: node${index} is left out`);
        continue;
      }
      taken = taken.or(named);
      cpus.set(index, named.and(this.#cpus));
    }
    return cpus;
  }

  #allowed(kept: readonly number[]): IndexSet | null {
    const { name, nodes: allowed } = cpusetOf(this.#discovery);
    const limit = allowed ?? statusLimit(this.#discovery);
    if (limit === null || kept.some((index) => limit.has(index))) return limit;
    this.#discovery.warn(
      "proc/self/cgroup",
      `names the cgroup ${name}, which allows the nodes ${limit.toList()}: none of them is there, taken as no limit`,
    );
    return null;
  }
}

/** What the kernel tells the process itself, where its cgroup cannot be looked at. */
function statusLimit(discovery: Discovery): IndexSet | null {
  const status = discovery.tree.readText("proc/self/status");
  const list = /^Mems_allowed_list:[ \t]*(\S+)$/m.exec(status ?? "")?.[1];
  const set = list === undefined ? undefined : IndexSet.tryParseList(list);
  return set === undefined || set.isEmpty ? null : set;
}

type Described = Omit<NumaNode, "online" | "allowed" | "cpus" | "nearCpus" | "genericInitiator">;

function describeNode(
  discovery: Discovery,
  of: { readonly index: number; readonly page: number; readonly alone: boolean },
): Described {
  const directory = `${NODE_DIRECTORY}/node${of.index}`;
  const own = readMeminfo(discovery, `${directory}/meminfo`);
  const memory = own.size === null && of.alone ? machineMemory(discovery) : own;
  return {
    index: of.index,
    size: memory.size,
    free: memory.free,
    kind: NOT_YET,
    pageSizes: pageSizes(memory, of.page, hugePages(discovery, `${directory}/hugepages`)),
    sideCaches: readSideCaches(discovery, directory),
    access: readAccess(discovery, { directory, label: `node${of.index}`, origin: "hmat" }),
    tier: null,
    info: {},
  };
}

/** A kernel without NUMA shows no nodes: the machine is one, as hwloc has it too. Nothing when nothing is known of it. */
function wholeMachine(discovery: Discovery): NumaNode[] {
  const cpus = onlineCpus(discovery);
  const memory = machineMemory(discovery);
  if (cpus.isEmpty && memory.size === null) return [];
  const huge = hugePages(discovery, "sys/kernel/mm/hugepages");
  return [
    {
      index: 0,
      online: true,
      allowed: true,
      cpus,
      nearCpus: cpus,
      ...memory,
      kind: NOT_YET,
      pageSizes: pageSizes(memory, basePageSize(discovery, []), huge),
      sideCaches: [],
      access: [],
      tier: null,
      genericInitiator: false,
      info: {},
    },
  ];
}

function machineMemory(discovery: Discovery): Meminfo {
  const memory = readMeminfo(discovery, "proc/meminfo");
  if (memory.size !== null) return memory;
  const stated = deviceTreeMemory(discovery.tree);
  return stated > 0 ? { size: stated, free: null } : memory;
}
