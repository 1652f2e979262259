import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { HmsError } from "@hms/topology";
import { QueueClient } from "./client.ts";
import { EAGAIN, ECANCELED, EFAULT, EINVAL, EIO, ENOENT, ENXIO, EPERM, ETIMEDOUT, WHY } from "./code.ts";
import type { KernelDevice } from "./engine-programs.ts";
import type { Request } from "./request.ts";
import { Lab } from "./testing/lab.ts";

type Floats = Record<"x" | "y", Float32Array>;
interface Range {
  readonly first: number;
  readonly end: number;
}

/** Runs until it is told to stop, and says so in its first element. */
function busy({ x }: { x: Int32Array }, _range: Range, device: KernelDevice): void {
  x[0] = 1;
  while (!device.canceled) x[1] = (x[1] ?? 0) + 1;
}

function endless({ x }: { x: Int32Array }): void {
  x[0] = 1;
  for (;;) x[1] = (x[1] ?? 0) + 1;
}

/** One index at a time, slowly. */
function slow({ x }: { x: Int32Array }, { first, end }: Range): void {
  for (let i = first; i < end; i++) {
    const until = performance.now() + 1;
    while (performance.now() < until);
    x[0] = i;
  }
}

const x = { region: 1, type: "int32", length: 16 } as const;

test("a request computes over typed arrays of a region, in parts of its range", async () => {
  await using lab = new Lab({ pages: 64 });
  const bytes = lab.fill();
  const floats = new Float32Array(bytes.buffer);
  const length = 30_000;
  for (let i = 0; i < length; i++) floats[i] = i;
  const saxpy = await lab.kernel(
    function saxpy({ x, y }: Floats, { first, end }: Range): void {
      for (let i = first; i < end; i++) y[i] = 2 * (x[i] ?? 0);
    },
    ["x", "y"],
  );
  const done = await lab.client.run({
    kernel: saxpy,
    args: [
      { region: 1, type: "float32", length, access: "read" },
      { region: 1, type: "float32", byteOffset: 4 * length, length, access: "write" },
    ],
  });
  assert.equal(done.code, 0);
  assert.ok(done.ran > 0 && done.waited >= 0);
  for (let i = 0; i < length; i++) assert.equal(floats[length + i], 2 * i);
});

test("numbers, bigints and every element type reach the kernel as they were", async () => {
  await using lab = new Lab();
  lab.fill();
  const kernel = await lab.kernel(
    ({ a, b, out }: { a: number; b: bigint; out: BigInt64Array }) => {
      out[0] = b;
      out[1] = BigInt(Math.round(a * 1000));
    },
    ["a", "b", "out"],
  );
  const out = { region: 1, type: "int64", length: 2 } as const;
  await lab.client.run({ kernel, args: [-1.5, -(2n ** 63n), out] });
  assert.deepEqual([...new BigInt64Array(lab.window.buffer, 0, 2)], [-(2n ** 63n), -1500n]);
  for (const value of [2n ** 63n, 2n ** 64n, -(2n ** 63n) - 1n])
    assert.throws(() => lab.client.submit({ kernel, args: [0, value, out] }), {
      code: "BAD_REQUEST",
      message: /argument 1 must be a bigint from -2\^63 to 2\^63 - 1, not -?\d+\.$/,
    });
  assert.equal(lab.client.inFlight, 0);
  const proto = ["__proto__"];
  await assert.rejects(
    lab.kernel(() => {}, proto),
    { code: "BAD_PARAMETERS", errno: "EINVAL" },
  );
  const names = await lab.kernel(
    ({ view, code }: { view: object; code: Uint8Array }) => {
      code[0] = view.constructor.name.length;
    },
    ["view", "code"],
  );
  const code = { region: 1, type: "uint8", length: 1 } as const;
  for (const [type, name] of [
    ["float16", "Float16Array"],
    ["uint8-clamped", "Uint8ClampedArray"],
    ["uint64", "BigUint64Array"],
  ] as const) {
    await lab.client.run({ kernel: names, args: [{ region: 1, byteOffset: 8, type, length: 4 }, code] });
    assert.equal(new Uint8Array(lab.window.buffer)[0], name.length);
  }
});

