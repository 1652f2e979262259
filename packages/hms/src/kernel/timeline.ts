import type { CoreRegistry, TypeValue } from "@hms/uabi";

export type Sample = TypeValue<CoreRegistry, "sample">;

/** Samples that are kept at most. When there are as many, every other one goes and the time between them doubles. */
export const SAMPLES_MAX = 512;
const FIRST_INTERVAL_NS = 10e6;

/** What was so far, over all the time. */
export class Timeline {
  readonly #take: () => Sample;
  #samples: Sample[] = [];
  #interval = FIRST_INTERVAL_NS;
  #next = 0;

  constructor(take: () => Sample) {
    this.#take = take;
  }

  /** Takes a sample if it is time. */
  tick(now: number): void {
    if (now < this.#next) return;
    this.#next = now + this.#interval;
    this.#samples.push(this.#take());
    if (this.#samples.length < SAMPLES_MAX) return;
    this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
    this.#interval *= 2;
  }

  /** All samples, and one of now. */
  list(): Sample[] {
    return [...this.#samples, this.#take()];
  }
}
