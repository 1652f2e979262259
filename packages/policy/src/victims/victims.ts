import { Clock } from "./clock.ts";
import { Lru } from "./lru.ts";
import { S3Fifo } from "./s3-fifo.ts";
import { Sieve } from "./sieve.ts";
import type { VictimName, VictimPolicy } from "./victim-policy.ts";

/** Slots beyond which the default takes less memory: S3-FIFO's are 34 to 42 bytes each, a gibibyte and more here. */
export const SLOTS_WITH_HISTORY_MAX: number = 2 ** 25;

/**
 * How a target of so many slots chooses victims, unless it is told otherwise: S3-FIFO, by measurement
 * (docs/decisions/0090); CLOCK, of 1 byte a slot, where that would take too much memory.
 */
export function defaultVictims(capacity: number): VictimName {
  return capacity <= SLOTS_WITH_HISTORY_MAX ? "s3-fifo" : "clock";
}

/**
 * A way to choose victims among the slots of one target.
 *
 * @param capacity slots of the target, from 1 to 2^30
 * @param name default: what `defaultVictims` says
 *
 * @example
 * ```ts
 * import { victims } from "@hms/policy";
 * const policy = victims(2, "lru");
 * policy.insert(0, 100);
 * policy.insert(1, 101);
 * policy.touch(0);
 * policy.victim(); // 1
 * ```
 */
export function victims(capacity: number, name: VictimName = defaultVictims(capacity)): VictimPolicy {
  switch (name) {
    case "lru":
      return new Lru(capacity);
    case "clock":
      return new Clock(capacity);
    case "s3-fifo":
      return new S3Fifo(capacity);
    case "sieve":
      return new Sieve(capacity);
  }
}
