// Placement in programs: what a region is bound to is where its pages are, or the report says why not. On real nodes:
// test/lab/guest/bind.test.ts.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { mbind, policyAt } from "@hms/host-linux/numa";
import {
  type Hms,
  HmsError,
  type OpenOptions,
  open,
  PlacementError,
  type PlacementReport,
  type PlacementRequest,
  type Shared,
} from "hms";
import { skip } from "./support/hms-lab.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
const MPOL_PREFERRED = 1;
const MPOL_LOCAL = 4;
/** Memory of 1 MiB and 2 MiB: 256 and 512 pages. */
const two: OpenOptions = { ram: "64MiB", devices: ["accel:memory=1MiB", "accel:memory=2MiB"] };

type Bytes = Shared<Uint8Array>;

function fill(x: Bytes, seed = 1): void {
  for (let i = 0; i < x.length; i += 512) x.view[i] = (i >> 9) + seed;
}

function check(x: Bytes, seed = 1): void {
  for (let i = 0; i < x.length; i += 512) assert.equal(x.view[i], ((i >> 9) + seed) & 255);
}

/** Pages by place. */
function where(hms: Hms, x: Bytes): Record<string, number> {
  const pages: Record<string, number> = {};
  for (const { place, bytes } of hms.space.residency(x)) pages[place] = (pages[place] ?? 0) + bytes / PAGE;
  return pages;
}

function placed({ targets }: PlacementReport): Record<string, number> {
  return Object.fromEntries(targets.map(({ target, placed: pages }) => [target, pages]));
}

function thrown(run: () => unknown): HmsError {
  try {
    run();
  } catch (error) {
    assert.ok(HmsError.is(error), String(error));
    return error;
  }
  return assert.fail("it did not fail");
}

const write = ({ x }: { x: Uint8Array }, { first, end }: { first: number; end: number }): void => {
  for (let i = Math.ceil(first / 4096) * 4096; i < end; i += 4096) x[i] = 5;
};

function between(least: number, value: number | undefined, most: number): void {
  assert.ok(value !== undefined && value >= least && value <= most, `${least} to ${most}, not ${value}`);
}

const addOne = ({ x }: { x: Uint8Array }, { first, end }: { first: number; end: number }): void => {
  for (let i = first; i < end; i++) x[i] = (x[i] as number) + 1;
};

