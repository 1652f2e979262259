import assert from "node:assert/strict";
import { test } from "node:test";
import { ExclusiveRange, NO_FRAME, OK } from "@hms/hmm";
import {
  at,
  codes,
  expectErrno,
  expectOk,
  expectPages,
  expectSound,
  fillPages,
  lab,
  mapFilled,
  mapHuge,
} from "./lab.ts";

test("exclusive until someone touches: the CPU, a fork, another device, this device's own write", () => {
  const machine = lab([{}, {}]);
  const { process } = machine;
  const [handle, other] = [at(machine.handles, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 4);
  const take = (): void => {
    expectOk(handle.run("exclusive", first, 4, new Uint8Array(4 * 4096)));
    expectErrno(handle.run("check-exclusive", first, 4), "EPERM");
    assert.deepEqual(codes(handle, first, 4), ["00", "00", "00", "00"]);
    expectSound(machine);
  };
  take();
  expectPages(process, first, 4);
  expectOk(handle.run("check-exclusive", first, 4));
  assert.deepEqual(codes(handle, first, 4), ["02", "02", "02", "02"]);
  take();
  const child = process.fork();
  expectOk(handle.run("check-exclusive", first, 4));
  fillPages(child, first, 1, 50);
  expectPages(process, first, 4);
  child.exit();
  take();
  expectOk(other.run("exclusive", first, 2));
  expectOk(handle.run("check-exclusive", first, 2));
  expectErrno(other.run("check-exclusive", first, 2), "EPERM");
  take();
  expectOk(handle.run("write", first, 4, new Uint8Array(4 * 4096).fill(3)));
  expectOk(handle.run("check-exclusive", first, 4));
  expectPages(process, first, 1, 3);
  expectSound(machine);
});

test("only anonymous memory that nobody shares or holds: what is not obtained is named by its absence", () => {
  const machine = lab([{}, {}]);
  const { process, host } = machine;
  const handle = at(machine.handles, 0);
  const range = new ExclusiveRange(8);
  const shared = process.mmap({ pages: 1, share: "shared" });
  expectOk({ errno: process.touch(shared, true) });
  expectErrno(handle.run("exclusive", shared, 1), "EBUSY");
  const file = process.mmap({ pages: 1, backing: { kind: "file", file: host.createFile({ pages: 1 }) } });
  expectOk(handle.run("exclusive", file, 1));
  const huge = mapHuge(process);
  expectErrno(handle.run("exclusive", huge, 4), "EBUSY");
  assert.equal(range.take(handle.mirror, huge, 4), OK);
  assert.deepEqual([range.obtained, range.frames[0] !== NO_FRAME, range.frames[1]], [1, true, NO_FRAME]);
  range.release();
  const readOnly = process.mmap({ pages: 1, protection: "r" });
  expectErrno(handle.run("exclusive", readOnly, 1), "EBUSY");
  const first = mapFilled(process, 2);
  expectErrno(handle.run("exclusive", first + 1, 2), "EBUSY");
  const hugetlb = process.mmap({ pages: 512, backing: { kind: "hugetlb" } });
  expectErrno(handle.run("exclusive", hugetlb, 1), "EBUSY");
  expectSound(machine);
});

test("while the driver holds the pages nobody gets them: the CPU waits, a fork fails with EBUSY", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  const range = new ExclusiveRange(2);
  assert.equal(range.take(handle.mirror, first, 2), OK);
  assert.equal(range.obtained, 2);
  expectErrno({ errno: process.touch(first) }, "EAGAIN");
  assert.throws(() => process.fork(), { code: "FORK_FAILED", errno: "EBUSY" });
  expectErrno(handle.run("migrate-to-device", first, 2), "ENOENT");
  assert.throws(() => range.take(handle.mirror, first, 1), { code: "RANGE_TAKEN", errno: "EBUSY" });
  range.release();
  range.release();
  expectPages(process, first, 2);
  process.fork().exit();
  expectSound(machine);
});

test("mprotect and munmap of exclusive pages: readable after the one, gone after the other", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  expectOk(handle.run("exclusive", first, 2));
  expectOk({ errno: process.mprotect(first, 2, "r") });
  expectOk(handle.run("check-exclusive", first, 2));
  expectErrno(handle.run("write", first, 2, new Uint8Array(2 * 4096)), "EPERM");
  expectPages(process, first, 2);
  assert.deepEqual(codes(handle, first, 2), ["01", "01"]);
  expectOk({ errno: process.mprotect(first, 2, "rw") });
  expectOk(handle.run("exclusive", first, 2));
  expectOk({ errno: process.munmap(first, 2) });
  expectOk(handle.run("check-exclusive", first, 2));
  assert.equal(process.space.residentPages, 0);
  expectSound(machine);
});

test("wrong ranges and capacities", () => {
  const machine = lab();
  const { process } = machine;
  const { mirror } = at(machine.handles, 0);
  const first = mapFilled(process, 4);
  const range = new ExclusiveRange(2);
  for (const [from, count] of [
    [first, 3],
    [first, 0],
    [first + 0.5, 1],
    [2 ** 36, 1],
  ] as const) {
    expectErrno({ errno: range.take(mirror, from, count) }, "EINVAL");
  }
  assert.throws(() => new ExclusiveRange(0), { code: "BAD_CAPACITY", errno: "EINVAL" });
  mirror.close();
  expectErrno({ errno: range.take(mirror, first, 1) }, "ENODEV");
});
