import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assemble } from "../assemble/assemble.ts";
import { UNKNOWN_PROPERTIES } from "../assemble/properties.ts";
import { HmsError } from "../model/error.ts";
import type { NumaNode } from "../model/facts.ts";
import { emptyFacts } from "../model/facts-draft.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine } from "../model/machine.ts";
import { quantity } from "../model/quantity.ts";
import { type By, best } from "./best.ts";
import { findInitiator } from "./names.ts";
import { paths } from "./path.ts";

const GIB = 2 ** 30;

interface Given {
  readonly nodes: readonly {
    readonly free: number | null;
    readonly size?: number;
    readonly allowed?: boolean;
  }[];
  /** Per initiator (node CPUs), per target: bytes/s and ns, null unknown, undefined out of reach. */
  readonly values: readonly (readonly (readonly [number | null, number | null] | undefined)[])[];
}

function machineOf({ nodes, values }: Given): Machine {
  const facts = emptyFacts();
  nodes.forEach(({ free, size = 64 * GIB, allowed = true }, index) => {
    const cpus = index < values.length ? IndexSet.of([index * 2, index * 2 + 1]) : IndexSet.EMPTY;
    const one: NumaNode = {
      index,
      online: true,
      allowed,
      cpus,
      nearCpus: cpus,
      size,
      free,
      kind: { kind: "dram", reason: "made for a test" },
      pageSizes: [],
      sideCaches: [],
      access: [],
      tier: null,
      genericInitiator: false,
      info: {},
    };
    facts.nodes.push(one);
  });
  values.forEach((row, i) => {
    row.forEach((pair, t) => {
      if (pair === undefined) return;
      const [bandwidth, latency] = pair;
      facts.linkFacts.push({
        id: `l${i}.${t}`,
        version: 1,
        medium: "memory",
        initiators: [`node${i}`],
        targets: [`node${t}`],
        properties: {
          ...UNKNOWN_PROPERTIES,
          readBandwidth: quantity(bandwidth, "spec"),
          readLatency: quantity(latency, "spec"),
        },
      });
    });
  });
  return assemble(facts, { kind: "spec", path: "test" });
}

const ids = (found: ReturnType<typeof best>): string[] => found.targets.map((one) => one.target.id);

test("the order is by the metric, unknown last, and each choice says why", () => {
  const machine = machineOf({
    nodes: [{ free: GIB }, { free: 9 * GIB }, { free: 4 * GIB }],
    values: [
      [
        [100e9, 90],
        [400e9, 130],
        [null, null],
      ],
    ],
  });
  assert.deepEqual(ids(best(machine, ["node0"])), ["node1", "node0", "node2"]);
  assert.deepEqual(ids(best(machine, ["node0"], { by: "latency" })), ["node0", "node1", "node2"]);
  assert.deepEqual(ids(best(machine, ["node0"], { by: "capacity" })), ["node1", "node2", "node0"]);
  const found = best(machine, ["node0"]);
  assert.match(found.targets[0]?.why ?? "", /400 GB\/s \(spec\)/);
  assert.match(found.targets[1]?.why ?? "", /after node1, which has more bandwidth/);
  assert.match(found.targets[2]?.why ?? "", /bandwidth unknown.*after node0, whose bandwidth is known/);
});

test("for several initiators a target is worth what the worst of them gets", () => {
  const machine = machineOf({
    nodes: [{ free: GIB }, { free: GIB }, { free: GIB }],
    values: [
      [
        [200e9, 90],
        [50e9, 150],
        [120e9, 120],
      ],
      [
        [50e9, 150],
        [200e9, 90],
        [110e9, 125],
      ],
    ],
  });
  assert.deepEqual(ids(best(machine, ["node0"])), ["node0", "node2", "node1"]);
  const both = best(machine, ["node0", "node1"]);
  assert.equal(both.targets[0]?.target.id, "node2");
  assert.equal(both.targets[0]?.bandwidth, 110e9);
  assert.equal(both.targets[0]?.latency, 125);
  assert.match(both.targets[0]?.why ?? "", /worst for node1/);
});