test("a kernel that throws fails its request only, and the detail says what it threw", async () => {
  await using lab = new Lab();
  lab.fill();
  const { client } = lab;
  const thrower = await lab.kernel(() => {
    throw new RangeError("no such thing");
  });
  const outside = await lab.kernel(() => (lab as unknown as { unknown: () => void }).unknown());
  const promising = await lab.kernel(() => Promise.resolve());
  const entries = await lab.kernel(() => [1].entries());
  const generating = await lab.kernel(() =>
    (function* steps() {
      yield 1;
    })(),
  );
  const recursive = await lab.kernel(function again(): void {
    again();
  });
  const fails = async (kernel: number, code: number, detail: RegExp): Promise<void> => {
    const completion = await client.completion(client.submit({ kernel }));
    assert.equal(completion.code, code);
    assert.match(completion.detail, detail);
  };
  await fails(thrower, EIO, /RangeError: no such thing/);
  await fails(outside, EIO, /ReferenceError: lab is not defined/);
  await fails(promising, EINVAL, /^its kernel returned a promise; kernels run from beginning to end$/);
  await fails(generating, EINVAL, /^its kernel returned a generator; /);
  assert.equal((await client.run({ kernel: entries })).code, 0);
  await fails(recursive, EIO, /call stack/);
  await fails(777, ENOENT, /no kernel 777/);
  assert.equal((await client.run({ kernel: 0 })).code, 0);
  await assert.rejects(client.run({ kernel: thrower }), (error: unknown) => {
    assert.ok(HmsError.is(error));
    assert.deepEqual([error.code, error.errno], ["KERNEL_FAILED", "EIO"]);
    return true;
  });
  assert.equal(lab.queue.statistics().errors, 7);
});

test("a kernel cannot end the thread or the process", async () => {
  await using lab = new Lab();
  for (const text of [
    "export function k() { process.exit(1); }",
    "export function k() { process.reallyExit(1); }",
    "export function k() { process.abort(); }",
    "export function k() { process.kill(process.pid, 9); }",
    "import process from 'node:process'; export function k() { process.exit(1); }",
  ]) {
    const reply = await lab.load({ kind: "text", text });
    assert.equal(reply.outcome, "OK");
    if (reply.outcome !== "OK") continue;
    const kernel = lab.driver.kernel(reply.program ?? 0, "k", []);
    const { code, detail } = await lab.client.completion(lab.client.submit({ kernel }));
    assert.equal(code, EIO);
    assert.match(detail, /may not call process/);
  }
  assert.equal(lab.driver.status().restarts, 0);
});

test("what a program leaves behind (timers that throw, rejections) ends nothing", async () => {
  await using lab = new Lab();
  const text = `
    setTimeout(() => { throw new Error("later"); }, 1);
    Promise.reject(new Error("unhandled"));
    export async function k() { throw new Error("in a promise"); }`;
  const reply = await lab.load({ kind: "text", text });
  assert.ok(reply.outcome === "OK");
  const kernel = lab.driver.kernel(reply.program ?? 0, "k", []);
  for (let i = 0; i < 3; i++)
    assert.equal((await lab.client.completion(lab.client.submit({ kernel }))).code, EINVAL);
  await lab.load({ kind: "text", text: "export const k = () => {};" });
  assert.equal(lab.driver.status().restarts, 0);
});

test("a full ring answers EAGAIN, and goes on when there is room", async () => {
  await using lab = new Lab({ depth: 4 });
  lab.fill();
  const kernel = await lab.kernel(busy, ["x"]);
  const { client } = lab;
  const first = client.submit({ kernel, args: [x], whole: true });
  for (let i = 0; i < 3; i++) assert.ok(client.submit({ kernel: 0 }) >= 0);
  assert.equal(client.submit({ kernel: 0 }), -EAGAIN);
  assert.equal(client.inFlight, 4);
  assert.equal(client.wait(first, 5), ETIMEDOUT);
  await lab.until(() => new Int32Array(lab.window.buffer)[0] === 1);
  assert.equal(client.cancel(first), "asked");
  assert.equal(client.drain(5000), true);
  assert.ok(client.submit({ kernel: 0 }) >= 0);
  assert.equal(client.drain(5000), true);
});

