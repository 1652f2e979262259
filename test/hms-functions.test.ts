// Functions as kernels: the same text is one program, and programs of functions make room for others.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Device, type IndexRange, open } from "hms";
import { errorOf, skip, small, until } from "./support/hms-lab.ts";

type X = { readonly x: Int32Array };

/** A function with a text of its own. */
const numbered = (i: number): ((values: X) => void) =>
  new Function("{ x }", `x[0] += ${i};`) as (values: X) => void;

/** Programs that the device has, by what it calls their kernels; up to 256 of them. */
const names = (device: Device): readonly string[] => device.attributes.algorithms;

describe("functions", { skip }, () => {
  test("that are written in a loop are one program", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1);
    const device = hms.device("accel0");
    const queue = device.queue();
    // More often than a device can have programs.
    for (let i = 0; i < 5000; i++) await queue.run(({ x }: X) => void (x[0] as number)++, { x: x.update() });
    assert.deepEqual([x.view[0], names(device)], [5000, ["kernel/kernel"]]);
    const batch = Array.from({ length: 300 }, () => ({
      kernel: ({ x }: X): void => {
        (x[0] as number) += 2;
      },
      args: { x: x.update() },
    }));
    await queue.submit(batch);
    assert.equal(x.view[0], 5600);
    assert.deepEqual(names(device), ["kernel/kernel", "kernel/kernel"]);
    // All at once, from several queues, before any is loaded.
    const others = [device.queue(), device.queue()];
    await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        (others[i % 2] ?? queue).run(({ x }: X) => void x.fill(-1), { x: x.update() }),
      ),
    );
    assert.deepEqual([x.view[0], names(device).length], [-1, 3]);
  });

  test("make room for others, but not while requests use them, and programs that were loaded stay", {
    timeout: 120_000,
  }, async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 2);
    const device = hms.device("accel0");
    const [queue, other] = [device.queue(), device.queue()];
    const mine = await device.load({ text: "export function mine({ x }) { x[1]++; }" }, { name: "mine" });
    const wish = new AbortController();
    /** Takes years, between whose parts the device does other things. */
    const years = ({ x }: X, { first, end }: IndexRange): void => {
      for (let i = first; i < end; i++) x[0] = i;
    };
    const late = ({ x }: X): void => x.set([77], 1);
    await queue.run(late, { x: x.update() });
    x.view[1] = 0;
    const [often, once] = [numbered(1000), numbered(1001)];
    const [used, unused] = [await device.programOf(often), await device.programOf(once)];
    const load = async (i: number): Promise<void> => {
      await device.programOf(numbered(i));
      device.programOf(often);
    };
    for (let i = 1002; i < 2000; i++) await load(i);
    const options = { range: { first: 0, end: 2 ** 50 }, signal: wish.signal };
    const busy = queue.run(years, { x: x.update() }, options);
    busy.catch(() => undefined);
    // Behind the one that runs until it is cancelled.
    const waiting = queue.run(late, { x: x.update() });
    for (let i = 2000; i < 2060; i++) await load(i);
    assert.deepEqual([used.gone, unused.gone, mine.gone], [false, true, false]);
    assert.equal(device.programOf(often), used);
    wish.abort();
    assert.equal((await errorOf(() => busy)).code, "REQUEST_CANCELED");
    await waiting;
    assert.equal(x.view[1], 77);
    // Those that had to go come back when they are used.
    x.view[0] = 0;
    for (const kernel of [often, once, numbered(1002)]) await other.run(kernel, { x: x.update() });
    await other.run(mine.kernel("mine"), { x: x.update() });
    assert.deepEqual([...x.view], [3003, 78]);
  });

  test("make room for programs that are loaded", { timeout: 120_000 }, async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const x = hms.space.alloc(Int32Array, 1);
    const queue = device.queue();
    for (let i = 0; i < 3; i++) await queue.run(numbered(i), { x: x.update() });
    const text = "export function none() {}";
    // Those of functions were used lately, and are looked at twice.
    const loaded = [];
    for (let i = 0; i < 4096; i += 64)
      loaded.push(...(await Promise.all(Array.from({ length: 64 }, () => device.load({ text })))));
    const error = await errorOf(() => device.load({ text }));
    assert.deepEqual([error.code, error.errno], ["TOO_MANY_PROGRAMS", "ENOSPC"]);
    assert.match(error.message, /4096 are loaded, the most that a device can have\. Unload one\.$/);
    for (const program of loaded.slice(0, 10)) program.unload();
    await queue.run(numbered(1), { x: x.update() });
    assert.equal(x.view[0], 0 + 1 + 2 + 1);
  });
});

