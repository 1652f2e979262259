import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { InitiatorFact, KindConclusion, OsDevice } from "../../model/facts.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import { IndexSet } from "../../model/index-set.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { quantity } from "../../model/quantity.ts";
import { addDeviceMemory } from "../../sources/devices/device-memory.ts";
import { initiators } from "../../sources/devices/initiators.ts";
import { hostReaches, nearCpus, onlyNode } from "../../sources/devices/near.ts";
import type { Discovery } from "../../sources/source.ts";
import { LinkedTree } from "../../tree/linked.ts";
import { MemoryStore } from "../../tree/memory.ts";
import type { ElementReader } from "./elements.ts";

const KIB = 1024;
/** Bridges above a function, at most: a PCI domain has 256 buses. */
const BRIDGES_MAX = 256;

/** hwloc's info texts that give a device's own memory in KiB; of several the first that is there, parts together. */
const MEMORY_INFOS: readonly (readonly string[])[] = [
  ["CUDAGlobalMemorySize"],
  ["RSMIVRAMSize"],
  ["LevelZeroHBMSize", "LevelZeroDDRSize"],
  ["OpenCLGlobalMemorySize"],
  ["VectorEngineMemorySize"],
  ["MICMemorySize"],
];

/**
 * Makes initiators of the devices of an hwloc file, as the sources of a Linux machine do, and targets of the memory
 * that they have of their own and of DAX devices.
 *
 * @param speeds GB/s of the link of each PCI function, by address: what it is trained to at the time
 */
export function deriveDevices(
  facts: FactsDraft,
  speeds: ReadonlyMap<string, number>,
  reader: ElementReader,
): void {
  const tree = new LinkedTree(new MemoryStore(), { label: "hwloc XML" });
  const discovery: Discovery = { tree, facts, warn: (_path, message) => reader.warn(message) };
  initiators.discover(discovery);
  addGpusWithoutPci(facts);
  addLinkSpeeds(facts, speeds);
  const byName = new Map(
    facts.initiatorFacts.flatMap((one) => [one.id, ...one.aliases].map((name) => [name, one])),
  );
  for (const infos of MEMORY_INFOS) {
    for (const device of facts.devices) {
      const initiator = byName.get(device.pciAddress ?? "") ?? byName.get(device.name);
      if (initiator !== undefined) addOwnMemory(discovery, { device, initiator, infos });
    }
  }
  addOwnNodes(facts);
  for (const device of facts.devices) if (device.kernelClass === "dax") addDax(facts, device);
  addDaxOfNodes(facts);
}

/** GPUs of machines that were described, not read: on no PCI bus, and not named as Linux names screens and cards. */
function addGpusWithoutPci(facts: FactsDraft): void {
  for (const device of facts.devices) {
    const { name, type, subtype, pciAddress, kernelClass } = device;
    if (type !== "gpu" || pciAddress !== null || kernelClass !== null || subtype === "Display") continue;
    const near = nearCpus(facts, device);
    facts.initiatorFacts.push({
      version: OBJECT_VERSION,
      id: name,
      type: "gpu",
      aliases: [],
      label: null,
      cpus: IndexSet.EMPTY,
      numaNode: device.numaNode ?? onlyNode(near),
      pciAddress: null,
    });
    facts.attachments.push({ initiator: name, near, medium: "unknown", properties: UNKNOWN_PROPERTIES });
  }
}

/** The narrowest link from each device up to the root. */
function addLinkSpeeds(facts: FactsDraft, speeds: ReadonlyMap<string, number>): void {
  const parents = new Map(facts.pci.map(({ address, parent }) => [address, parent]));
  facts.attachments = facts.attachments.map((attachment) => {
    let least = Number.POSITIVE_INFINITY;
    let at: string | null = parents.has(attachment.initiator) ? attachment.initiator : null;
    for (let i = 0; at !== null && i < BRIDGES_MAX; i++) {
      least = Math.min(least, speeds.get(at) ?? Number.POSITIVE_INFINITY);
      at = parents.get(at) ?? null;
    }
    const bandwidth = quantity(least * 1e9, "hwloc", "the PCI link as it is trained");
    if (bandwidth === null) return attachment;
    const properties = { ...attachment.properties, readBandwidth: bandwidth, writeBandwidth: bandwidth };
    return { ...attachment, properties };
  });
}

