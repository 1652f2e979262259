import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assemble } from "../../assemble/assemble.ts";
import { HmsError } from "../../model/error.ts";
import type { Facts } from "../../model/facts.ts";
import type { Machine } from "../../model/machine.ts";
import { paths } from "../../query/path.ts";
import { SPEC_TEXT_MAX } from "./limits.ts";
import { readSpec } from "./read.ts";

/** A spec with the version in front, so that line numbers begin at 2. */
function facts(body: string): Facts {
  return readSpec(`hms-spec: 1\n${body}`, "x.yaml");
}

function machine(body: string): Machine {
  return assemble(facts(body), { kind: "spec", path: "x.yaml" });
}

function fails(text: string, code: string, ...parts: readonly string[]): void {
  assert.throws(
    () => readSpec(text, "x.yaml"),
    (error) => {
      assert.ok(HmsError.is(error), String(error));
      assert.equal(error.code, code, error.message);
      for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
      assert.match(error.message, /^Read spec x\.yaml: [^\n]{1,500}[.?]$/);
      return true;
    },
  );
}

/** Bandwidth and latency of reading on the best path, and where the bandwidth is from. */
function cost(of: Machine, initiator: string, target: string): readonly (number | null)[] | null {
  const [path] = paths(of, initiator, target);
  return path === undefined ? null : [path.readBandwidth.value, path.readLatency.value, path.distance];
}

