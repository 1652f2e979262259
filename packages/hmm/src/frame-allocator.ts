import { HUGE_PAGES, type PageCount } from "./units.ts";

const NONE = 0xffff_ffff;
/** A block's pages are bits of so many words. */
const WORDS = HUGE_PAGES / 32;
const ALL = 0xffff_ffff;

/**
 * Free pages of a memory, for whoever owns it: single pages, runs of them and 2 MiB blocks, all in constant time. Single
 * pages come from blocks that are already broken, as long as there are some; of a block the first that is free, so that
 * those that are taken one after another follow each other, in whatever order they were given back.
 *
 * @example
 * ```ts
 * import { FrameAllocator } from "@hms/hmm";
 * const free = new FrameAllocator(1024);
 * const index = free.take();
 * console.log(index, free.available); // 0 1023
 * free.give(index);
 * ```
 */
export class FrameAllocator {
  readonly pages: PageCount;
  /** A bit for each page: given out, or none of ours. */
  readonly #taken: Uint32Array;
  /** For each block a word before which nothing is free. */
  readonly #from: Uint8Array;
  readonly #freeIn: Uint16Array;
  /** Blocks that are wholly free, and blocks that are broken; each doubly linked. */
  readonly #blockNext: Uint32Array;
  readonly #blockPrevious: Uint32Array;
  #whole = NONE;
  #broken = NONE;
  #available: PageCount;
  /** How many pages the last `takeRun` gave. */
  got: PageCount = 0;

  /**
   * A last block of fewer than 512 pages serves single pages only. The first `reserved` pages (fewer than 512) are
   * never given out.
   */
  constructor(pages: PageCount, reserved: PageCount = 0) {
    const blocks = Math.ceil(pages / HUGE_PAGES);
    this.pages = pages;
    this.#available = pages - reserved;
    this.#taken = new Uint32Array(blocks * WORDS);
    this.#from = new Uint8Array(blocks);
    this.#freeIn = new Uint16Array(blocks);
    this.#blockNext = new Uint32Array(blocks).fill(NONE);
    this.#blockPrevious = new Uint32Array(blocks).fill(NONE);
    this.#mark(0, reserved);
    this.#mark(pages, blocks * HUGE_PAGES - pages);
    for (let block = blocks - 1; block >= 0; block--) {
      const size = Math.min(HUGE_PAGES, pages - block * HUGE_PAGES) - (block === 0 ? reserved : 0);
      this.#freeIn[block] = size;
      if (size > 0) this.#link(block, size === HUGE_PAGES);
    }
  }

  /** Free pages. */
  get available(): PageCount {
    return this.#available;
  }

  /** A free page; −1 when there is none. */
  take(): number {
    return this.#takeUpTo(1);
  }

  /**
   * Up to `count` (1 to 512) free pages that follow each other: the first of them, and in `got` how many there are. −1
   * when none is free.
   */
  takeRun(count: PageCount): number {
    this.got = count;
    const huge = count === HUGE_PAGES ? this.takeHuge() : -1;
    return huge >= 0 ? huge : this.#takeUpTo(count);
  }

  #takeUpTo(count: PageCount): number {
    const block = this.#broken !== NONE ? this.#broken : this.#whole;
    this.got = 0;
    if (block === NONE) return -1;
    const taken = this.#taken;
    const last = (block + 1) * WORDS;
    let word = block * WORDS + (this.#from[block] ?? 0);
    while (taken[word] === ALL) word++;
    let bit = lowest(~(taken[word] ?? 0));
    const index = word * 32 + bit;
    let got = 0;
    for (; word < last; word++, bit = 0) {
      const rest = (taken[word] ?? 0) >>> bit;
      const here = Math.min(count - got, rest === 0 ? 32 - bit : lowest(rest));
      taken[word] = (taken[word] ?? 0) | bits(bit, here);
      got += here;
      if (got === count || bit + here < 32) break;
    }
    this.#from[block] = Math.min(word, last - 1) - block * WORDS;
    const free = this.#freeIn[block] ?? 0;
    this.#freeIn[block] = free - got;
    this.#available -= got;
    // A block that was broken, and still has something, stays where it is.
    if (free === HUGE_PAGES || free === got) {
      this.#unlink(block, free === HUGE_PAGES);
      if (free > got) this.#link(block, false);
    }
    this.got = got;
    return index;
  }

