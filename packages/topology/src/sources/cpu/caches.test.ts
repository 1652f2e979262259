import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Facts } from "../../model/facts.ts";
import { cpuFiles, type Files, factsOf } from "../../testing/captures.ts";

/** Files of one cache of a CPU. */
function cacheFiles(cpu: number, index: number, files: Readonly<Record<string, string | number>>): Files {
  const directory = `sys/devices/system/cpu/cpu${cpu}/cache/index${index}`;
  return Object.fromEntries(
    Object.entries(files).map(([name, value]) => [`${directory}/${name}`, `${value}\n`]),
  );
}

const L1 = {
  level: 1,
  type: "Data",
  size: "48K",
  coherency_line_size: 64,
  number_of_sets: 64,
  ways_of_associativity: 12,
};
const L3 = {
  level: 3,
  type: "Unified",
  size: "32768K",
  coherency_line_size: 64,
  number_of_sets: 32_768,
  ways_of_associativity: 16,
};

function short({ caches }: Facts): string[] {
  return caches.map(({ level, type, size, cpus }) => `L${level} ${type} ${size} of ${cpus.toList()}`);
}

describe("caches of CPUs", () => {
  test("each once, with what it is made of", () => {
    const facts = factsOf({
      ...cpuFiles(2),
      ...cacheFiles(0, 0, { ...L1, id: 0, shared_cpu_map: 1 }),
      ...cacheFiles(1, 0, { ...L1, id: 1, shared_cpu_map: 2 }),
      ...cacheFiles(0, 3, { ...L3, id: 0, shared_cpu_map: 3 }),
      ...cacheFiles(1, 3, { ...L3, id: 0, shared_cpu_map: 3 }),
    });
    assert.deepEqual(short(facts), [
      "L1 data 49152 of 0",
      "L1 data 49152 of 1",
      "L3 unified 33554432 of 0-1",
    ]);
    assert.deepEqual(
      facts.caches.map(({ index, lineSize, associativity }) => [index, lineSize, associativity]),
      [
        [0, 64, 12],
        [1, 64, 12],
        [0, 64, 16],
      ],
    );
    assert.deepEqual(facts.warnings, []);
  });

  test("caches of one level but of two sizes", () => {
    const facts = factsOf({
      ...cpuFiles(2),
      ...cacheFiles(0, 0, { ...L1, shared_cpu_map: 1 }),
      ...cacheFiles(1, 0, { ...L1, size: "32K", ways_of_associativity: 8, shared_cpu_map: 2 }),
    });
    assert.deepEqual(short(facts), ["L1 data 49152 of 0", "L1 data 32768 of 1"]);
    assert.deepEqual(
      facts.caches.map(({ associativity, index }) => [associativity, index]),
      [
        [12, null],
        [8, null],
      ],
    );
  });

  test("ways: as stated, else computed; one set is fully associative; unknown is 0", () => {
    const ways = (files: Readonly<Record<string, string | number>>): number | undefined =>
      factsOf({
        ...cpuFiles(1),
        ...cacheFiles(0, 0, { level: 2, type: "Unified", shared_cpu_map: 1, ...files }),
      }).caches[0]?.associativity;
    assert.equal(ways({ size: "256K", ways_of_associativity: 8 }), 8);
    assert.equal(ways({ size: "256K", coherency_line_size: 64, number_of_sets: 512 }), 8);
    assert.equal(
      ways({ size: "2K", coherency_line_size: 64, number_of_sets: 1, ways_of_associativity: 32 }),
      -1,
    );
    assert.equal(ways({ size: "256K" }), 0);
    assert.equal(ways({ size: "256K", coherency_line_size: 0, number_of_sets: 0 }), 0);
  });

  test("sizes with a letter, or without", () => {
    const size = (text: string): number | undefined =>
      factsOf({
        ...cpuFiles(1),
        ...cacheFiles(0, 0, { level: 1, type: "Data", size: text, shared_cpu_map: 1 }),
      }).caches[0]?.size;
    assert.deepEqual(
      ["48K", "2M", "1G", "512", "garbage", "-4K", "9999999999K"].map(size),
      [49_152, 2_097_152, 1_073_741_824, 512, 0, 0, 0],
    );
  });

  test("an empty mask: the threads of the core", () => {
    const facts = factsOf({
      ...cpuFiles(4, { threads: 2 }),
      ...cacheFiles(0, 0, { ...L3, shared_cpu_map: "00000000,00000000" }),
      ...cacheFiles(3, 0, { ...L3, shared_cpu_map: 0 }),
    });
    assert.deepEqual(short(facts), ["L3 unified 33554432 of 0-1", "L3 unified 33554432 of 2-3"]);
    assert.deepEqual(facts.warnings, []);
  });

  test("what says neither level nor type is no cache; what is wrong is named", () => {
    const facts = factsOf({
      ...cpuFiles(1),
      ...cacheFiles(0, 0, { size: "32K", shared_cpu_map: 1 }),
      ...cacheFiles(0, 1, { ...L1, level: 99, shared_cpu_map: 1 }),
      ...cacheFiles(0, 2, { ...L1, type: "Trace", shared_cpu_map: 1 }),
      ...cacheFiles(0, 3, { ...L3, id: "x", shared_cpu_map: 1, coherency_line_size: -3 }),
    });
    assert.deepEqual(short(facts), ["L3 unified 33554432 of 0"]);
    assert.deepEqual(
      facts.warnings.map(({ path }) => path.replace(/^.*cache\//, "")),
      ["index1/level", "index2/type", "index3/coherency_line_size", "index3/id"],
    );
  });
});

describe("caches that only the device tree of a PowerPC states", () => {
  /** A property of big-endian 32-bit cells. */
  function cells(...values: number[]): Uint8Array {
    const bytes = new Uint8Array(values.length * 4);
    for (const [i, value] of values.entries()) new DataView(bytes.buffer).setUint32(i * 4, value);
    return bytes;
  }

  const cpus = "proc/device-tree/cpus";
  const core = (name: string, threads: number[], l2: number): Files => ({
    [`${cpus}/${name}/device_type`]: "cpu\0",
    [`${cpus}/${name}/reg`]: cells(threads[0] ?? 0),
    [`${cpus}/${name}/ibm,ppc-interrupt-server#s`]: cells(...threads),
    [`${cpus}/${name}/d-cache-size`]: cells(32_768),
    [`${cpus}/${name}/d-cache-line-size`]: cells(128),
    [`${cpus}/${name}/d-cache-sets`]: cells(32),
    [`${cpus}/${name}/i-cache-size`]: cells(65_536),
    [`${cpus}/${name}/i-cache-block-size`]: cells(128),
    [`${cpus}/${name}/i-cache-sets`]: cells(1),
    [`${cpus}/${name}/l2-cache`]: cells(l2),
  });
  const machine: Files = {
    ...cpuFiles(4, { threads: 2 }),
    // The hardware's numbers are not the kernel's.
    ...Object.fromEntries(
      [0, 1, 2, 3].map((cpu) => [`sys/devices/system/cpu/cpu${cpu}/physical_id`, `${cpu + 8}\n`]),
    ),
    ...core("PowerPC,POWER7@8", [8, 9], 77),
    ...core("PowerPC,POWER7@a", [10, 11], 77),
    [`${cpus}/l2-cache@1/device_type`]: "cache\0",
    [`${cpus}/l2-cache@1/cache-unified`]: "",
    [`${cpus}/l2-cache@1/ibm,phandle`]: cells(77),
    [`${cpus}/l2-cache@1/d-cache-size`]: cells(262_144),
    [`${cpus}/l2-cache@1/i-cache-size`]: cells(262_144),
  };

  test("of each core, and what cores share", () => {
    const facts = factsOf(machine);
    assert.deepEqual(short(facts), [
      "L1 data 32768 of 0-1",
      "L1 instruction 65536 of 0-1",
      "L1 data 32768 of 2-3",
      "L1 instruction 65536 of 2-3",
      "L2 unified 262144 of 0-3",
    ]);
    assert.deepEqual(
      facts.caches.map(({ associativity }) => associativity),
      [8, -1, 8, -1, 0],
    );
    assert.deepEqual(facts.warnings, []);
  });

  test("sysfs goes before it", () => {
    const facts = factsOf({ ...machine, ...cacheFiles(0, 0, { ...L3, shared_cpu_map: "f" }) });
    assert.deepEqual(short(facts), ["L3 unified 33554432 of 0-3"]);
  });

  test("handles that lead round, properties cut short", () => {
    const facts = factsOf({
      ...machine,
      [`${cpus}/l2-cache@1/l2-cache`]: cells(77),
      [`${cpus}/PowerPC,POWER7@8/d-cache-size`]: Uint8Array.of(1, 2),
      [`${cpus}/PowerPC,POWER7@a/reg`]: "",
      [`${cpus}/PowerPC,POWER7@a/ibm,ppc-interrupt-server#s`]: "",
    });
    assert.ok(facts.caches.every(({ level, cpus: of }) => level <= 8 && of.toList() === "0-1"));
    assert.ok(facts.caches.length > 0);
  });
});