test("a request that has not begun is cancelled at once, and one that runs between its parts", async () => {
  await using lab = new Lab();
  lab.fill();
  const { client } = lab;
  const kernel = await lab.kernel(slow, ["x"]);
  const running = client.submit({ kernel, args: [x], range: { first: 0, end: 1e9 } });
  const waiting = client.submit({ kernel, args: [x] });
  const last = client.submit({ kernel: 0 });
  const words = new Int32Array(lab.window.buffer);
  await lab.until(() => (words[0] ?? 0) > 0);
  assert.equal(client.cancel(waiting), "canceled");
  const early = await client.completion(waiting);
  assert.deepEqual([early.code, early.why], [ECANCELED, WHY.canceled]);
  assert.equal(client.cancel(running), "asked");
  const ended = await client.completion(running);
  assert.deepEqual([ended.code, ended.why], [ECANCELED, WHY.canceled]);
  assert.match(ended.detail, /cancelled at index \d+/);
  assert.equal((await client.completion(last)).code, 0);
  assert.equal(client.cancel(last), "over");
  assert.deepEqual([lab.queue.statistics().canceled, lab.queue.statistics().errors], [2, 0]);
});

test("a wish to cancel one request does not reach the next", async () => {
  await using lab = new Lab();
  lab.fill();
  const { client } = lab;
  const kernel = await lab.kernel(slow, ["x"]);
  for (let round = 0; round < 20; round++) {
    const first = client.submit({ kernel, args: [x], range: { first: 0, end: 1 } });
    const second = client.submit({ kernel, args: [x], range: { first: 0, end: 2 } });
    client.cancel(first);
    assert.equal(client.wait(second, 5000), 0);
  }
});

test("a reset kills its own queue only, also when a kernel never ends", async () => {
  await using lab = new Lab();
  lab.fill();
  const other = lab.open();
  using otherClient = new QueueClient(other.mapping);
  const kernel = await lab.kernel(endless, ["x"]);
  const count = await lab.kernel(
    ({ x }: { x: Int32Array }, { first, end }: Range) => {
      for (let i = first; i < end; i++) x[4] = (x[4] ?? 0) + 1;
    },
    ["x"],
  );
  const running = lab.client.submit({ kernel, args: [x] });
  const queued = lab.client.submit({ kernel: 0 });
  const words = new Int32Array(lab.window.buffer);
  await lab.until(() => words[0] === 1);
  const others: number[] = [];
  for (let i = 0; i < 10; i++)
    others.push(otherClient.submit({ kernel: count, args: [x], range: { first: 0, end: 10 } }));
  lab.queue.reset();
  assert.equal(lab.queue.state, "zombie");
  const ran = await lab.client.completion(running);
  assert.deepEqual([ran.code, ran.why], [EIO, WHY.reset], "also when the thread had to be ended for it");
  const rest = await lab.client.completion(queued);
  assert.deepEqual([rest.code, rest.why], [ECANCELED, WHY.reset]);
  lab.fill();
  for (const id of others) assert.equal((await otherClient.completion(id)).code, 0);
  assert.equal(other.state, "started");
  assert.equal(lab.driver.status().restarts, 1);
});

test("in a dead queue calls answer ENXIO", async () => {
  await using lab = new Lab();
  const id = lab.client.submit({ kernel: 0 });
  assert.equal(lab.client.wait(id, 5000), 0);
  lab.queue.reset();
  assert.equal(lab.client.submit({ kernel: 0 }), -ENXIO);
  assert.equal(lab.client.state, "zombie");
  const dead = { errno: "ENXIO" };
  assert.throws(() => lab.queue.start(), dead);
  assert.throws(() => lab.queue.put(), dead);
  assert.throws(() => lab.queue.reset(), dead);
  assert.throws(() => lab.driver.attach(lab.queue, { region: 2, first: lab.first, pages: 1 }), dead);
  await assert.rejects(lab.client.run({ kernel: 0 }), {
    code: "QUEUE_DEAD",
    errno: "ENXIO",
    message: /dead, because it was reset\./,
  });
});

