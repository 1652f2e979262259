import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  accessFiles,
  captureFrom,
  cpuFiles,
  type Files,
  factsOf,
  nodeFiles,
} from "../../testing/captures.ts";
import { FolderTree } from "../../tree/folder.ts";
import { LiveTree } from "../../tree/live.ts";
import { MemoryTree } from "../../tree/memory.ts";

const MIB = 2 ** 20;
const NODE = "sys/devices/system/node";

describe("nodes", () => {
  const machine: Files = {
    ...cpuFiles(4, { perPackage: 2 }),
    [`${NODE}/online`]: "0-2\n",
    [`${NODE}/has_generic_initiator`]: "2\n",
    ...nodeFiles(0, { cpus: "0-1", distance: "10 21 40" }),
    ...nodeFiles(1, {
      cpus: "2-3",
      megabytes: 2048,
      distance: "21 10 45",
      more: {
        "hugepages/hugepages-1048576kB/nr_hugepages": "1\n",
        "hugepages/hugepages-1048576kB/free_hugepages": "1\n",
        "hugepages/hugepages-2048kB/nr_hugepages": "3\n",
        "hugepages/hugepages-2048kB/free_hugepages": "2\n",
        "memory_side_cache/index1/size": "67108864\n",
        "memory_side_cache/index1/line_size": "64\n",
        "memory_side_cache/index1/indexing": "0\n",
        "memory_side_cache/index1/write_policy": "1\n",
        "memory_side_cache/index1/address_mode": "1\n",
        "memory_side_cache/index2/size": "0\n",
      },
    }),
    ...nodeFiles(2, { megabytes: 0, distance: "40 45 10" }),
  };

  test("their CPUs, memory and what they are", () => {
    const { nodes, warnings } = factsOf(machine);
    assert.deepEqual(
      nodes.map((n) => [
        n.index,
        n.cpus.toList(),
        n.nearCpus.toList(),
        n.size,
        n.free,
        n.online,
        n.genericInitiator,
      ]),
      [
        [0, "0-1", "0-1", 1024 * MIB, 512 * MIB, true, false],
        [1, "2-3", "2-3", 2048 * MIB, 1024 * MIB, true, false],
        [2, "", "0-1", 0, 0, true, true],
      ],
    );
    assert.deepEqual(
      nodes.map((n) => n.kind.kind),
      ["dram", "dram", "unknown"],
    );
    assert.match(nodes[2]?.kind.reason ?? "", /^has no memory.*generic initiator/);
    assert.deepEqual(warnings, []);
  });

  test("their pages: the base ones are what the huge ones leave", () => {
    const { nodes } = factsOf(machine);
    assert.deepEqual(nodes[0]?.pageSizes, [{ size: 4096, count: 262_144, free: 131_072 }]);
    assert.deepEqual(nodes[1]?.pageSizes, [
      { size: 4096, count: (2048 * MIB - 2 ** 30 - 3 * 2 * MIB) / 4096, free: 262_144 },
      { size: 2 * MIB, count: 3, free: 2 },
      { size: 2 ** 30, count: 1, free: 1 },
    ]);
  });

  test("the caches in front of their memory", () => {
    const { nodes } = factsOf(machine);
    assert.deepEqual(nodes[1]?.sideCaches, [
      {
        level: 1,
        size: 64 * MIB,
        lineSize: 64,
        associativity: "direct",
        writePolicy: "write-through",
        addressMode: "extended-linear",
      },
    ]);
  });

  test("in a folder as in memory", () => {
    using capture = captureFrom(machine);
    const inMemory = factsOf(new MemoryTree(machine));
    const onDisk = factsOf(new FolderTree(capture.path));
    assert.equal(JSON.stringify(onDisk), JSON.stringify(inMemory));
  });

  test("the machine without NUMA is one node", () => {
    const { nodes, warnings } = factsOf({
      ...cpuFiles(2),
      "proc/meminfo": "MemTotal:       4096 kB\nMemFree:         100 kB\n",
      "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "1\n",
      "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "0\n",
    });
    assert.deepEqual(
      nodes.map((n) => [n.index, n.cpus.toList(), n.nearCpus.toList(), n.size, n.free]),
      [[0, "0-1", "0-1", 4 * MIB, 102_400]],
    );
    assert.deepEqual(nodes[0]?.pageSizes, [
      { size: 4096, count: 512, free: 25 },
      { size: 2 * MIB, count: 1, free: 0 },
    ]);
    assert.deepEqual(warnings, []);
  });

  test("nothing known is no node; CPUs alone are one of unknown size", () => {
    assert.deepEqual(factsOf({}).nodes, []);
    const [node] = factsOf(cpuFiles(2)).nodes;
    assert.deepEqual([node?.size, node?.free, node?.pageSizes], [null, null, []]);
  });

  test("memory from the device tree, where nothing else says it", () => {
    const reg = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0, 0);
    const two = Uint8Array.of(0, 0, 0, 2);
    const { nodes } = factsOf({
      ...cpuFiles(1),
      "proc/device-tree/#address-cells": two,
      "proc/device-tree/#size-cells": two,
      "proc/device-tree/memory@0/reg": reg,
    });
    assert.equal(nodes[0]?.size, 2 ** 32 + 2 ** 28);
  });

  test("the running machine has memory, and some of it is free", () => {
    const { nodes, processors } = factsOf(new LiveTree());
    assert.ok(nodes.length > 0 && processors.some(({ online }) => online));
    const size = nodes.reduce((sum, node) => sum + (node.size ?? 0), 0);
    const free = nodes.reduce((sum, node) => sum + (node.free ?? 0), 0);
    assert.ok(size > 64 * MIB, `${size}`);
    assert.ok(free > 0 && free < size, `${free} of ${size}`);
    assert.ok(nodes.every(({ pageSizes }) => pageSizes[0] !== undefined && pageSizes[0].size >= 4096));
  });
});