describe("nodes of a spec", () => {
  it("have CPUs, packages and cores from counts", () => {
    const read = facts(
      "nodes:\n  - { count: 2, cpus: 4, threads: 2, cpu-model: Z80, kind: dram, size: 1GiB }",
    );
    assert.deepEqual(
      read.nodes.map((node) => [
        node.index,
        node.cpus.toList(),
        node.nearCpus.toList(),
        node.size,
        node.kind.kind,
      ]),
      [
        [0, "0-3", "0-3", 2 ** 30, "dram"],
        [1, "4-7", "4-7", 2 ** 30, "dram"],
      ],
    );
    assert.deepEqual(
      read.groups.map(
        (group) => `${group.type} ${group.index} ${group.cpus.toList()} ${group.info.CPUModel ?? ""}`,
      ),
      ["package 0 0-3 Z80", "package 1 4-7 Z80", "core 0 0-1 ", "core 1 2-3 ", "core 0 4-5 ", "core 1 6-7 "],
    );
    assert.equal(read.processors.length, 8);
  });

  it("have cores across runs of CPUs, as x86 machines are numbered, or of CPUs next to each other", () => {
    const cores = (list: string): string[] =>
      facts(`nodes: [{ cpu-list: "${list}", threads: 2, kind: dram, size: 1GiB }]`)
        .groups.filter((group) => group.type === "core")
        .map((group) => group.cpus.toList());
    assert.deepEqual(cores("0-2,6-8"), ["0,6", "1,7", "2,8"]);
    assert.deepEqual(cores("0-5"), ["0-1", "2-3", "4-5"]);
    assert.deepEqual(cores("0-1,4-7"), ["0-1", "4-5", "6-7"]);
  });

  it("give their own CPUs the local numbers, and others those of remote", () => {
    const read = machine(`nodes:
  - count: 2
    cpus: 4
    kind: dram
    size: 64GiB
    bandwidth: 200GB/s
    latency: 90ns
    remote: { bandwidth: 80GB/s, latency: 140ns, distance: 21 }`);
    assert.deepEqual(cost(read, "node0", "node0"), [200e9, 90, 10]);
    assert.deepEqual(cost(read, "node1", "node0"), [80e9, 140, 21]);
  });

  it("give CPUs without stated numbers a link all the same, with unknown ones", () => {
    const read = machine("nodes:\n  - { count: 2, cpus: 1, kind: dram, size: 1GiB, latency: 90ns }");
    assert.deepEqual(cost(read, "node0", "node1"), [null, null, null]);
    assert.equal(
      read.links.every((link) => link.properties.coherent === true),
      true,
    );
  });

  it("know which CPUs are near memory of its own", () => {
    const read = machine(
      `nodes:
  - { count: 4, cpus: 2, package: <i/2>, kind: dram, size: 1GiB }
  - { count: 2, near: ["<i*2>", "<i*2+1>"], kind: hbm, size: 1GiB, latency: 120ns }
`.replace('"<i*2+1>"', '"<i*2>"'),
    );
    assert.deepEqual(cost(read, "node2", "node5"), [null, 120, null]);
    assert.deepEqual(cost(read, "node0", "node5"), [null, null, null]);
    assert.equal(read.nodes[5]?.nearCpus.toList(), "4-5");
  });

  it("tell what is in the same package from what is not", () => {
    const read = machine(`nodes:
  - count: 4
    cpus: 2
    package: <i/2>
    kind: dram
    size: 1GiB
    latency: 90ns
    remote:
      - { within: package, latency: 110ns }
      - { latency: 190ns }`);
    const row = ["node0", "node1", "node2", "node3"].map((node) => cost(read, "node1", node)?.[1]);
    assert.deepEqual(row, [110, 90, 190, 190]);
  });

  it("take memory that is near nobody as equally far from all", () => {
    const read = machine(
      "nodes:\n  - { count: 2, cpus: 1, kind: dram, size: 1GiB }\n  - { kind: cxl, size: 1GiB, latency: 300ns }",
    );
    assert.equal(read.nodes[2]?.nearCpus.isEmpty, true);
    assert.deepEqual(
      ["node0", "node1"].map((node) => cost(read, node, "node2")?.[1]),
      [300, 300],
    );
  });

  it("may be offline, disallowed, without memory, of unknown size, or initiators alone", () => {
    const read = machine(`nodes:
  - { cpus: 1, size: none }
  - { kind: dram, size: unknown, tier: 2, allowed: no }
  - { kind: dram, size: 1GiB, online: false }
  - { size: none, generic-initiator: true }
  - { kind: dram, size: none }`);
    assert.deepEqual(
      read.targets.map((target) => target.id),
      ["node1", "node4"],
    );
    assert.deepEqual(
      read.initiators.map((one) => `${one.id} ${one.class}`),
      ["node0 cpu", "node3 generic"],
    );
    assert.deepEqual(
      read.tiers.map((tier) => [tier.index, tier.nodes.toList()]),
      [[2, "1"]],
    );
    assert.equal(read.targets[0]?.size, null);
  });

  it("have side caches", () => {
    const [node] = facts(
      "nodes:\n  - { kind: dram, size: 1GiB, side-caches: [{ size: 64MiB, write: write-back }] }",
    ).nodes;
    assert.deepEqual(node?.sideCaches, [
      {
        level: 1,
        size: 2 ** 26,
        lineSize: 0,
        associativity: "unknown",
        writePolicy: "write-back",
        addressMode: "unknown",
      },
    ]);
  });

  it("take groups, offline and disallowed CPUs as they are stated", () => {
    const read = facts(`cpus: 0-7
offline-cpus: 7
disallowed-cpus: 0,1
nodes: [{ cpu-list: 0-5, kind: dram, size: 1GiB }]
groups:
  - { type: package, index: 3, cpus: 0-7, info: { CPUModel: Z80 } }
  - { type: core, each: "0=0,4 -=1,5" }`);
    assert.deepEqual(
      read.groups.map((group) => `${group.type} ${group.index} ${group.cpus.toList()}`),
      ["package 3 0-7", "core 0 0,4", "core null 1,5"],
    );
    assert.deepEqual(
      read.processors.map((one) => `${one.index}${one.online ? "" : " off"}${one.allowed ? "" : " not"}`),
      ["0 not", "1 not", "2", "3", "4", "5", "6", "7 off"],
    );
  });
});

