// The interface through a ring to another thread, beside the least that two threads can do: a word there, a word back.
import { Worker } from "node:worker_threads";
import { asyncClient, CORE, createRing, type Handle, RingClient, syncClient } from "@hms/uabi";
import { type Benchmark, median } from "./benchmark.ts";

const ROUNDS = 9;
const CALLS = 2000;
const BATCHES = 40;
const BATCH = 500;
const space = 1 as Handle<"space">;

interface Other {
  readonly bell: Int32Array;
  readonly echo: Int32Array;
  readonly transport: RingClient;
  stop(): Promise<unknown>;
}

function other(): Other {
  const bell = new Int32Array(new SharedArrayBuffer(12));
  const echo = new Int32Array(new SharedArrayBuffer(8));
  const ring = createRing();
  const worker = new Worker(new URL("uabi-ring.worker.ts", import.meta.url), {
    workerData: { bell, echo, ring },
  });
  Atomics.wait(bell, 1, 0);
  const wake = (): void => {
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  };
  return {
    bell,
    echo,
    transport: new RingClient(ring, { wake, timeoutMs: 20_000 }),
    stop() {
      Atomics.store(bell, 2, 1);
      wake();
      return worker.terminate();
    },
  };
}

/** Microseconds of a word there and back. */
function bareRoundTrip(echo: Int32Array): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    for (let i = 0; i < CALLS; i++) {
      const before = Atomics.load(echo, 1);
      Atomics.store(echo, 0, before + 1);
      Atomics.notify(echo, 0);
      Atomics.wait(echo, 1, before);
    }
    return ((performance.now() - started) / CALLS) * 1000;
  });
  Atomics.store(echo, 0, -1);
  Atomics.notify(echo, 0);
  return median(rounds);
}

function ringRoundTrip(transport: RingClient): number {
  const client = syncClient(CORE, transport);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const started = performance.now();
    for (let i = 0; i < CALLS; i++)
      client.space.migrate({ space, range: { first: i, count: 1 }, target: "host" });
    return ((performance.now() - started) / CALLS) * 1000;
  });
  return median(rounds);
}

async function batched(transport: RingClient): Promise<number> {
  const client = asyncClient(CORE, transport);
  const rates: number[] = [];
  for (let round = 0; round < BATCHES; round++) {
    const started = performance.now();
    const answers = Array.from({ length: BATCH }, (_, i) =>
      client.space.migrate({ space, range: { first: i, count: 1 }, target: "host" }),
    );
    await Promise.all(answers);
    rates.push(BATCH / ((performance.now() - started) / 1000));
  }
  return Math.round(median(rates));
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "interface call through a ring",
    unit: "µs",
    better: "lower",
    bound: 5,
    async run() {
      const there = other();
      const peer = Number(bareRoundTrip(there.echo).toPrecision(4));
      const ours = Number(ringRoundTrip(there.transport).toPrecision(4));
      const rate = await batched(there.transport);
      await there.stop();
      const how = `space.migrate by a call that waits, the service asleep on a futex each time; peer is a bare word there and back between the same two threads by Atomics.wait and notify; nothing pinned; medians of ${ROUNDS} × ${CALLS}; with promises, ${BATCH} at a time: ${rate} calls/s`;
      return { ours, peer, how };
    },
  },
];
