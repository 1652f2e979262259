import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import fc from "fast-check";
import { assemble } from "../packages/topology/src/assemble/assemble.ts";
import { discover } from "../packages/topology/src/discover.ts";
import { readHwlocXml } from "../packages/topology/src/formats/hwloc-xml/read.ts";
import { writeHwlocXml } from "../packages/topology/src/formats/hwloc-xml/write.ts";
import { HmsError } from "../packages/topology/src/model/error.ts";
import type { FactsDraft } from "../packages/topology/src/model/facts-draft.ts";
import { IndexSet } from "../packages/topology/src/model/index-set.ts";
import type { Machine } from "../packages/topology/src/model/machine.ts";
import { machineFacts } from "./hwloc-arbitrary.ts";

/** What XML 1.0 can hold of a text. */
const held = (value: string): string =>
  [...value]
    .filter((c) => {
      const code = c.codePointAt(0) ?? 0;
      const control = code < 0x20 && !"\t\n\r".includes(c);
      return !control && !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
    })
    .join("");

/** Objects with their keys in order and an ordinary prototype. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
}

/** What hwloc XML can hold of facts, in one form: what offline and disallowed CPUs and nodes are like is not in it. */
function holdable(facts: FactsDraft): unknown {
  const usable = IndexSet.of(facts.processors.filter((p) => p.online && p.allowed).map((p) => p.index));
  const online = IndexSet.of(facts.processors.filter((p) => p.online).map((p) => p.index));
  const nodeList = facts.nodes.filter((n) => n.online && n.allowed);
  const known = new Set(nodeList.map((n) => n.index));
  const inUse = (cpus: IndexSet): string => cpus.and(usable).toList();
  const place = (cpus: IndexSet): string => inUse(cpus.and(online).isEmpty ? usable : cpus);
  const info = (from: Readonly<Record<string, string>>): unknown =>
    Object.fromEntries(Object.entries(from).map(([name, value]) => [name, held(value)]));
  // A group with the same online CPUs as something else is no object of its own.
  const bringsSomething = (cpus: IndexSet): boolean => {
    const own = cpus.and(online);
    const others = facts.groups.filter((g) => g.type !== "book").map((g) => g.cpus.and(online));
    return ![...others, online].some((set) => set.equals(own));
  };
  const sorted = (list: unknown[]): string[] => list.map((item) => JSON.stringify(plain(item))).sort();
  return plain({
    info: info(facts.info),
    cpus: usable.toList(),
    allCpus: IndexSet.of(facts.processors.map((p) => p.index)).toList(),
    groups: sorted(
      facts.groups
        .filter((g) => g.cpus.intersects(usable) && (g.type !== "book" || bringsSomething(g.cpus)))
        .map((g) => [g.type, g.index, g.cpus.toList(), info(g.info)]),
    ),
    caches: sorted(
      facts.caches.filter((c) => c.cpus.intersects(usable)).map((c) => ({ ...c, cpus: c.cpus.toList() })),
    ),
    nodes: nodeList.map((n) => ({
      ...n,
      cpus: n.cpus.toList(),
      nearCpus: n.nearCpus.toList(),
      kind: n.kind.kind,
      info: info(n.info),
    })),
    allNodes: facts.nodes.map((n) => n.index),
    distances: facts.distances
      .filter((d) => d.nodes.filter((n) => known.has(n)).length > 1)
      .map((d) =>
        d.nodes.flatMap((from, i) =>
          d.nodes.flatMap((to, j) =>
            known.has(from) && known.has(to) ? [[from, to, d.values[i * d.nodes.length + j]]] : [],
          ),
        ),
      ),
    pci: sorted(facts.pci.map((p) => ({ ...p, numaNode: null, localCpus: place(p.localCpus) }))),
    devices: sorted(
      facts.devices.map((d) => ({
        ...d,
        kernelClass: null,
        numaNode: null,
        localCpus: d.pciAddress === null ? place(d.localCpus) : "",
        info: info(d.info),
      })),
    ),
    cpuKinds: facts.cpuKinds
      .filter((k) => k.cpus.intersects(usable))
      .map((k) => ({ cpus: inUse(k.cpus), efficiency: k.efficiency, info: info(k.info) })),
  });
}

/** The same machine with everything online and allowed. */
function allUsable(facts: FactsDraft): FactsDraft {
  return {
    ...facts,
    processors: facts.processors.map((p) => ({ ...p, online: true, allowed: true })),
    nodes: facts.nodes.map((n) => ({ ...n, allowed: true })),
  };
}

/** Which node a CPU belongs to, and so who reaches what, cannot be told where some of it is offline or disallowed. */
function withoutOwners(facts: FactsDraft): FactsDraft {
  const nodes = facts.nodes.map((n) => ({ ...n, cpus: IndexSet.EMPTY }));
  return { ...facts, nodes, reaches: [] };
}

function write(facts: FactsDraft): string | null {
  try {
    return writeHwlocXml(assemble(facts, { kind: "capture", path: "made-up" }));
  } catch (error) {
    // Without a usable CPU or node there is nothing that hwloc could describe.
    if (HmsError.is(error) && error.code === "NOT_EXPRESSIBLE") return null;
    throw error;
  }
}

