/**
 * The tree of "what is inside what": machine > groups > packages > dies > caches > cores > PUs by the CPUs they
 * hold, with the NUMA nodes, memory-side caches, PCI devices and OS devices hung where their CPUs are. This is the
 * shape that hwloc XML has, and that the pictures draw; it holds no numbers of its own, only references to facts.
 */
import type {
  CpuCache,
  CpuGroup,
  Facts,
  MemorySideCache,
  NumaNode,
  OsDevice,
  PciDevice,
  Processor,
} from "./facts.ts";
import type { IndexSet } from "./index-set.ts";

/** The facts that a tree is built of: `Facts` and `Machine` both have them. */
export type TreeFacts = Pick<Facts, "processors" | "groups" | "caches" | "nodes" | "pci" | "devices">;

/** What every object that has CPUs or memory has. */
interface Located {
  /** The kernel's number of it, or null when it has none. */
  readonly osIndex: number | null;
  /** CPUs that belong to it (for memory: that are near it), online and allowed ones only. */
  readonly cpuset: IndexSet;
  /** As cpuset, with the offline and disallowed ones. */
  readonly completeCpuset: IndexSet;
  /** NUMA nodes that belong to it, online and allowed ones only: those inside it, and those above it that are near its CPUs. */
  readonly nodeset: IndexSet;
  /** As nodeset, with the offline and disallowed ones. */
  readonly completeNodeset: IndexSet;
}

/** What every object that holds CPUs has: its inside. */
interface Container extends Located {
  /** CPU objects directly inside, by their first CPU. Disjoint; together they need not make up all of it. */
  readonly children: readonly CpuObject[];
  /** Memory attached to exactly these CPUs, by node number. */
  readonly memoryChildren: readonly MemoryObject[];
  /** Devices near exactly these CPUs: host bridges by bus number first, then devices that are on no PCI bus, by name. */
  readonly ioChildren: readonly IoObject[];
}

/** The whole. */
export interface MachineObject extends Container {
  readonly type: "machine";
}

/** CPUs that share something; `kind` says what. */
export interface GroupObject extends Container {
  readonly type: "group" | "drawer" | "book" | "package" | "die" | "cluster" | "core";
  /** The fact it stands for; null for a group that is there only because memory or devices are near just these CPUs. */
  readonly group: CpuGroup | null;
}

/** A cache of CPUs. */
export interface CacheObject extends Container {
  readonly type: "cache";
  readonly cache: CpuCache;
}

/** A processing unit: what the kernel numbers as a CPU. Has nothing inside. */
export interface PuObject extends Container {
  readonly type: "pu";
  readonly osIndex: number;
  readonly processor: Processor;
}

/** What holds CPUs. */
export type CpuObject = GroupObject | CacheObject | PuObject;

/** A NUMA node. */
export interface NumaNodeObject extends Located {
  readonly type: "numa-node";
  readonly osIndex: number;
  readonly node: NumaNode;
}

/** A cache in front of a memory. */
export interface MemoryCacheObject extends Located {
  readonly type: "memory-cache";
  readonly cache: MemorySideCache;
  /** What it caches: the next cache nearer to the memory, or the node itself. Always one. */
  readonly memoryChildren: readonly [MemoryObject];
}

/** What hangs below CPU objects as memory. */
export type MemoryObject = NumaNodeObject | MemoryCacheObject;

/** Where a tree of PCI buses starts. */
export interface HostBridgeObject {
  readonly type: "host-bridge";
  /** PCI domain of its buses. */
  readonly domain: number;
  readonly secondaryBus: number;
  readonly subordinateBus: number;
  readonly ioChildren: readonly IoObject[];
}

/** A bridge from a PCI bus to another. */
export interface PciBridgeObject {
  readonly type: "pci-bridge";
  /** Its `bridge` is not null. */
  readonly pci: PciDevice;
  /** How many bridges are above it: 1 for one directly below the host bridge. */
  readonly depth: number;
  readonly ioChildren: readonly IoObject[];
}

/** A PCI function that is no bridge. */
export interface PciDeviceObject {
  readonly type: "pci-device";
  readonly pci: PciDevice;
  /** What the operating system calls it: OS devices, by name. */
  readonly ioChildren: readonly IoObject[];
}

/** What the operating system calls a device. Has nothing below it. */
export interface OsDeviceObject {
  readonly type: "os-device";
  readonly device: OsDevice;
  readonly ioChildren: readonly IoObject[];
}

/** What hangs below CPU objects, or each other, as devices. */
export type IoObject = HostBridgeObject | PciBridgeObject | PciDeviceObject | OsDeviceObject;

/** Any object of a tree; `type` tells which. */
export type TreeObject = MachineObject | CpuObject | MemoryObject | IoObject;

/** A tree, and what did not fit into it. */
export interface ObjectTree {
  readonly root: MachineObject;
  /** One sentence for each object whose CPUs cross another's (neither inside nor apart), and which is left out. */
  readonly leftOut: readonly string[];
}
