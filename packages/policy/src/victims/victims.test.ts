import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plainVictims } from "../testing/plain-victims.ts";
import { missesOf } from "../testing/replay.ts";
import { expected, NO_TRACES, readTrace } from "../testing/traces.ts";
import { Ghosts } from "./ghosts.ts";
import { VICTIM_NAMES } from "./victim-policy.ts";
import { defaultVictims, SLOTS_WITH_HISTORY_MAX, victims } from "./victims.ts";

for (const name of VICTIM_NAMES) {
  test(`${name} is like its plain form, whatever happens`, () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 99 }), fc.nat(60));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 25 }),
        fc.array(step, { maxLength: 500, size: "max" }),
        (capacity, steps) => {
          const policy = victims(capacity, name);
          const plain = plainVictims(name, capacity);
          const slots = new Map<number, number>();
          const keys = new Map<number, number>();
          // CLOCK's hand goes by slots: the order is that of the queue only while each victim's slot is used next.
          const removes = name !== "clock";
          const free = Array.from({ length: capacity }, (_, slot) => capacity - 1 - slot);
          const evict = (): void => {
            const slot = policy.victim();
            const key = plain.victim();
            assert.equal(keys.get(slot) ?? -1, key);
            if (slot < 0) return;
            slots.delete(key);
            keys.delete(slot);
            free.push(slot);
          };
          for (const [kind, page] of steps) {
            // Large keys that differ in their high bits only must not be mixed up.
            const key = page < 30 ? page : page * 2 ** 40;
            const slot = slots.get(key);
            if (removes && kind < 4) {
              evict();
            } else if (removes && kind < 10 && slot !== undefined) {
              policy.remove(slot);
              plain.remove(key);
              slots.delete(key);
              keys.delete(slot);
              free.push(slot);
            } else if (slot !== undefined) {
              policy.touch(slot);
              plain.touch(key);
            } else {
              if (free.length === 0) evict();
              const place = free.pop() ?? -1;
              policy.insert(place, key);
              plain.insert(key);
              slots.set(key, place);
              keys.set(place, key);
            }
            assert.equal(policy.size, slots.size);
          }
          while (removes && policy.size > 0) evict();
          if (removes) evict();
        },
      ),
      { numRuns: 300 },
    );
  });

  test(`${name} takes nothing that cannot be`, () => {
    const policy = victims(4, name);
    assert.equal(policy.victim(), -1);
    policy.insert(2, 7);
    assert.throws(() => policy.insert(2, 8), /slot 2 of 4 has a page already/);
    for (const slot of [0, 3, 4, 5, -1]) {
      assert.throws(() => policy.remove(slot), /has no page/);
      if (name !== "clock" || slot < 4) assert.equal(policy.size, 1);
    }
    assert.throws(() => policy.touch(0), /slot 0 of 4 has no page/);
    assert.equal(policy.victim(), 2);
    for (const capacity of [0, -1, 1.5, Number.NaN, 2 ** 31])
      assert.throws(() => victims(capacity, name), RangeError);
  });

  test(`${name}: a victim that stays can be put back, and another is found`, () => {
    const policy = victims(50, name);
    for (let slot = 0; slot < 50; slot++) policy.insert(slot, slot);
    const seen = new Set<number>();
    for (let tries = 0; tries < 200; tries++) {
      const slot = policy.victim();
      seen.add(slot);
      policy.insert(slot, slot);
    }
    assert.ok(seen.size >= (name === "clock" || name === "lru" ? 50 : 5), `${seen.size} of 50 were offered`);
    assert.equal(policy.size, 50);
  });
}

test("ghosts are the last so many that left, each as long as it did not come back", () => {
  const step = fc.tuple(fc.boolean(), fc.nat(40));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.array(step, { maxLength: 300, size: "max" }),
      (capacity, steps) => {
        const ghosts = new Ghosts(capacity);
        let plain: (number | null)[] = [];
        for (const [take, number] of steps) {
          const key = number * 65_536 * 65_536 + (number % 3);
          const place = plain.indexOf(key);
          if (take || place >= 0) {
            assert.equal(ghosts.take(key), place >= 0);
            plain[place] = null;
            if (place < 0) plain = [...plain];
          } else {
            ghosts.add(key);
            plain.push(key);
            if (plain.length > capacity) plain.shift();
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("on public traces misses are what independent implementations count", { skip: NO_TRACES }, () => {
  let checked = 0;
  for (const {
    trace: name,
    capacity,
    lru,
    clock,
    requests,
    optimal,
    s3FifoRatio,
    sieveRatio,
  } of expected()) {
    // The longest take seconds each; the benchmark has them.
    if (requests > 600_000) continue;
    const trace = readTrace(name);
    if (trace === null) continue;
    checked++;
    assert.equal(trace.length, requests, name);
    assert.equal(missesOf(victims(capacity, "lru"), trace), lru, `${name}, ${capacity} slots`);
    assert.equal(missesOf(victims(capacity, "clock"), trace), clock, `${name}, ${capacity} slots`);
    const others = [
      ["sieve", sieveRatio],
      ["s3-fifo", s3FifoRatio],
    ] as const;
    for (const [policy, ratio] of others) {
      const misses = missesOf(victims(capacity, policy), trace);
      assert.ok(misses >= optimal, `${policy} on ${name} with ${capacity} slots`);
      // Ratios are printed with four digits. S3-FIFO's ghosts are counted otherwise there: a few misses are others.
      const room = policy === "sieve" ? 0.0001 : 0.02;
      const own = misses / requests;
      assert.ok(
        Math.abs(own - ratio) <= room,
        `${policy} on ${name} with ${capacity} slots: ${own}, not ${ratio}`,
      );
    }
  }
  assert.ok(checked > 10);
});

test("the default keeps its bookkeeping small", () => {
  assert.equal(victims(10).name, "s3-fifo");
  assert.equal(defaultVictims(SLOTS_WITH_HISTORY_MAX), "s3-fifo");
  assert.equal(defaultVictims(SLOTS_WITH_HISTORY_MAX + 1), "clock");
});
