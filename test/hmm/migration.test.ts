import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestDevice } from "@hms/driver-test";
import {
  CAUSE,
  HUGE_PAGES,
  LOSS,
  type Migration,
  NO_FRAME,
  OK,
  SELECT_PRIVATE,
  SELECT_SYSTEM,
} from "@hms/hmm";
import type { ModelProcess } from "@hms/host-model";
import {
  at,
  codes,
  expectDevice,
  expectErrno,
  expectOk,
  expectPages,
  expectSound,
  fillPages,
  lab,
  mapFilled,
  mapHuge,
  pageOf,
} from "./lab.ts";

/** A migration to the device, set up by hand. */
function setUp(device: TestDevice, process: ModelProcess, first: number, count: number): Migration {
  const migration = device.device.migration(count);
  const setup = { space: process.space, first, count, select: SELECT_SYSTEM, to: device.memory };
  assert.equal(migration.setup(setup), OK);
  return migration;
}

function reasons(migration: Migration): string[] {
  return Array.from({ length: migration.count }, (_, i) => migration.reasonName(i));
}

test("to the device and home again, every byte is there, and the accounts follow", () => {
  for (const kind of ["private", "coherent"] as const) {
    const machine = lab([{ kind }]);
    const { process } = machine;
    const handle = at(machine.handles, 0);
    const first = mapFilled(process, 100);
    expectOk(handle.run("migrate-to-device", first, 100));
    assert.deepEqual(process.space.accounts(), {
      host: 0,
      file: 0,
      swapped: 0,
      lost: 0,
      devices: new Map([["d0 memory", 100]]),
    });
    assert.equal(process.space.residentPages, 100);
    expectDevice(handle, first, 100);
    expectOk(handle.run("write", first + 3, 1, pageOf(200)));
    assert.equal(handle.run("migrate-to-system", first, 100).pages, 100);
    assert.equal(process.space.accounts().host, 100);
    expectPages(process, first, 3);
    expectPages(process, first + 3, 1, 200);
    expectPages(process, first + 4, 96, 5);
    expectSound(machine);
  }
});

test("pages that cannot be taken stay, each with its reason; the others move", () => {
  const machine = lab([{}, {}], { ramPages: 4096 });
  const { process, host } = machine;
  const [device, other] = [at(machine.devices, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 8);
  const pin = process.pin(first, 1, { kind: "short" });
  expectOk(other.run("migrate-to-device", first + 1, 1));
  expectOk({ errno: process.madvise(first + 2, 1, "pageout") });
  expectOk(other.run("exclusive", first + 3, 1));
  expectOk({ errno: process.madvise(first + 4, 1, "dontneed") });
  expectOk({ errno: process.madvise(first + 5, 1, "dontneed") });
  expectOk({ errno: process.touch(first + 5) });
  const migration = setUp(device, process, first, 8);
  assert.deepEqual(reasons(migration), [
    "pinned",
    "not selected",
    "swapped out",
    "locked",
    "none",
    "none",
    "none",
    "none",
  ]);
  assert.equal(migration.collected, 4);
  assert.equal(migration.source(4), NO_FRAME, "nothing is there: a fresh page");
  assert.equal(migration.source(5), NO_FRAME, "the page of zeros: a fresh page");
  assert.notEqual(migration.source(6), NO_FRAME);
  expectErrno({ errno: process.touch(first + 6) }, "EAGAIN");
  device.fill(migration);
  migration.pages();
  migration.finalize();
  assert.equal(migration.movedCount, 4);
  if (typeof pin !== "number") pin.release();
  expectPages(process, first, 4);
  expectPages(process, first + 6, 2, 7);
  assert.ok(host.core.statistics.movedToDevice >= 5);
  expectSound(machine);
});

test("setup refuses what the kernel refuses, and then nothing is under way", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 4);
  const hugetlb = process.mmap({ pages: 512, backing: { kind: "hugetlb" } });
  const dax = process.mmap({
    pages: 2,
    backing: { kind: "file", file: host.createFile({ pages: 2, kind: "dax" }) },
  });
  const mixed = process.mmap({ pages: 1, backing: { kind: "mixed" } });
  const io = process.mmap({ pages: 1, backing: { kind: "io" } });
  const migration = device.device.migration(512);
  const set = (from: number, count: number): number =>
    migration.setup({ space: process.space, first: from, count, select: SELECT_SYSTEM, to: device.memory });
  for (const [from, count] of [
    [hugetlb, 512],
    [dax, 1],
    [mixed, 1],
    [io, 1],
    [first + 2, 3],
    [first - 1, 1],
    [first, 0],
    [first, -2],
    [first, 513],
    [first + 0.5, 1],
    [2 ** 36 - 1, 2],
    [Number.POSITIVE_INFINITY, 1],
  ] as const) {
    expectErrno({ errno: set(from, count) }, "EINVAL");
    assert.equal(migration.active, false);
  }
  assert.equal(set(first, 4), OK);
  assert.throws(() => set(first, 4), { code: "MIGRATION_STEP", errno: "EBUSY" });
  migration.abort();
  migration.abort();
  assert.throws(() => migration.pages(), { code: "MIGRATION_STEP" });
  assert.throws(() => migration.finalize(), { code: "MIGRATION_STEP" });
  process.exit();
  expectErrno({ errno: set(first, 4) }, "EFAULT");
  assert.throws(() => device.device.migration(0), { code: "BAD_CAPACITY", errno: "EINVAL" });
  expectSound(machine);
});

