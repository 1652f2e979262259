import assert from "node:assert/strict";
import { test } from "node:test";
import { CAUSE, type DeviceMemoryOps, type Proposal, type Verdict } from "@hms/hmm";
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
} from "./lab.ts";

test("eviction by page of the memory finds every space that maps it, and release loses no byte", () => {
  for (const kind of ["private", "coherent"] as const) {
    const machine = lab([{ kind }]);
    const { process } = machine;
    const device = at(machine.devices, 0);
    const handle = at(machine.handles, 0);
    const first = mapFilled(process, 20);
    const huge = mapHuge(process);
    expectOk(handle.run("migrate-to-device", first, 20));
    expectOk(handle.run("migrate-to-device", huge, 512));
    const child = process.fork();
    const { moved } = device.memory.evict(0, 512);
    assert.ok(moved > 0);
    expectOk(handle.run("release"));
    assert.equal(device.available, device.memory.pages);
    assert.equal(handle.table.size, 0);
    for (const one of [process, child]) {
      expectPages(one, first, 20);
      expectPages(one, huge, 512, 0);
      assert.deepEqual(one.space.accounts().devices, new Map());
    }
    expectOk(handle.run("migrate-to-device", first, 20));
    expectDevice(handle, first, 20);
    expectSound(machine);
  }
});

test("closing an open device moves everyone's pages home; closing twice does nothing", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const other = host.createProcess();
  const theirs = mapFilled(other, 4, 50);
  expectOk(device.open(other.space).run("migrate-to-device", theirs, 4));
  const first = mapFilled(process, 4);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 4));
  at(machine.handles, 0).close();
  at(machine.handles, 0).close();
  assert.equal(device.available, device.memory.pages);
  assert.equal(other.space.accounts().host, 4);
  expectErrno(at(machine.handles, 0).run("read", first, 1), "ENODEV");
  expectPages(process, first, 4);
  expectPages(other, theirs, 4, 50);
  expectSound(machine);
});

test("a full device leaves pages where they are, or makes room for them: nothing is lost either way", () => {
  for (const evicts of [false, true]) {
    const machine = lab([{ pages: 40, evicts }]);
    const { process, devices } = machine;
    const handle = at(machine.handles, 0);
    const first = mapFilled(process, 100);
    for (let i = 0; i < 100; i += 20) {
      const { errno } = handle.run("migrate-to-device", first + i, 20);
      if (evicts || i < 40) expectOk({ errno });
      else expectErrno({ errno }, "ENOENT");
    }
    const there = process.space.accounts().devices.get("d0 memory") ?? 0;
    assert.ok(there > 0 && there <= 40);
    assert.equal(there, 40 - at(devices, 0).available);
    expectDevice(handle, first, 100);
    expectPages(process, first, 100);
    expectSound(machine);
  }
});

test("what its driver holds nobody moves, and every attempt is recorded with the reason", () => {
  const machine = lab();
  const { process, host } = machine;
  const { memory } = at(machine.devices, 0);
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 4);
  expectOk(handle.run("migrate-to-device", first, 4));
  const held = process.space.table.frameAt(first + 1) - memory.base;
  memory.hold(held, "scanned out");
  assert.equal(handle.run("migrate-to-system", first, 4).pages, 3);
  expectErrno({ errno: process.touch(first + 1) }, "EIO");
  assert.deepEqual(memory.evict(0, memory.pages), {
    moved: 0,
    remaining: 1,
    reasons: ["held by its driver"],
  });
  expectErrno(handle.run("release"), "EBUSY");
  assert.throws(() => memory.close(), { code: "MEMORY_IN_USE", errno: "EBUSY" });
  const records = host.core.records.overrides.list();
  assert.ok(records.length >= 2);
  for (const record of records) {
    assert.deepEqual(
      [record.who, record.what, record.why, record.first, record.count, record.became],
      ["d0", "held", "scanned out", first + 1, 1, null],
    );
  }
  const [run] = host.core.explain(process.space, first + 1, 1);
  assert.equal(run?.held, "scanned out");
  assert.equal(run?.override?.why, "scanned out");
  memory.unhold(held);
  expectPages(process, first, 4);
  expectSound(machine);
});

test("a driver has the last word: it refuses or redirects moves in and out, and the core says who, what and why", () => {
  const machine = lab([{}, { kind: "coherent" }]);
  const { process, host, devices } = machine;
  const [device, other] = [at(devices, 0), at(devices, 1)];
  const asked: string[] = [];
  let answer: Verdict = null;
  device.inject.decide = (proposal: Proposal) => {
    asked.push(`${proposal.direction} ${proposal.first - first}+${proposal.count}`);
    return answer;
  };
  const first = mapFilled(process, 8);
  const move = { space: process.space, first, count: 4, to: device.memory };
  assert.equal(host.core.migrate(move).moved, 4);
  answer = { refuse: "no room for strangers" };
  const refused = host.core.migrate({ ...move, first: first + 4 });
  assert.deepEqual(
    refused.kept.map(({ why }) => why),
    ["refused"],
  );
  expectErrno({ errno: process.touch(first) }, "EIO");
  assert.deepEqual(device.memory.evict(0, 8).reasons, ["refused"]);
  answer = { redirect: other.memory, reason: "wrong format" };
  assert.equal(host.core.migrate({ ...move, first: first + 4 }).moved, 4);
  assert.deepEqual(codes(at(machine.handles, 1), first, 8), ["00", "00", "00", "00", "42", "42", "42", "42"]);
  const [run] = host.core.explain(process.space, first + 4, 4);
  assert.deepEqual(
    [
      run?.where,
      run?.cause,
      run?.override?.what,
      run?.override?.why,
      run?.override?.asked,
      run?.override?.became,
    ],
    ["d1 memory", "override", "redirected", "wrong format", "d0 memory", "d1 memory"],
  );
  answer = { redirect: null, reason: "not mine" };
  assert.equal(host.core.migrate({ ...move, first: first + 4 }).moved, 4);
  assert.equal(process.space.accounts().host, 4);
  answer = null;
  expectPages(process, first, 8);
  assert.deepEqual(asked.slice(0, 3), ["in 0+4", "in 4+4", "out 0+1"]);
  assert.deepEqual(
    host.core.records.overrides.list().map(({ what, asked: wanted, became }) => [what, wanted, became]),
    [
      ["refused", "d0 memory", null],
      ["refused", "host", null],
      ["refused", "host", null],
      ["redirected", "d0 memory", "d1 memory"],
      ["redirected", "d0 memory", "host"],
    ],
  );
  expectSound(machine);
});