describe("how large a page is", () => {
  const machine: Files = { ...cpuFiles(1), ...nodeFiles(0, { cpus: "0", megabytes: 1024 }) };
  const size = (files: Files): number | undefined =>
    factsOf({ ...machine, ...files }).nodes[0]?.pageSizes[0]?.size;

  test("as noted, as the free memory says, or as usual", () => {
    assert.equal(size({ "proc/hwloc-nofile-info": "PageSize: 65536\n" }), 65_536);
    // 512 MiB are free: in pages of 64 KiB that is 8,192, give or take what changed meanwhile.
    assert.equal(size({ [`${NODE}/node0/vmstat`]: "nr_free_pages 8170\nnr_inactive_anon 5\n" }), 65_536);
    assert.equal(size({ [`${NODE}/node0/vmstat`]: "nr_free_pages 131080\n" }), 4096);
    assert.equal(size({}), 4096);
  });

  test("nothing absurd", () => {
    for (const files of [
      { "proc/hwloc-nofile-info": "PageSize: 0\n" },
      { "proc/hwloc-nofile-info": "PageSize: 5000\n" },
      { "proc/hwloc-nofile-info": "PageSize: 1e30\n" },
      { [`${NODE}/node0/vmstat`]: "nr_free_pages 1\n" },
      { [`${NODE}/node0/vmstat`]: "nr_free_pages garbage\n" },
      { [`${NODE}/node0/vmstat`]: "nr_free_pages 999999999999\n" },
    ])
      assert.equal(size(files), 4096, JSON.stringify(files));
  });
});

