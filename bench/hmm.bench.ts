// The core's hot paths on the simulated host: range fault, access check, migration; and how they grow with the space.
import {
  ANON,
  CAUSE,
  type DeviceMemoryOps,
  FaultRange,
  HOST,
  HUGE_PAGES,
  type PageCount,
  type PageIndex,
  REQUEST_FAULT,
  SELECT_PRIVATE,
  SELECT_SYSTEM,
  WRITE,
} from "@hms/hmm";
import { ModelHost, type ModelProcess, Random } from "@hms/host-model";
import { type Benchmark, median } from "./benchmark.ts";

const ROUNDS = 9;
const BATCH: PageCount = 64;
const MEBIBYTE: PageCount = 2 ** 8;
const GIBIBYTE: PageCount = 2 ** 18;
const TEBIBYTE: PageCount = 2 ** 28;

interface Populated {
  readonly process: ModelProcess;
  readonly host: ModelHost;
  readonly first: PageIndex;
  /** Where runs of 512 populated pages begin. */
  readonly runs: readonly PageIndex[];
}

/** A space of that many pages, with so many of them there, in runs of up to 512, evenly spread. */
function populated(spacePages: PageCount, pages: PageCount): Populated {
  const host = new ModelHost({ ramPages: pages + 2, hugetlbPool: 0, swapPages: 0 });
  const process = host.createProcess();
  const first = process.mmap({ pages: spacePages });
  const run = Math.min(HUGE_PAGES, pages);
  const count = pages / run;
  const runs = Array.from({ length: count }, (_, i) => first + Math.floor(spacePages / count) * i);
  for (const start of runs) {
    for (let i = 0; i < run; i++) {
      const frame = host.allocate(process.space, false);
      process.space.install(start + i, HOST | ANON | WRITE, frame, CAUSE.cpuFault);
    }
  }
  return { process, host, first, runs };
}

/** Nanoseconds a page of range faults in batches over every populated page, in an order that jumps between the runs. */
function rangeFaultCost({ process, host, runs }: Populated, rounds: number): number {
  const mirror = host.core.addDevice("bench").mirror(process.space, { invalidate: () => true });
  const range = new FaultRange(BATCH);
  const perRun = Math.min(HUGE_PAGES, MEBIBYTE * 2, host.framesCount - 2);
  const order = shuffled(runs);
  let pages = 0;
  let faults = 0;
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const start of order) {
      for (let at = 0; at < perRun; at += BATCH) {
        range.set({ first: start + at, count: BATCH, request: REQUEST_FAULT });
        if (mirror.rangeFault(range, mirror.readBegin()) !== 0)
          throw new Error("a present page was not there");
        pages += BATCH;
        faults += range.faults;
      }
    }
  }
  const cost = ((performance.now() - started) * 1e6) / pages;
  if (faults > 0) throw new Error("a present page was faulted in");
  mirror.close();
  return cost;
}

/** What is least to do for it: copy a frame and its rights from one pair of arrays to another. */
function bareCost(pages: PageCount): number {
  const [frames, flags] = [new Uint32Array(HUGE_PAGES), new Uint16Array(HUGE_PAGES).fill(0x111)];
  const [outFrames, outFlags] = [new Uint32Array(BATCH), new Uint8Array(BATCH)];
  let sum = 0;
  const started = performance.now();
  for (let done = 0; done < pages; done += BATCH) {
    const from = done % HUGE_PAGES;
    for (let i = 0; i < BATCH; i++) {
      outFrames[i] = frames[from + i] ?? 0;
      outFlags[i] = ((flags[from + i] ?? 0) & 0x10) === 0 ? 1 : 3;
    }
    sum += outFlags[7] ?? 0;
  }
  if (sum === 0) throw new Error("nothing was copied");
  return ((performance.now() - started) * 1e6) / pages;
}

/** Nanoseconds of one access check, page after page, run after run in random order. */
function sweepCost({ process, runs }: Populated, rounds: number): number {
  const perRun = Math.min(HUGE_PAGES, runs.length === 1 ? MEBIBYTE : HUGE_PAGES);
  const order = shuffled(runs);
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const start of order) {
      for (let page = start; page < start + perRun; page++) expectTouch(process, page);
    }
  }
  return ((performance.now() - started) * 1e6) / (rounds * runs.length * perRun);
}

function expectTouch(process: ModelProcess, page: PageIndex): void {
  if (process.touch(page) !== 0) throw new Error("a present page was not there");
}

/** Where random checks go: enough of them that the caches do not know them. */
const RANDOM_PAGES = 1 << 20;

/** Nanoseconds of one access check at random populated pages. */
function touchCost({ process, runs }: Populated): number {
  const random = new Random(1);
  const pages = new Float64Array(RANDOM_PAGES).map(
    () => (runs[random.below(runs.length)] ?? 0) + random.below(HUGE_PAGES),
  );
  const started = performance.now();
  for (let i = 0; i < RANDOM_PAGES; i++) expectTouch(process, pages[i] ?? 0);
  return ((performance.now() - started) * 1e6) / RANDOM_PAGES;
}

/** The least that a page table can do for it: find the chunk among as many, and look at the page's flags. */
function bareTouchCost(chunks: number): number {
  const random = new Random(1);
  const table = Array.from({ length: chunks }, () => ({ flags: new Uint16Array(HUGE_PAGES).fill(1) }));
  const pages = new Uint32Array(RANDOM_PAGES).map(() => random.below(chunks * HUGE_PAGES));
  let sum = 0;
  const started = performance.now();
  for (let i = 0; i < RANDOM_PAGES; i++) {
    const page = pages[i] ?? 0;
    sum += table[page >>> 9]?.flags[page & 511] ?? 0;
  }
  const cost = ((performance.now() - started) * 1e6) / RANDOM_PAGES;
  if (sum !== RANDOM_PAGES) throw new Error("a flag is wrong");
  return cost;
}

