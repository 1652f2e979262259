import { HEADER_BYTES } from "../wire.ts";
import { type AtomicWords, position, publish } from "./doorbell.ts";

// Messages one after the other in a data area whose end goes on at its start; positions count bytes modulo 2^32. Only
// the writer moves the tail, only the reader the head: tail - head bytes are there to be read, and never more than the
// capacity. A message may lie across the end. Its first word is its length, which 8-byte alignment keeps in one piece.

export class RingWriter {
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #tailWord: number;
  readonly #headWord: number;
  readonly #atomics: AtomicWords;
  #tail: number;

  constructor(
    words: Int32Array,
    data: Uint8Array,
    tailWord: number,
    headWord: number,
    atomics: AtomicWords = Atomics,
  ) {
    this.#words = words;
    this.#data = data;
    this.#tailWord = tailWord;
    this.#headWord = headWord;
    this.#atomics = atomics;
    this.#tail = position(words, tailWord, atomics);
  }

  /** Bytes that can be written now. */
  get room(): number {
    const used = (this.#tail - position(this.#words, this.#headWord, this.#atomics)) >>> 0;
    return Math.max(0, this.#data.length - used);
  }

  /** Writes a message and shows it to the reader; false when there is no room for it, and nothing happened. */
  write(message: Uint8Array): boolean {
    const { length } = message;
    if (length > this.room) return false;
    const at = this.#tail & (this.#data.length - 1);
    const first = Math.min(length, this.#data.length - at);
    if (first === length) this.#data.set(message, at);
    else {
      this.#data.set(message.subarray(0, first), at);
      this.#data.set(message.subarray(first), 0);
    }
    this.#tail = (this.#tail + length) >>> 0;
    publish(this.#words, this.#tailWord, this.#tail, this.#atomics);
    return true;
  }
}

/** The other side has written what it may not. */
export const BROKEN_MESSAGE = -1;

export class RingReader {
  readonly #words: Int32Array;
  readonly #data: Uint8Array;
  readonly #lengths: Uint32Array;
  readonly #tailWord: number;
  readonly #headWord: number;
  readonly #atomics: AtomicWords;
  #head: number;

  constructor(
    words: Int32Array,
    data: Uint8Array,
    tailWord: number,
    headWord: number,
    atomics: AtomicWords = Atomics,
  ) {
    this.#words = words;
    this.#data = data;
    this.#lengths = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2);
    this.#tailWord = tailWord;
    this.#headWord = headWord;
    this.#atomics = atomics;
    this.#head = position(words, headWord, atomics);
  }

  /** Bytes of the next message; 0 when there is none, BROKEN_MESSAGE when what is there can be none. */
  get next(): number {
    const there = (position(this.#words, this.#tailWord, this.#atomics) - this.#head) >>> 0;
    if (there === 0) return 0;
    const capacity = this.#data.length;
    const length = this.#lengths[(this.#head & (capacity - 1)) >> 2] ?? 0;
    const good = there <= capacity && there % 8 === 0 && length >= HEADER_BYTES && length % 8 === 0;
    return good && length <= there ? length : BROKEN_MESSAGE;
  }

  /**
   * Copies the next message, whose length `next` gave, and gives its room back. The copy begins with that length,
   * whatever the memory says by now.
   */
  take(into: Uint8Array, length: number): void {
    const at = this.#head & (this.#data.length - 1);
    const first = Math.min(length, this.#data.length - at);
    into.set(this.#data.subarray(at, at + first));
    if (first < length) into.set(this.#data.subarray(0, length - first), first);
    this.#head = (this.#head + length) >>> 0;
    publish(this.#words, this.#headWord, this.#head, this.#atomics);
  }
}
