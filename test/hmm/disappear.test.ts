import assert from "node:assert/strict";
import { test } from "node:test";
import {
  at,
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

test("what only the device held is lost and reported page by page; nothing else is touched", () => {
  for (const kind of ["private", "coherent"] as const) {
    const machine = lab([{ kind }, { kind: "coherent" }]);
    const { process, host, devices } = machine;
    const [handle, other] = [at(machine.handles, 0), at(machine.handles, 1)];
    const first = mapFilled(process, 10);
    expectOk(handle.run("migrate-to-device", first + 2, 3));
    expectOk(handle.run("migrate-to-device", first + 7, 1));
    expectOk(handle.run("exclusive", first + 8, 1));
    expectOk(handle.run("read", first, 2));
    expectOk(other.run("migrate-to-device", first + 6, 1));
    if (kind === "coherent") expectOk(other.run("read", first + 2, 1));
    assert.equal(
      host.core.migrate({
        space: process.space,
        first: first + 9,
        count: 1,
        to: at(devices, 0).memory,
        duplicate: true,
      }).moved,
      1,
    );
    const child = process.fork();
    const report = at(devices, 0).disappear();
    assert.deepEqual(
      report.lost.map(({ space, memory, first: page, count }) => [space, memory, page - first, count]).sort(),
      [
        [process.space.id, "d0 memory", 2, 3],
        [process.space.id, "d0 memory", 7, 1],
        [child.space.id, "d0 memory", 2, 3],
        [child.space.id, "d0 memory", 7, 1],
      ].sort(),
    );
    assert.deepEqual([report.duplicates, report.moving], [1, 0]);
    assert.equal(process.space.accounts().lost, 4);
    assert.equal(host.core.statistics.lost, 8);
    for (const page of [2, 3, 4, 7]) {
      expectErrno({ errno: process.touch(first + page) }, "EIO");
      expectErrno({ errno: process.write(first + page, 0, pageOf(1)) }, "EIO");
      expectErrno(other.run("read", first + page, 1), "EFAULT");
      expectErrno({ errno: child.touch(first + page) }, "EIO");
    }
    for (const page of [0, 1, 5, 6, 8, 9]) {
      expectPages(process, first + page, 1, 1 + page);
      expectPages(child, first + page, 1, 1 + page);
      expectDevice(other, first + page, 1, 1 + page);
    }
    expectErrno(handle.run("read", first, 1), "ENODEV");
    expectErrno(handle.run("release"), "ENODEV");
    assert.deepEqual(at(devices, 0).disappear(), { lost: [], duplicates: 0, moving: 0 });
    assert.deepEqual(
      host.core
        .explain(process.space, first + 2, 1)
        .map(({ where, state, cause, from }) => [where, state, cause, from]),
      [["lost", "lost", "lost", "d0 memory"]],
    );
    expectOk({ errno: process.madvise(first + 2, 3, "dontneed") });
    expectPages(process, first + 2, 1, 0);
    expectOk({ errno: process.munmap(first + 7, 1) });
    assert.equal(process.space.accounts().lost, 0);
    expectSound(machine);
  }
});

test("it disappears in the middle of a migration home: what has arrived is kept, the rest is lost", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 6);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 6));
  let copies = 0;
  host.onYield = (point) => {
    if (point === "migrate-copy" && ++copies === 3) assert.equal(device.disappear().moving, 6);
  };
  const report = host.core.migrate({ space: process.space, first, count: 6, to: null });
  host.onYield = null;
  assert.ok(report.moved >= 3);
  for (let i = 0; i < 6; i++) {
    if (i < report.moved) expectPages(process, first + i, 1, 1 + i);
    else expectErrno({ errno: process.touch(first + i) }, "EIO");
  }
  assert.equal(process.space.accounts().lost, 6 - report.moved);
  expectSound(machine);
});

test("it disappears in the middle of a migration to it: every page stays where it was", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 6);
  const huge = mapHuge(process);
  let copies = 0;
  host.onYield = (point) => {
    if (point === "migrate-copy" && ++copies === 2) device.disappear();
  };
  expectErrno(at(machine.handles, 0).run("migrate-to-device", first, 6), "EIO");
  assert.equal(host.core.records.driverFaults.newest?.callback, "copy");
  host.onYield = null;
  expectPages(process, first, 6);
  expectPages(process, huge, 512, 0);
  assert.equal(process.space.accounts().lost, 0);
  expectSound(machine);
});

test("it disappears while others wait for a page of it: they are told, and nobody waits for ever", () => {
  const machine = lab();
  const { process, host } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 2);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 2));
  host.onYield = (point) => {
    if (point === "migrate-collected") device.disappear();
  };
  expectErrno({ errno: process.touch(first) }, "EIO");
  host.onYield = null;
  expectErrno({ errno: process.touch(first + 1) }, "EIO");
  device.close();
  fillPages(process, process.mmap({ pages: 1 }), 1);
  assert.equal(host.core.devices.size, 0);
  expectSound({ host, devices: [] });
});

test("a pinned coherent page of a device that is gone: the pin can still be given back", () => {
  const machine = lab([{ kind: "coherent" }]);
  const { process } = machine;
  const device = at(machine.devices, 0);
  const first = mapFilled(process, 1);
  expectOk(at(machine.handles, 0).run("migrate-to-device", first, 1));
  const pin = process.pin(first, 1, { kind: "short", write: true });
  assert.ok(typeof pin !== "number");
  device.disappear();
  expectErrno({ errno: process.touch(first) }, "EIO");
  pin.release();
  expectOk({ errno: process.exit() });
  device.close();
  expectSound({ host: machine.host, devices: [] });
});
