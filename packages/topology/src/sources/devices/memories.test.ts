import assert from "node:assert/strict";
import { test } from "node:test";
import { discover } from "../../discover.ts";
import type { Facts } from "../../model/facts.ts";
import { paths } from "../../query/path.ts";
import { type CaptureFiles, classFiles, cpuFiles, factsOf, pciFiles } from "../../testing/facts-of.ts";
import { type MemoryEntry, MemoryTree } from "../../tree/memory.ts";

const GIB = 2 ** 30;

function quietFactsOf(...parts: readonly CaptureFiles[]): Facts {
  const facts = factsOf(Object.assign({}, ...parts));
  assert.deepEqual(facts.warnings, []);
  return facts;
}

/** Entries of a bus for devices that lie below /sys/devices. */
function busFiles(
  bus: string,
  devices: Readonly<Record<string, Readonly<Record<string, MemoryEntry>>>>,
): CaptureFiles {
  const files: Record<string, MemoryEntry> = {};
  for (const [path, own] of Object.entries(devices)) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    files[`sys/bus/${bus}/devices/${name}`] = { link: `../../../devices/${path}` };
    files[`sys/devices/${path}`] = { kind: "directory" };
    for (const [file, entry] of Object.entries(own)) files[`sys/devices/${path}/${file}`] = entry;
  }
  return files;
}

const dax = (driver: string, node: number): Record<string, string> => ({
  uevent: `DEVNAME=dax\nDRIVER=${driver}\n`,
  size: `${4 * GIB}\n`,
  align: "2097152\n",
  target_node: "5\n",
  numa_node: `${node}\n`,
  dev: "252:1\n",
});

const NDBUS = "LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0";

test("a DAX device that can be mapped is a target and an OS device; as system memory it is neither", () => {
  const facts = quietFactsOf(
    cpuFiles(2),
    busFiles("dax", {
      [`${NDBUS}/region0/dax0.1/dax0.0`]: dax("device_dax", 1),
      [`${NDBUS}/region1/dax1.1/dax1.0`]: dax("kmem", 0),
    }),
  );
  assert.deepEqual(
    facts.dax.map(({ name, size, driver, targetNode, kind }) => [name, size, driver, targetNode, kind.kind]),
    [
      ["dax0.0", 4 * GIB, "device_dax", 5, "nvm"],
      ["dax1.0", 4 * GIB, "kmem", 5, "nvm"],
    ],
  );
  assert.equal(facts.dax[0]?.parent, `${NDBUS}/region0/dax0.1`);
  assert.deepEqual(
    facts.targetFacts.map(({ id, kind, size, numaNode }) => [id, kind.kind, size, numaNode]),
    [["dax0.0", "nvm", 4 * GIB, null]],
  );
  assert.deepEqual(
    facts.devices.map(({ name, type, subtype, info }) => [name, type, subtype, info]),
    [
      [
        "dax0.0",
        "block",
        "NVM",
        { DAXType: "NVM", DAXParent: `${NDBUS}/region0/dax0.1`, Size: "4194304", LinuxDeviceID: "252:1" },
      ],
    ],
  );
  assert.deepEqual(
    facts.reaches.map(({ initiator, target }) => [initiator, target]),
    [
      ["node0", "dax0.0"],
      ["node1", "dax0.0"],
    ],
  );
});

test("a device on a slot goes on to mapped memory as the CPUs near it do, and the memory's own place shows", async () => {
  const machine = await discover(
    new MemoryTree({
      ...cpuFiles(2),
      ...busFiles("dax", { [`${NDBUS}/region0/dax0.1/dax0.0`]: dax("device_dax", 1) }),
      ...pciFiles(
        { path: "pci0000:00/0000:00:01.0", classCode: "020000", files: { numa_node: "1\n" } },
        { path: "pci0000:00/0000:00:02.0", classCode: "0b4000" },
      ),
      ...classFiles("ve", "pci0000:00/0000:00:02.0/ve/ve0", { memory_size: "48\n" }),
    }),
  );
  assert.deepEqual(
    ["node0", "node1", "0000:00:01.0"].map((from) => paths(machine, from, "dax0.0")[0]?.distance),
    [21, 10, 10],
  );
  assert.equal(paths(machine, "0000:00:01.0", "0000:00:02.0/memory").length, 0);
  assert.equal(paths(machine, "0000:00:02.0", "0000:00:02.0/memory").length, 1);
});

