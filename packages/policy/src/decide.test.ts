import assert from "node:assert/strict";
import { test } from "node:test";
import { discover, HmsError, IndexSet, type Machine } from "@hms/topology";
import fc from "fast-check";
import { arbitraryMachine } from "../../topology/src/testing/arbitrary-machine.ts";
import {
  everyKind,
  gpuPartitions,
  nothing,
  twoSockets,
} from "../../topology/src/testing/machine-fixtures.ts";
import { arbitraryMix } from "../../topology/src/testing/mixes.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decision.ts";
import { type Limits, NO_LIMITS } from "./limits.ts";
import { PlacementError } from "./report.ts";
import { MODES, type PlacementRequest, PREFERENCES } from "./request.ts";

const GIB = 2 ** 30;
const max = await discover("machine:xeon-max");
const parts = gpuPartitions(2, 2);

const ids = (list: Decision["targets"]): string[] => list.map(({ target }) => target.id);

function fails(machine: Machine, request: PlacementRequest, limits?: Limits): HmsError {
  try {
    decide(machine, request, limits);
  } catch (error) {
    assert.ok(HmsError.is(error), String(error));
    return error;
  }
  assert.fail("it was decided");
}

test("without a list: the best target, then whatever else the initiators can access", () => {
  const { targets, overflow, refused } = decide(max, { for: ["node0"] });
  assert.deepEqual(ids(targets), ["node2"]);
  assert.deepEqual(ids(overflow), ["node0", "node1", "node3"]);
  assert.deepEqual(refused, []);
  assert.match(targets[0]?.why ?? "", /most bandwidth/);
});

test("as many of the best as have the size; strict without anything else", () => {
  assert.deepEqual(ids(decide(max, { for: ["node0"], size: 64 * GIB }).targets), ["node2"]);
  assert.deepEqual(ids(decide(max, { for: ["node0"], size: 65 * GIB }).targets), ["node2", "node0"]);
  const strict = decide(max, { for: ["node0"], size: 65 * GIB, mode: "strict" });
  assert.deepEqual(ids(strict.targets), ["node2", "node0"]);
  assert.deepEqual(strict.overflow, []);
  // Free memory is what the kernel says now.
  const full = { ...NO_LIMITS, freeBytes: new Map([[2, GIB]]) };
  assert.deepEqual(ids(decide(max, { for: ["node0"], size: 2 * GIB }, full).targets), ["node2", "node0"]);
});

test("a list is taken in its order, and ranked within itself when there are initiators", () => {
  assert.deepEqual(ids(decide(max, { targets: ["node3", "node0", "node2"] }).targets), [
    "node3",
    "node0",
    "node2",
  ]);
  assert.deepEqual(ids(decide(max, { targets: ["node3"] }).overflow), ["node0", "node1", "node2"]);
  const ranked = decide(max, { for: ["node0"], targets: ["node3", "node0", "node2"] });
  assert.deepEqual(ids(ranked.targets), ["node2", "node0", "node3"]);
  assert.deepEqual(ids(ranked.overflow), ["node1"]);
});

test("devices, nodes and what a device is called go into one list", () => {
  const gpu = parts.targets.find(({ device }) => device !== null);
  assert.ok(gpu?.device);
  assert.equal(decide(parts, { targets: [gpu.device] }).targets[0]?.target, gpu);
  const both = decide(parts, { for: ["node0", gpu.device], targets: [gpu.id, "node0"] });
  // No CPU reaches the GPU's memory: it is refused, and not dropped.
  assert.deepEqual([ids(both.targets), both.refused.map(({ target }) => target)], [["node0"], [gpu]]);
  assert.deepEqual(ids(decide(parts, { for: [gpu.device], targets: ["node0", gpu.id] }).targets), [
    gpu.id,
    "node0",
  ]);
  // A PCI address without its domain is enough.
  assert.equal(decide(parts, { targets: [gpu.device.replace("0000:", "")] }).targets[0]?.target, gpu);
});

