import { HUGE_PAGES, type PageIndex } from "@hms/hmm";

/** 512 pages, and how many of them have a number. */
interface Chunk {
  readonly numbers: Uint32Array;
  used: number;
}

/**
 * A number for each page of a range of any size; 0 where none was given. Memory is taken only where there are some, so
 * that a sparse file of terabytes costs what is touched of it.
 */
export class PageNumbers {
  readonly #chunks = new Map<number, Chunk>();
  #lastKey = -1;
  #last: Chunk | undefined;

  #chunkOf(key: number): Chunk | undefined {
    if (key === this.#lastKey) return this.#last;
    this.#lastKey = key;
    this.#last = this.#chunks.get(key);
    return this.#last;
  }

  at(page: PageIndex): number {
    const key = Math.floor(page / HUGE_PAGES);
    return this.#chunkOf(key)?.numbers[page - key * HUGE_PAGES] ?? 0;
  }

  set(page: PageIndex, number: number): void {
    const key = Math.floor(page / HUGE_PAGES);
    let chunk = this.#chunkOf(key);
    if (chunk === undefined) {
      if (number === 0) return;
      chunk = { numbers: new Uint32Array(HUGE_PAGES), used: 0 };
      this.#chunks.set(key, chunk);
      this.#last = chunk;
    }
    const index = page - key * HUGE_PAGES;
    chunk.used += Number(number !== 0) - Number(chunk.numbers[index] !== 0);
    chunk.numbers[index] = number;
    if (chunk.used > 0) return;
    this.#chunks.delete(key);
    this.#last = undefined;
  }

  /** First pages of the runs of 512 in which some have a number, in order. They may be changed meanwhile. */
  firsts(): PageIndex[] {
    return [...this.#chunks.keys()].sort((a, b) => a - b).map((key) => key * HUGE_PAGES);
  }
}