test("old kernels: the driver by its folder, the node by what the device lies in, and no bus but a class", () => {
  const { numa_node, uevent, ...rest } = dax("", 1);
  assert.ok(numa_node && uevent);
  const onBus = quietFactsOf(
    cpuFiles(2),
    busFiles("dax", { [`${NDBUS}/region0/dax0.0/dax0.0`]: rest }),
    { [`sys/devices/${NDBUS}/region0/dax0.0/numa_node`]: "1\n" },
    {
      "sys/bus/dax/drivers/device_dax/dax0.0": { link: `../../../../devices/${NDBUS}/region0/dax0.0/dax0.0` },
    },
  );
  assert.deepEqual([onBus.dax[0]?.driver, onBus.dax[0]?.numaNode], ["device_dax", 1]);
  // hwloc cuts the path where the name comes first.
  assert.equal(onBus.devices[0]?.info.DAXParent, `${NDBUS}/region0`);
  const inClass = quietFactsOf(cpuFiles(2), classFiles("dax", `${NDBUS}/region0/dax0.0/dax/dax0.0`, rest));
  assert.equal(inClass.dax[0]?.driver, "device_dax");
});

test("memory set aside for special purposes is HBM, unless its address lies in a CXL window", () => {
  const hmem = (resource: string): CaptureFiles =>
    busFiles("dax", { "platform/hmem.0/dax0.0": { ...dax("device_dax", 0), resource } });
  const window = busFiles("cxl", {
    "platform/ACPI0017:00/root0/decoder0.0": {
      start: "0x1000000000\n",
      size: "0x1000000000\n",
      cap_ram: "1\n",
    },
  });
  const alone = quietFactsOf(cpuFiles(1), hmem("0x1800000000\n"));
  assert.equal(alone.dax[0]?.kind.kind, "hbm");
  assert.match(alone.dax[0]?.kind.reason ?? "", /hmem\.0/);
  assert.equal(alone.devices[0]?.subtype, "SPM");
  assert.equal(alone.devices[0]?.info.DAXParent, "hmem.0");
  const inside = quietFactsOf(cpuFiles(1), hmem("0x1800000000\n"), window);
  assert.equal(inside.dax[0]?.kind.kind, "cxl");
  assert.match(inside.dax[0]?.kind.reason ?? "", /decoder0\.0/);
  assert.equal(quietFactsOf(cpuFiles(1), hmem("0x2000000000\n"), window).dax[0]?.kind.kind, "hbm");
});

test("regions and namespaces of persistent memory; files on a disk of mode fsdax are a target", () => {
  const region = `${NDBUS}/region0`;
  const facts = quietFactsOf(
    cpuFiles(2),
    { [`sys/devices/${NDBUS}/provider`]: "ACPI.NFIT\n" },
    busFiles("nd", {
      [region]: { size: `${8 * GIB}\n`, available_size: `${GIB}\n`, numa_node: "1\n" },
      [`${region}/namespace0.0`]: { mode: "memory\n", holder: "pfn0.0\n", size: `${4 * GIB}\n` },
      [`${region}/namespace0.1`]: { mode: "dax\n", holder: "dax0.1\n", size: `${2 * GIB}\n` },
      [`${region}/namespace0.2`]: { mode: "safe\n", holder: "btt0.2\n", size: `${GIB}\n` },
      [`${region}/namespace0.3`]: { mode: "raw\n", holder: "\n", size: "0\n" },
      [`${region}/pfn0.0`]: {},
      [`${region}/dax0.1`]: { "dax0.9/size": "1\n", "dax_region/id": "0\n" },
      [`${region}/btt0.2`]: {},
    }),
    classFiles("block", `${region}/pfn0.0/block/pmem0`, {
      size: `${(4 * GIB) / 512}\n`,
      "device/devtype": "nd_pfn\n",
      "device/numa_node": "1\n",
    }),
    classFiles("block", `${region}/btt0.2/block/pmem0.2s`, { size: "100\n", "device/devtype": "nd_btt\n" }),
  );
  assert.deepEqual(facts.pmem, [
    {
      name: "region0",
      size: 8 * GIB,
      available: GIB,
      numaNode: 1,
      provider: "ACPI.NFIT",
      namespaces: [
        { name: "namespace0.0", size: 4 * GIB, mode: "fsdax", device: "pmem0" },
        { name: "namespace0.1", size: 2 * GIB, mode: "devdax", device: "dax0.9" },
        { name: "namespace0.2", size: GIB, mode: "sector", device: "pmem0.2s" },
      ],
    },
  ]);
  assert.deepEqual(
    facts.targetFacts.map(({ id, kind, size }) => [id, kind.kind, size]),
    [["pmem0", "nvm", 4 * GIB]],
  );
});

