import type { AccessClass, DistanceMatrix } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { distancesFrom } from "./distances.ts";

/** What the locality of a node is concluded from. */
export interface Located {
  readonly index: number;
  readonly cpus: IndexSet;
  readonly access: readonly AccessClass[];
}

/**
 * CPUs near each node, by node:
 * - its own CPUs, and those of the initiators of its access class for CPUs (class 1, else class 0, which may name
 *   devices);
 * - if that gives none: those of the nodes with CPUs that are nearest by distance, unless it is equally far from all;
 * - if that is not known either: none.
 *
 * hwloc (2.9) goes the same way, but takes a node without CPUs for the nearest too, and then knows no CPUs.
 */
export function nearCpus(
  nodes: readonly Located[],
  matrix: DistanceMatrix | undefined,
): ReadonlyMap<number, IndexSet> {
  const own = new Map(nodes.map(({ index, cpus }) => [index, cpus]));
  const near = new Map<number, IndexSet>();
  for (const node of nodes) {
    let cpus = node.cpus;
    for (const initiator of classForCpus(node.access)?.initiators ?? [])
      cpus = cpus.or(own.get(initiator) ?? IndexSet.EMPTY);
    near.set(node.index, cpus.isEmpty ? nearestByDistance(node.index, own, matrix) : cpus);
  }
  return near;
}

/**
 * The classes of a node with initiators for those that name none: memory that CXL brings in later has values for
 * its best initiator without saying which. They are taken to hold for the CPUs near it, or where none is known to
 * be nearer than others for all.
 */
export function withInitiators(
  access: readonly AccessClass[],
  near: IndexSet,
  nodes: readonly Located[],
): readonly AccessClass[] {
  if (access.every(({ initiators }) => initiators.length > 0)) return access;
  const withCpus = nodes.filter(({ cpus }) => !cpus.isEmpty);
  const nearest = withCpus.filter(({ cpus }) => cpus.intersects(near));
  const initiators = (nearest.length > 0 ? nearest : withCpus).map(({ index }) => index);
  return access.map((of) => (of.initiators.length > 0 ? of : { ...of, initiators }));
}

/** The access class that speaks of CPUs. */
export function classForCpus(access: readonly AccessClass[]): AccessClass | undefined {
  return access.find(({ index }) => index === 1) ?? access.find(({ index }) => index === 0);
}

function nearestByDistance(
  node: number,
  own: ReadonlyMap<number, IndexSet>,
  matrix: DistanceMatrix | undefined,
): IndexSet {
  const distances = new Map(distancesFrom(matrix, node));
  const local = distances.get(node) ?? 0;
  distances.delete(node);
  const all = new Set(distances.values());
  if (all.size < 2) return IndexSet.EMPTY;
  let least = Number.POSITIVE_INFINITY;
  let cpus = IndexSet.EMPTY;
  for (const [other, distance] of distances) {
    const theirs = own.get(other);
    if (theirs === undefined || theirs.isEmpty || distance > least) continue;
    cpus = distance === least ? cpus.or(theirs) : theirs;
    least = distance;
  }
  // 0 is unknown, and nothing is nearer than what is local.
  return least > local ? cpus : IndexSet.EMPTY;
}
