// A program whose arrays CPU and device share, against the same program with hand-written copies: the device is a thread
// with memory of its own, the program copies its array there and back, as it must where nothing is shared. Which part of
// the array is touched is decided while it runs, differently in each round. A program that cannot know it beforehand
// copies all: that is the peer. `knowing` is the time of one that can, and copies what will be touched and no more.
import { Worker } from "node:worker_threads";
import { HmsError, open } from "hms";
import { type Benchmark, lowerQuartile, type Measured } from "./benchmark.ts";

const ELEMENTS = 1 << 23;
const BYTES = ELEMENTS * 4;
const ROUNDS = 5;
const REPEATS = 11;
const BLOCK = 1 << 16;

/** What is touched in a round: of each `stride` blocks in a row, one. */
interface Touch {
  readonly stride: number;
  readonly block: number;
  readonly round: number;
}

/** Rounds of work: the CPU writes, the device computes, the CPU reads. */
interface Side {
  readonly x: Float32Array;
  /** The device computes on all that is touched. */
  compute(touch: Touch): Promise<void>;
}

/** Runs in the device, with and without copies: it is brought there as text. */
function computeAll({ x, stride, block, round }: Touch & { readonly x: Float32Array }): void {
  for (let first = 0, group = 0; first < x.length; first += block * stride, group++) {
    const blocks = Math.min(stride, (x.length - first) / block);
    const start = first + block * ((round * 7 + group * 3) % blocks);
    for (let i = start; i < start + block; i++) x[i] = 2 * (x[i] ?? 0) + 1;
  }
}

/** Where the blocks begin that a round touches: as `computeAll` finds them. */
function starts({ stride, block, round }: Touch): number[] {
  const found = [];
  for (let first = 0, group = 0; first < ELEMENTS; first += block * stride, group++) {
    const blocks = Math.min(stride, (ELEMENTS - first) / block);
    found.push(first + block * ((round * 7 + group * 3) % blocks));
  }
  return found;
}

function increment(x: Float32Array, start: number, block: number): void {
  for (let i = start; i < start + block; i++) x[i] = (x[i] ?? 0) + 1;
}

function total(x: Float32Array, start: number, block: number): number {
  let sum = 0;
  for (let i = start; i < start + block; i++) sum += x[i] ?? 0;
  return sum;
}

async function rounds({ x, compute }: Side, stride: number): Promise<{ ms: number; sum: number }> {
  x.fill(0);
  const started = performance.now();
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const touch = { stride, block: BLOCK, round };
    for (const start of starts(touch)) increment(x, start, BLOCK);
    await compute(touch);
    for (const start of starts(touch)) sum += total(x, start, BLOCK);
  }
  return { ms: performance.now() - started, sum };
}

/** With copies by hand: the device's memory is another array, its thread is told and tells by a word. */
function copying(): Side & { readonly knowing: Side; end(): Promise<unknown> } {
  const memory = new SharedArrayBuffer(BYTES);
  const words = new Int32Array(new SharedArrayBuffer(16));
  const code = `
    const { workerData: { memory, words, block } } = require("node:worker_threads");
    ${computeAll.toString()}
    const x = new Float32Array(memory);
    for (;;) {
      Atomics.wait(words, 0, 0);
      const stride = words[1];
      if (stride === 0) break;
      computeAll({ x, stride, block, round: words[2] });
      Atomics.store(words, 0, 0);
      Atomics.notify(words, 0);
    }`;
  const worker = new Worker(code, { eval: true, workerData: { memory, words, block: BLOCK } });
  const x = new Float32Array(ELEMENTS);
  const device = new Float32Array(memory);
  const tell = (stride: number, round: number): void => {
    words[1] = stride;
    words[2] = round;
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  };
  return {
    x,
    async compute({ stride, round }) {
      device.set(x);
      tell(stride, round);
      Atomics.wait(words, 0, 1);
      x.set(device);
    },
    knowing: {
      x,
      async compute(touch) {
        const blocks = starts(touch);
        for (const start of blocks) device.set(x.subarray(start, start + BLOCK), start);
        tell(touch.stride, touch.round);
        Atomics.wait(words, 0, 1);
        for (const start of blocks) x.set(device.subarray(start, start + BLOCK), start);
      },
    },
    end: () => {
      tell(0, 0);
      return worker.terminate();
    },
  };
}

async function compare(
  stride: number,
): Promise<(Measured & { readonly knowing: number }) | { readonly skipped: string }> {
  try {
    using hms = await open({ devices: ["accel:memory=64MiB"] });
    const queue = hms.device("accel0").queue();
    const x = hms.space.alloc(Float32Array, ELEMENTS, { name: "x" });
    const shared: Side = {
      x: x.view,
      async compute(touch) {
        await queue.run(computeAll, { x: x.update(), ...touch }, { whole: true });
      },
    };
    const copies = copying();
    const times = { ours: [] as number[], peer: [] as number[], knowing: [] as number[] };
    for (let i = 0; i <= REPEATS; i++) {
      const ours = await rounds(shared, stride);
      const peer = await rounds(copies, stride);
      const knowing = await rounds(copies.knowing, stride);
      if (ours.sum !== peer.sum || ours.sum !== knowing.sum)
        throw new Error(`the sums differ: ${ours.sum}, ${peer.sum} and ${knowing.sum}`);
      if (i === 0) continue;
      times.ours.push(ours.ms);
      times.peer.push(peer.ms);
      times.knowing.push(knowing.ms);
    }
    await copies.end();
    const quartile = (values: readonly number[]): number => Number(lowerQuartile(values).toPrecision(4));
    return {
      ours: quartile(times.ours),
      peer: quartile(times.peer),
      knowing: quartile(times.knowing),
      how: `${ROUNDS} rounds on ${BYTES >> 20} MiB, ${stride === 1 ? "all" : `one block of 256 KiB of ${stride}, another in each round,`} touched: CPU writes, device computes, CPU reads; peer copies all there and back, \`knowing\` what is touched; lower quartiles of ${REPEATS} in turns, warm, nothing pinned`,
    };
  } catch (error) {
    if (HmsError.is(error) && error.code === "NO_USERFAULTFD") return { skipped: error.message };
    throw error;
  }
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "a program on shared memory against one with hand-written copies, all touched",
    unit: "ms",
    better: "lower",
    bound: 1.1,
    run: () => compare(1),
  },
  {
    name: "the same with a tenth touched",
    unit: "ms",
    better: "lower",
    bound: 1,
    run: () => compare(10),
  },
];