test("who fills an empty page meanwhile wins: the migration loses it, and the byte stays", () => {
  const machine = lab();
  const { process } = machine;
  const device = at(machine.devices, 0);
  const first = process.mmap({ pages: 3 });
  const migration = setUp(device, process, first, 3);
  device.fill(migration);
  expectOk({ errno: process.write(first + 1, 0, pageOf(9)) });
  migration.pages();
  assert.deepEqual(
    [0, 1, 2].map((i) => migration.moved(i)),
    [true, false, true],
  );
  assert.equal(migration.reason(1), LOSS.raced);
  migration.finalize();
  expectPages(process, first + 1, 1, 9);
  assert.equal(device.memory.pages - device.available, 2);
  expectSound(machine);
});

test("a page that is unmapped while it moves is gone, here and there", () => {
  const machine = lab();
  const { process } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 3);
  const migration = setUp(device, process, first, 3);
  device.fill(migration);
  expectOk({ errno: process.madvise(first + 1, 1, "dontneed") });
  expectErrno({ errno: process.munmap(first, 1) }, "EAGAIN");
  migration.pages();
  assert.equal(migration.reason(1), LOSS.unmapped);
  migration.finalize();
  expectPages(process, first + 1, 1, 0);
  expectPages(process, first + 2, 1, 3);
  expectSound(machine);
});

test("pages that a fork shares move for both; the one that is unmapped here meanwhile moves for the other", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 4);
  const child = process.fork();
  const migration = setUp(device, process, first, 4);
  device.fill(migration);
  expectOk({ errno: process.madvise(first + 2, 1, "dontneed") });
  migration.pages();
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => migration.moved(i)),
    [true, true, false, true],
  );
  assert.equal(migration.writable(0), false, "a shared page is read-only");
  migration.finalize();
  assert.equal(child.space.accounts().devices.get("d0 memory"), 4);
  assert.equal(process.space.accounts().devices.get("d0 memory"), 3);
  assert.equal(device.memory.frames.mapped, 4);
  expectPages(child, first, 4);
  expectPages(process, first, 2);
  fillPages(child, first, 1, 77);
  expectPages(process, first, 1);
  assert.equal(host.core.memories.host.mapCount.length > 0, true);
  expectSound(machine);
});

test("a driver may leave any page out, or give up as a whole: every page stays where it was", () => {
  const machine = lab();
  const { process } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 4);
  let migration = setUp(device, process, first, 4);
  migration.pages();
  migration.finalize();
  assert.deepEqual(reasons(migration), Array(4).fill("left by the driver"));
  migration = setUp(device, process, first, 4);
  device.fill(migration);
  migration.abort();
  assert.deepEqual(reasons(migration), Array(4).fill("given up"));
  assert.equal(device.available, device.memory.pages);
  expectPages(process, first, 4);
  expectSound(machine);
});