describe("binding regions", { skip }, () => {
  test("migrate brings pages to the first target with room, then the next, and says who had none", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, 4 * MIB);
    fill(x);
    const request: PlacementRequest = { targets: ["accel0", "accel1", "host"], migrate: true };
    const dry = x.bind(request, { dryRun: true });
    assert.deepEqual(where(hms, x), { host: 1024 });
    assert.deepEqual(hms.space.placement(x), []);
    const report = x.bind(request);
    assert.deepEqual(placed(report), { "accel0 memory": 256, "accel1 memory": 512, host: 256 });
    assert.deepEqual(placed(dry), placed(report));
    assert.equal(report.satisfied, true);
    assert.equal(report.pages, 1024);
    assert.deepEqual(
      report.refused.map(({ target, by, errno, pages }) => [target, by, errno, pages]),
      [
        ["accel0 memory", "capacity", "ENOMEM", 768],
        ["accel1 memory", "capacity", "ENOMEM", 256],
      ],
    );
    assert.deepEqual(where(hms, x), { "accel0 memory": 256, "accel1 memory": 512, host: 256 });
    assert.deepEqual(placed(hms.space.placement(x)[0]?.report as PlacementReport), placed(report));
    check(x);
  });

  test("interleave and weighted: each page has its turn", async () => {
    using hms = await open({ ...two, devices: ["accel:memory=4MiB", "accel:memory=4MiB"] });
    const x = hms.space.alloc(Uint8Array, 4 * MIB);
    fill(x);
    const turn = x.bind({ targets: ["accel0", "accel1", "host"], mode: "interleave", migrate: true });
    assert.deepEqual(Object.values(placed(turn)).sort(), [341, 341, 342]);
    assert.equal(turn.satisfied, true);
    const places = hms.space.residency(x).map(({ place }) => place);
    assert.equal(places.length, 1024);
    const heavy = x.bind({
      targets: ["accel1", "host"],
      mode: "weighted",
      weights: [3, 1],
      migrate: true,
    });
    assert.deepEqual(placed(heavy), { "accel1 memory": 768, host: 256 });
    assert.equal(heavy.satisfied, true);
    assert.deepEqual(where(hms, x), { "accel1 memory": 768, host: 256 });
    check(x);
  });

  test("strict fails with its report, and everything is as it was", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, 2 * MIB, { bind: "host" });
    fill(x);
    const error = thrown(() => x.bind({ targets: ["accel0"], mode: "strict", migrate: true }));
    assert.ok(error instanceof PlacementError);
    assert.deepEqual([error.code, error.errno], ["PLACEMENT_REFUSED", "ENOMEM"]);
    assert.equal(error.report.satisfied, false);
    assert.deepEqual(
      error.report.refused.map(({ by }) => by),
      ["capacity"],
    );
    assert.deepEqual(where(hms, x), { host: 512 });
    assert.deepEqual(
      hms.space.placement(x)[0]?.choices.map(({ target }) => target),
      ["host"],
    );
    // Without migrate, what is elsewhere already does not meet it either.
    const stays = thrown(() => x.bind({ targets: ["accel1"], mode: "strict" }));
    assert.match(stays.message, /migrate: true/);
    assert.equal(x.bind({ targets: ["accel1"], mode: "strict", migrate: true }).satisfied, true);
    assert.deepEqual(where(hms, x), { "accel1 memory": 512 });
    check(x);
    const made = thrown(() =>
      hms.space.alloc(Uint8Array, 2 * MIB, { name: "big", bind: { targets: ["accel0"], mode: "strict" } }),
    );
    assert.ok(made instanceof PlacementError);
    assert.deepEqual(
      hms.regions().filter(({ gone, name }) => !gone && name === "big"),
      [],
    );
    const fits = { targets: ["accel0"], mode: "strict", size: MIB } as const;
    assert.equal(hms.space.alloc(Uint8Array, 2 * MIB, { bind: fits }).gone, false);
  });

  test("several commands are looked at together: one that cannot be met undoes those before it", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, MIB);
    const y = hms.space.alloc(Uint8Array, 4 * MIB);
    fill(x);
    fill(y);
    const error = thrown(() =>
      hms.space.bindAll([
        { of: x, request: { targets: ["accel0"], migrate: true } },
        { of: y, request: { targets: ["acel1"] } },
      ]),
    );
    assert.equal(error.code, "TARGET_UNKNOWN");
    assert.match(error.message, /command 2 of 2/);
    assert.match(error.message, /accel1/);
    assert.deepEqual(where(hms, x), { host: 256 });
    const late = thrown(() =>
      hms.space.bindAll([
        { of: x, request: { targets: ["accel0"], migrate: true } },
        { of: y, request: { targets: ["accel1"], mode: "strict", migrate: true } },
      ]),
    );
    assert.ok(late instanceof PlacementError);
    assert.deepEqual(where(hms, x), { host: 256 });
    assert.deepEqual(hms.space.placement(x), []);
    const reports = hms.space.bindAll([
      { of: x, request: { for: ["accel0"], migrate: true } },
      { of: y.slice(0, MIB), request: { targets: ["accel1"], migrate: true } },
      { of: y.slice(MIB, 2 * MIB), request: "host" },
    ]);
    assert.deepEqual(reports.map(placed), [
      { "accel0 memory": 256 },
      { "accel1 memory": 256 },
      { host: 256 },
    ]);
    assert.deepEqual(
      hms.space.placement(y).map(({ offset, bytes }) => [offset, bytes]),
      [
        [0, MIB],
        [MIB, MIB],
      ],
    );
    check(x);
    check(y);
  });

  test("device faults honour it: the first target that the device reaches and that has room", async () => {
    using hms = await open(two);
    const queue = hms.device("accel0").queue();
    const spill = hms.space.alloc(Uint8Array, 2 * MIB, { bind: { targets: ["accel0", "host"] } });
    await queue.run(write, { x: spill.write() });
    assert.deepEqual(where(hms, spill), { "accel0 memory": 256, host: 256 });
    assert.equal(hms.statistics().evictedBytes, 0);
    const [redirected] = hms.space.explain(spill).filter(({ place }) => place === "host");
    assert.deepEqual(
      [redirected?.override?.asked, redirected?.override?.became, redirected?.override?.why],
      ["accel0 memory", "host", "it has no room left"],
    );
    assert.deepEqual(redirected?.policy?.targets, ["accel0 memory", "host"]);
    spill.free();
    const stays = hms.space.alloc(Uint8Array, MIB, { bind: { targets: ["accel1", "host"] } });
    await queue.run(write, { x: stays.write() });
    assert.deepEqual(where(hms, stays), { host: 256 });
    const turns = hms.space.alloc(Uint8Array, MIB, {
      bind: { targets: ["host", "accel0"], mode: "interleave" },
    });
    await queue.run(write, { x: turns.write() });
    assert.deepEqual(where(hms, turns), { host: 128, "accel0 memory": 128 });
    // Alone in its list, the device makes room.
    const alone = hms.space.alloc(Uint8Array, 2 * MIB, { bind: { targets: ["accel0"] } });
    await queue.run(write, { x: alone.write() });
    assert.ok(hms.statistics().evictedBytes > 0);
    assert.ok((where(hms, alone)["accel0 memory"] ?? 0) > 128);
    assert.ok(alone.view.every((one, i) => one === (i % PAGE === 0 ? 5 : 0)));
  });

  test("a bind without migrate counts from the next touch on, wherever pages are", async () => {
    using hms = await open(two);
    const queue = hms.device("accel1").queue();
    const x = hms.space.alloc(Uint8Array, MIB, { bind: "host" });
    await queue.run(write, { x: x.write() });
    assert.deepEqual(where(hms, x), { host: 256 });
    assert.deepEqual(x.bind("accel1").elsewhere, [{ place: "host", pages: 256 }]);
    await queue.run(write, { x: x.write() });
    assert.deepEqual(where(hms, x), { "accel1 memory": 256 });
    x.bind("host");
    assert.deepEqual(where(hms, x), { "accel1 memory": 256 });
    x.bind(null);
    assert.deepEqual(hms.space.placement(x), []);
  });

  test("files: in memory, or in the file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hms-bind-"));
    try {
      const path = join(folder, "data");
      writeFileSync(path, new Uint8Array(MIB).fill(3));
      using hms = await open(two);
      const x = hms.space.file(path, Uint8Array, { writable: true, bind: "file" });
      assert.ok(x.view.every((one) => one === 3));
      x.view[5000] = 9;
      const report = x.bind({ targets: ["file"], migrate: true });
      assert.deepEqual(placed(report), { file: 256 });
      assert.equal(report.targets[0]?.moved, 256);
      assert.equal(hms.space.statistics().residentBytes, 0);
      assert.equal(x.view[5000], 9);
      const device = x.bind({ targets: ["accel0"], migrate: true });
      assert.equal(device.satisfied, false);
      assert.deepEqual(
        device.refused.map(({ by, errno }) => [by, errno]),
        [["driver", "EOPNOTSUPP"]],
      );
      const y = hms.space.alloc(Uint8Array, MIB);
      assert.equal(thrown(() => y.bind("file")).code, "NO_FILE");
      const absent = join(folder, "absent");
      const bad = () => hms.space.file(absent, Uint8Array, { writable: true, length: 10, bind: "moon" });
      assert.equal(thrown(bad).code, "NO_SUCH_TARGET");
      assert.throws(() => writeFileSync(absent, "", { flag: "r+" }), "the file was made all the same");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("a default counts for what is made later, in its space", async () => {
    using hms = await open(two);
    using space = hms.createSpace();
    const before = space.alloc(Uint8Array, MIB);
    assert.deepEqual(space.placement(), []);
    space.bindDefault({ targets: ["accel0", "host"] });
    const after = space.alloc(Uint8Array, MIB);
    assert.deepEqual(
      space.placement().map(({ mode, origin }) => [mode, origin]),
      [["preferred", "default"]],
    );
    assert.deepEqual(
      [before, after].map((x) => space.placement(x).length),
      [0, 1],
    );
    assert.equal(hms.space.placement(hms.space.alloc(Uint8Array, 1)).length, 0);
    space.bindDefault({ targets: ["accel0"], mode: "strict" });
    const error = thrown(() => space.alloc(Uint8Array, 2 * MIB));
    assert.ok(error instanceof PlacementError, error.message);
    space.bindDefault(null);
    assert.equal(space.placement(space.alloc(Uint8Array, MIB)).length, 0);
  });

  test("shares: no space has more than its most, and others leave it its least", async () => {
    using hms = await open(two);
    using small = hms.createSpace({ shares: { accel1: "512KiB" } });
    const x = small.alloc(Uint8Array, MIB);
    fill(x);
    const report = x.bind({ targets: ["accel1", "host"], migrate: true });
    assert.deepEqual(placed(report), { "accel1 memory": 128, host: 128 });
    assert.deepEqual(
      report.refused.map(({ by }) => by),
      ["share"],
    );
    assert.deepEqual(small.shares(), [
      { target: "accel1 memory", leastBytes: 0, mostBytes: MIB / 2, usedBytes: MIB / 2 },
    ]);
    using queue = hms.device("accel1").queue({ space: small });
    const y = small.alloc(Uint8Array, MIB, { bind: "accel1" });
    await queue.run(write, { x: y.write() });
    between(MIB / 4, small.shares()[0]?.usedBytes, MIB / 2);
    const left = 256 - (small.shares()[0]?.usedBytes ?? 0) / PAGE;
    using sure = hms.createSpace({ shares: { accel1: { least: "1MiB" } } });
    const z = hms.space.alloc(Uint8Array, 2 * MIB);
    fill(z);
    const others = z.bind({ targets: ["accel1"], migrate: true });
    assert.equal(others.targets[0]?.placed, left);
    const w = sure.alloc(Uint8Array, MIB);
    fill(w);
    assert.equal(w.bind({ targets: ["accel1"], mode: "strict", migrate: true }).satisfied, true);
    assert.equal(thrown(() => hms.createSpace({ shares: { moon: 1 } })).code, "NO_SUCH_TARGET");
    assert.equal(thrown(() => hms.createSpace({ shares: { accel0: { least: "8MiB" } } })).errno, "EINVAL");
    assert.equal(thrown(() => hms.createSpace({ shares: { accel1: { least: "2MiB" } } })).errno, "ENOSPC");
  });

  test("shares count for memory that nobody bound, touched, moved or fetched ahead, and no byte is wrong", async () => {
    using hms = await open(two);
    const device = hms.device("accel1");
    using small = hms.createSpace({ shares: { accel1: "256KiB" } });
    const used = (): number => small.shares()[0]?.usedBytes ?? -1;
    using queue = device.queue({ space: small });
    // More than its share: its own pages make room for each other, and nobody else's.
    const x = small.alloc(Uint8Array, MIB);
    for (let round = 1; round <= 3; round++) {
      await queue.run(addOne, { x: x.update() });
      between(MIB / 8, used(), MIB / 4);
      assert.equal(x.view[0], round);
      assert.equal(x.view[MIB - 1], round);
    }
    const y = small.alloc(Uint8Array, MIB / 2);
    fill(y);
    const left = MIB / 4 - used();
    const ahead = small.alloc(Uint8Array, MIB / 2);
    assert.equal(await small.prefetch(ahead, "accel1"), left, "nothing leaves for what is fetched ahead");
    const report = await small.migrate(y, "accel1");
    assert.deepEqual([report.movedBytes, report.keptBytes], [MIB / 4, MIB / 4]);
    between(MIB / 8, used(), MIB / 4);
    assert.deepEqual(report.kept, [{ offset: MIB / 4, bytes: MIB / 4, reason: "limit" }]);
    const duplicates = await small.migrate(x, "accel1", { duplicate: true });
    assert.ok(duplicates.keptBytes > 0 && used() <= MIB / 4);
    check(y);

    using none = hms.createSpace({ shares: { accel1: 0 } });
    using bare = device.queue({ space: none });
    const z = none.alloc(Uint8Array, MIB);
    await bare.run(addOne, { x: z.update() });
    assert.equal(none.shares()[0]?.usedBytes, 0);
    assert.ok(
      z.view.every((value) => value === 1),
      "it was used in place",
    );
    const kept = await none.migrate(z, "accel1");
    assert.deepEqual([kept.movedBytes, kept.kept[0]?.reason], [0, "limit"]);
  });

  test("what a space is sure of others leave free, and do not take while it has no more", async () => {
    using hms = await open(two);
    const device = hms.device("accel1");
    using sure = hms.createSpace({ shares: { accel1: { least: "1MiB" } } });
    using others = device.queue();
    const x = hms.space.alloc(Uint8Array, 4 * MIB);
    await others.run(addOne, { x: x.update() });
    between(MIB / 2, hms.space.statistics().deviceBytes, MIB);
    using own = device.queue({ space: sure });
    const y = sure.alloc(Uint8Array, MIB);
    await own.run(addOne, { x: y.update() });
    assert.equal(sure.shares()[0]?.usedBytes, MIB, "it has its least at once");
    await others.run(addOne, { x: x.update() });
    assert.equal((await hms.space.migrate(x.slice(0, MIB), "accel1")).movedBytes > 0, true);
    assert.equal(sure.shares()[0]?.usedBytes, MIB);
    between(MIB / 2, hms.space.statistics().deviceBytes, MIB);
    // More than its least it has as long as nobody else needs it.
    x.free();
    const z = sure.alloc(Uint8Array, MIB);
    await own.run(addOne, { x: z.update() });
    between(1.5 * MIB, sure.shares()[0]?.usedBytes, 2 * MIB);
    const w = hms.space.alloc(Uint8Array, MIB / 2);
    await others.run(addOne, { x: w.update() });
    assert.equal(hms.space.statistics().deviceBytes, MIB / 2);
    assert.ok((sure.shares()[0]?.usedBytes ?? 0) >= MIB);
    for (const one of [y, z]) assert.ok(one.view.every((value) => value === 1));
    assert.ok(w.view.every((value) => value === 1));
  });

  test("migrate with a request moves once; its policy stays", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, MIB, { bind: "host" });
    fill(x);
    const report = await hms.space.migrate(x, { targets: ["accel1"] });
    assert.equal(report.satisfied, true);
    assert.deepEqual(where(hms, x), { "accel1 memory": 256 });
    assert.deepEqual(
      hms.space.placement(x)[0]?.choices.map(({ target }) => target),
      ["host"],
    );
    await assert.rejects(hms.space.migrate(x, { targets: ["accel0"], mode: "strict", size: 4 * MIB }), {
      code: "PLACEMENT_REFUSED",
    });
    check(x);
  });

  test("the node of the machine: the kernel is told, and what others told it is set back", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, MIB, { bind: "node0" });
    const told = policyAt(x.address);
    // A kernel without NUMA has nothing to be told.
    if (typeof told === "number") return;
    assert.deepEqual([told.mode, [...told.nodes]], [MPOL_PREFERRED, [0]]);
    assert.equal(hms.space.placement(x)[0]?.kernel, "prefer:0");
    fill(x);
    assert.deepEqual(
      hms.space.explain(x, { nodes: true }).map(({ node }) => node),
      [0],
    );
    assert.equal(mbind(x.address, x.bytes, MPOL_LOCAL, [], 0), 0);
    assert.match(hms.space.placement(x)[0]?.differs ?? "", /local.*prefer:0/);
    assert.equal(hms.space.placement(x)[0]?.differs, null);
    x.bind(null);
    const ended = policyAt(x.address);
    assert.equal(typeof ended === "object" && ended.mode, 0);
  });

  test("what is wrong is said, with the nearest names, and nothing is done", async () => {
    using hms = await open(two);
    const x = hms.space.alloc(Uint8Array, MIB);
    fill(x);
    const cases: readonly (readonly [unknown, string, string])[] = [
      [{ targets: ["accel9"] }, "TARGET_UNKNOWN", "ENOENT"],
      [{ for: ["nodd0"] }, "INITIATOR_UNKNOWN", "ENOENT"],
      [{ targets: [] }, "TARGETS_EMPTY", "EINVAL"],
      [{ for: [] }, "INITIATORS_EMPTY", "EINVAL"],
      [{}, "PLACEMENT_EMPTY", "EINVAL"],
      [{ targets: ["accel0", "accel1"], mode: "weighted", weights: [1] }, "WEIGHTS_INVALID", "EINVAL"],
      [{ targets: ["accel0"], weights: [1] }, "WEIGHTS_INVALID", "EINVAL"],
      [{ targets: ["accel0", "accel0"] }, "TARGET_TWICE", "EINVAL"],
      [{ targets: ["accel0"], mode: "stirct" }, "MODE_UNKNOWN", "EINVAL"],
      [{ target: ["accel0"] }, "FIELD_UNKNOWN", "EINVAL"],
      [{ targets: ["accel0"], size: -1 }, "SIZE_INVALID", "EINVAL"],
      ["moon", "NO_SUCH_TARGET", "ENOENT"],
      [7, "REQUEST_INVALID", "EINVAL"],
    ];
    for (const [request, code, errno] of cases) {
      const error = thrown(() => x.bind(request as PlacementRequest));
      assert.deepEqual([error.code, error.errno], [code, errno], JSON.stringify(request));
    }
    assert.match(thrown(() => x.bind({ targets: ["accel9"] })).message, /accel0/);
    assert.equal(thrown(() => hms.space.bindAll([])).errno, "EINVAL");
    assert.equal(thrown(() => x.bind("host", { dry: true } as never)).code, "BAD_OPTION");
    const freed = hms.space.alloc(Uint8Array, 1);
    freed.free();
    assert.equal(thrown(() => freed.bind("host")).code, "REGION_FREED");
    assert.deepEqual(hms.space.placement(x), []);
    assert.deepEqual(where(hms, x), { host: 256 });
    check(x);
  });

  test("regions that are freed while commands are carried out end them, and hurt nobody", async () => {
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=16MiB"] });
    for (let i = 0; i < 5; i++) {
      const x = hms.space.alloc(Uint8Array, 8 * MIB);
      fill(x);
      const moving = hms.space.migrate(x, { targets: ["accel0"] });
      x.free();
      const report = await moving;
      assert.ok(report.pages <= 2048);
    }
    const y = hms.space.alloc(Uint8Array, MIB);
    fill(y);
    assert.equal(y.bind({ targets: ["accel0"], migrate: true }).satisfied, true);
    check(y);
  });

  test("what no device ever takes is refused when it is bound, not when it is touched; a dry run says so too", async () => {
    using hms = await open(two);
    const shared = hms.space.alloc(Uint8Array, MIB, { kind: "shared" });
    const strict = { targets: ["accel0"], mode: "strict", migrate: true } as const;
    const untouched = thrown(() => shared.bind(strict));
    assert.deepEqual([untouched.code, untouched.errno], ["PLACEMENT_REFUSED", "EOPNOTSUPP"]);
    assert.deepEqual(hms.space.placement(shared), []);
    fill(shared);
    assert.equal(thrown(() => shared.bind(strict)).errno, "EOPNOTSUPP");
    const dry = shared.bind({ targets: ["accel0"], migrate: true }, { dryRun: true });
    assert.deepEqual(
      [dry.satisfied, dry.refused[0]?.pages, dry.refused[0]?.errno],
      [false, 256, "EOPNOTSUPP"],
    );
    const turns = { targets: ["accel0", "host"], mode: "interleave", migrate: true } as const;
    assert.equal(shared.bind(turns).refused[0]?.pages, 128);
    check(shared);
  });
});

