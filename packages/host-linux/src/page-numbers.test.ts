import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PageNumbers } from "./page-numbers.ts";

const pages = fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 2 ** 31 }), fc.constantFrom(511, 512, 2 ** 35));

test("it holds what a map would hold, and knows where something is", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(pages, fc.nat({ max: 3 })), { maxLength: 300 }), (steps) => {
      const numbers = new PageNumbers();
      const map = new Map<number, number>();
      for (const [page, number] of steps) {
        numbers.set(page, number);
        if (number === 0) map.delete(page);
        else map.set(page, number);
        equal(numbers.at(page), number);
      }
      for (const [page] of steps) equal(numbers.at(page), map.get(page) ?? 0);
      const firsts = new Set([...map.keys()].map((page) => page - (page % 512)));
      deepEqual(
        numbers.firsts(),
        [...firsts].sort((a, b) => a - b),
      );
    }),
  );
});
