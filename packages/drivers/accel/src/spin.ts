/** How long is looked before one sleeps: as long as it has lately paid. Microseconds. */
export class Spin {
  readonly #min: number;
  readonly #max: number;
  #limit: number;
  #misses = 0;

  constructor(min: number, max: number) {
    this.#min = min;
    this.#max = max;
    this.#limit = max;
  }

  /** How long to look this time. Now and then longer than has paid, to find out whether it would pay again. */
  get limit(): number {
    return (this.#misses & PROBE_MASK) === PROBE_MASK ? this.#max : this.#limit;
  }

  /** What was looked for came. */
  hit(): void {
    this.#misses = 0;
    this.#limit = Math.min(this.#max, this.#limit * 2);
  }

  /** It did not. */
  miss(): void {
    this.#misses++;
    this.#limit = Math.max(this.#min, this.#limit / 2);
  }
}

/** Of every 16 looks in vain one is long. */
const PROBE_MASK = 15;