describe("a program", { skip }, () => {
  test("is unloaded when no request uses it, and again does nothing", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const x = hms.space.alloc(Int32Array, 1);
    const queue = device.queue();
    const text =
      "export function wait({ x }, range, device) { while (!device.canceled) Atomics.add(x, 0, 0); } export function add({ x }) { x[0]++; }";
    const program = await device.load({ text }, { name: "basics" });
    const wish = new AbortController();
    const running = queue.run(program.kernel("wait"), { x: x.update() }, { signal: wish.signal });
    const behind = queue.submit([{ kernel: program.kernel("add"), args: { x: x.update() } }]);
    running.catch(() => undefined);
    const error = await errorOf(() => program.unload());
    assert.deepEqual([error.code, error.errno], ["PROGRAM_BUSY", "EBUSY"]);
    assert.match(error.message, /^Unloading program basics from accel0 failed: 2 requests use it\./);
    await until(() => queue.statistics().faults > 0);
    wish.abort();
    await Promise.allSettled([running, behind]);
    assert.equal(x.view[0], 1);
    program.unload();
    program.unload();
    assert.equal(program.gone, true);
    const gone = await errorOf(() => queue.run(program.kernel("add"), { x: x.update() }));
    assert.deepEqual([gone.code, gone.errno], ["NO_SUCH_KERNEL", "ENOENT"]);
    assert.match(gone.message, /^Naming kernel add failed: its program basics was unloaded from accel0\./);
    assert.equal(x.view[0], 1);
  });

  test("that was cancelled while it waited, closed or refused is in use no more", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const x = hms.space.alloc(Int32Array, 1);
    const queue = device.queue({ depth: 2 });
    const text =
      "export function wait({ x }, range, device) { while (!device.canceled) Atomics.add(x, 0, 0); } export function add({ x }) { x[0]++; }";
    const program = await device.load({ text });
    const add = { kernel: program.kernel("add"), args: { x: x.update() } };
    const [first, second] = [new AbortController(), new AbortController()];
    const running = queue.run(program.kernel("wait"), { x: x.update() }, { signal: first.signal });
    const others = [queue.run(add.kernel, add.args), queue.run(add.kernel, add.args)];
    const canceled = queue.run(add.kernel, add.args, { signal: second.signal });
    for (const one of [running, ...others, canceled]) one.catch(() => undefined);
    await until(() => queue.statistics().faults > 0);
    second.abort();
    assert.equal((await errorOf(() => canceled)).code, "REQUEST_CANCELED");
    first.abort();
    await Promise.allSettled([running, ...others]);
    await queue.drain();
    assert.equal(program.users, 0);
    const last = [queue.run(program.kernel("wait"), { x: x.update() }), queue.submit([add, add, add])];
    for (const one of last) one.catch(() => undefined);
    queue.close();
    await Promise.allSettled(last);
    assert.equal(program.users, 0);
    await errorOf(() => queue.submit([add]));
    const next = device.queue();
    await errorOf(() => next.submit([add, { ...add, args: { x: "x" as never } }]));
    assert.equal(program.users, 0);
    program.unload();
  });
});
