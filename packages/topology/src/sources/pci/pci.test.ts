import assert from "node:assert/strict";
import { test } from "node:test";
import { classFiles, cpuFiles, factsOf, pciFiles } from "../../testing/facts-of.ts";

const UEVENT = "DRIVER=mlx5_core\nPCI_CLASS=20000\nPCI_ID=15B3:101D\nPCI_SUBSYS_ID=15B3:0059\n";

/** A root port with a network adapter behind it, as a new kernel shows them. */
const NEW_KERNEL = {
  ...cpuFiles(2),
  ...pciFiles(
    {
      path: "pci0000:3a/0000:3a:00.0",
      classCode: "060400",
      files: {
        vendor: "0x8086\n",
        device: "0x2030\n",
        revision: "0x04\n",
        secondary_bus_number: "59\n",
        subordinate_bus_number: "60\n",
        max_link_speed: "16.0 GT/s PCIe\n",
        max_link_width: "8\n",
        current_link_speed: "8.0 GT/s PCIe\n",
        current_link_width: "8\n",
        numa_node: "1\n",
        local_cpus: "c\n",
      },
    },
    {
      path: "pci0000:3a/0000:3a:00.0/0000:3b:00.0",
      classCode: "000000",
      files: {
        uevent: UEVENT,
        revision: "0x00\n",
        max_link_speed: "16.0 GT/s PCIe\n",
        max_link_width: "16\n",
        current_link_speed: "Unknown\n",
        current_link_width: "0\n",
        numa_node: "-1\n",
        local_cpus: "f\n",
        label: "Onboard LAN 1\n",
        config: { error: "EACCES" },
      },
    },
  ),
  "sys/bus/pci/slots/7/address": "0000:3b:00\n",
  "sys/kernel/iommu_groups/42/devices/0000:3b:00.0": { kind: "directory" as const },
};

test("reads a function and the bridge above it from the files of a new kernel, without its configuration space", () => {
  const { pci, warnings } = factsOf(NEW_KERNEL);
  assert.deepEqual(warnings, []);
  const [bridge, nic] = pci;
  assert.ok(bridge !== undefined && nic !== undefined);
  assert.deepEqual(bridge.bridge, { secondaryBus: 0x3b, subordinateBus: 0x3c });
  assert.equal(bridge.parent, null);
  assert.equal(bridge.numaNode, 1);
  assert.equal(bridge.localCpus.toList(), "2-3");
  assert.deepEqual(bridge.link, { speedMax: 16, widthMax: 8, speedCurrent: 8, widthCurrent: 8 });
  assert.deepEqual(
    { ...nic, localCpus: nic.localCpus.toList() },
    {
      address: "0000:3b:00.0",
      classCode: 0x0200,
      vendor: 0x15b3,
      device: 0x101d,
      subVendor: 0x15b3,
      subDevice: 0x0059,
      revision: 0,
      label: "Onboard LAN 1",
      slot: "7",
      driver: "mlx5_core",
      parent: "0000:3a:00.0",
      bridge: null,
      link: { speedMax: 16, widthMax: 16, speedCurrent: null, widthCurrent: null },
      numaNode: null,
      localCpus: "0-3",
      iommuGroup: 42,
    },
  );
});

test("a domain may be wider than 16 bits, and a root bus below a function of another domain", () => {
  const { pci } = factsOf(
    pciFiles(
      { path: "pci0000:5d/0000:5d:05.5", classCode: "010400" },
      { path: "pci0000:5d/0000:5d:05.5/pci10000:00/10000:00:02.0", classCode: "060400" },
      {
        path: "pci0000:5d/0000:5d:05.5/pci10000:00/10000:00:02.0/10000:01:00.0",
        classCode: "010802",
      },
    ),
  );
  assert.deepEqual(
    pci.map(({ address, parent, bridge }) => [address, parent, bridge?.secondaryBus ?? null]),
    [
      ["0000:5d:05.5", null, null],
      ["10000:00:02.0", null, 1],
      ["10000:01:00.0", "10000:00:02.0", null],
    ],
  );
});

test("where folders stand for links, bus numbers say what is above what; one that is not listed is passed over", () => {
  const config = new Uint8Array(64);
  config.set([0x04, 0x06], 0x0a);
  config[0x0e] = 1;
  config[0x19] = 2;
  config[0x1a] = 5;
  const inner = config.slice();
  inner[0x19] = 4;
  inner[0x1a] = 4;
  const { pci } = factsOf({
    "sys/bus/pci/devices/0000:00:01.0/config": config,
    "sys/bus/pci/devices/0000:02:00.0/config": inner,
    "sys/bus/pci/devices/0000:04:00.0/class": "0x030000\n",
    "sys/bus/pci/devices/0000:05:00.0/class": "0x020000\n",
    "sys/bus/pci/devices/0001:04:00.0/class": "0x020000\n",
  });
  assert.deepEqual(
    pci.map(({ address, parent, classCode }) => [address, parent, classCode]),
    [
      ["0000:00:01.0", null, 0x0604],
      ["0000:02:00.0", "0000:00:01.0", 0x0604],
      ["0000:04:00.0", "0000:02:00.0", 0x0300],
      ["0000:05:00.0", "0000:00:01.0", 0x0200],
      ["0001:04:00.0", null, 0x0200],
    ],
  );
  const partly = factsOf(
    pciFiles(
      { path: "pci0000:00/0000:00:01.0", classCode: "060400" },
      { path: "pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0", classCode: "030000" },
    ),
  );
  assert.deepEqual(
    partly.pci.map(({ parent }) => parent),
    [null, "0000:00:01.0"],
  );
});

test("what nothing says is as the bus answers where nothing is", () => {
  const { pci, warnings } = factsOf({ "sys/bus/pci/devices/0000:00:01.0/class": "0x030000\n" });
  assert.deepEqual(warnings, []);
  assert.equal(pci[0]?.revision, 0xff);
  assert.equal(pci[0]?.vendor, 0);
  assert.equal(pci[0]?.link, null);
  assert.ok(pci[0]?.localCpus.isEmpty);
});

test("malformed files are named in warnings, and the function is there all the same", () => {
  const { pci, warnings } = factsOf({
    ...pciFiles({
      path: "pci0000:00/0000:00:01.0",
      classCode: "060400",
      files: {
        vendor: "intel\n",
        numa_node: "one\n",
        local_cpus: "all of them\n",
        max_link_speed: "quick\n",
        secondary_bus_number: "300\n",
        revision: "0x100\n",
      },
    }),
    "sys/bus/pci/devices/garbage": { kind: "directory" },
  });
  assert.equal(pci.length, 1);
  assert.equal(pci[0]?.classCode, 0x0604);
  const named = warnings.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)).sort();
  assert.deepEqual(named, [
    "garbage",
    "local_cpus",
    "max_link_speed",
    "numa_node",
    "revision",
    "secondary_bus_number",
    "vendor",
  ]);
});

test("a class device that lies below a function belongs to it, also through USB", () => {
  const { devices } = factsOf({
    ...pciFiles({ path: "pci0000:00/0000:00:14.0", classCode: "0c0330", files: { numa_node: "0\n" } }),
    ...classFiles("block", "pci0000:00/0000:00:14.0/usb1/1-1/host0/block/sdb", { size: "2048\n" }),
    ...classFiles("net", "platform/soc/eth9"),
  });
  assert.deepEqual(
    devices.map(({ name, pciAddress }) => [name, pciAddress]),
    [
      ["sdb", "0000:00:14.0"],
      ["eth9", null],
    ],
  );
});
