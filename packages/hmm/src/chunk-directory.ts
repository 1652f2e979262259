import { HUGE_PAGES, PAGE_LIMIT, type PageIndex } from "./units.ts";

/** What a directory holds: something for each 512 pages. */
export interface Chunked {
  /** The first page, a multiple of 512. */
  readonly first: PageIndex;
}

/** Chunks of 2^36 pages. */
const CHUNKS_MAX = PAGE_LIMIT / HUGE_PAGES;

class Level<T> {
  readonly slots: (T | null)[] = new Array<T | null>(512).fill(null);
  used = 0;
}

/** Empty levels for reuse: a level is made and given up whenever the last chunk around goes. */
const spare: Level<unknown>[] = [];
const SPARE_LEVELS = 32;

function takeLevel<T>(): Level<T> {
  return (spare.pop() as Level<T> | undefined) ?? new Level<T>();
}

function giveLevel<T>(level: Level<T>): void {
  if (spare.length < SPARE_LEVELS) spare.push(level as Level<unknown>);
}

/** The number of the chunk that holds a page. Page numbers have more bits than JavaScript's bit operations. */
export function chunkNumber(page: PageIndex): number {
  return Math.floor(page / HUGE_PAGES);
}

/**
 * A sparse directory of chunks over 2^36 pages: three levels of 512 slots, as page tables have them. It costs what is
 * in it: 8 KiB for each 1 GiB that holds a chunk.
 */
export class ChunkDirectory<T extends Chunked> {
  readonly #top = new Level<Level<Level<T>>>();
  #last: T | null = null;

  /** The chunk that holds the page, or null. */
  at(page: PageIndex): T | null {
    const last = this.#last;
    if (last !== null && page >= last.first && page < last.first + HUGE_PAGES) return last;
    const number = chunkNumber(page);
    const middle = this.#top.slots[number >>> 18];
    if (middle === null || middle === undefined) return null;
    const low = middle.slots[(number >>> 9) & 511];
    if (low === null || low === undefined) return null;
    const found = low.slots[number & 511] ?? null;
    if (found !== null) this.#last = found;
    return found;
  }

  /** The first chunk that ends after `page` and begins below `end`, or null. */
  next(page: PageIndex, end: PageIndex): T | null {
    const limit = Math.min(CHUNKS_MAX, Math.ceil(end / HUGE_PAGES));
    let number = chunkNumber(page);
    while (number < limit) {
      const middle = this.#top.slots[number >>> 18];
      if (middle === null || middle === undefined) {
        number = ((number >>> 18) + 1) << 18;
        continue;
      }
      const low = middle.slots[(number >>> 9) & 511];
      if (low === null || low === undefined) {
        number = ((number >>> 9) + 1) << 9;
        continue;
      }
      const stop = Math.min(limit, ((number >>> 9) + 1) << 9);
      for (; number < stop; number++) {
        const chunk = low.slots[number & 511];
        if (chunk !== null && chunk !== undefined) return chunk;
      }
    }
    return null;
  }

  /** Adds a chunk where there is none. */
  add(chunk: T): void {
    const number = chunkNumber(chunk.first);
    const middle = child(this.#top, number >>> 18);
    const low = child(middle, (number >>> 9) & 511);
    low.slots[number & 511] = chunk;
    low.used++;
  }

  /** Removes a chunk that is there. */
  delete(chunk: T): void {
    const number = chunkNumber(chunk.first);
    const middle = child(this.#top, number >>> 18);
    const low = child(middle, (number >>> 9) & 511);
    low.slots[number & 511] = null;
    if (this.#last === chunk) this.#last = null;
    if (--low.used > 0) return;
    middle.slots[(number >>> 9) & 511] = null;
    giveLevel(low);
    if (--middle.used > 0) return;
    this.#top.slots[number >>> 18] = null;
    giveLevel(middle);
    this.#top.used--;
  }
}

function child<T>(level: Level<Level<T>>, index: number): Level<T> {
  const there = level.slots[index];
  if (there !== null && there !== undefined) return there;
  const made = takeLevel<T>();
  level.slots[index] = made;
  level.used++;
  return made;
}
