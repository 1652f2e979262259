import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KernelLimits } from "@hms/host-linux/numa";
import { discover, IndexSet, type Machine, MemoryTree } from "@hms/topology";
import { AREA_STEP } from "./area.ts";
import { ONE_MAX, type Plan, type PlanOptions, planOf, sizesFor } from "./plan.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

interface NodeFiles {
  readonly cpus: string;
  readonly mib: number;
}

/** A machine with these nodes, four CPUs in pairs that share a cache. */
async function machineOf(nodes: readonly NodeFiles[], cacheKib = 32 * 1024): Promise<Machine> {
  const files: Record<string, string> = { "sys/devices/system/cpu/online": "0-3\n" };
  for (let cpu = 0; cpu < 4; cpu++) {
    const directory = `sys/devices/system/cpu/cpu${cpu}`;
    const mask = cpu < 2 ? "3" : "c";
    files[`${directory}/topology/core_cpus`] = (1 << cpu).toString(16);
    files[`${directory}/topology/core_id`] = `${cpu}`;
    files[`${directory}/topology/package_cpus`] = "f";
    files[`${directory}/topology/physical_package_id`] = "0";
    files[`${directory}/cache/index0/level`] = "3";
    files[`${directory}/cache/index0/type`] = "Unified";
    files[`${directory}/cache/index0/size`] = `${cacheKib}K`;
    files[`${directory}/cache/index0/coherency_line_size`] = "64";
    files[`${directory}/cache/index0/shared_cpu_map`] = mask;
  }
  nodes.forEach(({ cpus, mib }, i) => {
    files[`sys/devices/system/node/node${i}/cpulist`] = cpus;
    files[`sys/devices/system/node/node${i}/meminfo`] =
      `Node ${i} MemTotal: ${mib * 1024} kB\nNode ${i} MemFree: ${mib * 1024} kB\n`;
  });
  return discover(new MemoryTree(files));
}

function limitsOf(machine: Machine, given: Partial<KernelLimits> = {}): KernelLimits {
  const nodes = new Map(
    machine.nodes
      .filter(({ size }) => size !== 0)
      .map(({ index, size }) => [
        index,
        { totalBytes: size ?? 0, freeBytes: size ?? 0, cacheBytes: 0, reserveBytes: 0 },
      ]),
  );
  return {
    allowedNodes: null,
    cpuset: null,
    leftOut: new Map(),
    memory: [],
    nodes,
    withoutMemory: IndexSet.EMPTY,
    ...given,
  };
}

const TWO: readonly NodeFiles[] = [
  { cpus: "0-1", mib: 16_384 },
  { cpus: "2-3", mib: 16_384 },
  { cpus: "", mib: 8192 },
];

async function planned(
  nodes: readonly NodeFiles[],
  limits: Partial<KernelLimits> = {},
  options: Partial<PlanOptions> = {},
): Promise<Plan> {
  const machine = await machineOf(nodes);
  return planOf(machine, limitsOf(machine, limits), { quick: false, affinity: null, ...options });
}

const ids = (of: readonly { readonly id: string }[]): string => of.map(({ id }) => id).join(" ");

