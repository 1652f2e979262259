import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DeviceTable, MAY_READ, MAY_WRITE } from "./device-table.ts";
import { NO_FRAME } from "./units.ts";

test("any pages: a device's table holds what was put in and not dropped since", () => {
  const page = fc.oneof(fc.nat(1200), fc.integer({ min: 2 ** 36 - 700, max: 2 ** 36 - 1 }));
  const step = fc.oneof(
    fc.record({ set: page, frame: fc.nat(50) }),
    fc.record({ delete: page }),
    fc.record({ clear: page, count: fc.nat(700), from: fc.nat(50), to: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new DeviceTable();
      const model = new Map<number, number>();
      for (const one of steps) {
        if ("set" in one) {
          table.set(one.set, one.frame, one.frame % 2 === 0 ? MAY_READ : MAY_WRITE);
          model.set(one.set, one.frame);
        } else if ("delete" in one) {
          table.delete(one.delete);
          model.delete(one.delete);
        } else {
          const end = one.clear + one.count;
          table.clear(one.clear, end, one.from, one.to);
          for (const [at, frame] of model) {
            if (at >= one.clear && at < end && frame >= one.from && frame < one.to) model.delete(at);
          }
        }
        assert.equal(table.size, model.size);
      }
      const found: number[] = [];
      for (let at = table.next(0, 2 ** 36); at >= 0; at = table.next(at + 1, 2 ** 36)) found.push(at);
      assert.deepEqual(
        found,
        [...model.keys()].sort((a, b) => a - b),
      );
      for (const [at, frame] of model) {
        assert.equal(table.frame(at), frame);
        assert.equal(table.right(at), frame % 2 === 0 ? MAY_READ : MAY_WRITE);
      }
      assert.equal(table.frame(1201), NO_FRAME);
      assert.equal(table.right(1201), 0);
    }),
    { numRuns: 300 },
  );
});

test("a run is as many pages set one by one, whatever was there", () => {
  fc.assert(
    fc.property(
      fc.nat(1200),
      fc.integer({ min: 1, max: 900 }),
      fc.array(fc.nat(2200)),
      (first, count, there) => {
        const [one, other] = [new DeviceTable(), new DeviceTable()];
        const frames = Uint32Array.from({ length: count + 3 }, (_, k) => 7 * k);
        for (const table of [one, other]) for (const page of there) table.set(page, page, MAY_READ);
        one.setRun(first, frames, 3, count, MAY_WRITE);
        for (let k = 0; k < count; k++) other.set(first + k, frames[3 + k] ?? 0, MAY_WRITE);
        assert.equal(one.size, other.size);
        for (let page = 0; page < 2200; page++) {
          assert.equal(one.frame(page), other.frame(page));
          assert.equal(one.right(page), other.right(page));
        }
        one.clear(0, 3000);
        assert.equal(one.size, 0);
      },
    ),
  );
});
