import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { twoSockets } from "../../topology/src/testing/machine-fixtures.ts";
import { DERIVED_WEIGHT_MAX, ownBandwidth, weightsFor } from "./weights.ts";

const GB = 1e9;

/** The worst error of the shares that weights give. */
function errorOf(bandwidths: readonly number[], weights: readonly number[]): number {
  const most = Math.max(...bandwidths);
  const heaviest = Math.max(...weights);
  const errors = bandwidths.map((bandwidth, i) => {
    const exact = bandwidth / most;
    return Math.abs((weights[i] ?? 0) / heaviest - exact) / exact;
  });
  return Math.max(...errors);
}

test("weights are the smallest whole numbers in the proportion of bandwidths", () => {
  assert.deepEqual(weightsFor([300 * GB, 100 * GB]), [3, 1]);
  assert.deepEqual(weightsFor([200 * GB, 200 * GB]), [1, 1]);
  assert.deepEqual(weightsFor([150 * GB, 100 * GB]), [3, 2]);
  // 2.97 is as good as 3.
  assert.deepEqual(weightsFor([297 * GB, 100 * GB]), [3, 1]);
  assert.deepEqual(weightsFor([1638.4 * GB, 307.2 * GB]), [11, 2]);
  assert.deepEqual(weightsFor([1000 * GB, 1 * GB]), [DERIVED_WEIGHT_MAX, 1]);
  assert.deepEqual(weightsFor([42 * GB]), [1]);
});

test("no weights up to the bound are better, unless they are larger for less than 5 %", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 6 }), (bandwidths) => {
      const weights = weightsFor(bandwidths);
      for (const weight of weights) {
        assert.ok(Number.isInteger(weight) && weight >= 1 && weight <= DERIVED_WEIGHT_MAX);
      }
      const own = errorOf(bandwidths, weights);
      if (own <= 0.05) return;
      const most = Math.max(...bandwidths);
      for (let scale = 1; scale <= DERIVED_WEIGHT_MAX; scale++) {
        const other = bandwidths.map((one) => Math.max(1, Math.round((one / most) * scale)));
        assert.ok(errorOf(bandwidths, other) >= own - 1e-9, `${other} for ${bandwidths}, not ${weights}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("a target's own bandwidth is the most that anyone gets from it", () => {
  const machine = twoSockets();
  for (const target of machine.targets) {
    const own = ownBandwidth(machine, target);
    assert.equal(ownBandwidth(machine, target), own);
    assert.ok(own === null || own > 0);
  }
});
