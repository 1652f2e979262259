import type { IndexSet } from "./index-set.ts";
import type { ByteCount, BytesPerSecond, Quantity } from "./quantity.ts";

/** Something odd in the input that did not stop the reading. */
export interface Warning {
  /** The file it is about, relative to the root of the input; empty when about no single file. */
  readonly path: string;
  readonly message: string;
}

/** A processing unit: what the kernel numbers as a CPU (hwloc: PU). */
export interface Processor {
  /** The kernel's number. */
  readonly index: number;
  readonly online: boolean;
  /** False when the cpuset or cgroup of this process (or of the captured one) leaves it out. */
  readonly allowed: boolean;
}

/** CPUs that share a package, die, core, … */
export interface CpuGroup {
  readonly type: "drawer" | "book" | "package" | "die" | "cluster" | "core" | "group";
  /** The kernel's number of it, or null when it has none. */
  readonly index: number | null;
  /** Online and offline CPUs that belong to it. */
  readonly cpus: IndexSet;
  /** hwloc's names: CPUModel, CPUVendor, … */
  readonly info: Readonly<Record<string, string>>;
}

/** A cache of CPUs. */
export interface CpuCache {
  readonly level: number;
  readonly type: "unified" | "data" | "instruction";
  readonly size: ByteCount;
  /** Bytes; 0 when unknown. */
  readonly lineSize: ByteCount;
  /** Ways; 0 unknown, −1 fully associative. */
  readonly associativity: number;
  readonly index: number | null;
  readonly cpus: IndexSet;
  readonly inclusive: boolean | null;
}

/** CPUs of one sort: several on a machine with big and little cores; one where all are alike and something is known of them. */
export interface CpuKind {
  readonly cpus: IndexSet;
  /** Larger is faster; null when it cannot be ranked. */
  readonly efficiency: number | null;
  /** hwloc's names: CoreType, FrequencyMaxMHz, FrequencyBaseMHz, LinuxCapacity. */
  readonly info: Readonly<Record<string, string>>;
}

export const MEMORY_KINDS = ["dram", "hbm", "nvm", "cxl", "gpu", "device", "file", "far", "unknown"] as const;
/** `dram` DDR; `hbm` HBM and MCDRAM; `nvm` persistent; `cxl` behind a CXL port; `gpu` a GPU's own; `device` another device's; `file` a file on DAX; `far` another machine's. */
export type MemoryKind = (typeof MEMORY_KINDS)[number];

/** What a memory is, and how that was concluded: one sentence that a person can check. */
export interface KindConclusion {
  readonly kind: MemoryKind;
  readonly reason: string;
}

/** Pages of one size in a node. */
export interface PageSize {
  readonly size: ByteCount;
  /** Pages of this size in the node (for the base size: what the huge ones leave). */
  readonly count: number;
  /** Free pages, null when unknown. */
  readonly free: number | null;
}

/** A cache in front of a memory (hwloc: MemCache). */
export interface MemorySideCache {
  /** 1 is the nearest to the memory's initiators' side as the kernel numbers it (`indexN`). */
  readonly level: number;
  readonly size: ByteCount;
  /** Bytes; 0 when unknown. */
  readonly lineSize: ByteCount;
  readonly associativity: "direct" | "complex" | "none" | "unknown";
  readonly writePolicy: "write-back" | "write-through" | "other" | "unknown";
  /** `extended-linear`: the cache's capacity adds to the memory's (its size is part of what the node shows). */
  readonly addressMode: "transparent" | "extended-linear" | "unknown";
}

/** One access class of a node (`nodeN/accessY`): the performance its best initiators get. */
export interface AccessClass {
  /** 0: best initiator of any kind; 1: nearest CPU. */
  readonly index: number;
  /**
   * Initiator nodes named by the class (CPU nodes and generic initiators). Where it names none (memory that CXL
   * brought in later): the nodes with CPUs near it, or all of them when none is known to be nearer.
   */
  readonly initiators: readonly number[];
  readonly readBandwidth: Quantity | null;
  readonly writeBandwidth: Quantity | null;
  readonly readLatency: Quantity | null;
  readonly writeLatency: Quantity | null;
}