test("INIT to STARTED to INIT: put stops, what has not begun is cancelled, and it can start again", async () => {
  await using lab = new Lab();
  lab.fill();
  const { client, queue } = lab;
  assert.throws(() => queue.start(), { errno: "EINVAL" });
  const kernel = await lab.kernel(slow, ["x"]);
  const running = client.submit({ kernel, args: [x], range: { first: 0, end: 1e9 } });
  const waiting = client.submit({ kernel: 0 });
  const words = new Int32Array(lab.window.buffer);
  await lab.until(() => (words[0] ?? 0) > 0);
  queue.put();
  assert.equal(client.submit({ kernel: 0 }), -EINVAL);
  assert.throws(() => queue.put(), { errno: "EINVAL" });
  const first = await client.completion(running);
  assert.deepEqual([first.code, first.why], [ECANCELED, WHY.stopped]);
  const second = await client.completion(waiting);
  assert.deepEqual([second.code, second.why], [ECANCELED, WHY.stopped]);
  await lab.until(() => {
    try {
      queue.start();
      return true;
    } catch (error) {
      assert.ok(HmsError.is(error) && error.errno === "EBUSY");
      return false;
    }
  });
  assert.equal((await client.run({ kernel: 0 })).code, 0);
  assert.equal(lab.driver.status().restarts, 0);
});

test("put ends a kernel that does not end by itself, with the thread, after its time", async () => {
  await using lab = new Lab();
  lab.fill();
  const kernel = await lab.kernel(endless, ["x"]);
  const id = lab.client.submit({ kernel, args: [x] });
  await lab.until(() => new Int32Array(lab.window.buffer)[0] === 1);
  lab.queue.put();
  const ended = await lab.client.completion(id);
  assert.equal(ended.code, EIO);
  assert.equal(lab.queue.state, "zombie");
});

test("requests that make no sense fail alone, whatever their submission says", async () => {
  await using lab = new Lab();
  lab.fill();
  const { client } = lab;
  const kernel = await lab.kernel(({ x }: { x: Int32Array }) => x.fill(7), ["x"]);
  const bytes = lab.pages * 4096;
  const ends = async (request: Request, code: number): Promise<void> => {
    const completion = await client.completion(client.submit(request));
    assert.equal(completion.code, code, completion.detail);
    assert.notEqual(completion.detail, "");
  };
  await ends({ kernel, args: [{ ...x, region: 2 }] }, EFAULT);
  await ends({ kernel, args: [{ ...x, byteOffset: bytes }] }, EFAULT);
  await ends({ kernel, args: [{ ...x, byteOffset: bytes - 60 }] }, EFAULT);
  await ends({ kernel, args: [{ ...x, length: 2 ** 53 - 1 }] }, EFAULT);
  await ends({ kernel, args: [{ ...x, byteOffset: 2 ** 52, length: 2 ** 52 }] }, EFAULT);
  await ends({ kernel, args: [] }, EINVAL);
  await ends({ kernel, args: [x, x] }, EINVAL);
  assert.ok(new Uint8Array(lab.window.buffer).every((byte) => byte !== 7));
  for (const wrong of [
    { ...x, length: Number.NaN },
    { ...x, length: -1 },
    { ...x, byteOffset: 2 },
    { ...x, byteOffset: -4 },
    { ...x, byteOffset: 0.5 },
    { ...x, length: Number.POSITIVE_INFINITY },
    { ...x, region: -1 },
    { ...x, type: "int33" as "int32" },
    { ...x, access: "all" as "read" },
  ])
    assert.throws(() => client.submit({ kernel, args: [wrong] }), { code: "BAD_REQUEST", errno: "EINVAL" });
  for (const range of [
    { first: 1, end: 0 },
    { first: Number.NaN, end: 1 },
    { first: -1, end: 1 },
  ])
    assert.throws(() => client.submit({ kernel, args: [x], range }), { errno: "EINVAL" });
  assert.throws(() => client.submit({ kernel: 1.5 }), { errno: "EINVAL" });
  assert.throws(() => client.submit({ kernel, args: new Array(9).fill(1) }), { errno: "EINVAL" });
  assert.equal((await client.run({ kernel, args: [x] })).code, 0);
});

