import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Facts, MEMORY_KINDS } from "../model/facts.ts";
import type { Quantity } from "../model/quantity.ts";
import { accessFiles, cpuFiles, type Files, factsOf, nodeFiles } from "../testing/captures.ts";
import type { MemoryEntry } from "../tree/memory.ts";

const CPU = "sys/devices/system/cpu";
const NODE = "sys/devices/system/node";

/** A machine that has a bit of everything that is read of CPUs and memory. */
function machine(): Files {
  const files: Record<string, MemoryEntry> = {
    ...cpuFiles(8, { threads: 2, perPackage: 4 }),
    ...nodeFiles(0, {
      cpus: "0-3",
      distance: "10 21 31 40",
      more: accessFiles(0, [0], { bandwidth: 100_000, latency: 90 }),
    }),
    ...nodeFiles(1, {
      cpus: "4-7",
      distance: "21 10 31 40",
      more: accessFiles(1, [1], { bandwidth: 100_000, latency: 95 }),
    }),
    ...nodeFiles(2, {
      distance: "31 31 10 50",
      more: {
        ...accessFiles(0, [0], { bandwidth: 400_000, latency: 130 }),
        "memory_side_cache/index1/size": "67108864\n",
        "memory_side_cache/index1/indexing": "0\n",
        "hugepages/hugepages-2048kB/nr_hugepages": "4\n",
        "hugepages/hugepages-2048kB/free_hugepages": "2\n",
      },
    }),
    ...nodeFiles(3, { megabytes: 0, distance: "40 40 50 10" }),
    [`${NODE}/online`]: "0-3\n",
    [`${NODE}/has_generic_initiator`]: "3\n",
    [`${NODE}/node0/vmstat`]: "nr_free_pages 131072\n",
    "sys/devices/virtual/memory_tiering/memory_tier4/nodelist": "0-1\n",
    "sys/devices/virtual/memory_tiering/memory_tier1/nodelist": "2\n",
    "sys/devices/cpu_core/cpus": "0-3\n",
    "sys/devices/cpu_atom/cpus": "4-7\n",
    "sys/class/dmi/id/product_name": "A machine\n",
    "proc/self/cgroup": "0::/a/b\n",
    "proc/self/cpuset": "/a\n",
    "proc/self/status": "Mems_allowed_list:\t0-2\n",
    "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
    "sys/fs/cgroup/a/cpuset.cpus.effective": "0-5\n",
    "sys/fs/cgroup/a/cpuset.mems.effective": "0-2\n",
    "proc/version": "Linux version 6.12.0 (a@b) (gcc) #1 SMP\n",
    "proc/meminfo": "MemTotal: 4096 kB\nMemFree: 1024 kB\n",
    "proc/hwloc-nofile-info": "PageSize: 4096\nFallbackNbProcessors: 8\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/numa_status": "Node: 2\nStatus: online\n",
    "var/run/hwloc/knl_memoryside_cache": "version: 1\ncache_size: 1024\n",
    "proc/cpuinfo": Array.from(
      { length: 8 },
      (_, cpu) =>
        `processor\t: ${cpu}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 87\nphysical id\t: 0\ncore id\t\t: ${cpu}\n`,
    ).join("\n"),
  };
  for (let cpu = 0; cpu < 8; cpu++) {
    files[`${CPU}/cpu${cpu}/cpu_capacity`] = `${cpu < 4 ? 1024 : 512}\n`;
    files[`${CPU}/cpu${cpu}/cpufreq/cpuinfo_max_freq`] = "3000000\n";
    files[`${CPU}/cpu${cpu}/cache/index0/level`] = "1\n";
    files[`${CPU}/cpu${cpu}/cache/index0/type`] = "Data\n";
    files[`${CPU}/cpu${cpu}/cache/index0/size`] = "32K\n";
    files[`${CPU}/cpu${cpu}/cache/index0/shared_cpu_map`] = `${(3 << (cpu & ~1)).toString(16)}\n`;
  }
  return files;
}

const WHOLE = machine();
const PATHS = Object.keys(WHOLE);
/** Damage does not make a file of this size worth reading. */
const HUGE = "7,".repeat(500_000);

const odd = fc.constantFrom<MemoryEntry | null>(
  null,
  "",
  "\n",
  "garbage\n",
  "-1\n",
  "0\n",
  "1\n",
  "99999999999999999999999999999999\n",
  "1e30\n",
  "0x10\n",
  "0-99999999999\n",
  "0-65535\n",
  "65535\n",
  "ffffffff,ffffffff\n",
  "\0\0\0\0",
  "NaN\n",
  `${"1 ".repeat(300)}\n`,
  HUGE,
  Uint8Array.of(0xff, 0xfe, 0x00, 0x80, 0x0a),
  { kind: "directory" },
  { kind: "other" },
  { error: "EACCES" },
  { error: "EIO" },
  { link: "../../../../../../../../../../etc/passwd" },
  { link: "/proc/version" },
  { link: "." },
  { link: "nowhere" },
);
const damage = fc.array(
  fc.tuple(
    fc.constantFrom(...PATHS),
    fc.oneof({ weight: 9, arbitrary: odd }, { weight: 1, arbitrary: fc.string() }),
  ),
  {
    minLength: 1,
    maxLength: 12,
  },
);

