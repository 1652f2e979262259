import { CpuTree, type Draft } from "./cpu-tree.ts";
import type { CpuGroup, NumaNode } from "./facts.ts";
import { IndexSet } from "./index-set.ts";
import { buildIoTrees } from "./io-tree.ts";
import type {
  CpuObject,
  IoObject,
  MachineObject,
  MemoryObject,
  NumaNodeObject,
  ObjectTree,
  TreeFacts,
} from "./object-tree.ts";

/** Groups that are dropped where another object has the same CPUs, outermost first. */
const GROUPS_WITHOUT_SUBSTANCE: readonly CpuGroup["type"][] = ["drawer", "book", "cluster", "group"];

/**
 * Builds the tree of "what is inside what" out of facts.
 *
 * - CPU objects are nested by the online CPUs they hold. Of those with the same CPUs the order is machine, group,
 *   package, die, caches from the last level to the first, core, PU. A group, drawer, book or cluster with the same
 *   CPUs as another object brings nothing and is dropped. What crosses another object is left out, and named.
 * - A NUMA node hangs at the outermost object with exactly the CPUs near it; a group is made where there is none.
 *   A node near no CPU hangs at the machine. Its memory-side caches are above it, the last level nearest to the CPUs.
 * - PCI functions are below their bridges and those below a host bridge for each root bus, which hangs at the object
 *   with exactly the CPUs near it, as do OS devices without a PCI function.
 * - Offline and disallowed CPUs and nodes have no object; they remain in `completeCpuset` and `completeNodeset`.
 */
export function buildObjectTree(facts: TreeFacts): ObjectTree {
  const known = knownCpus(facts);
  const tree = new CpuTree(known.all, known.online);
  placeCpuObjects(tree, facts);
  for (const node of nodesInOrder(facts)) {
    if (!node.online || !node.allowed) continue;
    const at = tree.at(nearCpus(node), { type: "group", group: null }, true) ?? tree.root;
    at.memory.push(memoryObject(node, known));
  }
  placeIo(tree, facts);
  const finish = new Finisher(facts, known);
  return { root: finish.machine(tree.root), leftOut: tree.leftOut };
}

/** The CPUs of a machine. */
interface KnownCpus {
  readonly all: IndexSet;
  readonly online: IndexSet;
  /** Online and allowed. */
  readonly usable: IndexSet;
}

function knownCpus(facts: TreeFacts): KnownCpus {
  const indexes = (keep: (p: TreeFacts["processors"][number]) => boolean): IndexSet =>
    IndexSet.of(facts.processors.filter(keep).map((p) => p.index));
  return {
    all: indexes(() => true),
    online: indexes((p) => p.online),
    usable: indexes((p) => p.online && p.allowed),
  };
}

/** CPUs that a node is near to, as the tree places it. */
function nearCpus(node: NumaNode): IndexSet {
  return node.nearCpus.isEmpty ? node.cpus : node.nearCpus;
}

function nodesInOrder(facts: TreeFacts): NumaNode[] {
  return [...facts.nodes].sort((a, b) => a.index - b.index);
}

function placeCpuObjects(tree: CpuTree, facts: TreeFacts): void {
  tree.placeAll([
    ...facts.groups
      .filter((group) => !GROUPS_WITHOUT_SUBSTANCE.includes(group.type))
      .map((group) => ({ what: { type: group.type, group }, cpus: group.cpus })),
    ...facts.caches.map((cache) => ({ what: { type: "cache" as const, cache }, cpus: cache.cpus })),
    ...facts.processors.map((processor) => ({
      what: { type: "pu" as const, processor },
      cpus: IndexSet.of([processor.index]),
    })),
  ]);
  for (const type of GROUPS_WITHOUT_SUBSTANCE) {
    for (const group of facts.groups) {
      if (group.type === type) tree.at(group.cpus, { type, group }, true);
    }
  }
}

/** A node and above it its caches: the kernel numbers them from the memory, so the last is the outermost. */
function memoryObject(node: NumaNode, known: KnownCpus): MemoryObject {
  const near = nearCpus(node);
  const located = {
    cpuset: near.and(known.usable),
    completeCpuset: near.and(known.all),
    nodeset: IndexSet.of([node.index]),
    completeNodeset: IndexSet.of([node.index]),
  };
  const bottom: NumaNodeObject = { type: "numa-node", osIndex: node.index, node, ...located };
  return [...node.sideCaches]
    .sort((a, b) => a.level - b.level)
    .reduce<MemoryObject>(
      (inner, cache) => ({ type: "memory-cache", osIndex: null, cache, memoryChildren: [inner], ...located }),
      bottom,
    );
}