describe("numbers of a spec", () => {
  it("carry the source of the nearest that states one", () => {
    const read = facts(`sources: { mlc: Memory Latency Checker, ark: the data sheet }
source: ark
nodes:
  - { cpus: 1, kind: dram, size: 1GiB, bandwidth: 10GB/s }
  - { near: 0, kind: hbm, size: 1GiB from mlc, bandwidth: 11GB/s from mlc, source: told by a friend, latency: 9ns }
  - { near: 0, kind: nvm, size: 1GiB, bandwidth: { value: 12GB/s, source: "a guess: 12" } }`);
    const details = read.linkFacts.map(({ properties }) => [
      properties.readBandwidth?.origin,
      properties.readBandwidth?.detail,
      properties.readLatency?.detail,
    ]);
    assert.deepEqual(details, [
      ["spec", "the data sheet", undefined],
      ["spec", "Memory Latency Checker", "told by a friend"],
      ["spec", "a guess: 12", undefined],
    ]);
    assert.deepEqual(
      read.nodes.map((node) => node.kind.reason),
      [
        "stated by the spec: the data sheet",
        "stated by the spec: Memory Latency Checker",
        "stated by the spec: the data sheet",
      ],
    );
  });

  it("keep the sources of all when equal numbers make one link", () => {
    const [link] = facts(`nodes:
  - { cpus: 1, kind: dram, size: 1GiB, bandwidth: { value: 10GB/s, source: "this one: a" } }
  - { near: 0, kind: hbm, size: 1GiB, bandwidth: { value: 10GB/s, source: "that one: b" } }
  - { near: 0, kind: nvm, size: 1GiB, bandwidth: { value: 10GB/s, source: "this one: a" } }`).linkFacts;
    assert.equal(link?.properties.writeBandwidth?.detail, "this one: a; that one: b");
  });

  it("have no detail without a source", () => {
    const [link] = facts("nodes:\n  - { cpus: 1, kind: dram, size: 1GiB, bandwidth: 10GB/s }").linkFacts;
    assert.deepEqual(link?.properties.readBandwidth, { value: 10e9, origin: "spec" });
  });

  it("may differ for reading and writing", () => {
    const [link] = facts(
      "nodes:\n  - { cpus: 1, kind: nvm, size: 1GiB, bandwidth: 6GB/s, write-bandwidth: 2GB/s, read-latency: 300ns }",
    ).linkFacts;
    assert.deepEqual(
      [
        link?.properties.readBandwidth?.value,
        link?.properties.writeBandwidth?.value,
        link?.properties.writeLatency,
      ],
      [6e9, 2e9, null],
    );
  });

  it("come in matrices, as benchmarks print them", () => {
    const read = machine(
      `nodes:
  - { count: 2, cpus: 1, kind: dram, size: 1GiB }
  - { kind: cxl, size: 1GiB }
matrices:
  - { of: latency, unit: ns, values: ["90 140 300", "141, 91, -"], source: mlc of the lab }
  - { of: bandwidth, unit: MB/s, rows: node1, columns: [node2, node0], values: 2e3 1e3 }
`.replace("2e3 1e3", "2000 1000.5"),
    );
    assert.deepEqual(cost(read, "node1", "node0"), [1_000_500_000, 141, null]);
    assert.deepEqual(cost(read, "node1", "node2"), [2_000_000_000, null, null]);
    assert.deepEqual(cost(read, "node0", "node2"), [null, 300, null]);
  });

  it("make few links of a large matrix with few values", () => {
    const size = 1024;
    const row = (i: number): string =>
      Array.from({ length: size }, (_, j) => (i === j ? "90" : "140")).join(" ");
    const rows = Array.from({ length: size }, (_, i) => `      ${row(i)}`).join("\n");
    const started = performance.now();
    const read = machine(
      `nodes:\n  - { count: ${size}, cpus: 1, kind: dram, size: 1GiB }\nmatrices:\n  - of: latency\n    unit: ns\n    values: |\n${rows}`,
    );
    assert.equal(read.links.length, size + 1);
    assert.deepEqual(
      [cost(read, "node7", "node7"), cost(read, "node7", "node9")],
      [
        [null, 90, null],
        [null, 140, null],
      ],
    );
    assert.ok(performance.now() - started < 30_000, "reading took longer than half a minute");
  });

  it("come as distances, which hold for nodes without CPUs too", () => {
    const read = facts(`nodes:
  - { cpus: 1, kind: dram, size: 1GiB }
  - { kind: cxl, size: 1GiB }
distances: |
  10 20
  20 10`);
    assert.deepEqual(read.distances, [{ name: "NUMALatency", nodes: [0, 1], values: [10, 20, 20, 10] }]);
    assert.deepEqual(
      read.linkFacts.map((link) => link.properties.distance?.value),
      [10, 20],
    );
  });
});

