import type { PageCount, PageIndex } from "@hms/hmm";

/** A range of addresses and who answers its faults. */
export interface Owned<T> {
  readonly first: PageIndex;
  readonly end: PageIndex;
  readonly owner: T;
}

/**
 * Who owns which addresses. Ranges do not overlap. Look-up is by halving, after a look at the last answer: faults come
 * in neighbourhoods.
 *
 * @example
 * ```ts
 * import { Owners } from "@hms/host-linux";
 * const owners = new Owners<string>();
 * owners.add(10, 20, "a");
 * owners.remove(12, 13);
 * console.log(owners.at(11), owners.at(12)); // a null
 * ```
 */
export class Owners<T> {
  #ranges: Owned<T>[] = [];
  #last: Owned<T> | null = null;

  get size(): number {
    return this.#ranges.length;
  }

  /** The owner of a page, or null. */
  at(page: PageIndex): T | null {
    return this.rangeAt(page)?.owner ?? null;
  }

  /** The range that a page is in, or null. */
  rangeAt(page: PageIndex): Owned<T> | null {
    const last = this.#last;
    if (last !== null && page >= last.first && page < last.end) return last;
    const range = this.#ranges[this.#after(page) - 1];
    if (range === undefined || page >= range.end) return null;
    this.#last = range;
    return range;
  }

  /** Whether an owner has any range. */
  has(owner: T): boolean {
    return this.#ranges.some((range) => range.owner === owner);
  }

  /** The ranges that overlap. */
  within(first: PageIndex, end: PageIndex): Owned<T>[] {
    const found: Owned<T>[] = [];
    for (let i = Math.max(0, this.#after(first) - 1); i < this.#ranges.length; i++) {
      const range = this.#ranges[i];
      if (range === undefined || range.first >= end) break;
      if (range.end > first) found.push(range);
    }
    return found;
  }

  /** Adds a range; whoever had a part of it has it no more. */
  add(first: PageIndex, count: PageCount, owner: T): void {
    this.remove(first, count);
    this.#ranges.splice(this.#after(first), 0, { first, end: first + count, owner });
  }

  /** Nobody owns the range any more. */
  remove(first: PageIndex, count: PageCount): void {
    const end = first + count;
    this.#last = null;
    const start = Math.max(0, this.#after(first) - 1);
    let stop = start;
    const rest: Owned<T>[] = [];
    while (stop < this.#ranges.length) {
      const range = this.#ranges[stop];
      if (range === undefined || range.first >= end) break;
      if (range.end <= first) rest.push(range);
      else {
        if (range.first < first) rest.push({ first: range.first, end: first, owner: range.owner });
        if (range.end > end) rest.push({ first: end, end: range.end, owner: range.owner });
      }
      stop++;
    }
    this.#ranges.splice(start, stop - start, ...rest);
  }

  /** How many ranges begin at or before the page. */
  #after(page: PageIndex): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.first ?? 0) <= page) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
