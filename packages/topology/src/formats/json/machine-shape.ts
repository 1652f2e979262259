import {
  type AccessClass,
  type CpuCache,
  type CpuGroup,
  type CpuKind,
  type CxlDecoder,
  type CxlMemdev,
  type CxlRegion,
  type DaxDevice,
  type DistanceMatrix,
  INITIATOR_TYPES,
  type KfdAgent,
  type KfdLink,
  type KfdMemoryBank,
  type KindConclusion,
  LINK_MEDIA,
  type LinkProperties,
  MEMORY_KINDS,
  type MemorySideCache,
  type MemoryTier,
  type NumaNode,
  type OsDevice,
  type PageSize,
  type PciDevice,
  type PciLink,
  type PmemRegion,
  type Processor,
  type Warning,
} from "../../model/facts.ts";
import type { Bridge, Initiator, Link, Machine, MachineInput, Target } from "../../model/machine.ts";
import { ORIGINS, type Quantity } from "../../model/quantity.ts";
import {
  boolean,
  count,
  index,
  indexes,
  integer,
  list,
  noted,
  nullable,
  number,
  object,
  oneOf,
  optional,
  pair,
  positive,
  type Shape,
  sameAs,
  string,
  texts,
} from "./shape.ts";

/** What a document says that it is. */
export const JSON_SCHEMA_ID = "urn:hms:schema:topology-1";
/** The version of the JSON format that this library reads and writes. */
export const JSON_VERSION = 1;

const bytes = noted(count, "Bytes.");
const bytesOrUnknown = noted(nullable(count), "Bytes; null: unknown.");
const nodeNumber = noted(nullable(count), "NUMA node by the kernel's number; null: none or unknown.");
const version = noted(oneOf([1]) as unknown as Shape<number>, "Version of the object.");
const uid = noted(count, "Number of the object: one counter over targets, initiators, links and bridges.");
const uids = noted(list(count), "Numbers (uid) of objects.");

const QUANTITY: Shape<Quantity> = object<Quantity>(
  "Quantity",
  {
    value: positive,
    origin: noted(oneOf(ORIGINS), "Where the number comes from."),
    detail: noted(optional(string), "What it was read from, in a few words."),
    others: noted(
      optional(list(sameAs("Quantity", () => QUANTITY))),
      "What other origins said, in order of precedence.",
    ),
  },
  "A known number and where it comes from. Unknown is null, never 0.",
);
const bandwidth = noted(nullable(QUANTITY), "Bytes a second; null: unknown.");
const latency = noted(nullable(QUANTITY), "Nanoseconds; null: unknown.");

const KIND = object<KindConclusion>("Kind", {
  kind: oneOf(MEMORY_KINDS),
  reason: noted(string, "How it was concluded."),
});

const PROPERTIES = object<LinkProperties>("LinkProperties", {
  readBandwidth: bandwidth,
  writeBandwidth: bandwidth,
  readLatency: latency,
  writeLatency: latency,
  distance: noted(nullable(QUANTITY), "Relative, 10 is local; null: unknown."),
  coherent: noted(nullable(boolean), "null: unknown."),
  atomics: noted(nullable(boolean), "null: unknown."),
});

const TARGET: Shape<Target> = object<Target>(
  "Target",
  {
    uid,
    version,
    type: oneOf(["target"]),
    id: noted(string, "Unique among targets."),
    kind: KIND,
    size: bytesOrUnknown,
    free: bytesOrUnknown,
    numaNode: nodeNumber,
    device: noted(nullable(string), "Id of the initiator whose own memory this is."),
    label: nullable(string),
    links: uids,
  },
  "A memory with one set of properties.",
);

const INITIATOR: Shape<Initiator> = object<Initiator>(
  "Initiator",
  {
    uid,
    version,
    type: oneOf(["initiator"]),
    id: noted(string, "Unique among initiators."),
    class: oneOf(INITIATOR_TYPES),
    aliases: list(string),
    label: nullable(string),
    cpus: indexes,
    numaNode: nodeNumber,
    pciAddress: nullable(string),
    links: uids,
    bridges: uids,
  },
  "What issues loads, stores or DMA.",
);

