// What both directions of the hwloc XML format share: hwloc's names and numbers for things.
import type { CpuCache, MemoryKind, OsDevice } from "../../model/facts.ts";

/** hwloc's Group subtypes of groups that have a type of their own here. */
export const GROUP_SUBTYPES = { drawer: "Drawer", book: "Book", cluster: "Cluster" } as const;

/** hwloc's object types of CPU groups; what is not here is a Group. */
export const GROUP_TYPES = { package: "Package", die: "Die", core: "Core" } as const;

/** hwloc's numbers for why a Group is there. */
export const GROUP_KINDS = {
  plain: 0,
  s390: 110,
  cluster: 222,
  io: 1000,
  memory: 1001,
} as const;

/** hwloc's number of an S/390 book and drawer among Groups of kind s390. */
export const S390_SUBKINDS = { book: 0, drawer: 1 } as const;

/** hwloc's numbers of cache types. */
export const CACHE_TYPES: Readonly<Record<CpuCache["type"], number>> = {
  unified: 0,
  data: 1,
  instruction: 2,
};

/** hwloc's object type of a cache (`L1iCache`), undefined for one that it has no type for. */
export function cacheTypeName(level: number, type: CpuCache["type"]): string | undefined {
  const levels = type === "instruction" ? 3 : 5;
  if (!Number.isInteger(level) || level < 1 || level > levels) return undefined;
  return `L${level}${type === "instruction" ? "i" : ""}Cache`;
}

/** hwloc's numbers of OS device types; dax devices and other memory are block devices to version 2. */
export const OS_DEVICE_TYPES: Readonly<Record<OsDevice["type"], number>> = {
  block: 0,
  memory: 0,
  gpu: 1,
  network: 2,
  openfabrics: 3,
  dma: 4,
  coprocessor: 5,
};

/** hwloc's subtypes of NUMA nodes, for writing. */
export const NODE_SUBTYPES: Readonly<Record<MemoryKind, string>> = {
  dram: "DRAM",
  hbm: "HBM",
  nvm: "NVM",
  cxl: "CXL-DRAM",
  gpu: "GPUMemory",
  device: "DeviceMemory",
  file: "FileMemory",
  far: "FarMemory",
  // No word of hwloc's; said, because a node with CPUs of which nothing is said is taken for ordinary memory.
  unknown: "Unknown",
};

/** Subtypes of NUMA nodes by hwloc's versions, for reading; all in lower case. */
export const NODE_KINDS: ReadonlyMap<string, MemoryKind> = new Map([
  ["dram", "dram"],
  ["hbm", "hbm"],
  ["mcdram", "hbm"],
  ["nvm", "nvm"],
  ["cxl", "cxl"],
  ["cxl-dram", "cxl"],
  ["cxl-nvm", "nvm"],
  ["gpumemory", "gpu"],
  ["devicememory", "device"],
  ["filememory", "file"],
  ["farmemory", "far"],
  ["unknown", "unknown"],
]);

/** Memory attributes that have a value for each initiator and target, and the field of a link that each one is. */
export const ATTRIBUTES = [
  { name: "Bandwidth", flags: 5, fields: ["readBandwidth", "writeBandwidth"] },
  { name: "Latency", flags: 6, fields: ["readLatency", "writeLatency"] },
  { name: "ReadBandwidth", flags: 5, fields: ["readBandwidth"] },
  { name: "WriteBandwidth", flags: 5, fields: ["writeBandwidth"] },
  { name: "ReadLatency", flags: 6, fields: ["readLatency"] },
  { name: "WriteLatency", flags: 6, fields: ["writeLatency"] },
] as const;

/** Bytes/s in hwloc's unit of bandwidth (it prints sysfs's number, which is in MB/s). */
export const BANDWIDTH_UNIT = 1_000_000;

/** What a distance matrix holds, as bits of hwloc's `kind`. */
export const DISTANCE_KINDS = { fromOs: 1, latency: 4, bandwidth: 8 } as const;
