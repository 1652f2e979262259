// How fast pages come when memory is touched, against a C program that does nothing else
// (../shared/bench/uffd_baseline.c), at the same placements, warm, taking turns.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Benchmark, median } from "./benchmark.ts";

const SOURCE = join(import.meta.dirname, "../../shared/bench/uffd_baseline.c");
const TURNS = 3;
/** What is touched, by theirs and by ours. */
const MIB = "64";
/** What is touched in order by ours, where the first windows are small. */
const MIB_IN_ORDER = "256";
/** Rounds of ours in one process, by pages a fault: the first ones are the compiler's, until it has seen enough faults. */
const ROUNDS = { 0: [10, 4], 1: [10, 4], 16: [60, 50], 512: [60, 50] } as const;
/** What LLNL UMap takes on one processor, µs a fault: 4 KiB, 64 KiB, 2 MiB. */
const UMAP_US = { 1: 20, 16: 33, 512: 830 } as const;

type Size = keyof typeof UMAP_US;

interface Measured {
  /** Microseconds a fault, by placement and pages. */
  readonly ours: Map<string, number>;
  readonly theirs: Map<string, number>;
  /** Bytes a second of the first touch in order: ours by default, and the kernel's own with small pages. */
  readonly firstTouch: number;
  readonly kernelTouch: number;
}

let measured: Measured | string | null = null;

/** Urgent if it may be, as the C program wants to be run. */
function urgent(command: string, args: readonly string[], env: Record<string, string> = {}): string {
  const run = spawnSync("nice", ["-n", "-20", command, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return run.stdout;
}

function once(): Measured | string {
  measured ??= measure();
  return measured;
}

function measure(): Measured | string {
  if (!existsSync(SOURCE)) return "needs ../shared/bench/uffd_baseline.c";
  const program = join(mkdtempSync(join(tmpdir(), "hms-bench-")), "uffd_baseline");
  if (spawnSync("gcc", ["-O2", "-pthread", "-o", program, SOURCE]).status !== 0) return "needs gcc";
  const ours = new Map<string, number[]>();
  const theirs = new Map<string, number[]>();
  const add = (to: Map<string, number[]>, key: string, value: number): void => {
    to.set(key, [...(to.get(key) ?? []), value]);
  };
  for (let turn = 0; turn < TURNS; turn++) {
    theirFaults(urgent(program, [MIB]), (key, value) => add(theirs, key, value));
    for (const placement of ["same", "default"]) {
      for (const pages of [1, 16, 512] as const)
        add(ours, `${placement} ${pages}`, touch(placement, pages, "rand").us);
    }
    add(ours, "first touch", touch("default", 0, "seq").bytesPerSecond);
  }
  const medians = (of: Map<string, number[]>): Map<string, number> =>
    new Map([...of].map(([key, values]) => [key, median(values)]));
  const mine = medians(ours);
  const its = medians(theirs);
  return {
    ours: mine,
    theirs: its,
    firstTouch: mine.get("first touch") ?? 0,
    kernelTouch: its.get("kernel") ?? 0,
  };
}

/** What the C program prints, for one thread that touches. */
function theirFaults(text: string, add: (key: string, value: number) => void): void {
  for (const line of text.split("\n")) {
    const warm = /^anon {2}warm 4K:.* ([\d.]+) MiB\/s/.exec(line);
    if (warm !== null) add("kernel", Number(warm[1]) * 2 ** 20);
    const fault = /^fault (free|same-cpu) +COPY +chunk= *(\d+)K rand touchers=1 .*?([\d.]+) us\/fault/.exec(
      line,
    );
    if (fault === null) continue;
    add(`${fault[1] === "free" ? "default" : "same"} ${Number(fault[2]) / 4}`, Number(fault[3]));
  }
}

function touch(
  placement: string,
  pages: keyof typeof ROUNDS,
  order: string,
): { us: number; bytesPerSecond: number } {
  const script = join(import.meta.dirname, "faults/touch.ts");
  const [all, warmUp] = ROUNDS[pages];
  const mib = pages === 0 ? MIB_IN_ORDER : MIB;
  const text = urgent(process.execPath, [script, placement, String(pages), order, mib], {
    ROUNDS: String(all),
  });
  const rounds = text
    .trim()
    .split("\n")
    .slice(warmUp)
    .map((line) => JSON.parse(line) as { seconds: number; faults: number; bytesPerSecond: number });
  return {
    us: median(rounds.map(({ seconds, faults }) => (seconds * 1e6) / faults)),
    bytesPerSecond: median(rounds.map(({ bytesPerSecond }) => bytesPerSecond)),
  };
}

const SIZES: readonly (readonly [Size, string])[] = [
  [1, "4 KiB"],
  [16, "64 KiB"],
  [512, "2 MiB"],
];

const round = (value: number): number => Number(value.toPrecision(3));

function faultBenchmark(placement: "same" | "default", pages: Size, size: string, bound: number): Benchmark {
  const where = placement === "same" ? "kernel thread and toucher on one processor" : "nobody placed";
  return {
    name: `fault of ${size}, ${where}`,
    unit: "µs/fault",
    better: "lower",
    bound,
    run: async () => {
      const found = once();
      if (typeof found === "string") return { skipped: found };
      return {
        ours: round(found.ours.get(`${placement} ${pages}`) ?? Number.NaN),
        peer: round(found.theirs.get(`${placement} ${pages}`) ?? Number.NaN),
        umap: UMAP_US[pages],
        how: `peer is C with UFFDIO_COPY, ${where}; random order, warm; medians of ${TURNS} turns`,
      };
    },
  };
}

export const benchmarks: readonly Benchmark[] = [
  ...SIZES.map(([pages, size]) => faultBenchmark("same", pages, size, pages === 1 ? 1.2 : 1)),
  ...SIZES.map(([pages, size]) => faultBenchmark("default", pages, size, 1)),
  {
    name: "first touch in order, nobody placed",
    unit: "bytes/s",
    better: "higher",
    bound: 1,
    run: async () => {
      const found = once();
      if (typeof found === "string") return { skipped: found };
      return {
        ours: Math.round(found.firstTouch),
        peer: Math.round(found.kernelTouch),
        how: `peer is the kernel's own first touch with 4 KiB pages, in C; warm; medians of ${TURNS} turns`,
      };
    },
  },
];