test("what is written is read back, as far as XML can hold it", () => {
  fc.assert(
    fc.property(machineFacts, (some) => {
      const facts = allUsable(some);
      const xml = write(facts) ?? "";
      const again = readHwlocXml(xml);
      assert.deepEqual(again.warnings, []);
      assert.deepEqual(holdable(again), holdable(facts));
      // Reading and writing once more changes nothing: so the numbers of links are kept too.
      assert.equal(write(again), xml);
    }),
    { numRuns: 60 },
  );
});

test("so is a machine of which some CPUs and nodes are offline or disallowed", () => {
  let written = 0;
  fc.assert(
    fc.property(machineFacts, (some) => {
      const facts = withoutOwners(some);
      const xml = write(facts);
      if (xml === null) return;
      written += 1;
      const again = withoutOwners(readHwlocXml(xml));
      assert.deepEqual(again.warnings, []);
      assert.deepEqual(holdable(again), holdable(facts));
    }),
    { numRuns: 60 },
  );
  assert.ok(written > 30, `only ${written} machines could be written`);
});

test("memory of unknown kind stays so when it is the first that is near some CPUs", () => {
  const machine = readHwlocXml(
    `<?xml version="1.0"?><topology version="2.0"><object type="Machine" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="1">
      <object type="NUMANode" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" gp_index="2" subtype="Crystals"/>
      <object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" gp_index="3"/><object type="PU" os_index="1" cpuset="0x2" complete_cpuset="0x2" gp_index="4"/>
    </object></topology>`,
  );
  assert.equal(machine.nodes[0]?.kind.kind, "unknown");
  const again = readHwlocXml(write(machine) ?? "");
  assert.deepEqual(again.warnings, []);
  assert.equal(again.nodes[0]?.kind.kind, "unknown");
  assert.deepEqual(holdable(again), holdable(machine));
});

/** hwloc's link speed is speed and width in one number: kept for devices (as what they are attached by), not for bridges. */
function withoutBridgeSpeeds(xml: string): string {
  return xml.replace(/(<object type="Bridge" .*) pci_link_speed="[^"]*"/g, "$1");
}

/** Of disallowed CPUs hwloc XML does not say which node they are in. */
function initiatorsOf(machine: Machine): string[] {
  const allowed = new Set(machine.processors.filter((p) => p.online && p.allowed).map((p) => p.index));
  return machine.initiators
    .filter((i) => i.class !== "cpu" || [...i.cpus].some((cpu) => allowed.has(cpu)))
    .map((i) => `${i.id} ${i.class}`)
    .sort();
}

/** Nor how large a disallowed node is, nor which block devices of persistent memory can be mapped. */
function targetsOf(machine: Machine): string[] {
  const disallowed = new Set(machine.nodes.filter((n) => !n.allowed).map((n) => n.index));
  return machine.targets
    .filter((t) => !disallowed.has(t.numaNode ?? -1) && !t.id.startsWith("pmem"))
    .map((t) => `${t.id} ${t.kind.kind} ${t.size}`)
    .sort();
}

test("numbers between devices and nodes are kept: what a described MI300A's GPUs get of each memory", async () => {
  const machine = await discover("mi300a");
  const xml = writeHwlocXml(machine);
  const again = assemble(readHwlocXml(xml), { kind: "hwloc-xml", path: "mi300a.xml" });
  assert.deepEqual(again.warnings, []);
  assert.equal(writeHwlocXml(again), xml);
  assert.deepEqual(initiatorsOf(again), initiatorsOf(machine));
  const own = (of: Machine): unknown => {
    const gpu = of.initiators.find(({ id }) => id === "gpu0");
    const links = of.links.filter(({ uid, targets }) => gpu?.links.includes(uid) && targets.length === 1);
    return links
      .map(({ properties }) => properties.readBandwidth?.value ?? null)
      .filter((value) => value !== null);
  };
  assert.deepEqual(own(again), own(machine));
  assert.notDeepEqual(own(machine), []);
});

const ARCHIVES = join(import.meta.dirname, "../../shared/captures/linux");
const noCaptures = existsSync(ARCHIVES)
  ? false
  : "the captures of real machines (../shared/captures) are not here";

describe("real machines are read back as far as XML can hold them", { skip: noCaptures }, () => {
  const names = noCaptures === false ? readdirSync(ARCHIVES).filter((name) => name.endsWith(".tar.bz2")) : [];
  for (const name of names) {
    test(name, async () => {
      const machine = await discover(join(ARCHIVES, name));
      const xml = writeHwlocXml(machine);
      const again = assemble(readHwlocXml(xml), { kind: "hwloc-xml", path: name });
      assert.deepEqual(again.warnings, []);
      assert.equal(withoutBridgeSpeeds(writeHwlocXml(again)), withoutBridgeSpeeds(xml));
      assert.deepEqual(initiatorsOf(again), initiatorsOf(machine));
      assert.deepEqual(targetsOf(again), targetsOf(machine));
    });
  }
});
