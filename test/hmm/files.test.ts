import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelFile } from "@hms/host-model";
import {
  at,
  codes,
  expectDevice,
  expectErrno,
  expectOk,
  expectPages,
  expectSound,
  fillPages,
  type Lab,
  lab,
  pageOf,
} from "./lab.ts";

function fileOf(machine: Lab, kind: "disk" | "dax", pages: number): ModelFile {
  const file = machine.host.createFile({ pages, kind });
  for (let i = 0; i < pages; i++) expectOk({ errno: file.write(i, pageOf(1 + i)) });
  return file;
}

function expectFile(file: ModelFile, first: number, pages: number, base: number): void {
  const bytes = new Uint8Array(4096);
  for (let i = 0; i < pages; i++) {
    expectOk({ errno: file.read(first + i, bytes) });
    assert.deepEqual(bytes, pageOf(base + i), `page ${first + i} of the file`);
  }
}

test("what a device writes to a shared file mapping is in the file, also after the page cache gave it up", () => {
  const machine = lab([{}], { ramPages: 4096 });
  const { process, host } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "disk", 4);
  const first = process.mmap({ pages: 4, share: "shared", backing: { kind: "file", file } });
  expectDevice(handle, first, 4);
  expectOk(handle.run("write", first + 1, 1, pageOf(50)));
  expectFile(file, 1, 1, 50);
  const twice = process.mmap({ pages: 4, share: "shared", backing: { kind: "file", file } });
  expectPages(process, twice + 1, 1, 50);
  while (host.reclaim(16) > 0);
  assert.equal(file.cached(1), 0xffff_ffff);
  assert.equal(handle.table.size, 0);
  expectFile(file, 1, 1, 50);
  expectDevice(handle, first + 1, 1, 50);
  expectErrno(handle.run("migrate-to-device", first, 4), "ENOENT");
  expectPages(process, first, 1, 1);
  expectOk({ errno: process.exit() });
  file.close();
  expectSound(machine);
});

test("writing a file back makes its mappings read-only first: the next write, by whomever, is not lost", () => {
  const machine = lab([{}], { ramPages: 4096 });
  const { process, host } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "disk", 2);
  const first = process.mmap({ pages: 2, share: "shared", backing: { kind: "file", file } });
  expectOk(handle.run("write", first, 1, pageOf(50)));
  fillPages(process, first + 1, 1, 51);
  const heard: string[] = [];
  handle.onInvalidate = ({ reason, first: page }) => heard.push(`${reason} ${page - first}`);
  file.sync();
  assert.deepEqual(heard.sort(), ["protection-page 0", "protection-page 1"]);
  assert.deepEqual(codes(handle, first, 2), ["01", "01"]);
  expectOk(handle.run("write", first, 1, pageOf(60)));
  fillPages(process, first + 1, 1, 61);
  while (host.reclaim(16) > 0);
  expectFile(file, 0, 2, 60);
  file.sync();
  file.sync();
  expectPages(process, first, 2, 60);
  expectSound(machine);
});

test("a private file mapping: what is written is a copy, which migrates; what is not is the file's, which does not", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "disk", 4);
  const first = process.mmap({ pages: 4, backing: { kind: "file", file } });
  fillPages(process, first, 1, 60);
  expectOk(handle.run("write", first + 1, 1, pageOf(61)));
  expectOk({ errno: process.touch(first + 2) });
  expectOk(handle.run("migrate-to-device", first, 2));
  expectErrno(handle.run("migrate-to-device", first + 2, 1), "ENOENT");
  expectErrno(handle.run("migrate-to-device", first + 3, 1), "ENOENT");
  expectFile(file, 0, 4, 1);
  expectPages(process, first, 2, 60);
  expectPages(process, first + 2, 2, 3);
  expectSound(machine);
});

