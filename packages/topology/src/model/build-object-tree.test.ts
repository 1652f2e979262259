import assert from "node:assert/strict";
import { test } from "node:test";
import { buildObjectTree } from "./build-object-tree.ts";
import { CACHE_DEPTH_MAX, CPU_DEPTH_MAX } from "./cpu-tree.ts";
import type { CpuCache, CpuGroup, NumaNode, OsDevice, PciDevice } from "./facts.ts";
import { emptyFacts, type FactsDraft } from "./facts-draft.ts";
import { IndexSet } from "./index-set.ts";
import type { ObjectTree, TreeObject } from "./object-tree.ts";

const cpus = (list: string): IndexSet => IndexSet.parseList(list);

function facts(count: number, given: Partial<FactsDraft> = {}): FactsDraft {
  const processors = Array.from({ length: count }, (_, index) => ({ index, online: true, allowed: true }));
  return { ...emptyFacts(), processors, ...given };
}

function group(type: CpuGroup["type"], index: number | null, list: string): CpuGroup {
  return { type, index, cpus: cpus(list), info: {} };
}

function cache(level: number, type: CpuCache["type"], list: string): CpuCache {
  return {
    level,
    type,
    size: 1,
    lineSize: 64,
    associativity: 8,
    index: null,
    cpus: cpus(list),
    inclusive: null,
  };
}

function node(index: number, near: string, given: Partial<NumaNode> = {}): NumaNode {
  return {
    index,
    online: true,
    allowed: true,
    cpus: cpus(near),
    nearCpus: cpus(near),
    size: 1,
    free: null,
    kind: { kind: "unknown", reason: "made up" },
    pageSizes: [],
    sideCaches: [],
    access: [],
    tier: null,
    genericInitiator: false,
    info: {},
    ...given,
  };
}

function pci(address: string, parent: string | null, given: Partial<PciDevice> = {}): PciDevice {
  return {
    address,
    classCode: 0x0200,
    vendor: 0,
    device: 0,
    subVendor: 0,
    subDevice: 0,
    revision: 0,
    label: null,
    slot: null,
    driver: null,
    parent,
    bridge: null,
    link: null,
    numaNode: null,
    localCpus: IndexSet.EMPTY,
    iommuGroup: null,
    ...given,
  };
}

const BRIDGE = { bridge: { secondaryBus: 1, subordinateBus: 1 } };

function device(name: string, given: Partial<OsDevice> = {}): OsDevice {
  return {
    name,
    kernelClass: null,
    type: "network",
    subtype: null,
    pciAddress: null,
    numaNode: null,
    localCpus: IndexSet.EMPTY,
    info: {},
    ...given,
  };
}

/** The tree as lines: what is inside is indented, memory marked with @, devices with #. */
function outline(tree: ObjectTree): string[] {
  const lines: string[] = [];
  const visit = (object: TreeObject, mark: string, depth: number): void => {
    const name =
      object.type === "cache"
        ? `L${object.cache.level}${object.cache.type[0]}`
        : object.type === "os-device"
          ? object.device.name
          : object.type === "pci-bridge" || object.type === "pci-device"
            ? object.pci.address
            : "osIndex" in object && object.osIndex !== null
              ? `${object.type} ${object.osIndex}`
              : object.type;
    const set = "cpuset" in object ? ` [${object.cpuset.toList()}]` : "";
    lines.push(`${"  ".repeat(depth)}${mark}${name}${set}`);
    if ("memoryChildren" in object) for (const o of object.memoryChildren) visit(o, "@", depth + 1);
    if ("children" in object) for (const o of object.children) visit(o, "", depth + 1);
    if ("ioChildren" in object) for (const o of object.ioChildren) visit(o, "#", depth + 1);
  };
  visit(tree.root, "", 0);
  return lines;
}

test("objects with the same CPUs are nested in hwloc's order, whatever the order of the facts", () => {
  const tree = buildObjectTree(
    facts(1, {
      caches: [
        cache(1, "instruction", "0"),
        cache(1, "data", "0"),
        cache(3, "unified", "0"),
        cache(2, "unified", "0"),
      ],
      groups: [group("core", 0, "0"), group("die", 0, "0"), group("package", 0, "0")],
    }),
  );
  assert.deepEqual(
    outline(tree).map((line) => line.trim()),
    [
      "machine [0]",
      "package 0 [0]",
      "die 0 [0]",
      "L3u [0]",
      "L2u [0]",
      "L1d [0]",
      "L1i [0]",
      "core 0 [0]",
      "pu 0 [0]",
    ],
  );
});