test("targets out of reach, without room, empty or not allowed are refused with the reason", () => {
  const machine = machineOf({
    nodes: [
      { free: GIB },
      { free: 32 * GIB },
      { free: 32 * GIB, allowed: false },
      { free: 0, size: 0 },
      { free: 32 * GIB },
    ],
    values: [[[1e9, 90], [1e9, 90], [1e9, 90], [1e9, 90], undefined]],
  });
  const found = best(machine, ["cpu0"], { size: 8 * GIB });
  assert.deepEqual(ids(found), ["node1"]);
  const why = new Map(found.refused.map((one) => [one.target.id, one.why]));
  assert.match(why.get("node0") ?? "", /8 GiB asked for, but free in it are 1 GiB/);
  assert.match(why.get("node2") ?? "", /cpuset/);
  assert.match(why.get("node3") ?? "", /no memory/);
  assert.match(why.get("node4") ?? "", /no way from node0 to it is known/);
});

test("any machine: known before unknown, sorted, nothing lost, the set's value is the worst", () => {
  const value = fc.option(
    fc.tuple(fc.option(fc.integer({ min: 1, max: 5 })), fc.option(fc.integer({ min: 1, max: 5 }))),
    { nil: undefined },
  );
  const given = fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 7 }))
    .chain(([initiators, extra]) => {
      const count = initiators + extra;
      return fc.record({
        nodes: fc.array(fc.record({ free: fc.option(fc.integer({ min: 0, max: 9 })) }), {
          minLength: count,
          maxLength: count,
        }),
        values: fc.array(fc.array(value, { minLength: count, maxLength: count }), {
          minLength: initiators,
          maxLength: initiators,
        }),
      });
    });
  fc.assert(
    fc.property(
      given,
      fc.constantFrom<By>("bandwidth", "latency", "capacity"),
      fc.integer({ min: 0, max: 9 }),
      (made, by, size) => {
        // A machine without a single link would take every CPU to reach every node.
        if (made.values.flat().every((pair) => pair === undefined)) return;
        const machine = machineOf(made);
        const names = made.values.map((_, i) => `node${i}`);
        const found = best(machine, names, { by, size });
        assert.equal(found.targets.length + found.refused.length, made.nodes.length);
        const worst = (t: number, which: 0 | 1): number | null => {
          const all = made.values.map((row) => row[t]?.[which] ?? null);
          return all.includes(null)
            ? null
            : which === 0
              ? Math.min(...(all as number[]))
              : Math.max(...(all as number[]));
        };
        for (const choice of found.targets) {
          const t = choice.target.numaNode ?? -1;
          assert.equal(choice.bandwidth, worst(t, 0));
          assert.equal(choice.latency, worst(t, 1));
          assert.ok(choice.why.length > 0);
        }
        for (const refusal of found.refused) assert.ok(refusal.why.length > 0);
        const metric = found.targets.map((one) =>
          by === "bandwidth" ? one.bandwidth : by === "latency" ? one.latency : one.free,
        );
        const known = metric.filter((one) => one !== null);
        assert.deepEqual(metric, [...known, ...metric.filter((one) => one === null)], "unknown ones last");
        assert.deepEqual(
          known,
          [...known].sort((a, b) => (by === "latency" ? a - b : b - a)),
        );
      },
    ),
    { numRuns: 1000 },
  );
});

