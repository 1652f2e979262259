import assert from "node:assert/strict";
import { test } from "node:test";
import { CAN_READ, CAN_WRITE, Core, HUGE_PAGES, OK, PAGE_LIMIT, type RegionOptions } from "@hms/hmm";
import { ModelHost } from "@hms/host-model";
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

const RW: RegionOptions = { kind: "anonymous", access: CAN_READ | CAN_WRITE };

test("ranges that are none are refused everywhere, and nothing changes", () => {
  const { core } = new ModelHost();
  const space = core.createSpace();
  assert.equal(space.map(10, 10, RW), OK);
  const wrong: readonly (readonly [number, number])[] = [
    [10, 0],
    [10, -1],
    [-1, 5],
    [10.5, 1],
    [10, 0.5],
    [Number.NaN, 1],
    [10, Number.POSITIVE_INFINITY],
    [PAGE_LIMIT - 1, 2],
    [Number.MAX_SAFE_INTEGER, 1],
  ];
  for (const [first, count] of wrong) {
    for (const errno of [
      space.map(first, count, RW),
      space.unmap(first, count),
      space.protect(first, count, CAN_READ),
      space.advise(first, count, { huge: true }),
      space.discard(first, count),
      space.remap(first, count, 100, false),
      space.remap(10, count, first, false),
    ]) {
      expectErrno({ errno }, "EINVAL");
    }
    assert.throws(() => core.migrate({ space, first, count, to: null }), {
      code: "BAD_RANGE",
      errno: "EINVAL",
    });
    assert.throws(() => core.explain(space, first, count), { code: "BAD_RANGE", errno: "EINVAL" });
  }
  expectErrno({ errno: space.map(15, 10, RW) }, "EEXIST");
  expectErrno({ errno: space.remap(10, 5, 12, false) }, "EINVAL");
  expectErrno({ errno: space.remap(12, 10, 100, false) }, "EFAULT");
  expectErrno({ errno: space.protect(15, 10, CAN_READ) }, "ENOMEM");
  assert.equal(space.map(PAGE_LIMIT - 1, 1, RW), OK);
  assert.equal(space.regions.pages, 11);
  assert.equal(space.close(), OK);
  assert.equal(space.close(), OK);
});

test("a space that is closed: EFAULT, ESRCH, and its mirrors end quietly", () => {
  const machine = lab();
  const { process, host, devices } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  expectOk({ errno: process.exit() });
  expectOk({ errno: process.exit() });
  const { space } = process;
  for (const errno of [
    space.map(0, 1, RW),
    space.unmap(first, 1),
    space.protect(first, 1, CAN_READ),
    space.discard(first, 1),
    space.remap(first, 1, 0, false),
    process.touch(first),
    process.pin(first, 1, { kind: "short" }) as number,
  ]) {
    expectErrno({ errno }, "EFAULT");
  }
  assert.throws(() => host.core.migrate({ space, first, count: 1, to: null }), {
    code: "SPACE_CLOSED",
    errno: "ESRCH",
  });
  assert.throws(() => at(devices, 0).open(space), { code: "SPACE_CLOSED", errno: "ESRCH" });
  assert.throws(() => process.fork(), { code: "PROCESS_GONE", errno: "ESRCH" });
  expectErrno(handle.run("read", first, 1), "EFAULT");
  expectErrno(handle.run("migrate-to-device", first, 1), "EINVAL");
  expectSound(machine);
});

test("mirrors of ranges that are none: EOVERFLOW for no pages or beyond the end, EINVAL for what is no number", () => {
  const machine = lab();
  const { device } = at(machine.devices, 0);
  const open = (first: number, count: number) =>
    device.mirror(machine.process.space, { invalidate: () => true }, { first, count });
  for (const [first, count] of [
    [0, 0],
    [5, -1],
    [PAGE_LIMIT, 1],
    [1, PAGE_LIMIT],
  ] as const) {
    assert.throws(() => open(first, count), { code: "RANGE_OVERFLOW", errno: "EOVERFLOW" });
  }
  assert.throws(() => open(-1, 5), { code: "BAD_RANGE", errno: "EINVAL" });
  assert.throws(() => open(0.5, 5), { code: "BAD_RANGE", errno: "EINVAL" });
  open(0, PAGE_LIMIT).close();
});