const CXL_ROOT = "platform/ACPI0017:00/root0";

/** Two memory devices on one CXL bus: the first in a region that is a node, the second half in a persistent region. */
const CXL: CaptureFiles = {
  ...pciFiles(
    { path: "pci0000:0c/0000:0c:00.0", classCode: "060400" },
    { path: "pci0000:0c/0000:0c:00.0/0000:0d:00.0", classCode: "050210", files: { numa_node: "0\n" } },
  ),
  ...busFiles("cxl", {
    "pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0": {
      "ram/size": "0x100000000\n",
      "ram/qos_class": "1\n",
      "pmem/size": "0x80000000\n",
      "pmem/qos_class": "-1\n",
      numa_node: "-1\n",
      firmware_version: "1.2\n",
    },
    [`${CXL_ROOT}/decoder0.0`]: {
      start: "0x690000000\n",
      size: "0x1000000000\n",
      target_list: "12,13\n",
      cap_ram: "1\n",
    },
    [`${CXL_ROOT}/port1/endpoint2`]: {
      uport: { link: "../../../../../pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0" },
    },
    [`${CXL_ROOT}/port1/endpoint2/decoder2.0`]: {
      size: "0x80000000\n",
      dpa_size: "0x80000000\n",
      mode: "ram\n",
      region: "region1\n",
      interleave_ways: "1\n",
      interleave_granularity: "256\n",
    },
    [`${CXL_ROOT}/port1/endpoint2/decoder2.1`]: { dpa_size: "0x0\n", mode: "none\n", region: "\n" },
    [`${CXL_ROOT}/port1/endpoint2/decoder2.2`]: {
      dpa_size: "0x80000000\n",
      mode: "pmem\n",
      region: "region2\n",
    },
    [`${CXL_ROOT}/decoder0.0/region1`]: {
      size: "0x80000000\n",
      mode: "ram\n",
      commit: "1\n",
      interleave_ways: "1\n",
      interleave_granularity: "256\n",
      target0: "decoder2.0\n",
      "access0/read_bandwidth": "32000\n",
      "access1/read_bandwidth": "16000\n",
      "access1/write_bandwidth": "0\n",
      "access1/read_latency": "262\n",
    },
    [`${CXL_ROOT}/decoder0.0/region2`]: {
      size: "0x80000000\n",
      mode: "pmem\n",
      commit: "1\n",
      target0: "decoder2.2\n",
    },
  }),
  ...busFiles("nd", {
    [`${CXL_ROOT}/nvdimm-bridge0/ndbus1/region2`]: { size: `${2 * GIB}\n`, available_size: `${2 * GIB}\n` },
  }),
};

test("CXL memory devices, decoders and regions, with what each is put together from", () => {
  const facts = quietFactsOf(cpuFiles(2), CXL);
  assert.deepEqual(facts.cxlMemdevs, [
    {
      name: "mem0",
      pciAddress: "0000:0d:00.0",
      numaNode: 0,
      ramSize: 4 * GIB,
      pmemSize: 2 * GIB,
      ramQosClass: 1,
      pmemQosClass: null,
      firmware: "1.2",
    },
  ]);
  assert.deepEqual(facts.cxlDecoders[0], {
    name: "decoder0.0",
    port: "root0",
    start: "0x690000000",
    size: 64 * GIB,
    targets: ["12", "13"],
    interleaveWays: null,
    interleaveGranularity: null,
    mode: null,
    region: null,
  });
  const [region] = facts.cxlRegions;
  assert.ok(region);
  assert.deepEqual(
    [region.targets, region.memdevs, region.committed, region.numaNode],
    [["decoder2.0"], ["mem0"], true, null],
  );
  const near = region.access.find(({ index }) => index === 1);
  assert.deepEqual(near?.readBandwidth, { value: 16e9, origin: "cdat", detail: "region1/access1" });
  assert.equal(near?.writeBandwidth, null);
  const device = facts.devices.find(({ name }) => name === "mem0");
  assert.deepEqual(
    [device?.subtype, device?.info],
    ["CXLMem", { CXLRAMSize: "4194304", CXLPMEMSize: "2097152" }],
  );
});

