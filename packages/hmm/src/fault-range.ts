import { HmsError } from "@hms/topology";
import { BATCH_PAGES_MAX } from "./limits.ts";
import { type FrameNumber, NO_FRAME, type PageCount, type PageIndex } from "./units.ts";

/** In a result: the page may be read. In a request: it must be, so fault it in. */
export const VALID = 1;
export const REQUEST_FAULT = 1;
/** In a result: the page may be written. In a request, beside `REQUEST_FAULT`: it must be. */
export const WRITABLE = 2;
export const REQUEST_WRITE = 2;
/** In a result: there is nothing that a device could use (a hole, no read permission, device registers). */
export const ERROR = 4;
/** In a result: the map order, 2^order pages, in the upper 5 bits. */
export const ORDER_SHIFT = 3;

/**
 * What a range fault is asked and what it answers (the kernel's hmm_range), made once by a driver and used again.
 *
 * The request for page `i` is `(requests[i] & requestMask) | defaultRequest`: 0 asks what is there without faulting
 * (a snapshot), `REQUEST_FAULT` wants the page readable, `REQUEST_FAULT | REQUEST_WRITE` writable.
 * The answer is in `results[i]` and `frames[i]`.
 *
 * @example
 * ```ts
 * import { FaultRange, REQUEST_FAULT } from "@hms/hmm";
 * const range = new FaultRange(64);
 * range.set({ first: 1024, count: 16, request: REQUEST_FAULT });
 * console.log(range.count, range.results[0]); // 16 0
 * ```
 */
export class FaultRange {
  /** Pages it can hold. */
  readonly capacity: PageCount;
  first: PageIndex = 0;
  count: PageCount = 0;
  defaultRequest = 0;
  requestMask = 0;
  /** A request for each page. Not changed by a fault. */
  readonly requests: Uint8Array;
  /** `VALID`, `WRITABLE`, `ERROR` and the map order of each page; 0: nothing there, but it could be faulted in. */
  readonly results: Uint8Array;
  /** The frame of each page that is VALID. */
  readonly frames: Uint32Array;
  /** Faults that the last range fault needed inside. */
  faults = 0;

  /** Throws EINVAL for a capacity that is not between 1 and 262144. */
  constructor(capacity: PageCount) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > BATCH_PAGES_MAX) {
      throw new HmsError(
        "BAD_CAPACITY",
        "EINVAL",
        `Making a fault range failed: its capacity must be 1 to ${BATCH_PAGES_MAX} pages, not ${capacity}.`,
      );
    }
    this.capacity = capacity;
    this.requests = new Uint8Array(capacity);
    this.results = new Uint8Array(capacity);
    this.frames = new Uint32Array(capacity);
  }

  /** Sets what is asked; every page alike. Pages beyond the capacity are left out: `count` says how many are in. */
  set(ask: { first: PageIndex; count: PageCount; request: number }): void {
    this.first = ask.first;
    this.count = Math.min(ask.count, this.capacity);
    this.defaultRequest = ask.request;
    this.requestMask = 0;
  }

  /** Map order of page `i`: 0, or 9 in a 2 MiB page, 18 in a 1 GiB page. */
  orderOf(i: number): number {
    return (this.results[i] ?? 0) >> ORDER_SHIFT;
  }

  /** The frame of page `i`, or NO_FRAME when it is not VALID. */
  frameOf(i: number): FrameNumber {
    return ((this.results[i] ?? 0) & VALID) === 0 ? NO_FRAME : (this.frames[i] ?? NO_FRAME);
  }
}