test("other drivers are asked before a driver takes their pages, and may refuse", () => {
  const machine = lab([{}, { kind: "coherent" }]);
  const { process, host, devices } = machine;
  const first = mapFilled(process, 4);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 4));
  at(devices, 0).inject.decide = (proposal) => (proposal.direction === "out" ? { refuse: "in use" } : null);
  const report = host.core.migrate({ space: process.space, first, count: 4, to: at(devices, 1).memory });
  assert.equal(report.moved, 0);
  assert.deepEqual(
    report.kept.map(({ why, count }) => [why, count]),
    [["refused", 4]],
  );
  at(devices, 0).inject.decide = null;
  expectPages(process, first, 4);
  expectSound(machine);
});

test("why each page is where it is: the last move's cause, from, to and when", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const handle = at(machine.handles, 0);
  const first = process.mmap({ pages: 8 });
  expectOk({ errno: process.touch(first) });
  fillPages(process, first + 1, 1);
  expectOk(handle.run("write", first + 2, 1, new Uint8Array(4096)));
  fillPages(process, first + 3, 3);
  expectOk(handle.run("migrate-to-device", first + 3, 3));
  const since = host.clock.now;
  expectOk({ errno: process.touch(first + 4) });
  device.memory.evict(0, 1, CAUSE.eviction);
  expectOk({ errno: process.madvise(first + 1, 1, "pageout") });
  const runs = host.core.explain(process.space, first - 1, 10);
  assert.deepEqual(
    runs.map(({ count, where, state, cause, from }) => [count, where, state, cause, from]),
    [
      [1, "nowhere", "unmapped", "none", null],
      [1, "nowhere", "zero", "cpu-fault", "nowhere"],
      [1, "swap", "mapped", "reclaim", "host"],
      [1, "host", "mapped", "device-fault", "nowhere"],
      [1, "host", "mapped", "eviction", "d0 memory"],
      [1, "host", "mapped", "cpu-fault", "d0 memory"],
      [1, "d0 memory", "mapped", "migrate", "host"],
      [2, "nowhere", "empty", "none", null],
      [1, "nowhere", "unmapped", "none", null],
    ],
  );
  const evicted = at(runs, 4).since ?? 0;
  assert.ok(evicted >= since - 64 && evicted <= host.clock.now);
  assert.throws(() => host.core.explain(process.space, first, 0), { code: "BAD_RANGE", errno: "EINVAL" });
});

test("a memory's size, a page's number and a device that is gone are checked", () => {
  const machine = lab();
  const device = at(machine.devices, 0);
  const ops = device as DeviceMemoryOps;
  for (const pages of [0, -1, 1.5, Number.NaN, 2 ** 40]) {
    assert.throws(() => device.device.addMemory({ name: "x", kind: "private", pages, ops }), {
      code: "BAD_MEMORY_SIZE",
      errno: "EINVAL",
    });
  }
  const huge = device.device.addMemory({ name: "x", kind: "private", pages: 2 ** 21, ops });
  assert.throws(() => device.device.addMemory({ name: "y", kind: "private", pages: 2 ** 31, ops }), {
    code: "NO_FRAME_NUMBERS",
    errno: "ENOSPC",
  });
  huge.close();
  huge.close();
  assert.throws(() => device.memory.hold(-1, "x"), { code: "NO_SUCH_PAGE", errno: "EINVAL" });
  assert.throws(() => device.memory.evict(2048, 1), { code: "NO_SUCH_PAGE", errno: "EINVAL" });
  device.disappear();
  assert.throws(() => device.memory.evict(0, 1), { code: "DEVICE_GONE", errno: "ENODEV" });
  assert.throws(() => device.device.addMemory({ name: "x", kind: "private", pages: 1, ops }), {
    code: "DEVICE_GONE",
    errno: "ENODEV",
  });
  assert.throws(() => device.open(machine.process.space), { code: "DEVICE_GONE", errno: "ENODEV" });
});

test("250 memories at the same time and no more; a closed one makes room", () => {
  const machine = lab([]);
  const { core } = machine.host;
  const device = core.addDevice("many");
  const ops: DeviceMemoryOps = {
    free: () => undefined,
    migrateToHost: () => undefined,
    read: () => undefined,
    write: () => undefined,
  };
  const add = () => device.addMemory({ name: "m", kind: "private", pages: 1, ops });
  const made = Array.from({ length: 245 }, add);
  assert.throws(add, { code: "TOO_MANY_MEMORIES", errno: "ENOSPC" });
  at(made, 7).close();
  add();
  device.close();
  assert.equal(core.memories.devices().length, 0);
});
