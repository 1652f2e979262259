import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AccessClass, LinkMedium, LinkProperties, NumaNode } from "../model/facts.ts";
import { emptyFacts, type FactsDraft } from "../model/facts-draft.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine } from "../model/machine.ts";
import { quantity } from "../model/quantity.ts";
import { best } from "../query/best.ts";
import { matrix } from "../query/matrix.ts";
import { paths } from "../query/path.ts";
import { assemble } from "./assemble.ts";
import { UNKNOWN_PROPERTIES } from "./properties.ts";

const GIB = 2 ** 30;

function node(index: number, cpus: string, more: Partial<NumaNode> = {}): NumaNode {
  return {
    index,
    online: true,
    allowed: true,
    cpus: IndexSet.parseList(cpus),
    nearCpus: IndexSet.parseList(cpus),
    size: 16 * GIB,
    free: 8 * GIB,
    kind: { kind: "dram", reason: "made for a test" },
    pageSizes: [],
    sideCaches: [],
    access: [],
    tier: null,
    genericInitiator: false,
    info: {},
    ...more,
  };
}

function access(initiators: number[], bandwidth: number, latency: number): AccessClass {
  return {
    index: 0,
    initiators,
    readBandwidth: quantity(bandwidth, "hmat"),
    writeBandwidth: quantity(bandwidth, "hmat"),
    readLatency: quantity(latency, "hmat"),
    writeLatency: quantity(latency, "hmat"),
  };
}

function machine(fill: (facts: FactsDraft) => void): Machine {
  const facts = emptyFacts();
  fill(facts);
  return assemble(facts, { kind: "capture", path: "test" });
}

function withDistances(facts: FactsDraft, count: number, distance: (i: number, t: number) => number): void {
  for (let i = 0; i < count; i++) facts.nodes.push(node(i, `${i}`));
  const nodes = facts.nodes.map((one) => one.index);
  facts.distances.push({
    name: "NUMALatency",
    nodes,
    values: nodes.flatMap((i) => nodes.map((t) => distance(i, t))),
  });
}

const reach = (
  initiator: string,
  target: string,
  properties: Partial<LinkProperties>,
  medium: LinkMedium = "xgmi",
) => ({
  initiator,
  target,
  medium,
  properties: { ...UNKNOWN_PROPERTIES, ...properties },
});

test("a 1,024 × 1,024 matrix with few distinct values makes few links, and loses no value", () => {
  const distance = (i: number, t: number): number => (i === t ? 10 : i >> 2 === t >> 2 ? 12 : 21);
  const big = machine((facts) => withDistances(facts, 1024, distance));
  assert.equal(big.links.length, 1024 + 256 + 1, "one link a node, one a group of four, one for all");
  const members = big.links.reduce((sum, link) => sum + link.targets.length + link.initiators.length, 0);
  assert.ok(
    members <= 3 * 2048,
    `the links have ${members} members together, no more than three for each of 2,048 objects`,
  );
  const table = matrix(big);
  for (const [i, t] of [
    [0, 0],
    [0, 3],
    [0, 4],
    [1023, 1020],
    [1023, 0],
  ] as const) {
    assert.equal(table.at(i, t)?.distance, distance(i, t), `distance from ${i} to ${t}`);
  }
});

