import assert from "node:assert/strict";
import { test } from "node:test";
import type { Facts, KfdLink } from "../../model/facts.ts";
import { type CaptureFiles, classFiles, cpuFiles, factsOf, pciFiles } from "../../testing/facts-of.ts";

const NODES = "sys/class/kfd/kfd/topology/nodes";
const GIB = 2 ** 30;

type Properties = Readonly<Record<string, number | string>>;
const text = (properties: Properties): string =>
  Object.entries(properties)
    .map(([key, value]) => `${key} ${value}\n`)
    .join("");

interface AgentFiles {
  readonly properties: Properties;
  readonly banks?: readonly Properties[];
  readonly io?: readonly Properties[];
  readonly p2p?: readonly Properties[];
}

/** Files of agents numbered as they come. */
function kfdFiles(...agents: readonly AgentFiles[]): CaptureFiles {
  const files: Record<string, string> = {};
  for (const [node, { properties, banks = [], io = [], p2p = [] }] of agents.entries()) {
    const lists = [
      ["mem_banks", banks],
      ["io_links", io],
      ["p2p_links", p2p],
    ] as const;
    const counts = Object.fromEntries(lists.map(([name, list]) => [`${name}_count`, list.length]));
    files[`${NODES}/${node}/properties`] = text({ ...counts, ...properties });
    for (const [name, list] of lists) {
      for (const [i, one] of list.entries()) {
        const own = name === "mem_banks" ? one : { node_from: node, ...one };
        files[`${NODES}/${node}/${name}/${i}/properties`] = text(own);
      }
    }
  }
  return files;
}

const cpu = (cores: number): Properties => ({ cpu_cores_count: cores, simd_count: 0 });
const gpu = (location: number, more: Properties = {}): Properties => ({
  cpu_cores_count: 0,
  simd_count: 416,
  location_id: location,
  domain: 0,
  gfx_target_version: 90010,
  ...more,
});
const pcie = (to: number, flags = 1, bandwidth = 32_000): Properties => ({
  type: 2,
  node_to: to,
  weight: 20,
  min_bandwidth: 312,
  max_bandwidth: bandwidth,
  flags,
});
const xgmi = (to: number, flags = 1, bandwidth = 50_000): Properties => ({
  type: 11,
  node_to: to,
  weight: 15,
  min_bandwidth: bandwidth,
  max_bandwidth: bandwidth,
  flags,
});
const numa = (to: number, weight: number): Properties => ({ type: 1, node_to: to, weight, flags: 0 });
const vram = (size: number, heap = 1): Properties => ({
  heap_type: heap,
  size_in_bytes: size,
  flags: 0,
  width: 4096,
  mem_clk_max: 1600,
});

function quietFactsOf(...parts: readonly CaptureFiles[]): Facts {
  const facts = factsOf(Object.assign({}, ...parts));
  assert.deepEqual(facts.warnings, []);
  return facts;
}

/** Two sockets with a GPU each, and xGMI between the GPUs. */
const TWO_SOCKETS: readonly AgentFiles[] = [
  { properties: cpu(4), banks: [vram(64 * GIB, 0)], io: [numa(1, 32), pcie(2, 3)] },
  { properties: cpu(4), banks: [vram(32 * GIB, 0)], io: [numa(0, 32), pcie(3, 0)], p2p: [pcie(2, 3, 0)] },
  {
    properties: gpu(0x6300, { drm_render_minor: 128 }),
    banks: [vram(64 * GIB), vram(GIB, 4)],
    io: [pcie(0), xgmi(3, 3)],
    p2p: [pcie(1, 1, 0)],
  },
  {
    properties: gpu(0xe300, { drm_render_minor: 129, domain: 1 }),
    banks: [vram(32 * GIB, 2)],
    io: [pcie(1, 0x0d), xgmi(2, 1)],
  },
];

