import { D_BYTES, D_ID, DETAIL_BYTES, DETAIL_HEADER_BYTES, DETAILS } from "./layout.ts";

const encoder = new TextEncoder();

/** Writes what happened to the last failures of a queue where its client reads it. */
export class Details {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #start: number;
  /** Shared memory cannot be encoded into. */
  readonly #encoded = new Uint8Array(DETAIL_BYTES - DETAIL_HEADER_BYTES);
  #at = -1;

  constructor(memory: SharedArrayBuffer, start: number) {
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#start = start;
  }

  /** A failure replaces the oldest. The place of the next is the first that no failure has, or the one after the last. */
  write(id: number, text: string): void {
    const slot = this.#next();
    const byte = this.#start + slot * DETAIL_BYTES;
    // Of a long one, as many whole characters as there is room for.
    const { written } = encoder.encodeInto(text, this.#encoded);
    this.#words[(byte >> 2) + D_BYTES] = 0;
    this.#words[(byte >> 2) + D_ID] = (id + 1) | 0;
    this.#bytes.set(this.#encoded.subarray(0, written), byte + DETAIL_HEADER_BYTES);
    Atomics.store(this.#words, (byte >> 2) + D_BYTES, written);
    this.#at = (slot + 1) % DETAILS;
  }

  #next(): number {
    if (this.#at >= 0) return this.#at;
    for (let i = 0; i < DETAILS; i++)
      if (this.#words[(this.#start + i * DETAIL_BYTES + D_BYTES * 4) >> 2] === 0) return i;
    return 0;
  }
}
