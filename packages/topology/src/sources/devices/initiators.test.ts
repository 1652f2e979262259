import assert from "node:assert/strict";
import { test } from "node:test";
import type { Facts } from "../../model/facts.ts";
import {
  type CaptureFiles,
  classFiles,
  cpuFiles,
  type FunctionFiles,
  factsOf,
  pciFiles,
} from "../../testing/facts-of.ts";
import { SOURCES } from "../mod.ts";

const GIB = 2 ** 30;

function quietFactsOf(...parts: readonly CaptureFiles[]): Facts {
  const facts = factsOf(Object.assign({}, ...parts));
  assert.deepEqual(facts.warnings, []);
  return facts;
}

const LINK = { max_link_speed: "16.0 GT/s PCIe\n", max_link_width: "16\n" };
const at = (address: string, classCode: string, files: FunctionFiles["files"] = {}): FunctionFiles => ({
  path: `pci0000:00/${address}`,
  classCode,
  files,
});

test("sources stand behind those that they build on", () => {
  const places = new Map(SOURCES.map(({ name }, i) => [name, i]));
  for (const [i, source] of SOURCES.entries()) {
    for (const name of source.after) {
      const place = places.get(name);
      assert.ok(place !== undefined && place < i, `${source.name} runs after ${name}`);
    }
  }
});

test("what moves memory is an initiator, once, by the name of its function; the rest is none", () => {
  const facts = quietFactsOf(
    cpuFiles(2),
    pciFiles(
      at("0000:00:00.0", "060000"),
      at("0000:00:01.0", "010802", { numa_node: "1\n", ...LINK }),
      at("0000:00:02.0", "020000"),
      at("0000:00:03.0", "0c0600"),
      at("0000:00:04.0", "088000"),
      at("0000:00:05.0", "088000"),
      at("0000:00:05.1", "088000", { uevent: "DRIVER=idxd\n" }),
      at("0000:00:06.0", "030200"),
      at("0000:00:07.0", "120000"),
      at("0000:00:08.0", "120000"),
      at("0000:00:09.0", "0b4000"),
      at("0000:00:0a.0", "0c0330"),
      at("0000:00:0b.0", "080100"),
      at("0000:00:0c.0", "118000"),
      at("0000:00:0d.0", "108000"),
    ),
    classFiles("block", "pci0000:00/0000:00:01.0/nvme/nvme0/nvme0c0n1"),
    classFiles("net", "pci0000:00/0000:00:02.0/net/eth0"),
    classFiles("infiniband", "pci0000:00/0000:00:02.0/infiniband/mlx5_0"),
    classFiles("dma", "pci0000:00/0000:00:04.0/dma/dma0chan0"),
    classFiles("drm", "pci0000:00/0000:00:07.0/drm/renderD128", { dev: "226:128\n" }),
    classFiles("uacce", "pci0000:00/0000:00:0d.0/uacce/hisi_sec-1"),
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, type, aliases, numaNode }) => [id, type, aliases, numaNode]),
    [
      ["0000:00:01.0", "block", ["nvme0c0n1", "nvme0n1"], 1],
      ["0000:00:02.0", "nic", ["eth0", "mlx5_0"], null],
      ["0000:00:03.0", "nic", [], null],
      ["0000:00:04.0", "dma", ["dma0chan0"], null],
      ["0000:00:05.1", "dma", [], null],
      ["0000:00:06.0", "gpu", [], null],
      ["0000:00:07.0", "gpu", ["renderD128"], null],
      ["0000:00:08.0", "accelerator", [], null],
      ["0000:00:09.0", "accelerator", [], null],
      ["0000:00:0b.0", "dma", [], null],
      ["0000:00:0d.0", "accelerator", ["hisi_sec-1"], null],
    ],
  );
  const [slot] = facts.attachments;
  assert.deepEqual([slot?.initiator, slot?.near, slot?.medium], ["0000:00:01.0", ["node1"], "pcie"]);
  assert.deepEqual(slot?.properties.readBandwidth, {
    value: 31_507_692_308,
    origin: "pci",
    detail: "PCIe Gen4 x16",
  });
  assert.equal(facts.attachments[1]?.properties.readBandwidth, null);
});

