// Other threads of the process use the same memory, at the same addresses.
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { attach, type HmsHandle, open, type RegionHandle } from "hms";
import { errorOf, skip, small } from "./support/hms-lab.ts";

/** A worker: its code sees `attach`, `data` and `tell`. */
function work(code: string, data: unknown): Worker {
  const text = `
    const { workerData: data, parentPort } = require("node:worker_threads");
    const tell = (value) => parentPort.postMessage(value);
    import("hms").then(async ({ attach, open }) => { ${code} });`;
  return new Worker(text, { eval: true, workerData: data });
}

async function done(worker: Worker): Promise<void> {
  const [code] = (await once(worker, "exit")) as [number];
  assert.equal(code, 0);
}

describe("another thread", { skip }, () => {
  test("writes what this one reads, while pages go to the device and to disk", async () => {
    using hms = await open({ ram: "16MiB", devices: ["accel:memory=4MiB"] });
    const x = hms.space.alloc(Uint32Array, 8 << 20);
    const half = x.length / 2;
    const worker = work(
      `using x = attach(data);
       for (let i = ${half}; i < x.length; i++) x.view[i] = i;
       for (let i = ${half}; i < x.length; i += 511) if (x.view[i] !== i) throw new Error(String(i));
       tell(x.address);`,
      x.handle(),
    );
    const address = once(worker, "message");
    const ended = done(worker);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < half; i += 5) x.view[i] = i + round;
      await hms.space.migrate(x.slice(round << 18, (round + 1) << 18), "accel0");
    }
    assert.deepEqual(await address, [x.address]);
    await ended;
    for (let i = half; i < x.length; i += 77) assert.equal(x.view[i], i);
    for (let i = 0; i < half; i += 55) assert.equal(x.view[i], i + 3);
  });

  test("has queues of its own", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 10_000);
    const code = `
      const { region, whole } = data;
      const hms = attach(whole);
      const x = attach(region);
      const queue = hms.device("accel0").queue();
      for (let i = 0; i < 50; i++)
        await queue.run(({ x, from }, { first, end }) => {
          for (let i = first; i < end; i++) x[i + from] += 1;
        }, { x: x.update(), from: data.from }, { range: { first: 0, end: 2500 } });
      x.free();
      hms.close();`;
    const data = (from: number): unknown => ({ region: x.handle(), whole: hms.handle(), from });
    await Promise.all([0, 2500, 5000].map((from) => done(work(code, data(from)))));
    assert.ok(x.view.subarray(0, 7500).every((one) => one === 50));
    assert.ok(x.view.subarray(7500).every((one) => one === 0));
  });

  test("keeps a region and hms from going while it uses them", async () => {
    const hms = await open(small);
    const x = hms.space.alloc(Int32Array, 10_000);
    const worker = work(
      `const x = attach(data);
       tell("there");
       parentPort.once("message", () => { x.view[1] = 2; x.free(); tell(x.view.length); parentPort.close(); });`,
      x.handle(),
    );
    await once(worker, "message");
    assert.equal((await errorOf(() => x.free())).code, "REGION_OPEN");
    assert.equal((await errorOf(() => hms.close())).code, "THREADS_ATTACHED");
    assert.equal(x.view[0], 0);
    worker.postMessage("go");
    assert.deepEqual(await once(worker, "message"), [0]);
    await once(worker, "exit");
    assert.equal(x.view[1], 2);
    x.free();
    hms.close();
  });

  test("that is ended from outside does not count any more", async () => {
    const hms = await open(small);
    const x = hms.space.alloc(Int32Array, 10_000_000);
    const worker = work(
      `const { region, whole } = data;
       const hms = attach(whole), x = attach(region);
       const queue = hms.device("accel0").queue();
       void queue.run(({ x }, range, device) => { while (!device.canceled) x[5]++; }, { x: x.update() });
       tell("there");
       for (let i = 0; ; i = (i + 1) % x.length) x.view[i]++;`,
      { region: x.handle(), whole: hms.handle() },
    );
    await once(worker, "message");
    await worker.terminate();
    x.free();
    hms.close();
  });

  test("that attaches a region twice has it until it has let go twice", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1000);
    const [first, second] = [attach(x.handle()), attach(x.handle())];
    first.free();
    assert.equal((await errorOf(() => attach({ ...x.handle(), length: 1e9 }))).code, "BAD_HANDLE");
    assert.equal((await errorOf(() => x.free())).code, "REGION_OPEN");
    second.view[5] = 7;
    assert.equal(x.view[5], 7);
    second.free();
    x.free();
  });

  test("cannot attach what is gone", async () => {
    const hms = await open(small);
    const x = hms.space.alloc(Int32Array, 100);
    const region: RegionHandle = structuredClone(x.handle());
    const whole: HmsHandle = structuredClone(hms.handle());
    x.free();
    assert.equal((await errorOf(() => attach(region))).errno, "ENOENT");
    hms.close();
    assert.equal((await errorOf(() => attach(region))).code, "HMS_CLOSED");
    assert.equal((await errorOf(() => attach(whole))).code, "HMS_CLOSED");
  });

  test("may open an hms of its own", async () => {
    await done(
      work(
        `using hms = await open({ ram: "16MiB", devices: ["accel:memory=4MiB"] });
         const x = hms.space.alloc(Float64Array, 1000);
         await hms.device("accel0").queue().run(({ x }) => void x.fill(3), { x: x.write() });
         if (x.view[999] !== 3) throw new Error("not written");`,
        null,
      ),
    );
  });
});
