// Captures broken at random: the device sources never throw, and what they find fits together.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Facts } from "../../model/facts.ts";
import { type CaptureFiles, classFiles, cpuFiles, factsOf, pciFiles } from "../../testing/facts-of.ts";
import type { MemoryEntry } from "../../tree/memory.ts";

const KFD = "sys/class/kfd/kfd/topology/nodes";
const CXL = "platform/ACPI0017:00/root0";
const link = (target: string): MemoryEntry => ({ link: target });

/** A machine with something for every device source. */
const WHOLE: CaptureFiles = {
  ...cpuFiles(2),
  ...pciFiles(
    {
      path: "pci0000:00/0000:00:01.0",
      classCode: "060400",
      files: { config: new Uint8Array(256).fill(0x10), max_link_speed: "8 GT/s\n", max_link_width: "8\n" },
    },
    {
      path: "pci0000:00/0000:00:01.0/0000:01:00.0",
      classCode: "030000",
      files: {
        uevent: "DRIVER=amdgpu\nPCI_ID=1002:744C\n",
        numa_node: "0\n",
        local_cpus: "3\n",
        mem_info_vram_total: "17163091968\n",
        mem_info_vram_used: "100\n",
        mem_info_vis_vram_total: "17163091968\n",
        resource: "0x0000004000000000 0x00000043ffffffff 0x000000000014220c\n",
        "tile0/physical_vram_size_bytes": "1\n",
      },
    },
    { path: "pci0000:0c/0000:0c:00.0", classCode: "050210" },
    { path: "pci0000:0c/0000:0c:01.0", classCode: "0b4000" },
    { path: "pci0000:0c/0000:0c:02.0", classCode: "010802" },
  ),
  ...classFiles("drm", "pci0000:00/0000:00:01.0/0000:01:00.0/drm/card0", {
    dev: "226:0\n",
    device: link("../../../0000:01:00.0"),
    lmem_total_bytes: "4096\n",
  }),
  ...classFiles("drm", "platform/amdgpu_xcp_1/drm/renderD129", { dev: "226:129\n" }),
  ...classFiles("block", "pci0000:0c/0000:0c:02.0/nvme/nvme0/nvme0n1", { size: "8\n", dev: "259:0\n" }),
  ...classFiles("block", "platform/ndbus0/region0/pfn0.0/block/pmem0", {
    size: "8\n",
    "device/devtype": "nd_pfn\n",
  }),
  ...classFiles("net", "platform/eth0", { address: "x\n", speed: "10\n", "device/infiniband/a/b": "" }),
  ...classFiles("infiniband", "platform/mlx5_0", { "ports/1/state": "4\n", "ports/1/gids/0": "fe80::1\n" }),
  ...classFiles("dma", "platform/dma0chan0"),
  ...classFiles("ve", "pci0000:0c/0000:0c:01.0/ve/ve0", { memory_size: "48\n", partitioning_mode: "1\n" }),
  ...classFiles("mic", "pci0000:0c/0000:0c:01.0/mic/mic0", { memsize: "7c0000\n" }),
  ...classFiles("uacce", "platform/hisi_zip-0", { algorithms: "zlib\n" }),
  "run/udev/data/b259:0": "E:ID_TYPE=disk\n",
  "sys/bus/pci/slots/1/address": "0000:01:00\n",
  "sys/kernel/iommu_groups/3/devices/0000:01:00.0": { kind: "directory" },
  "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: M\nDevice Minor: 0\n",
  "proc/driver/nvidia/gpus/0000:01:00.0/numa_status": "Node: 1\nStatus: online\nSize: 40\n",
  "proc/driver/nvidia/gpus/0000:02:00.0/numa_status": "Node: -1\n",
  "sys/bus/dax/devices/dax0.0": link("../../../devices/platform/hmem.0/dax0.0"),
  "sys/devices/platform/hmem.0/dax0.0/size": "4096\n",
  "sys/devices/platform/hmem.0/dax0.0/resource": "0x690000000\n",
  "sys/devices/platform/hmem.0/dax0.0/uevent": "DRIVER=device_dax\n",
  "sys/bus/dax/devices/dax1.0": link(`../../../devices/${CXL}/decoder0.0/region1/dax_region1/dax1.0`),
  [`sys/devices/${CXL}/decoder0.0/region1/dax_region1/dax1.0/uevent`]: "DRIVER=kmem\n",
  [`sys/devices/${CXL}/decoder0.0/region1/dax_region1/dax1.0/target_node`]: "1\n",
  "sys/bus/nd/devices/region0": link("../../../devices/platform/ndbus0/region0"),
  "sys/bus/nd/devices/namespace0.0": link("../../../devices/platform/ndbus0/region0/namespace0.0"),
  "sys/devices/platform/ndbus0/region0/size": "8192\n",
  "sys/devices/platform/ndbus0/region0/namespace0.0/holder": "pfn0.0\n",
  "sys/devices/platform/ndbus0/region0/namespace0.0/mode": "memory\n",
  "sys/bus/cxl/devices/mem0": link("../../../devices/pci0000:0c/0000:0c:00.0/mem0"),
  "sys/devices/pci0000:0c/0000:0c:00.0/mem0/ram/size": "0x10000\n",
  "sys/devices/pci0000:0c/0000:0c:00.0/mem0/pmem/size": "0x10000\n",
  "sys/bus/cxl/devices/decoder0.0": link(`../../../devices/${CXL}/decoder0.0`),
  [`sys/devices/${CXL}/decoder0.0/start`]: "0x690000000\n",
  [`sys/devices/${CXL}/decoder0.0/size`]: "0x100000000\n",
  [`sys/devices/${CXL}/decoder0.0/cap_ram`]: "1\n",
  "sys/bus/cxl/devices/decoder2.0": link(`../../../devices/${CXL}/endpoint2/decoder2.0`),
  [`sys/devices/${CXL}/endpoint2/uport`]: link("../../../pci0000:0c/0000:0c:00.0/mem0"),
  [`sys/devices/${CXL}/endpoint2/decoder2.0/mode`]: "ram\n",
  [`sys/devices/${CXL}/endpoint2/decoder2.0/region`]: "region1\n",
  [`sys/devices/${CXL}/endpoint2/decoder2.0/dpa_size`]: "0x8000\n",
  "sys/bus/cxl/devices/region1": link(`../../../devices/${CXL}/decoder0.0/region1`),
  [`sys/devices/${CXL}/decoder0.0/region1/target0`]: "decoder2.0\n",
  [`sys/devices/${CXL}/decoder0.0/region1/access1/read_latency`]: "262\n",
  [`sys/devices/${CXL}/decoder0.0/region1/commit`]: "1\n",
  [`${KFD}/0/properties`]: "cpu_cores_count 2\nsimd_count 0\nio_links_count 1\nmem_banks_count 1\n",
  [`${KFD}/0/io_links/0/properties`]: "type 2\nnode_from 0\nnode_to 2\nflags 3\nmax_bandwidth 32000\n",
  [`${KFD}/1/properties`]: "cpu_cores_count 2\nsimd_count 0\n",
  [`${KFD}/2/properties`]:
    "cpu_cores_count 0\nsimd_count 8\nlocation_id 256\ndomain 0\nunique_id 5\ndrm_render_minor 128\n",
  [`${KFD}/2/io_links/0/properties`]: "type 2\nnode_from 2\nnode_to 0\nflags 1\nweight 20\n",
  [`${KFD}/2/io_links/1/properties`]: "type 11\nnode_from 2\nnode_to 3\nflags 1\n",
  [`${KFD}/2/mem_banks/0/properties`]: "heap_type 1\nsize_in_bytes 1000\n",
  [`${KFD}/3/properties`]:
    "cpu_cores_count 0\nsimd_count 8\nlocation_id 257\ndomain 0\nunique_id 5\ndrm_render_minor 129\n",
  [`${KFD}/3/p2p_links/0/properties`]: "type 2\nnode_from 3\nnode_to 2\nflags 17\n",
};

