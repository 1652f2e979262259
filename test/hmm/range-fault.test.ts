import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  EPERM,
  ERROR,
  FaultRange,
  NO_FRAME,
  OK,
  REQUEST_FAULT,
  REQUEST_WRITE,
  RETRY_LIMIT,
  VALID,
  WRITABLE,
  ZERO_FRAME,
} from "@hms/hmm";
import {
  at,
  codes,
  expectErrno,
  expectOk,
  expectPages,
  expectSound,
  lab,
  mapFilled,
  mapHuge,
  pageOf,
} from "./lab.ts";

test("each page is asked for by itself: what is not asked for is not faulted in", () => {
  const machine = lab();
  const { process } = machine;
  const first = process.mmap({ pages: 8 });
  const { mirror } = at(machine.handles, 0);
  const range = new FaultRange(8);
  range.set({ first, count: 8, request: 0 });
  range.requestMask = REQUEST_FAULT | REQUEST_WRITE;
  range.requests.set([
    0,
    REQUEST_FAULT,
    REQUEST_FAULT | REQUEST_WRITE,
    0,
    REQUEST_WRITE,
    0,
    0,
    REQUEST_FAULT,
  ]);
  assert.equal(mirror.rangeFault(range, mirror.readBegin()), OK);
  assert.deepEqual([...range.results], [0, VALID, VALID | WRITABLE, 0, 0, 0, 0, VALID]);
  assert.equal(range.faults, 3);
  assert.equal(range.frameOf(0), NO_FRAME);
  assert.equal(range.frameOf(1), ZERO_FRAME);
  assert.equal(process.space.accounts().host, 1, "only the page that was asked for writable has memory");
});

test("the mask and the default make the request; requests outside of the mask do not count", () => {
  const machine = lab();
  const first = machine.process.mmap({ pages: 2 });
  const { mirror } = at(machine.handles, 0);
  const range = new FaultRange(2);
  range.set({ first, count: 2, request: REQUEST_FAULT });
  range.requests.set([REQUEST_WRITE, 0]);
  assert.equal(mirror.rangeFault(range, mirror.readBegin()), OK);
  assert.deepEqual([...range.results], [VALID, VALID]);
  range.requestMask = REQUEST_WRITE;
  let errno = EBUSY;
  while (errno === EBUSY) errno = mirror.rangeFault(range, mirror.readBegin());
  assert.deepEqual([errno, ...range.results], [OK, VALID | WRITABLE, VALID]);
});

test("a snapshot of anything faults nothing in and never fails: holes and unreadable regions are ERROR", () => {
  const machine = lab();
  const { process } = machine;
  const first = mapFilled(process, 6);
  expectOk({ errno: process.munmap(first + 1, 1) });
  expectOk({ errno: process.mprotect(first + 2, 1, "none") });
  process.mmap({ pages: 1, at: first + 3, backing: { kind: "io" } });
  expectOk({ errno: process.madvise(first + 4, 1, "dontneed") });
  const { mirror } = at(machine.handles, 0);
  const range = new FaultRange(6);
  range.set({ first, count: 6, request: 0 });
  assert.equal(mirror.snapshot(range), OK);
  assert.deepEqual([...range.results], [VALID | WRITABLE, ERROR, ERROR, ERROR, 0, VALID | WRITABLE]);
  assert.equal(range.faults, 0);
});

test("the error says what is wrong with the first page that cannot be had, and what is below stays faulted in", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const bytes = new Uint8Array(8 * 4096).fill(7);
  const first = process.mmap({ pages: 8 });
  expectOk({ errno: process.mprotect(first + 4, 1, "r") });
  expectErrno(handle.run("write", first, 8, bytes), "EPERM");
  assert.equal(process.space.accounts().host, 4, "the pages below the read-only one");
  expectOk({ errno: process.mprotect(first + 4, 1, "none") });
  expectErrno(handle.run("write", first, 8, bytes), "EFAULT");
  expectErrno(handle.run("read", first, 8, bytes), "EFAULT");
  expectOk({ errno: process.munmap(first + 4, 1) });
  expectErrno(handle.run("read", first, 8, bytes), "EFAULT");
  expectOk(handle.run("read", first, 4, bytes));
});