/** Nanoseconds a page of moving to a device and back, everything but the copy of the bytes. */
function migrationCost(populatedSpace: Populated, rounds: number): number {
  const { process, host, runs } = populatedSpace;
  const device = host.core.addDevice("bench");
  const free: number[] = [];
  const ops: DeviceMemoryOps = {
    free: (index) => free.push(index),
    migrateToHost: () => undefined,
    read: () => undefined,
    write: () => undefined,
  };
  const memory = device.addMemory({ name: "bench memory", kind: "private", pages: HUGE_PAGES, ops });
  for (let index = 0; index < HUGE_PAGES; index++) free.push(index);
  const migration = device.migration(HUGE_PAGES);
  const count = Math.min(HUGE_PAGES, host.framesCount - 2);
  const bytes = new Uint8Array(4096);
  const { space } = process;
  let moved = 0;
  let copying = 0;
  const started = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const first of runs) {
      migration.setup({ space, first, count, select: SELECT_SYSTEM, to: memory });
      for (let i = 0; i < count; i++) migration.setDestination(i, memory.base + (free.pop() ?? 0));
      migration.pages();
      migration.finalize();
      moved += migration.movedCount;
      migration.setup({ space, first, count, select: SELECT_PRIVATE, to: null });
      migration.takeHostPages();
      const before = performance.now();
      for (let i = 0; i < count; i++) migration.store(i, bytes);
      copying += performance.now() - before;
      migration.pages();
      migration.finalize();
      moved += migration.movedCount;
    }
  }
  const cost = ((performance.now() - started - copying) * 1e6) / moved;
  if (moved !== 2 * rounds * runs.length * count) throw new Error("pages did not move");
  device.close();
  return cost;
}

function shuffled<T>(items: readonly T[]): T[] {
  const random = new Random(2);
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const k = random.below(i + 1);
    const [a, b] = [order[i], order[k]];
    if (a !== undefined && b !== undefined) [order[i], order[k]] = [b, a];
  }
  return order;
}

/** Two costs, measured in turns: the medians. */
function inTurn(ours: () => number, peer: () => number): { ours: number; peer: number } {
  ours();
  peer();
  const [a, b]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    a.push(ours());
    b.push(peer());
  }
  return { ours: round3(median(a)), peer: round3(median(b)) };
}

function round3(value: number): number {
  return Number(value.toPrecision(3));
}

function millions(nanoseconds: number): string {
  return `${round3(1000 / nanoseconds)} million pages/s`;
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "range fault of present pages",
    unit: "ns/page",
    better: "lower",
    bound: 8,
    run() {
      const space = populated(GIBIBYTE, GIBIBYTE);
      const costs = inTurn(
        () => rangeFaultCost(space, 4),
        () => bareCost(4 * GIBIBYTE),
      );
      return {
        ...costs,
        how: `${millions(costs.ours)}; 1 GiB, batches of 64; peer is a bare loop that copies a frame and its rights for each page; medians of ${ROUNDS} in turns`,
      };
    },
  },
  {
    name: "range fault, 1 TiB space against 1 MiB",
    unit: "ns/page",
    better: "lower",
    bound: 2,
    run() {
      const [large, small] = [populated(TEBIBYTE, GIBIBYTE), populated(MEBIBYTE, MEBIBYTE)];
      const costs = inTurn(
        () => rangeFaultCost(large, 4),
        () => rangeFaultCost(small, 4096),
      );
      const middle = rangeFaultCost(populated(GIBIBYTE, GIBIBYTE), 4);
      return {
        ...costs,
        how: `1 GiB spread over 1 TiB in 2 MiB runs, visited in random order; 1 GiB dense: ${round3(middle)} ns/page`,
      };
    },
  },
  {
    name: "CPU access check, 1 TiB space against 1 MiB",
    unit: "ns/page",
    better: "lower",
    bound: 2,
    run() {
      const [large, small] = [populated(TEBIBYTE, GIBIBYTE), populated(MEBIBYTE, MEBIBYTE)];
      const costs = inTurn(
        () => sweepCost(large, 4),
        () => sweepCost(small, 4096),
      );
      return {
        ...costs,
        how: `${millions(costs.ours)} against ${millions(costs.peer)}; 1 GiB spread over 1 TiB in 2 MiB runs, which are visited in random order`,
      };
    },
  },
  {
    name: "CPU access check at random pages",
    unit: "ns/page",
    better: "lower",
    bound: 8,
    run() {
      const space = populated(TEBIBYTE, GIBIBYTE);
      const costs = inTurn(
        () => touchCost(space),
        () => bareTouchCost(space.runs.length),
      );
      return {
        ...costs,
        how: `${millions(costs.ours)}; 1 GiB spread over 1 TiB, hardly a page in the cache; peer is the same random reads in a flat table of as many chunks`,
      };
    },
  },
  {
    name: "migration bookkeeping, 1 TiB space against 1 MiB",
    unit: "ns/page",
    better: "lower",
    bound: 2,
    run() {
      const [large, small] = [populated(TEBIBYTE, GIBIBYTE / 8), populated(MEBIBYTE, MEBIBYTE)];
      const costs = inTurn(
        () => migrationCost(large, 1),
        () => migrationCost(small, 128),
      );
      return {
        ...costs,
        how: `${millions(costs.ours)} against ${millions(costs.peer)}; to a device and back, without copying the bytes`,
      };
    },
  },
];
