// What queues are asked to run, and by what of whom: refused before anything is done, or done as it was asked.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { asyncClient, CORE, SocketClient } from "@hms/uabi";
import { attach, type HmsError, type IndexRange, open, type Queue } from "hms";
import { scaleModule } from "../packages/drivers/accel/src/testing/wasm-module.ts";
import { errorOf, folder, skip, small } from "./support/hms-lab.ts";

type Loose = (...args: unknown[]) => unknown;
const loose = (owner: object, method: string): Loose =>
  ((owner as Record<string, Loose>)[method] as Loose).bind(owner);

async function refused(run: () => unknown, code: string, message: RegExp): Promise<HmsError> {
  const error = await errorOf(run);
  assert.deepEqual([error.code, error.errno], [code, "EINVAL"], error.message);
  assert.match(error.message, message);
  assert.match(error.message, /^[^\n]+ failed: [^\n]+\.$/);
  return error;
}

const fill = ({ x, a }: { x: Int32Array; a: number }, { first, end }: IndexRange): void => {
  x.fill(a, first, end);
};

/** A function that is one here, but not in a module. */
const sloppy = (): (() => void) => new Function("with ({}) {}") as () => void;

/** How many requests it was given. */
const submitted = (queue: Queue): number => queue.statistics().submitted;

describe("what is of another", { skip }, () => {
  test("hms is refused: regions, slices, spaces and programs", async () => {
    using ours = await open({ ram: "16MiB", devices: ["accel:memory=1MiB"] });
    using theirs = await open({ ram: "16MiB", devices: ["accel:memory=1MiB"] });
    // Their handles and their numbers are the same.
    const x = ours.space.alloc(Int32Array, 1000, { name: "x" });
    const y = theirs.space.alloc(Int32Array, 1000, { name: "y" });
    assert.equal(x.id, y.id);
    const device = ours.device("accel0");
    const queue = device.queue();
    for (const part of [y, y.slice(5, 10)]) {
      const args = { x: part.write(), a: 99 };
      await refused(() => queue.run(fill, args), "OTHER_SPACE", /Running a kernel on y .* another hms/);
      await refused(() => queue.submit([{ kernel: fill, args }]), "OTHER_SPACE", /another hms/);
    }
    await refused(() => device.queue({ space: theirs.space }), "OTHER_SPACE", /another hms/);
    const text = "export function other({ x }) { x.fill(5); }";
    const program = await theirs.device("accel0").load({ text }, { name: "theirs" });
    await refused(
      () => queue.run(program.kernel("other"), { x: x.write() }),
      "OTHER_DEVICE",
      /kernel other of program theirs on accel0 failed: .* accel0 of another hms/,
    );
    assert.equal(submitted(queue), 0);
    assert.deepEqual(device.attributes.algorithms, []);
    assert.deepEqual([x.view[0], y.view[0]], [0, 0]);
    // The same hms, by another connection of this thread.
    using same = attach<Int32Array>(x.handle());
    await queue.run(fill, { x: same.write(), a: 3 });
    using again = attach(ours.handle());
    using second = again.device("accel0").queue();
    const own = await device.load({ text }, { name: "ours" });
    await second.run(own.kernel("other"), { x: x.slice(0, 1).write() });
    assert.deepEqual([x.view[0], x.view[999], y.view[0]], [5, 3, 0]);
  });

  test("device is refused: a kernel has the number of another kernel there", async () => {
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB", "accel:memory=1MiB"] });
    const x = hms.space.alloc(Int32Array, 4);
    const [first, second] = [hms.device("accel0"), hms.device("accel1")];
    const add = await first.load({ text: "export function add({ x }) { x[0] += 1; }" }, { name: "sums" });
    const wipe = await second.load({ text: "export function wipe({ x }) { x.fill(-666); }" });
    const queue = second.queue();
    const args = { x: x.update() };
    await queue.run(wipe.kernel("wipe"), args);
    x.view.fill(0);
    const message =
      /^Running kernel add of program sums on accel1 failed: another device has loaded it, accel0\./;
    await refused(() => queue.run(add.kernel("add"), args), "OTHER_DEVICE", message);
    const batch = [wipe.kernel("wipe"), add.kernel("add")].map((kernel) => ({ kernel, args }));
    await refused(() => queue.submit(batch), "OTHER_DEVICE", message);
    const wasm = await first.load({ wasm: scaleModule({ initial: 17 }) });
    await refused(() => queue.run(wasm.kernel("scale"), args), "OTHER_DEVICE", /Load the program on this/);
    // Who asks by the interface names numbers.
    using place = folder();
    await using _server = await hms.serve(`${place.path}/socket`);
    const client = await SocketClient.open(`${place.path}/socket`);
    const { queue: asks } = asyncClient(CORE, client);
    await refused(
      () => asks.attach({ queue: queue.id, region: x.id, registration: wasm.id }),
      "OTHER_DEVICE",
      /of accel1 failed: the program that is named is on accel0/,
    );
    client.close();
    assert.deepEqual([...x.view], [0, 0, 0, 0]);
    assert.equal(submitted(queue), 1);
    // A function is brought to both.
    const both = ({ x }: { x: Int32Array }): void => void (x[0] as number)++;
    for (const one of [first.queue(), queue]) await one.run(both, args);
    assert.equal(x.view[0], 2);
  });

  test("space that is closed, or none, is refused", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    await refused(() => loose(device, "queue")({ space: {} }), "BAD_OPTION", /space must be a space/);
    const space = hms.createSpace();
    space.close();
    assert.equal((await errorOf(() => device.queue({ space }))).code, "SPACE_CLOSED");
    assert.equal(device.queues.size, 0);
  });
});