test("commands with bad arguments: the errno of the kernel's driver, and the buffer as it was", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapFilled(process, 2);
  const address = BigInt(first) * 4096n;
  const buffer = pageOf(0x5a);
  for (const [request, errno] of [
    [{ command: "read", address: address + 1n, pages: 1 }, "EINVAL"],
    [{ command: "read", address: -4096n, pages: 1 }, "EINVAL"],
    [{ command: "read", address, pages: 0 }, "EINVAL"],
    [{ command: "read", address, pages: -1 }, "EINVAL"],
    [{ command: "read", address, pages: 1.5 }, "EINVAL"],
    [{ command: "read", address, pages: 2 ** 60 }, "EINVAL"],
    [{ command: "read", address: 2n ** 63n, pages: 1 }, "EINVAL"],
    [{ command: "read", address, pages: 2 }, "EFAULT"],
    [{ command: "write", address, pages: 2 }, "EFAULT"],
    [{ command: "snapshot", address, pages: 2 ** 30 }, "EFAULT"],
    [{ command: "defragment" as never, address, pages: 1 }, "EINVAL"],
    [{ command: "read" }, "EINVAL"],
  ] as const) {
    expectErrno(handle.command({ ...request, buffer }), errno);
    assert.deepEqual(buffer, pageOf(0x5a));
  }
  expectErrno(handle.command({ command: "write", address, pages: 1 }), "EFAULT");
  expectOk(handle.command({ command: "read", address, pages: 1, buffer }));
  assert.deepEqual(buffer, pageOf(1));
});

test("device pages through munmap, mremap with and without the old range, and madvise, in part and across chunks", () => {
  for (const kind of ["private", "coherent"] as const) {
    for (const huge of [false, true]) {
      const machine = lab([{ kind }]);
      const { process, devices } = machine;
      const handle = at(machine.handles, 0);
      const first = huge ? mapHuge(process, 3) : mapFilled(process, 3 * HUGE_PAGES, 0);
      expectOk(handle.run("migrate-to-device", first, 3 * HUGE_PAGES));
      expectOk({ errno: process.munmap(first + 100, 200) });
      const moved = first + 4096;
      const kept = first + 8200;
      assert.equal(process.mremap(first + 400, 600, { to: moved }), moved);
      assert.equal(process.mremap(first + 1000, 300, { to: kept, keepOld: true }), kept);
      expectOk({ errno: process.madvise(first + 1400, 50, "dontneed") });
      expectSound(machine);
      expectDevice(handle, moved, 600, 400);
      expectPages(process, first, 100, 0);
      expectErrno({ errno: process.touch(first + 150) }, "EFAULT");
      expectErrno({ errno: process.touch(first + 500) }, "EFAULT");
      expectPages(process, moved, 600, 400);
      expectPages(process, kept, 300, 1000);
      for (let i = 1000; i < 1300; i += 50) assert.deepEqual(readPage(process, first + i), pageOf(0));
      assert.deepEqual(readPage(process, first + 1420), pageOf(0));
      expectPages(process, first + 1450, 86, 1450);
      expectSound(machine);
      expectOk({ errno: process.exit() });
      assert.equal(at(devices, 0).available, at(devices, 0).memory.pages);
      expectSound(machine);
    }
  }
});

function readPage(process: Parameters<typeof expectPages>[0], page: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  expectOk({ errno: process.read(page, 0, bytes) });
  return bytes;
}

test("a huge page that moves to an aligned place stays one; to another place it is split", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = mapHuge(process, 2);
  expectOk(handle.run("migrate-to-device", first, HUGE_PAGES));
  const free = first + 8 * HUGE_PAGES;
  assert.equal(process.mremap(first, HUGE_PAGES, { to: free }), free);
  assert.deepEqual(new Set(codes(handle, free, HUGE_PAGES)), new Set(["26"]));
  assert.equal(process.mremap(first + HUGE_PAGES, HUGE_PAGES, { to: free + 1000 }), free + 1000);
  assert.deepEqual(new Set(codes(handle, free + 1000, HUGE_PAGES)), new Set(["02"]));
  expectPages(process, free, HUGE_PAGES, 0);
  expectPages(process, free + 1000, HUGE_PAGES, 512);
  expectSound(machine);
});