test("an unreadable region in front of a read-only one: EFAULT; the other way round: EPERM", () => {
  const machine = lab();
  const { process } = machine;
  const { mirror } = at(machine.handles, 0);
  const first = process.mmap({ pages: 2, protection: "none" });
  expectOk({ errno: process.mprotect(first + 1, 1, "r") });
  const range = new FaultRange(2);
  range.set({ first, count: 2, request: REQUEST_FAULT | REQUEST_WRITE });
  assert.equal(mirror.populate(range), EFAULT);
  range.set({ first: first + 1, count: 1, request: REQUEST_FAULT | REQUEST_WRITE });
  assert.equal(mirror.populate(range), EPERM);
});

test("a stale sequence, or one of an invalidation that is going on: EBUSY, and nothing is looked at", () => {
  const machine = lab();
  const { process } = machine;
  const { mirror } = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  const range = new FaultRange(2);
  range.set({ first, count: 2, request: REQUEST_FAULT });
  const sequence = mirror.readBegin();
  assert.equal(sequence % 2, 0);
  expectOk({ errno: process.madvise(first, 1, "dontneed") });
  assert.equal(mirror.rangeFault(range, sequence), EBUSY);
  assert.ok(mirror.readRetry(sequence));
  process.space.invalidate(first, first + 1, "clear");
  assert.equal(mirror.readBegin() % 2, 1);
  assert.equal(mirror.rangeFault(range, mirror.readBegin()), EBUSY);
  process.space.invalidated(first, first + 1);
  assert.equal(mirror.rangeFault(range, mirror.readBegin()), OK);
});

test("populate tries again while others get in the way, a bounded number of times: then EBUSY", () => {
  const machine = lab();
  const { process, host } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 1);
  let times = 0;
  const disturb = (limit: number): void => {
    times = 0;
    host.onYield = (point) => {
      if (point !== "populate" || times >= limit) return;
      times++;
      process.space.invalidate(first, first + 1, "clear");
      process.space.invalidated(first, first + 1);
    };
  };
  disturb(RETRY_LIMIT - 1);
  expectOk(handle.run("read", first, 1, new Uint8Array(4096)));
  handle.table.clear(first, first + 1);
  disturb(Number.POSITIVE_INFINITY);
  const buffer = pageOf(0xaa);
  expectErrno(handle.run("read", first, 1, buffer), "EBUSY");
  assert.equal(times, RETRY_LIMIT);
  assert.deepEqual(buffer, pageOf(0xaa), "a command that fails leaves the buffer alone");
  host.onYield = null;
  expectOk(handle.run("read", first, 1, buffer));
});

test("an invalidation that never ends: EBUSY after 1000 ms of the host's clock, not after 1000 attempts", () => {
  const machine = lab([{}], { costs: slowCosts() });
  const { process, host } = machine;
  const first = mapFilled(process, 1);
  process.space.invalidate(first, first + 1, "clear");
  const before = host.clock.now;
  expectErrno(at(machine.handles, 0).run("read", first, 1), "EBUSY");
  const waited = host.clock.now - before;
  assert.ok(waited >= 1e9 && waited < 1.1e9, `waited ${waited} ns`);
  process.space.invalidated(first, first + 1);
});

function slowCosts() {
  return {
    fault: 1,
    call: 1,
    invalidation: 1,
    pause: 50_000_000,
    disk: () => 1,
    transfer: () => 1,
  };
}

test("host memory smaller than the range: every page is had in the end, a few at a time", () => {
  const machine = lab([{}], { ramPages: 100, swapPages: 512 });
  const { process } = machine;
  const first = mapFilled(process, 200);
  const bytes = new Uint8Array(200 * 4096);
  expectOk(at(machine.handles, 0).run("read", first, 200, bytes));
  for (let i = 0; i < 200; i++) assert.equal(bytes[i * 4096 + 77], (1 + i) & 0xff);
  expectPages(process, first, 200);
  expectSound(machine);
});

