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
}
