import { HUGE_PAGES, type PageCount } from "./units.ts";

const NONE = 0xffff_ffff;

/**
 * Free pages of a memory, for whoever owns it: single pages and 2 MiB blocks, both in constant time. Single pages come
 * from blocks that are already broken, as long as there are some.
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
  /** Within a block, the next free page. */
  readonly #next: Uint32Array;
  /** For each block the first free page; NONE when there is none. */
  readonly #first: Uint32Array;
  readonly #freeIn: Uint16Array;
  /** Pages of a block that were ever given out: those beyond are free without being linked. */
  readonly #fresh: Uint16Array;
  readonly #taken: Uint8Array;
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
    this.#available = pages;
    this.#next = new Uint32Array(pages);
    this.#taken = new Uint8Array(Math.ceil(pages / 8));
    this.#first = new Uint32Array(blocks).fill(NONE);
    this.#freeIn = new Uint16Array(blocks);
    this.#fresh = new Uint16Array(blocks);
    this.#blockNext = new Uint32Array(blocks).fill(NONE);
    this.#blockPrevious = new Uint32Array(blocks).fill(NONE);
    for (let index = 0; index < reserved; index++) this.#mark(index, true);
    this.#fresh[0] = reserved;
    this.#available -= reserved;
    for (let block = blocks - 1; block >= 0; block--) {
      const size = this.#sizeOf(block) - (block === 0 ? reserved : 0);
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
    const block = this.#broken !== NONE ? this.#broken : this.#whole;
    if (block === NONE) return -1;
    const free = this.#freeIn[block] ?? 0;
    this.#unlink(block, free === HUGE_PAGES);
    const index = this.#pop(block);
    this.#mark(index, true);
    this.#freeIn[block] = free - 1;
    this.#available--;
    if (free > 1) this.#link(block, false);
    return index;
  }

  /**
   * Up to `count` (1 to 512) free pages that follow each other: the first of them, and in `got` how many there are. −1
   * when none is free.
   */
  takeRun(count: PageCount): number {
    this.got = count;
    const huge = count === HUGE_PAGES ? this.takeHuge() : -1;
    if (huge >= 0) return huge;
    const block = this.#broken !== NONE ? this.#broken : this.#whole;
    this.got = 0;
    if (block === NONE) return -1;
    const free = this.#freeIn[block] ?? 0;
    this.#unlink(block, free === HUGE_PAGES);
    const index = this.#pop(block);
    let got = 1;
    while (got < count && got < free && this.#peek(block) === index + got) {
      this.#pop(block);
      got++;
    }
    for (let k = 0; k < got; k++) this.#mark(index + k, true);
    this.#freeIn[block] = free - got;
    this.#available -= got;
    if (free > got) this.#link(block, false);
    this.got = got;
    return index;
  }

  /** 512 free pages from a multiple of 512 on; −1 when there are none. */
  takeHuge(): number {
    const block = this.#whole;
    if (block === NONE) return -1;
    this.#unlink(block, true);
    this.#freeIn[block] = 0;
    this.#first[block] = NONE;
    this.#fresh[block] = HUGE_PAGES;
    this.#available -= HUGE_PAGES;
    const index = block * HUGE_PAGES;
    for (let i = 0; i < HUGE_PAGES; i += 8) this.#taken[(index + i) >>> 3] = 0xff;
    return index;
  }

  /** Whether a page is given out. */
  isTaken(index: number): boolean {
    return ((this.#taken[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Gives a page back. Giving back what is free throws: someone would get it twice. */
  give(index: number): void {
    const block = Math.floor(index / HUGE_PAGES);
    this.#push(index, block);
    this.#freed(block, 1);
  }

  /** Gives back pages that follow each other; as they will be taken again, if they are. */
  giveRun(index: number, count: PageCount): void {
    for (let end = index + count; end > index; ) {
      const block = Math.floor((end - 1) / HUGE_PAGES);
      const first = Math.max(index, block * HUGE_PAGES);
      for (let page = end - 1; page >= first; page--) this.#push(page, block);
      this.#freed(block, end - first);
      if (this.#freeIn[block] === HUGE_PAGES) {
        // Whole again: its pages are given out in order, as at first.
        this.#first[block] = NONE;
        this.#fresh[block] = 0;
      }
      end = first;
    }
  }

  #push(index: number, block: number): void {
    if (!this.isTaken(index)) throw new Error(`page ${index} is free already`);
    this.#mark(index, false);
    this.#next[index] = this.#first[block] ?? NONE;
    this.#first[block] = index;
  }

  #freed(block: number, count: PageCount): void {
    const before = this.#freeIn[block] ?? 0;
    const free = before + count;
    if (before > 0) this.#unlink(block, false);
    this.#freeIn[block] = free;
    this.#available += count;
    this.#link(block, free === HUGE_PAGES);
  }

  #sizeOf(block: number): number {
    return Math.min(HUGE_PAGES, this.pages - block * HUGE_PAGES);
  }

  /** The page that `#pop` would give. */
  #peek(block: number): number {
    const first = this.#first[block] ?? NONE;
    return first !== NONE ? first : block * HUGE_PAGES + (this.#fresh[block] ?? 0);
  }

  #pop(block: number): number {
    const first = this.#first[block] ?? NONE;
    if (first !== NONE) {
      this.#first[block] = this.#next[first] ?? NONE;
      return first;
    }
    const fresh = this.#fresh[block] ?? 0;
    this.#fresh[block] = fresh + 1;
    return block * HUGE_PAGES + fresh;
  }

  #mark(index: number, taken: boolean): void {
    const bit = 1 << (index & 7);
    const byte = this.#taken[index >>> 3] ?? 0;
    this.#taken[index >>> 3] = taken ? byte | bit : byte & ~bit;
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