function placeIo(tree: CpuTree, facts: TreeFacts): void {
  const nodeCpus = new Map(facts.nodes.map((node) => [node.index, nearCpus(node)]));
  const place = (object: IoObject, locality: { numaNode: number | null; localCpus: IndexSet }): void => {
    const cpus = locality.localCpus.isEmpty
      ? (nodeCpus.get(locality.numaNode ?? -1) ?? IndexSet.EMPTY)
      : locality.localCpus;
    const at = tree.at(cpus, { type: "group", group: null }, false) ?? tree.root;
    at.io.push(object);
  };
  const trees = buildIoTrees(facts.pci, facts.devices);
  for (const { object, functions } of trees.roots) {
    const known = functions.find((device) => device.numaNode !== null) ?? functions[0];
    if (known !== undefined) place(object, known);
  }
  for (const object of trees.devices) place(object, object.device);
}

/** Which nodes are near each object. */
class NearNodes {
  /** By CPU number; CPUs with the same nodes share one set. */
  readonly #ofCpu: (IndexSet | undefined)[] = [];
  readonly #ofDraft = new Map<Draft, IndexSet>();

  constructor(facts: TreeFacts) {
    const lists: number[][] = [];
    for (const node of facts.nodes) {
      for (const cpu of nearCpus(node)) {
        const list = lists[cpu];
        if (list === undefined) lists[cpu] = [node.index];
        else list.push(node.index);
      }
    }
    const sets = new Map<string, IndexSet>();
    lists.forEach((list, cpu) => {
      const key = list.join();
      const set = sets.get(key) ?? IndexSet.of(list);
      sets.set(key, set);
      this.#ofCpu[cpu] = set;
    });
  }

  /** Nodes near at least one of an object's online CPUs. */
  of(draft: Draft): IndexSet {
    const known = this.#ofDraft.get(draft);
    if (known !== undefined) return known;
    let near = IndexSet.EMPTY;
    let rest = draft.placed;
    for (const child of draft.children) {
      near = union(near, this.of(child));
      rest = rest.andNot(child.placed);
    }
    for (const cpu of rest) near = union(near, this.#ofCpu[cpu] ?? IndexSet.EMPTY);
    this.#ofDraft.set(draft, near);
    return near;
  }
}

function union(a: IndexSet, b: IndexSet): IndexSet {
  return a === b || a.includes(b) ? a : a.or(b);
}

/** Makes the finished objects out of the drafts. */
class Finisher {
  readonly #known: KnownCpus;
  readonly #near: NearNodes;
  readonly #nodes: IndexSet;
  readonly #usableNodes: IndexSet;

  constructor(facts: TreeFacts, known: KnownCpus) {
    this.#known = known;
    this.#near = new NearNodes(facts);
    this.#nodes = IndexSet.of(facts.nodes.map((node) => node.index));
    this.#usableNodes = IndexSet.of(
      facts.nodes.filter((node) => node.online && node.allowed).map((node) => node.index),
    );
  }

  machine(draft: Draft): MachineObject {
    return {
      type: "machine",
      osIndex: null,
      cpuset: this.#known.usable,
      completeCpuset: this.#known.all,
      nodeset: this.#usableNodes,
      completeNodeset: this.#nodes,
      ...this.#inside(draft),
    };
  }

  #inside(draft: Draft): {
    children: CpuObject[];
    memoryChildren: readonly MemoryObject[];
    ioChildren: readonly IoObject[];
  } {
    return {
      children: draft.children
        .sort((a, b) => a.complete.first - b.complete.first)
        .flatMap((child) => this.#cpuObject(child) ?? []),
      memoryChildren: draft.memory,
      ioChildren: draft.io,
    };
  }

  /** Undefined for what is disallowed and holds nothing else. */
  #cpuObject(draft: Draft): CpuObject | undefined {
    const { what, placed } = draft;
    const inside = this.#inside(draft);
    const cpuset = placed.and(this.#known.usable);
    const empty = inside.children.length + inside.memoryChildren.length + inside.ioChildren.length === 0;
    if (cpuset.isEmpty && empty) return undefined;
    const near = this.#near.of(draft);
    const located = {
      cpuset,
      completeCpuset: draft.complete.and(this.#known.all),
      nodeset: near.and(this.#usableNodes),
      completeNodeset: near,
    };
    switch (what.type) {
      case "machine":
        return undefined;
      case "pu":
        return {
          type: "pu",
          osIndex: what.processor.index,
          processor: what.processor,
          ...located,
          ...inside,
        };
      case "cache":
        return { type: "cache", osIndex: what.cache.index, cache: what.cache, ...located, ...inside };
      default:
        return {
          type: what.type,
          osIndex: what.group?.index ?? null,
          group: what.group,
          ...located,
          ...inside,
        };
    }
  }
}
