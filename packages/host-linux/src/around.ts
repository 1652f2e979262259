import { HUGE_PAGES, type PageCount, type PageIndex } from "@hms/hmm";

/** By how much the window of a sequence grows with each fault. */
const GROWTH = 4;
/** Sequences that one region's faults are sorted into at the same time. */
const STREAMS = 32;
/** Faults by which a sequence that went on counts as younger than one that has only begun. */
const WENT_ON = 64;

/**
 * How many pages one fault brings in: a guess from the faults before. A fault just beyond what the last one of a
 * sequence brought makes the next window four times as large, up to 2 MiB; a fault elsewhere begins a sequence with one
 * page. Windows of 2 MiB end on multiples of it, so that they are whole huge pages.
 *
 * @example
 * ```ts
 * import { Around } from "@hms/host-linux";
 * const around = new Around();
 * const windows: string[] = [];
 * for (let page = 1000; page < 1064; page = around.first + around.count) {
 *   around.at(page, 0, 100_000, 512);
 *   windows.push(`${around.first}+${around.count}`);
 * }
 * console.log(windows.join(" ")); // 1000+1 1001+4 1005+16 1021+64
 * ```
 */
export class Around {
  readonly #low = new Float64Array(STREAMS).fill(-1);
  readonly #high = new Float64Array(STREAMS).fill(-1);
  readonly #size = new Uint16Array(STREAMS);
  /** When a sequence was last met, in faults. */
  readonly #met = new Float64Array(STREAMS);
  #faults = 0;
  #stream = 0;
  /** Windows of so many pages, aligned to it, whatever the accesses are; 0: by the accesses. */
  fixed: PageCount = 0;
  /** The window that `at` found. */
  first: PageIndex = 0;
  count: PageCount = 1;

  /** The window of a fault at `page`, within `begin` to `end` and of `most` pages. */
  at(page: PageIndex, begin: PageIndex, end: PageIndex, most: PageCount): void {
    if (this.fixed > 0) {
      this.first = Math.max(begin, page - (page % this.fixed));
      this.count = Math.min(end, page - (page % this.fixed) + this.fixed) - this.first;
      return;
    }
    let oldest = 0;
    for (let stream = 0; stream < STREAMS; stream++) {
      if ((this.#met[stream] ?? 0) < (this.#met[oldest] ?? 0)) oldest = stream;
      if (page === this.#high[stream]) {
        this.#forward(stream, page, end, most);
        return;
      }
      if (page === (this.#low[stream] ?? 0) - 1) {
        this.#backward(stream, page, begin, most);
        return;
      }
    }
    this.#keep(oldest, page, 1, 1);
  }

  #forward(stream: number, page: PageIndex, end: PageIndex, most: PageCount): void {
    const size = this.#grown(stream, most);
    // The largest windows are whole 2 MiB pages; the others need no alignment.
    const whole = size === HUGE_PAGES ? Math.floor((page + size) / size) * size : page + size;
    const stop = Math.min(end, whole);
    this.#keep(stream, page, stop - page, size);
  }

  #backward(stream: number, page: PageIndex, begin: PageIndex, most: PageCount): void {
    const size = this.#grown(stream, most);
    const whole = size === HUGE_PAGES ? Math.ceil((page - size + 1) / size) * size : page - size + 1;
    const start = Math.max(begin, Math.min(page, whole));
    this.#keep(stream, start, page + 1 - start, size);
  }

  #grown(stream: number, most: PageCount): PageCount {
    return Math.max(1, Math.min(most, HUGE_PAGES, (this.#size[stream] ?? 1) * GROWTH));
  }

  /** Less could be brought in than the window has: it ends here, and the next fault of the sequence is there. */
  cut(end: PageIndex, first: PageIndex = this.first): void {
    const before = this.first + this.count;
    if (first < this.first || end <= first || end > before || end - first === this.count) return;
    this.first = first;
    this.count = end - first;
    if (this.fixed > 0) return;
    this.#low[this.#stream] = first;
    this.#high[this.#stream] = end;
  }

  #keep(stream: number, first: PageIndex, count: PageCount, size: PageCount): void {
    this.#low[stream] = first;
    this.#high[stream] = first + count;
    this.#size[stream] = size;
    this.#met[stream] = ++this.#faults + (size > 1 ? WENT_ON : 0);
    this.#stream = stream;
    this.first = first;
    this.count = count;
  }
}
