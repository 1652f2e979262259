import { HUGE_PAGES, type PageCount, type PageIndex } from "@hms/hmm";

const FIRST: PageCount = 16;
/** By how much the window of a sequence grows with each fault. */
const GROWTH = 4;

/**
 * How many pages a device fault brings in: more as long as faults follow each other in order (either way), fewer when
 * they jump. From 1 to `max`.
 */
export class FaultAround {
  readonly #max: PageCount;
  #size: PageCount;
  /** What the last fault brought in. */
  #first: PageIndex = -1;
  #end: PageIndex = -1;
  first: PageIndex = 0;
  count: PageCount = 1;

  constructor(max: PageCount) {
    this.#max = max;
    this.#size = Math.min(FIRST, max);
  }

  /** Sets `first` and `count` for a fault at `page`, within from to end − 1. */
  at(page: PageIndex, from: PageIndex, end: PageIndex): void {
    const forward =
      page === this.#end || (page > this.#end && page < this.#end + this.#size && this.#end >= 0);
    const backward = page + 1 === this.#first;
    if (forward || backward) this.#size = Math.min(this.#max, this.#size * GROWTH);
    else if (this.#end >= 0) this.#size = Math.max(1, this.#size >> 1);
    this.first = backward ? Math.max(from, page + 1 - this.#size) : page;
    this.count = backward ? page + 1 - this.first : Math.min(end - page, this.#forward(page));
    this.#first = this.first;
    this.#end = this.first + this.count;
  }

  /** Windows of 2 MiB end on multiples of it: then whole huge pages move. */
  #forward(page: PageIndex): PageCount {
    const size = this.#size;
    return size === HUGE_PAGES ? size - (page % size) : size;
  }

  get size(): PageCount {
    return this.#size;
  }
}
