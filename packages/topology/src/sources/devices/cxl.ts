import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { CxlDecoder, CxlMemdev, CxlRegion, DaxDevice, LinkProperties } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { numbered } from "../attribute.ts";
import { readAccess } from "../memory/access.ts";
import type { Discovery, Source } from "../source.ts";
import { placeOf } from "./class-device.ts";
import { hostReaches, nearCpus, nearestByDistance } from "./near.ts";
import { baseName, nodeCpus, readBytes, readNode, readNumber, readWord } from "./values.ts";

const DEVICES = "sys/bus/cxl/devices";
const KIB = 1024;
const QOS_RANGE = { min: -1, max: 0xffff };
const WAYS_RANGE = { min: 0, max: 1024 };
const FLAG_RANGE = { min: 0, max: 1 };
/** Devices that a region is interleaved over, at most (the specification's limit is 16). */
const REGION_TARGETS_MAX = 256;

/** CXL memory devices, decoders and regions. */
export const cxl: Source = {
  name: "cxl",
  after: ["pci", "numa", "dax", "pmem"],
  discover(discovery) {
    const { facts } = discovery;
    const names = discovery.tree.list(DEVICES);
    for (const name of names) {
      if (/^mem\d+$/.test(name)) addMemdev(discovery, name);
      else if (/^decoder\d+\.\d+$/.test(name)) facts.cxlDecoders.push(readDecoder(discovery, name));
    }
    // Regions are put together from decoders, which stand for memory devices.
    const daxOfRegion = Map.groupBy(facts.dax, ({ parent }) => regionIn(parent));
    for (const name of names) {
      if (!/^region\d+$/.test(name)) continue;
      const devices = daxOfRegion.get(name) ?? [];
      const region = readRegion(discovery, name, devices);
      facts.cxlRegions.push(region);
      addRegionReaches(discovery, region, devices);
    }
    addUnassignedMemory(discovery);
    addIdleRegions(discovery);
  },
};

function addMemdev(discovery: Discovery, name: string): void {
  const path = `${DEVICES}/${name}`;
  const real = discovery.tree.realPath(path);
  if (real === undefined) return;
  const place = placeOf(discovery, real, path);
  const numaNode = readNode(discovery, `${path}/numa_node`) ?? place.numaNode;
  const qos = (kind: string): number | null => {
    const value = readNumber(discovery, `${path}/${kind}/qos_class`, QOS_RANGE);
    return value === null || value < 0 ? null : value;
  };
  const memdev: CxlMemdev = {
    name,
    pciAddress: place.pciAddress,
    numaNode,
    ramSize: readBytes(discovery, `${path}/ram/size`),
    pmemSize: readBytes(discovery, `${path}/pmem/size`),
    ramQosClass: qos("ram"),
    pmemQosClass: qos("pmem"),
    firmware: readWord(discovery, `${path}/firmware_version`),
  };
  discovery.facts.cxlMemdevs.push(memdev);
  const info: Record<string, string> = {};
  if (memdev.ramSize) info.CXLRAMSize = String(Math.floor(memdev.ramSize / KIB));
  if (memdev.pmemSize) info.CXLPMEMSize = String(Math.floor(memdev.pmemSize / KIB));
  const localCpus = place.localCpus.isEmpty ? nodeCpus(discovery, numaNode) : place.localCpus;
  discovery.facts.devices.push({
    name,
    kernelClass: "cxl",
    type: "block",
    subtype: "CXLMem",
    pciAddress: place.pciAddress,
    numaNode,
    localCpus,
    info,
  });
}

function readDecoder(discovery: Discovery, name: string): CxlDecoder {
  const path = `${DEVICES}/${name}`;
  const real = discovery.tree.realPath(path) ?? "";
  // An endpoint's decoder maps what `dpa_size` says of its memory, and names no ports.
  const targets = readWord(discovery, `${path}/target_list`);
  return {
    name,
    port: baseName(real.slice(0, real.lastIndexOf("/"))),
    start: readWord(discovery, `${path}/start`),
    size: readBytes(discovery, `${path}/size`),
    targets: targets === null ? [] : targets.split(",").map((target) => target.trim()),
    interleaveWays: readNumber(discovery, `${path}/interleave_ways`, WAYS_RANGE),
    interleaveGranularity: readBytes(discovery, `${path}/interleave_granularity`),
    mode: readWord(discovery, `${path}/mode`),
    region: readWord(discovery, `${path}/region`),
  };
}

function readRegion(discovery: Discovery, name: string, devices: readonly DaxDevice[]): CxlRegion {
  const path = `${DEVICES}/${name}`;
  const targets = numbered(discovery, path, "target")
    .slice(0, REGION_TARGETS_MAX)
    .flatMap((index) => readWord(discovery, `${path}/target${index}`) ?? []);
  const memdevs = targets.flatMap((decoder) => memdevOf(discovery, decoder) ?? []);
  return {
    name,
    size: readBytes(discovery, `${path}/size`),
    mode: readWord(discovery, `${path}/mode`),
    interleaveWays: readNumber(discovery, `${path}/interleave_ways`, WAYS_RANGE),
    interleaveGranularity: readBytes(discovery, `${path}/interleave_granularity`),
    targets,
    memdevs: [...new Set(memdevs)],
    committed: readNumber(discovery, `${path}/commit`, FLAG_RANGE) === 1,
    numaNode: devices.find(({ driver }) => driver === "kmem")?.targetNode ?? null,
    // What the kernel reckons out of the devices' own tables (CDAT) and the way to them.
    access: readAccess(discovery, { directory: path, label: name, origin: "cdat" }),
  };
}

