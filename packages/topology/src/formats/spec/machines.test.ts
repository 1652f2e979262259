import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { NUMBERS } from "../../assemble/properties.ts";
import { HmsError } from "../../model/error.ts";
import { type By, best } from "../../query/best.ts";
import { writeHwlocXml } from "../hwloc-xml/write.ts";
import { machineNames, machinePath, readMachine } from "./machines.ts";
import { STATED_REASON } from "./words.ts";

describe("the machines that ship", () => {
  it("are the well-known ones, and more", () => {
    const names = machineNames();
    for (const name of ["two-socket-ddr", "xeon-max", "cxl-expander", "grace-hopper", "mi300a", "dgx-h100"]) {
      assert.ok(names.includes(name), name);
    }
  });

  for (const name of machineNames()) {
    it(`${name} has a source for each of its numbers`, async () => {
      const machine = await readMachine(name);
      assert.deepEqual(machine.warnings, []);
      assert.ok(machine.targets.length > 0 && machine.links.length > 0);
      for (const { properties, uid } of [...machine.links, ...machine.bridges]) {
        for (const [number] of NUMBERS) {
          const quantity = properties[number];
          if (quantity === null) continue;
          assert.equal(quantity.origin, "spec");
          assert.ok((quantity.detail ?? "").length > 10, `link ${uid}: ${number} ${quantity.value}`);
        }
      }
      for (const { id, size, kind } of machine.targets) {
        if (size !== null) assert.ok(kind.reason.startsWith(`${STATED_REASON}: `), `${id}: ${kind.reason}`);
      }
    });

    it(`${name} names no source in vain, and is short enough to read`, () => {
      const text = readFileSync(machinePath(name) ?? "", "utf8");
      const sources = [...text.matchAll(/^ {2}(\w+): .*$/gm)].map((match) => match[1] ?? "");
      const known = /^sources:\n((?: {2}.*\n)+)/m.exec(text)?.[1] ?? "";
      for (const source of sources.filter((one) => known.includes(`  ${one}: `))) {
        assert.match(text, new RegExp(`(from|source:) ${source}\\b`), `${source} is not used`);
      }
      assert.ok(text.split("\n").length < 100);
    });

    it(`${name} can be written as hwloc XML`, async () => {
      const xml = writeHwlocXml(await readMachine(name));
      assert.match(xml, /<object type="Package"/);
      assert.match(xml, /<object type="NUMANode"/);
    });
  }

  it("answer what they are for", async () => {
    const pick = async (name: string, from: string, by: By = "bandwidth"): Promise<string | undefined> =>
      best(await readMachine(name), [from], { by }).targets[0]?.target.id;
    assert.equal(await pick("xeon-max", "node0"), "node2");
    assert.equal(await pick("xeon-max", "node1"), "node3");
    assert.equal(await pick("grace-hopper", "gpu0"), "node1");
    assert.equal(await pick("grace-hopper", "node0"), "node0");
    assert.equal(await pick("mi300a", "gpu2"), "node2");
    assert.equal(await pick("dgx-h100", "gpu5"), "gpu5/memory");
    assert.equal(await pick("cxl-expander", "node0"), "node0");
    assert.equal(await pick("two-socket-ddr", "node1"), "node1");
    assert.equal(await pick("optane", "node0"), "node0");
    assert.equal(await pick("snc4", "node6", "latency"), "node6");
    assert.equal(await pick("mi300x", "gpu1"), "gpu1/memory");
  });

  it("are named with or without machine:, and nothing else is", async () => {
    assert.equal(machinePath("machine:xeon-max"), machinePath("xeon-max"));
    assert.equal((await readMachine("machine:optane")).name, "Two-socket Optane server");
    for (const name of [
      "",
      "xeon max",
      "../machines/xeon-max",
      "xeon-max.yaml",
      "machine:",
      "x".repeat(500),
    ]) {
      assert.equal(machinePath(name), undefined, name);
    }
    await assert.rejects(
      () => readMachine("xeon-mx"),
      (error) =>
        HmsError.is(error) &&
        error.code === "MACHINE_UNKNOWN" &&
        error.message.endsWith("did you mean xeon-max?"),
    );
  });
});
