import type { DistanceMatrix, NumaNode } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Discovery } from "../source.ts";
import type { RawAgent } from "./kfd-read.ts";
import { cpuNodes } from "./near.ts";

const HEAP_SYSTEM = 0;
/** HyperTransport and QPI: for a link between CPUs the kernel gives the nodes' distance as its weight. */
const CPU_LINK_TYPES: readonly number[] = [1, 5];
const DISTANCE_LOCAL = 10;

/**
 * The NUMA node of each agent with CPUs. The driver numbers them in the order of the nodes that have CPUs. Where
 * nothing else has found CPUs (a capture of this driver's view alone), nodes and CPUs are made of the agents.
 */
export function numaNodesOf(
  discovery: Discovery,
  agents: readonly RawAgent[],
  path: string,
): ReadonlyMap<number, number> {
  const { facts } = discovery;
  const withCpus = agents.filter(({ cpuCores }) => cpuCores > 0);
  if (facts.processors.length === 0) {
    makeNodes(discovery, withCpus);
    return new Map(withCpus.map(({ node }, index) => [node, index]));
  }
  const nodes = cpuNodes(facts);
  if (nodes.length !== withCpus.length) {
    discovery.warn(
      path,
      `has ${withCpus.length} agents with CPUs, but ${nodes.length} nodes have CPUs: links with CPUs are not used`,
    );
    return new Map();
  }
  return new Map(withCpus.map(({ node }, i) => [node, nodes[i]?.index ?? i]));
}

/** The driver counts CPUs and does not say which: they are numbered as they come. */
function makeNodes(discovery: Discovery, agents: readonly RawAgent[]): void {
  const { facts } = discovery;
  let first = 0;
  const made = agents.map((agent, index): NumaNode => {
    const last = Math.min(first + agent.cpuCores - 1, IndexSet.INDEX_MAX);
    const cpus = IndexSet.range(first, last);
    for (const cpu of cpus) facts.processors.push({ index: cpu, online: true, allowed: true });
    first = last + 1;
    const banks = agent.banks.filter(({ heapType }) => heapType === HEAP_SYSTEM);
    const known = banks.length > 0 && banks.every(({ size }) => size !== null);
    return {
      index,
      online: true,
      allowed: true,
      cpus,
      nearCpus: cpus,
      size: known ? banks.reduce((sum, { size }) => sum + (size ?? 0), 0) : null,
      free: null,
      kind: {
        kind: "dram",
        reason: `KFD agent ${agent.node} is CPUs, and this is the system's memory beside them`,
      },
      pageSizes: [],
      sideCaches: [],
      access: [],
      tier: null,
      genericInitiator: false,
      info: {},
    };
  });
  facts.nodes = made;
  const distances = distancesOf(agents);
  if (distances !== null && facts.distances.length === 0) facts.distances.push(distances);
}

/** Null unless every pair has a link. */
function distancesOf(agents: readonly RawAgent[]): DistanceMatrix | null {
  if (agents.length < 2) return null;
  const values: number[] = [];
  for (const from of agents) {
    const weights = new Map(
      from.links
        .filter(({ list, linkType }) => list === "io" && CPU_LINK_TYPES.includes(linkType))
        .map(({ to, weight }) => [to, weight ?? 0]),
    );
    for (const to of agents) {
      const distance = from === to ? DISTANCE_LOCAL : (weights.get(to.node) ?? 0);
      if (distance === 0) return null;
      values.push(distance);
    }
  }
  return { name: "NUMALatency", nodes: agents.map((_, index) => index), values };
}
