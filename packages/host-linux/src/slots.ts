import { HUGE_PAGES, PAGE_BYTES, type PageCount, type PageIndex } from "@hms/hmm";
import { MADV_DONTNEED } from "./sys/abi.generated.ts";
import { Mapping, madvise } from "./sys/memory.ts";

/** Blocks of 512 hidden pages; one block is open at a time, and filled from its start on. */
const NONE = -1;

/**
 * The hidden area: addresses that no program sees, where pages wait that nobody has mapped. Addresses cost nothing, so
 * there are several times as many as there can be pages; slots that are asked for together follow each other, so that
 * pages move in and out in runs.
 */
export class Slots implements Disposable {
  readonly mapping: Mapping;
  /** Number of the first page of the area. */
  readonly first: PageIndex;
  readonly #used: Uint16Array;
  readonly #filled: Uint16Array;
  readonly #taken: Uint8Array;
  /**
   * Blocks that were used and are empty again: those that held small pages, whose page table stays, and those that
   * held huge ones only, into which a huge page can move whole.
   */
  readonly #emptySmall: number[] = [];
  readonly #emptyHuge: number[] = [];
  readonly #small: Uint8Array;
  #fresh = 0;
  #open = NONE;
  #search = 0;
  /** Slots to be given back to the kernel that follow each other. */
  #dropFirst: PageIndex = 0;
  #dropCount: PageCount = 0;

  constructor(pages: PageCount) {
    const blocks = Math.ceil(pages / HUGE_PAGES);
    this.mapping = Mapping.reserve(blocks * HUGE_PAGES * PAGE_BYTES, {
      align: HUGE_PAGES * PAGE_BYTES,
      name: "hms hidden",
      noReserve: true,
    });
    this.first = this.mapping.address / PAGE_BYTES;
    this.#used = new Uint16Array(blocks);
    this.#filled = new Uint16Array(blocks);
    this.#taken = new Uint8Array(blocks * HUGE_PAGES);
    this.#small = new Uint8Array(blocks);
  }

  /** The bytes of a slot; only of one that holds a page. */
  bytes(slot: PageIndex, offset: number, length: number): Uint8Array {
    const start = (slot - this.first) * PAGE_BYTES + offset;
    return this.mapping.view().subarray(start, start + length);
  }

  /** Whether a page number is one of the area's. */
  holds(page: PageIndex): boolean {
    return page >= this.first && page < this.first + this.#taken.length;
  }

  /** The first of `count` slots (1 to 512) that follow each other and hold nothing; −1 when there are none. */
  take(count: PageCount): PageIndex {
    const huge = count === HUGE_PAGES;
    let block = this.#open;
    // A huge page never goes into the open block, also when that is empty: it would be split there.
    if (huge || block === NONE || (this.#filled[block] ?? 0) + count > HUGE_PAGES) {
      block = this.#emptyBlock(huge);
      if (block === NONE) return this.#gap(count);
      // A whole block leaves the open one open.
      if (!huge) this.#open = block;
      if (!huge) this.#small[block] = 1;
    }
    const at = this.#filled[block] ?? 0;
    this.#filled[block] = at + count;
    this.#used[block] = (this.#used[block] ?? 0) + count;
    const index = block * HUGE_PAGES + at;
    this.#taken.fill(1, index, index + count);
    return this.first + index;
  }

  #emptyBlock(huge: boolean): number {
    const again = huge ? this.#emptyHuge.pop() : this.#emptySmall.pop();
    if (again !== undefined) return again;
    if (this.#fresh < this.#used.length) return this.#fresh++;
    return (huge ? this.#emptySmall.pop() : this.#emptyHuge.pop()) ?? NONE;
  }

  /** Every block has been opened: looks for a gap. */
  #gap(count: PageCount): PageIndex {
    const { length } = this.#taken;
    for (let looked = 0; looked < length; looked++) {
      const index = (this.#search + looked) % length;
      if (this.#taken[index] !== 0 || (index % HUGE_PAGES) + count > HUGE_PAGES) continue;
      let run = 1;
      while (run < count && this.#taken[index + run] === 0) run++;
      if (run < count) continue;
      this.#search = index + count;
      const block = Math.floor(index / HUGE_PAGES);
      this.#small[block] = 1;
      // What is free in the open block is not only its end any more.
      if (block === this.#open) this.#filled[block] = HUGE_PAGES;
      this.#used[block] = (this.#used[block] ?? 0) + count;
      this.#taken.fill(1, index, index + count);
      return this.first + index;
    }
    return NONE;
  }

  /** Slots whose pages moved away. */
  give(slot: PageIndex, count: PageCount): void {
    for (let index = slot - this.first, end = index + count; index < end; ) {
      const block = Math.floor(index / HUGE_PAGES);
      const stop = Math.min(end, (block + 1) * HUGE_PAGES);
      this.#taken.fill(0, index, stop);
      const used = (this.#used[block] ?? 0) - (stop - index);
      if (used < 0) throw new Error(`slot ${index} was given back twice`);
      this.#used[block] = used;
      if (used === 0 && (this.#filled[block] ?? 0) > 0) {
        this.#filled[block] = 0;
        if (block !== this.#open) (this.#small[block] === 1 ? this.#emptySmall : this.#emptyHuge).push(block);
      }
      index = stop;
    }
  }

  /** Slots whose pages nobody needs any more: their memory goes back to the kernel, in runs. */
  drop(slot: PageIndex, count: PageCount): void {
    if (this.#dropCount > 0 && this.#dropFirst + this.#dropCount === slot) {
      this.#dropCount += count;
    } else {
      this.flush();
      this.#dropFirst = slot;
      this.#dropCount = count;
    }
    if (this.#dropCount >= HUGE_PAGES) this.flush();
  }

  /** Gives back what waits to be. */
  flush(): void {
    const count = this.#dropCount;
    if (count === 0) return;
    this.#dropCount = 0;
    madvise(this.#dropFirst * PAGE_BYTES, count * PAGE_BYTES, MADV_DONTNEED);
    this.give(this.#dropFirst, count);
  }

  [Symbol.dispose](): void {
    this.mapping.close();
  }
}
