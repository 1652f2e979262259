// File regions when the file is not alone in the world: cut, extended, taken away, huge, full of holes, on a full disk.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { open } from "hms";
import { errorOf, folder, held, runProgram, skip } from "./support/hms-lab.ts";

const MiB = 2 ** 20;
const PAGE = 4096;

function byteAt(path: string, offset: number): number {
  const fd = openSync(path, "r");
  const byte = new Uint8Array(1);
  readSync(fd, byte, 0, 1, offset);
  closeSync(fd);
  return byte[0] ?? -1;
}

describe("file regions", { skip, concurrency: 2 }, () => {
  test("a file that someone else cuts: what was written beyond stays, and an error says so until there is room", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "cut");
    writeFileSync(path, new Uint8Array(8 * MiB).fill(1));
    const region = hms.space.file(path, Uint8Array, { writable: true });
    for (let at = 0; at < region.length; at += PAGE) region.view[at] = 2;
    truncateSync(path, MiB + 100);
    const error = await errorOf(() => region.sync());
    assert.equal(error.code, "FILE_SHRUNK");
    assert.match(error.message, /cut .*cut to 1048676 bytes, and 1792 pages beyond/);
    assert.equal(byteAt(path, MiB - PAGE), 2, "what has room is written");
    // Short of memory it may not be lost either.
    hms.space.alloc(Uint8Array, 32 * MiB).view.fill(3);
    for (let at = 0; at < region.length; at += PAGE) assert.equal(region.view[at], 2, `offset ${at}`);
    assert.equal(statSync(path).size, MiB + 100, "nobody made it longer again");
    truncateSync(path, 8 * MiB);
    region.sync();
    assert.equal(byteAt(path, 7 * MiB), 2);
  });

  test("what others append is theirs", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "grows");
    writeFileSync(path, new Uint8Array(10_000).fill(1));
    const region = hms.space.file(path, Uint8Array, { writable: true });
    region.view[9_999] = 7;
    appendFileSync(path, new Uint8Array(3_000).fill(9));
    region.free();
    assert.deepEqual([...readFileSync(path).subarray(9_998, 10_003)], [1, 7, 9, 9, 9]);
    assert.equal(statSync(path).size, 13_000);
  });

  test("a part of a file has one writer, in one process or two; readers and other parts are free", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "shared");
    writeFileSync(path, new Uint8Array(8 * PAGE));
    const first = hms.space.file(path, Uint8Array, { writable: true, length: 4 * PAGE });
    const error = await errorOf(() => hms.space.file(path, Uint8Array, { writable: true }));
    assert.deepEqual([error.code, error.errno], ["FILE_IN_USE", "EBUSY"]);
    const rest = hms.space.file(path, Uint8Array, { writable: true, offset: 4 * PAGE });
    const reader = hms.space.file(path, Uint8Array);
    first.view[0] = 1;
    rest.view[0] = 2;
    assert.equal(reader.view[PAGE], 0);
    const other = await runProgram(`
      import { open } from "hms";
      using hms = await open({ ram: "16MiB" });
      try { hms.space.file(${JSON.stringify(path)}, Uint8Array, { writable: true }); }
      catch (error) { console.log(error.code); }`);
    assert.equal(other.output.trim(), "FILE_IN_USE");
    first.free();
    rest.free();
    const again = hms.space.file(path, Uint8Array, { writable: true });
    assert.deepEqual([again.view[0], again.view[4 * PAGE]], [1, 2]);
  });

  test("a file of terabytes that is full of holes costs what is touched of it", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "sparse");
    const [size, far] = [4 * 2 ** 40 + 5, 3 * 2 ** 40 + 17];
    writeFileSync(path, "");
    truncateSync(path, size);
    const region = hms.space.file(path, Uint8Array, { writable: true });
    assert.equal(region.length, size);
    assert.equal(region.view[far], 0);
    for (const at of [0, 2 ** 32, far, size - 1]) region.view[at] = 1 + (at % 97);
    const before = process.memoryUsage().rss;
    region.sync();
    for (const at of [0, 2 ** 32, far, size - 1])
      assert.equal(byteAt(path, at), 1 + (at % 97), `offset ${at}`);
    assert.ok(statSync(path).blocks * 512 < 16 * MiB, "holes stay holes");
    region.free();
    assert.ok(process.memoryUsage().rss - before < 64 * MiB);
    assert.equal(statSync(path).size, size);
  });

  test("a file that is deleted meanwhile is written none the less, for those who have it open", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "gone");
    writeFileSync(path, new Uint8Array(PAGE));
    const fd = openSync(path, "r");
    const region = hms.space.file(path, Uint8Array, { writable: true });
    unlinkSync(path);
    region.view[5] = 6;
    region.free();
    const bytes = new Uint8Array(PAGE);
    readSync(fd, bytes, 0, PAGE, 0);
    closeSync(fd);
    assert.equal(bytes[5], 6);
  });

  test("regions of files leave no descriptor, whatever becomes of them", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "numbers");
    writeFileSync(path, new Uint32Array(4 * 1024).fill(5));
    const before = held();
    for (let i = 0; i < 10; i++) {
      const copy = hms.space.file(path, Uint32Array, { private: true });
      const shown = hms.space.file(path, Uint32Array, { writable: true });
      copy.view[3] = i;
      assert.deepEqual([shown.view[3], copy.view[4000]], [5, 5]);
      for (const offset of [100, -4096, 2 ** 53]) {
        for (const options of [{ private: true }, { writable: true }])
          await errorOf(() => hms.space.file(path, Uint8Array, { ...options, offset, length: 5 }));
      }
      await errorOf(() => hms.space.file(path, Uint32Array, { writable: true }));
      shown.free();
      copy.free();
    }
    const after = held();
    assert.equal(after.descriptors, before.descriptors);
    // A leak would be one of each time, at least.
    assert.ok(after.mappings - before.mappings < 10, `${before.mappings} mappings became ${after.mappings}`);
    const error = await errorOf(() => hms.space.file(path, Uint8Array, { private: true, offset: 100 }));
    assert.deepEqual([error.code, error.errno], ["BAD_FILE_OFFSET", "EINVAL"]);
    assert.equal(statSync(path).size, 16 * 1024);
  });

  test("a file that was made for a region goes again when the region cannot be made", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB", devices: ["accel:memory=1MiB"] });
    const path = join(place.path, "new");
    using space = hms.createSpace();
    space.bindDefault({ targets: ["accel0"], mode: "strict" });
    const make = (): unknown => space.file(path, Uint8Array, { writable: true, length: 8 * MiB });
    assert.equal((await errorOf(make)).code, "PLACEMENT_REFUSED");
    assert.deepEqual(readdirSync(place.path), []);
    writeFileSync(path, "there before");
    assert.equal((await errorOf(make)).code, "PLACEMENT_REFUSED");
    assert.equal(readFileSync(path, "utf8").slice(0, 12), "there before");
    unlinkSync(path);
    const length = 2 ** 46;
    let allowed = true;
    try {
      writeFileSync(path, "");
      truncateSync(path, length);
    } catch (error) {
      allowed = false;
      assert.equal((error as NodeJS.ErrnoException).code, "EFBIG");
    }
    unlinkSync(path);
    if (allowed) return;
    const error = await errorOf(() => hms.space.file(path, Uint8Array, { writable: true, length }));
    assert.deepEqual([error.code, error.errno], ["BAD_FILE", "EFBIG"]);
    assert.match(error.message, /new failed: it would become larger than .* allows \(EFBIG\)\.$/);
    assert.deepEqual(readdirSync(place.path), []);
  });

  test("a pipe is refused, and nobody waits for its other end", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB", watchdog: 5 });
    const path = join(place.path, "pipe");
    assert.equal(spawnSync("mkfifo", [path]).status, 0);
    for (const options of [{}, { writable: true }, { private: true }]) {
      const error = await errorOf(() => hms.space.file(path, Uint8Array, { ...options, length: 5 }));
      assert.deepEqual([error.code, error.errno], ["NOT_A_FILE", "EINVAL"]);
    }
  });

  test("backwards and in many sequences at once, with a budget smaller than the file", async () => {
    using place = folder();
    using hms = await open({ ram: "16MiB" });
    const path = join(place.path, "numbers");
    const words = 12 * MiB;
    const content = new Uint32Array(words);
    for (let i = 0; i < words; i++) content[i] = i ^ 0x5bd1;
    writeFileSync(path, content);
    const region = hms.space.file(path, Uint32Array, { writable: true });
    for (let i = words - 1; i >= 0; i--) region.view[i] = (region.view[i] ?? 0) + 1;
    const back = hms.statistics().cpuFaults;
    assert.ok(back < 600, `${back} faults for ${(words * 4) / PAGE} pages backwards`);
    const sequences = 24;
    const each = words / sequences;
    for (let i = 0; i < each; i++)
      for (let s = 0; s < sequences; s++) region.view[s * each + i] = (region.view[s * each + i] ?? 0) * 3;
    const faults = hms.statistics().cpuFaults - back;
    assert.ok(faults < 2000, `${faults} faults for ${sequences} sequences`);
    region.free();
    const found = new Uint32Array(readFileSync(path).buffer);
    for (let i = 0; i < words; i++)
      if (found[i] !== Math.imul((i ^ 0x5bd1) + 1, 3) >>> 0) assert.fail(`word ${i} is ${found[i]}`);
  });
});
