// lab: hmat
// Files on persistent memory, on ext4 and on xfs with reflink: regions of them are mirrored by the accelerator, and after a
// sync the storage itself, mapped with MAP_SYNC, holds byte by byte what the region holds.
import { deepEqual, equal, ok } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { daxFacts } from "@hms/host-linux/dmirror";
import { type Hms, HmsError, type IndexRange, open } from "hms";
import koffi from "koffi";

const BYTES = 128 * 1024;
const WORDS = BYTES / 4;
/** PROT_READ | PROT_WRITE, and MAP_SHARED_VALIDATE | MAP_SYNC. */
const [READ_WRITE, SYNC] = [3, 0x80003];

const libc = koffi.load("libc.so.6");
const mmap = libc.func("int64_t mmap(uint64_t, size_t, int, int, int, int64_t)");
const munmap = libc.func("int munmap(uint64_t, size_t)");

/** The storage behind a file: stores to it are durable without a call. */
function storage(path: string): { readonly words: Int32Array } & Disposable {
  const fd = openSync(path, "r+");
  const address = Number(mmap(0, BYTES, READ_WRITE, SYNC, fd, 0));
  closeSync(fd);
  ok(address > 0, `MAP_SYNC of ${path} was refused: errno ${koffi.errno()}`);
  const buffer = koffi.view(address, BYTES);
  return {
    words: new Int32Array(buffer),
    [Symbol.dispose]() {
      buffer.transfer(0);
      munmap(address, BYTES);
    },
  };
}

/** Every word; a difference is told in one line and not in as many as there are words. */
function same(found: Int32Array, expected: Int32Array): void {
  equal(found.length, expected.length);
  const at = expected.findIndex((word, i) => found[i] !== word);
  ok(at < 0, `word ${at} is ${found[at]} and not ${expected[at]}`);
}

const read = (path: string): Int32Array => new Int32Array(new Uint8Array(readFileSync(path)).buffer);

const sh = (line: string): string => execFileSync("bash", ["-ec", line], { encoding: "utf8" }).trim();

const triple = ({ x }: { x: Int32Array }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) x[i] = 3 * (x[i] as number) + 1;
};

let disk = "";
let hms: Hms;
before(async () => {
  hms = await open({ ram: "16MiB", devices: ["accel:memory=1MiB"] });
  await load();
  disk = process.env.HMS_LAB_DISK ?? sh("bash test/lab/guest/memory.sh files");
  mkdirSync("/mnt/files", { recursive: true });
});

after(() => hms.close());

/** In a guest, the device's thread may take longer to start than a program may take to load. */
async function load(): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await hms.device("accel0").programOf(triple);
      return;
    } catch (error) {
      if (!HmsError.is(error) || error.errno !== "ETIMEDOUT" || tries === 10) throw error;
    }
  }
}

for (const { name, make, reflink } of [
  { name: "ext4", make: "mkfs.ext4 -q -F -b 4096", reflink: false },
  { name: "xfs with reflink", make: "mkfs.xfs -q -f -m reflink=1", reflink: true },
]) {
  describe(name, () => {
    const path = "/mnt/files/words.bin";
    before(() => {
      sh(`${make} ${disk} && mount -o dax=always ${disk} /mnt/files`);
    });
    after(() => {
      sh("umount /mnt/files");
    });

    test("its files are the storage itself", () => {
      deepEqual(daxFacts("/mnt/files"), { dax: true, reflink });
    });

    test("what the accelerator writes reaches the storage byte by byte, and only after that a read", async () => {
      const words = Int32Array.from({ length: WORDS }, (_, i) => i ^ 0x5a5a);
      writeFileSync(path, words);
      const expected = words.map((word) => 3 * word + 1);
      using stored = storage(path);
      const x = hms.space.file(path, Int32Array, { writable: true });
      await hms.device("accel0").queue().run(triple, { x: x.update() });
      same(x.view, expected);
      x.sync();
      same(stored.words, expected);
      same(read(path), expected);
      x.free();
    });

    test("what is stored through a mapping with MAP_SYNC is what the accelerator reads", async () => {
      {
        using stored = storage(path);
        stored.words.fill(7, 0, WORDS / 2);
      }
      const x = hms.space.file(path, Int32Array, { writable: true });
      const expected = Int32Array.from(x.view, (word) => 3 * word + 1);
      equal(expected[0], 22);
      await hms.device("accel0").queue().run(triple, { x: x.update() });
      same(x.view, expected);
      x.free();
      using stored = storage(path);
      same(stored.words, expected);
    });

    test("a copy that shares the extents stays as it was", {
      skip: reflink ? false : "no reflink here",
    }, async () => {
      const copy = "/mnt/files/copy.bin";
      sh(`cp --reflink=always ${path} ${copy}`);
      const before = read(copy);
      const x = hms.space.file(path, Int32Array, { writable: true });
      await hms
        .device("accel0")
        .queue()
        .run(triple, { x: x.slice(1024, 9000).update() });
      x.free();
      using one = storage(path);
      using two = storage(copy);
      same(two.words, before);
      same(
        one.words,
        before.map((word, i) => (i >= 1024 && i < 9000 ? 3 * word + 1 : word)),
      );
    });
  });
}