const GPUS = `nodes:
  - { count: 2, cpus: 4, kind: dram, size: 64GiB, bandwidth: 100GB/s, latency: 100ns }
devices:
  - id: gpu<i>
    count: 4
    type: gpu
    label: Graphics <i>
    aliases: [card<i>]
    near: <i/2>
    pci: ["01:00.0", "02:00.0", "0001:03:00.0", "0002:04:00.0"]
    pci-id: 10de:2330
    pcie: gen5 x16
    memory: { size: 80GB, bandwidth: 3TB/s }
    peers: { medium: nvlink, bandwidth: 450GB/s }
`;

describe("devices of a spec", () => {
  it("have memory, peers, and a slot from which they go on as the CPUs near it do", () => {
    const read = machine(GPUS);
    assert.deepEqual(cost(read, "gpu1", "gpu1/memory"), [3e12, null, null]);
    assert.deepEqual(cost(read, "gpu1", "gpu2/memory"), [450e9, null, null]);
    assert.equal(Math.round((cost(read, "gpu1", "node0")?.[0] ?? 0) / 1e9), 63);
    assert.equal(cost(read, "node0", "gpu1/memory"), null, "CPUs cannot map the memory");
    assert.deepEqual(
      read.targets.filter((target) => target.kind.kind === "gpu").map((target) => target.device),
      ["gpu0", "gpu1", "gpu2", "gpu3"],
    );
    assert.equal(read.links.filter((link) => link.medium === "nvlink").length, 1);
  });

  it("are PCI functions and OS devices for those that draw or write hwloc XML", () => {
    const read = machine(GPUS);
    assert.deepEqual(
      read.pci.map((pci) => [
        pci.address,
        pci.classCode,
        pci.vendor,
        pci.device,
        pci.numaNode,
        pci.link?.speedMax,
      ]),
      [
        ["0000:01:00.0", 0x0302, 0x10de, 0x2330, 0, 32],
        ["0000:02:00.0", 0x0302, 0x10de, 0x2330, 0, 32],
        ["0001:03:00.0", 0x0302, 0x10de, 0x2330, 1, 32],
        ["0002:04:00.0", 0x0302, 0x10de, 0x2330, 1, 32],
      ],
    );
    assert.deepEqual(
      read.devices.map((device) => [device.name, device.type, device.pciAddress]),
      [
        ["gpu0", "gpu", "0000:01:00.0"],
        ["gpu1", "gpu", "0000:02:00.0"],
        ["gpu2", "gpu", "0001:03:00.0"],
        ["gpu3", "gpu", "0002:04:00.0"],
      ],
    );
    assert.deepEqual(read.initiators.at(-1)?.aliases, ["card3"]);
    assert.equal(read.initiators.at(-1)?.label, "Graphics 3");
  });

  it("state peers pair by pair where a device's own memory is not known to be better", () => {
    const read = machine(GPUS.replace(", bandwidth: 3TB/s", ""));
    assert.deepEqual(cost(read, "gpu1", "gpu1/memory"), [null, null, null]);
    assert.deepEqual(cost(read, "gpu1", "gpu2/memory"), [450e9, null, null]);
  });

  it("may let CPUs map their memory, and reach memories of their own choice", () => {
    const read = machine(`${GPUS}    cpu-access: { medium: pcie, bandwidth: 20GB/s }
    reaches:
      - { to: node*, bandwidth: 30GB/s, atomics: false }
      - { to: node<i/2>, bandwidth: 50GB/s }
`);
    assert.deepEqual(cost(read, "node0", "gpu3/memory"), [20e9, null, null]);
    const direct = read.links.find((link) => link.properties.readBandwidth?.value === 50e9);
    assert.equal(direct?.properties.atomics, false, "what is not stated again stays");
  });

  it("may take an attachment with numbers of its own", () => {
    const read = machine(`nodes: [{ cpus: 1, kind: dram, size: 1GiB, latency: 100ns, bandwidth: 100GB/s }]
devices: [{ id: nic0, type: nic, near: 0, attach: { medium: pcie, bandwidth: 400Gb/s, latency: 1.4us } }]`);
    assert.deepEqual(cost(read, "nic0", "node0"), [50e9, 1500, null]);
  });
});

