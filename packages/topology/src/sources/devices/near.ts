import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { Facts, LinkMedium, LinkProperties, NumaNode, OsDevice, Reach } from "../../model/facts.ts";
import { quantity } from "../../model/quantity.ts";

/** Nodes with CPUs: each is an initiator `nodeN`. */
export function cpuNodes(facts: Pick<Facts, "nodes">): NumaNode[] {
  return facts.nodes.filter((node) => node.online && !node.cpus.isEmpty);
}

/**
 * Ids of the CPU initiators near a place: those of its node (or, for a node without CPUs, near its node), else those
 * with its local CPUs. Empty when unknown; "all CPUs are local" on a machine of several nodes is how firmware that
 * does not know says so.
 */
export function nearCpus(
  facts: Pick<Facts, "nodes">,
  place: Pick<OsDevice, "numaNode" | "localCpus">,
): string[] {
  const nodes = cpuNodes(facts);
  const stated = place.numaNode === null ? undefined : facts.nodes.find((n) => n.index === place.numaNode);
  if (stated !== undefined && !stated.cpus.isEmpty) return [nodeId(stated)];
  const cpus = stated === undefined ? place.localCpus : stated.nearCpus;
  const near = nodes.filter((node) => node.cpus.intersects(cpus));
  return near.length === nodes.length && nodes.length > 1 ? [] : near.map(nodeId);
}

/** The node of a single CPU initiator; null for none and for several. */
export function onlyNode(near: readonly string[]): number | null {
  const [first] = near;
  return near.length === 1 && first !== undefined ? Number(first.slice("node".length)) : null;
}

/** A node that a device names, null when there is no such node. */
export function listedNode(facts: Pick<Facts, "nodes">, node: number | null): number | null {
  return facts.nodes.some(({ index }) => index === node) ? node : null;
}

/** The firmware's distance from a node to a node, 0 when it is not stated. */
function distanceOf(facts: Pick<Facts, "distances">, from: number, to: number): number {
  for (const { nodes, values } of facts.distances) {
    const row = nodes.indexOf(from);
    const column = nodes.indexOf(to);
    if (row >= 0 && column >= 0) return values[row * nodes.length + column] ?? 0;
  }
  return 0;
}

/** Ids of the CPU initiators nearest to a node by the firmware's distances; empty when there are none. */
export function nearestByDistance(facts: Pick<Facts, "nodes" | "distances">, node: number): string[] {
  const distances = cpuNodes(facts).flatMap((cpu) => {
    const distance = distanceOf(facts, cpu.index, node);
    return distance > 0 ? [{ id: nodeId(cpu), distance }] : [];
  });
  const least = distances.reduce((min, { distance }) => Math.min(min, distance), Number.POSITIVE_INFINITY);
  return distances.filter(({ distance }) => distance === least).map(({ id }) => id);
}

/** How nodes reach a memory: those near it with these properties, the others with nothing known but the flags. */
export interface NodeLink {
  readonly medium: LinkMedium;
  readonly near: readonly string[];
  readonly properties: LinkProperties;
}

/** All CPUs can use a memory. */
export function cpuReaches(facts: Pick<Facts, "nodes">, target: string, link: NodeLink): Reach[] {
  return reachesOf(cpuNodes(facts), target, link);
}

/**
 * All CPUs, and what has a node's place without CPUs (a generic initiator), can use memory of the host itself.
 *
 * @param attached the node that the memory is attached to, null when unknown: the distances to it tell near from far
 */
export function hostReaches(
  facts: Pick<Facts, "nodes" | "distances">,
  target: string,
  link: NodeLink & { readonly attached: number | null },
): Reach[] {
  const { attached } = link;
  const nodes = facts.nodes.filter((node) => node.online && (!node.cpus.isEmpty || node.genericInitiator));
  const reaches = reachesOf(nodes, target, link);
  if (attached === null) return reaches;
  return reaches.map((reach, i) => {
    const stated = distanceOf(facts, nodes[i]?.index ?? -1, attached);
    const distance = quantity(stated, "distance", `to node${attached}, which it is attached to`);
    return { ...reach, properties: { ...reach.properties, distance } };
  });
}

function reachesOf(nodes: readonly NumaNode[], target: string, link: NodeLink): Reach[] {
  const { coherent, atomics } = link.properties;
  const far: LinkProperties = { ...UNKNOWN_PROPERTIES, coherent, atomics };
  return nodes.map((node) => {
    const initiator = nodeId(node);
    const properties = link.near.includes(initiator) ? link.properties : far;
    return { initiator, target, medium: link.medium, properties };
  });
}

function nodeId(node: NumaNode): string {
  return `node${node.index}`;
}