test("memory hangs at the outermost object with its CPUs, a group is made where there is none", () => {
  const tree = buildObjectTree(
    facts(8, {
      groups: [
        group("package", 0, "0-3"),
        group("package", 1, "4-7"),
        group("core", 0, "0"),
        group("core", 1, "1"),
      ],
      caches: [cache(3, "unified", "0-3")],
      nodes: [
        node(0, "0-3"),
        node(1, "4-7"),
        node(2, "0-1", { cpus: IndexSet.EMPTY }),
        node(3, "0-7", { cpus: IndexSet.EMPTY }),
        node(4, "", {}),
      ],
    }),
  );
  assert.deepEqual(outline(tree), [
    "machine [0-7]",
    "  @numa-node 3 [0-7]",
    "  @numa-node 4 []",
    "  package 0 [0-3]",
    "    @numa-node 0 [0-3]",
    "    L3u [0-3]",
    "      group [0-1]",
    "        @numa-node 2 [0-1]",
    "        core 0 [0]",
    "          pu 0 [0]",
    "        core 1 [1]",
    "          pu 1 [1]",
    "      pu 2 [2]",
    "      pu 3 [3]",
    "  package 1 [4-7]",
    "    @numa-node 1 [4-7]",
    ...[4, 5, 6, 7].map((pu) => `    pu ${pu} [${pu}]`),
  ]);
  assert.deepEqual(tree.leftOut, []);
  const [first] = tree.root.children;
  assert.equal(first?.nodeset.toList(), "0,2-3");
});

test("all memory is in the only package, devices are at the machine", () => {
  const tree = buildObjectTree(
    facts(2, {
      groups: [group("package", 0, "0-1")],
      nodes: [node(0, "0-1")],
      devices: [device("lo", { localCpus: cpus("0-1") })],
    }),
  );
  assert.deepEqual(outline(tree), [
    "machine [0-1]",
    "  package 0 [0-1]",
    "    @numa-node 0 [0-1]",
    "    pu 0 [0]",
    "    pu 1 [1]",
    "  #lo",
  ]);
});

test("a node near one CPU alone hangs at a group around the PU, not at the PU", () => {
  const tree = buildObjectTree(facts(2, { nodes: [node(0, "0"), node(1, "1")] }));
  assert.deepEqual(outline(tree), [
    "machine [0-1]",
    "  group [0]",
    "    @numa-node 0 [0]",
    "    pu 0 [0]",
    "  group [1]",
    "    @numa-node 1 [1]",
    "    pu 1 [1]",
  ]);
});

test("memory-side caches are above their node, the last level outermost", () => {
  const sideCache = (level: number): NumaNode["sideCaches"][number] => ({
    level,
    size: level,
    lineSize: 64,
    associativity: "direct",
    writePolicy: "unknown",
    addressMode: "unknown",
  });
  const tree = buildObjectTree(
    facts(1, { nodes: [node(0, "0", { sideCaches: [sideCache(1), sideCache(2)] })] }),
  );
  const outer = tree.root.memoryChildren[0];
  assert.ok(outer?.type === "memory-cache" && outer.cache.level === 2);
  const inner = outer.memoryChildren[0];
  assert.ok(inner.type === "memory-cache" && inner.cache.level === 1);
  assert.equal(inner.memoryChildren[0].type, "numa-node");
});

test("offline and disallowed CPUs have no object but stay in the complete sets; memory keeps its place without them", () => {
  const tree = buildObjectTree({
    ...facts(0, {
      groups: [group("package", 0, "0-1"), group("package", 1, "2-3")],
      nodes: [node(0, "0-1"), node(1, "2-3"), node(2, "0-1", { allowed: false })],
    }),
    processors: [
      { index: 0, online: true, allowed: true },
      { index: 1, online: false, allowed: true },
      { index: 2, online: true, allowed: false },
      { index: 3, online: true, allowed: false },
    ],
  });
  assert.deepEqual(outline(tree), [
    "machine [0]",
    "  package 0 [0]",
    "    @numa-node 0 [0]",
    "    pu 0 [0]",
    "  package 1 []",
    "    @numa-node 1 []",
  ]);
  assert.equal(tree.root.completeCpuset.toList(), "0-3");
  assert.equal(tree.root.nodeset.toList(), "0-1");
  assert.equal(tree.root.completeNodeset.toList(), "0-2");
  assert.equal(tree.root.children[0]?.completeCpuset.toList(), "0-1");
});