test("host is all system memory", () => {
  assert.deepEqual(ids(decide(max, { targets: ["host"] }).targets), ["node0", "node1", "node2", "node3"]);
  assert.deepEqual(ids(decide(max, { targets: ["HOST"] }).targets).length, 4);
  const weighted = fails(max, { targets: ["host"], mode: "weighted", weights: [1] });
  assert.equal(weighted.code, "WEIGHTS_INVALID");
  assert.match(weighted.message, /stands for 4 \(node0, node1, node2, node3\); list those/);
});

test("weights go with their targets, also where these are ranked or left out", () => {
  const request = { targets: ["node3", "node0", "node2"], mode: "weighted", weights: [7, 2, 5] } as const;
  const weights = (decision: Decision): unknown =>
    decision.targets.map(({ target, weight }) => [target.id, weight]);
  assert.deepEqual(weights(decide(max, request)), [
    ["node3", 7],
    ["node0", 2],
    ["node2", 5],
  ]);
  assert.deepEqual(weights(decide(max, { ...request, for: ["node0"] })), [
    ["node2", 5],
    ["node0", 2],
    ["node3", 7],
  ]);
  const allowed = { ...NO_LIMITS, allowedNodes: IndexSet.of([0, 3]) };
  assert.deepEqual(weights(decide(max, request, allowed)), [
    ["node3", 7],
    ["node0", 2],
  ]);
});

test("weights from bandwidths: small numbers in their proportion; unknown ones are said to be", () => {
  const { targets } = decide(max, { for: ["node0"], mode: "weighted" });
  assert.deepEqual(
    targets.map(({ target, weight }) => [target.id, weight]),
    [
      ["node2", 11],
      ["node0", 2],
    ],
  );
  const unknown = fails(max, { for: ["node0"], targets: ["node2", "node3"], mode: "weighted" });
  assert.equal(unknown.code, "BANDWIDTH_UNKNOWN");
  assert.match(unknown.message, /that of node3 is not known; give weights, or measure/);
});

test("interleaving without a list goes over those that are fastest together", () => {
  // HBM next to DDR of less than half its bandwidth: the two in turn would be slower than the HBM alone.
  assert.deepEqual(ids(decide(max, { for: ["node0"], mode: "interleave" }).targets), ["node2"]);
  // Two sockets' DDR as seen from both: equally slow, twice as much together.
  const two = twoSockets();
  const { targets } = decide(two, {
    for: two.initiators.slice(0, 1).map(({ id }) => id),
    mode: "interleave",
  });
  assert.ok(targets.length >= 1);
});

test("cpusets are respected and named", () => {
  const limits = { ...NO_LIMITS, allowedNodes: IndexSet.of([0, 1]), leftOut: new Map([[2, "/batch/job7"]]) };
  const decision = decide(max, { for: ["node0"] }, limits);
  assert.deepEqual(ids(decision.targets), ["node0"]);
  const refusal = decision.refused.find(({ target }) => target.id === "node2");
  assert.deepEqual([refusal?.by, refusal?.errno], ["cpuset", "EACCES"]);
  assert.equal(refusal?.why, "the cpuset of /batch/job7 leaves node 2 out (it allows 0-1)");
  const strict = fails(max, { targets: ["node2"], mode: "strict" }, limits);
  assert.equal(strict.code, "PLACEMENT_REFUSED");
  assert.equal(strict.errno, "EACCES");
  assert.match(strict.message, /cpuset of \/batch\/job7/);
  assert.ok(strict instanceof PlacementError);
  assert.deepEqual(strict.report.refused[0]?.by, "cpuset");
  assert.equal(strict.report.satisfied, false);
  // Preferred goes on elsewhere, and says so.
  const preferred = decide(max, { targets: ["node2"] }, limits);
  assert.deepEqual([ids(preferred.targets), ids(preferred.overflow)], [[], ["node0", "node1"]]);
  assert.equal(preferred.refused.length, 1);
});

test("nodes that the topology's reader may not use can be allowed to another process", () => {
  const machine = {
    ...max,
    nodes: max.nodes.map((one) => ({ ...one, allowed: one.index === 0 })),
  };
  assert.deepEqual(ids(decide(machine, { for: ["node0"] }).targets), ["node0"]);
  assert.deepEqual(ids(decide(machine, { targets: ["node2", "node0"] }).targets), ["node0"]);
  const limits = { ...NO_LIMITS, allowedNodes: IndexSet.of([0, 2]) };
  assert.deepEqual(ids(decide(machine, { for: ["node0"] }, limits).targets), ["node2"]);
});

