import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CAN_READ, CAN_WRITE, type RegionOptions } from "./region.ts";
import { RegionStore } from "./region-store.ts";

const SPAN = 64;
const RW: RegionOptions = { kind: "anonymous", access: CAN_READ | CAN_WRITE };

/** What each page of a naive store says: its access, or −1 when nothing is mapped. */
function accessOf(store: RegionStore): number[] {
  return Array.from({ length: SPAN }, (_, page) => store.at(page)?.access ?? -1);
}

test("any regions: split and merged, they say of each page what a list of pages says", () => {
  const range = fc.tuple(fc.integer({ min: 0, max: SPAN - 1 }), fc.integer({ min: 1, max: 20 }));
  const step = fc.oneof(
    fc.record({ add: range, access: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ remove: range }),
    fc.record({ change: range, access: fc.integer({ min: 0, max: 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = new RegionStore();
      const pages = new Array<number>(SPAN).fill(-1);
      for (const one of steps) {
        const [first, length] = "add" in one ? one.add : "remove" in one ? one.remove : one.change;
        const end = Math.min(SPAN, first + length);
        if ("add" in one) {
          if (pages.slice(first, end).some((access) => access >= 0)) continue;
          store.add(first, end, { ...RW, access: one.access });
          pages.fill(one.access, first, end);
        } else if ("remove" in one) {
          store.remove(first, end);
          pages.fill(-1, first, end);
        } else {
          store.change(first, end, { access: one.access });
          for (let page = first; page < end; page++) if ((pages[page] ?? -1) >= 0) pages[page] = one.access;
        }
        assert.deepEqual(accessOf(store), pages);
        assert.equal(store.pages, pages.filter((access) => access >= 0).length);
        const runs = pages.filter((access, page) => access >= 0 && access !== pages[page - 1]).length;
        assert.equal(store.size, runs, "neighbours that are alike are one region");
        assert.equal(
          store.covers(first, end),
          pages.slice(first, end).every((access) => access >= 0),
        );
      }
    }),
    { numRuns: 400 },
  );
});

test("a file's regions keep their place in the file when they are split, and merge only where it goes on", () => {
  const store = new RegionStore();
  const backing = {};
  store.add(10, 20, { kind: "file", access: CAN_READ, shared: true, backing, offset: 100 });
  store.remove(13, 15);
  assert.equal(store.at(15)?.offset, 105);
  store.add(13, 15, { kind: "file", access: CAN_READ, shared: true, backing, offset: 103 });
  assert.equal(store.size, 1);
  store.remove(13, 15);
  store.add(13, 15, { kind: "file", access: CAN_READ, shared: true, backing, offset: 7 });
  assert.equal(store.size, 3);
});

test("a gap is the first that is large enough, aligned as asked, or none", () => {
  const store = new RegionStore();
  store.add(100, 110, RW);
  store.add(130, 140, RW);
  assert.equal(store.gap(0, 100, 1), 0);
  assert.equal(store.gap(95, 10, 1), 110);
  assert.equal(store.gap(95, 15, 16), 112);
  assert.equal(store.gap(95, 20, 16), 144);
  assert.equal(store.gap(105, 5, 1), 110);
  assert.equal(store.gap(2 ** 36 - 4, 5, 1), null);
});
