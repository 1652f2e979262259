import { HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";

/** By how much the window of a sequence grows with each fault. */
const GROWTH = 4;
/** Sequences that faults are sorted into at the same time. */
const STREAMS = 32;
/** Faults by which a sequence that went on counts as younger than one that has only begun. */
const WENT_ON = 64;
/** The most that a sequence begins with, in pages: what a touch by chance brings in vain is bounded by it. */
const BEGIN_MAX: PageCount = 128;
/** So many pages, and no more than its last window had, may be left out where a sequence goes on. */
const SKIPPED_MAX: PageCount = 16;

const NOTHING = new Float64Array(0);
// The columns: what the last window of a sequence was and was to be; with how many pages the sequence began (0 once it
// went on); when it was last met, in faults.
const LOW = 0;
const HIGH = STREAMS;
const SIZE = 2 * STREAMS;
const BEGAN = 3 * STREAMS;
const MET = 4 * STREAMS;
const NUMBERS = 5 * STREAMS;

/**
 * How many pages one fault brings in, of a CPU or a device: a guess from the faults before. A fault just beyond what
 * the last one of a sequence brought makes the next window four times as large, up to 2 MiB; a fault elsewhere begins a
 * sequence. Windows of 2 MiB end on multiples of it, so that they are whole huge pages.
 *
 * What a sequence begins with is learnt from the ones before: twice as many pages when the last one that began went
 * on, half as many when it did not. So touches here and there bring one page each, and one block after another, with
 * something left out in between, comes with one or two faults for each.
 *
 * @example
 * ```ts
 * import { Around } from "@hms/hmm";
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
  /** What is known of each sequence, in five columns; made with the first fault: most memory is touched by few. */
  #known: Float64Array = NOTHING;
  #faults = 0;
  #stream = 0;
  /** With how many pages the next sequence begins. */
  #begin: PageCount;
  /** Windows of so many pages, aligned to it, whatever the accesses are; 0: by the accesses. */
  fixed: PageCount = 0;
  /** The window that `at` found. */
  first: PageIndex = 0;
  count: PageCount = 1;

  /** `begin`: how many pages the first sequence begins with. */
  constructor(begin: PageCount = 1) {
    this.#begin = Math.max(1, Math.min(begin, BEGIN_MAX));
  }

  /** The window of a fault at `page`, within `begin` to `end` and of `most` pages. */
  at(page: PageIndex, begin: PageIndex, end: PageIndex, most: PageCount): void {
    if (this.fixed > 0) {
      this.first = Math.max(begin, page - (page % this.fixed));
      this.count = Math.min(end, page - (page % this.fixed) + this.fixed) - this.first;
      return;
    }
    if (this.#known === NOTHING) this.#known = new Float64Array(NUMBERS).fill(-1, LOW, SIZE);
    if (this.#continues(this.#stream, page, begin, end, most)) return;
    const stream = this.#streamAt(page);
    if (stream >= 0 && this.#continues(stream, page, begin, end, most)) return;
    const known = this.#known;
    const oldest = this.#oldest();
    const size = Math.max(1, Math.min(this.#begin, most));
    this.#begin = Math.max(1, size >> 1);
    known[BEGAN + oldest] = size;
    this.#keep(oldest, page, Math.min(size, end - page), size);
  }

  /** The first sequence that a fault at the page may continue; −1: none. */
  #streamAt(page: PageIndex): number {
    const known = this.#known;
    for (let stream = 0; stream < STREAMS; stream++) {
      const beyond = page - (known[HIGH + stream] ?? -1);
      if (beyond < SKIPPED_MAX && beyond >= 0 && beyond < (known[SIZE + stream] ?? 0)) return stream;
      if (page === (known[LOW + stream] ?? 0) - 1) return stream;
    }
    return -1;
  }

  #oldest(): number {
    let oldest = 0;
    let met = this.#known[MET] ?? 0;
    for (let stream = 1; stream < STREAMS; stream++) {
      const when = this.#known[MET + stream] ?? 0;
      if (when < met) {
        met = when;
        oldest = stream;
      }
    }
    return oldest;
  }

  /** Whether a fault continues a sequence; then its window is found. */
  #continues(stream: number, page: PageIndex, begin: PageIndex, end: PageIndex, most: PageCount): boolean {
    const known = this.#known;
    const high = known[HIGH + stream] ?? -1;
    if (page >= high && page < high + Math.min(SKIPPED_MAX, known[SIZE + stream] ?? 0))
      this.#forward(stream, page, end, most);
    else if (page === (known[LOW + stream] ?? 0) - 1) this.#backward(stream, page, begin, most);
    else return false;
    return true;
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

  /** Of a sequence that goes on; the first time it says how others may begin. */
  #grown(stream: number, most: PageCount): PageCount {
    const size = this.#known[SIZE + stream] ?? 1;
    const began = this.#known[BEGAN + stream] ?? 0;
    this.#known[BEGAN + stream] = 0;
    if (began > 0) this.#begin = Math.min(BEGIN_MAX, Math.max(this.#begin, 2 * began));
    // One that began with more than a page is not known to need more than that again.
    const growth = began > 1 ? 1 : GROWTH;
    return Math.max(1, Math.min(most, HUGE_PAGES, size * growth));
  }

  /** Less could be brought in than the window has: it ends here, and the next fault of the sequence is there. */
  cut(end: PageIndex, first: PageIndex = this.first): void {
    const before = this.first + this.count;
    if (first < this.first || end <= first || end > before || end - first === this.count) return;
    this.first = first;
    this.count = end - first;
    if (this.fixed > 0) return;
    this.#known[LOW + this.#stream] = first;
    this.#known[HIGH + this.#stream] = end;
  }

  #keep(stream: number, first: PageIndex, count: PageCount, size: PageCount): void {
    const known = this.#known;
    known[LOW + stream] = first;
    known[HIGH + stream] = first + count;
    known[SIZE + stream] = size;
    known[MET + stream] = ++this.#faults + (known[BEGAN + stream] === 0 ? WENT_ON : 0);
    this.#stream = stream;
    this.first = first;
    this.count = count;
  }
}
