import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cpuFiles, type Files, factsOf, nodeFiles } from "../../testing/captures.ts";

const CPUINFO: Files = {
  "proc/cpuinfo":
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 87\nmodel name\t: Xeon Phi\n\n",
};
/** Two clusters, each with DDR and MCDRAM: distances that make MCDRAM look far. */
const CLUSTERS: Files = {
  ...CPUINFO,
  ...cpuFiles(4),
  ...nodeFiles(0, { cpus: "0-1", distance: "10 21 31 41" }),
  ...nodeFiles(1, { cpus: "2-3", distance: "21 10 41 31" }),
  ...nodeFiles(2, { distance: "31 41 10 41" }),
  ...nodeFiles(3, { distance: "41 31 41 10" }),
};
const DUMP =
  "version: 2\ncache_size: 2147483648\nassociativity: 1\nline_size: 64\ncluster_mode: SNC2\nmemory_mode: Hybrid50\n";

describe("Knights Landing", () => {
  test("nodes without CPUs are MCDRAM, near the cluster that they belong to, and faster", () => {
    const { nodes, distances } = factsOf(CLUSTERS);
    assert.deepEqual(
      nodes.map(({ kind, nearCpus }) => [kind.kind, nearCpus.toList()]),
      [
        ["dram", "0-1"],
        ["dram", "2-3"],
        ["hbm", "0-1"],
        ["hbm", "2-3"],
      ],
    );
    assert.deepEqual(
      nodes.map(({ access }) => [
        access[0]?.initiators,
        access[0]?.readBandwidth?.value,
        access[0]?.readBandwidth?.origin,
      ]),
      [
        [[0], 45e9, "model"],
        [[1], 45e9, "model"],
        [[0], 180e9, "model"],
        [[1], 180e9, "model"],
      ],
    );
    assert.deepEqual(distances, []);
    assert.ok(nodes.every(({ sideCaches }) => sideCaches.length === 0));
  });

  test("the newest dump of hwloc's helper says what part of MCDRAM is a cache", () => {
    const facts = factsOf({
      ...CLUSTERS,
      "var/run/hwloc/knl_memoryside_cache.v1": "version: 1\ncache_size: 1\n",
      "var/run/hwloc/knl_memoryside_cache.v2": DUMP,
    });
    assert.deepEqual(
      facts.nodes.map(({ sideCaches }) => sideCaches.map(({ size, associativity }) => [size, associativity])),
      [[[2 ** 31, "direct"]], [[2 ** 31, "direct"]], [], []],
    );
    assert.equal(facts.info.ClusterMode, "SNC2");
    assert.equal(facts.info.MemoryMode, "Hybrid50");
  });

  test("without MCDRAM as memory all of it is a cache, and speeds are not known", () => {
    const { nodes } = factsOf({ ...CPUINFO, ...cpuFiles(4), ...nodeFiles(0, { cpus: "0-3" }) });
    assert.deepEqual(
      nodes[0]?.sideCaches.map(({ size }) => size),
      [2 ** 34],
    );
    assert.deepEqual(nodes[0]?.access, []);
    assert.equal(nodes[0]?.kind.kind, "dram");
  });

  test("one cluster: MCDRAM is near all CPUs", () => {
    const { nodes } = factsOf({
      ...CPUINFO,
      ...cpuFiles(4),
      ...nodeFiles(0, { cpus: "0-3", distance: "10 31" }),
      ...nodeFiles(1, { distance: "31 10" }),
    });
    assert.equal(nodes[1]?.nearCpus.toList(), "0-3");
    assert.deepEqual(nodes[1]?.access[0]?.initiators, [0]);
  });

  test("a dump that is wrong is named, and the rest of it used", () => {
    const { nodes, warnings } = factsOf({
      ...CLUSTERS,
      "run/hwloc/knl_memoryside_cache":
        "cache_size: 99999999999999\nline_size: 128\ncluster_mode:\nmemory_mode: Cache\n\0",
    });
    assert.ok(nodes.every(({ sideCaches }) => sideCaches.length === 0));
    assert.ok(warnings.some(({ path }) => path === "run/hwloc/knl_memoryside_cache"));
  });

  test("other processors keep their distances", () => {
    const { distances, nodes } = factsOf({ ...CLUSTERS, "proc/cpuinfo": "" });
    assert.equal(distances.length, 1);
    assert.ok(nodes.every(({ access }) => access.length === 0));
  });
});
