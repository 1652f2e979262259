/** Changes that one journal holds; an operation with others within it makes far fewer. */
const CAPACITY = 1 << 14;

class Values {
  readonly #values = new Int32Array(CAPACITY);
  #length = 0;

  clear(): void {
    this.#length = 0;
  }

  add(value: number): void {
    if (this.#length < CAPACITY) this.#values[this.#length++] = value;
  }

  has(value: number): boolean {
    for (let i = 0; i < this.#length; i++) if (this.#values[i] === value) return true;
    return false;
  }
}

/**
 * What words had and got while an operation and others within it were under way. Who read meanwhile may have seen any
 * of it. What is there in the end is known where single words were written, one after the other; only where a range
 * was written or dropped, in pieces, each of these values is as good as another.
 */
export class Journal {
  readonly #seen = new Values();
  readonly #uncertain = new Values();
  /** Whether changes are noted. */
  open = false;

  begin(): void {
    this.end();
    this.open = true;
  }

  end(): void {
    this.open = false;
    this.#seen.clear();
    this.#uncertain.clear();
  }

  /** A word had or got this value at some time. */
  note(value: number): void {
    if (this.open) this.#seen.add(value);
  }

  /** The same, and the word may still have it in the end. */
  noteUncertain(value: number): void {
    if (this.open) this.#uncertain.add(value);
  }

  /** Whether someone may have seen the value. */
  wasSeen(value: number): boolean {
    return this.#seen.has(value) || this.#uncertain.has(value);
  }

  /** Whether a word may have the value in the end. */
  mayRemain(value: number): boolean {
    return this.#uncertain.has(value);
  }
}
