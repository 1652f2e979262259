import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Column, IN_WINDOW, LENT, MAPPED, PLACE, PROTECTED, SLOT, ZEROS } from "./column.ts";

const BASE = 0x8000_0000;
const FRAMES = 100;
/** A page number of a high address. */
const AT = 0x7_f000_0000;

/** Columns as they come: runs of places, some of them broken. */
const column = fc
  .array(
    fc.record({
      place: fc.constantFrom(ZEROS, SLOT, MAPPED, MAPPED | PROTECTED, MAPPED | IN_WINDOW),
      at: fc.integer({ min: AT, max: AT + 3 }),
      count: fc.integer({ min: 1, max: 60 }),
    }),
    { maxLength: 8 },
  )
  .map((runs) => {
    const made = new Column(BASE, FRAMES);
    let index = 0;
    for (const { place, at, count } of runs) {
      const most = Math.min(count, FRAMES - index);
      made.setRun(index, most, place, at);
      index += most;
    }
    return made;
  });

test("runs are as long as their frames are alike, one by one", () => {
  fc.assert(
    fc.property(column, fc.nat({ max: FRAMES - 1 }), fc.nat({ max: FRAMES }), (made, index, wish) => {
      const most = Math.min(wish, FRAMES - index);
      const count = (good: (k: number) => boolean): number => {
        let k = 0;
        while (k < most && good(k)) k++;
        return k;
      };
      const place = (k: number): number => made.place[index + k] ?? 0;
      const at = made.at[index] ?? 0;
      const follows = (k: number): boolean => made.at[index + k] === at + k;
      for (const kind of [ZEROS, SLOT, MAPPED]) {
        assert.equal(
          made.runOf(index, most, kind, at),
          count((k) => (place(k) & PLACE) === kind && follows(k)),
        );
        assert.equal(
          made.alike(index, most, kind),
          count((k) => (place(k) & PLACE) === kind),
        );
      }
      assert.equal(
        made.awayRun(index, most),
        count((k) => (place(k) & (PLACE | IN_WINDOW)) !== MAPPED),
      );
    }),
  );
});

test("what is lent is where it was, and both know of each other", () => {
  const lender = new Column(0, FRAMES);
  const borrower = new Column(BASE, FRAMES);
  lender.setRun(10, 40, SLOT, AT);
  borrower.borrow(50, lender, 20, 30);
  for (let k = 0; k < 30; k++) {
    assert.equal(borrower.place[50 + k], SLOT);
    assert.equal(borrower.at[50 + k], AT + 10 + k);
    assert.equal(borrower.lender[50 + k], 20 + k);
    assert.equal(lender.place[20 + k], LENT);
    assert.equal(lender.at[20 + k], BASE + 50 + k);
  }
  assert.equal(lender.place[19], SLOT);
  assert.equal(borrower.place[49], 0);
  // The same the other way, where the lender's numbers are beyond 2^31.
  borrower.setRun(0, 5, SLOT, AT);
  lender.borrow(90, borrower, 0, 5);
  assert.equal(lender.lender[94], BASE + 4);
  assert.equal(borrower.at[4], 94);
});
