// Torture finds nothing in the core as it is, and finds it when something is broken on purpose.
import assert from "node:assert/strict";
import { test } from "node:test";
import { shrink, tortureSeed } from "@hms/conform";
import { TestHandle } from "@hms/driver-test";

const FIRST = Number(process.env.HMS_TORTURE_SEED ?? 1);
const SEEDS = Number(process.env.HMS_TORTURE_SEEDS ?? 20);
const STEPS = Number(process.env.HMS_TORTURE_STEPS ?? 10_000);

test(`random work with faults keeps every byte: seeds ${FIRST} to ${FIRST + SEEDS - 1}, ${STEPS} steps each`, () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { failure, steps } = tortureSeed({ seed, steps: STEPS });
    assert.equal(failure === null ? "" : `seed ${seed}, step ${failure.step}: ${failure.message}`, "");
    assert.ok(steps >= STEPS);
  }
});

test("the same seed does the same", () => {
  const [one, other] = [tortureSeed({ seed: 7, steps: 3000 }), tortureSeed({ seed: 7, steps: 3000 })];
  assert.deepEqual(one, other);
});

test("a driver that forgets to obey invalidations is found, and what it takes is small", () => {
  const { invalidate } = TestHandle.prototype;
  TestHandle.prototype.invalidate = () => true;
  try {
    const failures = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => tortureSeed({ seed, steps: 5000 }).failure);
    assert.ok(
      failures.every((failure) => failure !== null),
      "every seed finds it",
    );
    // Not each fails again when its operations are done again one by one, without what was between them.
    const lengths = failures.map((failure) => (failure === null ? null : shrink(failure))?.program.length);
    const known = lengths.filter((length) => length !== undefined);
    assert.ok(known.length > 0, "none fails again when done again");
    assert.ok(Math.min(...known) < 60, `${Math.min(...known)} operations are left of the smallest`);
  } finally {
    TestHandle.prototype.invalidate = invalidate;
  }
});