describe("access classes", () => {
  test("MB/s and ns with their origin; 0 is unknown", () => {
    const { nodes, warnings } = factsOf({
      ...cpuFiles(2),
      ...nodeFiles(0, {
        cpus: "0-1",
        more: {
          ...accessFiles(0, [0], { bandwidth: 100_000, latency: 80 }),
          ...accessFiles(1, [0], { bandwidth: 0, latency: 90 }),
        },
      }),
    });
    const [first, second] = nodes[0]?.access ?? [];
    assert.deepEqual(first, {
      index: 0,
      initiators: [0],
      readBandwidth: { value: 100e9, origin: "hmat", detail: "node0/access0" },
      writeBandwidth: { value: 100e9, origin: "hmat", detail: "node0/access0" },
      readLatency: { value: 80, origin: "hmat", detail: "node0/access0" },
      writeLatency: { value: 80, origin: "hmat", detail: "node0/access0" },
    });
    assert.equal(second?.readBandwidth, null);
    assert.equal(second?.readLatency?.value, 90);
    assert.deepEqual(warnings, []);
  });

  test("class 1 says which CPUs are near; class 0 may be a device's", () => {
    const { nodes } = factsOf({
      ...cpuFiles(4),
      ...nodeFiles(0, { cpus: "0-1", distance: "10 20 30 17" }),
      ...nodeFiles(1, { cpus: "2-3", distance: "20 10 30 20" }),
      ...nodeFiles(2, { megabytes: 0, distance: "30 30 10 14" }),
      ...nodeFiles(3, {
        distance: "17 20 14 10",
        more: { ...accessFiles(0, [2], { bandwidth: 500 }), ...accessFiles(1, [1], { bandwidth: 400 }) },
      }),
    });
    assert.equal(nodes[3]?.nearCpus.toList(), "2-3");
    assert.deepEqual(
      nodes[3]?.access.map(({ initiators }) => initiators),
      [[2], [1]],
    );
  });

  test("a class that names no initiator holds for the CPUs near, or for all; one that says nothing is none", () => {
    const access = accessFiles(0, [], { bandwidth: 16_000 });
    const cxl = (distance: string): Files => ({
      ...cpuFiles(4),
      ...nodeFiles(0, { cpus: "0-1", distance: "10 20 20" }),
      ...nodeFiles(1, {
        cpus: "2-3",
        distance: "20 10 14",
        more: { "access0/targets/node2": { kind: "directory" } },
      }),
      ...nodeFiles(2, { distance, more: access }),
    });
    const near = factsOf(cxl("20 14 10")).nodes;
    assert.deepEqual([near[2]?.nearCpus.toList(), near[2]?.access[0]?.initiators], ["2-3", [1]]);
    const far = factsOf(cxl("20 20 10")).nodes;
    assert.deepEqual([far[2]?.nearCpus.toList(), far[2]?.access[0]?.initiators], ["", [0, 1]]);
    assert.deepEqual(far[1]?.access, []);
  });
});

describe("distances", () => {
  const nodes = (rows: readonly string[]): Files => ({
    ...cpuFiles(rows.length),
    ...Object.assign({}, ...rows.map((distance, i) => nodeFiles(i, { cpus: `${i}`, distance }))),
  });

  test("a row for each node", () => {
    const { distances } = factsOf(nodes(["10 20", "21 10"]));
    assert.deepEqual(distances, [{ name: "NUMALatency", nodes: [0, 1], values: [10, 20, 21, 10] }]);
  });

  test("columns are the online nodes, whatever their numbers", () => {
    const { distances } = factsOf({
      ...cpuFiles(2),
      ...nodeFiles(0, { cpus: "0", distance: "10 40 80" }),
      ...nodeFiles(8, { cpus: "1", distance: "40 10 80" }),
      ...nodeFiles(255, { distance: "80 80 10" }),
    });
    assert.deepEqual(distances[0]?.nodes, [0, 8, 255]);
    assert.deepEqual(distances[0]?.values, [10, 40, 80, 40, 10, 80, 80, 80, 10]);
  });

  test("a capture without the last nodes has the distances between the others", () => {
    const { distances, warnings } = factsOf(nodes(["10 20 30 40", "20 10 30 40"]));
    assert.deepEqual(distances[0]?.values, [10, 20, 20, 10]);
    assert.deepEqual(warnings, []);
  });

  test("one node has none; a row that cannot be used takes its node out", () => {
    assert.deepEqual(factsOf(nodes(["10"])).distances, []);
    for (const row of [
      "10 20",
      "20 10 30 40",
      "10 x 30",
      "-10 20 30",
      "10 99999999 30",
      "\0\0",
      "1 ".repeat(100_000),
    ]) {
      const facts = factsOf(nodes([row, "20 10 30", "30 30 10"]));
      assert.deepEqual(facts.distances[0]?.nodes, [1, 2], row.slice(0, 20));
      assert.deepEqual(facts.distances[0]?.values, [10, 30, 30, 10]);
      assert.deepEqual(
        facts.warnings.map(({ path }) => path),
        [`${NODE}/node0/distance`],
      );
    }
  });
});

