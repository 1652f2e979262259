// best() on the largest machine there is a capture of: 64 GPU partitions and a CPU node.
import { join } from "node:path";
import { best, discover, type Machine } from "@hms/topology";
import { type Benchmark, captures, median, missing } from "./benchmark.ts";

/** What is required, calls a second: there is no peer that answers this question. */
const REQUIRED = 100_000;
const ROUNDS = 7;
const CALLS = 100_000;

export const benchmarks: readonly Benchmark[] = [
  {
    name: "best() on the 65-node machine",
    unit: "calls/s",
    better: "higher",
    bound: 1,
    async run() {
      const archive = join(captures, "kfd/mi300-cpx.tar.xz");
      const skipped = missing(archive);
      if (skipped !== undefined) return { skipped };
      const machine = await discover(archive);
      const rates = Array.from({ length: ROUNDS }, () => callsPerSecond(machine));
      return {
        ours: Math.round(median(rates)),
        peer: REQUIRED,
        how: `${machine.targets.length} targets, every initiator and pair of neighbours in turn, by bandwidth and latency, the first 4 targets; the ranking of a set is made once and kept; peer is the required rate; median of ${ROUNDS} × ${CALLS} calls`,
      };
    },
  },
];

function callsPerSecond(machine: Machine): number {
  const { initiators } = machine;
  let found = 0;
  const started = performance.now();
  for (let i = 0; i < CALLS; i++) {
    const one = initiators[i % initiators.length];
    const next = initiators[(i + 1) % initiators.length];
    if (one === undefined || next === undefined) throw new Error("the machine has no initiators");
    const options = { by: i % 3 === 0 ? "latency" : "bandwidth", count: 4 } as const;
    found += best(machine, i % 2 === 0 ? [one] : [one, next], options).targets.length;
  }
  const seconds = (performance.now() - started) / 1000;
  if (found === 0) throw new Error("no target was ever found");
  return CALLS / seconds;
}