test("a node that went offline, one without memory, one that is full", () => {
  const offline = { ...NO_LIMITS, memoryNodes: IndexSet.of([0, 1, 3]) };
  const gone = decide(max, { targets: ["node2", "node0"] }, offline);
  assert.deepEqual(ids(gone.targets), ["node0"]);
  assert.deepEqual([gone.refused[0]?.by, gone.refused[0]?.errno], ["kernel", "ENODEV"]);
  assert.match(gone.refused[0]?.why ?? "", /64 GiB: it went offline since; read the topology again/);

  const empty = {
    ...max,
    targets: max.targets.map((one) => (one.id === "node2" ? { ...one, size: 0 } : one)),
  };
  const without = fails(empty, { targets: ["node2"], mode: "strict" });
  assert.equal(without.errno, "ENODEV");
  assert.match(without.message, /no memory now \(none is online in it\)/);
  // It got some since the topology was read.
  const filled = { ...NO_LIMITS, memoryNodes: IndexSet.of([2]), freeBytes: new Map([[2, GIB]]) };
  assert.deepEqual(ids(decide(empty, { targets: ["node2"] }, filled).targets), ["node2"]);

  const full = { ...NO_LIMITS, freeBytes: new Map([[2, 4095]]) };
  const capacity = decide(max, { for: ["node0"] }, full);
  assert.deepEqual(ids(capacity.targets), ["node0"]);
  assert.equal(capacity.refused[0]?.by, "capacity");
});

test("a node that came since the topology was read is told apart from one that never was", () => {
  const limits = { ...NO_LIMITS, memoryNodes: IndexSet.of([0, 1, 2, 3, 4]) };
  assert.match(
    fails(max, { targets: ["node4"] }, limits).message,
    /had none when the topology of .* was read; read it again/,
  );
  assert.match(fails(max, { targets: ["node7"] }, limits).message, /no target .* has this name/);
});

test("strict without the room fails before anything is done, and says what there is", () => {
  const error = fails(max, { targets: ["node2", "node3"], mode: "strict", size: 129 * GIB });
  assert.equal(error.errno, "ENOMEM");
  assert.match(error.message, /129 GiB are required in node2, node3, but 128 GiB are free there/);
  assert.ok(error instanceof PlacementError);
  assert.deepEqual(
    error.report.refused.map(({ target, by, pages }) => [target, by, pages]),
    [
      ["node2", "capacity", (65 * GIB) / 4096],
      ["node3", "capacity", (65 * GIB) / 4096],
    ],
  );
  const limits = { ...NO_LIMITS, memory: { group: "/user.slice", leftBytes: GIB } };
  const limited = fails(max, { targets: ["node2"], mode: "strict", size: 2 * GIB }, limits);
  assert.match(limited.message, /the memory limit of \/user.slice leaves 1 GiB/);
  assert.ok(limited instanceof PlacementError);
  assert.equal(limited.report.refused[0]?.by, "cgroup");
});

test("what is no NUMA node is refused to a program that cannot use it", () => {
  const kinds = everyKind();
  const device = kinds.targets.find(({ numaNode, size }) => numaNode === null && size !== 0);
  assert.ok(device);
  const limits = { ...NO_LIMITS, devices: [] };
  const error = fails(kinds, { targets: [device.id], mode: "strict" }, limits);
  assert.equal(error.errno, "EOPNOTSUPP");
  assert.match(error.message, /no NUMA node and no device that the program has open/);
  assert.deepEqual(
    ids(decide(kinds, { targets: [device.id] }, { ...limits, devices: [device.id] }).targets),
    [device.id],
  );
});

