import { HmsError } from "../model/error.ts";
import type { Initiator, Machine, Target } from "../model/machine.ts";
import type { ByteCount, BytesPerSecond, Nanoseconds } from "../model/quantity.ts";
import { findInitiator } from "./names.ts";
import { type By, type Ranking, rankingOf, tablesOf } from "./ranking.ts";
import { explainChoice, explainRefusal } from "./reasons.ts";

export type { By } from "./ranking.ts";

/** A query of `best`. */
export interface BestOptions {
  /** Default: bandwidth. */
  readonly by?: By;
  /** Room that each target must have, in bytes: free, or in all where how much is free is unknown; default: any. */
  readonly size?: ByteCount;
  /** How many targets at most; default: all. */
  readonly count?: number;
}

/** A target that can be used, in its place in the order. */
export interface Choice {
  readonly target: Target;
  /** Bytes/s: the worst over the initiators, null when unknown for one of them. */
  readonly bandwidth: BytesPerSecond | null;
  /** ns: the worst over the initiators, null when unknown for one of them. */
  readonly latency: Nanoseconds | null;
  /** Free bytes, null when unknown. */
  readonly free: ByteCount | null;
  /** Why it stands where it does, as a person would say it. */
  readonly why: string;
}

/** A target that cannot be used, and why. */
export interface Refusal {
  readonly target: Target;
  readonly why: string;
}

export interface Best {
  readonly by: By;
  readonly initiators: readonly Initiator[];
  /** Best first. Those with an unknown value come after all those with a known one. */
  readonly targets: readonly Choice[];
  readonly refused: readonly Refusal[];
}

/**
 * Orders the targets that all the given initiators reach: "memory that works well with these". The value of a
 * target for several initiators is the worst over them. Where the numbers say nothing, the order is: the
 * initiators' own memory; system memory before what is no NUMA node; DRAM and HBM before CXL, CXL before persistent
 * memory; the nearer; the smaller distance; HBM before DRAM; the faster tier; more room; the first by number.
 *
 * @param initiators names as `findInitiator` takes them, or objects; at least one
 * @throws HmsError INITIATOR_UNKNOWN (ENOENT), INITIATORS_EMPTY (EINVAL), SIZE_INVALID (EINVAL), COUNT_INVALID (EINVAL)
 *
 * @example
 * ```ts
 * import { best, discover } from "@hms/topology";
 * const machine = await discover("machine:xeon-max");
 * const { targets } = best(machine, ["node0"], { by: "bandwidth", size: 8 * 2 ** 30 });
 * targets[0]?.target.id; // the HBM node next to node 0's CPUs
 * ```
 */
export function best(
  machine: Machine,
  initiators: readonly (string | Initiator)[],
  options: BestOptions = {},
): Best {
  const { by = "bandwidth", size = 0, count = Number.POSITIVE_INFINITY } = options;
  if (initiators.length === 0) {
    throw new HmsError(
      "INITIATORS_EMPTY",
      "EINVAL",
      "Pick targets: at least one initiator is required, but none was given",
    );
  }
  if (!(size >= 0) || !Number.isFinite(size)) {
    throw new HmsError(
      "SIZE_INVALID",
      "EINVAL",
      `Pick targets: the size must be a number of bytes from 0, but is ${size}`,
    );
  }
  if (!(count >= 1)) {
    throw new HmsError(
      "COUNT_INVALID",
      "EINVAL",
      `Pick targets: the count must be 1 or more, but is ${count}`,
    );
  }
  const from = initiators.map((one) => (typeof one === "string" ? findInitiator(machine, one) : one));
  const ranking = rankingOf(machine, from, by);
  const { room } = tablesOf(machine);
  // A target of unknown size holds what was asked for as little as one that is too small.
  const fits = (t: number): boolean => size === 0 || (room[t] ?? Number.NaN) >= size;
  const usable = size > 0 ? ranking.order.filter(fits) : ranking.order;
  const refused = ranking.unusable.map((t) => new LazyRefusal(ranking, t, size));
  if (usable.length < ranking.order.length) {
    for (const t of ranking.order) if (!fits(t)) refused.push(new LazyRefusal(ranking, t, size));
  }
  const targets: Choice[] = [];
  for (let place = 0; place < usable.length && place < count; place++) {
    targets.push(new LazyChoice(ranking, usable, place));
  }
  return { by, initiators: from, targets, refused };
}

/** A choice whose words are made when they are read: most callers want the order only. */
class LazyChoice implements Choice {
  readonly target: Target;
  readonly bandwidth: number | null;
  readonly latency: number | null;
  readonly free: number | null;
  readonly #ranking: Ranking;
  readonly #order: readonly number[];
  readonly #place: number;

  constructor(ranking: Ranking, order: readonly number[], place: number) {
    const t = order[place] ?? -1;
    this.#ranking = ranking;
    this.#order = order;
    this.#place = place;
    this.target = ranking.machine.targets[t] as Target;
    this.bandwidth = orNull(ranking.worst.bandwidth[t]);
    this.latency = orNull(ranking.worst.latency[t]);
    this.free = this.target.free;
  }

  get why(): string {
    return explainChoice(this.#ranking, this.#order, this.#place);
  }

  toJSON(): Omit<Choice, "target"> & { readonly id: string; readonly numaNode: number | null } {
    const { target, bandwidth, latency, free, why } = this;
    return { id: target.id, numaNode: target.numaNode, bandwidth, latency, free, why };
  }
}

class LazyRefusal implements Refusal {
  readonly target: Target;
  readonly #ranking: Ranking;
  readonly #t: number;
  readonly #size: number;

  constructor(ranking: Ranking, t: number, size: number) {
    this.target = ranking.machine.targets[t] as Target;
    this.#ranking = ranking;
    this.#t = t;
    this.#size = size;
  }

  get why(): string {
    return explainRefusal(this.#ranking, this.#t, this.#size);
  }

  toJSON(): { readonly id: string; readonly why: string } {
    return { id: this.target.id, why: this.why };
  }
}

function orNull(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
