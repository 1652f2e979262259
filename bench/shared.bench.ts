// A program whose arrays CPU and device share, against the same program with hand-written copies: the device is a thread
// with memory of its own, the program copies its array there and back, as it must where nothing is shared.
import { Worker } from "node:worker_threads";
import { HmsError, open } from "hms";
import { type Benchmark, lowerQuartile, type Measured } from "./benchmark.ts";

const ELEMENTS = 1 << 23;
const BYTES = ELEMENTS * 4;
const ROUNDS = 5;
const REPEATS = 11;
/** What is touched of the array, as a stride of blocks: one of so many. */
const BLOCK = 1 << 16;

/** Rounds of work: the CPU writes, the device computes, the CPU reads. */
interface Side {
  readonly x: Float32Array;
  /** The device computes on all that is touched. */
  compute(stride: number): Promise<void>;
}

/** Runs in the device; blocks that are touched, one of `stride`. */
function work(x: Float32Array, stride: number, block: number): void {
  for (let first = 0; first < x.length; first += block * stride)
    for (let i = first; i < first + block; i++) x[i] = 2 * (x[i] ?? 0) + 1;
}

async function rounds({ x, compute }: Side, stride: number): Promise<{ ms: number; sum: number }> {
  x.fill(0);
  const started = performance.now();
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let first = 0; first < x.length; first += BLOCK * stride)
      for (let i = first; i < first + BLOCK; i++) x[i] = (x[i] ?? 0) + 1;
    await compute(stride);
    for (let first = 0; first < x.length; first += BLOCK * stride)
      for (let i = first; i < first + BLOCK; i++) sum += x[i] ?? 0;
  }
  return { ms: performance.now() - started, sum };
}

/** With copies by hand: the device's memory is another array, its thread is told and tells by a word. */
function copying(): Side & { end(): Promise<unknown> } {
  const memory = new SharedArrayBuffer(BYTES);
  const words = new Int32Array(new SharedArrayBuffer(8));
  const code = `
    const { workerData: { memory, words, block } } = require("node:worker_threads");
    ${work.toString()}
    const x = new Float32Array(memory);
    for (;;) {
      Atomics.wait(words, 0, 0);
      const stride = words[1];
      if (stride === 0) break;
      work(x, stride, block);
      Atomics.store(words, 0, 0);
      Atomics.notify(words, 0);
    }`;
  const worker = new Worker(code, { eval: true, workerData: { memory, words, block: BLOCK } });
  const x = new Float32Array(ELEMENTS);
  const device = new Float32Array(memory);
  const tell = (stride: number): void => {
    words[1] = stride;
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  };
  return {
    x,
    async compute(stride) {
      device.set(x);
      tell(stride);
      Atomics.wait(words, 0, 1);
      x.set(device);
    },
    end: () => {
      tell(0);
      return worker.terminate();
    },
  };
}

async function compare(stride: number): Promise<Measured | { readonly skipped: string }> {
  try {
    using hms = await open({ devices: ["accel:memory=64MiB"] });
    const queue = hms.device("accel0").queue();
    const x = hms.space.alloc(Float32Array, ELEMENTS, { name: "x" });
    // The same work as `work`, which a kernel cannot call: it is brought to the device as text.
    const kernel = function touched(values: { x: Float32Array; stride: number; block: number }): void {
      const { x, stride, block } = values;
      for (let first = 0; first < x.length; first += block * stride)
        for (let i = first; i < first + block; i++) x[i] = 2 * (x[i] ?? 0) + 1;
    };
    const shared: Side = {
      x: x.view,
      async compute(by) {
        await queue.run(kernel, { x: x.update(), stride: by, block: BLOCK }, { whole: true });
      },
    };
    const copies = copying();
    const times = { ours: [] as number[], peer: [] as number[] };
    for (let i = 0; i <= REPEATS; i++) {
      const ours = await rounds(shared, stride);
      const peer = await rounds(copies, stride);
      if (ours.sum !== peer.sum) throw new Error(`the sums differ: ${ours.sum} and ${peer.sum}`);
      if (i === 0) continue;
      times.ours.push(ours.ms);
      times.peer.push(peer.ms);
    }
    await copies.end();
    return {
      ours: Number(lowerQuartile(times.ours).toPrecision(4)),
      peer: Number(lowerQuartile(times.peer).toPrecision(4)),
      how: `${ROUNDS} rounds on ${BYTES >> 20} MiB, ${stride === 1 ? "all" : `one block of ${stride}`} touched: CPU writes, device computes, CPU reads; peer copies all there and back; lower quartiles of ${REPEATS} in turns, warm, nothing pinned`,
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
