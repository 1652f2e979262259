import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fillWords, firstMismatch, parseWords, printWords, type Words, wordAt } from "./words.ts";

test("patterns mean what the format says", () => {
  const at = (text: string, index: number): number => {
    const words = parseWords(text);
    assert.ok(words, text);
    return wordAt(words, index);
  };
  assert.equal(at("index", 7), 7);
  assert.equal(at("index+3", 7), 10);
  assert.equal(at("index+-3", 1), 0xffff_fffe);
  assert.equal(at("negative", 0), 0);
  assert.equal(at("negative", 2), 0xffff_fffe);
  assert.equal(at("zero", 9), 0);
  assert.equal(at("constant:17", 9), 17);
  assert.equal(at("constant:0xdeadbeef", 9), 0xdead_beef);
  assert.equal(at("constant:-1", 9), 0xffff_ffff);
  assert.equal(at("index+4294967295", 1), 0);
});

test("what is no pattern is refused", () => {
  for (const text of [
    "",
    "indx",
    "index+",
    "index*2",
    "constant",
    "constant:",
    "constant:x",
    "constant:4294967296",
  ]) {
    assert.equal(parseWords(text), null, text);
  }
});

const patterns: fc.Arbitrary<Words> = fc.oneof(
  fc.record({ scale: fc.constantFrom(0 as const, 1 as const), base: fc.nat(0xffff_ffff) }),
  fc.constant({ scale: -1, base: 0 } as const),
);

test("a pattern survives being printed", () => {
  fc.assert(fc.property(patterns, (words) => assert.deepEqual(parseWords(printWords(words)), { ...words })));
});

test("filling and comparing agree with wordAt, and one wrong word is found where it is", () => {
  fc.assert(
    fc.property(
      patterns,
      fc.nat(1 << 30),
      fc.integer({ min: 1, max: 64 }),
      fc.nat(),
      (words, first, length, spot) => {
        const filled = new Uint32Array(length);
        fillWords(filled, words, first);
        assert.deepEqual(
          [...filled],
          Array.from({ length }, (_, i) => wordAt(words, first + i)),
        );
        assert.equal(firstMismatch(filled, words, first), -1);
        const wrong = spot % length;
        filled[wrong] = (filled[wrong] ?? 0) ^ 0x100;
        assert.equal(firstMismatch(filled, words, first), wrong);
      },
    ),
  );
});
