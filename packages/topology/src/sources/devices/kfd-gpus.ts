import { parsePciAddress } from "../../model/io-tree.ts";
import { formatPciAddress, pciIndex } from "../pci/address.ts";
import type { Discovery } from "../source.ts";
import type { RawAgent } from "./kfd-read.ts";

/** Which device an agent is. */
export interface GpuIdentity {
  /** Id of the initiator: the PCI address, for a partition with its number. */
  readonly id: string;
  readonly pciAddress: string;
  /** Number of the partition, null for a GPU that is whole. */
  readonly partition: number | null;
}

interface Located {
  readonly agent: RawAgent;
  readonly address: string;
  readonly partition: number;
}

/** Says which device each agent with SIMDs is, by agent number. Several partitions of a GPU are several devices. */
export function identifyGpus(
  discovery: Discovery,
  agents: readonly RawAgent[],
): ReadonlyMap<number, GpuIdentity> {
  const identities = new Map<number, GpuIdentity>();
  const taken = new Set<string>();
  for (const group of groupByDevice(agents)) {
    const partitioned = arePartitions(discovery, group);
    for (const located of group) {
      const { agent, address } = located;
      const pciAddress = partitioned ? functionZero(address) : address;
      const partition = partitioned ? partitionOf(located, group) : null;
      let id = partition === null ? pciAddress : `${pciAddress}/${partition}`;
      if (taken.has(id)) {
        discovery.warn(
          agent.path,
          `says that it is ${id}, as an agent before it does: it goes by its own number`,
        );
        id = `${id}/kfd${agent.node}`;
      }
      taken.add(id);
      identities.set(agent.node, { id, pciAddress, partition });
    }
  }
  return identities;
}

/** Agents on one PCI device with the same number of the GPU. */
function groupByDevice(agents: readonly RawAgent[]): Located[][] {
  const groups = new Map<string, Located[]>();
  for (const agent of agents) {
    if (agent.location === null) continue;
    const { address, partition } = agent.location;
    const key = `${functionZero(address)} ${agent.uniqueId ?? ""}`;
    const group = groups.get(key);
    const located = { agent, address, partition };
    if (group === undefined) groups.set(key, [located]);
    else group.push(located);
  }
  return [...groups.values()];
}

function arePartitions(discovery: Discovery, group: readonly Located[]): boolean {
  const functions = pciIndex(discovery.facts.pci);
  const exists = (address: string): boolean => functions.has(address);
  const addresses = new Set(group.map(({ address }) => address));
  if (addresses.size < group.length || group.some(({ partition }) => partition > 0)) return true;
  // Functions that are all there are devices of their own.
  if ([...addresses].every(exists)) return false;
  // A function that is not there, of a device that is: a partition whose fellows this process may not see.
  if (group.length === 1) {
    const [only = ""] = addresses;
    return only !== functionZero(only) && exists(functionZero(only));
  }
  return group.every(({ agent }) => agent.uniqueId !== null);
}

/** Stated in the location's highest bits, or mixed into the function. */
function partitionOf(located: Located, group: readonly Located[]): number {
  if (group.some(({ partition }) => partition > 0)) return located.partition;
  return parsePciAddress(located.address)?.function ?? 0;
}

function functionZero(address: string): string {
  const parsed = parsePciAddress(address);
  return parsed === undefined ? address : formatPciAddress({ ...parsed, function: 0 });
}