const LINK: Shape<Link> = object<Link>(
  "Link",
  {
    uid,
    version,
    type: oneOf(["link"]),
    medium: oneOf(LINK_MEDIA),
    initiators: uids,
    targets: uids,
    properties: PROPERTIES,
  },
  "Joins targets and initiators that share its properties.",
);

const BRIDGE: Shape<Bridge> = object<Bridge>(
  "Bridge",
  {
    uid,
    version,
    type: oneOf(["bridge"]),
    medium: oneOf(LINK_MEDIA),
    links: pair(count),
    initiators: uids,
    properties: PROPERTIES,
  },
  "Joins two links for the initiators that it lists.",
);

const ACCESS = object<AccessClass>("AccessClass", {
  index: count,
  initiators: list(count),
  readBandwidth: bandwidth,
  writeBandwidth: bandwidth,
  readLatency: latency,
  writeLatency: latency,
});

const NODE = object<NumaNode>("NumaNode", {
  index,
  online: boolean,
  allowed: boolean,
  cpus: indexes,
  nearCpus: indexes,
  size: bytesOrUnknown,
  free: bytesOrUnknown,
  kind: KIND,
  pageSizes: list(object<PageSize>("PageSize", { size: bytes, count: count, free: nullable(count) })),
  sideCaches: list(
    object<MemorySideCache>("MemorySideCache", {
      level: integer,
      size: bytes,
      lineSize: bytes,
      associativity: oneOf(["direct", "complex", "none", "unknown"]),
      writePolicy: oneOf(["write-back", "write-through", "other", "unknown"]),
      addressMode: oneOf(["transparent", "extended-linear", "unknown"]),
    }),
  ),
  access: list(ACCESS),
  tier: nullable(integer),
  genericInitiator: boolean,
  info: texts,
});

const GROUP = object<CpuGroup>("CpuGroup", {
  type: oneOf(["drawer", "book", "package", "die", "cluster", "core", "group"]),
  index: nullable(integer),
  cpus: indexes,
  info: texts,
});

const CACHE = object<CpuCache>("CpuCache", {
  level: integer,
  type: oneOf(["unified", "data", "instruction"]),
  size: bytes,
  lineSize: bytes,
  associativity: noted(integer, "Ways; 0 unknown, -1 fully associative."),
  index: nullable(integer),
  cpus: indexes,
  inclusive: nullable(boolean),
});

const PCI_LINK = object<PciLink>("PciLink", {
  speedMax: noted(nullable(number), "GT/s a lane."),
  widthMax: noted(nullable(number), "Lanes."),
  speedCurrent: noted(nullable(number), "GT/s a lane."),
  widthCurrent: noted(nullable(number), "Lanes."),
});

const PCI = object<PciDevice>("PciDevice", {
  address: string,
  classCode: count,
  vendor: count,
  device: count,
  subVendor: count,
  subDevice: count,
  revision: count,
  label: nullable(string),
  slot: nullable(string),
  driver: nullable(string),
  parent: nullable(string),
  bridge: nullable(
    object<NonNullable<PciDevice["bridge"]>>("PciBridge", { secondaryBus: count, subordinateBus: count }),
  ),
  link: nullable(PCI_LINK),
  numaNode: nodeNumber,
  localCpus: indexes,
  iommuGroup: nullable(integer),
});

const OS_DEVICE = object<OsDevice>("OsDevice", {
  name: string,
  kernelClass: nullable(string),
  type: oneOf(["block", "gpu", "network", "openfabrics", "dma", "coprocessor", "memory"]),
  subtype: nullable(string),
  pciAddress: nullable(string),
  numaNode: nodeNumber,
  localCpus: indexes,
  info: texts,
});

const DAX = object<DaxDevice>("DaxDevice", {
  name: string,
  size: bytesOrUnknown,
  align: bytesOrUnknown,
  targetNode: nodeNumber,
  numaNode: nodeNumber,
  driver: nullable(string),
  kind: KIND,
  parent: string,
});