test("a queue reaches the space of its PASID only, and reads only where it may only read", async () => {
  await using lab = new Lab();
  const { driver } = lab;
  const stranger = lab.machine.host.createProcess();
  const secret = stranger.mmap({ pages: 1 });
  assert.throws(() => lab.context.queue({ pasid: 99 }), { errno: "ENODEV" });
  assert.throws(() => driver.attach(lab.queue, { region: 5, first: secret + 1000, pages: 1 }), {
    errno: "EFAULT",
  });
  using other = driver.openContext();
  const pasid = other.bind(stranger.space);
  assert.notEqual(pasid, lab.queue.pasid);
  assert.throws(() => lab.context.queue({ pasid }), { errno: "ENODEV" });
  const queue = other.queue({ pasid });
  driver.attach(queue, { region: 5, first: secret, pages: 1 });
  queue.start();
  lab.fill();
  const kernel = await lab.kernel(({ x }: { x: Int32Array }) => x.fill(7), ["x"]);
  const foreign = await lab.client.completion(lab.client.submit({ kernel, args: [{ ...x, region: 5 }] }));
  assert.equal(foreign.code, EFAULT);
  const reader = lab.context.queue({ pasid: lab.queue.pasid });
  driver.attach(reader, { region: 1, first: lab.first, pages: lab.pages, access: "read" });
  reader.start();
  using client = new QueueClient(reader.mapping);
  assert.equal((await client.completion(client.submit({ kernel, args: [x] }))).code, EPERM);
  assert.equal(
    (await client.completion(client.submit({ kernel, args: [{ ...x, access: "read" }] }))).code,
    0,
  );
});

test("one client at a time has a queue, in whatever thread it is", async () => {
  await using lab = new Lab();
  assert.throws(() => new QueueClient(lab.queue.mapping), { errno: "EBUSY" });
  assert.throws(() => new QueueClient({ ...lab.queue.mapping, memory: new SharedArrayBuffer(4096) }), {
    errno: "EPROTONOSUPPORT",
  });
  lab.client.close();
  const module = new URL("./client.ts", import.meta.url).href;
  const worker = new Worker(
    `const { workerData, parentPort } = require("node:worker_threads");
     import(workerData.module).then(({ QueueClient }) => {
       const client = new QueueClient(workerData.mapping);
       let last = 0;
       for (let i = 0; i < 1000; i++) { last = client.submit({ kernel: 0 }); client.wait(last); }
       client.close();
       parentPort.postMessage(last);
     });`,
    { eval: true, workerData: { module, mapping: lab.queue.mapping } },
  );
  const last = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  assert.equal(last, 999);
  await worker.terminate();
  using client = new QueueClient(lab.queue.mapping);
  assert.equal(client.submit({ kernel: 0 }), 1000);
  assert.throws(() => client.outcome(999), { code: "NO_SUCH_REQUEST" });
});

test("isolation: too many errors an hour take the device out of service, until it is set anew", async () => {
  await using lab = new Lab();
  const { driver } = lab;
  const kernel = await lab.kernel(() => {
    throw new Error("broken");
  });
  const command = (value: number): string => {
    let outcome = "";
    driver.control({ command: "set", parameter: "isolate_strategy", value }, (reply) => {
      outcome = reply.outcome === "OK" ? "OK" : (reply.error.errno ?? "");
    });
    return outcome;
  };
  assert.equal(command(65536), "EINVAL");
  assert.equal(command(-1), "EINVAL");
  assert.equal(command(1.5), "EINVAL");
  assert.equal(command(3), "OK");
  const fail = async (): Promise<void> => {
    await lab.client.completion(lab.client.submit({ kernel }));
  };
  await fail();
  await fail();
  await lab.until(() => driver.status().errorsLastHour === 2);
  lab.machine.host.clock.advance(3_700e9);
  await fail();
  await fail();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(driver.attributes().isolate, "0");
  await fail();
  await lab.until(() => driver.attributes().isolate === "1");
  assert.equal(lab.queue.state, "zombie");
  assert.throws(() => lab.open(), { code: "DEVICE_ISOLATED", errno: "ENODEV" });
  assert.equal(command(0), "OK");
  assert.equal(driver.attributes().isolate, "0");
  const queue = lab.open();
  using client = new QueueClient(queue.mapping);
  assert.equal((await client.run({ kernel: 0 })).code, 0);
});

test("control: a refused command gives its answer with the error", async () => {
  await using lab = new Lab();
  const asked = async (text: string): Promise<string> => {
    const reply = await lab.load({ kind: "text", text });
    return reply.outcome === "OK" ? "OK" : `${reply.outcome} ${reply.error.errno} ${reply.error.message}`;
  };
  assert.match(await asked("export function ("), /^ECANCELED EINVAL .*SyntaxError/);
  assert.match(await asked("throw new Error('at load')"), /^ECANCELED EINVAL .*at load/);
  assert.match(await asked("import 'no-such-module-anywhere'"), /^ECANCELED EINVAL/);
  assert.equal(await asked("export const k = () => {}; export const n = 5;"), "OK");
  assert.equal(lab.driver.attributes().algorithms, "test/k");
  assert.throws(() => lab.driver.kernel(4, "n", []), { errno: "ENOENT" });
  assert.throws(() => lab.driver.kernel(4, "k", ["a", "a"]), { errno: "EINVAL" });
  assert.throws(() => lab.driver.kernel(3, "k", []), { errno: "ENOENT" });
  lab.driver.control({ command: "dance" } as never, (reply) => {
    assert.ok(reply.outcome === "ECANCELED" && reply.error.errno === "EOPNOTSUPP");
  });
  lab.driver.control({ command: "status" }, (reply) => {
    assert.ok(reply.outcome === "OK" && reply.status?.state === "running");
  });
});

