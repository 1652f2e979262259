import type { IndexSet } from "../model/index-set.ts";
import type { ByteCount } from "../model/quantity.ts";

/** What several runs of one measurement gave. The unit is the field's. */
export interface Sample {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** How many runs there were. */
  readonly runs: number;
}

/** Bandwidths in bytes/s that a number of CPUs got from a memory at the same time, all together. */
export interface MeasuredRates {
  /** CPUs at work, a thread on each. */
  readonly threads: number;
  /** Bytes that all of them went through, again and again. */
  readonly bytes: ByteCount;
  readonly read: Sample;
  readonly write: Sample;
  /** Bytes copied: each is read once and written once. */
  readonly copy: Sample;
}

/** Time of one load in ns that waits for the load before it, at random places. */
export interface MeasuredChase {
  /** Bytes that the places are in. */
  readonly bytes: ByteCount;
  /** How much of that was in huge pages, 0 to 1: with small ones a part of the time goes into finding the page. */
  readonly hugePages: number;
  readonly latency: Sample;
}

/** What the CPUs of one node get from the memory of another, or of their own. */
export interface MeasuredPair {
  /** Id of the initiator, `node0`: the CPUs of node 0. */
  readonly initiator: string;
  /** Id of the target, `node1`. */
  readonly target: string;
  /** With one CPU first, then with all of the node's. Empty when bandwidth was not measured. */
  readonly rates: readonly MeasuredRates[];
  /** In huge pages first, where there are any, then in small ones. */
  readonly chases: readonly MeasuredChase[];
  /** How it is known that the memory was the target's: asked of the kernel page by page, or there is no other. */
  readonly placement: "verified" | "only node";
  /** What a reader of the numbers should know, a sentence each. */
  readonly notes: readonly string[];
}

/** How fast pages move between the host's memory and that of a device, in bytes/s. */
export interface MeasuredDevice {
  readonly device: string;
  readonly bytes: ByteCount;
  readonly toDevice: Sample;
  readonly toHost: Sample;
}

/** What could not be measured. */
export interface NotMeasured {
  /** Null: any. */
  readonly initiator: string | null;
  /** Null: any. */
  readonly target: string | null;
  readonly why: string;
}

/** What tells one machine from another: measurements hold for the machine that they were taken on and for no other. */
export interface MeasuredHost {
  readonly architecture: string | null;
  /** Model of the processor, with vendor, family, model and stepping where they are known. */
  readonly cpuModel: string | null;
  /** A hash of the machine's id (/etc/machine-id), null where it has none. */
  readonly machine: string | null;
  readonly nodes: readonly MeasuredNode[];
}

/** A node as it was when measurements were taken. */
export interface MeasuredNode {
  readonly index: number;
  readonly size: ByteCount | null;
  /** CPUs that were online. */
  readonly cpus: IndexSet;
}

/** How it was measured. */
export interface MeasureSettings {
  readonly runs: number;
  /** How long each run of a bandwidth or latency was, in milliseconds. */
  readonly windowMs: number;
  /** The kernels that wrote and copied: loops with SIMD instructions, or the C library's own routines. */
  readonly write: "simd" | "library";
  readonly copy: "simd" | "library";
}

/** What `hms measure` found out about a machine. */
export interface Measurements {
  /** When it was finished: ISO 8601, UTC. */
  readonly when: string;
  readonly host: MeasuredHost;
  readonly settings: MeasureSettings;
  readonly pairs: readonly MeasuredPair[];
  readonly devices: readonly MeasuredDevice[];
  readonly missing: readonly NotMeasured[];
  /** What disturbed the measurement, a sentence each. */
  readonly warnings: readonly string[];
}
