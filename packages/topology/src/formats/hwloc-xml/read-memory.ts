import type { DistanceMatrix, KindConclusion, MemorySideCache, NumaNode } from "../../model/facts.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import { IndexSet } from "../../model/index-set.ts";
import { daxKind } from "./derive-devices.ts";
import { describe, type ElementReader, objectsIn } from "./elements.ts";
import type { Element } from "./parse.ts";
import { completeSet } from "./read-cpus.ts";
import { DISTANCE_KINDS, NODE_KINDS } from "./vocabulary.ts";

/** Nodes of one distance matrix, at most: the kernel's own limit. */
export const DISTANCE_NODES_MAX = 1024;

/** A NUMA node with the caches above it (outermost first); its own CPUs are found out later. */
export function readNode(
  element: Element,
  caches: readonly Element[],
  reader: ElementReader,
): NumaNode | null {
  const index = reader.osIndex(element);
  if (index === null || index > IndexSet.INDEX_MAX) {
    reader.warn(
      `${describe(element)}: a NUMA node needs an os_index of at most ${IndexSet.INDEX_MAX}, it is left out`,
    );
    return null;
  }
  const info = reader.info(element);
  return {
    index,
    online: true,
    allowed: true,
    cpus: IndexSet.EMPTY,
    nearCpus: completeSet(element, reader),
    size: reader.whole(element, "local_memory"),
    free: null,
    kind: concludeKind(element.attributes.subtype, info),
    pageSizes: element.children.flatMap((child) => {
      if (child.name !== "page_type") return [];
      const size = reader.whole(child, "size");
      const count = reader.whole(child, "count");
      return size === null || size === 0 || count === null ? [] : [{ size, count, free: null }];
    }),
    sideCaches: caches.map((cache, i) => readSideCache(cache, caches.length - i, reader)).reverse(),
    access: [],
    tier: null,
    genericInitiator: false,
    info,
  };
}

function readSideCache(element: Element, place: number, reader: ElementReader): MemorySideCache {
  return {
    level: reader.whole(element, "depth") ?? place,
    size: reader.whole(element, "cache_size") ?? 0,
    lineSize: reader.whole(element, "cache_linesize") ?? 0,
    associativity: element.attributes.cache_associativity === "1" ? "direct" : "unknown",
    writePolicy: "unknown",
    addressMode: "unknown",
  };
}

/** Of a node whose kind hwloc does not state. */
const UNSAID: KindConclusion = { kind: "unknown", reason: "hwloc does not say what memory it is" };
/** hwloc names what is special; what belongs to CPUs and is not named is their ordinary memory. */
const ORDINARY: KindConclusion = {
  kind: "dram",
  reason: "a node with CPUs of which hwloc does not say that it is another kind",
};

function concludeKind(subtype: string | undefined, info: Readonly<Record<string, string>>): KindConclusion {
  const kind = NODE_KINDS.get(subtype?.toLowerCase() ?? "");
  if (kind !== undefined) return { kind, reason: `hwloc calls it ${subtype}` };
  // SPM is what hwloc calls special-purpose memory that it could not tell the kind of.
  if (info.DAXType !== undefined) return daxKind(info);
  if (subtype === undefined) return UNSAID;
  return { kind: "unknown", reason: `hwloc calls it ${subtype.slice(0, 40)}, which is no kind known here` };
}

/**
 * Gives each CPU to the node that it belongs to. hwloc says only which CPUs are near a node, and several nodes
 * can be near the same ones; the kernel puts a CPU into one node. Memory that came through a device (DAX) or is
 * of a special kind has no CPUs where other memory is near them too; of equals the first has them.
 */
export function assignCpus(facts: FactsDraft): void {
  const rank = (node: NumaNode): number => {
    if (node.info.DAXDevice !== undefined || ["nvm", "cxl", "gpu", "device"].includes(node.kind.kind))
      return 2;
    return node.kind.kind === "hbm" ? 1 : 0;
  };
  let taken = IndexSet.EMPTY;
  const own = new Map<number, IndexSet>();
  for (const node of [...facts.nodes].sort((a, b) => rank(a) - rank(b) || a.index - b.index)) {
    if (node.nearCpus.isEmpty || node.nearCpus.intersects(taken)) continue;
    own.set(node.index, node.nearCpus);
    taken = taken.or(node.nearCpus);
  }
  facts.nodes = facts.nodes.map((node) => {
    const cpus = own.get(node.index) ?? IndexSet.EMPTY;
    return { ...node, cpus, kind: node.kind === UNSAID && !cpus.isEmpty ? ORDINARY : node.kind };
  });
}

