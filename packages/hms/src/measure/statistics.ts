import type { Sample } from "@hms/topology/measured";

/** Digits that are kept: the others are noise. */
const DIGITS = 4;

/** What several runs gave. There has to be one at least. */
export function sampleOf(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = at(sorted, middle);
  const median = sorted.length % 2 === 1 ? upper : (at(sorted, middle - 1) + upper) / 2;
  return {
    median: rounded(median),
    min: rounded(at(sorted, 0)),
    max: rounded(at(sorted, sorted.length - 1)),
    runs: sorted.length,
  };
}

/** How far the runs lie apart, as a part of the median. */
export function spreadOf({ median, min, max }: Sample): number {
  return (max - min) / median;
}

function at(sorted: readonly number[], i: number): number {
  const value = sorted[i];
  if (value === undefined) throw new RangeError("A sample is of one run at least.");
  return value;
}

function rounded(value: number): number {
  return Number(value.toPrecision(DIGITS));
}
