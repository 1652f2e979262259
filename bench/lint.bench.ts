// The exports of a whole kernel tree, read for the first time and again, against git grep over the same files.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Benchmark, type Measured, missingTool, timeProcess } from "./benchmark.ts";

/** For one name, as a word, in what the linter reads: the least that a person could ask. */
const GREP = ["grep", "--no-index", "-c", "-w", "put_pages_list", "--", "*.c", "*.h", "*.S", "*.rs"];

interface Run {
  readonly ms: number;
  readonly peakMiB: number;
  readonly exports: number;
}

function skipped(): string | undefined {
  const tree = process.env.HMS_KERNEL_TREE;
  if (tree === undefined || !existsSync(join(tree, "Kconfig")))
    return "HMS_KERNEL_TREE names no unpacked kernel tree";
  return missingTool("git");
}

function lint(tree: string, cache: string): Run {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, "lint-run.ts"), tree], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout) as Run;
}

/** A run for the first time and one again, and git grep between them. */
function measure(which: "cold" | "again"): Measured {
  const tree = process.env.HMS_KERNEL_TREE ?? "";
  const cache = mkdtempSync(join(tmpdir(), "hms-bench-"));
  try {
    // The files are read once before, so that both find them in memory.
    timeProcess("git", ["-C", tree, ...GREP]);
    const cold = lint(tree, cache);
    const peer = timeProcess("git", ["-C", tree, ...GREP]);
    const again = lint(tree, cache);
    const run = which === "cold" ? cold : again;
    return {
      ours: Math.round(run.ms),
      peer: Math.round(peer),
      how: `${run.exports} exports, at most ${Math.round(run.peakMiB)} MiB; git grep for one word of one name`,
    };
  } finally {
    rmSync(cache, { recursive: true });
  }
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "kernel exports, first time",
    unit: "ms",
    better: "lower",
    bound: 30,
    run() {
      const why = skipped();
      return why === undefined ? measure("cold") : { skipped: why };
    },
  },
  {
    name: "kernel exports, nothing changed",
    unit: "ms",
    better: "lower",
    bound: 3,
    run() {
      const why = skipped();
      return why === undefined ? measure("again") : { skipped: why };
    },
  },
];
