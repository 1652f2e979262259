// Steps of torture a second on one core.
import { tortureSeed } from "@hms/conform";
import { type Benchmark, median } from "./benchmark.ts";

/** What is required, steps a second: nothing else does this work. */
const REQUIRED = 200_000;
const ROUNDS = 7;
const SEEDS = 5;
const STEPS = 10_000;

export const benchmarks: readonly Benchmark[] = [
  {
    name: "torture",
    unit: "steps/s",
    better: "higher",
    bound: 1,
    async run() {
      const rates = Array.from({ length: ROUNDS }, (_, round) => stepsPerSecond(1 + round * SEEDS));
      return {
        ours: Math.round(median(rates)),
        peer: REQUIRED,
        how: `peer is the required rate; median of ${ROUNDS} rounds of ${SEEDS} seeds with ${STEPS} steps each, every touched page compared after each step`,
      };
    },
  },
];

function stepsPerSecond(first: number): number {
  const started = performance.now();
  let steps = 0;
  for (let seed = first; seed < first + SEEDS; seed++) {
    const report = tortureSeed({ seed, steps: STEPS });
    if (report.failure !== null) throw new Error(`seed ${seed} failed: ${report.failure.message}`);
    steps += report.steps;
  }
  return (steps / (performance.now() - started)) * 1000;
}
