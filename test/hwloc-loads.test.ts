// hwloc itself loads the XML that hms writes, with its own checks on, and finds all of it.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { assemble } from "../packages/topology/src/assemble/assemble.ts";
import { discover } from "../packages/topology/src/discover.ts";
import { writeHwlocXml } from "../packages/topology/src/formats/hwloc-xml/write.ts";
import { HmsError } from "../packages/topology/src/model/error.ts";
import { differences, describe as inWords, summarise } from "../tools/compare-hwloc.ts";
import { machineFacts } from "./hwloc-arbitrary.ts";
import { hwlocInfo, installedHwloc, lstopo } from "./hwloc-run.ts";

const CAPTURES = join(import.meta.dirname, "../../shared/captures");
const ARCHIVES = join(CAPTURES, "linux");
const MACHINES = join(import.meta.dirname, "../packages/topology/machines");
const hwloc = installedHwloc();
const noCaptures = existsSync(ARCHIVES)
  ? hwloc.missing
  : "the captures of real machines (../shared/captures) are not here";
const folder = mkdtempSync(join(tmpdir(), "hms-hwloc-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** How many objects of each CPU and memory type a file has. */
function counts(xml: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, type = ""] of xml.matchAll(
    /<object type="(PU|Core|NUMANode|Package|Die|MemCache|L\d[i]?Cache)"/g,
  )) {
    found[type] = (found[type] ?? 0) + 1;
  }
  return found;
}

/** What hwloc says of PCI domains above ffff, which it ignores unless it was built with them. */
const DOMAINS = /hwloc\/xml: Ignoring .* non-16bit domain\.\nPass .*\n\(warning: .*\n/g;

/** hwloc's own words for a file, loaded with both of its XML parsers. */
function loaded(xml: string): string {
  const path = join(folder, "ours.xml");
  writeFileSync(path, xml);
  const input = ["--input", path, "--if", "xml"];
  const exported = lstopo([...input, "--of", "xml", "--whole-io", "--filter", "all:all"]);
  assert.equal(exported.complaints.replace(DOMAINS, ""), "", "hwloc complains");
  const minimal = lstopo([...input, "--of", "console"], { HWLOC_LIBXML: "0" });
  assert.equal(minimal.complaints.replace(DOMAINS, ""), "", "hwloc's own parser complains");
  assert.match(minimal.output, /^Machine/);
  return exported.output;
}

describe("hwloc loads what is written of real machines", { skip: noCaptures }, () => {
  const names = noCaptures === false ? readdirSync(ARCHIVES).filter((name) => name.endsWith(".tar.bz2")) : [];
  for (const name of names) {
    test(name, async () => {
      const ours = writeHwlocXml(await discover(join(ARCHIVES, name)));
      const theirs = loaded(ours);
      assert.deepEqual(counts(theirs), counts(ours));
      // Functions in domains that hwloc was built without, and what is below them.
      const lost = differences(summarise(ours), summarise(theirs)).filter(
        ({ item }) => !/^(PCI 1....:|OSDev vda)/.test(item),
      );
      assert.equal(lost.map(inWords).join("\n"), "", "what hwloc does not take as it is written");
      const expected = counts(
        readFileSync(join(CAPTURES, "expected", name.replace(/\.tar\.bz2$/, ".xml")), "utf8"),
      );
      assert.equal(counts(theirs).PU, expected.PU);
      assert.equal(counts(theirs).Core, expected.Core);
    });
  }

  test("hwloc-info counts the same", async () => {
    const path = join(folder, "info.xml");
    writeFileSync(path, writeHwlocXml(await discover(join(ARCHIVES, "fakeheteromemtiers.tar.bz2"))));
    const text = hwlocInfo(path);
    assert.match(text, /6 PU/);
    assert.match(text, /7 NUMANode/);
  });
});

describe("hwloc loads what is written of the machines that ship with hms", { skip: hwloc.missing }, () => {
  const specs = readdirSync(MACHINES).filter((name) => name.endsWith(".yaml"));
  for (const spec of specs) {
    test(spec, async () => {
      const machine = await discover(join(MACHINES, spec));
      const ours = writeHwlocXml(machine);
      const theirs = loaded(ours);
      assert.deepEqual(counts(theirs), counts(ours));
      assert.equal(differences(summarise(ours), summarise(theirs)).map(inWords).join("\n"), "");
      assert.equal(counts(theirs).NUMANode, machine.nodes.length);
      const values = (xml: string): number => xml.split("<memattr_value ").length;
      assert.equal(values(theirs), values(ours));
    });
  }
});

test("hwloc loads what is written of made-up machines", { skip: hwloc.missing }, () => {
  let written = 0;
  fc.assert(
    fc.property(machineFacts, (facts) => {
      let ours: string;
      try {
        ours = writeHwlocXml(assemble(facts, { kind: "capture", path: "made-up" }));
      } catch (error) {
        if (HmsError.is(error) && error.code === "NOT_EXPRESSIBLE") return;
        throw error;
      }
      written += 1;
      assert.equal(counts(loaded(ours)).PU, counts(ours).PU);
      assert.equal(counts(loaded(ours)).NUMANode, counts(ours).NUMANode);
    }),
    { numRuns: 25, endOnFailure: true },
  );
  assert.ok(written > 8, `only ${written} machines could be written`);
});
