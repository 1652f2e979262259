import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NumaNode } from "../../model/facts.ts";
import { accessFiles, cpuFiles, type Files, factsOf, nodeFiles } from "../../testing/captures.ts";

/** A node with CPUs, and one without that has the given files beside it. */
function machine(of: {
  readonly dram?: Files;
  readonly other?: Files;
  readonly files?: Files;
  readonly megabytes?: number;
}): Files {
  return {
    ...cpuFiles(2),
    ...nodeFiles(0, { cpus: "0-1", distance: "10 20", more: of.dram ?? {} }),
    ...nodeFiles(1, { distance: "20 10", megabytes: of.megabytes ?? 1024, more: of.other ?? {} }),
    ...of.files,
  };
}

/** Files of a DAX device that the kernel made system memory of. */
function daxFiles(parent: string, target: number, megabytes = 1024): Files {
  const device = `sys/devices/${parent}/dax0.0`;
  return {
    "sys/bus/dax/devices/dax0.0": { link: `../../../devices/${parent}/dax0.0` },
    [`${device}/target_node`]: `${target}\n`,
    [`${device}/numa_node`]: "0\n",
    [`${device}/size`]: `${megabytes * 2 ** 20}\n`,
    [`${device}/driver`]: { link: `${"../".repeat(parent.split("/").length + 2)}bus/dax/drivers/kmem` },
    "sys/bus/dax/drivers/kmem/module": "",
  };
}

/** The kind of node 1 unless told otherwise, and why. */
function kindOf(files: Files, index = 1): NumaNode["kind"] {
  const node = factsOf(files).nodes.find((one) => one.index === index);
  assert.ok(node !== undefined);
  return node.kind;
}

const DRAM = accessFiles(0, [0], { bandwidth: 100_000, latency: 100 });

describe("by what lies behind a node", () => {
  test("persistent memory", () => {
    const dax = daxFiles("LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/dax0.1", 1);
    const { kind, reason } = kindOf(machine({ files: dax }));
    assert.equal(kind, "nvm");
    assert.match(reason, /ndbus0.*dax0\.0 as system memory/);
    const info = factsOf(machine({ files: dax })).nodes[1]?.info;
    assert.deepEqual(info, {
      DAXDevice: "dax0.0",
      DAXType: "NVM",
      DAXParent: "LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/dax0.1",
    });
  });

  test("a CXL region, with the device's own numbers", () => {
    const region = "platform/ACPI0017:00/root0/decoder0.0/region1";
    const files: Files = {
      ...daxFiles(`${region}/dax_region1`, 1),
      "sys/bus/cxl/devices/region1": { link: `../../../devices/${region}` },
      [`sys/devices/${region}/size`]: "0x40000000\n",
      [`sys/devices/${region}/mode`]: "ram\n",
      [`sys/devices/${region}/access0/read_bandwidth`]: "16000\n",
      [`sys/devices/${region}/access0/write_bandwidth`]: "15000\n",
    };
    const facts = factsOf(
      machine({ dram: DRAM, other: accessFiles(0, [], { bandwidth: 16_000, latency: 300 }), files }),
    );
    const [, node] = facts.nodes;
    assert.equal(node?.kind.kind, "cxl");
    const [access] = node?.access ?? [];
    assert.deepEqual(access?.readBandwidth, {
      value: 16e9,
      origin: "cdat",
      detail: "node1/access0, region1",
    });
    // The region states another number, or none: the node's own is not the device's.
    assert.equal(access?.writeBandwidth?.origin, "hmat");
    assert.equal(access?.readLatency?.origin, "hmat");
  });

  test("a GPU's memory", () => {
    const files: Files = {
      "proc/driver/nvidia/gpus/0004:05:00.0/numa_status":
        "Node:      1\nStatus:    online\nAddress:   40000000000\n",
      "proc/driver/nvidia/gpus/0004:06:00.0/numa_status": "Node:      -1\nStatus:    offline\n",
    };
    const facts = factsOf(machine({ files }));
    assert.equal(facts.nodes[1]?.kind.kind, "gpu");
    assert.equal(facts.nodes[1]?.info.PCIBusID, "0004:05:00.0");
    assert.equal(facts.nodes[0]?.kind.kind, "dram");
    assert.deepEqual(facts.warnings, []);
  });

  test("memory that DAX adds to a node with CPUs is what the node is only when it is most of it", () => {
    const dax = (megabytes: number): Files => daxFiles("LNXSYSTM:00/ndbus0/region0", 0, megabytes);
    assert.equal(kindOf(machine({ files: dax(100) }), 0).kind, "dram");
    assert.equal(kindOf(machine({ files: dax(1000) }), 0).kind, "nvm");
  });

  test("special-purpose memory: HBM when faster than DRAM or when its speed is not known, no HBM when slower", () => {
    const kind = (bandwidth: number | undefined): string =>
      kindOf(
        machine({
          dram: DRAM,
          other: bandwidth === undefined ? {} : accessFiles(0, [0], { bandwidth }),
          files: daxFiles("platform/hmem.0", 1),
        }),
      ).kind;
    assert.equal(kind(400_000), "hbm");
    assert.equal(kind(undefined), "hbm");
    assert.equal(kind(30_000), "unknown");
  });
});

