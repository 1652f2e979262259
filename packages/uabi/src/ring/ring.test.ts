import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { HmsError } from "@hms/topology";
import { asyncClient, syncClient } from "../client.ts";
import type { AsyncClient, Handle, SyncClient } from "../infer.ts";
import type { Later } from "../later.ts";
import { CORE, type CoreRegistry } from "../registry/core.ts";
import { Service } from "../service.ts";
import type { RingWorkerData } from "../testing/ring-worker.ts";
import { RingClient } from "./client.ts";
import { RingServer } from "./server.ts";
import { CONTROL_BYTES, closeRing, createRing, SUBMISSION_TAIL } from "./words.ts";

interface End {
  readonly transport: RingClient;
  readonly sync: SyncClient<CoreRegistry>;
  readonly async: AsyncClient<CoreRegistry>;
}

interface Served extends AsyncDisposable {
  readonly ends: readonly End[];
  readonly bell: Int32Array;
}

/** A service in a thread, with so many rings of so many bytes. */
async function serve(rings: number, capacity: number): Promise<Served> {
  const bell = new Int32Array(new SharedArrayBuffer(12));
  const memories = Array.from({ length: rings }, () => createRing(capacity));
  const workerData: RingWorkerData = { bell, rings: memories };
  const worker = new Worker(new URL("../testing/ring-worker.ts", import.meta.url), { workerData });
  await once(worker, "message");
  const wake = (): void => {
    Atomics.add(bell, 0, 1);
    Atomics.notify(bell, 0);
  };
  const ends = memories.map((memory) => {
    const transport = new RingClient(memory, { wake, timeoutMs: 20_000 });
    return { transport, sync: syncClient(CORE, transport), async: asyncClient(CORE, transport) };
  });
  return {
    ends,
    bell,
    async [Symbol.asyncDispose]() {
      Atomics.store(bell, 2, 1);
      wake();
      await once(worker, "exit");
    },
  };
}

function firstOf({ ends: [end] }: Served): End {
  assert.ok(end);
  return end;
}

const context = (number: number): Handle<"context"> => number as Handle<"context">;
const space = 5 as Handle<"space">;
const device = 5 as Handle<"device">;
const errno = (name: string) => (error: unknown) => HmsError.is(error) && error.errno === name;

