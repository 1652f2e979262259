import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Interval, IntervalTree } from "./interval-tree.ts";

class Item implements Interval {
  readonly first: number;
  readonly end: number;
  readonly order: number;
  constructor(first: number, end: number, order: number) {
    this.first = first;
    this.end = end;
    this.order = order;
  }
}

test("any intervals: what a tree answers is what a list answers, while items come and go", () => {
  const bounds = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 20 }));
  const step = fc.oneof(
    fc.record({ add: bounds }),
    fc.record({ drop: fc.nat(40) }),
    fc.record({ ask: bounds }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const tree = new IntervalTree<Item>();
      const list: Item[] = [];
      let order = 0;
      for (const one of steps) {
        if ("add" in one) {
          const item = new Item(one.add[0], one.add[0] + one.add[1], order++);
          tree.add(item);
          list.push(item);
        } else if ("drop" in one) {
          const [item] = list.splice(one.drop % Math.max(1, list.length), 1);
          if (item !== undefined) tree.delete(item);
        } else {
          const [first, length] = one.ask;
          const found: Item[] = [];
          tree.overlapping(first, first + length, found);
          const expected = list.filter((item) => item.first < first + length && item.end > first);
          assert.deepEqual(new Set(found), new Set(expected));
          assert.deepEqual(
            found.map((item) => item.first),
            found.map((item) => item.first).sort((a, b) => a - b),
          );
          const starts = list.map((item) => item.first);
          const before = starts.filter((start) => start <= first);
          const after = starts.filter((start) => start >= first);
          assert.equal(tree.before(first)?.first, before.length === 0 ? undefined : Math.max(...before));
          assert.equal(tree.after(first)?.first, after.length === 0 ? undefined : Math.min(...after));
        }
        assert.equal(tree.size, list.length);
      }
    }),
    { numRuns: 500 },
  );
});

test("ten thousand intervals in order stay balanced: none is deeper than the logarithm allows", () => {
  const tree = new IntervalTree<Item>();
  const items = Array.from({ length: 10_000 }, (_, i) => new Item(i * 2, i * 2 + 1, i));
  for (const item of items) tree.add(item);
  for (let i = 0; i < 10_000; i += 2) tree.delete(items[i] as Item);
  assert.equal(tree.size, 5000);
  assert.equal(tree.before(4001)?.first, 3998);
  assert.equal(tree.after(4001)?.first, 4002);
});

test("removing what is not in the tree is a programmer's error", () => {
  const tree = new IntervalTree<Item>();
  tree.add(new Item(1, 2, 0));
  assert.throws(() => tree.delete(new Item(3, 4, 1)), /not in the tree/);
  assert.throws(() => tree.delete(new Item(1, 2, 7)), /not in the tree/);
});
