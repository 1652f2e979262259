// What the calls of a userfaultfd cost through the linux host's system layer, against the same calls in C.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MADV_DONTNEED, UFFDIO_REGISTER_MODE_MISSING } from "../packages/host-linux/src/sys/abi.generated.ts";
import { Mapping, madvise } from "../packages/host-linux/src/sys/memory.ts";
import { probe } from "../packages/host-linux/src/sys/probe.ts";
import { Userfaultfd } from "../packages/host-linux/src/sys/uffd.ts";
import { type Benchmark, inTurns, median, missingTool, root } from "./benchmark.ts";

const AREA_BYTES = 64 << 20;
const PASSES = 9;
const ROUNDS = 5;

type Operation = "copy" | "zeropage" | "move" | "read";

function call(uffd: Userfaultfd, operation: Operation, dst: number, src: number, bytes: number): number {
  if (operation === "copy") return uffd.copy(dst, src, bytes, 0);
  if (operation === "zeropage") return uffd.zeropage(dst, bytes, 0);
  if (operation === "move") return uffd.move(dst, src, bytes, 0);
  return uffd.read();
}

/** Nanoseconds a call: the median of passes over the area. */
function ours(operation: Operation, chunk: number): number {
  using dst = Mapping.reserve(AREA_BYTES, { huge: false });
  using src = Mapping.reserve(AREA_BYTES, { huge: false });
  using uffd = Userfaultfd.open({ features: 0 });
  uffd.register(dst.address, dst.bytes, UFFDIO_REGISTER_MODE_MISSING);
  const expected = operation === "read" ? 0 : chunk;
  const passes: number[] = [];
  for (let pass = 0; pass < PASSES; pass++) {
    madvise(dst.address, AREA_BYTES, MADV_DONTNEED);
    src.view().fill(pass);
    const started = performance.now();
    for (let at = 0; at < AREA_BYTES; at += chunk) {
      const done = call(uffd, operation, dst.address + at, src.address + at, chunk);
      if (done !== expected) throw new Error(`${operation} of ${chunk} bytes answered ${done}`);
    }
    passes.push(((performance.now() - started) * 1e6) / (AREA_BYTES / chunk));
  }
  return median(passes);
}

function benchmark(operation: Operation, chunk: number, size: string, bound: number): Benchmark {
  return {
    name: operation === "read" ? "userfaultfd read with nothing there" : `userfaultfd ${operation} ${size}`,
    unit: "ns a call",
    better: "lower",
    bound,
    run() {
      const skipped = missingTool("gcc") ?? (probe().move ? undefined : "needs Linux 6.8 and userfaultfd");
      if (skipped !== undefined) return { skipped };
      const folder = mkdtempSync(join(tmpdir(), "hms-bench-"));
      try {
        const program = join(folder, "uffd_calls");
        const built = spawnSync("gcc", ["-O2", "-o", program, join(root, "bench/uffd_calls.c")], {
          encoding: "utf8",
        });
        if (built.status !== 0) throw new Error(`gcc failed: ${built.stderr}`);
        const args = [operation, String(chunk), String(AREA_BYTES)];
        const theirs = () => Number(execFileSync(program, args, { encoding: "utf8" }));
        return {
          ...inTurns(ROUNDS, () => ours(operation, chunk), theirs),
          how: `the same calls in C; one thread, nobody waiting, nothing pinned, warm memory of ${AREA_BYTES >> 20} MiB; lower quartiles of ${ROUNDS} rounds in turns`,
        };
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

export const benchmarks: readonly Benchmark[] = [
  benchmark("read", 4096, "", 2),
  ...(["copy", "zeropage", "move"] as const).flatMap((operation) => [
    benchmark(operation, 4096, "4 KiB", 1.4),
    benchmark(operation, 65536, "64 KiB", 1.2),
    benchmark(operation, 2 << 20, "2 MiB", 1.2),
  ]),
];