/** What is found refers to what is found, once each, and no number stands for "unknown". */
function assertConsistent(facts: Facts): void {
  const nodes = facts.nodes.map(({ index }) => `node${index}`);
  const initiators = [...nodes, ...facts.initiatorFacts.map(({ id }) => id)];
  const targets = [...nodes, ...facts.targetFacts.map(({ id }) => id)];
  assert.equal(new Set(initiators).size, initiators.length, "each initiator once");
  assert.equal(new Set(targets).size, targets.length, "each target once");
  for (const { initiator, target, properties } of facts.reaches) {
    assert.ok(initiators.includes(initiator), `${initiator} is there`);
    assert.ok(targets.includes(target), `${target} is there`);
    for (const number of [properties.readBandwidth, properties.readLatency])
      assert.ok(number === null || number.value > 0);
  }
  for (const { initiator, near } of facts.attachments) {
    assert.ok(initiators.includes(initiator), `${initiator} is attached`);
    assert.ok(near.every((id) => nodes.includes(id)));
  }
  const functions = new Set(facts.pci.map(({ address }) => address));
  for (const { parent } of facts.pci) assert.ok(parent === null || functions.has(parent));
  for (const { pciAddress } of facts.devices) assert.ok(pciAddress === null || functions.has(pciAddress));
  for (const { size } of facts.targetFacts) assert.ok(size === null || size > 0);
  for (const { device } of facts.targetFacts) assert.ok(device === null || initiators.includes(device));
}

