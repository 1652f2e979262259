// Steps of torture a second on one core.
import { tortureSeed } from "@hms/conform";
import { type Benchmark, median } from "./benchmark.ts";

/** What is required, steps a second: nothing else does this work. */
const REQUIRED = 200_000;
/** Seeds that are done first, not measured: the compiler takes some seconds to know the code. */
const WARM_SEEDS = 40;
const ROUNDS = 9;
const SEEDS = 20;
const STEPS = 10_000;

interface Rates {
  /** Steps a second of processor time, that of all threads: what else the machine does hardly disturbs it. */
  readonly cpu: number;
  readonly wall: number;
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "torture",
    unit: "steps/s",
    better: "higher",
    bound: 1,
    async run() {
      torture(1, WARM_SEEDS);
      const rates = Array.from({ length: ROUNDS }, (_, round) => torture(1 + round * SEEDS, SEEDS));
      const wall = Math.round(median(rates.map((rate) => rate.wall)));
      return {
        ours: Math.round(median(rates.map((rate) => rate.cpu))),
        peer: REQUIRED,
        how: `peer is the required rate; steps a second of processor time, ${wall} of wall time; median of ${ROUNDS} rounds of ${SEEDS} seeds with ${STEPS} steps each, every touched page compared after each step`,
      };
    },
  },
];

function torture(first: number, seeds: number): Rates {
  const started = performance.now();
  const before = process.cpuUsage();
  let steps = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const report = tortureSeed({ seed, steps: STEPS });
    if (report.failure !== null) throw new Error(`seed ${seed} failed: ${report.failure.message}`);
    steps += report.steps;
  }
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { cpu: (steps / (user + system)) * 1e6, wall: (steps / wallMs) * 1000 };
}