test("the device's own private pages are answered where they are; another device's come home", () => {
  const machine = lab([{}, {}]);
  const { process, host } = machine;
  const [own, other] = [at(machine.handles, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 4);
  expectOk(own.run("migrate-to-device", first, 4));
  own.table.clear(first, first + 4);
  expectOk(own.run("read", first, 4, new Uint8Array(4 * 4096)));
  assert.deepEqual(codes(own, first, 4), ["22", "22", "22", "22"]);
  assert.deepEqual(codes(other, first, 4), ["00", "00", "00", "00"]);
  expectOk(other.run("read", first + 1, 1, new Uint8Array(4096)));
  assert.deepEqual(codes(own, first, 4), ["22", "02", "22", "22"]);
  assert.equal(host.core.statistics.movedToHost, 1);
  expectSound(machine);
});

test("the device's own page that is read-only becomes writable where it is, unless a fork shares it", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  expectOk(handle.run("migrate-to-device", first, 2));
  expectOk({ errno: process.mprotect(first, 2, "r") });
  expectErrno(handle.run("write", first, 1, pageOf(1)), "EFAULT");
  expectOk({ errno: process.mprotect(first, 2, "rw") });
  assert.deepEqual(codes(handle, first, 2), ["21", "21"]);
  expectOk(handle.run("write", first, 1, pageOf(9)));
  assert.deepEqual(codes(handle, first, 2), ["22", "21"]);
  const child = process.fork();
  expectOk(handle.run("write", first, 1, pageOf(10)));
  expectPages(child, first, 1, 9);
  expectPages(process, first, 1, 10);
  expectSound(machine);
});

test("the map order of huge pages is in the result, of 2 MiB and of 1 GiB", () => {
  const machine = lab();
  const { process } = machine;
  const { mirror } = at(machine.handles, 0);
  const first = mapHuge(process);
  const range = new FaultRange(4);
  range.set({ first: first + 3, count: 4, request: REQUEST_FAULT });
  assert.equal(mirror.populate(range), OK);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => range.orderOf(i)),
    [9, 9, 9, 9],
  );
  assert.equal(range.frameOf(1), range.frameOf(0) + 1);
  const chunk = process.space.table.at(first);
  assert.ok(chunk !== null);
  chunk.order = 18;
  assert.deepEqual(codes(at(machine.handles, 0), first, 1), ["0a"]);
  chunk.order = 9;
  assert.deepEqual(codes(at(machine.handles, 0), first, 1), ["06"]);
});

test("wrong ranges, a closed mirror and a space that is gone are told apart", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 4);
  const small = at(machine.devices, 0).device.mirror(
    process.space,
    { invalidate: () => true },
    { first: first + 1, count: 2 },
  );
  const range = new FaultRange(4);
  for (const [from, count] of [
    [first, 2],
    [first + 2, 2],
    [first + 1.5, 1],
    [first + 1, 0],
    [first + 1, -1],
    [Number.NaN, 1],
  ] as const) {
    range.first = from;
    range.count = count;
    range.defaultRequest = REQUEST_FAULT;
    assert.equal(small.populate(range), EINVAL, `${from}+${count}`);
  }
  range.set({ first: first + 1, count: 2, request: REQUEST_FAULT });
  assert.equal(small.populate(range), OK);
  small.close();
  small.close();
  assert.equal(small.populate(range), ENODEV);
  expectOk({ errno: process.exit() });
  assert.equal(handle.mirror.populate(range), EFAULT);
  assert.throws(() => new FaultRange(0), { code: "BAD_CAPACITY", errno: "EINVAL" });
  assert.throws(() => new FaultRange(1e9), { code: "BAD_CAPACITY", errno: "EINVAL" });
});
