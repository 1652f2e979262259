/** Numbers that follow each other, given out in runs as long as can be had; next fit. */
export class Runs {
  readonly pages: number;
  readonly #taken: Uint8Array;
  #search = 0;
  /** The highest number ever given out, and one: beyond it all are free. */
  #fresh = 0;
  used = 0;

  constructor(pages: number) {
    this.pages = pages;
    this.#taken = new Uint8Array(pages);
  }

  /** Up to `count` that follow each other; null when none is left. */
  take(count: number): { slot: number; got: number } | null {
    if (this.used >= this.pages) return null;
    // While little was given back, go on where it is wide; later look through what came back.
    if (this.used * 2 < this.#fresh || this.#fresh >= this.pages) {
      const found = this.#find(count);
      if (found !== null) return found;
    }
    const got = Math.min(count, this.pages - this.#fresh);
    if (got === 0) return this.#find(1);
    const slot = this.#fresh;
    this.#fresh += got;
    this.#mark(slot, got);
    return { slot, got };
  }

  #find(count: number): { slot: number; got: number } | null {
    const limit = this.#fresh;
    let at = this.#search < limit ? this.#search : 0;
    let best = -1;
    let bestLength = 0;
    for (let looked = 0; looked < limit; ) {
      const free = this.#taken.indexOf(0, at);
      if (free < 0 || free >= limit) {
        if (at === 0) break;
        looked += limit - at;
        at = 0;
        continue;
      }
      let length = 1;
      while (length < count && free + length < limit && this.#taken[free + length] === 0) length++;
      if (length > bestLength) {
        best = free;
        bestLength = length;
      }
      if (bestLength >= count) break;
      looked += free + length - at;
      at = free + length;
      if (at >= limit) at = 0;
      // A run of a quarter of what was asked is good enough after some searching.
      if (looked > 65_536 && bestLength * 4 >= count) break;
    }
    if (best < 0) return null;
    this.#search = best + bestLength;
    this.#mark(best, bestLength);
    return { slot: best, got: bestLength };
  }

  #mark(slot: number, count: number): void {
    this.#taken.fill(1, slot, slot + count);
    this.used += count;
  }

  give(slot: number, count: number): void {
    this.#taken.fill(0, slot, slot + count);
    this.used -= count;
  }
}