function damaged(parts: readonly (readonly [string, MemoryEntry | null])[]): Files {
  const files: Record<string, MemoryEntry> = { ...WHOLE };
  for (const [path, entry] of parts) {
    if (entry === null) delete files[path];
    else files[path] = entry;
  }
  return files;
}

/** What holds of facts whatever they were read from. */
function assertSound(facts: Facts): void {
  const cpus = new Set(facts.processors.map(({ index }) => index));
  assert.equal(cpus.size, facts.processors.length, "a CPU is there once");
  const known = (set: Iterable<number>): boolean => [...set].every((cpu) => cpus.has(cpu));
  for (const { cpus: of } of [...facts.groups, ...facts.caches, ...facts.cpuKinds])
    assert.ok(known(of) && !of.isEmpty);
  for (const { size, lineSize, associativity, level } of facts.caches) {
    assertCount(size);
    assertCount(lineSize);
    assert.ok(associativity === -1 || (Number.isInteger(associativity) && associativity >= 0));
    assert.ok(level >= 1);
  }
  const nodes = new Set(facts.nodes.map(({ index }) => index));
  assert.equal(nodes.size, facts.nodes.length, "a node is there once");
  for (const node of facts.nodes) {
    assert.ok(known(node.cpus) && known(node.nearCpus));
    assert.ok(node.nearCpus.includes(node.cpus));
    if (node.size !== null) assertCount(node.size);
    if (node.free !== null) assert.ok(node.free >= 0 && node.free <= (node.size ?? 0));
    assert.ok(MEMORY_KINDS.includes(node.kind.kind) && node.kind.reason.length > 5);
    for (const { size, count, free } of node.pageSizes) [size, count, free ?? 0].forEach(assertCount);
    for (const { size, level } of node.sideCaches) assert.ok(size > 0 && level >= 0);
    for (const { readBandwidth, writeBandwidth, readLatency, writeLatency } of node.access)
      for (const quantity of [readBandwidth, writeBandwidth, readLatency, writeLatency])
        assertQuantity(quantity);
  }
  for (const { nodes: of, values } of facts.distances) {
    assert.equal(values.length, of.length ** 2);
    assert.ok(of.every((node) => nodes.has(node)));
    values.forEach(assertCount);
  }
  for (const { path, message } of facts.warnings)
    assert.ok(path !== "" && message.length > 5 && message.length < 400);
}

function assertCount(value: number): void {
  assert.ok(Number.isSafeInteger(value) && value >= 0, `${value}`);
}

function assertQuantity(quantity: Quantity | null): void {
  assert.ok(quantity === null || (Number.isFinite(quantity.value) && quantity.value > 0));
}

describe("captures that are damaged", () => {
  test("the whole one is fine", () => {
    const facts = factsOf(WHOLE);
    assertSound(facts);
    // What is left is that distances of this processor are made up.
    assert.deepEqual(
      facts.warnings.map(({ path }) => path),
      [NODE],
    );
  });

  test("nothing throws, hangs or is absurd, and the rest is still read", () => {
    const started = performance.now();
    fc.assert(
      fc.property(damage, (parts) => {
        const facts = factsOf(damaged(parts));
        assertSound(facts);
        const touched = (pattern: RegExp): boolean => parts.some(([path]) => pattern.test(path));
        if (!touched(/system\/cpu\//)) assert.equal(facts.caches.length, 4);
        if (!touched(/system\/node\//)) assert.equal(facts.nodes.length, 4);
      }),
      { numRuns: 1500 },
    );
    assert.ok(performance.now() - started < 60_000);
  });

  test("each kind of damage to each file alone leaves a warning that names it, or none is due", () => {
    const wrong = ["garbage\n", Uint8Array.of(0xff, 0xfe, 0x80), { error: "EACCES" }] as const;
    const silent: string[] = [];
    for (const path of PATHS) {
      for (const entry of wrong) {
        const { warnings } = factsOf({ ...WHOLE, [path]: entry });
        if (!warnings.some((warning) => warning.path === path)) silent.push(path);
      }
    }
    // Text that is shown as it is, files that say what another has said already, and names whose content is nothing.
    const mayBeSilent =
      /^proc\/(version|mounts|meminfo|hwloc-nofile-info|self\/status)$|dmi\/id|\/node0\/vmstat$|cpu\/possible$|initiators\/node\d+$|cpu[1-7]\/topology\/(?!core_id)|cpu[1357]\/cache\/|cpu[1-7]\/cache\/index0\/(level|type)$/;
    assert.deepEqual([...new Set(silent.filter((path) => !mayBeSilent.test(path)))], []);
  });
});
