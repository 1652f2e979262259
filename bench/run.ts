// Runs the benchmarks (bench/*.bench.ts), or those whose name contains one of the words given: a JSON line each.
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import type { Benchmark } from "./benchmark.ts";

const words = process.argv.slice(2);
const files = globSync("*.bench.ts", { cwd: import.meta.dirname })
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort();
if (files.length === 0) {
  process.stderr.write(
    `No benchmark matches ${words.join(", ")}: give a part of a name such as start or best.\n`,
  );
  process.exit(2);
}
let failed = false;
for (const file of files) {
  const { benchmarks } = (await import(join(import.meta.dirname, file))) as {
    readonly benchmarks: readonly Benchmark[];
  };
  for (const benchmark of benchmarks) {
    const result = await benchmark.run();
    if ("skipped" in result) {
      process.stdout.write(`${JSON.stringify({ name: benchmark.name, skipped: result.skipped })}\n`);
      continue;
    }
    const ratio = Number((result.ours / result.peer).toPrecision(3));
    const good = benchmark.better === "lower" ? ratio <= benchmark.bound : ratio >= benchmark.bound;
    failed ||= !good;
    const { ours, peer, ...more } = result;
    process.stdout.write(
      `${JSON.stringify({ name: benchmark.name, ours, peer, ratio, unit: benchmark.unit, bound: benchmark.bound, better: benchmark.better, good, ...more, file: basename(file) })}\n`,
    );
  }
}
process.exitCode = failed ? 1 : 0;
