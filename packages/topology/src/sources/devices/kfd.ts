import { mergeProperties, UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { Attachment, InitiatorFact, KfdLink, LinkProperties } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { quantity } from "../../model/quantity.ts";
import type { Discovery, Source } from "../source.ts";
import { addDeviceMemory } from "./device-memory.ts";
import { numaNodesOf } from "./kfd-cpus.ts";
import { type GpuIdentity, identifyGpus } from "./kfd-gpus.ts";
import { kfdNodes, type RawAgent, readAgents } from "./kfd-read.ts";
import { onlyNode } from "./near.ts";

/** Heaps of a GPU's own memory: that CPUs can map, and that they cannot. */
const HEAP_PUBLIC = 1;
const HEAP_PRIVATE = 2;
const TYPE_XGMI = 11;

/**
 * AMD's compute driver (KFD): GPUs and their partitions, their memory, and the links between them and with the CPUs.
 * Where the capture holds nothing but this, its CPU agents are the NUMA nodes.
 */
export const kfd: Source = {
  name: "kfd",
  after: ["processors", "numa", "pci", "initiators", "device-memory"],
  discover(discovery) {
    const path = kfdNodes(discovery);
    if (path === undefined) return;
    const agents = readAgents(discovery, path);
    const view: View = {
      agents,
      cpus: numaNodesOf(discovery, agents, path),
      gpus: identifyGpus(discovery, agents),
    };
    keepOwnView(discovery, view);
    warnOfMissing(discovery, agents, path);
    const taken = takeOthers(discovery, view);
    for (const agent of agents) {
      const gpu = view.gpus.get(agent.node);
      if (gpu !== undefined) addGpu(discovery, view, { agent, gpu, taken });
    }
    const memories = new Set(discovery.facts.targetFacts.map(({ id }) => id));
    for (const agent of agents) {
      for (const link of agent.links) addReach(discovery, { view, memories }, link);
    }
  },
};

/** Who the agents are. */
interface View {
  readonly agents: readonly RawAgent[];
  /** NUMA node by agent. */
  readonly cpus: ReadonlyMap<number, number>;
  readonly gpus: ReadonlyMap<number, GpuIdentity>;
}

function keepOwnView(discovery: Discovery, view: View): void {
  const { facts } = discovery;
  for (const agent of view.agents) {
    const numaNode = view.cpus.get(agent.node);
    const gpu = view.gpus.get(agent.node);
    facts.kfdAgents.push({
      node: agent.node,
      initiator: gpu?.id ?? (numaNode === undefined ? null : `node${numaNode}`),
      name: agent.name,
      cpuCores: agent.cpuCores,
      simds: agent.simds,
      gfxTarget: agent.gfxTarget,
      pciAddress: gpu?.pciAddress ?? null,
      memoryBanksStated: agent.banksStated,
      memoryBanks: agent.banks,
    });
    for (const link of agent.links) facts.kfdLinks.push(link);
  }
}

/** Agents count their links and memory banks: what a capture lacks of them shows. */
function warnOfMissing(discovery: Discovery, agents: readonly RawAgent[], path: string): void {
  for (const [what, stated, found] of [
    ["io_links", (a) => a.ioLinksStated, (a) => a.links.filter(({ list }) => list === "io").length],
    ["p2p_links", (a) => a.p2pLinksStated, (a) => a.links.filter(({ list }) => list === "p2p").length],
    ["mem_banks", (a) => a.banksStated, (a) => a.banks.length],
  ] as readonly (readonly [string, (agent: RawAgent) => number, (agent: RawAgent) => number])[]) {
    const lacking = agents.filter((agent) => found(agent) < stated(agent));
    const sum = (count: (agent: RawAgent) => number): number =>
      lacking.reduce((total, agent) => total + count(agent), 0);
    if (lacking.length === 0) continue;
    const agentsText = lacking.length === 1 ? `agent ${lacking[0]?.node}` : `${lacking.length} agents`;
    discovery.warn(path, `holds ${sum(found)} of the ${sum(stated)} ${what} that ${agentsText} should have`);
  }
}

interface Gpu {
  readonly agent: RawAgent;
  readonly gpu: GpuIdentity;
}

/** What other sources have made of the GPUs: taken out, to be put back as what KFD knows them to be. */
interface Taken {
  /** By the id of the GPU that takes its place. */
  readonly initiators: ReadonlyMap<string, readonly InitiatorFact[]>;
  /** How PCI functions attach, by address: all partitions of a GPU sit in one slot. */
  readonly slots: ReadonlyMap<string, Attachment>;
}

/** Takes out the PCI functions of GPUs (of a GPU in partitions, the first takes it) and the render devices of partitions, which are on no PCI bus. */
function takeOthers(discovery: Discovery, view: View): Taken {
  const { facts } = discovery;
  const owners = new Map<string, string>();
  for (const agent of view.agents) {
    const gpu = view.gpus.get(agent.node);
    if (gpu === undefined) continue;
    if (!owners.has(gpu.pciAddress)) owners.set(gpu.pciAddress, gpu.id);
    if (agent.renderMinor !== null) owners.set(`renderD${agent.renderMinor}`, gpu.id);
  }
  const initiators = Map.groupBy(
    facts.initiatorFacts.filter(({ id }) => owners.has(id)),
    ({ id }) => owners.get(id) ?? "",
  );
  const slots = new Map(facts.attachments.map((attachment) => [attachment.initiator, attachment]));
  facts.initiatorFacts = facts.initiatorFacts.filter(({ id }) => !owners.has(id));
  const renamed = (id: string): string => owners.get(id) ?? id;
  facts.reaches = facts.reaches.map((reach) => ({ ...reach, initiator: renamed(reach.initiator) }));
  facts.targetFacts = facts.targetFacts.map((target) =>
    target.device === null ? target : { ...target, device: renamed(target.device) },
  );
  facts.attachments = facts.attachments.filter(({ initiator }) => !owners.has(initiator));
  return { initiators, slots };
}

function addGpu(discovery: Discovery, view: View, of: Gpu & { readonly taken: Taken }): void {
  const { facts } = discovery;
  const { agent, gpu, taken } = of;
  const others = taken.initiators.get(gpu.id) ?? [];
  const attachments = attach(view, of, taken.slots.get(gpu.pciAddress));
  const nearNode = onlyNode(attachments.flatMap(({ near }) => near));
  const names = [
    ...others.flatMap(({ id, aliases }) => [id, ...aliases]),
    ...(agent.renderMinor === null ? [] : [`renderD${agent.renderMinor}`]),
    ...(gpu.partition === 0 ? [gpu.pciAddress] : []),
  ];
  facts.initiatorFacts.push({
    version: OBJECT_VERSION,
    id: gpu.id,
    type: "gpu",
    aliases: [...new Set(names)].filter((name) => name !== gpu.id),
    label: others.find(({ label }) => label !== null)?.label ?? labelOf(of),
    cpus: IndexSet.EMPTY,
    numaNode: others.find(({ numaNode }) => numaNode !== null)?.numaNode ?? nearNode,
    pciAddress: gpu.pciAddress,
  });
  facts.attachments.push(...attachments);
  addMemory(discovery, of);
}

function labelOf({ agent, gpu }: Gpu): string {
  const name = agent.gfxTarget ?? agent.name ?? "GPU";
  return gpu.partition === null ? `AMD ${name}` : `AMD ${name}, partition ${gpu.partition}`;
}

/** How a GPU hangs on the CPUs: by its links to them, with what PCI says of the slot where they go over it. */
function attach(view: View, { agent, gpu }: Gpu, slot: Attachment | undefined): Attachment[] {
  const toCpus = agent.links.filter((link) => link.from === agent.node && view.cpus.has(link.to));
  if (toCpus.length === 0) return slot === undefined ? [] : [{ ...slot, initiator: gpu.id }];
  const usable = toCpus.filter(({ enabled }) => enabled);
  const direct = usable.filter(({ list }) => list === "io");
  return (direct.length > 0 ? direct : usable).map((link) => ({
    initiator: gpu.id,
    near: [`node${view.cpus.get(link.to)}`],
    medium: link.medium,
    properties:
      slot !== undefined && link.medium === "pcie"
        ? mergeProperties(linkProperties(link), slot.properties)
        : linkProperties(link),
  }));
}

function linkProperties(link: KfdLink): LinkProperties {
  const words =
    link.linkType === TYPE_XGMI ? "xGMI" : link.medium === "pcie" ? "PCIe" : `type ${link.linkType}`;
  const bandwidth = quantity(link.bandwidthMax, "kfd", `KFD, ${words}`);
  return {
    ...UNKNOWN_PROPERTIES,
    readBandwidth: bandwidth,
    writeBandwidth: bandwidth,
    coherent: link.coherent,
    atomics: link.atomics32 && link.atomics64,
  };
}

/** A GPU's memory: that of its two heaps. Where a DRM driver tells of it too, it also knows how much is free. */
function addMemory(discovery: Discovery, { agent, gpu }: Gpu): void {
  const { facts } = discovery;
  const whole = `${gpu.pciAddress}/vram`;
  const id = `${gpu.id}/vram`;
  const banks = agent.banks.filter(({ heapType }) => heapType === HEAP_PUBLIC || heapType === HEAP_PRIVATE);
  const sizes = banks.map(({ size }) => size);
  const size = sizes.includes(null) ? null : sizes.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  const known = facts.targetFacts.findIndex((target) => target.id === whole);
  const stated = facts.targetFacts[known];
  if (gpu.partition === null && stated !== undefined) {
    facts.targetFacts[known] = { ...stated, size: stated.size ?? size };
    return;
  }
  if (stated !== undefined) {
    // The partitions' shares take the place of the whole.
    facts.targetFacts.splice(known, 1);
    facts.reaches = facts.reaches.filter(({ target }) => target !== whole);
  }
  // CPU cores beside the GPU: an APU, whose memory is the system's unless it has a heap of its own.
  const hasOwn =
    banks.length > 0 || (agent.banks.length === 0 && agent.banksStated > 0 && agent.cpuCores === 0);
  if (!hasOwn) return;
  addDeviceMemory(discovery, {
    id,
    initiator: gpu.id,
    kind: { kind: "gpu", reason: `KFD agent ${agent.node} is a GPU with a memory bank of its own` },
    size: banks.length === 0 || size === 0 ? null : size,
    free: null,
    label:
      gpu.partition === null
        ? "memory of the GPU"
        : `share of partition ${gpu.partition} in the GPU's memory`,
  });
}

/**
 * A link to a GPU is a way to its memory. KFD has a link from a CPU only where the CPU can map all of the memory,
 * and through other hops none but for DMA from device to device; what is not enabled is no link.
 */
function addReach(
  discovery: Discovery,
  { view, memories }: { readonly view: View; readonly memories: ReadonlySet<string> },
  link: KfdLink,
): void {
  const to = view.gpus.get(link.to);
  // An APU's GPU has links and no memory.
  if (to === undefined || !link.enabled || !memories.has(`${to.id}/vram`)) return;
  const cpu = view.cpus.get(link.from);
  const from = view.gpus.get(link.from)?.id ?? (cpu === undefined ? undefined : `node${cpu}`);
  if (from === undefined || from === to.id) return;
  const isPeer = view.gpus.has(link.from);
  if (isPeer && link.linkType !== TYPE_XGMI && !link.peerToPeer) return;
  discovery.facts.reaches.push({
    initiator: from,
    target: `${to.id}/vram`,
    medium: link.medium,
    properties: linkProperties(link),
  });
}
