import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { following } from "./following.ts";

const frame = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0x7fff_fffd, max: 0x8000_0003 }),
  fc.integer({ min: 0xffff_fff0, max: 0xffff_ffff }),
);

test("numbers that follow each other are counted, beyond 2^31 too", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(frame, fc.integer({ min: 1, max: 5 })), { minLength: 1 }), (runs) => {
      const numbers = Uint32Array.from(
        runs.flatMap(([first, count]) => [...Array(count).keys()].map((k) => first + k)),
      );
      for (let from = 0; from < numbers.length; from++) {
        for (let most = 1; from + most <= numbers.length; most++) {
          let count = 1;
          while (count < most && numbers[from + count] === ((numbers[from] ?? 0) + count) >>> 0) count++;
          assert.equal(following(numbers, from, most), count);
        }
      }
    }),
  );
});
