// What a program does with hms: memory, devices, where pages are and why.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, gzip, gzipSync } from "node:zlib";
import { type Hms, HmsError, type IndexRange, open, type RegionJson } from "hms";
import { errorOf, folder, held, skip, small } from "./support/hms-lab.ts";

const add = ({ x, a }: { x: Int32Array; a: number }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) x[i] = (x[i] as number) + a;
};

describe("a program", { skip }, () => {
  test("allocates, writes, has a device compute, reads, and is told where everything is", async () => {
    using hms = await open(small);
    const count = 1 << 18;
    const x = hms.space.alloc(Float32Array, count, { name: "x" });
    const y = hms.space.alloc(Float32Array, count, { name: "y" });
    for (let i = 0; i < count; i++) {
      x.view[i] = i % 1000;
      y.view[i] = i % 7;
    }
    const queue = hms.device("accel0").queue();
    const result = await queue.run(
      ({ x, y, a }, { first, end }) => {
        for (let i = first; i < end; i++) y[i] = (y[i] as number) + a * (x[i] as number);
      },
      { x: x.read(), y: y.update(), a: 2 },
    );
    assert.equal(result.request, 0);
    const [there] = hms.space.explain(y);
    assert.equal(there?.place, "accel0 memory");
    assert.equal(there?.cause, "device-fault");
    assert.equal(there?.from, "host");
    assert.ok(there.since !== null && Math.abs(there.since - Date.now()) < 60_000);
    for (let i = 0; i < count; i++) assert.equal(y.view[i], (i % 7) + 2 * (i % 1000));
    const runs = hms.space.explain(y);
    assert.deepEqual([...new Set(runs.map(({ place }) => place))], ["host"]);
    assert.equal(
      runs.reduce((sum, { bytes }) => sum + bytes, 0),
      y.bytes,
    );
    const statistics = hms.statistics();
    assert.ok(statistics.movedToDeviceBytes >= y.bytes && statistics.movedToHostBytes >= y.bytes);
    assert.ok(statistics.deviceFaults > 0 && statistics.cpuFaults > 0);
    const [first, second] = hms.regions();
    assert.deepEqual([first?.name, second?.name].sort(), ["x", "y"]);
    assert.ok(hms.device("accel0").attributes.usedBytesMax >= y.bytes);
  });

  test("uses more memory than it has", async () => {
    using hms = await open({ ram: "64MiB" });
    const words = (256 << 20) / 4;
    const x = hms.space.alloc(Uint32Array, words);
    const { view } = x;
    for (let i = 0; i < words; i++) view[i] = (i * 2654435761) >>> 0;
    for (let i = 0; i < words; i += 97) assert.equal(view[i], (i * 2654435761) >>> 0);
    const { residentBytes, residentBytesMax, swappedOutBytes, swappedInBytes } = hms.statistics();
    assert.ok(residentBytes <= 64 << 20, `${residentBytes}`);
    assert.ok(residentBytesMax <= 66 << 20, `${residentBytesMax}`);
    assert.ok(swappedOutBytes >= 192 << 20 && swappedInBytes >= 128 << 20);
    const places = new Map<string, number>();
    for (const { place, bytes } of hms.space.residency(x))
      places.set(place, (places.get(place) ?? 0) + bytes);
    assert.equal((places.get("host") ?? 0) + (places.get("swap") ?? 0), x.bytes);
  });

  test("has regions of more than 4 GiB", async () => {
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
    const x = hms.space.alloc(Float64Array, 3 * 2 ** 28);
    assert.equal(x.bytes, 6 * 2 ** 30);
    const places = [0, 1, 2 ** 29 - 1, 2 ** 29, x.length - 1];
    for (const at of places) x.view[at] = at + 0.5;
    for (const at of places) assert.equal(x.view[at], at + 0.5);
    assert.equal(x.view[2 ** 28], 0);
    const tail = x.slice(x.length - 1000);
    await hms
      .device("accel0")
      .queue()
      .run(
        ({ x }, { first, end }) => {
          for (let i = first; i < end; i++) x[i] = (x[i] as number) * 2;
        },
        { x: tail.update() },
      );
    assert.equal(x.view[x.length - 1], 2 * x.length - 1);
    const runs = hms.space.explain(x);
    assert.equal(
      runs.reduce((sum, { bytes }) => sum + bytes, 0),
      x.bytes,
    );
  });

  test("gives views to fs, crypto and zlib, while pages are on a device or on disk", async () => {
    using place = folder();
    using hms = await open(small);
    const x = hms.space.alloc(Uint8Array, 4 << 20);
    const plain = new Uint8Array(x.length);
    for (let i = 0; i < plain.length; i++) plain[i] = (i * 31 + (i >> 8)) & 255;
    x.view.set(plain);
    const away = (): Promise<unknown> => hms.space.migrate(x, "accel0");
    const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    const expected = digest(plain);
    await away();
    assert.equal(digest(x.view), expected);
    await away();
    const path = join(place.path, "file");
    writeFileSync(path, x.view);
    assert.equal(digest(readFileSync(path)), expected);
    await away();
    await writeFile(path, x.view);
    assert.equal(digest(await readFile(path)), expected);
    await away();
    assert.equal(digest(gunzipSync(gzipSync(x.view))), expected);
    await away();
    assert.equal(digest(gunzipSync(await promisify(gzip)(x.view))), expected);
    x.view.fill(0);
    await away();
    const fd = openSync(path, "r+");
    assert.equal(readSync(fd, x.view), plain.length);
    assert.equal(digest(x.view), expected);
    assert.equal(writeSync(fd, x.view, 100, 1000), 1000);
    closeSync(fd);
    assert.equal(Buffer.from(x.view.buffer, 0, x.length).compare(plain), 0);
    assert.equal(
      new DataView(x.buffer).getUint16(5, true),
      (plain[5] as number) | ((plain[6] as number) << 8),
    );
  });

  test("uses files as memory", async () => {
    using place = folder();
    const path = join(place.path, "numbers");
    writeFileSync(
      path,
      Float64Array.from({ length: 10_000 }, (_, i) => i),
    );
    using hms = await open(small);
    const read = hms.space.file(path, Float64Array);
    assert.equal(read.length, 10_000);
    assert.equal(read.view[9999], 9999);
    const copy = hms.space.file(path, Float64Array, { private: true });
    copy.view[5] = -5;
    assert.equal(read.view[5], 5);
    const own = hms.space.file(path, Float64Array, { writable: true, offset: 4096 });
    assert.equal(own.view[0], 512);
    own.view[0] = -1;
    await hms
      .device("accel0")
      .queue()
      .run(
        ({ x }, { first, end }) => {
          for (let i = first; i < end; i++) x[i] = (x[i] as number) + 0.25;
        },
        { x: own.slice(0, 3).update() },
      );
    own.sync();
    const floats = (bytes: Buffer): Float64Array =>
      new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
    const bytes = floats(readFileSync(path));
    assert.deepEqual([...bytes.subarray(510, 517)], [510, 511, -0.75, 513.25, 514.25, 515, 516]);
    // One that is not there is made, and grows to the length that is asked for.
    const made = hms.space.file(join(place.path, "made"), Uint8Array, { writable: true, length: 5000 });
    made.view[4999] = 7;
    made.free();
    const whole = readFileSync(join(place.path, "made"));
    assert.equal(whole.length, 5000);
    assert.equal(whole[4999], 7);
  });

  test("makes snapshots of what is in memory, on disk and on a device", async () => {
    using hms = await open({ ram: "16MiB", devices: ["accel:memory=4MiB"] });
    const x = hms.space.alloc(Uint32Array, (24 << 20) / 4);
    for (let i = 0; i < x.length; i++) x.view[i] = i;
    await hms.space.migrate(x.slice(0, 1 << 18), "accel0");
    const before = hms.space.snapshot(x);
    for (let i = 0; i < x.length; i += 1000) x.view[i] = 0;
    for (let i = 0; i < x.length; i += 37) assert.equal(before.view[i], i);
    before.view.fill(7);
    for (let i = 1; i < x.length; i += 1000) assert.equal(x.view[i], i);
  });

  test("makes snapshots of shared regions and of files", async () => {
    using place = folder();
    const path = join(place.path, "numbers");
    writeFileSync(
      path,
      Uint32Array.from({ length: 1 << 20 }, (_, i) => i + 1),
    );
    using hms = await open({ ram: "8MiB" });
    const shared = hms.space.alloc(Uint32Array, 4 << 20, { kind: "shared" });
    for (let i = 0; i < shared.length; i += 2) shared.view[i] = i;
    const file = hms.space.file(path, Uint32Array);
    const copy = hms.space.file(path, Uint32Array, { private: true });
    copy.view.fill(0, 5000, 9000);
    const [ofShared, ofFile, ofCopy] = [shared, file, copy].map((region) => hms.space.snapshot(region));
    shared.view.fill(9);
    copy.view.fill(9);
    writeFileSync(path, new Uint32Array(1 << 20));
    for (let i = 0; i < shared.length; i += 3) assert.equal(ofShared?.view[i], i % 2 === 0 ? i : 0);
    for (let i = 0; i < file.length; i += 7) assert.equal(ofFile?.view[i], i + 1);
    for (let i = 5000; i < 9000; i++) assert.equal(ofCopy?.view[i], 0);
  });

  test("says how pages are to be used and where they should be", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Int32Array, 1 << 16, { bind: "host" });
    const queue = hms.device("accel0").queue();
    await queue.run(add, { x: x.update(), a: 1 });
    assert.deepEqual([...new Set(hms.space.explain(x).map(({ place }) => place))], ["host"]);
    hms.space.bind(x, null);
    await queue.run(add, { x: x.update(), a: 1 });
    assert.deepEqual([...new Set(hms.space.explain(x).map(({ place }) => place))], ["accel0 memory"]);
    assert.equal(await hms.space.prefetch(x, "host"), x.bytes);
    assert.deepEqual([...new Set(hms.space.explain(x).map(({ cause }) => cause))], ["prefetch"]);
    for (const advice of ["sequential", "random", "read-mostly", "cold", "normal"] as const)
      hms.space.advise(x, advice);
    assert.ok(x.view.every((one) => one === 2));
    assert.equal((await errorOf(() => hms.space.bind(x, "moon"))).code, "NO_SUCH_TARGET");
    assert.equal(hms.space.bind(x.slice(0, 10), "host").satisfied, true);
    assert.equal((await errorOf(() => hms.space.migrate(x, "moon"))).code, "NO_SUCH_TARGET");
  });

  test("is told what happens, in order, and what it did not read in time", async () => {
    using hms = await open(small);
    using all = hms.events({ topics: ["faults", "migrations", "evictions"] });
    using few = hms.events({ topics: ["faults"], capacity: 4 });
    const x = hms.space.alloc(Uint8Array, 16 << 20);
    hms.space.advise(x, "random");
    for (let i = 0; i < 100; i++) x.view[i * 4096] = 1;
    await hms.space.migrate(x, "accel0");
    const seen: string[] = [];
    for await (const event of all) {
      assert.ok(event.address >= x.address && event.address < x.address + x.bytes);
      if (seen.at(-1) !== event.kind) seen.push(event.kind);
      if (event.kind === "migration" || event.kind === "eviction") break;
    }
    assert.deepEqual(seen.slice(0, 2), ["cpu-fault", "migration"]);
    assert.equal(few.take().length, 4);
    assert.equal(few.dropped, 96);
    // Whoever waits when it is closed is told that it is over.
    using idle = hms.events();
    const waiting = (async () => {
      for await (const event of idle) assert.fail(event.kind);
    })();
    await new Promise((resolve) => setTimeout(resolve, 20));
    idle.close();
    await waiting;
  });

  test("keeps spaces apart", async () => {
    using hms = await open(small);
    const other = hms.createSpace();
    const x = other.alloc(Int32Array, 1000);
    const queue = hms.device("accel0").queue();
    assert.equal((await errorOf(() => queue.run(add, { x: x.update(), a: 1 }))).code, "OTHER_SPACE");
    const its = hms.device("accel0").queue({ space: other });
    await its.run(add, { x: x.update(), a: 5 });
    assert.equal(x.view[999], 5);
    assert.equal((await errorOf(() => other.close())).code, "SPACE_BUSY");
    its.close();
    other.close();
    assert.equal(x.view.length, 0);
    assert.equal((await errorOf(() => other.alloc(Int8Array, 1))).code, "SPACE_CLOSED");
  });

  test("asks for a slice without elements, and nothing is done", async () => {
    using hms = await open(small);
    const { space } = hms;
    const x = space.alloc(Uint8Array, 65_536, { name: "x" });
    x.view.fill(1);
    // The second ends where the region does: the page behind it is not its own.
    for (const empty of [x.slice(0, 0), x.slice(x.length), x.slice(100, 100)]) {
      assert.equal(empty.pages.count, 0);
      space.protect(empty, "read");
      for (const advice of ["cold", "sequential"] as const) space.advise(empty, advice);
      assert.deepEqual(space.explain(empty), []);
      assert.deepEqual(space.residency(empty), []);
      assert.deepEqual(space.placement(empty), []);
      assert.deepEqual(await space.migrate(empty, "accel0"), { movedBytes: 0, keptBytes: 0, kept: [] });
      assert.equal(await space.prefetch(empty, "accel0"), 0);
      const request = { targets: ["accel0"], mode: "strict", migrate: true } as const;
      for (const report of [empty.bind(request), empty.bind(null), await space.migrate(empty, request)])
        assert.deepEqual([report.pages, report.targets, report.satisfied], [0, [], true]);
      const reports = space.bindAll([
        { of: empty, request },
        { of: x.slice(0, 4096), request: { targets: ["host"] } },
        { of: empty, request: null },
      ]);
      assert.deepEqual(
        reports.map(({ pages }) => pages),
        [0, 1, 0],
      );
      x.bind(null);
    }
    assert.equal((await errorOf(() => x.slice(0, 0).bind({ targets: [] }))).code, "TARGETS_EMPTY");
    // It would have ended the process.
    x.view[100] = 2;
    assert.deepEqual([hms.statistics().movedToDeviceBytes, space.placement(x).length], [0, 0]);
    await hms
      .device("accel0")
      .queue()
      .run(() => {}, { x: x.slice(5, 5).read() });
  });

  test("calls regions as the reports do, whatever their names are", async () => {
    using hms = await open(small);
    const { space } = hms;
    const names: readonly (readonly [given: string | undefined, expected: string | null])[] = [
      ["plain", "plain"],
      ["", null],
      [undefined, null],
      ["\u00e9".repeat(150), "\u00e9".repeat(128)],
      [`${"x".repeat(254)}\u{1f600}`, "x".repeat(254)],
      ["\u{1f600}".repeat(70), "\u{1f600}".repeat(64)],
      ["half \ud83d", "half \ufffd"],
      ["x".repeat(1000), "x".repeat(256)],
    ];
    for (const kind of ["private", "shared"] as const)
      for (const [given, expected] of names) {
        using x = space.alloc(Uint8Array, 4096, { kind, ...(given === undefined ? {} : { name: given }) });
        const listed = (address: number): string | undefined =>
          hms.regions(4096).find((one) => one.address === address && !one.gone)?.name;
        assert.equal(listed(x.address), x.name);
        if (expected === null) assert.match(x.name, /^region \d+$/);
        else assert.equal(x.name, expected);
        using copy = space.snapshot(x);
        assert.equal(listed(copy.address), copy.name);
        assert.match(copy.name, / snapshot$/);
      }
  });

  test("shows regions and slices as JSON", async () => {
    using hms = await open(small);
    const x = hms.space.alloc(Float64Array, 100, { name: "x", kind: "shared" });
    const shown: RegionJson = { name: "x", type: "Float64Array", length: 100, bytes: 800, kind: "shared" };
    assert.deepEqual(JSON.parse(JSON.stringify(x)), shown);
    assert.deepEqual(JSON.parse(JSON.stringify(x.slice(5, 7))), { region: shown, first: 5, length: 2 });
  });

  test("has thousands of regions", async () => {
    using hms = await open(small);
    using first = hms.space.alloc(Int32Array, 100);
    await hms.device("accel0").queue().run(add, { x: first.update(), a: 1 });
    const before = held();
    const regions = Array.from({ length: 3000 }, (_, i) => {
      const region = hms.space.alloc(Int32Array, 1024 + (i % 5000), { name: `r${i}` });
      region.view[i % 1024] = i;
      return region;
    });
    const queue = hms.device("accel0").queue();
    for (let i = 0; i < regions.length; i += 100) {
      const region = regions[i];
      if (region !== undefined) await queue.run(add, { x: region.update(), a: 1 });
    }
    regions.forEach((region, i) => {
      assert.equal(region.view[i % 1024], i + (i % 100 === 0 ? 1 : 0));
    });
    for (const region of regions) region.free();
    assert.equal(hms.space.statistics().regions, 1);
    queue.close();
    // What the device lets go of is unmapped a moment later.
    for (let i = 0; i < 100 && held().mappings > before.mappings + 50; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(held().mappings <= before.mappings + 50, `${held().mappings} after ${before.mappings}`);
    assert.ok(held().descriptors <= before.descriptors + 2);
  });
});