function addOwnMemory(
  discovery: Discovery,
  of: { readonly device: OsDevice; readonly initiator: InitiatorFact; readonly infos: readonly string[] },
): void {
  const { device, initiator, infos } = of;
  const { facts } = discovery;
  const sizes = infos.map((name) => ({ name, kib: Number(device.info[name] ?? "0") }));
  const known = sizes.filter(({ kib }) => kib > 0 && Number.isSafeInteger(kib * KIB));
  // Memory that the system uses as a NUMA node is that node.
  if (known.length === 0 || facts.nodes.some(({ info }) => info.PCIBusID === initiator.id)) return;
  if (facts.targetFacts.some((target) => target.device === initiator.id)) return;
  const gpu = initiator.type === "gpu";
  addDeviceMemory(discovery, {
    id: `${initiator.id}/${gpu ? "vram" : "memory"}`,
    initiator: initiator.id,
    kind: {
      kind: gpu ? "gpu" : "device",
      reason: `hwloc gives ${known.map(({ name }) => name).join(" and ")} of ${device.name}`,
    },
    size: known.reduce((sum, { kib }) => sum + kib, 0) * KIB,
    free: null,
    label: `memory of ${device.name}`,
  });
}

/** GPUs whose memory is a NUMA node, which says so itself. */
function addOwnNodes(facts: FactsDraft): void {
  const ids = new Set(facts.initiatorFacts.map(({ id }) => id));
  for (const { index, info } of facts.nodes) {
    const initiator = info.PCIBusID;
    if (initiator === undefined || !ids.has(initiator)) continue;
    const properties = { ...UNKNOWN_PROPERTIES, coherent: true };
    facts.reaches.push({ initiator, target: `node${index}`, medium: "memory", properties });
  }
}

/** Memory that is mapped through a file (/dev/daxX.Y). */
function addDax(facts: FactsDraft, device: OsDevice): void {
  const kib = Number(device.info.Size ?? "0");
  const size = kib > 0 && Number.isSafeInteger(kib * KIB) ? kib * KIB : null;
  const { name, numaNode } = device;
  const kind = daxKind(device.info);
  const parent = device.info.DAXParent ?? "";
  facts.dax.push({ name, size, align: null, targetNode: null, numaNode, driver: null, kind, parent });
  const label = `DAX device ${name}`;
  facts.targetFacts.push({
    version: OBJECT_VERSION,
    id: name,
    kind,
    size,
    free: null,
    numaNode: null,
    device: null,
    label,
  });
  const near = nearCpus(facts, device);
  const properties = { ...UNKNOWN_PROPERTIES, coherent: true };
  const medium = kind.kind === "cxl" ? "cxl" : "memory";
  facts.reaches.push(...hostReaches(facts, name, { medium, near, attached: numaNode, properties }));
}

/** DAX devices that the kmem driver has made NUMA nodes of: hwloc names them at the node. */
function addDaxOfNodes(facts: FactsDraft): void {
  for (const { index, info, size } of facts.nodes) {
    const { DAXDevice: name, DAXParent: parent = "" } = info;
    if (name === undefined) continue;
    const kind = daxKind(info);
    facts.dax.push({
      name,
      size,
      align: null,
      targetNode: index,
      numaNode: null,
      driver: "kmem",
      kind,
      parent,
    });
  }
}

/** What memory a DAX device is, by hwloc's infos of it. */
export function daxKind(info: Readonly<Record<string, string>>): KindConclusion {
  const { DAXType: type, DAXParent: parent = "" } = info;
  if (type === "NVM") return { kind: "nvm", reason: "hwloc gives NVM as its DAXType" };
  const region = /(region\d+)\/dax_region/.exec(parent)?.[1];
  if (region !== undefined) return { kind: "cxl", reason: `hwloc finds it below CXL region ${region}` };
  const hmem = /(?:^|\/)(hmem\.\d+)/.exec(parent)?.[1];
  if (hmem !== undefined) {
    return {
      kind: "hbm",
      reason: `${hmem}: firmware sets it aside for special purposes, as it does with HBM`,
    };
  }
  return { kind: "unknown", reason: `hwloc says no more of it than DAXType ${type ?? "unknown"}` };
}
