import type { MappingKind } from "@hms/host-linux/proc";
import type { By, Initiator } from "@hms/topology";

/** Bytes by kind of memory; kinds that there is nothing of are left out. */
export type ByKind = Readonly<Partial<Record<MappingKind, number>>>;

/** What a process has in one memory. */
export interface PlaceMemory {
  /** The target's id, as `hms topo` shows it: `node0`. */
  readonly target: string;
  /** The NUMA node's number. */
  readonly node: number;
  readonly bytes: number;
  /** Empty when kinds were not asked for. */
  readonly kinds: ByKind;
  /** Of the bytes, those in mappings of which another process maps a page too, such as the C library's. */
  readonly sharedBytes: number;
}

/** Where the threads of a process run. */
export interface Runs {
  /** The initiators whose memory counts: those that its threads run on, or ran on last. */
  readonly on: readonly Initiator[];
  /** All that it may run on. */
  readonly allowed: readonly Initiator[];
  /** Whether it may run nowhere else: its CPUs are bound. Else the kernel may move its threads at any time. */
  readonly bound: boolean;
}

/** Memory that would be better elsewhere. */
export interface Misplaced {
  /** Bytes that are its own, with room for them in better memory. */
  readonly bytes: number;
  /** Where they are now. */
  readonly from: readonly { readonly target: string; readonly bytes: number }[];
  /** Where they would be better, best first. */
  readonly to: readonly string[];
  /** What memory is ordered by. */
  readonly by: By;
  /** Bytes in the same places that other processes map too; they move only when asked for. */
  readonly sharedBytes: number;
  /** Policies of the process that hold pages there, such as `bind:0`: what is allocated next goes there as well. */
  readonly heldBy: readonly string[];
  /** The command line that moves them; null when it is less than MEND_BYTES_MIN. */
  readonly mend: string | null;
}

/** Mappings next to each other that differ in nothing that matters here. */
export interface MemoryRegion {
  /** Of the first byte. */
  readonly address: bigint;
  /** Addresses, whether there is memory behind them or not. */
  readonly size: number;
  /** A file's path, `[heap]`, `[anon:NAME]`, …; empty for anonymous memory without a name. */
  readonly name: string;
  readonly kind: MappingKind;
  /** `rwxp` as the kernel prints it; `mixed` of mappings that differ in it, as those of a library do. */
  readonly rights: string;
  /** As the kernel prints it: `default`, `bind:0-1`, …; empty when it is not known. */
  readonly policy: string;
  readonly mappings: number;
  /** Bytes in memory. */
  readonly bytes: number;
  readonly places: readonly { readonly target: string; readonly bytes: number }[];
  /** The most processes that map one of its pages. */
  readonly sharers: number;
  /** Bytes swapped out, and in transparent huge pages. */
  readonly swappedBytes: number;
  readonly hugeBytes: number;
  /** Bytes that would be better elsewhere. */
  readonly misplacedBytes: number;
}

/** Regions that there was no room for in the answer: the smallest. */
export interface RegionsLeftOut {
  readonly regions: number;
  readonly bytes: number;
}

/** The memory of a process: what it has where, and what would be better elsewhere. */
export interface ProcessMemory {
  readonly pid: number;
  readonly parent: number;
  /** What the kernel calls it: the first 15 bytes of the program's name. */
  readonly name: string;
  /** The arguments it was started with. */
  readonly command: readonly string[];
  /** Number of the user whose rights it has. */
  readonly user: number;
  /** The kernel's letter: `R` running, `S` sleeping, `D` waiting for a device, `T` stopped. */
  readonly state: string;
  readonly threads: number;
  readonly runs: Runs;
  /** Bytes in the machine's memory, pages of hugetlbfs among them. */
  readonly bytes: number;
  /** By target, in the order of nodes; empty when the kernel does not tell (see `unknown`). */
  readonly places: readonly PlaceMemory[];
  readonly kinds: ByKind;
  /**
   * Bytes whose kind is shared out among nodes by the mapping's average: private mappings of a file with pages of both
   * sorts on several nodes. The kernel counts the sorts by mapping only.
   */
  readonly kindsEstimatedBytes: number;
  /** Bytes that the kernel counts as in memory but on no node: in the memory of a device that shares addresses (HMM), or on the move. */
  readonly deviceBytes: number;
  /** Mappings of devices and of files on persistent memory: of these the kernel tells the size only. */
  readonly deviceMappings: readonly { readonly name: string; readonly size: number }[];
  /** Bytes swapped out. */
  readonly swappedBytes: number;
  readonly huge: {
    /** Bytes in transparent huge pages; null when the kernel does not say (before 4.14). */
    readonly transparentBytes: number | null;
    /** Bytes in pages of hugetlbfs. */
    readonly hugetlbBytes: number;
  };
  /** The policies of its mappings as the kernel prints them, with the bytes that are in such mappings; most bytes first. */
  readonly policies: readonly {
    readonly policy: string;
    readonly bytes: number;
    readonly mappings: number;
  }[];
  readonly mappings: number;
  /** Null when nothing can be said: where its pages are, or where it runs, is not known. */
  readonly misplaced: Misplaced | null;
  /** By address; null when they were not asked for. */
  readonly regions: readonly MemoryRegion[] | null;
  readonly regionsLeftOut: RegionsLeftOut | null;
  /** What could not be found out, and why: one sentence each. */
  readonly unknown: readonly string[];
}
