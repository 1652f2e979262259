import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestHandle } from "@hms/driver-test";
import { type Invalidation, PAGE_LIMIT } from "@hms/hmm";
import { at, expectErrno, expectOk, expectSound, lab, mapFilled, mapHuge, pageOf } from "./lab.ts";

/** What a handle hears, as `reason first+count owner`, pages counted from `base`. */
function listen(handle: TestHandle, base: number): string[] {
  const heard: string[] = [];
  handle.onInvalidate = (event: Invalidation) => {
    const everything = event.first === 0 && event.end === PAGE_LIMIT;
    const range = everything ? "all" : `${event.first - base}+${event.end - event.first}`;
    const owner = event.owner === null ? "" : ` by ${event.owner.name}`;
    heard.push(`${event.reason} ${range}${owner}`);
    assert.equal(event.sequence % 2, 1, "the sequence is odd before the driver is called");
    assert.equal(event.sequence, handle.mirror.sequence);
  };
  return heard;
}

function heard(list: string[]): string[] {
  return list.splice(0);
}

test("each change of a range has its reason, in the order of the changes, before anything has changed", () => {
  const machine = lab([{}, {}]);
  const { process } = machine;
  const [zero, one] = [at(machine.handles, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 16);
  const events = listen(one, first);
  process.mprotect(first + 1, 2, "r");
  assert.deepEqual(heard(events), ["protection-range 1+2"]);
  process.mprotect(first + 1, 2, "r");
  assert.deepEqual(heard(events), [], "nothing changes");
  process.madvise(first + 3, 2, "dontneed");
  assert.deepEqual(heard(events), ["clear 3+2"]);
  const child = process.fork();
  assert.deepEqual(heard(events), ["protection-page 0+1", "protection-page 1+2", "protection-page 3+13"]);
  process.write(first, 0, pageOf(1));
  assert.deepEqual(heard(events), ["clear 0+1"], "copy on write");
  child.exit();
  process.write(first + 3, 0, pageOf(1));
  assert.deepEqual(heard(events), [], "nothing was there");
  expectOk(zero.run("migrate-to-device", first + 8, 4));
  assert.deepEqual(heard(events), ["migrate 8+4 by d0"]);
  process.touch(first + 9);
  assert.deepEqual(heard(events), ["migrate 9+1"], "a CPU's fault is on nobody's behalf");
  expectOk(zero.run("migrate-to-system", first + 8, 4));
  assert.deepEqual(heard(events), ["migrate 8+4 by d0"]);
  expectOk(zero.run("exclusive", first + 12, 1));
  assert.deepEqual(heard(events), ["exclusive 12+1 by d0"]);
  process.touch(first + 12);
  assert.deepEqual(heard(events), ["exclusive 12+1"]);
  process.mremap(first + 14, 2);
  assert.deepEqual(heard(events), ["unmap 14+2"]);
  process.munmap(first + 12, 1);
  assert.deepEqual(heard(events), ["unmap 12+1"]);
  process.exit();
  assert.deepEqual(heard(events), ["release all", "unmap all"]);
});

test("what a mirror covers it hears of, clipped to it; what it does not cover it does not", () => {
  const machine = lab();
  const { process, devices } = machine;
  const first = mapFilled(process, 8);
  const events: string[] = [];
  const ops = {
    invalidate: (event: Invalidation): boolean => {
      events.push(`${event.first - first}+${event.end - event.first}`);
      return true;
    },
  };
  const mirrors = [
    at(devices, 0).device.mirror(process.space, ops, { first: first + 2, count: 3 }),
    at(devices, 0).device.mirror(process.space, ops, { first: first + 4, count: 3 }),
  ];
  process.madvise(first, 2, "dontneed");
  assert.deepEqual(heard(events), []);
  process.madvise(first + 1, 2, "dontneed");
  assert.deepEqual(heard(events), ["2+1"]);
  process.munmap(first, 8);
  assert.deepEqual(heard(events), ["2+3", "4+3"]);
  assert.deepEqual(
    mirrors.map((mirror) => mirror.sequence),
    [4, 2],
  );
  for (const mirror of mirrors) mirror.close();
  process.mmap({ pages: 8, at: first });
  process.munmap(first, 8);
  assert.deepEqual(heard(events), []);
});

test("a mirror that is opened during an invalidation waits until it is over", () => {
  const machine = lab();
  const { process, devices, handles } = machine;
  const first = mapFilled(process, 2);
  process.space.invalidate(first, first + 1, "clear");
  const late = at(devices, 0).open(process.space);
  assert.equal(late.mirror.readBegin() % 2, 1);
  expectErrno(late.run("read", first, 1), "EBUSY");
  expectErrno(late.run("migrate-to-device", first, 1), "EBUSY");
  process.space.invalidated(first, first + 1);
  expectOk(late.run("read", first, 1));
  assert.equal(late.mirror.sequence, 0);
  assert.equal(at(handles, 0).mirror.sequence, 2);
  process.space.invalidate(first, first + 1, "clear");
  const later = at(devices, 0).open(process.space);
  later.close();
  process.space.invalidated(first, first + 1);
  assert.equal(process.space.mirrors().length, 2);
  expectSound(machine);
});

test("a refused non-blocking invalidation changes nothing; the next blocking one is obeyed", () => {
  const machine = lab([{}, {}]);
  const { process, host } = machine;
  const handle = at(machine.handles, 1);
  const first = mapFilled(process, 4);
  expectOk(handle.run("read", first, 4));
  handle.refuseNonBlocking = true;
  const before = handle.mirror.sequence;
  assert.equal(host.reclaim(4, { blocking: false }), 0);
  assert.equal(process.space.accounts().host, 4);
  assert.equal(handle.table.size, 4);
  assert.equal(handle.mirror.sequence % 2, 0);
  assert.ok(handle.mirror.sequence > before);
  assert.ok(host.core.statistics.refusals > 0);
  expectErrno({ errno: process.space.discard(first, 4, false) }, "EAGAIN");
  assert.equal(process.space.accounts().host, 4);
  assert.equal(host.reclaim(4), 4);
  assert.equal(process.space.accounts().swapped, 4);
  assert.equal(handle.table.size, 0);
  handle.refuseNonBlocking = false;
  expectOk(handle.run("read", first, 4));
  assert.equal(host.reclaim(4, { blocking: false }), 4);
  expectSound(machine);
});

test("a driver that refuses what it may not, or throws, gets no pages any more; the host goes on", () => {
  for (const behave of ["refuse", "throw"] as const) {
    const machine = lab([{}]);
    const { process, host, devices } = machine;
    const first = mapFilled(process, 2);
    const mirror = at(devices, 0).device.mirror(process.space, {
      invalidate: () => {
        if (behave === "throw") throw new Error("no such register");
        return false;
      },
    });
    expectOk({ errno: process.madvise(first, 1, "dontneed") });
    assert.equal(mirror.open, false);
    assert.equal(mirror.sequence % 2, 0);
    const [fault] = host.core.records.driverFaults.list();
    assert.equal(fault?.callback, "invalidate");
    assert.match(fault?.message ?? "", behave === "throw" ? /no such register/ : /may not/);
    expectSound(machine);
  }
});

test("nothing that faults, migrates or invalidates may be called from within a mirror's callbacks", () => {
  const machine = lab();
  const { process, devices, host } = machine;
  const first = mapFilled(process, 2);
  const codes: string[] = [];
  const device = at(devices, 0).device;
  const mirror = device.mirror(process.space, {
    invalidate: () => {
      try {
        process.space.invalidate(first, first + 1, "clear");
      } catch (error) {
        codes.push((error as { code: string }).code);
        process.space.invalidated(first, first + 1);
      }
      return true;
    },
  });
  process.madvise(first, 1, "dontneed");
  assert.deepEqual(codes, ["MIRROR_LOCKED"]);
  assert.throws(
    () => {
      mirror.lock();
      mirror.lock();
    },
    { code: "MIRROR_LOCKED", errno: "EBUSY" },
  );
  mirror.unlock();
  assert.equal(host.core.records.driverFaults.total, 0);
});

test("collapse and the loss of a huge page are announced; a mirror of it never sees two truths", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapHuge(process);
  expectOk(handle.run("read", first, 512));
  const events = listen(handle, first);
  expectOk({ errno: process.munmap(first + 5, 1) });
  assert.deepEqual(heard(events), ["clear 0+512", "unmap 5+1"]);
  process.mmap({ pages: 1, at: first + 5 });
  expectOk({ errno: process.madvise(first, 512, "hugepage") });
  expectOk({ errno: process.madvise(first, 512, "collapse") });
  assert.deepEqual(heard(events), ["clear 0+512"]);
  expectSound(machine);
});