test("CXL memory that nothing uses is a target out of reach, and says why", () => {
  const facts = quietFactsOf(cpuFiles(2), CXL);
  assert.deepEqual(
    facts.targetFacts.map(({ id, kind, size, label }) => [id, kind.kind, size, label]),
    [
      ["mem0/ram", "cxl", 2 * GIB, "volatile memory of mem0 that is in no region"],
      ["region2", "nvm", 2 * GIB, "region2, which has no namespace yet"],
    ],
  );
  assert.deepEqual(facts.reaches, []);
});

test("CPUs reach a region's memory over CXL, the nearest with the region's numbers, as a node and mapped", () => {
  const onRegion = (driver: string): CaptureFiles =>
    busFiles("dax", {
      [`${CXL_ROOT}/decoder0.0/region1/dax_region1/dax1.0`]: { ...dax(driver, 1), target_node: "2\n" },
    });
  const node = {
    "sys/devices/system/node/online": "0-2\n",
    "sys/devices/system/node/node2/cpulist": "\n",
    "sys/devices/system/node/node2/meminfo": "Node 2 MemTotal: 2097152 kB\n",
    "sys/devices/system/node/node0/distance": "10 21 30\n",
    "sys/devices/system/node/node1/distance": "21 10 14\n",
    "sys/devices/system/node/node2/distance": "30 14 10\n",
  };
  const asNode = quietFactsOf(cpuFiles(2), node, CXL, onRegion("kmem"));
  assert.equal(asNode.cxlRegions[0]?.numaNode, 2);
  assert.deepEqual(
    asNode.reaches.map(({ initiator, target, medium, properties }) => [
      initiator,
      target,
      medium,
      properties.readBandwidth?.value ?? null,
      properties.readLatency?.origin ?? null,
    ]),
    [
      ["node0", "node2", "cxl", null, null],
      ["node1", "node2", "cxl", 16e9, "cdat"],
    ],
  );
  const mapped = quietFactsOf(cpuFiles(2), CXL, onRegion("device_dax"));
  const known = mapped.reaches.filter(({ properties }) => properties.readBandwidth !== null);
  assert.deepEqual(
    known.map(({ initiator, target }) => [initiator, target]),
    [["node1", "dax1.0"]],
  );
  assert.equal(mapped.targetFacts.find(({ id }) => id === "dax1.0")?.kind.kind, "cxl");
});

test("garbage in files of DAX, persistent and CXL memory is warned of and does no harm", () => {
  const facts = factsOf({
    ...cpuFiles(1),
    ...CXL,
    ...busFiles("dax", { [`${NDBUS}/region0/dax0.0`]: { size: "-5\n", target_node: "x\n", dev: "?\n" } }),
    "sys/devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0/ram/size": "0xzz\n",
    [`sys/devices/${CXL_ROOT}/port1/endpoint2/uport`]: { link: "uport" },
    "sys/bus/cxl/devices/mem9": { link: "../../../../../../outside" },
    "sys/bus/nd/devices/region9": "a file\n",
  });
  const named = new Set(facts.warnings.map(({ path }) => path));
  for (const path of [
    "sys/bus/dax/devices/dax0.0/size",
    "sys/bus/dax/devices/dax0.0/target_node",
    "sys/bus/cxl/devices/mem0/ram/size",
    "sys/bus/cxl/devices/mem9",
  ])
    assert.ok(named.has(path), path);
  assert.equal(facts.cxlMemdevs[0]?.pmemSize, 2 * GIB);
});
