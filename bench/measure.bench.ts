// What the loops of hms measure get out of one CPU, against the same loops in C (gcc -O3 -march=native), taking turns on
// the same CPU. Of many short windows the best counts: what else the machine does makes both slower, never faster.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Area, kernelsModule, type Work } from "../packages/hms/src/measure/area.ts";
import { PlacedBuffer } from "../packages/host-linux/src/placed.ts";
import { getAffinity, setAffinity } from "../packages/host-linux/src/sys/cpu.ts";
import { type Benchmark, root } from "./benchmark.ts";

const MIB = 256;
const WINDOW_MS = 3;
/** Windows of a turn; of all of them the best counts. */
const WINDOWS = 20;
const TURNS = 6;
const SOURCE = join(root, "bench/measure_loops.c");

/** One of C's ways to do a work. */
type Way = "read" | "write" | "copy" | "copy-loop" | "chase" | "write-past" | "copy-past";

let built: string | null | undefined;

function program(): string | null {
  if (built !== undefined) return built;
  const path = join(mkdtempSync(join(tmpdir(), "hms-bench-")), "measure_loops");
  built = spawnSync("gcc", ["-O3", "-march=native", "-o", path, SOURCE]).status === 0 ? path : null;
  return built;
}

let area: Area | undefined;

function ours(work: Work, library: boolean): number {
  area ??= new Area(kernelsModule(), MIB << 20);
  if (work === "chase") area.link(MIB << 20, 64, 1);
  let best = work === "chase" ? Number.POSITIVE_INFINITY : 0;
  for (let window = 0; window < WINDOWS; window++) {
    const { amount, elapsedMs } = area.run(work, library, MIB << 20, performance.now() + WINDOW_MS);
    best =
      work === "chase"
        ? Math.min(best, (elapsedMs * 1e6) / amount)
        : Math.max(best, amount / elapsedMs / 1e6);
  }
  return best;
}

function benchmark(work: Work, ways: readonly Way[], name: string, bound: number): Benchmark {
  const chase = work === "chase";
  const best = chase ? Math.min : Math.max;
  return {
    name: `hms measure, one CPU: ${name}`,
    unit: chase ? "ns a load" : "GB/s",
    better: chase ? "lower" : "higher",
    bound,
    run() {
      const path = program();
      if (path === null) return { skipped: "needs gcc" };
      const before = getAffinity() ?? [0];
      const cpu = before.at(-1) ?? 0;
      setAffinity([cpu]);
      try {
        area ??= new Area(kernelsModule(), MIB << 20);
        const pages = new PlacedBuffer(area.buffer);
        pages.place(null, true);
        area.start = pages.start;
        area.touch(MIB << 20);
        const found = {
          ours: chase ? Number.POSITIVE_INFINITY : 0,
          peer: chase ? Number.POSITIVE_INFINITY : 0,
        };
        const libraries = work === "write" || work === "copy" ? [false, true] : [false];
        for (let turn = 0; turn < TURNS; turn++) {
          for (const library of libraries) found.ours = best(found.ours, ours(work, library));
          for (const way of ways) {
            const args = [way, String(MIB), String(WINDOW_MS), String(WINDOWS), String(cpu)];
            found.peer = best(found.peer, Number(execFileSync(path, args, { encoding: "utf8" })));
          }
        }
        const rounded = (value: number): number => Number(value.toPrecision(4));
        return {
          ours: rounded(found.ours),
          peer: rounded(found.peer),
          how: `C (${ways.join(", ")}), gcc -O3 -march=native; ${MIB} MiB in huge pages, the best of ${TURNS * WINDOWS} windows of ${WINDOW_MS} ms, in turns`,
        };
      } finally {
        setAffinity(before);
      }
    },
  };
}

export const benchmarks: readonly Benchmark[] = [
  benchmark("read", ["read"], "reading", 0.7),
  benchmark("write", ["write"], "writing", 0.7),
  benchmark("copy", ["copy", "copy-loop"], "copying", 0.7),
  benchmark("chase", ["chase"], "latency", 1.2),
  // WebAssembly has no stores that go past the caches: what that costs.
  ...(process.arch === "x64"
    ? [
        benchmark("write", ["write-past"], "writing, C past the caches", 0.6),
        benchmark("copy", ["copy-past"], "copying, C past the caches", 0.6),
      ]
    : []),
];