/**
 * Adds the nodes that have no object because they are offline or disallowed. The objects that name such a node in
 * their complete nodeset say which CPUs are near it.
 */
export function addAbsentNodes(facts: FactsDraft, root: Element, reader: ElementReader): void {
  const known = IndexSet.of(facts.nodes.map((node) => node.index));
  const absent = reader.mask(root, "complete_nodeset").andNot(known);
  if (absent.isEmpty) return;
  const near = new Map<number, IndexSet>();
  for (const child of cpuObjectsIn(root)) nearAbsent(child, absent, near, reader);
  for (const index of absent) {
    facts.nodes.push({
      index,
      online: true,
      allowed: false,
      cpus: IndexSet.EMPTY,
      nearCpus: near.get(index) ?? IndexSet.EMPTY,
      size: null,
      free: null,
      kind: { kind: "unknown", reason: "hwloc does not describe nodes that are offline or disallowed" },
      pageSizes: [],
      sideCaches: [],
      access: [],
      tier: null,
      genericInitiator: false,
      info: {},
    });
  }
}

function cpuObjectsIn(element: Element): Element[] {
  return objectsIn(element).filter(
    ({ attributes: a }) => a.cpuset !== undefined && a.type !== "NUMANode" && a.type !== "MemCache",
  );
}

/**
 * Adds to `near` the CPUs of an object that are near absent nodes, and returns which of these it names. What no
 * object inside names belongs to its CPUs that are in none of them.
 */
function nearAbsent(
  element: Element,
  absent: IndexSet,
  near: Map<number, IndexSet>,
  reader: ElementReader,
): IndexSet {
  const named = reader.mask(element, "complete_nodeset").and(absent);
  if (named.isEmpty) return named;
  const own = completeSet(element, reader);
  let rest = own;
  let namedInside = IndexSet.EMPTY;
  for (const child of cpuObjectsIn(element)) {
    namedInside = namedInside.or(nearAbsent(child, named, near, reader));
    rest = rest.andNot(completeSet(child, reader));
  }
  for (const node of named.andNot(namedInside)) {
    near.set(node, (near.get(node) ?? IndexSet.EMPTY).or(rest.isEmpty ? own : rest));
  }
  return named;
}

/** A matrix of distances between NUMA nodes; null for one of other objects, or of bandwidths, or broken. */
export function readDistances(element: Element, reader: ElementReader): DistanceMatrix | null {
  const { type, indexing, name } = element.attributes;
  const what = `distances ${name ?? "without a name"}`;
  if (element.name !== "distances2" || type !== "NUMANode" || indexing !== "os") {
    reader.warn(`${what} are left out: only those between NUMA nodes are read`);
    return null;
  }
  if (((reader.whole(element, "kind") ?? 0) & DISTANCE_KINDS.bandwidth) !== 0) {
    reader.warn(`${what} are left out: they are bandwidths`);
    return null;
  }
  const nodes = numbersIn(element, "indexes");
  const values = numbersIn(element, "u64values");
  const good = nodes.length >= 1 && nodes.length <= DISTANCE_NODES_MAX && values.length === nodes.length ** 2;
  if (
    !good ||
    nodes.length !== reader.whole(element, "nbobjs") ||
    ![...nodes, ...values].every(Number.isSafeInteger)
  ) {
    reader.warn(`${what} are left out: ${nodes.length} nodes and ${values.length} values are no matrix`);
    return null;
  }
  return { name: name ?? "", nodes, values };
}

function numbersIn(element: Element, name: string): number[] {
  return element.children
    .filter((child) => child.name === name)
    .flatMap((child) => child.text.split(/\s+/).filter((part) => part !== ""))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
}