test("what crosses another object, is stated twice or too deep is left out and named", () => {
  const deep = Array.from({ length: 100 }, (_, level) => cache(level + 1, "unified", "0-3"));
  const tree = buildObjectTree(
    facts(4, {
      groups: [group("package", 0, "0-1"), group("package", 0, "0-1"), group("die", 7, "1-2")],
      caches: deep,
    }),
  );
  assert.ok(tree.leftOut.some((sentence) => /die 7 \(CPUs 1-2\) crosses package 0/.test(sentence)));
  assert.ok(tree.leftOut.some((sentence) => /package 0 .* is stated twice/.test(sentence)));
  assert.ok(tree.leftOut.some((sentence) => sentence.includes(`${CACHE_DEPTH_MAX} objects deep`)));
  assert.equal(JSON.stringify(tree).match(/"type":"pu"/g)?.length, 4);
});

test("a thousand nodes near ever more CPUs neither overflow nor nest without end", () => {
  const nodes = Array.from({ length: 1000 }, (_, i) => node(i, `0-${i}`));
  const tree = buildObjectTree(facts(1001, { nodes }));
  const depth = (object: TreeObject): number =>
    1 + ("children" in object ? Math.max(0, ...object.children.map(depth)) : 0);
  assert.ok(depth(tree.root) <= CPU_DEPTH_MAX + 2, `${depth(tree.root)} deep`);
  assert.equal(JSON.stringify(tree).match(/"numa-node"/g)?.length, 1000);
});

test("groups of devices are made where no object has their CPUs; PCI functions are below their bridges", () => {
  const local = { localCpus: cpus("0-1"), numaNode: 0 };
  const tree = buildObjectTree(
    facts(4, {
      nodes: [node(0, "0-3")],
      pci: [
        pci("0000:0a:00.0", "0000:00:1c.0", local),
        pci("0000:00:1c.0", null, { ...BRIDGE, bridge: { secondaryBus: 10, subordinateBus: 11 }, ...local }),
        pci("0000:00:02.0", null, local),
        pci("0000:80:00.0", null),
      ],
      devices: [
        device("eth0", { pciAddress: "0000:0a:00.0" }),
        device("zram0"),
        device("lost", { pciAddress: "x" }),
      ],
    }),
  );
  assert.deepEqual(outline(tree), [
    "machine [0-3]",
    "  @numa-node 0 [0-3]",
    "  group [0-1]",
    "    pu 0 [0]",
    "    pu 1 [1]",
    "    #host-bridge",
    "      #0000:00:02.0",
    "      #0000:00:1c.0",
    "        #0000:0a:00.0",
    "          #eth0",
    "  pu 2 [2]",
    "  pu 3 [3]",
    "  #host-bridge",
    "    #0000:80:00.0",
    "  #lost",
    "  #zram0",
  ]);
  const bridge = tree.root.children[0]?.ioChildren[0];
  assert.ok(bridge?.type === "host-bridge");
  assert.deepEqual([bridge.domain, bridge.secondaryBus, bridge.subordinateBus], [0, 0, 11]);
});

test("bridges that loop or nest too deep still show every function once", () => {
  const loop = [
    pci("0000:00:01.0", "0000:00:02.0", BRIDGE),
    pci("0000:00:02.0", "0000:00:01.0", BRIDGE),
    pci("0000:00:03.0", "0000:00:03.0", BRIDGE),
    pci("0000:01:00.0", "0000:00:01.0"),
    pci("not an address", null),
  ];
  const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");
  const address = (n: number): string => `${hex(n >> 8, 4)}:${hex(n & 0xff, 2)}:1f.0`;
  const chain = Array.from({ length: 2000 }, (_, n) =>
    pci(address(n), n === 0 ? null : address(n - 1), BRIDGE),
  );
  const tree = buildObjectTree(facts(1, { pci: [...loop, ...chain] }));
  const seen: string[] = [];
  const visit = (object: TreeObject, depth: number): void => {
    assert.ok(depth < 300, "nested without end");
    if (object.type === "pci-bridge" || object.type === "pci-device") seen.push(object.pci.address);
    if ("ioChildren" in object) for (const child of object.ioChildren) visit(child, depth + 1);
  };
  visit(tree.root, 0);
  assert.equal(seen.length, 2004);
  assert.equal(new Set(seen).size, 2004);
});
