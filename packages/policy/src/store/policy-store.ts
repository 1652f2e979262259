import { HmsError } from "@hms/topology";
import { PAGE_LIMIT, type PageCount, type PageIndex } from "../units.ts";
import { BoundaryMap, VALUES } from "./boundary-map.ts";

/** Ranges with a policy of their own in one space. */
export const POLICY_RANGES_MAX: number = 1 << 20;
/** Different policies of one space at a time. */
export const POLICIES_MAX: number = VALUES;

/** Pages that follow each other. */
export interface PageRange {
  readonly first: PageIndex;
  readonly count: PageCount;
}

/** A range and its policy. */
export interface PolicyRange<T> extends PageRange {
  readonly policy: T;
}

/** No policy of its own. */
const NONE = 0;

/**
 * The policies of a space's ranges. What is set splits and replaces what was there; neighbours with the same policy
 * are one range. A fork gets a copy, a moved range takes its policy along, an unmapped one loses it, part by part.
 * A look-up costs the logarithm of the number of ranges, and next to nothing in the range of the look-up before.
 *
 * Policies are told apart by identity: the same object is the same policy.
 *
 * @example
 * ```ts
 * import { PolicyStore } from "@hms/policy";
 * const store = new PolicyStore<string>("near");
 * store.set({ first: 100, count: 10 }, "far");
 * store.delete({ first: 103, count: 2 });
 * store.at(102); // "far"
 * store.at(103); // "near": the default
 * store.size; // 2
 * ```
 */
export class PolicyStore<T extends object | string> {
  /** What pages have that have no policy of their own; null: none. */
  default: T | null;
  readonly #rangesMax: number;
  #map = new BoundaryMap();
  /** Policies by the number that the map has for them; NONE is the first. */
  #policies: (T | null)[] = [null];
  #numbers = new Map<T, number>();
  #free: number[] = [];

  /** @param rangesMax ranges with a policy of their own, at most; no more than `POLICY_RANGES_MAX` */
  constructor(policy: T | null = null, rangesMax: number = POLICY_RANGES_MAX) {
    if (!(rangesMax >= 1 && rangesMax <= POLICY_RANGES_MAX)) {
      throw new RangeError(
        `A policy store has 1 to ${POLICY_RANGES_MAX} ranges at most, but ${rangesMax} were asked for`,
      );
    }
    this.default = policy;
    this.#rangesMax = rangesMax;
  }

  /** How many ranges have a policy of their own. */
  get size(): number {
    return this.#map.size - this.#map.uses(NONE);
  }

  /** Bytes that the ranges take. */
  get bytes(): number {
    return this.#map.bytes;
  }

