import type { Cause } from "./cause.ts";
import { HUGE_PAGES, type Nanoseconds, type PageCount, type PageIndex } from "./units.ts";

/** Unit of the time that is kept for each page's last move: 64 ns, in 48 bits, which is 208 days around. */
const TICK: Nanoseconds = 64;
const TICKS_AROUND = 2 ** 48;

/** Up to so many entries are written one by one: the library's fill costs as much before it begins. */
const FEW: PageCount = 64;

/** Bytes kept for one page: frame 4, flags 2, cause and place of the last move 2, its time 6. */
export const BYTES_PER_ENTRY = 14;

/**
 * The entries of 512 pages (2 MiB) in columns, all in one buffer. A chunk with `order` 9 or 18 is one huge page, or a
 * part of one: its entries are alike, and their frames follow each other.
 */
export class Chunk {
  /** The first page. */
  first: PageIndex;
  readonly frames: Uint32Array;
  readonly flags: Uint16Array;
  /** Cause (low 8 bits) and place before (high 8 bits) of the last move. */
  readonly why: Uint16Array;
  readonly #whenLow: Uint32Array;
  readonly #whenHigh: Uint16Array;
  /** Entries that are not empty. */
  populated = 0;
  /** 0: 4 KiB pages; 9: a 2 MiB page; 18: part of a 1 GiB page. */
  order = 0;

  constructor(first: PageIndex) {
    const buffer = new ArrayBuffer(HUGE_PAGES * BYTES_PER_ENTRY);
    this.first = first;
    this.frames = new Uint32Array(buffer, 0, HUGE_PAGES);
    this.#whenLow = new Uint32Array(buffer, HUGE_PAGES * 4, HUGE_PAGES);
    this.flags = new Uint16Array(buffer, HUGE_PAGES * 8, HUGE_PAGES);
    this.why = new Uint16Array(buffer, HUGE_PAGES * 10, HUGE_PAGES);
    this.#whenHigh = new Uint16Array(buffer, HUGE_PAGES * 12, HUGE_PAGES);
  }

  /** Records the last move of an entry. */
  note(index: number, cause: Cause, from: number, now: Nanoseconds): void {
    const ticks = Math.floor(now / TICK);
    this.why[index] = cause | (from << 8);
    this.#whenLow[index] = ticks >>> 0;
    this.#whenHigh[index] = (ticks / 2 ** 32) & 0xffff;
  }

  /** The same for entries that follow each other. */
  noteRun(index: number, count: PageCount, cause: Cause, from: number, now: Nanoseconds): void {
    const ticks = Math.floor(now / TICK);
    const end = index + count;
    const low = ticks >>> 0;
    const high = (ticks / 2 ** 32) & 0xffff;
    const what = cause | (from << 8);
    if (count > FEW) {
      this.why.fill(what, index, end);
      this.#whenLow.fill(low, index, end);
      this.#whenHigh.fill(high, index, end);
      return;
    }
    for (let k = index; k < end; k++) {
      this.why[k] = what;
      this.#whenLow[k] = low;
      this.#whenHigh[k] = high;
    }
  }

  /** Takes over what another entry knows about its last move (an entry that moves with its range, or is inherited). */
  copyNote(index: number, from: Chunk, fromIndex: number): void {
    this.why[index] = from.why[fromIndex] ?? 0;
    this.#whenLow[index] = from.#whenLow[fromIndex] ?? 0;
    this.#whenHigh[index] = from.#whenHigh[fromIndex] ?? 0;
  }

  /** When the last move was, given that it was less than 208 days before `now`; to 64 ns. */
  when(index: number, now: Nanoseconds): Nanoseconds {
    const ticks = (this.#whenHigh[index] ?? 0) * 2 ** 32 + (this.#whenLow[index] ?? 0);
    const nowTicks = Math.floor(now / TICK);
    const around = Math.floor(nowTicks / TICKS_AROUND) * TICKS_AROUND;
    const then = ticks + around;
    return (then > nowTicks && around > 0 ? then - TICKS_AROUND : then) * TICK;
  }
}