test("where nothing is known: the own memory, then system memory, DRAM before CXL before NVM, the nearer", () => {
  const kinds = ["dram", "dram", "nvm", "cxl", "dram", "nvm"] as const;
  const facts = emptyFacts();
  kinds.forEach((kind, index) => {
    const isSocket = index < 2;
    const cpus = isSocket ? IndexSet.of([index]) : IndexSet.EMPTY;
    facts.nodes.push({
      index,
      online: true,
      allowed: true,
      cpus,
      nearCpus: isSocket ? cpus : IndexSet.of([1]),
      size: (index + 1) * 100 * GIB,
      free: (index + 1) * 100 * GIB,
      kind: { kind, reason: "made for a test" },
      pageSizes: [],
      sideCaches: [],
      access: [],
      tier: null,
      genericInitiator: false,
      info: {},
    });
  });
  const dax = { kind: "hbm", reason: "made for a test" } as const;
  const fact = { version: 1, size: 900 * GIB, free: null, numaNode: null, device: null, label: null };
  facts.targetFacts.push({ ...fact, id: "dax0.0", kind: dax });
  const reach = { target: "dax0.0", medium: "memory", properties: UNKNOWN_PROPERTIES } as const;
  facts.reaches.push({ ...reach, initiator: "node0" }, { ...reach, initiator: "node1" });
  const machine = assemble(facts, { kind: "capture", path: "test" });
  for (const by of ["bandwidth", "latency"] as const) {
    assert.deepEqual(ids(best(machine, ["node0"], { by })), [
      "node0",
      "node4",
      "node1",
      "node3",
      "node5",
      "node2",
      "dax0.0",
    ]);
    assert.deepEqual(ids(best(machine, ["node1"], { by })), [
      "node1",
      "node4",
      "node0",
      "node3",
      "node5",
      "node2",
      "dax0.0",
    ]);
  }
  const found = best(machine, ["node1"]);
  assert.match(found.targets[0]?.why ?? "", /first: the initiator's own memory/);
  assert.match(found.targets.at(-1)?.why ?? "", /after node2, which is system memory/);
  const roomy = best(machine, ["node0"], { by: "capacity" });
  assert.deepEqual(ids(roomy).slice(-2), ["node0", "dax0.0"], "how much is free in it is unknown: last");
  assert.equal(roomy.targets.at(-1)?.free, null);
});

test("wrong queries end with a code and a sentence", () => {
  const machine = machineOf({
    nodes: [{ free: 1 }, { free: 1 }],
    values: [
      [
        [1, 1],
        [1, 1],
      ],
    ],
  });
  const code = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      assert.ok(HmsError.is(error));
      return error.code;
    }
    return "none";
  };
  assert.equal(
    code(() => best(machine, [])),
    "INITIATORS_EMPTY",
  );
  assert.equal(
    code(() => best(machine, ["nod0"])),
    "INITIATOR_UNKNOWN",
  );
  assert.equal(
    code(() => best(machine, ["node0"], { size: -1 })),
    "SIZE_INVALID",
  );
  assert.equal(
    code(() => best(machine, ["node0"], { count: 0 })),
    "COUNT_INVALID",
  );
  assert.equal(
    code(() => paths(machine, "node0", "node7")),
    "TARGET_UNKNOWN",
  );
  assert.throws(() => findInitiator(machine, "nod0"), /did you mean node0\?/);
});

test("initiators answer to their CPUs, PCI addresses with and without domain, and device names", () => {
  const facts = emptyFacts();
  const cpus = IndexSet.parseList("0-3");
  facts.nodes.push({
    index: 0,
    online: true,
    allowed: true,
    cpus,
    nearCpus: cpus,
    size: GIB,
    free: GIB,
    kind: { kind: "dram", reason: "" },
    pageSizes: [],
    sideCaches: [],
    access: [],
    tier: null,
    genericInitiator: false,
    info: {},
  });
  facts.initiatorFacts.push({
    id: "0000:c1:00.0",
    version: 1,
    type: "gpu",
    aliases: ["card0", "renderD128"],
    label: null,
    cpus: IndexSet.EMPTY,
    numaNode: 0,
    pciAddress: "0000:c1:00.0",
  });
  const machine = assemble(facts, { kind: "capture", path: "test" });
  for (const name of ["0000:c1:00.0", "c1:00.0", "C1:00.0", "card0", "renderD128"])
    assert.equal(findInitiator(machine, name).id, "0000:c1:00.0");
  for (const name of ["node0", "cpu2", "PU:3"]) assert.equal(findInitiator(machine, name).id, "node0");
});