test("a capture of KFD alone: its CPU agents are the nodes, with the distances that their links state", () => {
  const facts = quietFactsOf(kfdFiles(...TWO_SOCKETS));
  assert.deepEqual(
    facts.nodes.map(({ index, cpus, size, kind }) => [index, cpus.toList(), size, kind.kind]),
    [
      [0, "0-3", 64 * GIB, "dram"],
      [1, "4-7", 32 * GIB, "dram"],
    ],
  );
  assert.equal(facts.processors.length, 8);
  assert.deepEqual(facts.distances, [{ name: "NUMALatency", nodes: [0, 1], values: [10, 32, 32, 10] }]);
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, type, aliases, label, numaNode }) => [
      id,
      type,
      aliases,
      label,
      numaNode,
    ]),
    [
      ["0000:63:00.0", "gpu", ["renderD128"], "AMD gfx90a", 0],
      ["0001:e3:00.0", "gpu", ["renderD129"], "AMD gfx90a", 1],
    ],
  );
});

test("keeps every agent, bank and link as the driver states it", () => {
  const facts = quietFactsOf(kfdFiles(...TWO_SOCKETS));
  assert.deepEqual(
    facts.kfdAgents.map(({ node, initiator, cpuCores, simds, memoryBanks }) => [
      node,
      initiator,
      cpuCores,
      simds,
      memoryBanks.map(({ heapType, size }) => [heapType, size]),
    ]),
    [
      [0, "node0", 4, 0, [[0, 64 * GIB]]],
      [1, "node1", 4, 0, [[0, 32 * GIB]]],
      [
        2,
        "0000:63:00.0",
        0,
        416,
        [
          [1, 64 * GIB],
          [4, GIB],
        ],
      ],
      [3, "0001:e3:00.0", 0, 416, [[2, 32 * GIB]]],
    ],
  );
  assert.equal(facts.kfdLinks.length, 10);
  const link = (from: number, to: number): KfdLink | undefined =>
    facts.kfdLinks.find((one) => one.from === from && one.to === to);
  assert.deepEqual(link(2, 3), {
    from: 2,
    to: 3,
    list: "io",
    linkType: 11,
    medium: "xgmi",
    weight: 15,
    bandwidthMin: 50e9,
    bandwidthMax: 50e9,
    flags: 3,
    enabled: true,
    coherent: false,
    atomics32: true,
    atomics64: true,
    peerToPeer: true,
  });
  assert.deepEqual([link(3, 1)?.atomics32, link(3, 1)?.atomics64], [false, false]);
  assert.equal(link(1, 2)?.list, "p2p");
  assert.equal(link(1, 2)?.bandwidthMax, null);
});

test("reachability: own memory, enabled links to a GPU, and nothing over a link that is off", () => {
  const facts = quietFactsOf(kfdFiles(...TWO_SOCKETS));
  assert.deepEqual(
    facts.reaches.map(({ initiator, target, medium, properties }) => [
      initiator,
      target,
      medium,
      properties.readBandwidth?.value ?? null,
      properties.coherent,
    ]),
    [
      ["0000:63:00.0", "0000:63:00.0/vram", "memory", null, null],
      ["0001:e3:00.0", "0001:e3:00.0/vram", "memory", null, null],
      ["node0", "0000:63:00.0/vram", "pcie", 32e9, false],
      ["node1", "0000:63:00.0/vram", "pcie", null, false],
      ["0000:63:00.0", "0001:e3:00.0/vram", "xgmi", 50e9, false],
      ["0001:e3:00.0", "0000:63:00.0/vram", "xgmi", 50e9, true],
    ],
  );
  assert.deepEqual(
    facts.attachments.map(({ initiator, near, medium, properties }) => [
      initiator,
      near,
      medium,
      properties.readBandwidth?.value ?? null,
      properties.atomics,
    ]),
    [
      ["0000:63:00.0", ["node0"], "pcie", 32e9, true],
      ["0001:e3:00.0", ["node1"], "pcie", 32e9, false],
    ],
  );
});

