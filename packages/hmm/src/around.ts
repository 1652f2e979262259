import { HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";

/** By how much the window of a sequence grows with each fault. */
const GROWTH = 4;
/** Sequences that faults are sorted into at the same time. */
const STREAMS = 32;
/** Faults by which a sequence that went on counts as younger than one that has only begun. */
const WENT_ON = 64;
/** The most that a sequence begins with, in pages: what a touch by chance brings in vain is bounded by it. */
const BEGIN_MAX: PageCount = 128;
/** Sequences that do not go on before the next begins with half as many pages, at most. */
const PATIENCE_MAX = 8;
/** So many pages, and no more than its last window had, may be left out where a sequence goes on. */
const SKIPPED_MAX: PageCount = 16;
/** Pages that are said to come next after a window, at most: 32 MiB. */
const AHEAD_MAX: PageCount = 16 * HUGE_PAGES;
/** It is said of a sequence only that was met in so many faults before. */
const FRESH = 8;
/** A sequence is led after so many whole windows in a row: twice as many each time that was in vain, one less else. */
const WHOLE_MIN = 2;
const WHOLE_MAX = 64;
/** A sequence that went so far is expected to go as far when it begins again where it began. */
const FAR: PageCount = 2 * HUGE_PAGES;

const NOTHING = new Float64Array(0);
// What is known of a sequence, each in a column of its own.
/** The first page of its last window. */
const LOW = 0;
/** The page after it, and after what came ahead of touches since. */
const HIGH = STREAMS;
/** With how many pages that window was to be brought. */
const SIZE = 2 * STREAMS;
/** With how many pages the sequence began; 0 once it went on. */
const BEGAN = 3 * STREAMS;
/** When it was last met, in faults. */
const MET = 4 * STREAMS;
/** Its first page. */
const START = 5 * STREAMS;
/** The page up to which it went, and to which it was last led. */
const WENT = 6 * STREAMS;
/** By how many pages it was last led. */
const LEAD = 7 * STREAMS;
/** The page up to which it will go as it did before; 0: not known. */
const HOPE = 8 * STREAMS;
/** Windows of 2 MiB in a row. */
const WHOLE = 9 * STREAMS;
const NUMBERS = 10 * STREAMS;

/**
 * How many pages one fault brings in, of a CPU or a device: a guess from the faults before. A fault just beyond what
 * the last one of a sequence brought makes the next window four times as large, up to 2 MiB; a fault elsewhere begins a
 * sequence. Windows of 2 MiB end on multiples of it, so that they are whole huge pages.
 *
 * What a sequence begins with is learnt from the ones before: twice as many pages when the last one that began went
 * on, half as many when it did not; but where half was too little, later the next time. So touches here and there bring
 * one page each, and one block after another, with something left out in between, soon comes with one fault for each.
 *
 * What will be touched after the window is `ahead`: who can bring it while nobody waits says so by `leadBy`, and what
 * of it came by `came`; the next fault of the sequence is beyond that. It is 2 MiB after two windows of 2 MiB in a row,
 * and twice as much each time that the next fault comes; if none comes, the next sequences need twice as many windows. A
 * sequence that begins again where one began that went far, and goes on, is led by half of that way at once; if no fault
 * comes at its end, by a quarter the next time, and so on.
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
  /** What is known of each sequence, in columns; made with the first fault: most memory is touched by few. */
  #known: Float64Array = NOTHING;
  #faults = 0;
  #stream = 0;
  /** With how many pages the next sequence begins. */
  #begin: PageCount;
  /** The last sequence that began went on. */
  #wentOn = true;
  /** So many in a row did not, and so many may before the next begins with half as many pages. */
  #idle = 0;
  #patience = 1;
  /** What they begin with was halved, and nothing is known of that yet. */
  #halved = false;
  /** After how many whole windows in a row a sequence is led. */
  #whole = WHOLE_MIN;
  /** A sequence is led, and no fault has come at the end of that, which is not that of all its pages. */
  #led = false;
  /** The page after the last that the sequence of the last window can have. */
  #end: PageIndex = 0;
  /** Windows of so many pages, aligned to it, whatever the accesses are; 0: by the accesses. */
  fixed: PageCount = 0;
  /** The window that `at` found. */
  first: PageIndex = 0;
  count: PageCount = 1;
  /** Pages after the window that will be touched next, as it seems. */
  ahead: PageCount = 0;

  /** `begin`: how many pages the first sequence begins with. */
  constructor(begin: PageCount = 1) {
    this.#begin = Math.max(1, Math.min(begin, BEGIN_MAX));
  }

  /** The window of a fault at `page`, within `begin` to `end` and of `most` pages. */
  at(page: PageIndex, begin: PageIndex, end: PageIndex, most: PageCount): void {
    this.ahead = 0;
    if (this.fixed > 0) {
      this.first = Math.max(begin, page - (page % this.fixed));
      this.count = Math.min(end, page - (page % this.fixed) + this.fixed) - this.first;
      if (this.fixed === HUGE_PAGES) this.#inOrder(page, end);
      return;
    }
    this.#know();
    if (this.#continues(this.#stream, page, begin, end, most)) return;
    const stream = this.#streamAt(page);
    if (stream >= 0 && this.#continues(stream, page, begin, end, most)) return;
    const again = most < HUGE_PAGES ? -1 : this.#startedAt(page);
    if (again >= 0) this.#again(again, page, end);
    else this.#begins(page, end, most);
  }

  #know(): void {
    if (this.#known === NOTHING) this.#known = new Float64Array(NUMBERS).fill(-1, LOW, SIZE);
  }

  /** Whole windows, since all touches are in order: what comes next is known from the first on. */
  #inOrder(page: PageIndex, end: PageIndex): void {
    this.#know();
    const lead = this.#isNext(0, page) ? 2 * (this.#known[LEAD] ?? 0) : 0;
    this.#keep(0, this.first, this.count, HUGE_PAGES);
    this.#leads(Math.max(HUGE_PAGES, lead), end);
  }

  #begins(page: PageIndex, end: PageIndex, most: PageCount): void {
    this.#inVain();
    const known = this.#known;
    const oldest = this.#oldest();
    if (!this.#wentOn) this.#beganIdly();
    this.#wentOn = false;
    const size = Math.max(1, Math.min(this.#begin, most));
    known[BEGAN + oldest] = size;
    known[START + oldest] = page;
    this.#keep(oldest, page, Math.min(size, end - page), size);
  }

  /** The last sequence that began did not go on: what it began with was enough, or too much. */
  #beganIdly(): void {
    if (this.#halved) this.#patience = 1;
    this.#halved = ++this.#idle >= this.#patience;
    if (!this.#halved) return;
    this.#idle = 0;
    this.#begin = Math.max(1, this.#begin >> 1);
  }

  /** A sequence that began with so many pages went on: that was too little. */
  #beganWell(size: PageCount): void {
    if (this.#halved) this.#patience = Math.min(PATIENCE_MAX, 2 * this.#patience);
    this.#halved = false;
    this.#wentOn = true;
    this.#idle = 0;
    this.#begin = Math.min(BEGIN_MAX, Math.max(this.#begin, 2 * size));
  }

  /** The sequence that began at the page and went far; −1: none. */
  #startedAt(page: PageIndex): number {
    const known = this.#known;
    for (let stream = 0; stream < STREAMS; stream++)
      if (known[START + stream] === page && (known[WENT + stream] ?? 0) - page >= FAR) return stream;
    return -1;
  }

  /** A sequence begins again: if it goes on, half of the way that it went is expected of it. */
  #again(stream: number, page: PageIndex, end: PageIndex): void {
    this.#inVain();
    const known = this.#known;
    const hope = wholeUpTo((page + (known[WENT + stream] ?? page)) / 2, end);
    this.#keep(stream, page, wholeUpTo(page + HUGE_PAGES, end) - page, HUGE_PAGES);
    known[HOPE + stream] = hope;
    known[WENT + stream] = hope;
    known[WHOLE + stream] = 1;
  }

  /** Another sequence begins: no fault came at the end of what the last one was led by. */
  #inVain(): void {
    if (this.#led) this.#whole = Math.min(WHOLE_MAX, 2 * this.#whole);
    this.#led = false;
  }

  /** The first sequence that a fault at the page may continue; −1: none. */
  #streamAt(page: PageIndex): number {
    for (let stream = 0; stream < STREAMS; stream++)
      if (this.#isNext(stream, page) || this.#isBefore(stream, page)) return stream;
    return -1;
  }

  /** Whether the page is right after what a sequence had. */
  #isNext(stream: number, page: PageIndex): boolean {
    const beyond = page - (this.#known[HIGH + stream] ?? -1);
    return beyond >= 0 && beyond < Math.min(SKIPPED_MAX, this.#known[SIZE + stream] ?? 0);
  }

  #isBefore(stream: number, page: PageIndex): boolean {
    return page === (this.#known[LOW + stream] ?? 0) - 1;
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
    if (this.#isNext(stream, page)) this.#forward(stream, page, end, most);
    else if (this.#isBefore(stream, page)) this.#backward(stream, page, begin, most);
    else return false;
    return true;
  }

  #forward(stream: number, page: PageIndex, end: PageIndex, most: PageCount): void {
    const known = this.#known;
    const isFresh = this.#isFresh(stream);
    const size = this.#grown(stream, most);
    // The largest windows are whole 2 MiB pages; the others need no alignment.
    const stop = size === HUGE_PAGES ? wholeUpTo(page + size, end) : Math.min(end, page + size);
    const lead = known[LEAD + stream] ?? 0;
    const hope = known[HOPE + stream] ?? 0;
    const whole = size === HUGE_PAGES ? (known[WHOLE + stream] ?? 0) + 1 : 0;
    // Whoever is faster than what leads it is led no further.
    const overtook = lead > 0 && page < (known[WENT + stream] ?? 0);
    if (this.#led && !overtook) this.#whole = Math.max(WHOLE_MIN, this.#whole - 1);
    this.#led = false;
    this.#keep(stream, page, stop - page, size);
    known[WHOLE + stream] = whole;
    if (hope > stop) this.#leads(hope - stop, end);
    else if (isFresh && whole >= this.#whole)
      this.#leads(overtook ? lead : Math.max(HUGE_PAGES, 2 * lead), end);
  }

  /** Whether a sequence that went on was met just a few faults ago. */
  #isFresh(stream: number): boolean {
    return this.#faults + WENT_ON - (this.#known[MET + stream] ?? 0) < FRESH;
  }

  #leads(wanted: PageCount, end: PageIndex): void {
    this.#end = end;
    this.ahead = Math.max(0, Math.min(wanted, AHEAD_MAX, end - this.first - this.count));
  }

  /**
   * So many of the pages `ahead` come while nobody waits; right after the `at` that said so. Answers of which sequence
   * they are, for `came`.
   */
  leadBy(count: PageCount): number {
    const stream = this.#stream;
    const to = this.first + this.count + count;
    this.#known[LEAD + stream] = count;
    this.#known[WENT + stream] = to;
    this.#led = count > 0 && to < this.#end;
    return stream;
  }

  /** Pages that lead a sequence came, up to `end`. Those of one that has gone elsewhere meanwhile do not count. */
  came(stream: number, first: PageIndex, end: PageIndex): void {
    if (this.#known[HIGH + stream] === first) this.#known[HIGH + stream] = end;
  }

  /** The window is one page, which says nothing of any sequence. */
  one(page: PageIndex): void {
    this.first = page;
    this.count = 1;
    this.ahead = 0;
  }

  #backward(stream: number, page: PageIndex, begin: PageIndex, most: PageCount): void {
    const size = this.#grown(stream, most);
    const whole = size === HUGE_PAGES ? Math.ceil((page - size + 1) / size) * size : page - size + 1;
    const start = Math.max(begin, Math.min(page, whole));
    this.#keep(stream, start, page + 1 - start, size);
    this.#known[START + stream] = start;
  }

  /** Of a sequence that goes on; the first time it says how others may begin. */
  #grown(stream: number, most: PageCount): PageCount {
    const size = this.#known[SIZE + stream] ?? 1;
    const began = this.#known[BEGAN + stream] ?? 0;
    this.#known[BEGAN + stream] = 0;
    if (began > 0) this.#beganWell(began);
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
    this.ahead = 0;
    if (this.fixed > 0) return;
    this.#known[LOW + this.#stream] = first;
    this.#known[HIGH + this.#stream] = end;
    this.#known[WENT + this.#stream] = end;
  }

  #keep(stream: number, first: PageIndex, count: PageCount, size: PageCount): void {
    const known = this.#known;
    known[LOW + stream] = first;
    known[HIGH + stream] = first + count;
    known[SIZE + stream] = size;
    known[WENT + stream] = first + count;
    known[LEAD + stream] = 0;
    known[HOPE + stream] = 0;
    known[WHOLE + stream] = 0;
    known[MET + stream] = ++this.#faults + (known[BEGAN + stream] === 0 ? WENT_ON : 0);
    this.#stream = stream;
    this.first = first;
    this.count = count;
  }
}

/** The end of the last whole 2 MiB page up to there; or what the pages may be of, where that ends before. */
function wholeUpTo(page: PageIndex, end: PageIndex): PageIndex {
  return Math.min(end, page - (page % HUGE_PAGES));
}
