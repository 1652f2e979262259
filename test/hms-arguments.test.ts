// What programs hand over by mistake: refused before anything is done, in a sentence that names it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { open } from "hms";
import { errorOf, folder, skip, small } from "./support/hms-lab.ts";

type Loose = (...args: unknown[]) => unknown;
const loose = (owner: object, method: string): Loose =>
  ((owner as Record<string, Loose>)[method] as Loose).bind(owner);

async function refused(run: () => unknown, code: string, message: RegExp): Promise<void> {
  const error = await errorOf(run);
  assert.deepEqual([error.code, error.errno], [code, "EINVAL"], error.message);
  assert.match(error.message, message);
  assert.match(error.message, /^[^\n]+ failed: [^\n]+\.$/);
}

describe("what is handed over", { skip }, () => {
  test("an option that is not known is named, with the nearest and all that there are", async () => {
    await refused(
      () => open({ bogus: 1 } as object),
      "BAD_OPTION",
      /no option "bogus"; allowed are ram, devices, swap, swapMax, watchdog/,
    );
    await refused(() => open({ device: ["accel"] } as object), "BAD_OPTION", /did you mean devices\?/);
    await refused(() => open({ devices: "accel" } as object), "BAD_OPTION", /devices must be an array/);
    await refused(() => open(null as unknown as object), "BAD_OPTION", /must be an object, not null/);
    await refused(() => open({ swapMax: "1" }), "BAD_SIZE", /swapMax must be at least 1 MiB, not 1 bytes/);
    using hms = await open(small);
    const alloc = loose(hms.space, "alloc");
    const before = hms.space.statistics().regions;
    await refused(
      () => alloc(Uint8Array, 5, { kind: "foo" }),
      "BAD_OPTION",
      /no kind "foo"; allowed are private/,
    );
    await refused(() => alloc(Uint8Array, 5, { kind: "share" }), "BAD_OPTION", /did you mean shared\?/);
    await refused(() => alloc(Uint8Array, 5, { nme: "x" }), "BAD_OPTION", /"nme" \(did you mean name\?\)/);
    await refused(() => alloc(Uint8Array, 5, { name: 5 }), "BAD_OPTION", /name must be text, not 5/);
    await refused(() => alloc(Uint8Array, 5, { toString: 5 }), "BAD_OPTION", /no option "toString"/);
    await refused(() => alloc(Uint8Array, 5, "x"), "BAD_OPTION", /must be an object, not "x"/);
    using place = folder();
    const file = loose(hms.space, "file");
    const path = `${place.path}/new`;
    await refused(
      () => file(path, Uint8Array, { writeable: true, length: 5 }),
      "BAD_OPTION",
      /mean writable/,
    );
    await refused(
      () => file(path, Uint8Array, { length: 5n }),
      "BAD_OPTION",
      /length must be a number, not 5n/,
    );
    await refused(() => file(undefined, Uint8Array), "BAD_FILE", /must be text, not undefined/);
    assert.equal(hms.space.statistics().regions, before);
    const device = hms.device("accel0");
    await refused(() => loose(device, "queue")({ dept: 4 }), "BAD_OPTION", /did you mean depth/);
    await refused(() => loose(hms, "events")({ topic: [] }), "BAD_OPTION", /did you mean topics/);
    await refused(() => loose(hms, "serve")("x", { mod: 1 }), "BAD_OPTION", /did you mean mode/);
    await refused(
      () => loose(device, "load")({ text: "" }, { names: "x" }),
      "BAD_OPTION",
      /did you mean name/,
    );
    const x = hms.space.alloc(Float32Array, 10, { name: undefined } as object);
    const queue = device.queue();
    const run = loose(queue, "run");
    await refused(() => run(() => {}, {}, { ranges: 1 }), "BAD_OPTION", /did you mean range/);
    await refused(() => run(() => {}, {}, { range: 5 }), "BAD_OPTION", /range must be an object, not 5/);
    for (const range of [[0, 9], { first: 5 }, { first: 0, end: 1.5 }])
      await refused(() => run(() => {}, {}, { range }), "BAD_ARGUMENT", /range must have first and end/);
    await refused(() => run(() => {}, null), "BAD_ARGUMENT", /must be an object .*, not null/);
    await refused(() => run(undefined, {}), "BAD_ARGUMENT", /kernel must be a function .*, not undefined/);
    await refused(() => run(() => {}, { x: x.view }), "BAD_ARGUMENT", /argument x .*, not Float32Array/);
    await refused(() => run(() => {}, { x: { array: x.view } }), "BAD_ARGUMENT", /not of Float32Array/);
    await refused(
      () => loose(queue, "submit")([{ kernel() {}, arg: {} }]),
      "BAD_OPTION",
      /did you mean args/,
    );
    await refused(() => loose(queue, "stop")({ drains: true }), "BAD_OPTION", /did you mean drain/);
    assert.equal(queue.inFlight, 0);
    assert.equal((await queue.run(() => {}, { x: x.read() })).request, 0);
  });

  test("what is no region is told so", async () => {
    using hms = await open(small);
    const { space } = hms;
    const nothings: readonly [unknown, RegExp][] = [
      [new Float32Array(4), /not Float32Array/],
      [undefined, /not undefined/],
      [null, /not null/],
      ["x", /not "x"/],
      [{}, /not Object/],
    ];
    const methods = ["explain", "residency", "migrate", "prefetch", "advise", "bind", "protect", "snapshot"];
    for (const method of methods)
      for (const [nothing, message] of nothings)
        await refused(() => loose(space, method)(nothing, "host"), "BAD_REGION", message);
    const x = space.alloc(Float32Array, 100);
    await refused(() => loose(space, "snapshot")(x.slice(1, 5)), "BAD_REGION", /whole region/);
    await refused(() => loose(space, "protect")(x, "reed"), "BAD_OPTION", /did you mean read/);
    await refused(
      () => loose(space, "migrate")(x, "host", { duplicates: 1 }),
      "BAD_OPTION",
      /mean duplicate/,
    );
    assert.equal(space.explain(x.slice(1, 5)).length, 1);
  });

  test("what is no length is told so", async () => {
    using hms = await open(small);
    const alloc = loose(hms.space, "alloc");
    const lengths: readonly [unknown, RegExp][] = [
      [5n, /not 5n/],
      ["5", /not "5"/],
      [undefined, /not undefined/],
      [Number.NaN, /not NaN/],
      [-1, /not -1/],
      [0.5, /not 0.5/],
      [new Float32Array(4), /not Float32Array/],
    ];
    for (const [length, message] of lengths)
      await refused(() => alloc(Float32Array, length), "BAD_LENGTH", message);
  });
});