test("a PCIe link between GPUs without peer-to-peer DMA is no way to the other's memory; xGMI is", () => {
  const facts = quietFactsOf(
    kfdFiles(
      { properties: cpu(2) },
      { properties: gpu(0x100), banks: [vram(GIB)], p2p: [pcie(2, 0x11, 0), xgmi(3, 0x11)] },
      { properties: gpu(0x200), banks: [vram(GIB)], p2p: [pcie(1, 1, 0)] },
      { properties: gpu(0x300), banks: [vram(GIB)] },
    ),
  );
  const others = facts.reaches.filter(({ medium }) => medium !== "memory");
  assert.deepEqual(
    others.map(({ initiator, target }) => `${initiator} ${target}`),
    ["0000:01:00.0 0000:03:00.0/vram", "0000:02:00.0 0000:01:00.0/vram"],
  );
});

/** As PCI, DRM and KFD show one GPU near node 1. */
const SEEN_BY_ALL: CaptureFiles = {
  ...cpuFiles(2),
  ...pciFiles({
    path: "pci0000:00/0000:00:06.0",
    classCode: "038000",
    files: {
      numa_node: "1\n",
      max_link_speed: "16.0 GT/s PCIe\n",
      max_link_width: "8\n",
      mem_info_vram_total: `${16 * GIB}\n`,
      mem_info_vram_used: `${GIB}\n`,
    },
  }),
  ...classFiles("drm", "pci0000:00/0000:00:06.0/drm/card0", {
    dev: "226:0\n",
    device: { link: "../../../0000:00:06.0" },
  }),
  ...classFiles("drm", "pci0000:00/0000:00:06.0/drm/renderD128", { dev: "226:128\n" }),
};

test("a GPU that PCI, DRM and KFD show is one initiator with one memory, each number with its origin", () => {
  const facts = quietFactsOf(
    SEEN_BY_ALL,
    kfdFiles(
      { properties: cpu(2), io: [pcie(2, 3)] },
      { properties: cpu(2) },
      { properties: gpu(0x30, { drm_render_minor: 128 }), banks: [vram(16 * GIB)], io: [pcie(1)] },
    ),
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, aliases, numaNode, label }) => [id, aliases, numaNode, label]),
    [["0000:00:06.0", ["card0", "renderD128"], 1, "AMD gfx90a"]],
  );
  assert.deepEqual(
    facts.targetFacts.map(({ id, size, free }) => [id, size, free]),
    [["0000:00:06.0/vram", 16 * GIB, 15 * GIB]],
  );
  assert.equal(facts.attachments.length, 1);
  assert.deepEqual(facts.attachments[0]?.near, ["node1"]);
  assert.deepEqual(facts.attachments[0]?.properties.readBandwidth, {
    value: 32e9,
    origin: "kfd",
    detail: "KFD, PCIe",
    others: [{ value: 15_753_846_154, origin: "pci", detail: "PCIe Gen4 x8" }],
  });
  // CPUs of the node that KFD's first agent is: the first node with CPUs.
  assert.deepEqual(
    facts.reaches.filter(({ initiator }) => initiator.startsWith("node")).map(({ initiator }) => initiator),
    ["node0"],
  );
});

for (const [title, locate] of [
  ["in the function's bits", (partition: number) => 0x30 | partition],
  ["in the highest bits", (partition: number) => 0x30 + partition * 2 ** 28],
] as const) {
  test(`partitions of a GPU are initiators of their own, numbered ${title}`, () => {
    const part = (partition: number): AgentFiles => ({
      properties: gpu(locate(partition), {
        unique_id: "16404946649897475633",
        drm_render_minor: 128 + partition,
      }),
      banks: [vram(4 * GIB)],
      io: [pcie(0)],
    });
    const facts = quietFactsOf(
      SEEN_BY_ALL,
      classFiles("drm", "platform/amdgpu_xcp_1/drm/renderD129", { dev: "226:129\n" }),
      kfdFiles({ properties: cpu(2) }, { properties: cpu(2) }, part(0), part(1)),
    );
    assert.deepEqual(
      facts.initiatorFacts.map(({ id, aliases, pciAddress }) => [id, aliases, pciAddress]),
      [
        ["0000:00:06.0/0", ["0000:00:06.0", "card0", "renderD128"], "0000:00:06.0"],
        ["0000:00:06.0/1", ["renderD129"], "0000:00:06.0"],
      ],
    );
    assert.deepEqual(
      facts.targetFacts.map(({ id, size, device }) => [id, size, device]),
      [
        ["0000:00:06.0/0/vram", 4 * GIB, "0000:00:06.0/0"],
        ["0000:00:06.0/1/vram", 4 * GIB, "0000:00:06.0/1"],
      ],
    );
    assert.deepEqual(
      facts.attachments.map(({ initiator, properties }) => [
        initiator,
        properties.readBandwidth?.others?.[0]?.origin,
      ]),
      [
        ["0000:00:06.0/0", "pci"],
        ["0000:00:06.0/1", "pci"],
      ],
    );
    const ids = new Set(facts.initiatorFacts.map(({ id }) => id));
    for (const { initiator, target } of facts.reaches) {
      assert.ok(ids.has(initiator) || initiator.startsWith("node"), initiator);
      assert.ok(facts.targetFacts.some(({ id }) => id === target) || target.startsWith("node"), target);
    }
  });
}