describe("what nobody has touched yet", { skip }, () => {
  const options: OpenOptions = { ram: "128MiB", devices: ["accel:memory=64MiB"] };
  const add = ({ x }: { x: Int32Array }, { first, end }: { first: number; end: number }): void => {
    for (let i = first; i < end; i++) x[i] = (x[i] as number) + 1;
  };
  const ahead = (hms: Hms, x: Shared<Int32Array>): number =>
    hms.space
      .explain(x)
      .filter(({ cause }) => cause === "ahead")
      .reduce((sum, { bytes }) => sum + bytes / MIB, 0);
  const readTo = (x: Shared<Int32Array>, end: number): void => {
    for (let i = 0; i < end; i += 256) if (x.view[i] !== 1) assert.fail(`${i}: ${x.view[i]}`);
  };

  test("comes home ahead of touches in order, unless someone has said where it should be", async () => {
    for (const bound of [false, true]) {
      using hms = await open(options);
      using queue = hms.device("accel0").queue();
      const x = hms.space.alloc(Int32Array, 12 * MIB, { name: "x" });
      await queue.run(add, { x: x.update() });
      if (bound) hms.space.bind(x, { targets: ["accel0"] });
      readTo(x, 8 * MIB);
      const came = ahead(hms, x);
      assert.ok(bound ? came === 0 : came > 0, `${came} MiB, bound: ${bound}`);
    }
  });

  test("goes to a device ahead of its touches, unless they are in no order", async () => {
    for (const random of [false, true]) {
      using hms = await open(options);
      using queue = hms.device("accel0").queue();
      const x = hms.space.alloc(Int32Array, 12 * MIB, { name: "x" });
      x.view.fill(0);
      if (random) hms.space.advise(x, "random");
      await queue.run(add, { x: x.update() }, { whole: true });
      const went = ahead(hms, x);
      assert.ok(random ? went === 0 : went > 0, `${went} MiB, random: ${random}`);
      readTo(x, x.length);
    }
  });
});
