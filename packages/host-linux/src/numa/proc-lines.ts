import { closeSync, openSync, readSync } from "node:fs";

/** Bytes that are held of a file at once. The kernel itself hands out files below /proc by a page or little more. */
const BUFFER_BYTES = 65_536;
const LINE_FEED = 0x0a;

/**
 * The lines of a file below /proc, one after the other, in bounded memory: a process may have a million mappings. A
 * line longer than the buffer (no kernel prints one) is cut.
 *
 * Throws what `readSync` throws, such as ESRCH when the process has ended. After `next()` answered true the line is
 * `bytes` from `start` to `end`, until the next call.
 */
export class LineReader implements Disposable {
  readonly bytes: Buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  start = 0;
  end = 0;
  /** Where the next line starts, and what is filled. */
  #next = 0;
  #filled = 0;
  #descriptor: number;
  #ended = false;

  constructor(path: string) {
    this.#descriptor = openSync(path, "r");
  }

  /** Goes to the next line; false at the end. */
  next(): boolean {
    for (let searched = this.#next; ; ) {
      const found = searched < this.#filled ? this.bytes.indexOf(LINE_FEED, searched) : -1;
      if (found >= 0 && found < this.#filled) {
        this.start = this.#next;
        this.end = found;
        this.#next = found + 1;
        return true;
      }
      searched = this.#fill();
      if (searched < 0) return this.#lastLine();
    }
  }

  close(): void {
    if (this.#descriptor < 0) return;
    closeSync(this.#descriptor);
    this.#descriptor = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads on behind what is left of the buffer, which goes to its front; where the new bytes start, −1 at the end. */
  #fill(): number {
    if (this.#ended) return -1;
    if (this.#next > 0) {
      this.bytes.copyWithin(0, this.#next, this.#filled);
      this.#filled -= this.#next;
      this.#next = 0;
    }
    // Of a line that fills the buffer the tail is dropped.
    if (this.#filled === BUFFER_BYTES) this.#filled = BUFFER_BYTES / 2;
    const at = this.#filled;
    const read = readSync(this.#descriptor, this.bytes, at, BUFFER_BYTES - at, null);
    this.#filled += read;
    this.#ended = read === 0;
    return this.#ended ? -1 : at;
  }

  /** What follows the last line feed. */
  #lastLine(): boolean {
    if (this.#next >= this.#filled) return false;
    this.start = this.#next;
    this.end = this.#filled;
    this.#next = this.#filled;
    return true;
  }
}

const ZERO = 0x30;
const NINE = 0x39;
const LOWER_A = 0x61;
const LOWER_F = 0x66;

/**
 * A number in lower-case hexadecimal that starts at `at`. Addresses are multiples of a page, so that a number holds
 * them exactly up to the last one of 64 bits.
 */
export function hexAt(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = at; i < end; i++) {
    const code = bytes[i] as number;
    if (code >= ZERO && code <= NINE) value = value * 16 + (code - ZERO);
    else if (code >= LOWER_A && code <= LOWER_F) value = value * 16 + (code - LOWER_A + 10);
    else break;
  }
  return value;
}

/** A decimal number that starts at `at`; 0 when there is none. */
export function decimalAt(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = at; i < end; i++) {
    const code = bytes[i] as number;
    if (code < ZERO || code > NINE) break;
    value = value * 10 + (code - ZERO);
  }
  return value;
}

/** The first place from `at` on that does not hold this byte, or `end`. */
export function past(bytes: Uint8Array, code: number, at: number, end: number): number {
  let i = at;
  while (i < end && bytes[i] === code) i++;
  return i;
}

/** The first place from `at` on that holds this byte, or `end`. */
export function until(bytes: Uint8Array, code: number, at: number, end: number): number {
  let i = at;
  while (i < end && bytes[i] !== code) i++;
  return i;
}