const PMEM = object<PmemRegion>("PmemRegion", {
  name: string,
  size: bytesOrUnknown,
  available: bytesOrUnknown,
  numaNode: nodeNumber,
  provider: nullable(string),
  namespaces: list(
    object<PmemRegion["namespaces"][number]>("PmemNamespace", {
      name: string,
      size: bytesOrUnknown,
      mode: nullable(string),
      device: nullable(string),
    }),
  ),
});

const CXL_MEMDEV = object<CxlMemdev>("CxlMemdev", {
  name: string,
  pciAddress: nullable(string),
  numaNode: nodeNumber,
  ramSize: bytesOrUnknown,
  pmemSize: bytesOrUnknown,
  ramQosClass: nullable(integer),
  pmemQosClass: nullable(integer),
  firmware: nullable(string),
});

const CXL_DECODER = object<CxlDecoder>("CxlDecoder", {
  name: string,
  port: string,
  start: nullable(string),
  size: bytesOrUnknown,
  targets: list(string),
  interleaveWays: nullable(integer),
  interleaveGranularity: bytesOrUnknown,
  mode: nullable(string),
  region: nullable(string),
});

const CXL_REGION = object<CxlRegion>("CxlRegion", {
  name: string,
  size: bytesOrUnknown,
  mode: nullable(string),
  interleaveWays: nullable(integer),
  interleaveGranularity: bytesOrUnknown,
  targets: list(string),
  memdevs: list(string),
  committed: boolean,
  numaNode: nodeNumber,
  access: list(ACCESS),
});

const KFD_AGENT = object<KfdAgent>("KfdAgent", {
  node: count,
  initiator: nullable(string),
  name: nullable(string),
  cpuCores: count,
  simds: count,
  gfxTarget: nullable(string),
  pciAddress: nullable(string),
  memoryBanksStated: count,
  memoryBanks: list(
    object<KfdMemoryBank>("KfdMemoryBank", {
      index: count,
      heapType: integer,
      size: bytesOrUnknown,
      widthBits: nullable(integer),
      clockMaxMhz: nullable(integer),
    }),
  ),
});

const KFD_LINK = object<KfdLink>("KfdLink", {
  from: count,
  to: count,
  list: oneOf(["io", "p2p"]),
  linkType: integer,
  medium: oneOf(LINK_MEDIA),
  weight: nullable(number),
  bandwidthMin: noted(nullable(number), "Bytes a second; null: unknown."),
  bandwidthMax: noted(nullable(number), "Bytes a second; null: unknown."),
  flags: integer,
  enabled: boolean,
  coherent: boolean,
  atomics32: boolean,
  atomics64: boolean,
  peerToPeer: boolean,
});

/** All fields of a machine, in the order in which they are written: what people look for comes first. */
export const MACHINE: Shape<Machine> = object<Machine>("Machine", {
  name: string,
  input: object<MachineInput>("Input", {
    kind: oneOf(["live", "capture", "hwloc-xml", "json", "spec"]),
    path: nullable(string),
  }),
  unknownVersions: noted(count, "Objects left out because their version was not known."),
  warnings: list(object<Warning>("Warning", { path: string, message: string })),
  info: texts,
  targets: list(TARGET),
  initiators: list(INITIATOR),
  links: list(LINK),
  bridges: list(BRIDGE),
  nodes: list(NODE),
  distances: list(
    object<DistanceMatrix>("DistanceMatrix", {
      name: string,
      nodes: list(index),
      values: noted(list(number), "Row after row, as many rows and columns as nodes."),
    }),
  ),
  tiers: list(object<MemoryTier>("MemoryTier", { index: integer, nodes: indexes })),
  processors: list(object<Processor>("Processor", { index, online: boolean, allowed: boolean })),
  groups: list(GROUP),
  caches: list(CACHE),
  cpuKinds: list(object<CpuKind>("CpuKind", { cpus: indexes, efficiency: nullable(number), info: texts })),
  pci: list(PCI),
  devices: list(OS_DEVICE),
  dax: list(DAX),
  pmem: list(PMEM),
  cxlMemdevs: list(CXL_MEMDEV),
  cxlDecoders: list(CXL_DECODER),
  cxlRegions: list(CXL_REGION),
  kfdAgents: list(KFD_AGENT),
  kfdLinks: list(KFD_LINK),
});