const EXPLICIT = `nodes: [{ count: 2, cpus: 1, kind: dram, size: 1GiB }]
implied-links: false
devices: [{ id: gpu0, type: gpu }]
targets: [{ id: gpu0/vram, kind: gpu, size: 8GiB, device: gpu0 }, { id: dax0.0, kind: file, size: 4GiB, numa-node: 1 }]
links:
  - { id: a, medium: memory, from: [node0], to: [node0, dax0.0], latency: 90ns }
  - { id: b, medium: memory, from: [node1], to: [node1], latency: 95ns, coherent: true, atomics: false }
  - { id: p, from: gpu0 }
bridges:
  - { medium: interconnect, links: [a, b], for: node*, latency: 50ns }
`;

describe("links and bridges of a spec", () => {
  it("are taken as they are", () => {
    const read = machine(EXPLICIT);
    assert.deepEqual(cost(read, "node0", "node1"), [null, 235, null]);
    assert.deepEqual(cost(read, "node0", "dax0.0"), [null, 90, null]);
    assert.equal(cost(read, "gpu0", "node0"), null);
    assert.deepEqual(
      read.links.map((link) => [link.medium, link.properties.coherent, link.properties.atomics]),
      [
        ["memory", null, null],
        ["memory", true, false],
        ["unknown", null, null],
      ],
    );
  });

  it("of an unknown version are absent, and what refers to them is no mistake", () => {
    const read = machine(
      EXPLICIT.replace("{ id: b, medium: memory,", "{ id: b, version: 9, shape: round,").replace(
        "{ id: gpu0, type: gpu }",
        "{ id: gpu0, version: 2, colour: blue }",
      ),
    );
    assert.equal(read.unknownVersions, 2);
    assert.deepEqual(
      read.initiators.map((one) => one.id),
      ["node0", "node1"],
    );
    assert.equal(read.bridges.length, 0);
    assert.ok(read.warnings.some((warning) => warning.message.includes("b (version 9)")));
  });

  it("of an unknown version may be targets and bridges too", () => {
    const read = machine(
      EXPLICIT.replace("{ id: dax0.0, kind: file", "{ id: dax0.0, version: 4, kind: jelly").replace(
        "{ medium: interconnect",
        "{ version: 3, medium: jelly",
      ),
    );
    assert.equal(read.unknownVersions, 2);
    assert.equal(
      read.targets.some((target) => target.id === "dax0.0"),
      false,
    );
  });
});