describe("misuse is answered by an error that says what to do", { skip }, () => {
  test("at opening", async () => {
    const codes = async (options: Parameters<typeof open>[0]): Promise<string> =>
      (await errorOf(async () => (await open(options)).close())).code;
    assert.equal(await codes({ ram: "lots" }), "BAD_SIZE");
    assert.equal(await codes({ ram: 4096 }), "BAD_RAM_SIZE");
    assert.equal(await codes({ devices: ["warp"] }), "BAD_DEVICE");
    assert.equal(await codes({ devices: ["accel:colour=red"] }), "BAD_DEVICE");
    assert.equal(await codes({ devices: ["accel:memory=1"] }), "BAD_MEMORY_SIZE");
    assert.equal(await codes({ devices: ["accel:name=a", "accel:name=a"] }), "BAD_DEVICE");
    assert.ok(await codes({ ram: "64MiB", swap: "/no/such/folder" }));
  });

  test("of memory and devices", async () => {
    using hms = await open(small);
    const { space } = hms;
    const code = async (run: () => unknown): Promise<string> => (await errorOf(run)).code;
    assert.equal(await code(() => space.alloc(Int8Array, 0)), "BAD_LENGTH");
    assert.equal(await code(() => space.alloc(Int8Array, 1.5)), "BAD_LENGTH");
    assert.equal(await code(() => space.alloc(Int8Array, 2 ** 50)), "BAD_LENGTH");
    assert.equal(await code(() => space.alloc(Array as never, 5)), "BAD_TYPE");
    assert.equal(await code(() => space.alloc(Int8Array, 5, { bind: "moon" })), "NO_SUCH_TARGET");
    assert.equal(space.statistics().regions, 0);
    assert.equal(await code(() => space.file("/no/such/file", Int8Array)), "BAD_FILE");
    assert.equal(await code(() => hms.device("accel7")), "NO_SUCH_DEVICE");
    assert.equal(await code(() => hms.events({ topics: ["weather" as never] })), "BAD_TOPIC");
    const x = space.alloc(Int32Array, 10);
    assert.equal(await code(() => x.slice(5, 11)), "BAD_SLICE");
    const queue = hms.device("accel0").queue();
    assert.equal(await code(() => queue.run(Math.max as never, {})), "NOT_A_KERNEL");
    assert.equal(await code(() => queue.run(() => undefined, { x: x as never })), "BAD_ARGUMENT");
    x.free();
    assert.equal(await code(() => queue.run(() => undefined, { x: x.read() })), "REGION_FREED");
    assert.equal(await code(() => space.explain(x)), "REGION_FREED");
    queue.close();
    assert.equal(await code(() => queue.run(() => undefined, {})), "QUEUE_CLOSED");
  });

  test("after closing", async () => {
    const hms = await open(small);
    const x = hms.space.alloc(Int32Array, 10);
    const slice = x.slice(2, 5);
    const { view } = x;
    const queue = hms.device("accel0").queue();
    const device = hms.device("accel0");
    const events = hms.events();
    hms.close();
    hms.close();
    assert.deepEqual([view.length, x.view.length, slice.view.length], [0, 0, 0]);
    view[3] = 5;
    for (const use of [
      () => hms.space.alloc(Int8Array, 1),
      () => hms.statistics(),
      () => hms.device("accel0"),
      () => device.attributes,
      () => queue.run(() => undefined, { x: x.read() }),
      () => hms.space.migrate(x, "host"),
      () => hms.createSpace(),
      () => x.sync(),
    ])
      assert.equal((await errorOf(use)).code, "HMS_CLOSED");
    assert.deepEqual(events.take(), []);
    x.free();
    queue.close();
    events.close();
    assert.ok(HmsError.is(await errorOf(() => hms.timeline())));
  });

  test("what is under way when hms is closed ends with the word that hms is closed", async () => {
    const ended = async (begin: (hms: Hms) => Promise<unknown>): Promise<unknown> => {
      const hms = await open(small);
      const ends = begin(hms).then(
        () => "done",
        (error: HmsError) => [error.code, error.errno],
      );
      hms.close();
      return await ends;
    };
    const text = "await new Promise((later) => setTimeout(later, 2000)); export function f() {}";
    const gone = ["HMS_CLOSED", "ENODEV"];
    assert.deepEqual(await ended((hms) => hms.device("accel0").load({ text })), gone);
    assert.deepEqual(
      await ended((hms) =>
        hms
          .device("accel0")
          .queue()
          .run(() => {}, {}),
      ),
      gone,
    );
    const loop = async (hms: Hms): Promise<void> => {
      for await (const event of hms.events()) assert.fail(event.kind);
    };
    assert.equal(await ended(loop), "done");
  });
});