test("CPUs near a function: its node's, else its local ones; all local on several nodes is nothing known", () => {
  const facts = quietFactsOf(
    cpuFiles(2),
    pciFiles(
      at("0000:00:01.0", "020000", { numa_node: "-1\n", local_cpus: "c\n" }),
      at("0000:00:02.0", "020000", { numa_node: "-1\n", local_cpus: "f\n" }),
      at("0000:00:03.0", "020000", { numa_node: "7\n", local_cpus: "3\n" }),
    ),
  );
  assert.deepEqual(
    facts.attachments.map(({ near }) => near),
    [["node1"], [], ["node0"]],
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ numaNode }) => numaNode),
    [1, null, 0],
  );
  const single = quietFactsOf(cpuFiles(1), pciFiles(at("0000:00:01.0", "020000", { local_cpus: "3\n" })));
  assert.deepEqual(single.attachments[0]?.near, ["node0"]);
});

test("devices on no PCI bus are initiators by their names: no screens, no persistent memory", () => {
  const facts = quietFactsOf(
    cpuFiles(1),
    classFiles("net", "platform/soc/net/eth0", { "device/numa_node": "0\n" }),
    classFiles("drm", "platform/gpu/drm/card0", { dev: "226:0\n" }),
    classFiles("drm", "platform/gpu/drm/renderD128", { dev: "226:128\n" }),
    classFiles("drm", "platform/screen/drm/card1", { dev: "226:1\n" }),
    classFiles("dma", "platform/dma/dma/dma0chan0"),
    classFiles("dma", "platform/dma/dma/dma0chan1"),
    classFiles("block", "css0/dasda", { size: "8\n" }),
    classFiles("block", "LNXSYSTM:00/ndbus0/region0/pfn0.0/block/pmem0", { "device/devtype": "nd_pfn\n" }),
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, type, aliases }) => [id, type, aliases]),
    [
      ["dasda", "block", []],
      ["eth0", "nic", []],
      ["renderD128", "gpu", []],
      ["dma0", "dma", ["dma0chan0", "dma0chan1"]],
    ],
  );
  assert.deepEqual(facts.attachments.find(({ initiator }) => initiator === "eth0")?.near, ["node0"]);
});

const GPU = "pci0000:00/0000:00:06.0";
/** A function with a card on it, whose folder `device` is a link to the function. */
function withCard(files: Readonly<Record<string, string>>): CaptureFiles {
  return {
    ...pciFiles(at("0000:00:06.0", "030000", { numa_node: "1\n", ...LINK, ...files })),
    ...classFiles("drm", `${GPU}/drm/card0`, { dev: "226:0\n", device: { link: "../../../0000:00:06.0" } }),
  };
}

test("a GPU's memory is a target with what is free; CPUs reach it only if they can map all of it", () => {
  const memory = { mem_info_vram_total: `${16 * GIB}\n`, mem_info_vram_used: `${GIB}\n` };
  const window = quietFactsOf(
    cpuFiles(2),
    withCard({ ...memory, mem_info_vis_vram_total: `${GIB / 4}\n`, mem_info_gtt_total: `${8 * GIB}\n` }),
  );
  assert.deepEqual(
    window.targetFacts.map(({ id, kind, size, free, device }) => [id, kind.kind, size, free, device]),
    [["0000:00:06.0/vram", "gpu", 16 * GIB, 15 * GIB, "0000:00:06.0"]],
  );
  assert.deepEqual(
    window.reaches.map(({ initiator, medium }) => [initiator, medium]),
    [["0000:00:06.0", "memory"]],
  );
  const whole = quietFactsOf(cpuFiles(2), withCard({ ...memory, mem_info_vis_vram_total: `${16 * GIB}\n` }));
  assert.deepEqual(
    whole.reaches.map(({ initiator, medium, properties }) => [
      initiator,
      medium,
      properties.readBandwidth?.detail ?? null,
    ]),
    [
      ["0000:00:06.0", "memory", null],
      ["node0", "pcie", null],
      ["node1", "pcie", "PCIe Gen4 x16"],
    ],
  );
});

test("Intel's drivers: memory by tile, or by card; what CPUs can map by the size of the address range", () => {
  const range = (bytes: number): string =>
    `0x0000004000000000 0x${(0x4000000000 + bytes - 1).toString(16).padStart(16, "0")} 0x000000000014220c\n`;
  const xe = quietFactsOf(
    cpuFiles(2),
    withCard({
      "tile0/physical_vram_size_bytes": `${8 * GIB}\n`,
      "tile1/physical_vram_size_bytes": `${8 * GIB}\n`,
      resource: `0x00000000b0000000 0x00000000b0ffffff 0x0000000000140204\n${range(16 * GIB)}`,
    }),
  );
  assert.deepEqual([xe.targetFacts[0]?.size, xe.reaches.length], [16 * GIB, 3]);
  const small = quietFactsOf(
    cpuFiles(2),
    withCard({ "tile0/physical_vram_size_bytes": `${8 * GIB}\n`, resource: range(GIB / 4) }),
  );
  assert.equal(small.reaches.length, 1);
  const i915 = quietFactsOf(cpuFiles(2), withCard({}), {
    [`sys/devices/${GPU}/drm/card0/lmem_total_bytes`]: `${6 * GIB}\n`,
    [`sys/devices/${GPU}/drm/card0/lmem_avail_bytes`]: `${5 * GIB}\n`,
  });
  assert.deepEqual([i915.targetFacts[0]?.size, i915.targetFacts[0]?.free], [6 * GIB, 5 * GIB]);
  assert.deepEqual(quietFactsOf(cpuFiles(2), withCard({})).targetFacts, []);
});