describe("a spec that is wrong", () => {
  const node = "nodes: [{ cpus: 2, kind: dram, size: 1GiB }]\n";
  for (const [what, body, ...parts] of [
    [
      "an unknown field",
      "nodes:\n  - bandwith: 1GB/s",
      "nodes[0] (line 3, column 5)",
      'no field "bandwith" here; did you mean bandwidth',
    ],
    ["an unknown field at the top", "node: []", "line 2, column 1", "did you mean nodes"],
    [
      "a field twice",
      "nodes:\n  - kind: dram\n    kind: hbm",
      "nodes[0] (line 4, column 5)",
      "is there twice",
    ],
    ["no kind", "nodes: [{ size: 1GiB }]", "nodes[0] (line 2, column 9)", "kind is missing"],
    [
      "a wrong kind",
      "nodes: [{ kind: ddr, size: 1GiB }]",
      "nodes[0].kind (line 2, column 17)",
      'but got "ddr"',
    ],
    ["no unit", "nodes: [{ kind: dram, size: 64 }]", "nodes[0].size", "the unit is missing"],
    ["a wrong unit", "nodes: [{ kind: dram, size: 64GB/s }]", 'there is no unit "GB/s"'],
    [
      "a latency as bandwidth",
      "nodes: [{ cpus: 1, kind: dram, size: 1GiB, bandwidth: 90ns }]",
      "nodes[0].bandwidth",
    ],
    ["a negative number", "nodes: [{ cpus: 1, kind: dram, size: -1GiB }]", "greater than 0"],
    ["zero", "nodes: [{ cpus: 1, kind: dram, size: 1GiB, latency: 0ns }]", "greater than 0"],
    ["an absurd number", "nodes: [{ cpus: 1, kind: dram, size: 1GiB, latency: 9000s }]", "at most 60s"],
    [
      "a fraction of a CPU",
      "nodes: [{ cpus: 1.5, kind: dram, size: 1GiB }]",
      "a whole number from 0 to 65536",
    ],
    ["too many CPUs", "nodes: [{ count: 2, cpus: 65536, kind: dram, size: 1GiB }]", "at most 65536 CPUs"],
    ["too many nodes", "nodes: [{ count: 1025, kind: dram, size: 1GiB }]", "a whole number from 1 to 1024"],
    ["too many nodes in all", "nodes: [{ count: 1024, size: none }, { size: none }]", "at most 1024 nodes"],
    [
      "CPUs in two nodes",
      "nodes: [{ cpu-list: 0-3, size: none }, { cpu-list: 3-4, size: none }]",
      "CPUs 3 are in another node",
    ],
    [
      "both ways of CPUs",
      "nodes: [{ cpus: 1, cpu-list: 0, size: none }]",
      "cpu-list cannot stand beside cpus",
    ],
    [
      "threads that do not fit",
      "nodes: [{ cpus: 3, threads: 2, size: none }]",
      "do not make cores of 2 threads",
    ],
    ["threads of nothing", "nodes: [{ threads: 2, size: none }]", "threads is for a node with CPUs"],
    ["a node twice", "nodes: [{ index: 1, size: none }, { index: 1, size: none }]", "there are two nodes 1"],
    ["near itself", "nodes: [{ cpus: 1, near: 0, size: none }]", "near is for a node without CPUs"],
    ["near nothing", "nodes: [{ near: 3, kind: hbm, size: 1GiB }]", "nodes[0].near", "there is no node 3"],
    ["near a word", "nodes: [{ near: cpu, kind: hbm, size: 1GiB }]", "expected a node such as 0 or node0"],
    ["a placeholder without a count", "nodes: [{ near: <i>, kind: hbm, size: 1GiB }]", 'but got "<i>"'],
    [
      "a placeholder below 0",
      "nodes: [{ count: 2, near: <i-1>, kind: hbm, size: 1GiB }]",
      "has no value for instance 0",
    ],
    [
      "a placeholder by 0",
      "nodes: [{ count: 2, near: <i/0>, kind: hbm, size: 1GiB }]",
      "has no value for instance 0",
    ],
    ["more free than there is", "nodes: [{ kind: hbm, size: 1GiB, free: 2GiB }]", "at most the size"],
    [
      "an unknown source",
      `sources: { mlc: x }\nnodes: [{ kind: hbm, size: 1GiB from mlcc }]`,
      'no source "mlcc" in sources; did you mean mlc',
    ],
    [
      "a source of the wrong name",
      "source: ark\nnodes: [{ size: none }]",
      'no source "ark" in sources; there are none',
    ],
    [
      "a mapping instead of a list",
      "nodes: {}",
      "nodes (line 2, column 8)",
      "expected a list, but got a map",
    ],
    ["a list instead of text", "name: []\nnodes: []", "name", "expected a name, but got a list"],
    [
      "nothing where a number belongs",
      "nodes:\n  - kind: hbm\n    size:",
      "nodes[0].size (line 4, column 10)",
      "but got",
    ],
    ["nothing in it", "name: nothing", "there is nothing in this machine"],
    [
      "a device of no type",
      `${node}devices: [{ id: x }]`,
      "devices[0] (line 3, column 11)",
      "type is missing",
    ],
    ["a device without id", `${node}devices: [{ type: gpu }]`, "id is missing"],
    [
      "two devices of a name",
      `${node}devices: [{ id: a, type: gpu, count: 2 }]`,
      'there are two initiators "a"',
    ],
    ["a device with a node's name", `${node}devices: [{ id: node0, type: gpu }]`, 'two initiators "node0"'],
    [
      "a wrong PCI address",
      `${node}devices: [{ id: a, type: gpu, pci: 1:2:3 }]`,
      "a PCI address such as 0000:3b:00.0",
    ],
    [
      "too few PCI addresses",
      `${node}devices: [{ id: a<i>, count: 2, type: gpu, pci: ["01:00.0"] }]`,
      "expected 2 PCI addresses, one for each device, but got 1",
    ],
    [
      "a PCI id of no function",
      `${node}devices: [{ id: a, type: gpu, pci-id: "10de:2330" }]`,
      "is for a device with a PCI address",
    ],
    [
      "a wrong PCI id",
      `${node}devices: [{ id: a, type: gpu, pci: "01:00.0", pci-id: nvidia }]`,
      "vendor and device such as 10de:2330",
    ],
    [
      "a slot of the future",
      `${node}devices: [{ id: a, type: gpu, pcie: gen9 x16 }]`,
      "from gen1 to gen6 and x1 to x32",
    ],
    [
      "peers without memory",
      `${node}devices: [{ id: a, type: gpu, peers: { medium: nvlink } }]`,
      "have no memory that peers could reach",
    ],
    [
      "access to no memory",
      `${node}devices: [{ id: a, type: gpu, cpu-access: { medium: pcie } }]`,
      "there is no memory to access",
    ],
    [
      "a target that is not there",
      `${node}devices: [{ id: a, type: gpu, reaches: [{ to: nod0 }] }]`,
      "devices[0].reaches[0].to (line 3",
      'there is no target "nod0"; did you mean node0',
    ],
    ["a pattern that fits nothing", `${node}links: [{ from: gpu*, to: node0 }]`, 'no initiator fits "gpu*"'],
    ["a link of nothing", `${node}links: [{ medium: pcie }]`, "a link joins something"],
    ["a link of lost members", `${node}links: [{ from: node1, to: node0 }]`, 'there is no initiator "node1"'],
    [
      "two links of a name",
      `${node}links: [{ id: a, from: node0 }, { id: a, from: node0 }]`,
      'there are two links "a"',
    ],
    ["a reserved name", `${node}links: [{ id: "implied:0", from: node0 }]`, "take another id"],
    [
      "a bridge of one link",
      `${node}links: [{ id: a, from: node0 }]\nbridges: [{ links: [a], for: node0 }]`,
      "expected the ids of two links, but got 1",
    ],
    [
      "a bridge to itself",
      `${node}links: [{ id: a, from: node0 }]\nbridges: [{ links: [a, a], for: node0 }]`,
      "but both are",
    ],
    [
      "a bridge of lost links",
      `${node}bridges: [{ links: [a, b], for: node0 }]`,
      'there is no link "a"; there are none',
    ],
    [
      "a bridge for nobody",
      `${node}links: [{ id: a, from: node0 }, { id: b, from: node0 }]\nbridges: [{ links: [a, b] }]`,
      "for is missing",
    ],
    [
      "a medium of jelly",
      `${node}links: [{ from: node0, medium: jelly }]`,
      "expected one of memory, interconnect",
    ],
    [
      "all of three numbers",
      `${node}links: [{ from: node0, latency: 1ns, read-latency: 1ns, write-latency: 1ns }]`,
      "latency says nothing beside",
    ],
    ["a flag that is none", `${node}links: [{ from: node0, coherent: maybe }]`, "expected true or false"],
    ["a distance of 0", `${node}links: [{ from: node0, distance: 0 }]`, "a relative distance from 1"],
    ["a version of 0", `${node}links: [{ from: node0, version: 0 }]`, "a whole number from 1"],
    [
      "a matrix of too few rows",
      "nodes: [{ count: 2, cpus: 1, kind: dram, size: 1GiB }]\nmatrices: [{ of: latency, unit: ns, values: 1 2 }]",
      "expected 2 rows, but got 1",
    ],
    [
      "a matrix of ragged rows",
      `${node}matrices: [{ of: latency, unit: ns, values: 1 2 }]`,
      "expected 1 numbers in row 1, but got 2",
    ],
    ["a matrix without a unit", `${node}matrices: [{ of: latency, values: 90 }]`, "the unit is missing"],
    ["a matrix of words", `${node}matrices: [{ of: latency, unit: ns, values: abc }]`, "expected a latency"],
    ["a matrix of what", `${node}matrices: [{ of: smell, values: 1 }]`, "expected one of bandwidth"],
    ["a distance that is none", `${node}distances: ten`, "expected whole numbers up to 65535"],
    [
      "groups beside threads",
      "groups: []\nnodes: [{ cpus: 2, threads: 2, size: none }]",
      "threads cannot stand beside groups",
    ],
    ["a group of lost CPUs", `${node}groups: [{ type: core, cpus: 0-9 }]`, "there is no CPU 2-9"],
    ["groups in disorder", `${node}groups: [{ type: core, each: "0:1" }]`, "expected groups such as 0=0,64"],
    ["offline CPUs that are not there", `${node}offline-cpus: 9`, "there is no CPU 9"],
    ["indexes that are none", "nodes: [{ cpu-list: all, size: none }]", "a list of numbers up to 65535"],
    ["a name of nothing", 'name: ""\nnodes: []', "a name of 1 to 256 characters"],
    ["a key that is a list", "? [a]\n: b", "expected a name before the colon"],
    ["an alias of nothing", "nodes: *n", "there is no anchor &n before this alias"],
    ["a tag", "nodes: !!python/object []", "this is not the YAML of a spec"],
    ["two documents", `${node}---\n${node}`, "this is not the YAML of a spec"],
    ["broken YAML", "nodes: [", "this is not the YAML of a spec"],
    ["tabs", "nodes:\n\t- a", "this is not the YAML of a spec"],
  ] as const) {
    it(`says so: ${what}`, () => fails(`hms-spec: 1\n${body}`, "SPEC_INVALID", ...parts));
  }

  it("says so of what is no spec at all", () => {
    fails("", "SPEC_INVALID", "the text is empty");
    fails("# only a comment\n", "SPEC_INVALID", "the text is empty");
    fails("nodes: []", "SPEC_INVALID", "expected hms-spec: 1 at the top");
    fails("- 1\n- 2", "SPEC_INVALID", "expected a mapping that begins with hms-spec: 1, but got a list");
    fails("hello", "SPEC_INVALID", 'but got "hello"');
    fails("hms-spec: one", "SPEC_INVALID", "hms-spec (line 1, column 11)");
  });

  it("says so of a newer version", () =>
    fails("hms-spec: 2\nsmell: 1", "SPEC_VERSION_UNKNOWN", "use a newer hms"));
});