test("home: without host memory a page stays with the device, and the others come", () => {
  const machine = lab([{}], { ramPages: 4096 });
  const { process, host } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 4);
  expectOk(handle.run("migrate-to-device", first, 4));
  host.failNextAllocations(1);
  assert.equal(handle.run("migrate-to-system", first, 4).pages, 3);
  assert.deepEqual(codes(handle, first, 4), ["22", "02", "02", "02"]);
  host.failNextAllocations(1);
  expectErrno({ errno: process.touch(first) }, "ENOMEM");
  assert.deepEqual(codes(handle, first, 1), ["22"]);
  expectPages(process, first, 4);
  expectSound(machine);
});

test("a huge page goes and comes as one, and in pieces where one side cannot have it whole", () => {
  const machine = lab([{}, { kind: "coherent" }]);
  const { process, host, devices } = machine;
  const [whole, split] = [at(machine.handles, 0), at(machine.handles, 1)];
  const first = mapHuge(process);
  expectOk(whole.run("migrate-to-device", first, HUGE_PAGES));
  assert.deepEqual(new Set(codes(whole, first, HUGE_PAGES)), new Set(["26"]));
  const before = host.core.statistics.cpuFaults;
  expectPages(process, first, HUGE_PAGES, 0);
  assert.equal(host.core.statistics.cpuFaults - before, 1, "one touch brings all of it home");
  assert.deepEqual(new Set(codes(whole, first, HUGE_PAGES)), new Set(["06"]));
  expectOk(split.run("migrate-to-device", first, HUGE_PAGES));
  assert.deepEqual(new Set(codes(split, first, HUGE_PAGES)), new Set(["42"]));
  assert.equal(split.run("migrate-to-system", first, HUGE_PAGES).pages, HUGE_PAGES);
  expectOk({ errno: process.madvise(first, HUGE_PAGES, "collapse") });
  at(devices, 0).inject.failAllocation = true;
  expectOk(whole.run("migrate-to-device", first, HUGE_PAGES));
  assert.deepEqual(new Set(codes(whole, first, HUGE_PAGES)), new Set(["22"]), "single pages");
  expectPages(process, first, HUGE_PAGES, 0);
  expectSound(machine);
});

test("part of a huge page moves alone, and a pinned one does not move at all", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapHuge(process, 2);
  expectOk(handle.run("migrate-to-device", first + 10, 5));
  assert.deepEqual(codes(handle, first + 9, 7), ["02", "22", "22", "22", "22", "22", "02"]);
  const pin = process.pin(first + 600, 1, { kind: "long" });
  expectErrno(handle.run("migrate-to-device", first + 512, 512), "ENOENT");
  assert.deepEqual(new Set(codes(handle, first + 512, 512)), new Set(["06"]));
  if (typeof pin !== "number") pin.release();
  expectOk(handle.run("migrate-to-device", first + 512, 512));
  expectPages(process, first, 1024, 0);
  expectSound(machine);
});

test("the fresh huge page of an empty or zero range is zeros, whatever the memory held before", () => {
  const machine = lab([{ pages: 1024 }]);
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const dirty = mapHuge(process, 2);
  expectOk(handle.run("migrate-to-device", dirty, 1024));
  expectOk({ errno: process.munmap(dirty, 1024) });
  const first = process.mmap({ pages: 1024, huge: true });
  expectOk({ errno: process.touch(first + 512 + 3) });
  assert.deepEqual(codes(handle, first + 512, 1), ["05"]);
  expectOk(handle.run("migrate-to-device", first, 1024));
  expectPages(process, first, 1, 0);
  const bytes = new Uint8Array(4096 * 1024).fill(1);
  expectOk(handle.run("read", first, 1024, bytes));
  assert.ok(bytes.every((byte) => byte === 0));
  expectSound(machine);
});

