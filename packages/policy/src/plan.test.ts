import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import { everyKind, gpuPartitions, twoSockets } from "../../topology/src/testing/machine-fixtures.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { NO_LIMITS } from "./limits.ts";
import { dryRun, planPages } from "./plan.ts";
import { PlacementError } from "./report.ts";
import type { Mode } from "./request.ts";

const machine = everyKind();
const ids = machine.targets.filter(({ size }) => size !== 0).map(({ id }) => id);

/** Page by page, as one would say it. */
function plainly(decision: Decision, first: number, pages: number, room: readonly number[]): number[] {
  const left = [...room];
  const { targets, overflow, mode } = decision;
  const order = targets.map((one, t) => ({
    ...one,
    node: one.target.numaNode ?? 1e9,
    weight: one.weight,
    t,
  }));
  order.sort((a, b) => a.node - b.node || a.t - b.t);
  const turn = order.flatMap(({ weight, t }) => new Array<number>(weight).fill(t));
  return Array.from({ length: pages }, (_, i) => {
    const begin = mode === "preferred" || mode === "strict" ? 0 : (turn[(first + i) % turn.length] ?? 0);
    const tries = [
      ...targets.map((_, k) => (begin + k) % targets.length),
      ...overflow.map((_, k) => targets.length + k),
    ];
    const found = tries.find((t) => (left[t] ?? 0) > 0) ?? -1;
    if (found >= 0) left[found] = (left[found] ?? 0) - 1;
    return found;
  });
}

test("pages are dealt as they would be one by one", () => {
  fc.assert(
    fc.property(
      fc.record({
        mode: fc.constantFrom<Mode>("preferred", "strict", "interleave", "weighted"),
        targets: fc.uniqueArray(fc.constantFrom(...ids), { minLength: 1, maxLength: 5 }),
        weights: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 5, maxLength: 5 }),
        room: fc.array(fc.nat(60), { minLength: 20, maxLength: 20 }),
        first: fc.nat(1000),
        count: fc.nat(300),
      }),
      ({ mode, targets, weights, room, first, count }) => {
        const decision = decide(machine, {
          targets,
          mode,
          ...(mode === "weighted" ? { weights: weights.slice(0, targets.length) } : {}),
        });
        const plan = planPages(decision, { first, count }, room);
        const expected = plainly(decision, first, count, room);
        assert.deepEqual(
          expected.map((_, i) => plan.targetOf(first + i)),
          expected,
        );
        plan.targets.forEach((_, t) => {
          assert.equal(plan.counts[t], expected.filter((one) => one === t).length);
        });
        assert.equal(plan.unplaced, expected.filter((one) => one < 0).length);
        const ideal = plainly(
          decision,
          first,
          count,
          decision.targets.map(() => 1e9),
        );
        decision.targets.forEach((_, t) => {
          assert.equal(plan.wanted[t], ideal.filter((one) => one === t).length);
        });
      },
    ),
    { numRuns: 500 },
  );
});

test("a range of a tebibyte over many targets is dealt at once", () => {
  const parts = gpuPartitions(8, 8);
  const targets = parts.targets.map(({ id }) => id);
  const decision = decide(parts, {
    targets,
    mode: "weighted",
    weights: targets.map((_, i) => (i % 255) + 1),
  });
  const started = performance.now();
  const plan = planPages(
    decision,
    { first: 7, count: 2 ** 28 },
    targets.map((_, i) => 2 ** 20 + i * 1000),
  );
  assert.ok(performance.now() - started < 1000);
  const placed = plan.counts.reduce((sum, one) => sum + one, 0);
  assert.equal(placed + plan.unplaced, 2 ** 28);
  plan.targets.forEach((_, t) => {
    if (t < targets.length) assert.ok((plan.counts[t] ?? 0) <= 2 ** 20 + t * 1000);
  });
});

test("a dry run says where pages would go, and what would be refused", () => {
  const two = twoSockets();
  const free = new Map([
    [0, 10 * 4096],
    [1, 2 ** 30],
  ]);
  const limits = { ...NO_LIMITS, freeBytes: free };
  const preferred = decide(two, { targets: ["node0"] }, limits);
  const report = dryRun(preferred, { first: 0, count: 25 }, limits);
  assert.deepEqual(report.targets, [{ target: "node0", wanted: 25, placed: 10, moved: 0 }]);
  assert.deepEqual(report.elsewhere, [{ place: "node1", pages: 15 }]);
  assert.deepEqual(report.refused, [
    { target: "node0", pages: 15, by: "capacity", errno: "ENOMEM", why: "40 KiB are free in it", now: [] },
  ]);
  assert.equal(report.satisfied, false);
  assert.equal(dryRun(preferred, { first: 0, count: 10 }, limits).satisfied, true);

  const strict = decide(two, { targets: ["node0"], mode: "strict" }, limits);
  assert.throws(
    () => dryRun(strict, { first: 0, count: 25 }, limits),
    (error) =>
      error instanceof PlacementError &&
      HmsError.is(error) &&
      error.errno === "ENOMEM" &&
      error.report.targets[0]?.placed === 10 &&
      error.report.elsewhere[0]?.place === "nowhere",
  );

  const group = { ...limits, memory: { group: "/batch", leftBytes: 8 * 4096 } };
  const over = dryRun(decide(two, { targets: ["node1"] }, group), { first: 0, count: 25 }, group);
  assert.deepEqual(over.targets, [{ target: "node1", wanted: 25, placed: 8, moved: 0 }]);
  assert.deepEqual(over.elsewhere, [{ place: "nowhere", pages: 17 }]);
  assert.equal(over.satisfied, false);
  assert.deepEqual(over.refused, [
    {
      target: "node1",
      pages: 17,
      by: "cgroup",
      errno: "ENOMEM",
      why: "the memory limit of /batch leaves 32 KiB",
      now: [],
    },
  ]);
});
