import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { type Header, pack } from "tar-stream";
import { HmsError } from "../model/error.ts";
import { type Archive, type ArchiveBounds, isTar, readTar } from "./archive.ts";
import { LinkedTree } from "./linked.ts";
import { type Chunks, compressionOf, gather, unpack } from "./unpack.ts";

type Member = Partial<Header> & { readonly name: string; readonly body?: string | Uint8Array };

const BOUNDS: ArchiveBounds = { bytesMax: 10_000_000, entriesMax: 1000 };

const scratch = mkdtempSync(join(tmpdir(), "hms-archive-"));
after(() => rmSync(scratch, { recursive: true }));

async function tar(members: readonly Member[]): Promise<Buffer> {
  const packer = pack();
  for (const { body, ...header } of members) packer.entry(header, body ?? "");
  packer.finalize();
  const parts: Uint8Array[] = [];
  for await (const part of packer) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}

async function* inPieces(bytes: Uint8Array, length = 1000): Chunks {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function read(bytes: Uint8Array, bounds = BOUNDS): Promise<Archive> {
  return readTar(inPieces(bytes), "a.tar", bounds);
}

async function tree(bytes: Uint8Array): Promise<LinkedTree> {
  const { store, warnings } = await read(bytes);
  return new LinkedTree(store, { label: "a.tar", warnings });
}

function refused(code: string, pattern: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(HmsError.is(error), String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

function has(command: string): boolean {
  return spawnSync(command, ["--version"], { input: "" }).error === undefined;
}

describe("a tar archive", () => {
  test("gives its files, folders, links and hard links", async () => {
    const read = await tree(
      await tar([
        { name: "./", type: "directory" },
        { name: "./sys/", type: "directory" },
        { name: "./sys/file", body: "text\n" },
        { name: "sys//double/./dots", body: "here" },
        { name: "sys/link", type: "symlink", linkname: "/sys/double" },
        { name: "sys/hard", type: "link", linkname: "./sys/file" },
        { name: "sys/pipe", type: "fifo" },
        { name: "sys/disk", type: "block-device", devmajor: 8 },
        { name: "sys/file", body: "the second of two of one name\n" },
      ]),
    );
    assert.equal(read.readText("sys/file"), "the second of two of one name\n");
    assert.equal(read.readText("sys/hard"), "text\n");
    assert.equal(read.readText("sys/link/dots"), "here");
    assert.equal(read.warnings.length, 0);
    assert.equal(read.readText("sys/pipe"), undefined);
    assert.match(read.warnings[0]?.message ?? "", /neither a file/);
  });

  test("with long names, in both ways that tar has for them", {
    skip: has("tar") ? false : "tar is not installed",
  }, async () => {
    const root = join(scratch, "long");
    const deep = join(root, ...Array.from({ length: 12 }, (_, i) => `${i}-${"x".repeat(40)}`));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "file"), "deep");
    symlinkSync(`${"../".repeat(12)}${"y".repeat(120)}`, join(deep, "link"));
    writeFileSync(join(root, "y".repeat(120)), "linked");
    linkSync(join(root, "y".repeat(120)), join(root, "z"));
    for (const format of ["gnu", "pax"]) {
      const bytes = execFileSync("tar", [`--format=${format}`, "-cf", "-", "-C", root, "."]);
      assert.ok(isTar(bytes), format);
      const found = await tree(bytes);
      const path = deep.slice(root.length + 1);
      assert.equal(found.readText(`${path}/file`), "deep", format);
      assert.equal(found.readText(`${path}/link`), "linked", format);
      assert.equal(found.readText("z"), "linked", format);
      assert.deepEqual(found.warnings, []);
    }
    const old = execFileSync("tar", ["--format=v7", "-cf", "-", "-C", root, "z"]);
    assert.ok(isTar(old));
    assert.equal((await tree(old)).readText("z"), "linked");
  });

  test("with sparse files says which it leaves out", {
    skip: has("tar") ? false : "tar is not installed",
  }, async () => {
    const root = join(scratch, "sparse");
    mkdirSync(root);
    writeFileSync(join(root, "a"), "before");
    writeFileSync(join(root, "hole"), "x");
    truncateSync(join(root, "hole"), 1_000_000);
    writeFileSync(join(root, "z"), "after");
    for (const args of [["--format=gnu"], ["--format=pax"], ["--format=pax", "--sparse-version=0.1"]]) {
      const bytes = execFileSync("tar", [...args, "--sparse", "-cf", "-", "-C", root, "a", "hole", "z"]);
      const { store, warnings } = await read(bytes);
      assert.equal(Buffer.from(store.read("a", 100)).toString(), "before");
      assert.equal(Buffer.from(store.read("z", 100)).toString(), "after");
      assert.match(warnings[0]?.message ?? "", /--sparse/);
      assert.match(warnings[0]?.path ?? "", /hole/);
    }
  });

  test("is refused when a member would lie outside of it", async () => {
    for (const member of [
      { name: "../evil", body: "x" },
      { name: "sys/../../evil", body: "x" },
      { name: "/etc/passwd", body: "x" },
      { name: "sys/hard", type: "link", linkname: "../../etc/passwd" } as const,
      { name: "sys/hard", type: "link", linkname: "/etc/passwd" } as const,
    ])
      await assert.rejects(
        async () => read(await tar([{ name: "sys/good", body: "x" }, member])),
        refused("ARCHIVE_UNSAFE", /(evil|passwd)" leads outside of the archive; make the archive again/),
      );
  });

  test("does not let a member go through a link, or a file become a folder", async () => {
    const { store, warnings } = await read(
      await tar([
        { name: "sys/away", type: "symlink", linkname: "/etc" },
        { name: "sys/away/passwd", body: "x" },
        { name: "sys/file", body: "x" },
        { name: "sys/file/below", body: "x" },
        { name: "sys/hard", type: "link", linkname: "sys/not/there" },
      ]),
    );
    assert.equal(store.get("sys/away/passwd"), undefined);
    assert.deepEqual(
      warnings.map((warning) => warning.path),
      ["sys/away/passwd", "sys/file/below", "sys/hard"],
    );
  });

  test("is refused as soon as it is larger than the bounds, which the error names", async () => {
    const many = await tar(Array.from({ length: 50 }, (_, i) => ({ name: `sys/${i}`, body: "x" })));
    await assert.rejects(
      () => read(many, { bytesMax: 1e9, entriesMax: 49 }),
      refused("INPUT_TOO_LARGE", /49 members.*ARCHIVE_ENTRIES_MAX/),
    );
    await assert.rejects(
      () => read(many, { bytesMax: 30_000, entriesMax: 1e9 }),
      refused("INPUT_TOO_LARGE", /29.3 KiB.*ARCHIVE_BYTES_MAX/),
    );
    // A header alone says that the rest is not worth unpacking.
    const bomb = await tar([{ name: "sys/zeros", body: Buffer.alloc(1 << 20) }]);
    let given = 0;
    async function* watched(): Chunks {
      for await (const chunk of inPieces(bomb)) {
        given += chunk.length;
        yield chunk;
      }
    }
    await assert.rejects(
      () => readTar(watched(), "a.tar", { bytesMax: 1_000_000, entriesMax: 10 }),
      refused("INPUT_TOO_LARGE", /ARCHIVE_BYTES_MAX/),
    );
    assert.ok(given < 200_000, `${given}`);
  });

  test("that is cut short gives what comes before, with a warning", async () => {
    const whole = await tar([
      { name: "sys/a", body: "first" },
      { name: "sys/b", body: "second".repeat(500) },
    ]);
    for (const length of [1024, 1536, 2000, 4608]) {
      const { store, warnings } = await read(whole.subarray(0, length));
      assert.equal(Buffer.from(store.read("sys/a", 100)).toString(), "first");
      assert.match(warnings[0]?.message ?? "", /not whole \(it (is cut short|has no end mark)/, `${length}`);
    }
    await assert.rejects(() => read(whole.subarray(0, 514)), refused("ARCHIVE_DAMAGED", /cut short/));
    await assert.rejects(
      () => read(Buffer.from("x".repeat(600))),
      refused("ARCHIVE_DAMAGED", /Invalid tar header/),
    );
  });

  test("with a flood of odd members keeps the warnings few", async () => {
    const { warnings } = await read(
      await tar(
        Array.from({ length: 500 }, (_, i) => ({ name: `l${i}`, type: "link", linkname: "none" }) as const),
      ),
    );
    assert.equal(warnings.length, 101);
    assert.match(warnings[100]?.message ?? "", /400 more/);
  });

  test("with any damage ends, with an error of its own or with warnings", async () => {
    const good = await tar([
      { name: "sys/a", body: "first" },
      { name: `sys/${"long/".repeat(40)}b`, body: "second" },
      { name: "sys/c", type: "symlink", linkname: "a" },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        async (at, noise) => {
          const broken = Buffer.from(good);
          broken.set(noise.subarray(0, broken.length - at), at);
          try {
            const { store } = await read(broken);
            store.entries("");
          } catch (error) {
            assert.ok(HmsError.is(error), String(error));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("a compressed archive", () => {
  const pressers: readonly (readonly [string, (bytes: Buffer) => Buffer, string | undefined])[] = [
    ["gzip", (bytes) => gzipSync(bytes), undefined],
    ["zstd", (bytes) => zstdCompressSync(bytes), undefined],
    ["bzip2", (bytes) => execFileSync("bzip2", ["-c1"], { input: bytes }), "bzip2"],
    ["xz", (bytes) => execFileSync("xz", ["-c"], { input: bytes }), "xz"],
  ];
  // Enough that does not compress for a file that is cut in half to hold something.
  let state = 1;
  const noise = Buffer.from(
    Array.from({ length: 300_000 }, () => {
      state = Math.imul(state, 1_103_515_245) + 12_345;
      return (state >>> 16) & 0xff;
    }),
  );
  const members: Member[] = Array.from({ length: 30 }, (_, i) => ({
    name: `sys/${i}`,
    body: noise.subarray(i * 10_000, (i + 1) * 10_000),
  }));

  for (const [name, press, tool] of pressers) {
    test(`with ${name}`, {
      skip: tool === undefined || has(tool) ? false : `${tool} is not installed`,
    }, async () => {
      const packed = press(await tar(members));
      assert.equal(compressionOf(packed), name);
      const compression = compressionOf(packed) ?? "gzip";
      const { store, warnings } = await readTar(unpack(inPieces(packed), compression), "a.tar", BOUNDS);
      assert.equal(store.entries("sys")?.size, 30);
      assert.deepEqual(store.read("sys/29", 10_000), members[29]?.body);
      assert.deepEqual(warnings, []);

      const half = await readTar(
        unpack(inPieces(packed.subarray(0, packed.length / 2)), compression),
        "a",
        BOUNDS,
      );
      const kept = half.store.entries("sys")?.size ?? 0;
      assert.ok(kept > 3 && kept < 30, `${kept}`);
      assert.match(half.warnings[0]?.message ?? "", /the archive is not whole/);
    });

    test(`with ${name} is refused when it is a bomb, long before it is unpacked`, {
      skip: tool === undefined || has(tool) ? false : `${tool} is not installed`,
    }, async () => {
      const bomb = press(Buffer.alloc(40_000_000));
      const started = performance.now();
      await assert.rejects(
        () => readTar(unpack(inPieces(bomb), compressionOf(bomb) ?? "gzip"), "a.tar", BOUNDS),
        refused("INPUT_TOO_LARGE", /9.54 MiB.*ARCHIVE_BYTES_MAX/),
      );
      assert.ok(performance.now() - started < 2000);
    });
  }

  test("is damaged in an xz stream of another kind: the error says what to do", {
    skip: has("xz") ? false : "xz is not installed",
  }, async () => {
    const packed = execFileSync("xz", ["-c", "--check=sha256"], { input: "hms" });
    await assert.rejects(() => gather(unpack(inPieces(packed), "xz")), /repack it with plain `xz`/);
  });

  test("nothing else passes for one", () => {
    assert.equal(compressionOf(readFileSync(import.meta.filename)), undefined);
    assert.equal(compressionOf(new Uint8Array(0)), undefined);
    assert.ok(!isTar(readFileSync(import.meta.filename)));
    assert.ok(!isTar(Buffer.alloc(512)));
    assert.ok(!isTar(Buffer.alloc(100)));
  });
});
