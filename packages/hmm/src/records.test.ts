import assert from "node:assert/strict";
import { test } from "node:test";
import { LOSSES_KEPT } from "./limits.ts";
import { Recent, Records } from "./records.ts";

test("the last so many are kept, oldest first; the total counts all", () => {
  const recent = new Recent<number>(3);
  assert.equal(recent.newest, null);
  for (let i = 0; i < 5; i++) recent.add(i);
  assert.deepEqual(recent.list(), [2, 3, 4]);
  assert.equal(recent.newest, 4);
  assert.equal(recent.total, 5);
  recent.amend(9);
  assert.deepEqual(recent.list(), [2, 3, 9]);
});

test("lost pages that follow each other are one range, and what is kept of them is bounded", () => {
  const records = new Records();
  const one = (space: number, first: number, when: number): void =>
    records.lose({ when, memory: "m", space, first, count: 1 });
  one(0, 5, 1);
  one(0, 6, 1);
  one(0, 8, 1);
  one(1, 9, 1);
  one(1, 10, 2);
  assert.deepEqual(
    records.losses.list().map(({ space, first, count }) => [space, first, count]),
    [
      [0, 5, 2],
      [0, 8, 1],
      [1, 9, 1],
      [1, 10, 1],
    ],
  );
  for (let i = 0; i < 2 * LOSSES_KEPT; i++) one(0, i * 3, 7);
  assert.equal(records.losses.list().length, LOSSES_KEPT);
});