describe("arguments", { skip }, () => {
  test("that are bigints have 64 bits with their sign, or are refused", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(BigInt64Array, 1);
    const queue = hms.device("accel0").queue();
    const set = ({ x, a }: { x: BigInt64Array; a: bigint }): void => void x.fill(a);
    for (const a of [2n ** 63n, 2n ** 64n, 2n ** 64n + 5n, -(2n ** 63n) - 1n, -(2n ** 70n)]) {
      const args = { x: x.update(), a };
      const message = /argument a must be a bigint from -2\^63 to 2\^63 - 1, not -?\d+\.$/;
      await refused(() => queue.run(set, args), "BAD_ARGUMENT", message);
      await refused(() => queue.submit([{ kernel: set, args }]), "BAD_ARGUMENT", message);
    }
    assert.equal(submitted(queue), 0);
    for (const a of [2n ** 63n - 1n, -(2n ** 63n), 0n]) {
      await queue.run(set, { x: x.update(), a });
      assert.equal(x.view[0], a);
    }
    await refused(
      () => queue.run(set, { x: x.update(), a: 2n ** 63n }),
      "BAD_ARGUMENT",
      /not 9223372036854775808/,
    );
  });

  test("have names that a kernel can see them by", async () => {
    using hms = await open(small);
    const queue = hms.device("accel0").queue();
    const run = loose(queue, "run");
    const kernel = (): void => {};
    const proto = JSON.parse('{"__proto__": 5}') as object;
    for (const args of [proto, { "": 1 }, { ["é".repeat(129)]: 1 }, { "a\0b": 1 }, { "\ud800": 1 }])
      await refused(() => run(kernel, args), "BAD_ARGUMENT", /the name of an argument must have/);
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`a${i}`, i]));
    await refused(() => run(kernel, many), "BAD_ARGUMENT", /has 70 arguments, .* 32 at most/);
    for (const args of [[1, 2], new Map([["a", 1]]), new Set(), Promise.resolve({}), new Float32Array(2)])
      await refused(
        () => run(kernel, args),
        "BAD_ARGUMENT",
        /must be an object .*, not [A-Z][A-Za-z0-9]+\.$/,
      );
    assert.equal(submitted(queue), 0);
    assert.deepEqual(hms.device("accel0").attributes.algorithms, []);
    // Names with commas, which together read as other names.
    const x = hms.space.alloc(Float64Array, 2);
    const names = (values: { readonly x: Float64Array }): void => {
      values.x[0] = Object.keys(values).length;
      values.x[1] = Object.keys(values).join("|").length;
    };
    await queue.run(names, { x: x.update(), "a,b": 1, c: 2 });
    assert.deepEqual([...x.view], [3, 7]);
    await queue.run(names, { x: x.update(), a: 1, "b,c": 2 });
    await queue.run(names, { x: x.update(), a: 1, b: 1, c: 2 });
    assert.deepEqual([...x.view], [4, 7]);
    class Both {
      readonly x = x.update();
      readonly y = 5;
    }
    await run(names, new Both());
    assert.equal(x.view[0], 2);
  });

  test("of a batch, of a program: what is none is told so", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const queue = device.queue();
    const [run, submit, load] = [loose(queue, "run"), loose(queue, "submit"), loose(device, "load")];
    for (const batch of [null, undefined, 5, {}, new Map()])
      await refused(() => submit(batch), "BAD_ARGUMENT", /batch must be an array, not /);
    await refused(() => submit([null]), "BAD_OPTION", /not null/);
    for (const kernel of [{}, { program: {}, name: "x" }, { program: null }, null, "x"])
      await refused(
        () => run(kernel, {}),
        "BAD_ARGUMENT",
        /kernel must be a function or a kernel of a program/,
      );
    const sources: readonly [unknown, RegExp][] = [
      [null, /not null\.$/],
      [undefined, /not undefined\.$/],
      ["export {}", /not "export \{\}"\.$/],
      [{}, /not Object\.$/],
      [{ text: 5 }, /not \{ text: 5 \}\.$/],
      [{ text: "" }, /not \{ text: "" \}\.$/],
      [{ url: 5 }, /not \{ url: 5 \}\.$/],
      [{ wasm: "x" }, /not \{ wasm: "x" \}\.$/],
      [{ text: "export {}", wasm: new Uint8Array(1) }, /not \{ text: "export \{\}", wasm: Uint8Array \}\.$/],
    ];
    for (const [source, message] of sources) await refused(() => load(source), "BAD_PROGRAM", message);
    await refused(() => load({ text: "export {}" }, { name: "" }), "BAD_OPTION", /name must be text of 1 to/);
    await refused(() => load({ text: "export {}" }, { kernels: [5] }), "BAD_OPTION", /kernels must be text/);
  });
});