describe("what is measured", () => {
  it("is every node with CPUs against every node with memory, well beyond the caches", async () => {
    const plan = await planned(TWO);
    assert.equal(ids(plan.initiators), "node0 node1");
    assert.equal(ids(plan.targets), "node0 node1 node2");
    assert.deepEqual(plan.missing, []);
    const [first] = plan.initiators;
    const [target] = plan.targets;
    assert.ok(first !== undefined && target !== undefined);
    assert.deepEqual(first.cpus, [0, 1]);
    assert.equal(first.cacheBytes, 32 * MIB);
    const sizes = sizesFor(first, target);
    assert.equal(sizes.oneBytes, 256 * MIB);
    assert.equal(sizes.eachBytes * sizes.threads, 256 * MIB);
    assert.deepEqual(sizes.notes, []);
    const quick = await planned(TWO, {}, { quick: true });
    assert.equal(quick.initiators[0]?.oneBytes, 128 * MIB);
    const given = await planned(TWO, {}, { size: 8 * MIB });
    assert.equal(given.initiators[0]?.oneBytes, 8 * MIB);
    assert.equal(given.initiators[0]?.eachBytes, 8 * MIB);
  });

  it("has bounds, however large the caches are", async () => {
    const machine = await machineOf(TWO, 4 * 1024 * 1024);
    const plan = planOf(machine, limitsOf(machine), { quick: false, affinity: null });
    for (const { oneBytes, eachBytes } of plan.initiators) {
      assert.ok(oneBytes <= ONE_MAX && eachBytes <= ONE_MAX);
      assert.ok(oneBytes % AREA_STEP === 0 && eachBytes % AREA_STEP === 0);
    }
  });

  it("names nodes without memory, offline, not there, and those that a cpuset leaves out, with its group", async () => {
    const plan = await planned([...TWO, { cpus: "", mib: 0 }], {
      allowedNodes: IndexSet.parseList("0"),
      leftOut: new Map([
        [1, "/jobs/small"],
        [2, null],
      ]),
      withoutMemory: IndexSet.parseList("3-7"),
    });
    assert.equal(ids(plan.targets), "node0");
    const why = new Map(plan.missing.map((one) => [one.target, one.why]));
    assert.equal(why.get("node1"), "the cpuset /jobs/small leaves it out");
    assert.equal(why.get("node2"), "the cpuset leaves it out");
    assert.equal(why.get("node3"), "it has no memory");
    assert.equal(why.get("node4-7"), "offline, or not there yet");
  });

  it("keeps to the CPUs that this process may use, and names nodes that it may use none of", async () => {
    const one = await planned(TWO, {}, { affinity: [1] });
    assert.deepEqual(
      one.initiators.map(({ cpus }) => cpus),
      [[1]],
    );
    assert.match(one.missing.find(({ initiator }) => initiator === "node1")?.why ?? "", /taskset/);
    assert.equal(one.missing.length, 1);
  });

  it("takes half of what is free, says when that is too little, and measures with fewer CPUs before it gives up", async () => {
    const few = (mib: number): Partial<KernelLimits> => ({
      nodes: new Map([
        [0, { totalBytes: GIB, freeBytes: GIB, cacheBytes: 0, reserveBytes: 0 }],
        [1, { totalBytes: GIB, freeBytes: mib * MIB, cacheBytes: 100 * MIB, reserveBytes: 2 * MIB }],
      ]),
    });
    const small = await planned(TWO.slice(0, 2), few(66));
    const [initiator] = small.initiators;
    const target = small.targets[1];
    assert.ok(initiator !== undefined && target !== undefined);
    assert.equal(target.room, 32 * MIB);
    const sizes = sizesFor(initiator, target);
    assert.equal(sizes.oneBytes, 32 * MIB);
    assert.equal(sizes.eachBytes, 16 * MIB);
    assert.match(
      sizes.notes.join(" "),
      /One CPU went through 32 MiB, where the caches hold 32 MiB.* 2 CPUs went through 32 MiB/,
    );
    const many = sizesFor({ ...initiator, cpus: Array.from({ length: 100 }, (_, i) => i) }, target);
    assert.equal(many.threads, 16);
    assert.equal(many.eachBytes, AREA_STEP);
    assert.match(many.notes.join(" "), /room for 16 of 100 CPUs/);
    const none = await planned(TWO.slice(0, 2), few(10));
    assert.match(
      none.missing.find((one) => one.target === "node1")?.why ?? "",
      /only 4 MiB of it may be taken/,
    );
  });

  it("heeds the memory limit of a control group, and names it", async () => {
    const memory = [
      { group: "/job", file: "memory.max", limitBytes: 20 * MIB, usedBytes: 10 * MIB, cacheBytes: 0 },
    ];
    const plan = await planned(TWO, { memory });
    assert.deepEqual(plan.targets, []);
    for (const { why } of plan.missing) assert.match(why, /only 5 MiB .*memory limit of \/job/);
  });
});
