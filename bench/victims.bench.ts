// Choice of victims: what each way misses on traces that are made up, and what a use costs.
import { defaultVictims, VICTIM_NAMES, type VictimName, victims } from "@hms/policy";
import { missesOf } from "../packages/policy/src/testing/replay.ts";
import { type Benchmark, inTurns } from "./benchmark.ts";
import { generated, PAGES } from "./victims/generated.ts";

/** Slots, as a part of the pages that are used. */
const PARTS = [0.05, 0.2, 0.5] as const;
const ROUNDS = 4;

/** No trace may make the default worse than LRU, and over all of them it must be better. */
const WORST = 1.05;
const TOGETHER = 0.95;

const chosen = defaultVictims(PAGES);

export const benchmarks: readonly Benchmark[] = [
  ...["zipf", "uniform", "loop", "scan", "phases", "mix"].map(
    (name): Benchmark => ({
      name: `misses of ${chosen}: ${name}`,
      unit: "misses a use, mean over three sizes of memory",
      better: "lower",
      bound: WORST,
      run() {
        const misses = missesBy(name);
        return {
          ours: misses[chosen],
          peer: misses.lru,
          how: `peer is LRU; all: ${VICTIM_NAMES.map((one) => `${one} ${misses[one]}`).join(", ")}; memory of ${PARTS.map((part) => `${part * 100} %`).join(", ")} of ${PAGES} pages`,
        };
      },
    }),
  ),
  {
    name: `misses of ${chosen}: all traces`,
    unit: "misses against LRU's, geometric mean",
    better: "lower",
    bound: TOGETHER,
    run() {
      const logs = generated().map(({ name }) => {
        const misses = missesBy(name);
        return Math.log(misses[chosen] / misses.lru);
      });
      const mean = Math.exp(logs.reduce((sum, one) => sum + one, 0) / logs.length);
      return {
        ours: Number(mean.toPrecision(3)),
        peer: 1,
        how: `${logs.length} traces, each with ${PARTS.length} sizes of memory`,
      };
    },
  },
  ...VICTIM_NAMES.map(
    (name): Benchmark => ({
      name: `a use of a page: ${name}`,
      unit: "ns",
      better: "lower",
      bound: 1,
      run() {
        const trace = generated().find((one) => one.name === "zipf")?.trace ?? new Uint32Array(1);
        const slots = PAGES / 5;
        const cost = (act: () => number): number => {
          const started = performance.now();
          if (act() === 0) throw new Error("nothing was missed");
          return ((performance.now() - started) * 1e6) / trace.length;
        };
        return {
          ...inTurns(
            ROUNDS,
            () => cost(() => missesOf(victims(slots, name), trace)),
            () => cost(() => missesOfMap(slots, trace)),
          ),
          how: `zipf, ${slots} slots, misses and their victims included; peer is LRU as a Map in the order of uses`,
        };
      },
    }),
  ),
];

const known = new Map<string, Record<VictimName, number>>();

/** Misses a use of each way on one trace, the mean over the sizes of memory. */
function missesBy(name: string): Record<VictimName, number> {
  let found = known.get(name);
  if (found === undefined) {
    const trace = generated().find((one) => one.name === name)?.trace ?? new Uint32Array(0);
    const mean = (way: VictimName): number => {
      const all = PARTS.map((part) => missesOf(victims(PAGES * part, way), trace) / trace.length);
      return Number((all.reduce((sum, one) => sum + one, 0) / all.length).toFixed(4));
    };
    found = { lru: mean("lru"), clock: mean("clock"), "s3-fifo": mean("s3-fifo"), sieve: mean("sieve") };
    known.set(name, found);
  }
  return found;
}

/** What one writes first: a Map keeps the order in which keys were put in. */
function missesOfMap(slots: number, trace: Uint32Array): number {
  const pages = new Map<number, number>();
  let misses = 0;
  for (const page of trace) {
    const slot = pages.get(page);
    if (slot !== undefined) {
      pages.delete(page);
      pages.set(page, slot);
      continue;
    }
    misses++;
    let place = pages.size;
    if (place === slots) {
      const [oldest] = pages.keys();
      place = pages.get(oldest ?? -1) ?? 0;
      pages.delete(oldest ?? -1);
    }
    pages.set(page, place);
  }
  return misses;
}
