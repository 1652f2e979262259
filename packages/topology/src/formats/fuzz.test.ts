import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assemble } from "../assemble/assemble.ts";
import { HmsError } from "../model/error.ts";
import type { Machine } from "../model/machine.ts";
import { mutate, randomOf } from "../testing/mutate.ts";
import { readJson } from "./json/read.ts";
import { writeJson } from "./json/write.ts";
import { machineNames, machinePath, readMachine } from "./spec/machines.ts";
import { readShortSpec, readSpec } from "./spec/read.ts";
import { specToYaml } from "./spec/write.ts";

/** Seed of all variants: HMS_FUZZ_SEED, or a fixed one. */
const SEED = Number(process.env.HMS_FUZZ_SEED ?? 20_250_801);
/** Times as many variants as usual: HMS_FUZZ_TIMES. */
const TIMES = Number(process.env.HMS_FUZZ_TIMES ?? 1);
/** No variant may take longer. */
const MILLISECONDS_MAX = 15_000;

/** What could be read can be written in every format of ours, and read again. */
function assertWritable(machine: Machine): void {
  const json = writeJson(machine);
  assert.equal(writeJson(readJson(json)), json);
  const yaml = specToYaml(machine);
  assert.equal(specToYaml(assemble(readSpec(yaml, "written"), machine.input, machine.name)), yaml);
}

/** Reads variants of texts; whatever is wrong with them may end in an HmsError only. */
function fuzz(texts: readonly string[], variants: number, read: (text: string) => Machine): void {
  const random = randomOf(SEED);
  const counts = { read: 0, refused: 0 };
  for (let i = 0; i < variants * TIMES; i++) {
    const text = mutate(texts[i % texts.length] ?? "", random);
    const started = performance.now();
    try {
      const machine = read(text);
      counts.read++;
      if (counts.read % 20 === 0) assertWritable(machine);
    } catch (error) {
      const where = `seed ${SEED}, variant ${i}:\n${text.slice(0, 4000)}`;
      if (!HmsError.is(error))
        throw new Error(`not an HmsError: ${String(error)} (${where})`, { cause: error });
      assert.match(error.message, /^Read (spec|JSON) [^\n]{1,900}[.?]$/, where);
      counts.refused++;
    }
    const took = performance.now() - started;
    assert.ok(took < MILLISECONDS_MAX, `variant ${i} of seed ${SEED} took ${took} ms`);
  }
  // Variants that are all refused, or all fine, would test little.
  assert.ok(counts.read > variants / 50 && counts.refused > variants / 50, JSON.stringify(counts));
}

const SHORT = [
  "node:2{cpus=56,threads=2,dram=256GiB@205GB/s/95ns@80GB/s/140ns/d21,hbm=64GiB@410GB/s/110ns}",
  "node:2{cpus=8,dram=64GiB} gpu:8{memory=80GB@3.35TB/s,near=<i/4>,pcie=gen5x16,peers=nvlink@450GB/s}",
  "node{cpus=72,dram=480GB@486GB/s};nic:2{near=0,via=pcie@400Gb/s/1us} accelerator{to=node0@5GB/s,cpu=cxl@1GB/s}",
];

describe("texts broken at random", () => {
  it("of specs end in a machine or one clear error", () => {
    const texts = machineNames().map((name) => readFileSync(machinePath(name) ?? "", "utf8"));
    fuzz(texts, 1500, (text) =>
      assemble(readSpec(text, "broken.yaml"), { kind: "spec", path: "broken.yaml" }),
    );
  });

  it("of short specs end in a machine or one clear error", () => {
    fuzz(SHORT, 6000, (text) => assemble(readShortSpec(text), { kind: "spec", path: text }));
  });

  it("of JSON end in a machine or one clear error", async () => {
    const machines = await Promise.all(
      ["grace-hopper", "dgx-h100", "optane"].map((name) => readMachine(name)),
    );
    fuzz(machines.map(writeJson), 1500, (text) => readJson(text, "broken.json"));
  });
});