test("links keep the value of every pair, whatever the matrix (random, against the matrix itself)", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }).chain((count) =>
        fc.array(fc.constantFrom(10, 12, 20, 21, 255), {
          minLength: count * count,
          maxLength: count * count,
        }),
      ),
      (values) => {
        const count = Math.sqrt(values.length);
        const found = machine((facts) => withDistances(facts, count, (i, t) => values[i * count + t] ?? 0));
        const table = matrix(found);
        for (let i = 0; i < count; i++) {
          for (let t = 0; t < count; t++) {
            const value = values[i * count + t] ?? 0;
            assert.equal(table.at(i, t)?.distance ?? null, value === 255 ? null : value);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("the values of access classes belong to their initiators; others get an estimated latency and no bandwidth", () => {
  const found = machine((facts) => {
    facts.nodes.push(node(0, "0-3", { access: [access([0], 100e9, 100)] }));
    facts.nodes.push(node(1, "4-7", { access: [access([1], 100e9, 100)] }));
    facts.distances.push({ name: "NUMALatency", nodes: [0, 1], values: [10, 21, 21, 10] });
  });
  const table = matrix(found);
  const local = table.at(0, 0);
  assert.deepEqual(
    [local?.bandwidth.value, local?.latency.value, local?.latency.origin],
    [100e9, 100, "hmat"],
  );
  const remote = table.at(0, 1);
  assert.deepEqual(
    [remote?.bandwidth.value, remote?.latency.value, remote?.latency.origin],
    [null, 210, "distance"],
  );
  assert.equal(remote?.readLatency.value, 210);
});

test("memory without a link to a CPU is out of its reach", () => {
  const found = machine((facts) => {
    facts.nodes.push(node(0, "0-3"));
    const vram = { kind: "gpu" as const, reason: "made for a test" };
    facts.initiatorFacts.push({
      id: "gpu0",
      version: 1,
      type: "gpu",
      aliases: [],
      label: null,
      cpus: IndexSet.EMPTY,
      numaNode: 0,
      pciAddress: null,
    });
    facts.targetFacts.push({
      id: "gpu0/vram",
      version: 1,
      kind: vram,
      size: GIB,
      free: null,
      numaNode: null,
      device: "gpu0",
      label: null,
    });
    facts.reaches.push(reach("gpu0", "gpu0/vram", { readBandwidth: quantity(1e12, "spec") }, "memory"));
    facts.attachments.push({
      initiator: "gpu0",
      near: ["node0"],
      medium: "pcie",
      properties: { ...UNKNOWN_PROPERTIES, readBandwidth: quantity(31.5e9, "pci") },
    });
  });
  const table = matrix(found);
  const [cpu, gpu] = [
    found.initiators.findIndex((one) => one.id === "node0"),
    found.initiators.findIndex((one) => one.id === "gpu0"),
  ];
  const vram = found.targets.findIndex((one) => one.id === "gpu0/vram");
  const ram = found.targets.findIndex((one) => one.id === "node0");
  assert.equal(table.at(cpu, vram), null);
  assert.equal(table.at(gpu, vram)?.bandwidth.value, 1e12);
  const home = table.at(gpu, ram);
  assert.equal(home?.bridges.length, 1);
  assert.deepEqual(
    [home?.bandwidth.value, home?.bandwidth.bound, home?.bandwidth.origin],
    [null, 31.5e9, "pci"],
    "the memory's own bandwidth is unknown: at most the slot's",
  );
});

test("a path's bandwidth is the smallest on it and its latency the sum over links and bridges", () => {
  const numbers = (bandwidth: number, latency: number): LinkProperties => ({
    ...UNKNOWN_PROPERTIES,
    readBandwidth: quantity(bandwidth, "spec"),
    readLatency: quantity(latency, "spec"),
  });
  const found = machine((facts) => {
    facts.nodes.push(node(0, "0"), node(1, "1"));
    facts.linkFacts.push(
      {
        id: "a",
        version: 1,
        medium: "memory",
        initiators: ["node0"],
        targets: ["node0"],
        properties: numbers(200e9, 90),
      },
      {
        id: "b",
        version: 1,
        medium: "memory",
        initiators: ["node1"],
        targets: ["node1"],
        properties: numbers(150e9, 95),
      },
    );
    facts.bridgeFacts.push({
      id: "upi",
      version: 1,
      medium: "interconnect",
      links: ["a", "b"],
      initiators: ["node0"],
      properties: numbers(40e9, 50),
    });
  });
  const table = matrix(found);
  assert.deepEqual([table.at(0, 1)?.bandwidth.value, table.at(0, 1)?.latency.value], [40e9, 235]);
  assert.equal(table.at(1, 0), null, "the bridge lists node0 only");
});

test("objects of an unknown version are absent and counted, and what led to them is gone", () => {
  const found = machine((facts) => {
    facts.nodes.push(node(0, "0"));
    facts.targetFacts.push({
      id: "new",
      version: 2,
      kind: { kind: "device", reason: "" },
      size: 1,
      free: null,
      numaNode: null,
      device: null,
      label: null,
    });
    facts.linkFacts.push(
      {
        id: "a",
        version: 1,
        medium: "memory",
        initiators: ["node0"],
        targets: ["node0", "new"],
        properties: UNKNOWN_PROPERTIES,
      },
      {
        id: "b",
        version: 7,
        medium: "memory",
        initiators: ["node0"],
        targets: ["node0"],
        properties: UNKNOWN_PROPERTIES,
      },
    );
    facts.bridgeFacts.push({
      id: "c",
      version: 1,
      medium: "interconnect",
      links: ["a", "b"],
      initiators: ["node0"],
      properties: UNKNOWN_PROPERTIES,
    });
  });
  assert.equal(found.unknownVersions, 2);
  assert.deepEqual(
    found.targets.map((one) => one.id),
    ["node0"],
  );
  assert.equal(found.links.length, 1);
  assert.equal(found.bridges.length, 0);
  assert.equal(found.warnings.length, 3);
});

test("a machine is immutable and the same every time; uids are distinct over all four types", () => {
  const make = (): Machine => machine((facts) => withDistances(facts, 8, (i, t) => (i === t ? 10 : 20)));
  const one = make();
  assert.throws(() => {
    (one.targets as unknown as unknown[]).push(1);
  }, TypeError);
  assert.throws(() => {
    (one.targets[0] as unknown as { uid: number }).uid = 9;
  }, TypeError);
  assert.equal(JSON.stringify(one), JSON.stringify(make()));
  const uids = [...one.targets, ...one.initiators, ...one.links, ...one.bridges].map((object) => object.uid);
  assert.equal(new Set(uids).size, uids.length);
});

test("nodes: offline ones are no targets, CPU-only ones are none either, empty memory nodes are, generic initiators initiate", () => {
  const found = machine((facts) => {
    facts.nodes.push(
      node(0, "0"),
      node(1, "1", { size: 0 }),
      node(2, "", { size: 0 }),
      node(3, "", { online: false }),
    );
    facts.nodes.push(node(4, "", { size: 0, genericInitiator: true }));
  });
  assert.deepEqual(
    found.targets.map((one) => one.id),
    ["node0", "node2"],
  );
  assert.deepEqual(
    found.initiators.map((one) => `${one.id} ${one.class}`),
    ["node0 cpu", "node1 cpu", "node4 generic"],
  );
});

test("a wire's bandwidth bounds the memory at its end, and is a value once that memory's own is known", () => {
  const withOwn = (own: number | null): Machine =>
    machine((facts) => {
      facts.nodes.push(node(0, "0-3"));
      for (const id of ["gpu0", "gpu1"]) {
        facts.initiatorFacts.push({
          id,
          version: 1,
          type: "gpu",
          aliases: [],
          label: null,
          cpus: IndexSet.EMPTY,
          numaNode: 0,
          pciAddress: null,
        });
        facts.targetFacts.push({
          id: `${id}/vram`,
          version: 1,
          kind: { kind: "gpu", reason: "made for a test" },
          size: GIB,
          free: null,
          numaNode: null,
          device: id,
          label: null,
        });
        const memory = { ...UNKNOWN_PROPERTIES, readBandwidth: quantity(own, "spec") };
        facts.reaches.push({ initiator: id, target: `${id}/vram`, medium: "memory", properties: memory });
      }
      facts.reaches.push(reach("gpu0", "gpu1/vram", { readBandwidth: quantity(50e9, "kfd") }));
    });
  const peer = (found: Machine): unknown => {
    const [path] = paths(found, "gpu0", "gpu1/vram");
    return [path?.bandwidth.value, path?.bandwidth.bound];
  };
  assert.deepEqual(peer(withOwn(null)), [null, 50e9]);
  assert.deepEqual(peer(withOwn(1e12)), [50e9, null]);
  assert.deepEqual(peer(withOwn(20e9)), [20e9, null]);
  const order = best(withOwn(null), ["gpu0"]).targets.map((one) => one.target.id);
  assert.equal(order[0], "gpu0/vram", "a GPU's own memory stands first while nobody states its bandwidth");
});