test("truncation and holes leave the mappings, the device's too; beyond the end is SIGBUS and EFAULT", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "disk", 6);
  const shared = process.mmap({ pages: 6, share: "shared", backing: { kind: "file", file } });
  const copy = process.mmap({ pages: 6, backing: { kind: "file", file } });
  fillPages(process, copy + 1, 1, 70);
  fillPages(process, copy + 5, 1, 75);
  expectDevice(handle, shared, 6);
  const before = handle.mirror.sequence;
  expectOk({ errno: file.punchHole(1, 2) });
  assert.ok(handle.mirror.sequence > before);
  assert.equal(handle.table.right(shared + 1), 0);
  for (const page of [1, 2]) {
    assert.deepEqual(
      [...readAt(process, shared + page)].every((byte) => byte === 0),
      true,
    );
  }
  expectPages(process, copy + 1, 1, 70);
  assert.deepEqual(readAt(process, copy + 2), pageOf(0));
  expectDevice(handle, shared + 1, 1, 0);
  expectOk({ errno: file.truncate(5) });
  expectErrno({ errno: process.touch(shared + 5) }, "EIO");
  expectErrno({ errno: process.touch(copy + 5) }, "EIO");
  expectErrno(handle.run("read", shared + 4, 2), "EFAULT");
  expectDevice(handle, shared + 4, 1, 5);
  expectOk({ errno: file.truncate(6) });
  assert.deepEqual(readAt(process, shared + 5), pageOf(0));
  expectErrno({ errno: file.punchHole(5, 2) }, "EINVAL");
  expectErrno({ errno: file.truncate(-1) }, "EINVAL");
  expectErrno({ errno: file.read(6, new Uint8Array(1)) }, "EINVAL");
  expectSound(machine);
});

function readAt(process: Lab["process"], page: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  expectOk({ errno: process.read(page, 0, bytes) });
  return bytes;
}

test("a DAX file: CPU and device see the same bytes without a copy, and nothing migrates or is taken exclusively", () => {
  const machine = lab([{}, { kind: "coherent" }]);
  const { process, host } = machine;
  const file = fileOf(machine, "dax", 4);
  const first = process.mmap({ pages: 4, share: "shared", backing: { kind: "file", file } });
  for (const handle of machine.handles) {
    expectDevice(handle, first, 4);
    assert.equal(handle.table.frame(first), file.cached(0), "the storage itself");
    expectErrno(handle.run("migrate-to-device", first, 4), "EINVAL");
    expectErrno(handle.run("exclusive", first, 1), "EBUSY");
  }
  expectOk(at(machine.handles, 0).run("write", first + 2, 1, pageOf(80)));
  expectPages(process, first + 2, 1, 80);
  expectFile(file, 2, 1, 80);
  expectDevice(at(machine.handles, 1), first + 2, 1, 80);
  while (host.reclaim(16) > 0);
  assert.notEqual(file.cached(0), 0xffff_ffff, "storage is not reclaimed");
  assert.equal(process.space.accounts().host, 0);
  expectSound(machine);
});

test("reflinked DAX files: a write by CPU, device or system call breaks the sharing first, never reaches the other file", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "dax", 4);
  const first = process.mmap({ pages: 4, share: "shared", backing: { kind: "file", file } });
  expectOk(handle.run("write", first, 4, new Uint8Array(4 * 4096).fill(9)));
  const before = handle.mirror.sequence;
  const twin = file.reflink();
  assert.ok(handle.mirror.sequence > before, "the device may not write it any more");
  assert.equal(handle.table.size, 0);
  assert.deepEqual(codes(handle, first, 4), ["01", "01", "01", "01"]);
  const second = process.mmap({ pages: 4, share: "shared", backing: { kind: "file", file: twin } });
  expectDevice(handle, second, 1, 9);
  assert.equal(handle.table.frame(second), file.cached(0), "shared as long as it is read");
  expectOk(handle.run("write", first, 1, pageOf(81)));
  fillPages(process, second + 1, 1, 82);
  expectOk({ errno: twin.write(2, pageOf(83)) });
  for (const [page, mine, other] of [
    [0, 81, 9],
    [1, 9, 82],
    [2, 9, 83],
    [3, 9, 9],
  ] as const) {
    expectFile(file, page, 1, mine);
    expectFile(twin, page, 1, other);
    expectPages(process, first + page, 1, mine);
    expectDevice(handle, second + page, 1, other);
  }
  assert.equal(file.cached(3), twin.cached(3));
  expectSound(machine);
  file.close();
  expectFile(twin, 3, 1, 9);
  expectOk({ errno: process.exit() });
  twin.close();
  assert.equal(machine.host.core.memories.host.mapped, 0);
  expectSound(machine);
});

