import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Facts } from "../../model/facts.ts";
import { cpuFiles, type Files, factsOf } from "../../testing/captures.ts";

const CPU = "sys/devices/system/cpu";

/** Groups of a type as `index: CPUs`. */
function groups(facts: Facts, type: Facts["groups"][number]["type"]): string[] {
  return facts.groups
    .filter((group) => group.type === type)
    .map(({ index, cpus }) => `${index}: ${cpus.toList()}`);
}

/** `cpuN/topology` of each CPU, from a function of its number. */
function topology(count: number, files: (cpu: number) => Readonly<Record<string, string | number>>): Files {
  const all: Record<string, string> = {};
  for (let cpu = 0; cpu < count; cpu++)
    for (const [name, value] of Object.entries(files(cpu)))
      all[`${CPU}/cpu${cpu}/topology/${name}`] = `${value}\n`;
  return all;
}

describe("what CPUs belong to", () => {
  test("packages and cores, by the names of new kernels", () => {
    const facts = factsOf(cpuFiles(8, { threads: 2, perPackage: 4 }));
    assert.deepEqual(groups(facts, "package"), ["0: 0-3", "1: 4-7"]);
    assert.deepEqual(groups(facts, "core"), ["0: 0-1", "1: 2-3", "2: 4-5", "3: 6-7"]);
    assert.deepEqual(facts.warnings, []);
  });

  test("by the names of old kernels, and by lists where there are no masks", () => {
    const old = topology(4, (cpu) => ({
      core_siblings: cpu < 2 ? "00000000,00000003" : "00000000,0000000c",
      physical_package_id: cpu < 2 ? 6147 : 6144,
      thread_siblings_list: cpu,
      core_id: cpu % 2,
    }));
    const facts = factsOf(old);
    assert.deepEqual(groups(facts, "package"), ["6147: 0-1", "6144: 2-3"]);
    assert.deepEqual(groups(facts, "core"), ["0: 0", "1: 1", "0: 2", "1: 3"]);
  });

  test("a number of −1 is none", () => {
    const facts = factsOf(topology(2, () => ({ core_siblings: "3", physical_package_id: -1 })));
    assert.deepEqual(groups(facts, "package"), ["null: 0-1"]);
    assert.deepEqual(facts.warnings, []);
  });

  test("dies and clusters where they divide something, books and drawers", () => {
    const facts = factsOf(
      topology(8, (cpu) => ({
        drawer_siblings: "ff",
        drawer_id: 4,
        book_siblings: cpu < 4 ? "0f" : "f0",
        book_id: cpu < 4 ? 0 : 1,
        package_cpus: "ff",
        physical_package_id: 0,
        die_cpus: cpu < 6 ? "3f" : "c0",
        die_id: cpu < 6 ? 0 : 1,
        cluster_cpus: (3 << (cpu & ~1)).toString(16),
        cluster_id: cpu >> 1,
        core_cpus: (1 << cpu).toString(16),
        core_id: cpu,
      })),
    );
    assert.deepEqual(groups(facts, "drawer"), ["4: 0-7"]);
    assert.deepEqual(groups(facts, "book"), ["0: 0-3", "1: 4-7"]);
    assert.deepEqual(groups(facts, "cluster"), ["0: 0-1", "1: 2-3", "2: 4-5"]);
    assert.deepEqual(groups(facts, "die"), ["0: 0-5", "1: 6-7"]);
  });

  test("a die for each package and a cluster for each core say nothing", () => {
    const facts = factsOf({
      ...cpuFiles(4, { threads: 2, perPackage: 2 }),
      ...topology(4, (cpu) => {
        const mask = (3 << (cpu & ~1)).toString(16);
        return { die_cpus: mask, die_id: cpu >> 1, cluster_cpus: mask, cluster_id: 65_535 };
      }),
    });
    assert.deepEqual([groups(facts, "die"), groups(facts, "cluster")], [[], []]);
  });

  test("two cores that share a module are two cores", () => {
    const facts = factsOf(
      topology(4, (cpu) => ({ thread_siblings: cpu < 2 ? "3" : "c", core_id: cpu, core_siblings: "f" })),
    );
    assert.deepEqual(groups(facts, "core"), ["0: 0", "1: 1", "2: 2", "3: 3"]);
  });

  test("without the masks, by number: cores within their package", () => {
    const facts = factsOf(topology(4, (cpu) => ({ physical_package_id: cpu >> 1, core_id: cpu & 1 })));
    assert.deepEqual(groups(facts, "package"), ["0: 0-1", "1: 2-3"]);
    assert.deepEqual(groups(facts, "core"), ["0: 0", "1: 1", "0: 2", "1: 3"]);
  });

  test("by /proc/cpuinfo alone", () => {
    const cpuinfo = [0, 1, 2, 3]
      .map(
        (cpu) =>
          `processor\t: ${cpu}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nphysical id\t: ${cpu >> 1}\ncore id\t\t: 0\n`,
      )
      .join("\n");
    const facts = factsOf({ "proc/cpuinfo": `${cpuinfo}\n` });
    assert.deepEqual(groups(facts, "package"), ["0: 0-1", "1: 2-3"]);
    assert.deepEqual(groups(facts, "core"), ["0: 0-1", "0: 2-3"]);
    assert.equal(facts.groups[0]?.info.CPUVendor, "GenuineIntel");
  });

  test("CPUs that are offline are in nothing", () => {
    const facts = factsOf({ ...cpuFiles(4), [`${CPU}/online`]: "0-2\n" });
    assert.deepEqual(groups(facts, "package"), ["0: 0-2"]);
    assert.deepEqual(groups(facts, "core"), ["0: 0", "1: 1", "2: 2"]);
  });
});

describe("files that are wrong", () => {
  test("one CPU's mask is garbage: another's of the same package will do", () => {
    const facts = factsOf({ ...cpuFiles(4), [`${CPU}/cpu0/topology/package_cpus`]: "garbage\n" });
    assert.deepEqual(groups(facts, "package"), ["0: 0-3"]);
    assert.deepEqual(
      facts.warnings.map(({ path }) => path),
      [`${CPU}/cpu0/topology/package_cpus`],
    );
  });

  test("CPUs of which nothing is known do not hide what is known of the others", () => {
    const files = Object.entries(cpuFiles(6, { perPackage: 3 })).filter(
      ([path]) => !/cpu[015]\/topology/.test(path),
    );
    const directories = [0, 1, 5].map((cpu) => [`${CPU}/cpu${cpu}/uevent`, ""] as const);
    const facts = factsOf(Object.fromEntries([...files, ...directories]));
    assert.deepEqual(groups(facts, "package"), ["0: 0-2", "1: 3-5"]);
    assert.deepEqual(groups(facts, "core"), ["2: 2", "3: 3", "4: 4"]);
  });

  test("a mask without the CPU whose it is is not used", () => {
    const facts = factsOf({ ...cpuFiles(2), [`${CPU}/cpu1/topology/core_cpus`]: "1\n" });
    assert.deepEqual(groups(facts, "core"), ["0: 0", "1: 1"]);
    assert.match(facts.warnings[0]?.message ?? "", /not CPU 1 itself/);
  });

  test("a mask of every CPU that there could be is of those that there are", () => {
    const facts = factsOf({
      ...cpuFiles(2),
      [`${CPU}/cpu0/topology/package_cpus`]: `${"ffffffff,".repeat(2047)}ffffffff\n`,
    });
    assert.deepEqual(groups(facts, "package"), ["0: 0-1"]);
  });
});
