import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import { SHARERS_MAX, Shares } from "./shares.ts";

const CAPACITY = 100;
const SPACES = ["a", "b", "c", "d"] as const;

test("nobody has more than its most, all together no more than there is, and everyone can get its least", () => {
  const space = fc.constantFrom(...SPACES);
  const step = fc.oneof(
    fc.record({ do: fc.constant("set"), space, least: fc.nat(60), more: fc.nat(60) }),
    fc.record({ do: fc.constant("take"), space, least: fc.nat(80), more: fc.nat(0) }),
    fc.record({ do: fc.constant("give"), space, least: fc.nat(80), more: fc.nat(0) }),
    fc.record({ do: fc.constant("drop"), space, least: fc.nat(0), more: fc.nat(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const shares = new Shares<string>(CAPACITY);
      const plain = new Map<string, { least: number; most: number; used: number }>();
      const of = (name: string): { least: number; most: number; used: number } => {
        const known = plain.get(name) ?? { least: 0, most: CAPACITY, used: 0 };
        plain.set(name, known);
        return known;
      };
      for (const { do: what, space: name, least, more } of steps) {
        const own = of(name);
        const others = [...plain].filter(([other]) => other !== name).map(([, one]) => one);
        if (what === "set") {
          const fits = others.reduce((sum, one) => sum + one.least, least) <= CAPACITY;
          try {
            shares.set(name, { least, most: least + more });
            assert.ok(fits);
            own.least = least;
            own.most = least + more;
          } catch (error) {
            assert.ok(!fits && HmsError.is(error) && error.errno === "ENOSPC");
          }
        } else if (what === "take") {
          const kept = others.reduce((sum, one) => sum + Math.max(0, one.least - one.used), 0);
          const used = others.reduce((sum, one) => sum + one.used, own.used);
          const room = Math.max(0, Math.min(own.most - own.used, CAPACITY - used - kept));
          assert.equal(shares.room(name), room);
          assert.equal(shares.take(name, least), Math.min(room, least));
          own.used += Math.min(room, least);
        } else if (what === "give") {
          const back = Math.min(least, own.used);
          if (back > 0) shares.give(name, back);
          own.used -= back;
        } else {
          shares.drop(name);
          plain.delete(name);
        }
        const all = [...plain.values()].reduce((sum, one) => sum + one.used, 0);
        assert.ok(all <= CAPACITY);
        assert.equal(shares.free, CAPACITY - all);
        assert.equal(shares.used(name), plain.get(name)?.used ?? 0);
      }
      // Whoever has more than it is sure of gives it back: then all can have their least.
      for (let over = shares.mostOver; over !== null; over = shares.mostOver) {
        const { used, least } = of(over);
        shares.give(over, used - least);
        of(over).used = least;
      }
      for (const [name, { least, used }] of plain)
        assert.equal(shares.take(name, least - used), least - used);
    }),
    { numRuns: 500 },
  );
});

test("what is no share is refused, and what was not taken cannot be given back", () => {
  const shares = new Shares<number>(10);
  for (const share of [{ least: -1 }, { least: 5, most: 4 }, { least: 0.5 }, { most: Number.NaN }]) {
    assert.throws(
      () => shares.set(1, share),
      (error) => HmsError.is(error) && error.code === "SHARE_INVALID",
    );
  }
  assert.throws(() => shares.give(1, 1), /gave back 1 pages, but has 0/);
  assert.throws(() => new Shares(-1), RangeError);
  const many = new Shares<number>(SHARERS_MAX + 5);
  for (let space = 0; space < SHARERS_MAX; space++) many.take(space, 1);
  assert.throws(
    () => many.take(-1, 1),
    (error) => HmsError.is(error) && error.code === "SHARES_FULL",
  );
});

test("what spaces have otherwise is counted too: it leaves no room, and is taken from those with more than their least", () => {
  const shares = new Shares<string>(CAPACITY);
  shares.count("early", 80);
  shares.set("sure", { least: 40 });
  shares.set("small", { most: 10 });
  assert.deepEqual([shares.most("early"), shares.most("sure"), shares.most("small")], [60, 100, 10]);
  assert.deepEqual([shares.room("early"), shares.room("sure"), shares.room("small")], [0, 20, 0]);
  shares.count("sure", 20);
  assert.deepEqual([shares.room("sure"), shares.yields("sure"), shares.yields("early")], [0, false, true]);
  shares.count("early", 60);
  shares.count("small", 25);
  assert.deepEqual([shares.room("sure"), shares.room("small"), shares.free], [0, 0, -5]);
  shares.count("small", 0);
  assert.deepEqual([shares.room("sure"), shares.room("early"), shares.room("small")], [20, 0, 0]);
  shares.drop("sure");
  assert.deepEqual([shares.most("early"), shares.room("early"), shares.yields("nobody")], [100, 40, false]);
});