export interface NumaNode {
  /** The kernel's number. */
  readonly index: number;
  readonly online: boolean;
  readonly allowed: boolean;
  /** CPUs that the kernel puts in this node; empty for a memory-only node. */
  readonly cpus: IndexSet;
  /**
   * CPUs near it: its own and those that its access class for CPUs names, or for a memory-only node without such a
   * class those of the nearest nodes. Empty when none is known to be nearer than others.
   */
  readonly nearCpus: IndexSet;
  /** 0: a node without memory (not yet hotplugged, or CPUs only). Null: unknown. */
  readonly size: ByteCount | null;
  readonly free: ByteCount | null;
  readonly kind: KindConclusion;
  readonly pageSizes: readonly PageSize[];
  readonly sideCaches: readonly MemorySideCache[];
  readonly access: readonly AccessClass[];
  /** Number of the memory tier (smaller is faster), or null. */
  readonly tier: number | null;
  readonly genericInitiator: boolean;
  /** More for programs and people: DAXDevice, DAXType, DAXParent, PCIBusID, … (hwloc's names). */
  readonly info: Readonly<Record<string, string>>;
}

/** Relative distances between nodes (10 = local). */
export interface DistanceMatrix {
  readonly name: string;
  /** Rows and columns, NUMA node numbers. */
  readonly nodes: readonly number[];
  /** Row major, nodes.length² values. */
  readonly values: readonly number[];
}

/** A PCI function or bridge. */
export interface PciDevice {
  /** `0000:3b:00.0`. */
  readonly address: string;
  /** Class code, 16 bits: 0x0302 is a 3D controller. */
  readonly classCode: number;
  readonly vendor: number;
  readonly device: number;
  readonly subVendor: number;
  readonly subDevice: number;
  /** 0xff when it cannot be read, as the bus itself answers for what is not there. */
  readonly revision: number;
  /** Name that the firmware gives it, such as `Onboard LAN 1`. */
  readonly label: string | null;
  /** Name of the physical slot it sits in (hwloc: PCISlot). */
  readonly slot: string | null;
  readonly driver: string | null;
  /** Address of the bridge above it, null for what hangs on a root. */
  readonly parent: string | null;
  /**
   * For a bridge to a PCI bus: what is behind it, null when that is not known. A secondary bus that is not above the
   * bridge's own means that nobody has set it up and nothing is behind it (hwloc leaves such a function out).
   */
  readonly bridge: { readonly secondaryBus: number; readonly subordinateBus: number } | null;
  readonly link: PciLink | null;
  /** Node it is near to, null when the firmware does not say. */
  readonly numaNode: number | null;
  readonly localCpus: IndexSet;
  readonly iommuGroup: number | null;
}

/** A PCI Express link; speeds in GT/s a lane, widths in lanes; null when unknown. */
export interface PciLink {
  readonly speedMax: number | null;
  readonly widthMax: number | null;
  /** Current ones drop while a device idles. */
  readonly speedCurrent: number | null;
  readonly widthCurrent: number | null;
}

/** What the operating system calls a device. */
export interface OsDevice {
  readonly name: string;
  /**
   * The kernel's class (`/sys/class/…`) or bus that lists it: block, net, infiniband, bxi, drm, dma, ve, mic, accel,
   * uacce, dax, cxl; null when the input does not say. hwloc 2.9 knows neither mic, accel nor uacce.
   */
  readonly kernelClass: string | null;
  readonly type: "block" | "gpu" | "network" | "openfabrics" | "dma" | "coprocessor" | "memory";
  /** hwloc's word, such as Disk, NVM, or null. */
  readonly subtype: string | null;
  /** The PCI function it belongs to, or null. */
  readonly pciAddress: string | null;
  readonly numaNode: number | null;
  readonly localCpus: IndexSet;
  readonly info: Readonly<Record<string, string>>;
}

export interface DaxDevice {
  readonly name: string;
  readonly size: ByteCount | null;
  readonly align: ByteCount | null;
  /** The node it becomes when kmem takes it, null for none. */
  readonly targetNode: number | null;
  /** The nearest node with CPUs. */
  readonly numaNode: number | null;
  /** The driver that has it: `kmem` (system memory), `device_dax` (a file to mmap), or null. */
  readonly driver: string | null;
  readonly kind: KindConclusion;
  /** Path of the device above it, below /sys/devices. */
  readonly parent: string;
}

export interface PmemRegion {
  readonly name: string;
  readonly size: ByteCount | null;
  readonly available: ByteCount | null;
  readonly numaNode: number | null;
  readonly provider: string | null;
  readonly namespaces: readonly {
    readonly name: string;
    readonly size: ByteCount | null;
    readonly mode: string | null;
    readonly device: string | null;
  }[];
}

