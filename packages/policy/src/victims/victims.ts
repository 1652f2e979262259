import { Clock } from "./clock.ts";
import { Lru } from "./lru.ts";
import { S3Fifo } from "./s3-fifo.ts";
import { Sieve } from "./sieve.ts";
import type { VictimName, VictimPolicy } from "./victim-policy.ts";

/**
 * A way to choose victims, by its name.
 *
 * @param capacity slots of the target, from 1 to 2^30
 *
 * @example
 * ```ts
 * import { victims } from "@hms/policy";
 * const policy = victims("lru", 2);
 * policy.insert(0, 100);
 * policy.insert(1, 101);
 * policy.touch(0);
 * policy.victim(); // 1
 * ```
 */
export function victims(name: VictimName, capacity: number): VictimPolicy {
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
