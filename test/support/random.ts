/** Pseudo-random numbers from a seed (mulberry32): the same seed gives the same run. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to but not including `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  pick<T>(list: readonly T[]): T {
    const one = list[this.below(list.length)];
    if (one === undefined) throw new RangeError("Pick one of a list: it is empty");
    return one;
  }
}

/** The seed of this run, printed so that it can be run again: HMS_FUZZ_SEED=N. */
export function seedOfRun(): number {
  const given = Number(process.env.HMS_FUZZ_SEED);
  return Number.isInteger(given) && given > 0 ? given : (Date.now() ^ (process.pid << 16)) >>> 0;
}

/** How many variants to try: HMS_FUZZ_RUNS=N for a longer run. */
export function runsOf(usual: number): number {
  const given = Number(process.env.HMS_FUZZ_RUNS);
  return Number.isInteger(given) && given > 0 ? given : usual;
}