describe("opening and closing", { skip }, () => {
  /** Opens, works, closes so many times; what is held more than before. */
  async function rounds(count: number, devices: readonly string[]): Promise<ReturnType<typeof held>> {
    const round = async (): Promise<void> => {
      const hms = await open({ ram: "64MiB", devices });
      const x = hms.space.alloc(Int32Array, (1 << 20) + 5);
      const shared = hms.space.alloc(Int32Array, 5000, { kind: "shared" });
      x.view.fill(1);
      shared.view.fill(2);
      if (devices.length > 0)
        for (const region of [x, shared])
          await hms.device("accel0").queue().run(add, { x: region.update(), a: 1 });
      assert.equal(x.view[5], devices.length > 0 ? 2 : 1);
      hms.close();
    };
    for (let i = 0; i < 3; i++) await round();
    await settle();
    const before = held();
    for (let i = 0; i < count; i++) await round();
    await settle();
    const after = held();
    return {
      descriptors: after.descriptors - before.descriptors,
      mappings: after.mappings - before.mappings,
    };
  }

  test("leaves no descriptor and no mapping behind", async () => {
    const { descriptors, mappings } = await rounds(60, []);
    assert.ok(descriptors <= 2, `${descriptors} descriptors`);
    // Less than one a round: heaps of the C library come and go with threads.
    assert.ok(mappings <= 45, `${mappings} mappings`);
  });

  test("leaves nothing behind of devices but what the library for foreign calls keeps of their threads", async () => {
    const { descriptors, mappings } = await rounds(12, ["accel:memory=8MiB"]);
    assert.ok(descriptors <= 2, `${descriptors} descriptors`);
    // koffi keeps the stack with its guard and the heap for calls of each thread that has ended.
    assert.ok(mappings <= 12 * 6 + 15, `${mappings} mappings`);
  });

  test("several at a time do not know each other", async () => {
    using a = await open(small);
    using b = await open(small);
    const x = a.space.alloc(Int32Array, 1000);
    const y = b.space.alloc(Int32Array, 1000);
    await a.device("accel0").queue().run(add, { x: x.update(), a: 1 });
    await b.device("accel0").queue().run(add, { x: y.update(), a: 2 });
    assert.deepEqual([x.view[0], y.view[0]], [1, 2]);
  });
});

/** Threads that end give back what they have a moment later. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 300));
}
