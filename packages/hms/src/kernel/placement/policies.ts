import type { PageCount, PageIndex } from "@hms/hmm";
import { type PolicyRange, PolicyStore } from "@hms/policy";
import type { Policy } from "./policy.ts";

/** A range of a space and what it is under. */
export type Placed = PolicyRange<Policy>;

/** The policies of a space: of its ranges, and the one that what is made later gets. */
export class Policies {
  readonly #ranges = new PolicyStore<Policy>();
  /** For what is made from now on; null: none. */
  default: Policy | null = null;

  /** Whether no range has any. */
  get empty(): boolean {
    return this.#ranges.size === 0;
  }

  at(page: PageIndex): Policy | null {
    return this.#ranges.own(page);
  }

  /** How many pages from one on, at most `count`, are under the same policy, or under none. */
  runLength(page: PageIndex, count: PageCount): PageCount {
    return Math.min(count, this.#ranges.endOf(page) - page);
  }

  /** The parts of a range that are under a policy, in order. */
  within(first: PageIndex, count: PageCount): IterableIterator<Placed> {
    return this.#ranges.ranges({ first, count });
  }

  /** All ranges under a policy. */
  under(policy: Policy): Placed[] {
    return [...this.#ranges.ranges()].filter((one) => one.policy === policy);
  }

  /** Throws POLICY_RANGES_FULL, POLICIES_FULL (ENOSPC). */
  set(first: PageIndex, count: PageCount, policy: Policy): void {
    this.#ranges.set({ first, count }, policy);
  }

  drop(first: PageIndex, count: PageCount): void {
    this.#ranges.delete({ first, count });
  }

  /** A range is elsewhere now: its policies go with it. */
  move(from: PageIndex, to: PageIndex, count: PageCount): void {
    this.#ranges.move({ first: from, count }, to);
  }
}