test("where the sharing may not be broken the write is refused: SIGBUS, EFAULT, and both files as they were", () => {
  const machine = lab([{}], { reflink: "refuse" });
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const file = fileOf(machine, "dax", 1);
  const twin = file.reflink();
  const first = process.mmap({ pages: 1, share: "shared", backing: { kind: "file", file } });
  expectErrno({ errno: process.write(first, 0, pageOf(3)) }, "EIO");
  expectErrno(handle.run("write", first, 1, pageOf(3)), "EFAULT");
  expectErrno({ errno: file.write(0, pageOf(3)) }, "EFAULT");
  expectFile(file, 0, 1, 1);
  expectFile(twin, 0, 1, 1);
  expectDevice(handle, first, 1, 1);
  expectSound(machine);
});

test("pages that a driver inserted are mirrored and copied on write, never migrated; registers are neither", () => {
  const machine = lab();
  const { process } = machine;
  const handle = at(machine.handles, 0);
  const first = process.mmap({ pages: 1, backing: { kind: "mixed" } });
  assert.deepEqual(codes(handle, first, 1), ["01"]);
  expectDevice(handle, first, 1, 0);
  expectErrno(handle.run("migrate-to-device", first, 1), "EINVAL");
  fillPages(process, first, 1, 5);
  assert.deepEqual(codes(handle, first, 1), ["02"]);
  const shared = process.mmap({ pages: 1, share: "shared", backing: { kind: "mixed" } });
  assert.deepEqual(codes(handle, shared, 1), ["02"]);
  expectOk({ errno: process.madvise(shared, 1, "dontneed") });
  expectErrno({ errno: process.touch(shared) }, "EIO");
  const io = process.mmap({ pages: 1, backing: { kind: "io" } });
  assert.deepEqual(codes(handle, io, 1), ["ff"]);
  expectErrno(handle.run("read", io, 1), "EFAULT");
  expectErrno(handle.run("migrate-to-device", io, 1), "EINVAL");
  expectErrno({ errno: process.pin(io, 1, { kind: "short" }) as number }, "EFAULT");
  expectSound(machine);
});

test("shared anonymous memory and shared huge pages are one for parent and child, whoever writes, also through swap", () => {
  const machine = lab([{}], { ramPages: 16384 });
  const { process, host, devices } = machine;
  const first = process.mmap({ pages: 4, share: "shared" });
  const huge = process.mmap({ pages: 512, share: "shared", backing: { kind: "hugetlb" } });
  fillPages(process, first, 2, 1);
  fillPages(process, huge, 1, 30);
  const pool = host.hugetlbAvailable;
  const child = process.fork();
  const theirs = at(devices, 0).open(child.space);
  expectOk(theirs.run("write", first + 1, 1, pageOf(40)));
  expectOk(theirs.run("write", huge, 1, pageOf(41)));
  expectPages(process, first + 1, 1, 40);
  expectPages(process, huge, 1, 41);
  while (host.reclaim(16) > 0);
  expectPages(process, first, 1, 1);
  fillPages(process, first, 1, 42);
  expectPages(child, first, 1, 42);
  assert.deepEqual(codes(theirs, huge, 1), ["06"]);
  expectOk({ errno: process.exit() });
  expectPages(child, first, 1, 42);
  expectPages(child, huge, 1, 41);
  theirs.close();
  expectOk({ errno: child.exit() });
  assert.equal(host.hugetlbAvailable, pool + 1);
  assert.equal(host.files.size, 0);
  assert.equal(host.swap.available, host.swap.pages);
  expectSound(machine);
});
