import { DRIVER_FAULTS_KEPT, LOSSES_KEPT, OVERRIDES_KEPT } from "./limits.ts";
import type { Nanoseconds, PageCount, PageIndex } from "./units.ts";

/** A placement or a move that the host or a driver did not allow as asked. */
export interface Override {
  readonly when: Nanoseconds;
  /** Who: the device's or the host's name. */
  readonly who: string;
  readonly what: "refused" | "redirected" | "held";
  /** Why, in the words of who did it. */
  readonly why: string;
  /** Number of the space, and the range in it. */
  readonly space: number;
  readonly first: PageIndex;
  readonly count: PageCount;
  /** Name of the memory that was asked for. */
  readonly asked: string;
  /** Name of the memory that it became; null when it stayed. */
  readonly became: string | null;
}

/** Pages whose content is gone with the device that alone held it. */
export interface Loss {
  readonly when: Nanoseconds;
  /** Name of the memory. */
  readonly memory: string;
  readonly space: number;
  readonly first: PageIndex;
  readonly count: PageCount;
}

/** A driver's callback threw, or answered what it may not; or the driver says that its device failed. */
export interface DriverFault {
  readonly when: Nanoseconds;
  readonly device: string;
  /** The callback: `invalidate`, `free`, `migrateToHost`, …; or what of the device failed: `thread`, … */
  readonly callback: string;
  /** What was wrong, in one sentence. */
  readonly message: string;
}

/** The last so many of something; the oldest give way. */
export class Recent<T> {
  readonly #kept: T[] = [];
  readonly #limit: number;
  #next = 0;
  /** How many there ever were. */
  total = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(item: T): void {
    this.#kept[this.#next] = item;
    this.#next = (this.#next + 1) % this.#limit;
    this.total++;
  }

  /** Replaces the newest. */
  amend(item: T): void {
    this.#kept[(this.#next + this.#limit - 1) % this.#limit] = item;
  }

  /** The newest, or null. */
  get newest(): T | null {
    return this.total === 0 ? null : (this.#kept[(this.#next + this.#limit - 1) % this.#limit] ?? null);
  }

  /** What is kept, oldest first. */
  list(): T[] {
    const wrapped = this.#kept.length === this.#limit;
    return wrapped ? [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)] : [...this.#kept];
  }
}

/** What a core remembers of the last overrides, losses and driver faults, each bounded. */
export class Records {
  readonly overrides: Recent<Override> = new Recent(OVERRIDES_KEPT);
  readonly losses: Recent<Loss> = new Recent(LOSSES_KEPT);
  readonly driverFaults: Recent<DriverFault> = new Recent(DRIVER_FAULTS_KEPT);

  /** Records lost pages; a page that follows on the last one makes that range longer. */
  lose(loss: Loss): void {
    const last = this.losses.newest;
    if (
      last !== null &&
      last.space === loss.space &&
      last.memory === loss.memory &&
      last.when === loss.when &&
      last.first + last.count === loss.first
    ) {
      this.losses.amend({ ...last, count: last.count + loss.count });
      return;
    }
    this.losses.add(loss);
  }
}

/** Counts of what a core has done since it was made; pages unless the name says otherwise. */
export interface Statistics {
  /** Invalidations sent to mirrors (calls). */
  invalidations: number;
  /** Non-blocking invalidations that a mirror refused (calls). */
  refusals: number;
  /** Range faults that had to be tried again (calls). */
  retries: number;
  /** Pages a range fault had the host fault in. */
  deviceFaults: number;
  /** CPU faults on device pages that the core served (calls). */
  cpuFaults: number;
  movedToDevice: number;
  movedToHost: number;
  movedBetweenDevices: number;
  duplicated: number;
  evicted: number;
  lost: number;
}

/** All zero. */
export function emptyStatistics(): Statistics {
  return {
    invalidations: 0,
    refusals: 0,
    retries: 0,
    deviceFaults: 0,
    cpuFaults: 0,
    movedToDevice: 0,
    movedToHost: 0,
    movedBetweenDevices: 0,
    duplicated: 0,
    evicted: 0,
    lost: 0,
  };
}
