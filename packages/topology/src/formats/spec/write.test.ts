import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { assemble } from "../../assemble/assemble.ts";
import { discover, discoverLive } from "../../discover.ts";
import type { Facts } from "../../model/facts.ts";
import type { Machine } from "../../model/machine.ts";
import type { Quantity } from "../../model/quantity.ts";
import { arbitraryMachine } from "../../testing/arbitrary-machine.ts";
import { everyKind, gpuPartitions, twoSockets } from "../../testing/machine-fixtures.ts";
import { readJson } from "../json/read.ts";
import { writeJson } from "../json/write.ts";
import { machineNames, readMachine } from "./machines.ts";
import { readShortSpec, readSpec } from "./read.ts";
import { specToYaml } from "./write.ts";

function again(text: string, like: Machine): Machine {
  const facts: Facts = readSpec(text, "written.yaml");
  return assemble(facts, like.input, facts.info.HmsName);
}

function isQuantity(value: object): value is Quantity {
  return "origin" in value && "value" in value;
}

/** What must come back: a number's origin comes back as its source. */
function essence(machine: Machine): unknown {
  const { targets, initiators, links, bridges, name } = machine;
  return JSON.parse(JSON.stringify({ name, targets, initiators, links, bridges }), (_, value: unknown) => {
    if (typeof value !== "object" || value === null || !isQuantity(value)) return value;
    const { origin, detail } = value;
    const source = origin === "spec" ? detail : detail === undefined ? origin : `${origin}: ${detail}`;
    return { value: value.value, source };
  });
}

function assertRoundTrip(machine: Machine): void {
  const text = specToYaml(machine);
  const read = again(text, machine);
  assert.deepEqual(essence(read), essence(machine), text);
  assert.equal(specToYaml(read), text);
}

describe("a machine written as a spec", () => {
  for (const name of machineNames()) {
    it(`comes back as it was: ${name}`, async () => assertRoundTrip(await readMachine(name)));
  }

  it("comes back as it was: this machine", () => assertRoundTrip(discoverLive()));

  it("comes back as it was: machines made by hand", () => {
    for (const machine of [twoSockets(), everyKind(), gpuPartitions(8, 8)]) assertRoundTrip(machine);
  });

  it("comes back as it was: machines at random", () => {
    // Where a machine states no link at all, the assembly makes those that every real machine has.
    const linked = arbitraryMachine.filter((machine) => machine.links.length > 0);
    fc.assert(fc.property(linked, assertRoundTrip), { numRuns: 500 });
  });

  it("is legible: what the nodes say needs no lists", () => {
    const facts = readShortSpec(
      "node:2{cpus=8,threads=2,dram=64GiB@205GB/s/95ns} gpu{memory=80GB@3.35TB/s,near=1}",
    );
    const text = specToYaml(assemble(facts, { kind: "spec", path: "x" }, "A small one"));
    assert.equal(
      text,
      `hms-spec: 1
name: A small one
implied-links: false
nodes:
  - index: 0
    kind: dram
    size: 64GiB
    cpus: 8
    threads: 2
    package: 0
  - index: 1
    kind: dram
    size: 64GiB
    cpus: 8
    threads: 2
    package: 1
devices:
  - id: gpu0
    type: gpu
    near: 1
targets:
  - { id: gpu0/memory, kind: gpu, size: 80GB, device: gpu0 }
links:
  - { id: link6, medium: memory, from: [ node0 ], to: [ node0 ], bandwidth: 205GB/s, latency: 95ns, coherent: true }
  - { id: link7, medium: memory, from: [ node1 ], to: [ node1 ], bandwidth: 205GB/s, latency: 95ns, coherent: true }
  - { id: link8, medium: memory, from: [ node0 ], to: [ node1 ], coherent: true }
  - { id: link9, medium: memory, from: [ node1 ], to: [ node0 ], coherent: true }
  - { id: link10, medium: memory, from: [ gpu0 ], to: [ gpu0/memory ], bandwidth: 3.35TB/s }
`,
    );
  });

  it("names a source once, however many numbers are from it", async () => {
    const text = specToYaml(await readMachine("snc4"));
    assert.equal(text.match(/Intel Memory Latency Checker/g)?.length, 1);
  });
});

const CAPTURES = new URL("../../../../../../shared/captures/", import.meta.url);

describe("real machines written as specs and as JSON", () => {
  const skip = existsSync(CAPTURES) ? false : "../shared/captures is not there";
  it("come back as they were", { skip }, async () => {
    let count = 0;
    for (const folder of ["linux/", "kfd/"]) {
      const there = new URL(folder, CAPTURES);
      for (const file of readdirSync(there).filter((name) => /\.tar\.(bz2|xz)$/.test(name))) {
        const machine = await discover(fileURLToPath(new URL(encodeURIComponent(file), there)));
        assertRoundTrip(machine);
        const json = writeJson(machine);
        assert.equal(writeJson(readJson(json)), json);
        count++;
      }
    }
    assert.ok(count > 30, `only ${count} captures`);
  });
});