describe("a spec that is too much", () => {
  it("is refused by its length", () => {
    fails(
      `hms-spec: 1\n#${"x".repeat(SPEC_TEXT_MAX)}`,
      "SPEC_TOO_LARGE",
      `at most ${SPEC_TEXT_MAX} characters`,
    );
  });

  it("is refused by its words", () => {
    fails(`hms-spec: 1\nx:\n${"- a\n".repeat(400_000)}`, "SPEC_INVALID", "at most 1000000 words and marks");
  });

  it("is refused by its depth", () => {
    fails(`hms-spec: 1\nx: ${"[".repeat(40)}${"]".repeat(40)}`, "SPEC_INVALID", "at most 32 levels");
    fails(
      `hms-spec: 1\nx: ${"[".repeat(9_000)}${"]".repeat(9_000)}`,
      "SPEC_INVALID",
      "it is nested too deeply",
    );
    fails(`hms-spec: 1\nx: &x [*x]`, "SPEC_INVALID", "at most 32 levels");
  });

  it("is refused when its aliases unfold to too much", () => {
    const lines = ["hms-spec: 1", `a: &a [${Array(9).fill("x").join(", ")}]`];
    let last = "a";
    for (const name of "bcdefghijklmnop") {
      lines.push(`${name}: &${name} [${Array(9).fill(`*${last}`).join(", ")}]`);
      last = name;
    }
    const started = performance.now();
    fails(lines.join("\n"), "SPEC_INVALID", "at most 200000 values (those behind aliases counted)");
    assert.ok(performance.now() - started < 10_000);
  });

  it("may use aliases within reason", () => {
    const read = facts("nodes:\n  - &n { cpus: 1, kind: dram, size: 1GiB }\n  - *n\n  - *n");
    assert.equal(read.nodes.length, 3);
  });

  it("is refused by the different numbers of its matrices", () => {
    const row = (i: number): string => Array.from({ length: 300 }, (_, j) => 1 + i * 300 + j).join(" ");
    const rows = Array.from({ length: 300 }, (_, i) => `    - ${row(i)}`).join("\n");
    const nodes = "nodes: [{ count: 300, cpus: 1, kind: dram, size: 1GiB }]";
    fails(
      `hms-spec: 1\n${nodes}\nmatrices:\n  - of: bandwidth\n    unit: MB/s\n    values:\n${rows}`,
      "SPEC_INVALID",
      "matrices[0].values (line 7",
      "at most 65536 different numbers",
    );
  });

  it("is refused by the members of its links", () => {
    const nodes = "nodes: [{ count: 1024, cpus: 1, kind: dram, size: 1GiB }]\nimplied-links: no\n";
    fails(
      `hms-spec: 1\n${nodes}links: [{ count: 4096, from: node*, to: node* }]`,
      "SPEC_INVALID",
      "at most 4194304 members",
    );
  });
});