test("a range of several regions and memories: what core.migrate reports is what happened", () => {
  const machine = lab([{ pages: 20 }, { kind: "coherent" }], { ramPages: 4096 });
  const { process, host, devices } = machine;
  const [small, other] = [at(devices, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 30);
  expectOk({ errno: process.munmap(first + 4, 1) });
  process.mmap({ pages: 2, at: first + 6, backing: { kind: "mixed" } });
  expectOk(other.run("migrate-to-device", first + 10, 2));
  const pin = process.pin(first + 1, 1, { kind: "short" });
  const report = host.core.migrate({
    space: process.space,
    first,
    count: 30,
    to: small.memory,
    cause: CAUSE.prefetch,
  });
  assert.deepEqual(
    report.kept.map(({ first: from, count, why }) => `${from - first}+${count} ${why}`),
    ["1+1 pinned", "4+1 absent", "6+2 not of a kind that migrates", "24+6 left by the driver"],
  );
  assert.equal(report.moved, 20);
  assert.equal(host.core.statistics.movedBetweenDevices, 2);
  const again = host.core.migrate({ space: process.space, first: first + 8, count: 4, to: small.memory });
  assert.deepEqual(again, { moved: 0, kept: [] }, "they are there already");
  const home = host.core.migrate({ space: process.space, first, count: 30, to: null });
  assert.equal(home.moved, 20);
  if (typeof pin !== "number") pin.release();
  expectSound(machine);
});

test("from device to device directly where both agree, by way of the host where one does not", () => {
  for (const peers of [true, false]) {
    const machine = lab([{}, { peers, kind: "coherent" }]);
    const { process, host, devices } = machine;
    const first = mapFilled(process, 6);
    expectOk(at(machine.handles, 0).run("migrate-to-device", first, 6));
    const before = { ...host.core.statistics };
    const report = host.core.migrate({ space: process.space, first, count: 6, to: at(devices, 1).memory });
    assert.deepEqual(report, { moved: 6, kept: [] });
    const { movedBetweenDevices, movedToHost } = host.core.statistics;
    assert.equal(movedBetweenDevices - before.movedBetweenDevices, peers ? 6 : 0);
    assert.equal(movedToHost - before.movedToHost, peers ? 0 : 6);
    assert.deepEqual(new Set(codes(at(machine.handles, 1), first, 6)), new Set(["42"]));
    expectPages(process, first, 6);
    expectDevice(at(machine.handles, 1), first, 6);
    expectSound(machine);
  }
});

test("a space that may hold no more pages: fresh pages stay away, what is there may move", () => {
  const machine = lab([{}]);
  const { host, devices } = machine;
  const process = host.createProcess({ limitPages: 4 });
  const handle = at(devices, 0).open(process.space);
  const first = process.mmap({ pages: 8 });
  fillPages(process, first, 2);
  const report = host.core.migrate({ space: process.space, first, count: 8, to: at(devices, 0).memory });
  assert.equal(report.moved, 4);
  assert.deepEqual(
    report.kept.map(({ why, count }) => [why, count]),
    [["limit of the space", 4]],
  );
  expectErrno({ errno: process.write(first + 7, 0, pageOf(1)) }, "ENOMEM");
  expectErrno(handle.run("write", first + 7, 1, pageOf(1)), "EFAULT");
  expectPages(process, first, 2);
  expectSound(machine);
});

test("mprotect, mremap and fork find a page on its way, and it arrives as they left it", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 8);
  expectOk(handle.run("migrate-to-device", first, 8));
  let moved = 0;
  const children: ModelProcess[] = [];
  host.onYield = (point) => {
    if (point !== "migrate-collected" || moved > 0) return;
    moved = process.mremap(first, 4);
    expectOk({ errno: process.mprotect(first + 4, 2, "r") });
    children.push(process.fork());
  };
  const { remaining } = device.memory.evict(0, device.memory.pages);
  host.onYield = null;
  assert.equal(remaining, 0);
  assert.ok(moved > 0);
  const child = at(children, 0);
  for (const one of [process, child]) {
    expectPages(one, moved, 4);
    expectPages(one, first + 4, 4, 5);
    expectErrno({ errno: one.write(first + 4, 0, pageOf(1)) }, "EFAULT");
    expectErrno({ errno: one.touch(first) }, "EFAULT");
  }
  fillPages(process, first + 6, 1, 99);
  expectPages(child, first + 6, 1, 7);
  expectSound(machine);
});

test("selecting the device's own pages takes no other device's and no host page", () => {
  const machine = lab([{}, {}]);
  const { process } = machine;
  const first = mapFilled(process, 3);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 1));
  expectOk(at(machine.handles, 1).run("migrate-to-device", first + 1, 1));
  const device = at(machine.devices, 0);
  const migration = device.device.migration(3);
  const setup = { space: process.space, first, count: 3, select: SELECT_PRIVATE, to: null };
  assert.equal(migration.setup(setup), OK);
  assert.deepEqual(reasons(migration), ["none", "not selected", "not selected"]);
  migration.abort();
  assert.equal(at(machine.handles, 0).run("migrate-to-system", first, 3).pages, 1);
  expectSound(machine);
});
