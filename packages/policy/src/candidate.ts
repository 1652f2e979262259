import type { Choice, Target } from "@hms/topology";
import type { DecidedTarget } from "./decision.ts";
import type { ByteCount } from "./units.ts";

/** A target that can be used, in its place. Its words are made when they are read: most callers want the order only. */
export class Candidate implements DecidedTarget {
  readonly target: Target;
  readonly bandwidth: number | null;
  readonly room: ByteCount | null;
  readonly weight: number;
  readonly #from: Choice | number;

  /** @param from the ranking's choice, or the place in the list; −1: not listed */
  constructor(
    from: Choice | number,
    target: Target,
    bandwidth: number | null,
    room: ByteCount | null,
    weight = 1,
  ) {
    this.target = target;
    this.bandwidth = bandwidth;
    this.room = room;
    this.weight = weight;
    this.#from = from;
  }

  /** The same with so many pages of a turn. */
  weighing(weight: number): Candidate {
    return new Candidate(this.#from, this.target, this.bandwidth, this.room, weight);
  }

  get why(): string {
    const from = this.#from;
    if (typeof from !== "number") return from.why;
    const { kind } = this.target.kind;
    const place = from < 0 ? "system memory that is not listed" : `number ${from + 1} of the list`;
    return `${place}, ${kind}`;
  }

  toJSON(): object {
    const { target, weight, bandwidth, room, why } = this;
    return { id: target.id, numaNode: target.numaNode, weight, bandwidth, room, why };
  }
}