test("fork: device pages are shared in place, whoever writes gets its own; the child's device is its own", () => {
  for (const kind of ["private", "coherent"] as const) {
    const machine = lab([{ kind }]);
    const { process, devices } = machine;
    const handle = at(machine.handles, 0);
    const first = mapFilled(process, 6);
    expectOk(handle.run("migrate-to-device", first, 4));
    const child = process.fork();
    const theirs = at(devices, 0).open(child.space);
    const readOnly = kind === "private" ? "21" : "41";
    assert.deepEqual(codes(handle, first, 6), [readOnly, readOnly, readOnly, readOnly, "01", "01"]);
    assert.deepEqual(codes(theirs, first, 6), codes(handle, first, 6));
    expectDevice(theirs, first, 6);
    fillPages(process, first, 1, 90);
    expectOk(theirs.run("write", first + 1, 1, pageOf(91)));
    expectOk(handle.run("write", first + 2, 1, pageOf(92)));
    fillPages(child, first + 4, 1, 93);
    const bytes = (one: typeof process) => [0, 1, 2, 3, 4, 5].map((i) => readPage(one, first + i)[7]);
    assert.deepEqual(bytes(process), [90, 2, 92, 4, 5, 6]);
    assert.deepEqual(bytes(child), [1, 91, 3, 4, 93, 6]);
    expectSound(machine);
    expectOk({ errno: process.exit() });
    assert.deepEqual(bytes(child), [1, 91, 3, 4, 93, 6]);
    fillPages(child, first + 3, 1, 94);
    assert.deepEqual(bytes(child), [1, 91, 3, 94, 93, 6]);
    theirs.close();
    expectOk({ errno: child.exit() });
    assert.equal(at(devices, 0).available, at(devices, 0).memory.pages);
    expectSound(machine);
  }
});

test("pins: a short one keeps a coherent page on its device, a long one brings it home, any brings a private one home", () => {
  const machine = lab([{}, { kind: "coherent" }]);
  const { process } = machine;
  const [priv, coherent] = [at(machine.handles, 0), at(machine.handles, 1)];
  const first = mapFilled(process, 6);
  expectOk(priv.run("migrate-to-device", first, 2));
  expectOk(coherent.run("migrate-to-device", first + 2, 4));
  const pins = [
    process.pin(first, 1, { kind: "short", write: true }),
    process.pin(first + 1, 1, { kind: "long" }),
    process.pin(first + 2, 1, { kind: "short", write: true }),
    process.pin(first + 3, 1, { kind: "long", write: true }),
  ];
  assert.deepEqual(codes(coherent, first, 6), ["02", "02", "42", "02", "42", "42"]);
  assert.equal(coherent.run("migrate-to-system", first, 6).pages, 2, "all but the pinned one");
  const child = process.fork();
  fillPages(process, first + 2, 1, 77);
  assert.deepEqual(codes(coherent, first + 2, 1), ["42"], "the pinned page stays with the parent");
  expectPages(child, first, 6);
  for (const pin of pins) if (typeof pin !== "number") pin.release();
  for (const pin of pins) if (typeof pin !== "number") pin.release();
  assert.equal(coherent.run("migrate-to-system", first, 6).pages, 1);
  expectErrno({ errno: process.pin(first + 100, 1, { kind: "short" }) as number }, "EFAULT");
  expectErrno({ errno: process.pin(first, 0, { kind: "short" }) as number }, "EINVAL");
  expectSound(machine);
});

test("the page tables cost at most 16 bytes a page, and nothing for what is not touched", () => {
  const host = new ModelHost({ ramPages: 2 });
  const space = host.core.createSpace();
  const tebibyte = 2 ** 28;
  assert.equal(space.map(0, tebibyte, RW), OK);
  const before = memoryUsed();
  for (let page = 0; page < tebibyte; page += 2 ** 22) space.install(page, 0x181, 0, 1);
  assert.equal(space.table.chunks, 64);
  assert.ok(memoryUsed() - before < 64 * (16 * 512 + 3 * 4096) + 2 ** 20, "64 pages, 16 GiB apart");
  const dense = host.core.createSpace();
  assert.equal(dense.map(0, tebibyte, RW), OK);
  const start = memoryUsed();
  const pages = 2 ** 21;
  for (let page = 0; page < pages; page += 512) dense.install(page, 0x181, 0, 1);
  const used = (memoryUsed() - start) / pages;
  assert.ok(used <= 16, `${used.toFixed(2)} bytes a page`);
  assert.ok(host.core instanceof Core);
});

/** What the program holds: the heap and the array buffers beside it. */
function memoryUsed(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