export interface CxlMemdev {
  readonly name: string;
  readonly pciAddress: string | null;
  readonly numaNode: number | null;
  readonly ramSize: ByteCount | null;
  readonly pmemSize: ByteCount | null;
  readonly ramQosClass: number | null;
  readonly pmemQosClass: number | null;
  readonly firmware: string | null;
}

export interface CxlDecoder {
  readonly name: string;
  /** Port or endpoint it sits in. */
  readonly port: string;
  readonly start: string | null;
  readonly size: ByteCount | null;
  readonly targets: readonly string[];
  readonly interleaveWays: number | null;
  readonly interleaveGranularity: ByteCount | null;
  readonly mode: string | null;
  readonly region: string | null;
}

export interface CxlRegion {
  readonly name: string;
  readonly size: ByteCount | null;
  readonly mode: string | null;
  readonly interleaveWays: number | null;
  readonly interleaveGranularity: ByteCount | null;
  /** Endpoint decoders that make it up. */
  readonly targets: readonly string[];
  readonly memdevs: readonly string[];
  readonly committed: boolean;
  /** The node its memory is in, when it is system memory. */
  readonly numaNode: number | null;
  readonly access: readonly AccessClass[];
}

/** Memory of a KFD agent. */
export interface KfdMemoryBank {
  /** The driver's number of it (`mem_banks/N`). */
  readonly index: number;
  /** 0 system memory, 1 a GPU's memory that CPUs can map, 2 a GPU's memory that they cannot; others are no memory of interest. */
  readonly heapType: number;
  readonly size: ByteCount | null;
  /** Width of its bus in bits, null when unknown. */
  readonly widthBits: number | null;
  /** MHz, null when unknown. */
  readonly clockMaxMhz: number | null;
}

/** A node of the topology of AMD's compute driver (KFD): the CPUs of a NUMA node, a GPU, or a partition of a GPU. */
export interface KfdAgent {
  /** KFD's number of it (`nodes/N`). */
  readonly node: number;
  /** Id of the initiator that it is, null for one that is none (neither CPUs nor SIMDs). */
  readonly initiator: string | null;
  /** The driver's name for it, such as `aldebaran`, or null. */
  readonly name: string | null;
  readonly cpuCores: number;
  readonly simds: number;
  /** `gfx90a`; null for CPUs. */
  readonly gfxTarget: string | null;
  readonly pciAddress: string | null;
  /** How many memory banks it says it has; those that can be read are in `memoryBanks`. */
  readonly memoryBanksStated: number;
  readonly memoryBanks: readonly KfdMemoryBank[];
}

/** A link of KFD's topology, from one agent to another, as the driver states it. */
export interface KfdLink {
  /** KFD's numbers of the agents. */
  readonly from: number;
  readonly to: number;
  /** `io`: stated as one hop; `p2p`: through others. */
  readonly list: "io" | "p2p";
  /** KFD's link type: 1 HyperTransport, 2 PCIe, 5 QPI, 11 xGMI, … */
  readonly linkType: number;
  readonly medium: LinkMedium;
  /** The driver's relative cost; no latency. Null when unknown. */
  readonly weight: number | null;
  /** Bytes/s; null when unknown (KFD states it for direct links only). */
  readonly bandwidthMin: BytesPerSecond | null;
  readonly bandwidthMax: BytesPerSecond | null;
  /** The flags as the driver prints them. */
  readonly flags: number;
  /** Flag 0. A link that is not enabled is none. */
  readonly enabled: boolean;
  /** Flag 1, inverted. */
  readonly coherent: boolean;
  /** Flag 2, inverted. */
  readonly atomics32: boolean;
  /** Flag 3, inverted. */
  readonly atomics64: boolean;
  /** Flag 4, inverted: DMA from device to device is possible. */
  readonly peerToPeer: boolean;
}

export interface MemoryTier {
  readonly index: number;
  readonly nodes: IndexSet;
}

/** What issues loads, stores or DMA, as a source found it. The CPUs of nodes need no entry: they follow from `nodes`. */
export interface InitiatorFact {
  /** Version of the object (OBJECT_VERSION); one that is not known is left out and counted. */
  readonly version: number;
  /** Unique among initiators: `node0` for a node's CPUs, a device's PCI address or name otherwise. */
  readonly id: string;
  readonly type: InitiatorType;
  /** Other names it answers to: OS device names, the PCI address. */
  readonly aliases: readonly string[];
  readonly label: string | null;
  readonly cpus: IndexSet;
  readonly numaNode: number | null;
  readonly pciAddress: string | null;
}