describe("kernels", { skip }, () => {
  test("run from beginning to end: neither async nor generators", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1);
    const device = hms.device("accel0");
    const queue = device.queue();
    const run = loose(queue, "run");
    const never: readonly [unknown, RegExp][] = [
      [
        function* ({ x }: { x: Int32Array }): Generator<unknown> {
          yield x.fill(9);
        },
        /it is a generator;/,
      ],
      [async function* (): AsyncGenerator<void> {}, /it is an async generator;/],
      [async ({ x }: { x: Int32Array }): Promise<void> => void x.fill(9), /it is an async function;/],
      [Math.max, /it has no source text/],
    ];
    for (const [kernel, message] of never)
      await refused(() => run(kernel, { x: x.update() }), "NOT_A_KERNEL", message);
    assert.equal(submitted(queue), 0);
    assert.deepEqual(device.attributes.algorithms, []);
    const program = await device.load({
      text: "export function* steps({ x }) { x[0] = 9; } export async function later({ x }) { x[0]++; }",
    });
    for (const [name, what] of [
      ["steps", "a generator"],
      ["later", "a promise"],
    ] as const)
      await refused(
        () => queue.run(program.kernel(name), { x: x.update() }),
        "KERNEL_FAILED",
        new RegExp(`its kernel returned ${what}; kernels run from beginning to end\\.$`),
      );
    // A comment may say what built-in functions are made of.
    await queue.run(
      ({ x }: { x: Int32Array }) => {
        // { [native code] }
        x[0] = 7;
      },
      { x: x.update() },
    );
    assert.equal(x.view[0], 7);
  });

  test("whose request was refused, and whose program handles that, end nothing", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 16);
    const queue = hms.device("accel0").queue();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const codes: string[] = [];
    const handle = (error: HmsError): void => void codes.push(error.code);
    // Behind one that waits for its kernel: those that cannot be loaded, at once, or when the device has tried.
    const first = queue.run(({ x }: { x: Int32Array }) => void x.fill(1), { x: x.update() });
    const never = queue.run(Math.max as never, { x: x.update() }).catch(handle);
    const strict = queue.run(sloppy(), { x: x.update() }).catch(handle);
    await Promise.all([first, never, strict]);
    await new Promise((later) => setTimeout(later, 50));
    process.off("unhandledRejection", note);
    assert.deepEqual([codes, unhandled, x.view[0]], [["NOT_A_KERNEL", "BAD_PROGRAM"], [], 1]);
  });

  test("that cannot be loaded let those before them in a batch end", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1);
    const queue = hms.device("accel0").queue();
    const add = ({ x }: { x: Int32Array }): void => void (x[0] as number)++;
    await queue.run(add, { x: x.update() });
    const batch = [add, add, sloppy(), add].map((kernel) => ({ kernel, args: { x: x.update() } }));
    await refused(() => queue.submit(batch), "BAD_PROGRAM", /Loading program anonymous failed: SyntaxError/);
    assert.deepEqual([queue.inFlight, x.view[0]], [0, 3]);
  });

  test("say what they failed of in whole characters", async () => {
    using hms = await open(small);
    const queue = hms.device("accel0").queue();
    for (const text of ["é", "中", "😀"])
      for (let ahead = 0; ahead < 4; ahead++) {
        const said = await errorOf(() =>
          queue.run(
            new Function(`throw new Error("${"a".repeat(ahead)}" + "${text}".repeat(300))`) as () => void,
            {},
          ),
        );
        assert.match(said.message, new RegExp(`failed: Error: a{${ahead}}(?:${text}){100,}\\.$`, "u"));
      }
  });
});

