// Queues of a device as programs use them: order, room, errors, ends, WebAssembly.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type IndexRange, open } from "hms";
import { scaleModule } from "../packages/drivers/accel/src/testing/wasm-module.ts";
import { errorOf, skip, small, until } from "./support/hms-lab.ts";

const addOne = ({ x }: { x: Float64Array }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) x[i] = (x[i] as number) + 1;
};
/** Takes years: cancelled between two parts of its range. */
const years = ({ x }: { x: Float64Array }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) x[1] = i;
};
const forYears = { range: { first: 0, end: 2 ** 50 } };

describe("a queue", { skip }, () => {
  test("runs requests in order, whether their kernels are there yet or not", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 100);
    const queue = hms.device("accel0").queue({ depth: 4 });
    // y = ((0 + 1) * 2 + 1) * 2 …: any other order gives another number. The queue is full most of the time.
    const twice = ({ x }: { x: Float64Array }, { first, end }: IndexRange): void => {
      for (let i = first; i < end; i++) x[i] = (x[i] as number) * 2;
    };
    const all = Array.from({ length: 40 }, (_, i) =>
      queue.run(i % 2 === 0 ? addOne : twice, { x: x.update() }),
    );
    const results = await Promise.all(all);
    assert.deepEqual(
      results.map(({ request }) => request),
      results.map((_, i) => i),
    );
    let expected = 0;
    for (let i = 0; i < 20; i++) expected = (expected + 1) * 2;
    assert.equal(x.view[99], expected);
    assert.equal(queue.inFlight, 0);
    const { completed, failed } = queue.statistics();
    assert.deepEqual([completed, failed], [40, 0]);
  });

  test("takes many small requests at once", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 1);
    const queue = hms.device("accel0").queue({ depth: 1024 });
    const one = { kernel: addOne, args: { x: x.update() } };
    for (let i = 0; i < 4; i++) await queue.submit(Array.from({ length: 5000 }, () => one));
    assert.equal(x.view[0], 20_000);
  });

  test("names what a request failed of, and goes on", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 1000);
    const queue = hms.device("accel0").queue();
    const failing = ({ x }: { x: Float64Array }): void => {
      x[0] = 1;
      throw new TypeError("no such luck");
    };
    const error = await errorOf(() => queue.run(failing, { x: x.update() }));
    assert.equal(error.code, "KERNEL_FAILED");
    assert.match(error.message, /^Request 0 of queue \d+ failed: .*no such luck/);
    const batch = [addOne, failing, addOne].map((kernel) => ({ kernel, args: { x: x.update() } }));
    assert.match((await errorOf(() => queue.submit(batch))).message, /^Request 2 /);
    assert.equal(x.view[1], 2);
    const undefinedName = ({ x }: { x: Float64Array }): void => void x.fill(outside);
    const outside = 5;
    assert.match(
      (await errorOf(() => queue.run(undefinedName, { x: x.update() }))).message,
      /outside is not defined/,
    );
    await queue.run(addOne, { x: x.update() });
    assert.equal(x.view[1], 3);
    const { failed } = queue.statistics();
    assert.equal(failed, 3);
  });

  test("cancels by a signal", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 10);
    const queue = hms.device("accel0").queue();
    const one = new AbortController();
    const two = new AbortController();
    const running = queue.run(years, { x: x.update() }, { ...forYears, signal: one.signal });
    const waiting = queue.run(addOne, { x: x.update() }, { signal: two.signal });
    const last = queue.run(addOne, { x: x.update() });
    running.catch(() => undefined);
    waiting.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 100));
    two.abort();
    one.abort();
    assert.equal((await errorOf(() => waiting)).code, "REQUEST_CANCELED");
    assert.equal((await errorOf(() => running)).errno, "ECANCELED");
    await last;
    assert.equal(x.view[0], 1);
  });

  test("ends what is cancelled and would go on for ever", { timeout: 60_000 }, async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 10);
    const device = hms.device("accel0");
    const queue = device.queue();
    const other = device.queue();
    const wish = new AbortController();
    const endless = (): void => {
      for (;;);
    };
    const running = queue.run(endless, { x: x.update() }, { signal: wish.signal });
    running.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const beside = other.run(addOne, { x: x.update() });
    const asked = performance.now();
    wish.abort();
    const error = await errorOf(() => running);
    assert.deepEqual([error.code, error.errno], ["REQUEST_CANCELED", "ECANCELED"]);
    assert.ok(performance.now() - asked < 10_000, `it took ${performance.now() - asked} ms`);
    await beside;
    await queue.run(addOne, { x: x.update() });
    assert.deepEqual([queue.state, other.state, x.view[9]], ["started", "started", 2]);
  });

  test("cancels what waits for room behind what never ends", { timeout: 60_000 }, async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 10);
    x.view.fill(1);
    const queue = hms.device("accel0").queue({ depth: 2 });
    const endless = ({ x }: { x: Float64Array }): void => {
      x[0] = 2;
      for (;;);
    };
    const wish = new AbortController();
    const late = new AbortController();
    const running = queue.run(endless, { x: x.update() }, { signal: late.signal });
    const second = queue.run(() => {}, {});
    const waiting = queue.run(() => {}, {}, { signal: wish.signal });
    for (const run of [running, second, waiting]) run.catch(() => undefined);
    // The first runs when its thread has asked for a page; the queue is full then, and the third waits.
    await until(() => queue.inFlight === 2 && queue.statistics().faults > 0);
    wish.abort();
    assert.equal((await errorOf(() => waiting)).code, "REQUEST_CANCELED");
    assert.equal(queue.inFlight, 2);
    late.abort();
    assert.equal((await errorOf(() => running)).code, "REQUEST_CANCELED");
    await second;
    await queue.drain();
    const { completed, cancelled } = queue.statistics();
    assert.deepEqual([completed, cancelled], [1, 1]);
  });

  test("stops, starts again, drains, and dies alone", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 10);
    const device = hms.device("accel0");
    const queue = device.queue();
    const other = device.queue();
    void queue.run(addOne, { x: x.update() });
    assert.equal(await queue.stop({ drain: true }), 0);
    assert.equal(queue.state, "init");
    assert.equal(x.view[0], 1);
    assert.equal((await errorOf(() => queue.run(addOne, { x: x.update() }))).code, "QUEUE_NOT_STARTED");
    queue.start();
    assert.equal((await errorOf(() => queue.start())).errno, "EINVAL");
    await queue.run(addOne, { x: x.update() });
    await queue.run(years, { x: x.update() }, { range: { first: 0, end: 1 } });
    const busy = queue.run(years, { x: x.update() }, forYears);
    busy.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    queue.reset();
    assert.equal((await errorOf(() => busy)).code, "QUEUE_RESET");
    assert.equal(queue.state, "zombie");
    const dead = await errorOf(() => queue.run(addOne, { x: x.update() }));
    assert.equal(dead.code, "QUEUE_DEAD");
    assert.match(dead.message, /it is dead, because it was reset\. Make another one\.$/);
    await other.run(addOne, { x: x.update() });
    await other.drain();
    assert.equal(x.view[0], 3);
  });

  test("reaches a region of which a part is protected: it reads all, and a write there fails its request alone", async () => {
    using hms = await open(small);
    const half = ({ x }: { x: Int32Array }, { first, end }: IndexRange): void => {
      for (let i = first; i < end; i++) x[i + 1024] = (x[i] as number) + 1;
    };
    const into = ({ x, at }: { x: Int32Array; at: number }): void => {
      x[at] = 7;
    };
    const anonymous = hms.space.alloc(Int32Array, 4096, { name: "anonymous" });
    const shared = hms.space.alloc(Int32Array, 4096, { name: "shared", kind: "shared" });
    for (const x of [anonymous, shared]) {
      x.view.fill(1);
      hms.space.protect(x.slice(0, 1024), "read");
      const queue = hms.device("accel0").queue();
      await queue.run(half, { x: x.update() }, { range: { first: 0, end: 1024 } });
      assert.deepEqual([x.view[0], x.view[1024], x.view[2047], x.view[2048]], [1, 2, 2, 1]);
      const fails = (at: number): Promise<unknown> => queue.run(into, { x: x.update(), at }, { whole: true });
      for (let round = 0; round < 3; round++) {
        const error = await errorOf(() => fails(3));
        assert.deepEqual([error.code, error.errno], ["DEVICE_FAULT", "EFAULT"]);
        assert.match(
          error.message,
          /it wrote to x \(region \d+\), bytes 0 to 4095, at 0x[0-9a-f]+, which may only be read\.$/,
        );
        await queue.run(into, { x: x.slice(2048, 4096).update(), at: round }, { whole: true });
      }
      assert.deepEqual([...x.view.subarray(0, 4), ...x.view.subarray(2048, 2052)], [1, 1, 1, 1, 7, 7, 7, 1]);
      hms.space.protect(x, "update");
      await fails(3);
      assert.equal(x.view[3], 7);
    }
  });

  test("whose thread has to be ended is told of, with what it was ended for; and so are who touched what", async () => {
    using hms = await open(small);
    using events = hms.events({ topics: ["faults", "devices"] });
    const x = hms.space.alloc(Float64Array, 10);
    const queue = hms.device("accel0").queue();
    await queue.run(addOne, { x: x.update() });
    const [touch] = events.take();
    assert.deepEqual([touch?.kind, touch?.who, touch?.to], ["device-fault", "accel0", "accel0 memory"]);
    const endless = ({ x }: { x: Float64Array }): void => {
      for (;;) x[1] = 9;
    };
    const running = queue.run(endless, { x: x.update() }, { whole: true });
    running.catch(() => undefined);
    await until(() => x.view[1] === 9);
    queue.reset();
    assert.equal((await errorOf(() => running)).code, "QUEUE_RESET");
    const device = events.take().filter(({ kind }) => kind === "device");
    assert.deepEqual(
      device.map(({ who }) => who),
      ["accel0"],
    );
    assert.match(
      device[0]?.text ?? "",
      /^thread: it was ended, because queue 0 had to end, and its request did not/,
    );
  });

  test("works on while its regions go", async () => {
    using hms = await open(small);
    const queue = hms.device("accel0").queue();
    for (let round = 0; round < 20; round++) {
      const x = hms.space.alloc(Float64Array, 200_000);
      const run = queue.run(addOne, { x: x.update() });
      if (round % 2 === 0) await run;
      x.free();
      await run.catch(() => undefined);
    }
    const x = hms.space.alloc(Float64Array, 10);
    await queue.run(addOne, { x: x.update() });
    assert.equal(x.view[9], 1);
  });

  test("runs WebAssembly on regions", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 100_000);
    for (let i = 0; i < x.length; i++) x.view[i] = i;
    const device = hms.device("accel0");
    const program = await device.load({ wasm: scaleModule({ initial: 17 }) }, { name: "scale" });
    assert.ok(program.kernels.includes("scale"));
    const queue = device.queue();
    await queue.run(program.kernel("scale"), { x: x.update(), a: 3 });
    assert.equal(x.view[99_999], 299_997);
    const crash = await errorOf(() => queue.run(program.kernel("crash"), { x: x.update(), a: 3 }));
    assert.equal(crash.code, "KERNEL_FAILED");
    await queue.run(program.kernel("scale"), { x: x.update(), a: 2 });
    assert.equal(x.view[99_999], 599_994);
  });

  test("refuses programs that are none", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const codes = async (run: () => unknown): Promise<string> => (await errorOf(run)).code;
    assert.ok(await codes(() => device.load({ text: "this is no module (" })));
    assert.ok(await codes(() => device.load({ url: new URL("file:///no/such/module.js") })));
    assert.equal(await codes(() => device.load({ wasm: new Uint8Array([1, 2, 3]) })), "BAD_PROGRAM");
    assert.equal(
      await codes(() => device.load({ text: "export const a = 1;" }, { kernels: ["sum"] })),
      "NO_SUCH_KERNEL",
    );
    const program = await device.load({ text: "export function sum() {}" });
    const queue = device.queue();
    assert.equal(await codes(() => queue.run(program.kernel("product"), {})), "NO_SUCH_KERNEL");
    await queue.run(program.kernel("sum"), {});
    program.unload();
    assert.equal(await codes(() => device.control({ command: "dance" })), "UNKNOWN_COMMAND");
  });

  test("there are as many as the device has", async () => {
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB,queues=2"] });
    const device = hms.device("accel0");
    const first = device.queue();
    device.queue();
    assert.equal(device.attributes.instances, 0);
    assert.equal((await errorOf(() => device.queue())).code, "NO_INSTANCES");
    first.close();
    for (let i = 0; i < 100 && device.attributes.instances === 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    device.queue();
  });
});
