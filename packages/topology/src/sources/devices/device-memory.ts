import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { InitiatorFact, KindConclusion, OsDevice } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import type { ByteCount } from "../../model/quantity.ts";
import { numbered } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { cpuReaches, nearCpus } from "./near.ts";
import { readBytes } from "./values.ts";

const KIB = 1024;
/** Flags of a PCI resource, as the kernel prints them. */
const RESOURCE_PREFETCHABLE_MEMORY = 0x2200;
/** A PCI function has six address ranges. */
const RANGES = 6;

/** Memory of GPUs (as their DRM drivers tell it), vector engines and Xeon Phi cards. */
export const deviceMemory: Source = {
  name: "device-memory",
  after: ["initiators", "drm", "coprocessor"],
  discover(discovery) {
    const { facts } = discovery;
    const byName = new Map(
      facts.initiatorFacts.flatMap((one) => [one.id, ...one.aliases].map((name) => [name, one])),
    );
    for (const device of facts.devices) {
      const initiator = byName.get(device.pciAddress ?? device.name) ?? byName.get(device.name);
      if (initiator === undefined) continue;
      if (device.kernelClass === "drm" && /^card\d+$/.test(device.name)) {
        addGpuMemory(discovery, device, initiator);
      } else if (device.type === "coprocessor") addCoprocessorMemory(discovery, device, initiator);
    }
  },
};

/** What a source knows of a device's own memory. */
export interface DeviceMemory {
  /** Target's id: the initiator's, and a word. */
  readonly id: string;
  /** Id of the initiator whose memory it is. */
  readonly initiator: string;
  readonly kind: KindConclusion;
  readonly size: ByteCount | null;
  readonly free: ByteCount | null;
  readonly label: string | null;
}

/**
 * Adds a device's own memory, which the device itself reaches and, so far, nothing else. One that is known by this
 * id stays as it is: two cards on one function show the same memory.
 */
export function addDeviceMemory(discovery: Discovery, memory: DeviceMemory): void {
  const { initiator, ...target } = memory;
  const { facts } = discovery;
  if (facts.targetFacts.some(({ id }) => id === memory.id)) return;
  facts.targetFacts.push({ version: OBJECT_VERSION, ...target, numaNode: null, device: initiator });
  facts.reaches.push({ initiator, target: memory.id, medium: "memory", properties: UNKNOWN_PROPERTIES });
}

interface GpuMemory {
  readonly size: ByteCount;
  readonly free: ByteCount | null;
  /** How much of it CPUs can map. */
  readonly visible: ByteCount;
  /** The file that says so. */
  readonly file: string;
}

function addGpuMemory(discovery: Discovery, card: OsDevice, initiator: InitiatorFact): void {
  const path = `sys/class/drm/${card.name}`;
  const memory = amdMemory(discovery, path) ?? intelMemory(discovery, path);
  if (memory === null) return;
  const id = `${initiator.id}/vram`;
  addDeviceMemory(discovery, {
    id,
    initiator: initiator.id,
    kind: { kind: "gpu", reason: `${memory.file} gives the size of ${card.name}'s own memory` },
    size: memory.size,
    free: memory.free,
    label: `memory of ${card.name}`,
  });
  // A window onto a part of it is no way to use it: what lies outside of the window is out of reach.
  if (memory.visible >= memory.size) addCpuReaches(discovery, { target: id, initiator: initiator.id, card });
}

function amdMemory(discovery: Discovery, path: string): GpuMemory | null {
  const file = `${path}/device/mem_info_vram_total`;
  const size = readBytes(discovery, file);
  if (size === null || size === 0) return null;
  const used = readBytes(discovery, `${path}/device/mem_info_vram_used`);
  const visible = readBytes(discovery, `${path}/device/mem_info_vis_vram_total`) ?? 0;
  return { size, free: used === null ? null : Math.max(0, size - used), visible, file };
}

/** The xe driver has a file for each tile; i915, where it tells at all, one for the card. */
function intelMemory(discovery: Discovery, path: string): GpuMemory | null {
  const tiles = numbered(discovery, `${path}/device`, "tile");
  const tileFile = (tile: number): string => `${path}/device/tile${tile}/physical_vram_size_bytes`;
  const ofTiles = tiles.reduce((sum, tile) => sum + (readBytes(discovery, tileFile(tile)) ?? 0), 0);
  const cardFile = `${path}/lmem_total_bytes`;
  const size = ofTiles > 0 ? ofTiles : (readBytes(discovery, cardFile) ?? 0);
  if (size === 0) return null;
  const free = ofTiles > 0 ? null : readBytes(discovery, `${path}/lmem_avail_bytes`);
  const visible = largestRange(discovery, `${path}/device/resource`);
  return { size, free, visible, file: ofTiles > 0 ? tileFile(tiles[0] ?? 0) : cardFile };
}

/** The largest range of memory that a PCI function shows (its BAR for the memory, if it has one); 0 for none. */
function largestRange(discovery: Discovery, path: string): ByteCount {
  const lines = (discovery.tree.readText(path) ?? "").split("\n").slice(0, RANGES);
  const sizes = lines.map((line) => {
    const match = /^(0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16}) (0x[0-9a-f]{1,16})$/i.exec(line.trim());
    if (match === null) return 0;
    const [first = 0n, last = 0n, flags = 0n] = match.slice(1).map(BigInt);
    const wanted = BigInt(RESOURCE_PREFETCHABLE_MEMORY);
    return (flags & wanted) === wanted && last > first ? Number(last - first + 1n) : 0;
  });
  return Math.max(0, ...sizes);
}

/** CPUs reach the memory over the slot that the device sits in. */
function addCpuReaches(
  discovery: Discovery,
  of: { readonly target: string; readonly initiator: string; readonly card: OsDevice },
): void {
  const { facts } = discovery;
  const slot = facts.attachments.find(({ initiator }) => initiator === of.initiator);
  const near = slot?.near ?? nearCpus(facts, of.card);
  const { readBandwidth = null, writeBandwidth = null } = slot?.properties ?? {};
  facts.reaches.push(
    ...cpuReaches(facts, of.target, {
      medium: "pcie",
      near,
      properties: { ...UNKNOWN_PROPERTIES, readBandwidth, writeBandwidth },
    }),
  );
}

/** Sizes in KiB, under the names that their sources gave them. */
const COPROCESSOR_SIZES = ["VectorEngineMemorySize", "MICMemorySize"];

function addCoprocessorMemory(discovery: Discovery, device: OsDevice, initiator: InitiatorFact): void {
  const stated = COPROCESSOR_SIZES.map((key) => device.info[key]).find((size) => size !== undefined);
  const kib = Number(stated ?? "0");
  if (!(kib > 0)) return;
  addDeviceMemory(discovery, {
    id: `${initiator.id}/memory`,
    initiator: initiator.id,
    kind: { kind: "device", reason: `sys/class/${device.kernelClass}/${device.name} gives its size` },
    size: kib * KIB,
    free: null,
    label: `memory of ${device.name}`,
  });
}
