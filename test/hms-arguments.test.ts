// What programs hand over by mistake: refused before anything is done, in a sentence that names it.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { attach, open, type Shared } from "hms";
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

  test("numbers and words out of their bounds are named with what is allowed", async () => {
    for (const watchdog of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.5])
      await refused(
        () => open({ watchdog }),
        "BAD_OPTION",
        /watchdog must be a number from 1 to 86400, not /,
      );
    await refused(() => open({ ram: 5 }), "BAD_RAM_SIZE", /8 MiB/);
    await refused(() => open({ swap: "" }), "BAD_OPTION", /option swap must be text of 1 to 4096 bytes/);
    await refused(() => open({ swap: "/tmp/a\0b" }), "BAD_OPTION", /without a zero character/);
    using hms = await open(small);
    const x = hms.space.alloc(Uint8Array, 65_536, { name: "x" });
    using events = hms.events({ topics: ["faults"] });
    for (const limit of [0, -1, Number.NaN, 1.5, 5000]) {
      await refused(
        () => events.take(limit),
        "BAD_OPTION",
        /limit must be a whole number from 1 to 4096, not /,
      );
      await refused(
        () => hms.regions(limit),
        "BAD_OPTION",
        /limit must be a whole number from 1 to 4096, not /,
      );
    }
    for (const capacity of [0, -1, Number.NaN, 2 ** 21])
      await refused(
        () => hms.events({ capacity }),
        "BAD_OPTION",
        /capacity must be a whole number from 1 to 1048576/,
      );
    for (const depth of [0, -1, Number.NaN, 65_537])
      await refused(
        () => hms.device("accel0").queue({ depth }),
        "BAD_OPTION",
        /depth must be a whole number/,
      );
    await refused(
      () => loose(hms, "events")({ topics: ["toString"] }),
      "BAD_TOPIC",
      /no topic "toString"; there/,
    );
    await refused(() => loose(hms, "events")({ topics: ["fault"] }), "BAD_TOPIC", /did you mean faults\?/);
    await refused(() => loose(hms, "events")({ topics: [5] }), "BAD_TOPIC", /no topic 5; there/);
    await refused(
      () => loose(hms.space, "advise")(x, "Cold"),
      "BAD_OPTION",
      /"Cold" \(did you mean cold\?\)/,
    );
    await refused(
      () => loose(hms.space, "prefetch")(x, 5),
      "BAD_OPTION",
      /its target must be text .*, not 5/,
    );
    await refused(() => hms.space.migrate(x, ""), "BAD_OPTION", /its target must be text .*, not ""/);
    await refused(() => loose(hms, "device")(5), "BAD_OPTION", /its name must be text .*, not 5/);
    await refused(() => hms.device(""), "BAD_OPTION", /its name must be text/);
    await refused(
      () => hms.space.alloc(Uint8Array, 5, { name: "a\0b" }),
      "BAD_OPTION",
      /name must be text without a zero/,
    );
  });

  test("of a file, what is no length, offset or path; no file is made", async () => {
    using place = folder();
    using hms = await open(small);
    const path = `${place.path}/none`;
    for (const options of [{}, { writable: true }, { private: true }]) {
      for (const length of [0, -1, Number.NaN, 1.5, 2 ** 50])
        await refused(
          () => hms.space.file(path, Uint8Array, { ...options, length }),
          "BAD_LENGTH",
          new RegExp(`none failed: its length must be a whole number .*, not ${length} elements`),
        );
      for (const offset of [-4096, Number.NaN, 100, 4096.5])
        await refused(
          () => hms.space.file(path, Uint8Array, { ...options, offset, length: 5 }),
          "BAD_FILE_OFFSET",
          new RegExp(`must be a multiple of 4096 bytes from 0 on, not ${offset}\\.`),
        );
    }
    for (const bad of ["", `${path}\0b`, `${path}\ud800`, `/${"x".repeat(5000)}`])
      await refused(
        () => hms.space.file(bad, Uint8Array, { writable: true, length: 5 }),
        "BAD_FILE",
        /its path must be/,
      );
    assert.deepEqual(readdirSync(place.path), []);
  });

  test("devices: what is no text, and words that say where pages are", async () => {
    await refused(() => open({ devices: [5] as never }), "BAD_DEVICE", /must be named by text, not 5\./);
    await refused(() => open({ devices: [""] }), "BAD_DEVICE", /no driver in it/);
    await refused(() => open({ devices: Array(65).fill("accel") }), "BAD_DEVICE", /64 at most, not 65/);
    for (const name of ["host", "file", "swap", "lost", "nowhere", "node0", "Node12", "cpu3", "HOST"])
      await refused(
        () => open({ devices: [`accel:memory=1MiB,name=${name}`] }),
        "BAD_DEVICE",
        new RegExp(`the name ${name} says where pages are without it`),
      );
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB,name=node"] });
    assert.equal(hms.device("node").name, "node");
  });

  test("what the environment says wrongly is told with the variable's name", async () => {
    const before = { ...process.env };
    try {
      process.env.HMS_RAM = "lots";
      await refused(() => open(), "BAD_SIZE", /Reading ram failed: .* not "lots"\. It is from HMS_RAM/);
      process.env.HMS_RAM = "1MiB";
      await refused(() => open(), "BAD_RAM_SIZE", /It is from HMS_RAM in the environment/);
      process.env.HMS_RAM = "64MiB";
      process.env.HMS_DEVICES = "accel warp";
      await refused(() => open(), "BAD_DEVICE", /no driver warp.* It is from HMS_DEVICES in the environment/);
      process.env.HMS_DEVICES = " accel:memory=1MiB  accel:memory=2MiB ";
      using hms = await open();
      assert.deepEqual(
        hms.devices.map(({ name }) => name),
        ["accel0", "accel1"],
      );
    } finally {
      for (const name of ["HMS_RAM", "HMS_DEVICES"])
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
    }
  });

  test("a region of another space, or of another hms, is refused by all that takes regions", async () => {
    using hms = await open(small);
    using other = await open(small);
    using space = hms.createSpace();
    const mine = hms.space.alloc(Uint8Array, 65_536, { name: "mine" });
    mine.view.fill(1);
    const before = hms.space.statistics();
    const strangers: readonly [Shared<Uint8Array<ArrayBuffer>>, RegExp][] = [
      [space.alloc(Uint8Array, 65_536, { name: "far" }), / far failed: it is in another space of this hms\./],
      [other.space.alloc(Uint8Array, 65_536, { name: "far" }), / far failed: it is of another hms\./],
    ];
    const calls: readonly [method: string, ...rest: unknown[]][] = [
      ["explain"],
      ["residency"],
      ["migrate", "accel0"],
      ["migrate", { targets: ["accel0"] }],
      ["prefetch", "accel0"],
      ["advise", "cold"],
      ["bind", "accel0"],
      ["bind", null],
      ["placement"],
      ["protect", "read"],
    ];
    for (const [region, message] of strangers) {
      region.view.fill(7);
      for (const [method, ...rest] of calls)
        for (const part of [region, region.slice(4096, 8192)])
          await refused(() => loose(hms.space, method)(part, ...rest), "OTHER_SPACE", message);
      await refused(() => hms.space.snapshot(region), "OTHER_SPACE", message);
      const commands = [mine, region].map((of) => ({ of, request: { targets: ["accel0"] } }));
      await refused(() => hms.space.bindAll(commands), "OTHER_SPACE", message);
      region.view[0] = 8;
    }
    mine.view[0] = 2;
    assert.deepEqual(hms.space.placement(mine), []);
    assert.deepEqual(hms.space.statistics(), before);
  });

  test("a handle that is none, or says more than there is, is refused before anything is touched", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1000, { name: "x", kind: "shared" });
    const handle = x.handle();
    for (const nothing of [null, undefined, 5, "x", {}, { hms: "other" }])
      await refused(
        () => attach(nothing as never),
        "BAD_HANDLE",
        /expected is what handle\(\) of hms or of a region/,
      );
    for (const text of [handle, hms.handle()])
      await refused(() => attach(JSON.parse(JSON.stringify(text))), "BAD_HANDLE", /cannot be text/);
    for (const wrong of [
      { length: 0 },
      { length: 1.5 },
      { region: "x" },
      { space: undefined },
      { context: -1 },
    ])
      await refused(
        () => attach({ ...handle, ...wrong } as never),
        "BAD_HANDLE",
        /not as handle\(\) gave it/,
      );
    await refused(
      () => attach({ ...handle, length: 1e9 }),
      "BAD_HANDLE",
      /4000000000 bytes, and the region has 4096/,
    );
    await refused(() => attach({ ...handle, type: "Float64Array" }), "BAD_HANDLE", /8000 bytes/);
    assert.equal((await errorOf(() => attach({ ...handle, type: "Array" }))).code, "BAD_TYPE");
    assert.equal((await errorOf(() => attach({ ...handle, region: 999 }))).code, "BAD_HANDLE");
    {
      using same = attach<Int32Array<ArrayBuffer>>(handle);
      same.view[999] = 5;
    }
    assert.equal(x.view[999], 5);
    x.free();
  });
});