  /** The policy of a page: its own, or the default; null: none. */
  at(page: PageIndex): T | null {
    const number = this.#map.get(page);
    return number === NONE ? this.default : (this.#policies[number] as T);
  }

  /** The policy that a page has of its own; null: none. */
  own(page: PageIndex): T | null {
    return this.#policies[this.#map.get(page)] as T | null;
  }

  /** The end (exclusive) of the run of pages around a page that have the same policy of their own, or none. */
  endOf(page: PageIndex): PageIndex {
    return Math.min(this.#map.next(page), PAGE_LIMIT);
  }

  /**
   * Gives a range a policy, in place of whatever its pages had.
   *
   * @throws HmsError RANGE_INVALID (EINVAL); POLICY_RANGES_FULL, POLICIES_FULL (ENOSPC). Nothing is changed then.
   */
  set(range: PageRange, policy: T): void {
    const { first, count } = checkedRange(range);
    this.#makeRoom(first, first + count, this.#numbers.get(policy) ?? -1);
    this.#map.set(first, first + count, this.#numberOf(policy));
  }

  /**
   * Takes the policy of a range away (what was unmapped, or is to have the default).
   *
   * @throws HmsError RANGE_INVALID (EINVAL), POLICY_RANGES_FULL (ENOSPC: a hole in a range makes two of it)
   */
  delete(range: PageRange): void {
    const { first, count } = checkedRange(range);
    this.#makeRoom(first, first + count, NONE);
    this.#map.set(first, first + count, NONE);
  }

  /**
   * Moves the policies of a range along with its pages; what was at the destination is replaced, and the old range has
   * none. A longer destination goes on with the policy of the last page, as a mapping that grows does.
   *
   * @param to the first page of the destination
   * @param toCount pages of the destination; default: as many as of the range
   * @throws HmsError RANGE_INVALID (EINVAL), POLICY_RANGES_FULL (ENOSPC). Nothing is changed then.
   */
  move(range: PageRange, to: PageIndex, toCount: PageCount = range.count): void {
    const { first, count } = checkedRange(range);
    checkedRange({ first: to, count: toCount });
    // Cutting out at one place and putting in at another makes at most two ranges more at each.
    if (this.size + 4 > this.#rangesMax) throw full(this.#rangesMax);
    const kept = Math.min(count, toCount);
    const starts: number[] = [];
    const numbers: number[] = [];
    for (let page = first; page < first + kept; page = this.#map.next(page)) {
      starts.push(page - first);
      numbers.push(this.#map.get(page));
    }
    // The old range first: where the two overlap, the destination counts.
    this.#map.set(first, first + count, NONE);
    for (let i = 0; i < starts.length; i++) {
      const end = i + 1 < starts.length ? (starts[i + 1] as number) : toCount;
      this.#map.set(to + (starts[i] as number), to + end, numbers[i] as number);
    }
  }

  /** A copy for a child: what either changes the other does not see. */
  fork(): PolicyStore<T> {
    const made = new PolicyStore<T>(this.default, this.#rangesMax);
    made.#map = this.#map.copy();
    made.#policies = this.#policies.slice();
    made.#numbers = new Map(this.#numbers);
    made.#free = this.#free.slice();
    return made;
  }

  /** The ranges that have a policy of their own, in order; of those that a given range cuts, what is in it. */
  *ranges(within: PageRange = { first: 0, count: PAGE_LIMIT }): IterableIterator<PolicyRange<T>> {
    const { first, count } = checkedRange(within);
    const end = first + count;
    for (let page = first; page < end; ) {
      const policy = this.own(page);
      const next = Math.min(this.endOf(page), end);
      if (policy !== null) yield { first: page, count: next - page, policy };
      page = next;
    }
  }

  /** Throws if a range would be one too many. `number` −1: of a policy that is new. */
  #makeRoom(first: PageIndex, end: PageIndex, number: number): void {
    if (this.size + 2 <= this.#rangesMax) return;
    const before = first === 0 ? NONE : this.#map.get(first - 1);
    const after = this.#map.get(end);
    let size = this.size;
    for (let page = first === 0 ? 0 : this.#map.next(first - 1); page <= end; page = this.#map.next(page)) {
      if (this.#map.get(page) !== NONE) size--;
    }
    if (number !== NONE && (first === 0 || before !== number)) size++;
    if (after !== NONE && after !== number) size++;
    if (size > this.#rangesMax) throw full(this.#rangesMax);
  }

  #numberOf(policy: T): number {
    const known = this.#numbers.get(policy);
    if (known !== undefined) return known;
    const number =
      this.#free.pop() ?? (this.#policies.length < POLICIES_MAX ? this.#policies.length : this.#sweep());
    this.#policies[number] = policy;
    this.#numbers.set(policy, number);
    return number;
  }

  /** The number of a policy that no range has any more; the others of its kind are kept for later. */
  #sweep(): number {
    for (let number = 1; number < this.#policies.length; number++) {
      if (this.#map.uses(number) > 0) continue;
      this.#numbers.delete(this.#policies[number] as T);
      this.#policies[number] = null;
      this.#free.push(number);
    }
    const number = this.#free.pop();
    if (number !== undefined) return number;
    throw new HmsError(
      "POLICIES_FULL",
      "ENOSPC",
      `Set a policy: a space has ${POLICIES_MAX - 1} different policies at most, and all are in use; use the same one for more ranges`,
    );
  }
}

function full(rangesMax: number): HmsError {
  return new HmsError(
    "POLICY_RANGES_FULL",
    "ENOSPC",
    `Set a policy: the space may have ${rangesMax} ranges with policies of their own, and has as many; set fewer and longer ones`,
  );
}

/** The range, if it is one: whole numbers, at least one page, all below `PAGE_LIMIT`. */
export function checkedRange(range: PageRange): PageRange {
  const { first, count } = range;
  if (
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(count) &&
    first >= 0 &&
    count > 0 &&
    first + count <= PAGE_LIMIT
  ) {
    return range;
  }
  throw new HmsError(
    "RANGE_INVALID",
    "EINVAL",
    `Read a range of pages: whole numbers from 0 and at least one page below 2^36 are required, but the first is ${first} and the count ${count}`,
  );
}