  /** 512 free pages from a multiple of 512 on; −1 when there are none. */
  takeHuge(): number {
    const block = this.#whole;
    if (block === NONE) return -1;
    this.#unlink(block, true);
    this.#freeIn[block] = 0;
    this.#available -= HUGE_PAGES;
    this.#taken.fill(ALL, block * WORDS, (block + 1) * WORDS);
    return block * HUGE_PAGES;
  }

  /** Whether a page is given out. */
  isTaken(index: number): boolean {
    return ((this.#taken[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** Gives a page back. Giving back what is free throws: someone would get it twice. */
  give(index: number): void {
    this.giveRun(index, 1);
  }

  /** Gives back pages that follow each other. Nothing is given back when one of them is free already: it throws. */
  giveRun(index: number, count: PageCount): void {
    const end = index + count;
    if (end > this.pages) throw new Error(`page ${end - 1} is none of the ${this.pages}`);
    for (let page = index; page < end; ) {
      const mask = bits(page & 31, Math.min(32 - (page & 31), end - page));
      if ((~(this.#taken[page >>> 5] ?? 0) & mask) !== 0) this.#refuse(page);
      page += 32 - (page & 31);
    }
    for (let page = index; page < end; ) {
      const block = Math.floor(page / HUGE_PAGES);
      const stop = Math.min(end, (block + 1) * HUGE_PAGES);
      this.#freed(block, page, stop - page);
      page = stop;
    }
  }

  #refuse(from: number): never {
    let page = from;
    while (this.isTaken(page)) page++;
    throw new Error(`page ${page} is free already`);
  }

  #freed(block: number, first: number, count: PageCount): void {
    for (let page = first; page < first + count; ) {
      const here = Math.min(32 - (page & 31), first + count - page);
      this.#taken[page >>> 5] = (this.#taken[page >>> 5] ?? 0) & ~bits(page & 31, here);
      page += here;
    }
    this.#from[block] = Math.min(this.#from[block] ?? 0, (first >>> 5) - block * WORDS);
    const before = this.#freeIn[block] ?? 0;
    const free = before + count;
    this.#freeIn[block] = free;
    this.#available += count;
    if (before > 0 && free < HUGE_PAGES) return;
    if (before > 0) this.#unlink(block, false);
    this.#link(block, free === HUGE_PAGES);
  }

  #mark(first: number, count: PageCount): void {
    for (let page = first; page < first + count; page++)
      this.#taken[page >>> 5] = (this.#taken[page >>> 5] ?? 0) | (1 << (page & 31));
  }

  #link(block: number, whole: boolean): void {
    const head = whole ? this.#whole : this.#broken;
    this.#blockNext[block] = head;
    this.#blockPrevious[block] = NONE;
    if (head !== NONE) this.#blockPrevious[head] = block;
    if (whole) this.#whole = block;
    else this.#broken = block;
  }

  #unlink(block: number, whole: boolean): void {
    const next = this.#blockNext[block] ?? NONE;
    const previous = this.#blockPrevious[block] ?? NONE;
    if (next !== NONE) this.#blockPrevious[next] = previous;
    if (previous !== NONE) this.#blockNext[previous] = next;
    else if (whole) this.#whole = next;
    else this.#broken = next;
  }
}

/** `count` bits from `from` on; together 32 at most. */
function bits(from: number, count: number): number {
  return count === 32 ? -1 : ((1 << count) - 1) << from;
}

/** The number of the lowest bit that is set. */
function lowest(word: number): number {
  return 31 - Math.clz32(word & -word);
}
