import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Chunk } from "./chunk.ts";
import { ChunkDirectory } from "./chunk-directory.ts";

test("the time of a move is kept to 64 ns, for 208 days around, whatever the clock says", () => {
  const chunk = new Chunk(0);
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 2 ** 58, noNaN: true }),
      fc.double({ min: 0, max: 2 ** 53, noNaN: true }),
      (then, later) => {
        chunk.note(7, 3, 9, then);
        const now = then + later;
        if (Math.floor(now / 64) - Math.floor(then / 64) >= 2 ** 48) return;
        assert.equal(chunk.when(7, now), Math.floor(then / 64) * 64);
        assert.equal(chunk.why[7], 3 | (9 << 8));
      },
    ),
    { numRuns: 2000 },
  );
});

test("any chunks over 2^36 pages: the directory finds what is in it, skips what is not, and forgets what is removed", () => {
  const place = fc.oneof(fc.nat(600), fc.nat(2 ** 27 - 1), fc.constant(2 ** 27 - 1));
  fc.assert(
    fc.property(
      fc.uniqueArray(place, { maxLength: 40 }),
      fc.array(place, { maxLength: 20 }),
      (places, asked) => {
        const directory = new ChunkDirectory<{ first: number }>();
        const chunks = new Map(places.map((number) => [number, { first: number * 512 }]));
        for (const chunk of chunks.values()) directory.add(chunk);
        const check = (): void => {
          for (const number of [...places, ...asked]) {
            assert.equal(directory.at(number * 512 + 511), chunks.get(number) ?? null);
            const next = [...chunks.keys()].filter((other) => other >= number).sort((a, b) => a - b)[0];
            const found = directory.next(number * 512 + 3, Number.MAX_SAFE_INTEGER);
            assert.equal(found, next === undefined ? null : chunks.get(next));
            assert.equal(directory.next(number * 512, number * 512 + 1), chunks.get(number) ?? null);
          }
        };
        check();
        for (const number of places.slice(0, places.length / 2)) {
          directory.delete(chunks.get(number) as { first: number });
          chunks.delete(number);
        }
        check();
      },
    ),
    { numRuns: 200 },
  );
});