export const INITIATOR_TYPES = ["cpu", "gpu", "nic", "accelerator", "block", "dma", "generic"] as const;
export type InitiatorType = (typeof INITIATOR_TYPES)[number];

/** A memory, as a source found it. NUMA nodes need no entry: they follow from `nodes`. */
export interface TargetFact {
  readonly version: number;
  /** Unique among targets: `node0`, `0000:c1:00.0/vram`, `dax0.0`, … */
  readonly id: string;
  readonly kind: KindConclusion;
  readonly size: ByteCount | null;
  readonly free: ByteCount | null;
  readonly numaNode: number | null;
  /** Id of the initiator whose own memory this is, or null. */
  readonly device: string | null;
  readonly label: string | null;
}

/** What a link says of those on it. Each is null when unknown. Coherence and atomics are not in the 2018 proposal. */
export interface LinkProperties {
  /** Bytes/s. */
  readonly readBandwidth: Quantity | null;
  /** Bytes/s. */
  readonly writeBandwidth: Quantity | null;
  /** ns. */
  readonly readLatency: Quantity | null;
  /** ns. */
  readonly writeLatency: Quantity | null;
  /** Relative, 10 = local. */
  readonly distance: Quantity | null;
  readonly coherent: boolean | null;
  readonly atomics: boolean | null;
}

export const LINK_MEDIA = [
  "memory",
  "interconnect",
  "pcie",
  "cxl",
  "xgmi",
  "nvlink",
  "network",
  "unknown",
] as const;
/** What the link is made of. */
export type LinkMedium = (typeof LINK_MEDIA)[number];

/** "This initiator reaches this target directly, with these properties." Assembled into links by distinct properties. */
export interface Reach {
  readonly initiator: string;
  readonly target: string;
  readonly medium: LinkMedium;
  readonly properties: LinkProperties;
}

/**
 * "This initiator is attached here (a PCIe slot), and from there goes on as the CPUs of that node do."
 * Assembled into one link that holds the initiator, and bridges from it to the links of the node's CPUs.
 */
export interface Attachment {
  readonly initiator: string;
  /** Ids of the CPU initiators near it; empty when unknown (then all of them). */
  readonly near: readonly string[];
  readonly medium: LinkMedium;
  readonly properties: LinkProperties;
}

/** A link that the input states as such (a spec), by the ids of its members. */
export interface LinkFact {
  readonly id: string;
  /** Version of the object; one that is not known is left out and counted. */
  readonly version: number;
  readonly medium: LinkMedium;
  readonly initiators: readonly string[];
  readonly targets: readonly string[];
  readonly properties: LinkProperties;
}

/** A bridge that the input states as such: joins two links, for the initiators listed. */
export interface BridgeFact {
  readonly id: string;
  readonly version: number;
  readonly medium: LinkMedium;
  readonly links: readonly [string, string];
  readonly initiators: readonly string[];
  readonly properties: LinkProperties;
}

/** All that the sources found, before it is assembled into targets, initiators, links and bridges. */
export interface Facts {
  /** hwloc's names: OSName, OSRelease, Architecture, Backend, DMI…, LinuxCgroup, CPUModel… */
  readonly info: Readonly<Record<string, string>>;
  readonly processors: readonly Processor[];
  readonly groups: readonly CpuGroup[];
  readonly caches: readonly CpuCache[];
  readonly cpuKinds: readonly CpuKind[];
  readonly nodes: readonly NumaNode[];
  readonly distances: readonly DistanceMatrix[];
  readonly tiers: readonly MemoryTier[];
  readonly pci: readonly PciDevice[];
  readonly devices: readonly OsDevice[];
  readonly dax: readonly DaxDevice[];
  readonly pmem: readonly PmemRegion[];
  readonly cxlMemdevs: readonly CxlMemdev[];
  readonly cxlDecoders: readonly CxlDecoder[];
  readonly cxlRegions: readonly CxlRegion[];
  readonly kfdAgents: readonly KfdAgent[];
  readonly kfdLinks: readonly KfdLink[];
  readonly initiatorFacts: readonly InitiatorFact[];
  readonly targetFacts: readonly TargetFact[];
  readonly reaches: readonly Reach[];
  readonly attachments: readonly Attachment[];
  readonly linkFacts: readonly LinkFact[];
  readonly bridgeFacts: readonly BridgeFact[];
  readonly warnings: readonly Warning[];
}