test("memory of vector engines and Xeon Phi cards", () => {
  const facts = quietFactsOf(
    cpuFiles(1),
    pciFiles(at("0000:00:09.0", "0b4000")),
    classFiles("ve", "pci0000:00/0000:00:09.0/ve/ve0", { memory_size: "48\n" }),
  );
  assert.deepEqual(
    facts.targetFacts.map(({ id, kind, size, device }) => [id, kind.kind, size, device]),
    [["0000:00:09.0/memory", "device", 48 * GIB, "0000:00:09.0"]],
  );
});

const INFORMATION = "Model: \t\t Tesla V100-SXM2-16GB\nIRQ:   \t\t 29\nDevice Minor: \t 0\n";

test("an NVIDIA GPU whose memory is a node: that is the target, over NVLink, and there is no other", () => {
  const facts = quietFactsOf(
    cpuFiles(2),
    {
      "sys/devices/system/node/online": "0-1,255\n",
      "sys/devices/system/node/node0/distance": "10 40 80\n",
      "sys/devices/system/node/node1/distance": "40 10 80\n",
      "sys/devices/system/node/node255/distance": "80 80 10\n",
      "sys/devices/system/node/node255/meminfo": "Node 255 MemTotal: 16515072 kB\n",
      "sys/devices/system/node/node255/cpulist": "\n",
      "proc/driver/nvidia/gpus/0000:00:06.0/information": INFORMATION,
      "proc/driver/nvidia/gpus/0000:00:06.0/numa_status":
        "Node:      255\nStatus:    online\nSize:      3f0000000\n",
    },
    pciFiles(at("0000:00:06.0", "030200", { numa_node: "0\n", ...LINK })),
  );
  assert.deepEqual(facts.targetFacts, []);
  assert.deepEqual(
    facts.reaches.map(({ initiator, target, properties }) => [initiator, target, properties.coherent]),
    [["0000:00:06.0", "node255", true]],
  );
  assert.deepEqual(
    facts.attachments.map(({ medium, properties }) => [medium, properties.readBandwidth]),
    [["nvlink", null]],
  );
  const [gpu] = facts.initiatorFacts;
  assert.deepEqual([gpu?.type, gpu?.label, gpu?.aliases], ["gpu", "Tesla V100-SXM2-16GB", ["nvidia0"]]);
  const node = facts.nodes.find(({ index }) => index === 255);
  assert.deepEqual([node?.kind.kind, node?.info.PCIBusID], ["gpu", "0000:00:06.0"]);
});

test("an NVIDIA GPU whose memory is no node has a target of its own, of a size that may be unknown", () => {
  const facts = quietFactsOf(
    cpuFiles(2),
    {
      "proc/driver/nvidia/gpus/0000:00:06.0/information": INFORMATION,
      "proc/driver/nvidia/gpus/0000:00:06.0/numa_status":
        "Node:      255\nStatus:    offline\nSize:      3f0000000\n",
      "proc/driver/nvidia/gpus/0000:C1:00.0/information": INFORMATION.replace("Minor: \t 0", "Minor: \t 1"),
    },
    pciFiles(at("0000:00:06.0", "030200", LINK)),
  );
  assert.deepEqual(
    facts.targetFacts.map(({ id, size, device }) => [id, size, device]),
    [
      ["0000:00:06.0/vram", 0x3f0000000, "0000:00:06.0"],
      ["0000:c1:00.0/vram", null, "0000:c1:00.0"],
    ],
  );
  assert.deepEqual(
    facts.initiatorFacts.map(({ id, aliases }) => [id, aliases]),
    [
      ["0000:00:06.0", ["nvidia0"]],
      ["0000:c1:00.0", ["nvidia1"]],
    ],
  );
  assert.equal(facts.attachments[0]?.medium, "pcie");
  assert.ok(facts.attachments[0]?.properties.readBandwidth);
});
