import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeviceFrame } from "@hms/hmm";
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
  pageOf,
} from "./lab.ts";

test("read-only duplicates: everyone reads its own copy, the first write makes it one page again", () => {
  const machine = lab([{}, {}]);
  const { process, host, devices } = machine;
  const first = mapFilled(process, 4);
  const duplicate = (index: number) =>
    host.core.migrate({
      space: process.space,
      first,
      count: 4,
      to: at(devices, index).memory,
      duplicate: true,
    });
  assert.equal(duplicate(0).moved, 4);
  assert.equal(duplicate(1).moved, 4);
  assert.deepEqual(duplicate(1), { moved: 0, kept: [] }, "what is there already was not kept back");
  for (const [i, handle] of machine.handles.entries()) {
    expectDevice(handle, first, 4);
    for (let page = first; page < first + 4; page++) {
      assert.ok(isDeviceFrame(handle.table.frame(page)), "from its own memory");
      assert.ok(at(devices, i).memory.holds(handle.table.frame(page)));
    }
  }
  expectPages(process, first, 4);
  const [run] = host.core.explain(process.space, first, 4);
  assert.deepEqual([run?.count, run?.state, run?.duplicates], [4, "duplicated", ["d0 memory", "d1 memory"]]);
  assert.equal(process.space.accounts().devices.get("d1 memory"), 4);
  expectSound(machine);
  fillPages(process, first, 1, 60);
  expectOk(at(machine.handles, 1).run("write", first + 1, 1, pageOf(70)));
  for (const handle of machine.handles) {
    expectDevice(handle, first, 1, 60);
    expectDevice(handle, first + 1, 1, 70);
    expectDevice(handle, first + 2, 2, 3);
  }
  assert.equal(process.space.duplicates.size, 2);
  expectPages(process, first, 1, 60);
  expectPages(process, first + 1, 1, 70);
  expectSound(machine);
});

test("a write while the duplicate is being made wins: no duplicate, no stale byte", () => {
  const machine = lab();
  const { process, host, devices } = machine;
  const first = mapFilled(process, 2);
  let writes = 0;
  host.onYield = (point) => {
    if (point !== "migrate-copy" || writes > 0) return;
    writes++;
    expectOk({ errno: process.write(first, 0, pageOf(99)) });
  };
  const report = host.core.migrate({
    space: process.space,
    first,
    count: 2,
    to: at(devices, 0).memory,
    duplicate: true,
  });
  host.onYield = null;
  assert.deepEqual(
    [report.moved, report.kept.map(({ first: page, why }) => [page, why])],
    [1, [[first, "raced"]]],
  );
  expectDevice(at(machine.handles, 0), first, 1, 99);
  expectDevice(at(machine.handles, 0), first + 1, 1, 2);
  expectSound(machine);
});

test("duplicates go with eviction, munmap, mremap, reclaim, migration, fork and exit; the page itself never does", () => {
  const machine = lab([{}, {}]);
  const { process, host, devices } = machine;
  const { memory } = at(devices, 0);
  const first = mapFilled(process, 10);
  assert.equal(
    host.core.migrate({ space: process.space, first, count: 10, to: memory, duplicate: true }).moved,
    10,
  );
  assert.equal(memory.evict(0, 1).moved, 1);
  expectOk({ errno: process.munmap(first + 9, 1) });
  expectOk({ errno: process.madvise(first + 8, 1, "pageout") });
  expectOk(at(machine.handles, 1).run("migrate-to-device", first + 7, 1));
  const moved = process.mremap(first + 6, 1);
  const child = process.fork();
  fillPages(child, first, 1, 200);
  expectOk(at(machine.handles, 0).run("exclusive", first + 5, 1));
  assert.equal(process.space.duplicates.size, 4);
  expectSound(machine);
  expectPages(process, first, 6);
  expectPages(process, moved, 1, 7);
  expectPages(process, first + 7, 2, 8);
  process.exit();
  assert.equal(at(devices, 0).available, memory.pages);
  expectPages(child, first + 1, 5, 2);
  expectSound(machine);
});

test("only private anonymous pages that nobody pins are duplicated, and only what is there", () => {
  const machine = lab();
  const { process, host, devices } = machine;
  const shared = process.mmap({ pages: 1, share: "shared" });
  expectOk({ errno: process.touch(shared, true) });
  const first = mapFilled(process, 2);
  const empty = process.mmap({ pages: 2 });
  expectOk({ errno: process.touch(empty) });
  const pin = process.pin(first, 1, { kind: "short", write: true });
  const why = (page: number): string | undefined =>
    host.core.migrate({
      space: process.space,
      first: page,
      count: 1,
      to: at(devices, 0).memory,
      duplicate: true,
    }).kept[0]?.why;
  assert.deepEqual(
    [why(shared), why(first), why(first + 1), why(empty), why(empty + 1)],
    ["file page", "pinned", undefined, "absent", "absent"],
  );
  if (typeof pin !== "number") pin.release();
  expectErrno({ errno: process.write(0, 0, pageOf(1)) }, "EFAULT");
  assert.deepEqual(codes(at(machine.handles, 0), first + 1, 1), ["21"]);
  expectSound(machine);
});
