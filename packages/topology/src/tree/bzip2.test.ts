import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Bzip2Error, bunzip2 } from "./bzip2.ts";

/** `hello hms\n`, packed by bzip2 1.0.8. */
const HELLO = Buffer.from(
  "425a68393141592653593cabb656000001d18000104000024688002000310c0821a327a8135ce68f1772453850903cabb656",
  "hex",
);

function unpack(input: Uint8Array): Buffer {
  return Buffer.concat([...bunzip2(input)]);
}

const hasBzip2 = spawnSync("bzip2", ["--version"], { input: "" }).error === undefined;
const needsBzip2 = { skip: hasBzip2 ? false : "bzip2 is not installed" };

function pack(bytes: Uint8Array, level = 9): Buffer {
  const done = spawnSync("bzip2", ["-c", `-${level}`], { input: bytes, maxBuffer: 1 << 28 });
  assert.equal(done.status, 0);
  return done.stdout;
}

describe("bunzip2", () => {
  test("refuses what is not bzip2, by name", () => {
    assert.throws(() => unpack(new Uint8Array(0)), Bzip2Error);
    assert.throws(() => unpack(Buffer.from("BZ0 is another format")), Bzip2Error);
    assert.throws(() => unpack(Buffer.from("BZh0")), /block size/);
    assert.throws(() => unpack(Buffer.from("BZh9")), /cut short/);
  });

  test("unpacks a small file", () => {
    assert.equal(unpack(HELLO).toString(), "hello hms\n");
  });

  test("gives back what bzip2 packed", needsBzip2, () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 3000 }),
      fc
        .array(fc.tuple(fc.constantFrom(0, 65, 255), fc.integer({ min: 1, max: 700 })), { maxLength: 40 })
        .map((runs) => Buffer.concat(runs.map(([byte, count]) => Buffer.alloc(count, byte)))),
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 9 }), (input, level) => {
        assert.ok(unpack(pack(input, level)).equals(input));
      }),
      { numRuns: 60 },
    );
  });

  test("gives back several blocks, long runs and several streams one after another", needsBzip2, () => {
    const long = Buffer.concat([
      Buffer.alloc(3_000_000),
      Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 2654435761) >>> 24)),
      Buffer.alloc(1_000_003, "hms "),
    ]);
    assert.ok(unpack(pack(long, 1)).equals(long));
    const two = Buffer.concat([
      pack(Buffer.from("one, ")),
      pack(Buffer.from("two")),
      Buffer.from("garbage after"),
    ]);
    assert.equal(unpack(two).toString(), "one, two");
  });

  test("yields the good blocks before it says that the rest is cut short or damaged", needsBzip2, () => {
    const long = Buffer.from(Array.from({ length: 500_000 }, (_, i) => (i * 2654435761) >>> 24));
    const packed = pack(long, 1);
    for (const broken of [packed.subarray(0, packed.length / 2), flip(packed, packed.length >> 1)]) {
      let count = 0;
      assert.throws(() => {
        for (const chunk of bunzip2(broken)) {
          assert.ok(long.subarray(count, count + chunk.length).equals(chunk));
          count += chunk.length;
        }
      }, Bzip2Error);
      assert.ok(count > 50_000 && count < 450_000, `${count}`);
    }
  });

  test("ends with an error for any damage, and never hangs", () => {
    const seedOf = hasBzip2 ? pack(Buffer.from("a machine ".repeat(50)), 1) : HELLO;
    fc.assert(
      fc.property(fc.nat(seedOf.length - 1), fc.uint8Array({ minLength: 1, maxLength: 30 }), (at, noise) => {
        const broken = Buffer.from(seedOf);
        broken.set(noise.subarray(0, broken.length - at), at);
        try {
          unpack(broken);
        } catch (error) {
          assert.ok(error instanceof Bzip2Error, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a run that never ends is refused at once", () => {
    const started = performance.now();
    assert.throws(() => unpack(endlessRun()), /longer than it says/);
    assert.ok(performance.now() - started < 1000);
  });
});

function flip(bytes: Uint8Array, at: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[at] = (flipped[at] ?? 0) ^ 0x10;
  return flipped;
}

/** A block whose first run has a length with more digits than a number has bits. */
function endlessRun(): Buffer {
  let bits = "";
  const put = (value: number, count: number): void => {
    bits += value.toString(2).padStart(count, "0");
  };
  put(0x314159, 24);
  put(0x265359, 24);
  put(0, 32);
  put(0, 1);
  put(0, 24);
  put(0x8000, 16);
  put(0x8000, 16);
  put(2, 3);
  put(2, 15);
  put(0, 2);
  // Two tables of three symbols (the two runs, the end), each with a code of 2 bits.
  for (let table = 0; table < 2; table++) {
    put(2, 5);
    put(0, 3);
  }
  put(0, 200);
  const bytes = bits.match(/.{1,8}/g)?.map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2)) ?? [];
  return Buffer.concat([Buffer.from("BZh1"), Buffer.from(bytes)]);
}
