import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { InitiatorFact } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { parsePciAddress } from "../../model/io-tree.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { quoted } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { addDeviceMemory } from "./device-memory.ts";

const GPUS = "proc/driver/nvidia/gpus";
/** GPUs of one machine, at most. */
const GPUS_MAX = 4096;

/**
 * GPUs of NVIDIA's own driver. Where a GPU's memory is a NUMA node (POWER9, Grace: coherent with the CPUs, over
 * NVLink), that node is the target and there is no second one.
 */
export const nvidia: Source = {
  name: "nvidia",
  after: ["numa", "pci", "initiators", "device-memory"],
  discover(discovery) {
    for (const name of discovery.tree.list(GPUS).slice(0, GPUS_MAX)) {
      const address = name.toLowerCase();
      if (parsePciAddress(address) === undefined) {
        discovery.warn(`${GPUS}/${name}`, "is not named as a PCI address");
        continue;
      }
      addGpu(discovery, { address, path: `${GPUS}/${name}` });
    }
  },
};

interface Gpu {
  readonly address: string;
  readonly path: string;
}

function addGpu(discovery: Discovery, { address, path }: Gpu): void {
  const { facts } = discovery;
  const information = readFields(discovery, `${path}/information`);
  const numa = readNumaStatus(discovery, `${path}/numa_status`);
  const gpu = describe(discovery, address, information);
  if (numa.node !== null && numa.online && facts.nodes.some(({ index }) => index === numa.node)) {
    addNode(discovery, gpu, numa.node);
    return;
  }
  if (facts.targetFacts.some(({ device }) => device === gpu.id)) return;
  addDeviceMemory(discovery, {
    id: `${gpu.id}/vram`,
    initiator: gpu.id,
    kind: { kind: "gpu", reason: `${path} is the folder of a GPU, which has memory of its own` },
    size: numa.size,
    free: null,
    label:
      numa.node === null ? "memory of the GPU" : `memory of the GPU; its node ${numa.node} is not online`,
  });
}

/** The initiator of the GPU, made if the PCI source has not seen it, with the names that the driver knows it by. */
function describe(
  discovery: Discovery,
  address: string,
  information: ReadonlyMap<string, string>,
): InitiatorFact {
  const { facts } = discovery;
  const minor = information.get("Device Minor") ?? "";
  const aliases = /^\d+$/.test(minor) ? [`nvidia${minor}`] : [];
  const at = facts.initiatorFacts.findIndex(({ id }) => id === address);
  const known = facts.initiatorFacts[at];
  const label = information.get("Model") ?? known?.label ?? null;
  if (known !== undefined) {
    const gpu: InitiatorFact = {
      ...known,
      type: "gpu",
      label,
      aliases: [...new Set([...known.aliases, ...aliases])],
    };
    facts.initiatorFacts[at] = gpu;
    return gpu;
  }
  const gpu: InitiatorFact = {
    version: OBJECT_VERSION,
    id: address,
    type: "gpu",
    aliases,
    label,
    cpus: IndexSet.EMPTY,
    numaNode: null,
    pciAddress: address,
  };
  facts.initiatorFacts.push(gpu);
  facts.attachments.push({ initiator: address, near: [], medium: "pcie", properties: UNKNOWN_PROPERTIES });
  return gpu;
}

/** The GPU's memory is a node: the source of memory kinds says so of the node. */
function addNode(discovery: Discovery, gpu: InitiatorFact, node: number): void {
  const { facts } = discovery;
  const properties = { ...UNKNOWN_PROPERTIES, coherent: true };
  facts.reaches.push({ initiator: gpu.id, target: `node${node}`, medium: "memory", properties });
  // What the slot's link says of width and speed is not what the GPU's loads and stores go over.
  const at = facts.attachments.findIndex(({ initiator }) => initiator === gpu.id);
  const slot = facts.attachments[at];
  if (slot !== undefined) facts.attachments[at] = { ...slot, medium: "nvlink", properties };
}

/** `Model: \t\t Tesla V100`: names and values; empty when absent. */
function readFields(discovery: Discovery, path: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of (discovery.tree.readText(path) ?? "").split("\n")) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).trim();
    if (at > 0 && value !== "") fields.set(line.slice(0, at).trim(), value);
  }
  return fields;
}

interface NumaStatus {
  readonly node: number | null;
  readonly online: boolean;
  readonly size: number | null;
}

function readNumaStatus(discovery: Discovery, path: string): NumaStatus {
  const fields = readFields(discovery, path);
  const stated = fields.get("Node");
  const node = stated !== undefined && /^\d{1,5}$/.test(stated) ? Number(stated) : null;
  if (stated !== undefined && node === null && stated !== "-1") {
    discovery.warn(path, `holds the node ${quoted(stated)} where a number is expected`);
  }
  // Hexadecimal, without a prefix.
  const size = fields.get("Size") ?? "";
  const bytes = /^(0x)?[0-9a-f]{1,13}$/i.test(size) ? Number.parseInt(size, 16) : 0;
  return { node, online: fields.get("Status") === "online", size: bytes > 0 ? bytes : null };
}