describe("nodes that are wrong", () => {
  test("a CPU is in one node: the later one that names it again is left out, and the columns stay where they are", () => {
    const { nodes, distances, warnings } = factsOf({
      ...cpuFiles(4),
      ...nodeFiles(0, { cpus: "0-1", distance: "10 20 30" }),
      ...nodeFiles(1, { cpus: "1-2", distance: "20 10 40" }),
      ...nodeFiles(2, { cpus: "3", distance: "30 40 10" }),
    });
    assert.deepEqual(
      nodes.map(({ index }) => index),
      [0, 2],
    );
    assert.deepEqual(distances[0]?.values, [10, 30, 30, 10]);
    assert.match(warnings[0]?.message ?? "", /names the CPUs 1 of nodes before it: node1 is left out/);
  });

  test("an online list that names no node there is passed over; one that leaves some out takes them offline", () => {
    const machine = { ...cpuFiles(2), ...nodeFiles(0, { cpus: "0" }), ...nodeFiles(1, { cpus: "1" }) };
    for (const list of ["", "7", "garbage"])
      assert.ok(factsOf({ ...machine, [`${NODE}/online`]: list }).nodes.every(({ online }) => online));
    assert.deepEqual(
      factsOf({ ...machine, [`${NODE}/online`]: "0\n" }).nodes.map(({ online }) => online),
      [true, false],
    );
  });

  test("CPUs that there are not are in no node", () => {
    assert.equal(
      factsOf({ ...cpuFiles(2), ...nodeFiles(0, { cpus: "0-8191" }) }).nodes[0]?.cpus.toList(),
      "0-1",
    );
  });

  test("memory that is no number is unknown, and its file named", () => {
    for (const meminfo of [
      "garbage",
      "Node 0 MemTotal: lots kB\n",
      "Node 0 MemTotal: -5 kB\n",
      `MemTotal: ${"9".repeat(40)} kB`,
      "\0",
    ]) {
      const { nodes, warnings } = factsOf({
        ...cpuFiles(2),
        ...nodeFiles(0, { cpus: "0" }),
        ...nodeFiles(1, { cpus: "1", more: { meminfo } }),
      });
      assert.deepEqual([nodes[1]?.size, nodes[1]?.free, nodes[1]?.pageSizes], [null, null, []], meminfo);
      assert.deepEqual(
        warnings.map(({ path }) => path),
        [`${NODE}/node1/meminfo`],
      );
    }
  });

  test("more free than there is: how much is free is unknown", () => {
    const meminfo = "Node 0 MemTotal: 1024 kB\nNode 0 MemFree: 4096 kB\n";
    const { nodes, warnings } = factsOf({
      ...cpuFiles(1),
      ...nodeFiles(0, { cpus: "0", more: { meminfo } }),
    });
    assert.deepEqual([nodes[0]?.size, nodes[0]?.free], [1_048_576, null]);
    assert.equal(warnings.length, 1);
  });

  test("huge pages beyond the memory leave no base pages, not fewer than none", () => {
    const { nodes } = factsOf({
      ...cpuFiles(1),
      ...nodeFiles(0, {
        cpus: "0",
        megabytes: 1,
        more: { "hugepages/hugepages-2048kB/nr_hugepages": "9007199254740991\n" },
      }),
    });
    assert.equal(nodes[0]?.pageSizes[0]?.count, 0);
  });
});
