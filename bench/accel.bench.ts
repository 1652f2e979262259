// The accelerator on the real host: round trips of requests, requests in batches, and pages that move to its memory
// and home against copying them.
import { cpus } from "node:os";
import type { QueueClient } from "@hms/driver-accel";
import { CAUSE, HUGE_PAGES, PAGE_BYTES } from "@hms/hmm";
import { LinuxHost } from "@hms/host-linux";
import { AccelMemory } from "../packages/drivers/accel/src/memory.ts";
import { RealLab } from "../test/accel/lab.ts";
import { type Benchmark, median } from "./benchmark.ts";

/** What is required: there is no peer that does the same. */
const ROUND_TRIP_MAX = 30;
const REQUESTS_MIN = 200_000;
const WARM = 20_000;
const TRIPS = 20_000;
const ASLEEP_TRIPS = 100;
const REQUESTS = 400_000;
const BURST = 64;
const PAGES = 16_384;
const ROUNDS = 25;
const MIB_PAGES = 2 ** 20 / PAGE_BYTES;

/** Why the real host cannot run here; null when it can. */
function impossible(): string | null {
  try {
    new LinuxHost().close();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const placement = `${cpus().length} CPUs, nothing pinned: client, kernel and device in threads of their own`;

function tripSync(client: QueueClient): number {
  const started = performance.now();
  client.wait(client.submit({ kernel: 0 }));
  return (performance.now() - started) * 1e3;
}

async function tripPromise(client: QueueClient): Promise<number> {
  const started = performance.now();
  await client.completion(client.submit({ kernel: 0 }));
  return (performance.now() - started) * 1e3;
}

const rounded = (value: number): number => Number(value.toPrecision(3));

function percentile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}

async function withQueue<T>(
  depth: number,
  use: (client: QueueClient, lab: RealLab) => Promise<T>,
): Promise<T> {
  await using lab = new RealLab();
  await lab.call("device", "accel0", 1 << 20);
  const client = await lab.queue("q", "accel0", depth);
  await client.run({ kernel: 0 });
  const result = await use(client, lab);
  client.close();
  return result;
}

/** Requests a second, put into the ring in bursts as long as there is room. */
function perSecond(
  client: QueueClient,
  request: Parameters<QueueClient["enqueue"]>[0],
  count: number,
): number {
  const started = performance.now();
  let last = 0;
  for (let i = 0; i < count; ) {
    const id = client.enqueue(request);
    if (id < 0) {
      client.wait(last);
      continue;
    }
    last = id;
    if (++i % BURST === 0) client.flush();
  }
  client.flush();
  client.drain();
  return (count / (performance.now() - started)) * 1e3;
}

interface Moved {
  /** GiB a second of pages that move to the device and home, mapped in its window. */
  readonly moves: number;
  /** GiB a second of a copy of as many bytes. */
  readonly copies: number;
  /** Pages that moved, and pages of those whose bytes were copied. */
  readonly moved: number;
  readonly copied: number;
}

const done = new Map<boolean, Moved>();

/** Measured once; `whole`: the program's memory is 2 MiB pages, as touching it in order makes it. */
function moveAndCopy(whole: boolean): Moved {
  const before = done.get(whole);
  if (before !== undefined) return before;
  const measured = measureMoves(whole);
  done.set(whole, measured);
  return measured;
}

function measureMoves(whole: boolean): Moved {
  using host = new LinuxHost();
  const space = host.createSpace();
  const region = space.map({ bytes: PAGES * PAGE_BYTES });
  if (whole) region.setWindow(HUGE_PAGES);
  const quiet = { faulted: () => {}, failedFault: () => {} };
  const accel = new AccelMemory(host.core, host, "accel0", PAGES * PAGE_BYTES, quiet);
  const page = new Uint8Array(PAGE_BYTES).fill(7);
  for (let i = 0; i < PAGES; i++) {
    if (whole) {
      if (i % HUGE_PAGES === 0) region.serve(region.first + i, true, false, host.now());
      continue;
    }
    host.fault(space.space, region.first + i, true, CAUSE.cpuFault);
    host.write(space.space.table.frameAt(region.first + i), 0, page, null);
  }
  const view = accel.view(space.space, () => 0);
  const window = view.open(1, region.first, PAGES);
  const source = new Uint8Array(PAGES * PAGE_BYTES).fill(7);
  const target = new Uint8Array(PAGES * PAGE_BYTES).fill(1);
  const before = host.pages.counters.copied;
  const moves: number[] = [];
  const copies: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ask = { space: space.space, first: region.first, count: PAGES };
    let started = performance.now();
    const there = host.core.migrate({ ...ask, to: accel.memory }).moved;
    const back = host.core.migrate({ ...ask, to: null }).moved;
    if (there !== PAGES || back !== PAGES) throw new Error(`${there} and ${back} of ${PAGES} pages moved`);
    moves.push((performance.now() - started) / 2);
    started = performance.now();
    target.set(source);
    copies.push(performance.now() - started);
  }
  const copied = host.pages.counters.copied - before;
  view.closeWindow(window);
  accel.closeView(view);
  accel.close();
  space.close();
  const rate = (times: readonly number[]): number =>
    (PAGES * PAGE_BYTES) / 2 ** 30 / (median(times.slice(ROUNDS >> 1)) / 1e3);
  return { moves: rate(moves), copies: rate(copies), moved: 2 * ROUNDS * PAGES, copied };
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "round trip of an empty request",
    unit: "µs",
    better: "lower",
    bound: 1,
    async run() {
      const skipped = impossible();
      if (skipped !== null) return { skipped };
      return withQueue(64, async (client) => {
        for (let i = 0; i < WARM; i++) tripSync(client);
        const awake = Array.from({ length: TRIPS }, () => tripSync(client));
        const promised: number[] = [];
        for (let i = 0; i < TRIPS; i++) promised.push(await tripPromise(client));
        const asleep: number[] = [];
        for (let i = 0; i < ASLEEP_TRIPS; i++) {
          await new Promise((resolve) => setTimeout(resolve, 3));
          asleep.push(tripSync(client));
        }
        return {
          ours: rounded(median(awake)),
          peer: ROUND_TRIP_MAX,
          how: `median of ${TRIPS}, both sides awake, blocking wait; peer is the required time. p99 ${rounded(percentile(awake, 0.99))}; as a promise ${rounded(median(promised))}; with the device asleep ${rounded(median(asleep))}; ${placement}; warm`,
        };
      });
    },
  },
  {
    name: "requests in batches",
    unit: "requests/s",
    better: "higher",
    bound: 1,
    async run() {
      const skipped = impossible();
      if (skipped !== null) return { skipped };
      return withQueue(1024, async (client, lab) => {
        const x = await lab.map(1 << 16);
        await lab.call("attach", "q", x.region);
        const kernel = await lab.kernel("accel0", ({ x, a }: { x: Float32Array; a: number }) => x.fill(a), [
          "x",
          "a",
        ]);
        const request = { kernel, args: [{ region: x.region, type: "float32", length: 16 } as const, 2] };
        perSecond(client, { kernel: 0 }, REQUESTS / 4);
        perSecond(client, request, REQUESTS / 4);
        const empty = [1, 2, 3].map(() => perSecond(client, { kernel: 0 }, REQUESTS));
        const real = [1, 2, 3].map(() => perSecond(client, request, REQUESTS));
        return {
          ours: Math.round(median(empty)),
          peer: REQUESTS_MIN,
          how: `median of 3 × ${REQUESTS} empty requests in bursts of ${BURST}, depth 1024; peer is the required rate. With a JavaScript kernel on an array and a number: ${Math.round(median(real))}; ${placement}; warm`,
        };
      });
    },
  },
  ...[true, false].map((whole) => movesBenchmark(whole)),
  {
    name: "bytes that are copied when pages move to the accelerator and home",
    unit: "bytes",
    better: "lower",
    bound: 0,
    run() {
      const skipped = impossible();
      if (skipped !== null) return { skipped };
      const all = [moveAndCopy(true), moveAndCopy(false)];
      const bytes = (pages: readonly number[]): number =>
        pages.reduce((sum, count) => sum + count * PAGE_BYTES, 0);
      return {
        ours: bytes(all.map(({ copied }) => copied)),
        peer: bytes(all.map(({ moved }) => moved)),
        how: "counted in the two benchmarks before; peer is the bytes that moved",
      };
    },
  },
];

function movesBenchmark(whole: boolean): Benchmark {
  const size = whole ? "2 MiB" : "4 KiB";
  return {
    name: `pages of ${size} to the accelerator and home`,
    unit: "GiB/s",
    better: "higher",
    // What is asked is this, or no copy at all. Small pages keep to the second: the kernel moves each by itself.
    bound: whole ? 0.8 : 0.4,
    run() {
      const skipped = impossible();
      if (skipped !== null) return { skipped };
      const { moves, copies } = moveAndCopy(whole);
      return {
        ours: rounded(moves),
        peer: rounded(copies),
        how: `${PAGES / MIB_PAGES} MiB in ${size} pages of the kernel, each way with its mapping in the device's window: the cost of the book-keeping, since nothing is copied. Peer is memcpy of as much between warm buffers, in turns; medians of the later half of ${ROUNDS} rounds; one thread`,
      };
    },
  };
}