test("functions that are all there are GPUs of their own, even with one number", () => {
  const same = { unique_id: "7" };
  const facts = quietFactsOf(
    cpuFiles(1),
    pciFiles(
      { path: "pci0000:00/0000:00:06.0", classCode: "120000" },
      { path: "pci0000:00/0000:00:06.1", classCode: "120000" },
    ),
    kfdFiles({ properties: cpu(2) }, { properties: gpu(0x30, same) }, { properties: gpu(0x31, same) }),
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ id }) => id),
    ["0000:00:06.0", "0000:00:06.1"],
  );
});

test("an APU reads and writes the system's memory: no target without a bank, and its link as it is", () => {
  const facts = quietFactsOf(
    kfdFiles(
      { properties: cpu(4), banks: [vram(128 * GIB, 0)], io: [xgmi(1)] },
      { properties: gpu(0x100), io: [xgmi(0)] },
    ),
  );
  assert.deepEqual(facts.targetFacts, []);
  assert.deepEqual(
    facts.attachments.map(({ medium, near }) => [medium, near]),
    [["xgmi", ["node0"]]],
  );
});

test("what a capture lacks of links and banks is said once; what is malformed is named", () => {
  const facts = factsOf({
    ...kfdFiles(
      { properties: { ...cpu(2), io_links_count: 3, mem_banks_count: 1 }, io: [pcie(1)] },
      { properties: { ...gpu(0x100), mem_banks_count: 1 } },
    ),
    [`${NODES}/0/io_links/7/properties`]: "type 2\nversion",
    [`${NODES}/2/properties`]: "",
    [`${NODES}/3/properties`]: "cpu_cores_count many\n",
    [`${NODES}/x/properties`]: "cpu_cores_count 1\n",
  });
  assert.deepEqual(
    facts.warnings.map(({ path, message }) => `${path} ${message}`),
    [
      `${NODES}/0/io_links/7/properties holds "version" where a name and a number are expected`,
      `${NODES}/0/io_links/7/properties lacks one of type, node_to and flags: the link is left out`,
      `${NODES}/3/properties holds "cpu_cores_count many" where a name and a number are expected`,
      `${NODES} holds 1 of the 3 io_links that agent 0 should have`,
      `${NODES} holds 0 of the 2 mem_banks that 2 agents should have`,
    ],
  );
  // A GPU of unknown size is a GPU with memory still.
  assert.deepEqual(
    facts.targetFacts.map(({ id, size }) => [id, size]),
    [["0000:01:00.0/vram", null]],
  );
});

test("agents that do not fit the nodes are kept, and their links with CPUs are not used", () => {
  const facts = factsOf({ ...cpuFiles(3), ...kfdFiles(...TWO_SOCKETS) });
  assert.equal(facts.kfdAgents.length, 4);
  assert.equal(facts.kfdAgents[0]?.initiator, null);
  assert.ok(facts.reaches.every(({ initiator }) => !initiator.startsWith("node")));
  assert.match(facts.warnings[0]?.message ?? "", /2 agents with CPUs, but 3 nodes/);
});