test("unknown names come with the nearest; the same target twice is an error", () => {
  const target = fails(max, { targets: ["nod2"] });
  assert.deepEqual([target.code, target.errno], ["TARGET_UNKNOWN", "ENOENT"]);
  assert.match(target.message, /did you mean node2/);
  const initiator = fails(max, { for: ["node00"] });
  assert.deepEqual([initiator.code, initiator.errno], ["INITIATOR_UNKNOWN", "ENOENT"]);
  assert.equal(fails(max, { targets: ["node2", "NODE2"] }).code, "TARGET_TWICE");
  assert.match(fails(max, { targets: ["node2", "host"] }).message, /node2 is meant by "node2" and by "host"/);
  assert.equal(fails(nothing(), { targets: ["node0"] }).code, "TARGET_UNKNOWN");
});

test("a target out of reach of one of the initiators is refused by the topology", () => {
  const [first] = parts.initiators;
  const last = parts.targets.at(-1);
  assert.ok(first && last);
  const links = parts.links.map((link) => ({
    ...link,
    targets: link.targets.filter((uid) => uid !== last.uid),
  }));
  const cut = { ...parts, links };
  const { refused } = decide(cut, {
    for: [first.id],
    targets: [last.id, "node0"],
    prefer: "latency",
  });
  assert.ok(refused.some(({ by, why }) => by === "topology" && /no way from/.test(why)));
});

test("prefer capacity goes by what is free now", () => {
  const freeBytes = new Map([
    [0, GIB],
    [1, 3 * GIB],
    [2, 2 * GIB],
    [3, 0],
  ]);
  const { targets, overflow, refused } = decide(
    max,
    { for: ["node0"], prefer: "capacity" },
    { ...NO_LIMITS, freeBytes },
  );
  assert.deepEqual([ids(targets), ids(overflow)], [["node1"], ["node2", "node0"]]);
  assert.deepEqual(
    refused.map(({ target }) => target.id),
    ["node3"],
  );
});

test("on any machine a request is decided or refused in one sentence, the same each time", () => {
  const limits = fc.record({
    allowedNodes: fc.option(fc.array(fc.nat(8)).map((list) => IndexSet.of(list))),
    memoryNodes: fc.option(fc.array(fc.nat(8)).map((list) => IndexSet.of(list))),
    freeBytes: fc.array(fc.tuple(fc.nat(8), fc.nat(2 ** 31 - 1))).map((list) => new Map(list)),
    devices: fc.option(fc.constant([])),
  });
  fc.assert(
    fc.property(
      fc.oneof(arbitraryMachine, arbitraryMix),
      fc.record({
        for: fc.option(fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }), { nil: undefined }),
        targets: fc.option(fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 5 }), { nil: undefined }),
        prefer: fc.constantFrom(...PREFERENCES),
        mode: fc.constantFrom(...MODES),
        size: fc.option(fc.integer({ min: 1, max: 2 ** 31 - 1 }), { nil: undefined }),
      }),
      limits,
      (machine, asked, known) => {
        const { prefer, mode, size } = asked;
        const request = {
          prefer,
          mode,
          ...(size === undefined ? {} : { size }),
          ...(asked.for === undefined
            ? {}
            : { for: asked.for.map((n) => machine.initiators[n]?.id ?? `node${n}`) }),
          ...(asked.targets === undefined
            ? {}
            : { targets: asked.targets.map((n) => machine.targets[n]?.id ?? `node${n}`) }),
        };
        const given = { ...NO_LIMITS, ...known };
        let decision: Decision;
        try {
          decision = decide(machine, request, given);
        } catch (error) {
          assert.ok(HmsError.is(error), String(error));
          assert.ok(!error.message.includes("\n"));
          return;
        }
        const used = [...decision.targets, ...decision.overflow];
        for (const { target, weight } of used) {
          assert.ok(weight >= 1 && weight <= 255 && Number.isInteger(weight));
          if (target.numaNode === null) continue;
          assert.ok(known.allowedNodes?.has(target.numaNode) !== false);
          assert.ok(known.memoryNodes?.has(target.numaNode) !== false);
        }
        assert.equal(new Set(used.map(({ target }) => target)).size, used.length);
        for (const { target, why } of decision.refused) {
          assert.ok(why.length > 0);
          assert.ok(!used.some((one) => one.target === target));
        }
        if (mode === "strict") assert.deepEqual(decision.overflow, []);
        assert.equal(JSON.stringify(decide(machine, request, given)), JSON.stringify(decision));
      },
    ),
    { numRuns: 400 },
  );
});
