/** Changes that one journal holds; an operation with others within it makes far fewer. */
const CAPACITY = 1 << 14;

/**
 * What was written while an operation and others within it were under way. Which of them came last in the machine is
 * not known, so each value that a word had or got meanwhile is as good as another, and no other value is.
 */
export class Journal {
  readonly #values = new Int32Array(CAPACITY);
  #length = 0;
  /** Whether changes are noted. */
  open = false;

  begin(): void {
    this.open = true;
    this.#length = 0;
  }

  end(): void {
    this.open = false;
    this.#length = 0;
  }

  note(value: number): void {
    if (this.#length < CAPACITY) this.#values[this.#length++] = value;
  }

  has(value: number): boolean {
    for (let i = 0; i < this.#length; i++) if (this.#values[i] === value) return true;
    return false;
  }
}