describe("a signal", { skip }, () => {
  test("that is none is refused before anything is done", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1);
    const queue = hms.device("accel0").queue();
    const add = ({ x }: { x: Int32Array }): void => void (x[0] as number)++;
    for (const signal of [{}, { aborted: false }, new AbortController(), []])
      await refused(
        () => queue.run(add, { x: x.update() }, { signal: signal as never }),
        "BAD_OPTION",
        /signal must be an AbortSignal, not (?:Object|AbortController|Array)\.$/,
      );
    await queue.drain();
    assert.deepEqual([submitted(queue), x.view[0]], [0, 0]);
    await queue.run(add, { x: x.update() }, { signal: new AbortController().signal });
    assert.equal(x.view[0], 1);
  });

  test("that outlives its requests keeps nothing of them", async () => {
    using hms = await open(small);
    const queue = hms.device("accel0").queue();
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]): void => {
      listeners++;
      addEventListener.apply(signal, args as Parameters<typeof addEventListener>);
    };
    signal.removeEventListener = (...args: unknown[]): void => {
      listeners--;
      removeEventListener.apply(signal, args as Parameters<typeof removeEventListener>);
    };
    const nothing = (): void => {};
    await queue.run(nothing, {});
    for (let i = 0; i < 20; i++) await queue.run(nothing, {}, { signal });
    assert.equal(listeners, 0);
  });
});

describe("a device that is closed", { skip }, () => {
  test("says so, and closing again does nothing", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const x = hms.space.alloc(Int32Array, 1);
    const program = await device.load({ text: "export function f({ x }) { x[0]++; }" });
    const queue = device.queue();
    await queue.run(program.kernel("f"), { x: x.update() });
    device.close();
    const again = hms.device("accel0");
    device.close();
    assert.equal(hms.device("accel0"), again);
    program.unload();
    for (const use of [
      () => device.queue(),
      () => device.attributes,
      () => device.load({ text: "export {}" }),
      () => device.control({ command: "status" }),
      () => device.programOf(() => {}),
    ]) {
      const error = await errorOf(use);
      assert.deepEqual([error.code, error.errno], ["DEVICE_CLOSED", "ENXIO"]);
      assert.match(error.message, /accel0 failed: it was closed\. Open it again: hms\.device\("accel0"\)\.$/);
    }
    // Its programs went with it.
    assert.deepEqual(again.attributes.algorithms, []);
    const next = again.queue();
    assert.equal(
      (await errorOf(() => next.run(program.kernel("f"), { x: x.update() }))).code,
      "NO_SUCH_KERNEL",
    );
    await next.run(({ x }: { x: Int32Array }) => void (x[0] as number)++, { x: x.update() });
    assert.equal(x.view[0], 2);
  });
});