describe("a ring between two threads", () => {
  test("carries calls that wait, through every position of a small ring", async () => {
    await using served = await serve(1, 4096);
    const end = firstOf(served);
    for (let i = 1; i < 5000; i++) {
      assert.equal(end.sync.space.create({ context: context(i) }).space, i + 1);
      const { runs, next } = end.sync.space.explain({ space, range: { first: i, count: 1 } });
      assert.equal(next, i);
      assert.equal(runs[0]?.place, "host".repeat(1 + (i % 20)));
    }
  });

  test("carries promises, many at a time, and calls between them", async () => {
    await using served = await serve(1, 1 << 16);
    const end = firstOf(served);
    for (let round = 0; round < 50; round++) {
      const promised = Array.from({ length: 200 }, (_, i) =>
        end.async.space.create({ context: context(i + 1) }),
      );
      if (round % 2 === 0) {
        assert.equal(end.sync.space.create({ context: context(9) }).space, 10);
      }
      const answers = await Promise.all(promised);
      assert.deepEqual(
        answers.map((answer) => answer.space),
        answers.map((_, i) => i + 2),
      );
    }
  });

  test("serves several clients", async () => {
    await using served = await serve(4, 8192);
    for (let i = 1; i < 300; i++)
      for (const end of served.ends)
        assert.equal(end.sync.space.create({ context: context(i) }).pasid, i % 1000);
  });

  test("lets the service sleep, and wakes it", async () => {
    await using served = await serve(1, 4096);
    const end = firstOf(served);
    for (let slept = 0, i = 1; i < 20; i++) {
      // It counts before each sleep.
      while (Atomics.load(served.bell, 1) === slept) Atomics.wait(served.bell, 2, 0, 1);
      slept = Atomics.load(served.bell, 1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      assert.equal(end.sync.space.create({ context: context(i) }).space, i + 1);
    }
  });

  test("goes on when answers fill the completion ring", async () => {
    await using served = await serve(1, 16384);
    const end = firstOf(served);
    // Answers of up to 12 KiB: seldom more than one fits, and the submissions of the others wait.
    for (let round = 0; round < 20; round++) {
      const sizes = Array.from({ length: 30 }, (_, i) => (i * 7 + round) % 48);
      const replies = await Promise.all(
        sizes.map((size, i) => end.async.device.control({ device, command: new Uint8Array([size, i + 1]) })),
      );
      replies.forEach(({ reply }, i) => {
        assert.equal(reply?.length, (sizes[i] ?? 0) * 256);
        assert.ok(reply?.every((byte) => byte === i + 1));
      });
    }
  });

  test("names what does not fit, and goes on", async () => {
    await using served = await serve(1, 4096);
    const end = firstOf(served);
    const { sync } = end;
    assert.throws(() => sync.device.control({ device, command: new Uint8Array(5000) }), errno("EFBIG"));
    assert.throws(() => sync.device.control({ device, command: new Uint8Array([200]) }), errno("EFBIG"));
    assert.equal(sync.space.create({ context: context(1) }).space, 2);
  });

  test("fails the calls of a service that has gone", async () => {
    const served = await serve(1, 4096);
    const end = firstOf(served);
    await served[Symbol.asyncDispose]();
    assert.throws(() => end.sync.space.create({ context: context(1) }), { code: "CONNECTION_CLOSED" });
    await assert.rejects(end.async.space.create({ context: context(1) }), { code: "CONNECTION_CLOSED" });
  });
});

describe("a ring in one thread", () => {
  const wake = (): void => undefined;

  test("says when it is full, and that nobody answers", async () => {
    const transport = new RingClient(createRing(4096), { wake, timeoutMs: 500 });
    const client = asyncClient(CORE, transport);
    const waiting: Promise<unknown>[] = [];
    let full: unknown = null;
    for (let i = 0; full === null && i < 1000; i++) {
      const answer = client.space.create({ context: context(1) });
      waiting.push(answer.catch(() => undefined));
      await Promise.race([answer.catch((error: unknown) => (full = error)), Promise.resolve()]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(errno("EAGAIN")(full), String(full));
    // 24 bytes of header and 16 of the handle: exactly as many as fit.
    assert.equal(waiting.length - 1, Math.floor(4096 / 40));
    assert.throws(
      () => syncClient(CORE, transport).space.create({ context: context(1) }),
      errno("ETIMEDOUT"),
    );
    transport.close();
    await Promise.all(waiting);
  });

  test("keeps answers that find no room as they are", async () => {
    const laters: Later<{ readonly reply?: Uint8Array | undefined }>[] = [];
    const service = new Service(CORE).on({
      device: {
        control(_, call) {
          const later = call.later();
          laters.push(later);
          return later;
        },
      },
    });
    const server = new RingServer(service);
    const memory = createRing(4096);
    server.add(memory);
    const client = asyncClient(CORE, new RingClient(memory, { wake }));
    const answers = Array.from({ length: 30 }, () =>
      client.device.control({ device, command: new Uint8Array(1) }),
    );
    while (server.poll() > 0);
    assert.equal(laters.length, 30);
    // Three fit at a time.
    laters.forEach((later, i) => {
      later.answer({ reply: new Uint8Array(1000).fill(i) });
    });
    const polling = setInterval(() => server.poll(), 1);
    const replies = await Promise.all(answers);
    clearInterval(polling);
    replies.forEach(({ reply }, i) => {
      assert.deepEqual(reply, new Uint8Array(1000).fill(i));
    });
  });

  test("does not wait for ever with promises", async () => {
    const transport = new RingClient(createRing(4096), { wake, timeoutMs: 20 });
    const client = asyncClient(CORE, transport);
    const all = await Promise.allSettled(
      Array.from({ length: 3 }, () => client.space.create({ context: context(1) })),
    );
    for (const one of all) assert.ok(one.status === "rejected" && errno("ETIMEDOUT")(one.reason));
  });

  test("can be closed by whoever notices that the service has ended", async () => {
    const memory = createRing(4096);
    const client = asyncClient(CORE, new RingClient(memory, { wake }));
    const answer = client.space.create({ context: context(1) });
    setTimeout(() => closeRing(memory), 5);
    await assert.rejects(answer, { code: "CONNECTION_CLOSED" });
    const server = new RingServer(new Service(CORE));
    server.add(memory);
    server.poll();
    assert.equal(server.size, 0);
  });

  test("closes on bytes that no client writes, and nothing happens", () => {
    for (const [tail, length] of [
      [8192, 24],
      [24, 0],
      [24, 32],
      [24, 25],
      [20, 24],
      [0xffff_fff8, 24],
    ] as const) {
      let called = 0;
      const closed: unknown[] = [];
      const service = new Service(CORE, { onClose: (peer) => closed.push(peer) }).on({
        context: {
          close() {
            called++;
          },
        },
      });
      const server = new RingServer(service);
      const memory = createRing(4096);
      server.add(memory);
      new Uint32Array(memory, CONTROL_BYTES)[0] = length;
      Atomics.store(new Int32Array(memory), SUBMISSION_TAIL, tail | 0);
      assert.ok(server.poll() > 0);
      assert.equal(server.size, 0);
      assert.equal(called, 0);
      assert.equal(closed.length, 1);
      const transport = new RingClient(memory, { wake });
      assert.throws(() => syncClient(CORE, transport).context.query({}), { code: "CONNECTION_CLOSED" });
    }
  });

  test("refuses memory that is none", () => {
    for (const bytes of [0, 100, 4096, 1 << 20])
      assert.throws(() => new RingClient(new SharedArrayBuffer(bytes), { wake }), { code: "BAD_RING" });
    for (const bytes of [0, 5000, 2048, 1 << 30])
      assert.throws(() => createRing(bytes), { code: "BAD_RING" });
  });
});
