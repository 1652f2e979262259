import type { ByteCount, Nanoseconds } from "@hms/hmm";

/** What things cost on the machine that the host simulates, in nanoseconds of its clock. */
export interface CostModel {
  /** A CPU's page fault, without what it does to the page. */
  readonly fault: Nanoseconds;
  /** A system call, without what it does. */
  readonly call: Nanoseconds;
  /** Telling mirrors and CPUs to drop a translation. */
  readonly invalidation: Nanoseconds;
  /** Waiting a little before another attempt. */
  readonly pause: Nanoseconds;
  /** Reading or writing bytes of the disk that holds files and swap. */
  disk(bytes: ByteCount): Nanoseconds;
  /**
   * Reading or writing bytes of a memory at once: latency and bandwidth of the path.
   * @param by name of the device, null for a CPU
   * @param memory `host`, or the name of a device's memory
   */
  transfer(by: string | null, memory: string, bytes: ByteCount, write: boolean): Nanoseconds;
}

/** Latency and bandwidth of one path. */
export interface PathCost {
  readonly latency: Nanoseconds;
  /** Bytes a nanosecond (which is GB/s); greater than 0. */
  readonly bytesPerNanosecond: number;
}

/** The numbers of a cost model that does not come from a machine. */
export interface CostOptions {
  readonly fault?: Nanoseconds;
  readonly call?: Nanoseconds;
  readonly invalidation?: Nanoseconds;
  readonly pause?: Nanoseconds;
  readonly diskLatency?: Nanoseconds;
  /** Bytes a nanosecond. */
  readonly diskBandwidth?: number;
  /** A path by initiator (null: a CPU) and memory; null: the default path. */
  readonly path?: (by: string | null, memory: string) => PathCost | null;
}

const DEFAULT_PATH: PathCost = { latency: 100, bytesPerNanosecond: 16 };

/**
 * A cost model from a few numbers. The defaults are round ones for a small machine, not measurements: give your own,
 * or `machineCosts`, where the times matter.
 */
export function simpleCosts(options: CostOptions = {}): CostModel {
  const known = new Map<string | null, Map<string, PathCost>>();
  const diskLatency = options.diskLatency ?? 80_000;
  const diskBandwidth = options.diskBandwidth ?? 2;
  const lookUp = (by: string | null, memory: string): PathCost => {
    let paths = known.get(by);
    if (paths === undefined) {
      paths = new Map<string, PathCost>();
      known.set(by, paths);
    }
    let path = paths.get(memory);
    if (path === undefined) {
      path = options.path?.(by, memory) ?? DEFAULT_PATH;
      paths.set(memory, path);
    }
    return path;
  };
  let lastBy: string | null = null;
  let lastMemory = "";
  let last = DEFAULT_PATH;
  return {
    fault: options.fault ?? 1000,
    call: options.call ?? 300,
    invalidation: options.invalidation ?? 500,
    pause: options.pause ?? 1000,
    disk: (bytes) => diskLatency + bytes / diskBandwidth,
    transfer: (by, memory, bytes) => {
      if (by !== lastBy || memory !== lastMemory) {
        last = lookUp(by, memory);
        lastBy = by;
        lastMemory = memory;
      }
      return last.latency + bytes / last.bytesPerNanosecond;
    },
  };
}