test("the whole capture has something for every source, and fits together", () => {
  const facts = factsOf(WHOLE);
  assertConsistent(facts);
  for (const list of [
    "pci",
    "dax",
    "pmem",
    "cxlMemdevs",
    "cxlDecoders",
    "cxlRegions",
    "kfdAgents",
    "kfdLinks",
  ] as const)
    assert.ok(facts[list].length > 0, list);
  assert.deepEqual([...new Set(facts.devices.map(({ kernelClass }) => kernelClass))].sort(), [
    "block",
    "cxl",
    "dax",
    "dma",
    "drm",
    "infiniband",
    "mic",
    "net",
    "uacce",
    "ve",
  ]);
});

test("no broken capture makes a source throw, or leaves anything that refers to nothing", () => {
  const paths = Object.keys(WHOLE);
  const anyPath = fc.constantFrom(...paths);
  const garbage = fc.oneof(
    fc.constantFrom(
      "",
      "-1\n",
      "0\n",
      "99999999999999999999\n",
      "0xffffffffffffffff\n",
      "\0\0",
      "1\n1\n1\n",
      "decoder0.0\n",
    ),
    fc.string({ unit: "binary", maxLength: 20 }),
  );
  const entry: fc.Arbitrary<MemoryEntry> = fc.oneof(
    garbage,
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom<MemoryEntry>(
      { kind: "directory" },
      { kind: "other" },
      { error: "EACCES" },
      { error: "EIO" },
    ),
    fc
      .constantFrom(".", "..", "/", "../../../../../../../etc", "loop", "/sys/devices")
      .map((to) => ({ link: to })),
    anyPath.map((to) => ({ link: `/${to}` })),
  );
  const change = fc.oneof(
    fc.record({ path: anyPath, entry: fc.constant(undefined) }),
    fc.record({ path: anyPath, entry }),
    // A line of one file in another, and a file cut short.
    fc.tuple(anyPath, anyPath).map(([path, other]) => ({ path, entry: WHOLE[other] })),
    fc.tuple(anyPath, fc.nat(30)).map(([path, length]) => {
      const whole = WHOLE[path];
      return { path, entry: typeof whole === "string" ? whole.slice(0, length) : whole };
    }),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const files: Record<string, MemoryEntry> = { ...WHOLE };
      for (const { path, entry: made } of changes) {
        if (made === undefined) delete files[path];
        else files[path] = made;
      }
      assertConsistent(factsOf(files));
    }),
    { numRuns: 1500 },
  );
});
