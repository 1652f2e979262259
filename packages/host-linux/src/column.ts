import type { FrameNumber, PageCount } from "@hms/hmm";

// Where the bytes of a frame are (docs/concepts/linux-host.md).

/** Given out, never written. */
export const NOWHERE = 0;
/** Zeros that nothing stands for yet. */
export const ZEROS = 1;
/** In the hidden area; `at` is the slot's page number. */
export const SLOT = 2;
/** At an address of the program or in a device's window; `at` is the page number. */
export const MAPPED = 3;
/** A page of a memfd; `at` is the page number in the kernel thread's own mapping of it. */
export const CACHE = 4;
/** Another frame has taken the bytes over in a migration that is not committed; `at` is that frame. */
export const LENT = 5;
/** Beside MAPPED: write-protected there. */
export const PROTECTED = 0x80;
/** Beside CACHE: unmapped everywhere, to see whether someone still needs it. */
export const WAITING = 0x20;
/** Beside MAPPED: in a device's window. */
export const IN_WINDOW = 0x40;
/** The bits that say where. */
export const PLACE = 0x0f;

/** Up to so many are written one by one: the library's fill costs as much before it begins. */
const FEW: PageCount = 32;

/** The places of one memory's frames, in columns. */
export class Column {
  readonly base: FrameNumber;
  readonly place: Uint8Array;
  readonly at: Float64Array;
  /** The frame whose bytes this one has taken over in a migration that is not committed; 0: none. */
  readonly lender: Uint32Array;

  constructor(base: FrameNumber, pages: PageCount) {
    this.base = base;
    this.place = new Uint8Array(pages);
    this.at = new Float64Array(pages);
    this.lender = new Uint32Array(pages);
  }

  /** Whether a frame is one of these. */
  holds(frame: FrameNumber): boolean {
    return frame >= this.base && frame < this.base + this.place.length;
  }

  /** Number of the frame after the last. */
  get end(): FrameNumber {
    return this.base + this.place.length;
  }

  /** Frames that follow each other are at places that do. */
  setRun(index: number, count: PageCount, place: number, at: number): void {
    const end = index + count;
    const { at: where, place: places } = this;
    if (count > FEW) places.fill(place, index, end);
    else for (let k = index; k < end; k++) places[k] = place;
    for (let k = index, to = at; k < end; k++, to++) where[k] = to;
  }

  /** How many frames from `index` on, at most `most`, are at places like that (the `bits` of them) that follow each other from `at` on. */
  runOf(index: number, most: PageCount, place: number, at: number, bits: number = PLACE): PageCount {
    const end = index + most;
    const { at: where, place: places } = this;
    let k = index;
    for (let to = at; k < end; k++, to++) {
      if (((places[k] ?? 0) & bits) !== place || where[k] !== to) break;
    }
    return k - index;
  }

  /** How many frames from `index` on, at most `most`, are at no address of the program. */
  awayRun(index: number, most: PageCount): PageCount {
    const end = index + most;
    const { place: places } = this;
    let k = index;
    while (k < end && ((places[k] ?? 0) & (PLACE | IN_WINDOW)) !== MAPPED) k++;
    return k - index;
  }

  /** How many frames from `index` on, at most `most`, are at a place like that. */
  alike(index: number, most: PageCount, place: number): PageCount {
    const end = index + most;
    const { place: places } = this;
    let k = index;
    while (k < end && ((places[k] ?? 0) & PLACE) === place) k++;
    return k - index;
  }

  /** Frames from `index` on take over the bytes of frames of `lender` from `own` on, which are in slots. */
  borrow(index: number, lender: Column, own: number, count: PageCount): void {
    const { at, place, lender: lenders } = this;
    const from = lender.at;
    const source = (lender.base + own) | 0;
    for (let k = 0, to = this.base + index; k < count; k++, to++) {
      at[index + k] = from[own + k] ?? 0;
      from[own + k] = to;
      lenders[index + k] = source + k;
    }
    place.fill(SLOT, index, index + count);
    lender.place.fill(LENT, own, own + count);
  }
}
