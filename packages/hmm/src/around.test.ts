import assert from "node:assert/strict";
import { test } from "node:test";
import { Around } from "./around.ts";

const LIMIT = 1 << 30;

/** Touches every page of a range in order, as a program does, and answers how many faults that took. */
function touchAll(around: Around, first: number, count: number, there: Set<number> = new Set()): number {
  let faults = 0;
  for (let page = first; page < first + count; page++) {
    if (there.has(page)) continue;
    around.at(page, 0, LIMIT, 512);
    assert.ok(around.first <= page && page < around.first + around.count);
    for (let near = around.first; near < around.first + around.count; near++) there.add(near);
    faults++;
  }
  return faults;
}

test("windows grow with faults in order, either way, to whole 2 MiB", () => {
  const around = new Around();
  let page = 100_003;
  for (let i = 0; i < 10; i++) {
    around.at(page, 0, LIMIT, 512);
    page = around.first + around.count;
  }
  assert.equal(around.count, 512);
  assert.equal(around.first % 512, 0);
  page = 50_000;
  for (let i = 0; i < 10; i++) {
    around.at(page, 0, LIMIT, 512);
    assert.ok(around.first <= page && page < around.first + around.count);
    page = around.first - 1;
  }
  assert.equal(around.count, 512);
  assert.equal(around.first % 512, 0);
});

test("touches here and there bring one page each, whatever came before", () => {
  const around = new Around(16);
  touchAll(around, 0, 100_000);
  let brought = 0;
  for (let i = 1; i <= 1000; i++) {
    around.at(200_000 + ((i * 7919) % 1000) * 1000, 0, LIMIT, 512);
    brought += around.count;
  }
  assert.ok(brought < 1000 + 2 * 128, `${brought} pages`);
  assert.equal(around.count, 1);
});

test("block after block comes with one or two faults for each, and little beyond it", () => {
  for (const block of [4, 16, 64]) {
    const around = new Around();
    const there = new Set<number>();
    for (let k = 0; k < 16; k++) touchAll(around, k * 1000, block, there);
    const before = there.size;
    let faults = 0;
    for (let k = 16; k < 216; k++) faults += touchAll(around, k * 1000, block, there);
    assert.ok(faults <= 400, `${faults} faults for 200 blocks of ${block}`);
    assert.ok(there.size - before <= 2 * 200 * block, `${there.size - before} pages`);
  }
});

test("a sequence may leave out a few pages, and many go on side by side", () => {
  const around = new Around();
  const pages = Array.from({ length: 30 }, (_, k) => k * 100_000);
  for (let round = 0; round < 8; round++) {
    for (let k = 0; k < 30; k++) {
      around.at((pages[k] ?? 0) + (round > 3 ? 3 : 0), 0, LIMIT, 512);
      pages[k] = around.first + around.count;
    }
  }
  assert.ok(around.count > 256);
});

test("windows stay within what they may be of", () => {
  const around = new Around(64);
  around.at(5, 4, 6, 512);
  assert.deepEqual([around.first, around.count], [5, 1]);
  around.at(1000, 0, 1010, 4);
  assert.ok(around.count <= 4);
  around.fixed = 16;
  around.at(1000, 995, 1005, 512);
  assert.deepEqual([around.first, around.count], [995, 10]);
});
