import { PINS_MAX } from "./limits.ts";
import type { FrameNumber, PageCount, PageIndex } from "./units.ts";

/** A migration or an exclusive holder has the page: nobody else moves, pins or frees it. */
export const LOCKED = 0x01;
/** The host keeps the page although nothing maps it (the page cache, pages a driver inserted). */
export const KEPT = 0x02;
/** The first of the 512 pages of a huge page of the host. */
export const HEAD = 0x04;
/** One of the others of a huge page. */
export const TAIL = 0x08;
/** Its driver holds it where it is. */
export const HELD = 0x10;
/** A read-only duplicate, not the page itself. */
export const DUPLICATE = 0x20;
/** Written since the host last wrote it back. */
export const WRITTEN = 0x40;

/** Bytes kept for one frame. */
export const BYTES_PER_FRAME = 15;

/** One entry that maps a frame. */
export interface Mapping {
  space: number;
  page: PageIndex;
}

/**
 * What is known of each page of one memory, in columns: how many entries map it and which (the reverse map), pins,
 * and state bits. The first mapping of a frame is in the columns; further ones (after a fork, shared files) in a map
 * beside.
 */
export class FrameTable {
  /** Number of the first frame. */
  readonly base: FrameNumber;
  readonly pages: PageCount;
  /** Entries that map the frame. */
  readonly mapCount: Uint32Array;
  readonly pins: Uint16Array;
  readonly state: Uint8Array;
  readonly #pageLow: Uint32Array;
  /** Low 4 bits: the page's bits 32 to 35. The others: the space. */
  readonly #pageHigh: Uint32Array;
  readonly #more = new Map<number, Mapping[]>();
  /** Frames that at least one entry maps. */
  mapped = 0;

  constructor(base: FrameNumber, pages: PageCount) {
    this.base = base;
    this.pages = pages;
    this.mapCount = new Uint32Array(pages);
    this.pins = new Uint16Array(pages);
    this.state = new Uint8Array(pages);
    this.#pageLow = new Uint32Array(pages);
    this.#pageHigh = new Uint32Array(pages);
  }

  /** One more entry maps the frame. */
  map(index: number, space: number, page: PageIndex): void {
    const count = this.mapCount[index] ?? 0;
    this.mapCount[index] = count + 1;
    if (count === 0) {
      this.mapped++;
      this.#setFirst(index, space, page);
      return;
    }
    const more = this.#more.get(index);
    if (more === undefined) this.#more.set(index, [{ space, page }]);
    else more.push({ space, page });
  }

  /** An entry does not map the frame any more. */
  unmap(index: number, space: number, page: PageIndex): void {
    const count = this.mapCount[index] ?? 0;
    this.mapCount[index] = count - 1;
    if (count === 1) {
      this.mapped--;
      if (this.spaceOf(index) !== space || this.pageOf(index) !== page) unknownMapping(index, space, page);
      return;
    }
    const more = this.#more.get(index) ?? unknownMapping(index, space, page);
    let at = more.length - 1;
    if (this.spaceOf(index) === space && this.pageOf(index) === page) {
      const last = more[at];
      if (last !== undefined) this.#setFirst(index, last.space, last.page);
    } else {
      while (at >= 0 && (more[at]?.space !== space || more[at]?.page !== page)) at--;
      if (at < 0) unknownMapping(index, space, page);
      const last = more[more.length - 1];
      if (last !== undefined) more[at] = last;
    }
    more.pop();
    if (more.length === 0) this.#more.delete(index);
  }

  /** Entries of one space that follow each other map frames that do, and that nothing maps yet. */
  mapRun(index: number, count: PageCount, space: number, page: PageIndex): void {
    const high = (space << 4) | Math.floor(page / 2 ** 32);
    const low = page | 0;
    const { mapCount } = this;
    const lows = this.#pageLow;
    const highs = this.#pageHigh;
    this.mapped += count;
    // A run lies within 2 MiB, so that its low halves do not wrap.
    for (let k = 0; k < count; k++) {
      mapCount[index + k] = 1;
      highs[index + k] = high;
      lows[index + k] = (low + k) | 0;
    }
  }

  /** The only entries that map frames which follow each other map them no more. */
  unmapRun(index: number, count: PageCount): void {
    this.mapped -= count;
    this.mapCount.fill(0, index, index + count);
  }

  /** The space of the first mapping. */
  spaceOf(index: number): number {
    return (this.#pageHigh[index] ?? 0) >>> 4;
  }

  /** The page of the first mapping. */
  pageOf(index: number): PageIndex {
    return ((this.#pageHigh[index] ?? 0) & 15) * 2 ** 32 + (this.#pageLow[index] ?? 0);
  }

  /** The mappings beside the first; null when there is one at most. */
  further(index: number): readonly Mapping[] | null {
    return this.#more.get(index) ?? null;
  }

  /** Whether nothing refers to the frame. */
  unused(index: number): boolean {
    return (
      this.mapCount[index] === 0 &&
      this.pins[index] === 0 &&
      ((this.state[index] ?? 0) & (LOCKED | KEPT)) === 0
    );
  }

  is(index: number, bits: number): boolean {
    return ((this.state[index] ?? 0) & bits) !== 0;
  }

  set(index: number, bits: number): void {
    this.state[index] = (this.state[index] ?? 0) | bits;
  }

  clear(index: number, bits: number): void {
    this.state[index] = (this.state[index] ?? 0) & ~bits;
  }

  /** False when the page has as many pins as can be counted. */
  pin(index: number): boolean {
    const pins = this.pins[index] ?? 0;
    if (pins === PINS_MAX) return false;
    this.pins[index] = pins + 1;
    return true;
  }

  unpin(index: number): void {
    const pins = this.pins[index] ?? 0;
    if (pins === 0) throw new Error(`frame ${this.base + index} has no pin to give back`);
    this.pins[index] = pins - 1;
  }

  #setFirst(index: number, space: number, page: PageIndex): void {
    this.#pageLow[index] = page >>> 0;
    this.#pageHigh[index] = (space << 4) | Math.floor(page / 2 ** 32);
  }
}

function unknownMapping(index: number, space: number, page: PageIndex): never {
  throw new Error(`page ${page} of space ${space} does not map frame ${index}`);
}
