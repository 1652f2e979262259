import type { DeviceMemoryKind } from "@hms/hmm";
import { Random } from "@hms/host-model";

/** One device of a world. */
export interface DeviceProfile {
  readonly kind: DeviceMemoryKind;
  readonly pages: number;
  readonly evicts: boolean;
  readonly peers: boolean;
}

/** What a world is made of: worlds differ, so that each bound is met in some. */
export interface Profile {
  readonly ramPages: number;
  readonly swapPages: number;
  readonly devices: readonly DeviceProfile[];
  /** Pages of each process that are played with. */
  readonly windowPages: number;
  /** The most pages that a process may hold; null: any number. */
  readonly limitPages: number | null;
  readonly huge: boolean;
  readonly reflink: "break" | "refuse";
  /** One in so many operations has others within it; 0: none. */
  readonly interleaveOneIn: number;
  /** One in so many operations is a fault; 0: none. */
  readonly faultOneIn: number;
}

/** Devices of a world at most. */
export const DEVICES_MAX = 8;

/** The world of a seed; with `devices`, so many of them. */
export function profileOf(seed: number, devices?: number): Profile {
  const random = new Random(seed);
  const huge = random.oneIn(16);
  const small = !huge && random.oneIn(2);
  const count = devices ?? 1 + random.below(4);
  return {
    ramPages: huge ? 4096 : small ? 40 + random.below(80) : 256 + random.below(256),
    swapPages: random.oneIn(4) ? 0 : huge ? 4096 : 16 + random.below(256),
    devices: Array.from({ length: count }, () => ({
      kind: random.oneIn(2) ? "private" : "coherent",
      pages: huge && random.oneIn(2) ? 1024 + random.below(1024) : 3 + random.below(small ? 12 : 40),
      evicts: !random.oneIn(4),
      peers: !random.oneIn(4),
    })),
    windowPages: huge ? 2048 : 64,
    limitPages: random.oneIn(6) ? (huge ? 1500 : 20 + random.below(30)) : null,
    huge,
    reflink: random.oneIn(4) ? "refuse" : "break",
    interleaveOneIn: random.oneIn(4) ? 0 : 3 + random.below(12),
    faultOneIn: random.oneIn(3) ? 0 : 20 + random.below(200),
  };
}