/** An endpoint's decoder lies in the endpoint, which has a link to the memory device. */
function memdevOf(discovery: Discovery, decoder: string): string | null {
  const real = discovery.tree.realPath(`${DEVICES}/${decoder}`);
  if (real === undefined) return null;
  const device = discovery.tree.realPath(`${real.slice(0, real.lastIndexOf("/"))}/uport`);
  const name = device === undefined ? "" : baseName(device);
  return /^mem\d+$/.test(name) ? name : null;
}

/** The CXL region that a DAX device lies in: `…/region1/dax_region1`. Regions of persistent memory have the same names. */
function regionIn(parent: string): string {
  return /\/(region\d+)\/dax_region\d+(\/|$)/.exec(parent)?.[1] ?? "";
}

/** CPUs reach a region's memory over CXL, those nearest to it with the numbers that the kernel has reckoned. */
function addRegionReaches(discovery: Discovery, region: CxlRegion, devices: readonly DaxDevice[]): void {
  const { facts } = discovery;
  // Class 1 is that of the nearest CPUs; class 0 may be that of another initiator.
  const access = region.access.find(({ index }) => index === 1) ?? region.access[0];
  const {
    readBandwidth = null,
    writeBandwidth = null,
    readLatency = null,
    writeLatency = null,
  } = access ?? {};
  const properties: LinkProperties = {
    ...UNKNOWN_PROPERTIES,
    readBandwidth,
    writeBandwidth,
    readLatency,
    writeLatency,
    coherent: true,
  };
  for (const device of devices) {
    const isNode = device.driver === "kmem";
    const target = isNode ? `node${device.targetNode}` : device.name;
    if (isNode && !facts.nodes.some((node) => node.index === device.targetNode)) continue;
    // The node that the memory is in knows best who is near it; where all CPUs are equally far, all are the nearest.
    const numaNode = isNode ? device.targetNode : device.numaNode;
    const stated = nearCpus(facts, { numaNode, localCpus: nodeCpus(discovery, numaNode) });
    const near = stated.length > 0 || numaNode === null ? stated : nearestByDistance(facts, numaNode);
    facts.reaches.push(
      ...hostReaches(facts, target, {
        medium: "cxl",
        near,
        properties,
        attached: isNode ? null : device.numaNode,
      }),
    );
  }
}

/**
 * Memory of CXL devices that is in no region, and so neither system memory nor a DAX device nor a disk: a target that
 * nothing reaches until it is put to use, with the reason in its label.
 */
function addUnassignedMemory(discovery: Discovery): void {
  const { facts } = discovery;
  const mapped = mappedBytes(discovery);
  for (const memdev of facts.cxlMemdevs) {
    for (const [part, size] of [
      ["ram", memdev.ramSize],
      ["pmem", memdev.pmemSize],
    ] as const) {
      const id = `${memdev.name}/${part}`;
      const free = (size ?? 0) - (mapped.get(id) ?? 0);
      if (free <= 0) continue;
      const words = part === "ram" ? "volatile" : "persistent";
      addIdleTarget(discovery, id, {
        part,
        size: free,
        reason: `the ${words} part of CXL memory device ${memdev.name}`,
        label: `${words} memory of ${memdev.name} that is in no region`,
      });
    }
  }
}

/** Bytes of the volatile and the persistent part of each memory device (`mem0/ram`) that decoders map into regions. */
function mappedBytes(discovery: Discovery): ReadonlyMap<string, number> {
  const mapped = new Map<string, number>();
  for (const { name, mode, region } of discovery.facts.cxlDecoders) {
    if (region === null || (mode !== "ram" && mode !== "pmem")) continue;
    const key = `${memdevOf(discovery, name)}/${mode}`;
    const bytes = readBytes(discovery, `${DEVICES}/${name}/dpa_size`) ?? 0;
    mapped.set(key, (mapped.get(key) ?? 0) + bytes);
  }
  return mapped;
}

/** Regions of persistent CXL memory that nobody has put to use yet. */
function addIdleRegions(discovery: Discovery): void {
  for (const region of discovery.facts.cxlRegions) {
    if (region.mode !== "pmem" || !isIdle(discovery, region)) continue;
    addIdleTarget(discovery, region.name, {
      part: "pmem",
      size: region.size,
      reason: `${region.name} is a region of persistent CXL memory (${region.memdevs.join(", ")})`,
      label: `${region.name}, which has no namespace yet`,
    });
  }
}

/** A region of persistent memory of which no namespace has anything, that is known. */
function isIdle(discovery: Discovery, region: CxlRegion): boolean {
  const known = discovery.facts.pmem.find(({ name }) => name === region.name);
  return region.committed && known !== undefined && known.namespaces.length === 0;
}

function addIdleTarget(
  discovery: Discovery,
  id: string,
  memory: {
    readonly part: "ram" | "pmem";
    readonly size: number | null;
    readonly reason: string;
    readonly label: string;
  },
): void {
  discovery.facts.targetFacts.push({
    version: OBJECT_VERSION,
    id,
    kind: { kind: memory.part === "ram" ? "cxl" : "nvm", reason: memory.reason },
    size: memory.size,
    free: null,
    numaNode: null,
    device: null,
    label: memory.label,
  });
}