test("a program whose loading never ends is refused, and everything else goes on", async () => {
  await using lab = new Lab();
  const kernel = await lab.kernel(({ x }: { x: Int32Array }) => x.fill(7), ["x"]);
  const hanging = lab.load({ kind: "text", text: "for (;;) ;" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  lab.machine.host.clock.advance(6e9);
  const reply = await hanging;
  assert.ok(reply.outcome === "ECANCELED");
  assert.equal(reply.error.errno, "ETIMEDOUT");
  lab.fill();
  assert.equal((await lab.client.run({ kernel, args: [x] })).code, 0);
  assert.equal(new Int32Array(lab.window.buffer)[3], 7);
});

test("a kernel that fills the heap ends its request, not the process", { timeout: 120_000 }, async () => {
  await using lab = new Lab();
  const kernel = await lab.kernel(() => {
    const kept: number[][] = [];
    for (;;) kept.push(new Array(100_000).fill(1.5));
  });
  const completion = await lab.client.completion(lab.client.submit({ kernel }));
  assert.deepEqual([completion.code, completion.why], [EIO, WHY.deviceDied]);
  assert.match(completion.detail, /more than the 1024 MiB of heap .*; keep large data in regions/);
  await assert.rejects(lab.client.run({ kernel: 0 }), {
    code: "QUEUE_DEAD",
    message: /dead, because the device's thread ended while one of its requests ran\. Make another/,
  });
  const queue = lab.open();
  using client = new QueueClient(queue.mapping);
  assert.equal((await client.run({ kernel: 0 })).code, 0);
});

test("all instances, and what a closed context had", async () => {
  await using lab = new Lab({ queuesMax: 3 });
  const { driver } = lab;
  assert.equal(driver.attributes().available_instances, "2");
  const context = driver.openContext();
  const pasid = context.bind(lab.process.space);
  const queue = context.queue({ pasid });
  context.queue({ pasid, depth: 2, argumentsMax: 0 });
  assert.throws(() => context.queue({ pasid }), { errno: "EBUSY" });
  assert.throws(() => context.queue({ pasid, depth: 3 }), { errno: "EBUSY" });
  context.close();
  assert.equal(queue.state, "zombie");
  assert.throws(() => context.bind(lab.process.space), { errno: "ENXIO" });
  await lab.until(() => driver.attributes().available_instances === "2");
  const again = driver.openContext();
  for (const depth of [0, 1, 3, 2 ** 17, -1, 2.5])
    assert.throws(() => again.queue({ pasid: again.bind(lab.process.space), depth }), { errno: "EINVAL" });
  assert.equal(driver.attributes().available_instances, "2");
});

test("a region that is unmapped is reached no more, and its window goes", async () => {
  await using lab = new Lab();
  const second = lab.process.mmap({ pages: 2 });
  lab.driver.attach(lab.queue, { region: 2, first: second, pages: 2 });
  assert.equal(lab.machine.windows.size, 2);
  assert.throws(() => lab.driver.attach(lab.queue, { region: 2, first: second, pages: 2 }), {
    errno: "EEXIST",
  });
  const kernel = await lab.kernel(({ x }: { x: Int32Array }) => x[0], ["x"]);
  assert.equal((await lab.client.run({ kernel, args: [{ ...x, region: 2 }] })).code, 0);
  lab.process.munmap(second, 2);
  await lab.until(() => lab.machine.windows.size === 1);
  const gone = await lab.client.completion(lab.client.submit({ kernel, args: [{ ...x, region: 2 }] }));
  assert.equal(gone.code, EFAULT);
  assert.throws(() => lab.driver.detach(lab.queue, 2), { errno: "ENOENT" });
});