describe("by its speed", () => {
  const kind = (bandwidth: number, files: Files = {}): string =>
    kindOf(machine({ dram: DRAM, other: accessFiles(0, [0], { bandwidth }), files })).kind;

  test("a node without CPUs: faster than DRAM is HBM, like it is DRAM, slower is not known", () => {
    assert.deepEqual(
      [400_000, 100_000, 30_000, 0].map((bandwidth) => kind(bandwidth)),
      ["hbm", "dram", "unknown", "dram"],
    );
  });

  test("slower, on a machine with a CXL memory that shows nowhere else, is that", () => {
    const device = "sys/devices/pci0000:0c/0000:0c:00.0/0000:0d:00.0/mem0";
    const cxl: Files = {
      "sys/bus/cxl/devices/mem0": { link: device.replace("sys/", "../../../") },
      [`${device}/ram/size`]: "0x40000000\n",
      [`${device}/pmem/size`]: "0\n",
    };
    assert.equal(kind(30_000, cxl), "cxl");
    assert.equal(kind(400_000, cxl), "hbm");
  });

  test("by the kernel's tiers, where there are no numbers", () => {
    const tiers = (own: number, name: string): Files => ({
      [`sys/devices/virtual/memory_tiering/memory_tier4/${name}`]: "0\n",
      [`sys/devices/virtual/memory_tiering/memory_tier${own}/${name}`]: "1\n",
    });
    assert.equal(kindOf(machine({ files: tiers(1, "nodelist") })).kind, "hbm");
    assert.equal(kindOf(machine({ files: tiers(961, "nodes") })).kind, "unknown");
    const facts = factsOf(machine({ files: tiers(961, "nodes") }));
    assert.deepEqual(
      facts.nodes.map(({ tier }) => tier),
      [4, 961],
    );
    assert.deepEqual(
      facts.tiers.map(({ index, nodes }) => [index, nodes.toList()]),
      [
        [4, "0"],
        [961, "1"],
      ],
    );
  });

  test("says so with both numbers", () => {
    const { reason } = kindOf(machine({ dram: DRAM, other: accessFiles(0, [0], { bandwidth: 400_000 }) }));
    assert.equal(reason, "faster than DRAM: 400 GB/s where DRAM has 100 GB/s");
  });
});

describe("by the processor", () => {
  const x86 = (model: string): Files => ({
    "proc/cpuinfo": `processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: ${model}\n\n`,
  });
  const alone = (megabytes: number, files: Files): Files => ({
    ...cpuFiles(2),
    ...nodeFiles(0, { cpus: "0-1", megabytes }),
    ...files,
  });
  const GIB = 1024;

  test("a Xeon Max with HBM alone, with DDR beside it, with HBM as a cache", () => {
    const max = x86("Intel(R) Xeon(R) CPU Max 9480");
    assert.equal(kindOf(alone(63 * GIB, max), 0).kind, "hbm");
    assert.equal(kindOf(alone(512 * GIB, max), 0).kind, "dram");
    const cache = { "sys/devices/system/node/node0/memory_side_cache/index1/size": "68719476736\n" };
    assert.equal(kindOf(alone(63 * GIB, { ...max, ...cache }), 0).kind, "dram");
    assert.equal(kindOf(machine({ files: max }), 0).kind, "dram");
  });

  test("processors that have no other memory", () => {
    assert.equal(kindOf(alone(128 * GIB, x86("AMD Instinct MI300A Accelerator")), 0).kind, "hbm");
    const a64fx = {
      "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x46\nCPU architecture: 8\nCPU part\t: 0x001\n\n",
    };
    assert.equal(kindOf(alone(32 * GIB, a64fx), 0).kind, "hbm");
  });
});
