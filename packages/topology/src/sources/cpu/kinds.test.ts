import assert from "node:assert/strict";
import { test } from "node:test";
import type { Facts } from "../../model/facts.ts";
import { cpuFiles, type Files, factsOf } from "../../testing/captures.ts";

/** Kinds as `CPUs @ efficiency` with their info. */
function kinds({ cpuKinds }: Facts): [string, Readonly<Record<string, string>>][] {
  return cpuKinds.map(({ cpus, efficiency, info }) => [`${cpus.toList()} @ ${efficiency}`, info]);
}

function each(count: number, files: (cpu: number) => Readonly<Record<string, string | number>>): Files {
  const all: Record<string, string> = {};
  for (let cpu = 0; cpu < count; cpu++)
    for (const [name, value] of Object.entries(files(cpu)))
      all[`sys/devices/system/cpu/cpu${cpu}/${name}`] = `${value}\n`;
  return { ...cpuFiles(count), ...all };
}

test("nothing is said of a machine that says nothing", () => {
  assert.deepEqual(kinds(factsOf(cpuFiles(4))), []);
});

test("cores of two capacities, the slower kind first", () => {
  const facts = factsOf(each(4, (cpu) => ({ cpu_capacity: cpu < 2 ? 1024 : 381 })));
  assert.deepEqual(kinds(facts), [
    ["2-3 @ 0", { LinuxCapacity: "381" }],
    ["0-1 @ 1", { LinuxCapacity: "1024" }],
  ]);
});

test("performance and efficiency cores of a hybrid processor", () => {
  const facts = factsOf({
    ...each(6, (cpu) => ({
      "cpufreq/cpuinfo_max_freq": cpu < 2 ? 5_100_000 : 3_800_000,
      "cpufreq/base_frequency": cpu < 2 ? 2_500_000 : 1_800_000,
    })),
    "sys/devices/cpu_core/cpus": "0-1\n",
    "sys/devices/cpu_atom/cpus": "2-5\n",
  });
  assert.deepEqual(kinds(facts), [
    ["2-5 @ 0", { CoreType: "IntelAtom", FrequencyMaxMHz: "3800", FrequencyBaseMHz: "1800" }],
    ["0-1 @ 1", { CoreType: "IntelCore", FrequencyMaxMHz: "5100", FrequencyBaseMHz: "2500" }],
  ]);
});

test("favoured cores that turbo a little higher are of the same kind", () => {
  const facts = factsOf(
    each(4, (cpu) => ({ "cpufreq/cpuinfo_max_freq": cpu === 2 ? 5_300_000 : 5_000_000 })),
  );
  assert.deepEqual(kinds(facts), [["0-3 @ null", { FrequencyMaxMHz: "5300" }]]);
});

test("kinds of one capacity have one rank", () => {
  const facts = factsOf(
    each(3, (cpu) => ({
      cpu_capacity: cpu === 2 ? 1024 : 234,
      "cpufreq/base_frequency": cpu === 0 ? 1_200_000 : 2_500_000,
    })),
  );
  assert.deepEqual(
    kinds(facts).map(([kind]) => kind),
    ["0 @ 0", "1 @ 0", "2 @ 1"],
  );
});

test("garbage is unknown, and named", () => {
  const facts = factsOf(each(1, () => ({ cpu_capacity: "lots", "cpufreq/cpuinfo_max_freq": -1 })));
  assert.deepEqual(kinds(facts), []);
  assert.equal(facts.warnings.length, 2);
});
