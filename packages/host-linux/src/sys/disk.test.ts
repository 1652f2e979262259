import { equal, ok, throws } from "node:assert/strict";
import {
  existsSync,
  fstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as abi from "./abi.generated.ts";
import { DataFile, openUnlinked, SwapFile } from "./disk.ts";
import { closeFd, Mapping, mprotect } from "./memory.ts";
import { expectNoLeak, step } from "./testing/step.ts";

const PAGE = 4096;
const folder = mkdtempSync(join(tmpdir(), "hms-disk-"));
after(() => rmSync(folder, { recursive: true }));

test("what is written to a backing file is read back, and it has no name", () => {
  using swap = new SwapFile(folder);
  using memory = Mapping.reserve(4 * PAGE);
  memory
    .view()
    .fill(1, 0, PAGE)
    .fill(2, PAGE, 2 * PAGE);
  const far = 5 * 2 ** 30;
  equal(swap.pwrite(memory.address, 2 * PAGE, far), 2 * PAGE);
  equal(swap.size, far + 2 * PAGE);
  equal(swap.pread(memory.address + 2 * PAGE, 2 * PAGE, far), 2 * PAGE);
  equal(Buffer.compare(memory.view().subarray(0, 2 * PAGE), memory.view().subarray(2 * PAGE)), 0);
  equal(swap.pread(memory.address, 2 * PAGE, far + PAGE), PAGE, "the end of the file");
  equal(swap.pread(memory.address, PAGE, far + 2 * PAGE), 0);
  equal(readdirSync(folder).length, 0);
});

test("a hole gives its blocks back and reads as zeros", () => {
  using swap = new SwapFile();
  using memory = Mapping.reserve(64 * PAGE);
  memory.view().fill(9);
  swap.pwrite(memory.address, memory.bytes, 0);
  equal(swap.fsync(), 0);
  const before = fstatSync(swap.fd).blocks;
  equal(swap.punchHole(0, memory.bytes), 0);
  ok(fstatSync(swap.fd).blocks < before);
  equal(swap.pread(memory.address, memory.bytes, 0), memory.bytes);
  ok(memory.view().every((octet) => octet === 0));
  equal(swap.fadvise(0, memory.bytes, abi.POSIX_FADV_DONTNEED), 0);
  equal(swap.fadvise(0, memory.bytes, 999), -abi.EINVAL);
});

test("a locked range keeps others from locking it, as long as the file is open", () => {
  const path = join(folder, "locked");
  writeFileSync(path, "x");
  using first = DataFile.open(path, { writable: true });
  using second = DataFile.open(path, { writable: true });
  equal(first.lock(2 ** 33, 4 * PAGE), 0);
  equal(second.lock(2 ** 33 + 3 * PAGE, PAGE), -abi.EAGAIN);
  equal(second.lock(2 ** 33 + 4 * PAGE, PAGE), 0);
  equal(first.lock(0, 2 ** 33 + 5 * PAGE), -abi.EAGAIN);
  first.close();
  equal(second.lock(0, 2 ** 40), 0);
  using reader = DataFile.open(path);
  equal(reader.lock(0, 1), -abi.EBADF, "for writing it must be open for writing");
  rmSync(path);
});

test("holes are known from data, and what was written is flushed", () => {
  using swap = new SwapFile();
  using memory = Mapping.reserve(PAGE);
  memory.view().fill(1);
  const far = 2 ** 32;
  equal(swap.pwrite(memory.address, PAGE, far), PAGE);
  equal(swap.hasData(far, PAGE), true);
  equal(swap.hasData(far - 2 ** 21, 2 ** 21 + 1), true);
  equal(swap.hasData(0, 2 ** 21), false);
  equal(swap.hasData(far + 2 ** 21, PAGE), false, "beyond the end there is nothing");
  equal(swap.flush(0, far + PAGE), 0);
  equal(swap.hasData(far, 1), true);
});

test("a file system without nameless files gets one whose name is taken away", () => {
  const fd = openUnlinked(folder);
  ok(fd >= 0);
  equal(readdirSync(folder).length, 0);
  closeFd(fd);
  equal(openUnlinked(join(folder, "absent")), -abi.ENOENT);
});

test("a file of the user's is opened as asked and keeps what is written", () => {
  const path = join(folder, "data");
  writeFileSync(path, "0123456789");
  using memory = Mapping.reserve(PAGE);
  {
    using file = DataFile.open(path);
    equal(file.size, 10);
    equal(file.pread(memory.address, PAGE, 2), 8);
    equal(Buffer.from(memory.view().subarray(0, 8)).toString(), "23456789");
    equal(file.pwrite(memory.address, 1, 0), -abi.EBADF);
  }
  using file = DataFile.open(path, { writable: true });
  equal(file.pwrite(memory.address, 3, 9), 3);
  equal(file.ftruncate(11), 0);
  equal(readFileSync(path, "utf8"), "01234567823");
  rmSync(path);
});

test("failures are told: no room, no right, no memory, no file", () => {
  using memory = Mapping.reserve(PAGE);
  using full = DataFile.open("/dev/full", { writable: true });
  equal(full.pwrite(memory.address, PAGE, 0), -abi.ENOSPC);
  using swap = new SwapFile(folder);
  mprotect(memory.address, PAGE, abi.PROT_NONE);
  equal(swap.pwrite(memory.address, PAGE, 0), -abi.EFAULT);
  throws(() => new SwapFile(join(folder, "absent")), { code: "NO_BACKING_FILE", errno: "ENOENT" });
  throws(() => DataFile.open(join(folder, "absent")), { code: "FILE_NOT_OPENED", errno: "ENOENT" });
  throws(() => DataFile.open(folder, { writable: true }), /EISDIR/);
  equal(existsSync(join(folder, "absent")), false);
});

step(import.meta.filename, "opening and closing files leaves nothing", () => {
  expectNoLeak(() => {
    using swap = new SwapFile();
    using zeros = DataFile.open("/dev/zero");
    swap.close();
    zeros.close();
    throws(() => DataFile.open("/nowhere"));
  });
});
