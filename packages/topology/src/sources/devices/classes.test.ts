import assert from "node:assert/strict";
import { test } from "node:test";
import type { OsDevice } from "../../model/facts.ts";
import { type CaptureFiles, classFiles, cpuFiles, factsOf, pciFiles } from "../../testing/facts-of.ts";

const SLOT = "pci0000:00/0000:00:02.0";

function devicesOf(...parts: readonly CaptureFiles[]): OsDevice[] {
  const { devices, warnings } = factsOf(Object.assign({}, ...parts));
  assert.deepEqual(warnings, []);
  return [...devices];
}

const functionAt = (classCode: string): CaptureFiles =>
  pciFiles({ path: SLOT, classCode, files: { numa_node: "1\n", local_cpus: "c\n" } });

test("a disk: size in KiB, sectors, numbers, and what udev found out", () => {
  const [disk, ...others] = devicesOf(
    cpuFiles(2),
    functionAt("010601"),
    classFiles("block", `${SLOT}/ata1/host0/target0:0:0/0:0:0:0/block/sda`, {
      size: "488397168\n",
      dev: "8:0\n",
      "queue/hw_sector_size": "512\n",
    }),
    classFiles("block", `${SLOT}/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1`, { partition: "1\n" }),
    classFiles("block", "virtual/block/loop0", { size: "0\n" }),
    {
      "run/udev/data/b8:0":
        "S:disk\nE:ID_VENDOR=ATA\nE:ID_MODEL=ST9500\nE:ID_REVISION=0002\nE:ID_SERIAL_SHORT=X1\nE:ID_TYPE=disk\n",
    },
  );
  assert.deepEqual(others, []);
  assert.ok(disk);
  assert.deepEqual(
    { ...disk, localCpus: disk.localCpus.toList() },
    {
      name: "sda",
      kernelClass: "block",
      type: "block",
      subtype: "Disk",
      pciAddress: "0000:00:02.0",
      numaNode: 1,
      localCpus: "2-3",
      info: {
        Size: "244198584",
        SectorSize: "512",
        LinuxDeviceID: "8:0",
        Vendor: "Seagate",
        Model: "ST9500",
        Revision: "0002",
        SerialNumber: "X1",
      },
    },
  );
});

test("subtypes of block devices", () => {
  const udev = (number: string, type: string): CaptureFiles => ({
    [`run/udev/data/b${number}`]: `E:ID_TYPE=${type}\n`,
  });
  const devices = devicesOf(
    functionAt("010802"),
    classFiles("block", `${SLOT}/nvme/nvme0/nvme0n1`, { dev: "259:0\n" }),
    classFiles("block", `${SLOT}/host0/block/sr0`, { dev: "11:0\n" }),
    udev("11:0", "cd"),
    classFiles("block", `${SLOT}/host0/block/st0`, { dev: "9:0\n" }),
    udev("9:0", "tape"),
    classFiles("block", `${SLOT}/host0/block/sdz`, { dev: "65:0\n" }),
    classFiles("block", `${SLOT}/ndbus0/region0/pfn0.0/block/pmem0`, {
      dev: "259:1\n",
      "device/devtype": "nd_pfn\n",
    }),
  );
  assert.deepEqual(Object.fromEntries(devices.map(({ name, subtype }) => [name, subtype])), {
    nvme0n1: "Disk",
    pmem0: "NVM",
    sdz: null,
    sr0: "Removable Media Device",
    st0: "Tape",
  });
});

test("network interfaces: address, port of a device with several, speed; none without hardware", () => {
  const [eth, ib] = devicesOf(
    functionAt("020000"),
    classFiles("net", `${SLOT}/net/eth0`, { address: "02:00:00:00:00:01\n", speed: "100000\n" }),
    classFiles("net", `${SLOT}/net/ib1`, {
      "device/infiniband/mlx5_0/x": "",
      dev_port: "1\n",
      dev_id: "0x7\n",
      speed: "-1\n",
    }),
    classFiles("net", "virtual/net/lo", { address: "00:00:00:00:00:00\n" }),
  );
  assert.deepEqual(eth?.info, { Address: "02:00:00:00:00:01", Speed: "100000 Mb/s" });
  assert.deepEqual(ib?.info, { Port: "2" });
});

test("InfiniBand: GUIDs, ports with state, addresses that are written to, and rate", () => {
  const [device, ...others] = devicesOf(
    functionAt("020700"),
    classFiles("infiniband", `${SLOT}/infiniband/mlx5_0`, {
      node_guid: "0002:c903:00f9:bfa0\n",
      sys_image_guid: "0002:c903:00f9:bfa3\n",
      "ports/1/state": "4: ACTIVE\n",
      "ports/1/lid": "0x3a4\n",
      "ports/1/lid_mask_count": "0\n",
      "ports/1/rate": "100 Gb/sec (4X EDR)\n",
      "ports/1/gids/0": "fe80:0000:0000:0000:0002:c903:00f9:bfa1\n",
      "ports/1/gids/1": "0000:0000:0000:0000:0000:0000:0000:0000\n",
      "ports/2/state": "1: DOWN\n",
    }),
    classFiles("infiniband", "scif_dma_0/infiniband/scif0"),
    classFiles("bxi", `${SLOT}/bxi/bxi0`, { uuid: "ab12\n" }),
  );
  assert.equal(device?.type, "openfabrics");
  assert.deepEqual(device?.info, {
    NodeGUID: "0002:c903:00f9:bfa0",
    SysImageGUID: "0002:c903:00f9:bfa3",
    Port1State: "4",
    Port1LID: "0x3a4",
    Port1LMC: "0",
    Port1Rate: "100 Gb/sec (4X EDR)",
    Port1GID0: "fe80:0000:0000:0000:0002:c903:00f9:bfa1",
    Port2State: "1",
  });
  assert.deepEqual(
    others.map(({ name, subtype, info }) => [name, subtype, info]),
    [["bxi0", "BXI", { BXIUUID: "ab12" }]],
  );
});

test("cards and render devices, no connectors; channels of DMA engines", () => {
  const devices = devicesOf(
    functionAt("030000"),
    classFiles("drm", `${SLOT}/drm/card0`, { dev: "226:0\n", "device/mem_info_vram_total": "17163091968\n" }),
    classFiles("drm", `${SLOT}/drm/card0/card0-DP-1`, { dev: "226:99\n" }),
    classFiles("drm", `${SLOT}/drm/renderD128`, { dev: "226:128\n" }),
    classFiles("drm", "virtual/drm/ttm"),
    { "sys/class/drm/version": "drm 1.1.0 20060810\n" },
    classFiles("dma", `${SLOT}/dma/dma0chan0`),
  );
  assert.deepEqual(
    devices.map(({ name, type }) => [name, type]),
    [
      ["card0", "gpu"],
      ["renderD128", "gpu"],
      ["dma0chan0", "dma"],
    ],
  );
  assert.deepEqual(devices[0]?.info, { VRAMSize: "16760832" });
});

test("coprocessors: vector engines, Xeon Phi, accel, uacce", () => {
  const devices = devicesOf(
    functionAt("0b4000"),
    classFiles("ve", `${SLOT}/ve/ve0`, {
      model: "1\n",
      memory_size: "48\n",
      num_of_core: "8\n",
      partitioning_mode: "1\n",
      cache_llc: "16384\n",
    }),
    classFiles("mic", `${SLOT}/mic/mic0`, {
      memsize: "7c0000\n",
      active_cores: "3d\n",
      family: "Knights Corner\n",
    }),
    classFiles("mic", "virtual/mic/ctrl"),
    classFiles("accel", `${SLOT}/accel/accel0`, { dev: "261:0\n" }),
    classFiles("uacce", `${SLOT}/uacce/hisi_zip-0`, {
      api: "hisi_qm_v2\n",
      flags: "1\n",
      algorithms: "zlib\ngzip\n",
      available_instances: "256\n",
      region_mmio_size: "65536\n",
    }),
  );
  assert.deepEqual(
    devices.map(({ name, kernelClass, type, subtype, info }) => [name, kernelClass, type, subtype, info]),
    [
      [
        "ve0",
        "ve",
        "coprocessor",
        "VectorEngine",
        {
          VectorEngineModel: "1",
          VectorEngineNUMAPartitioned: "1",
          VectorEngineMemorySize: "50331648",
          VectorEngineCores: "8",
          VectorEngineLLCSize: "16384",
        },
      ],
      [
        "mic0",
        "mic",
        "coprocessor",
        "MIC",
        { MICFamily: "Knights Corner", MICActiveCores: "61", MICMemorySize: "8126464" },
      ],
      ["accel0", "accel", "coprocessor", "Accel", {}],
      [
        "hisi_zip-0",
        "uacce",
        "coprocessor",
        "Uacce",
        {
          UacceApi: "hisi_qm_v2",
          UacceFlags: "1",
          UacceAvailableInstances: "256",
          UacceRegionMmioSize: "65536",
          UacceAlgorithms: "zlib, gzip",
        },
      ],
    ],
  );
});

test("a class of folders (old kernels) is followed through their link to the device", () => {
  const devices = devicesOf(cpuFiles(1), functionAt("020000"), {
    "sys/class/net/eth0/address": "02:00:00:00:00:01\n",
    "sys/class/net/eth0/device": { link: "../../../devices/pci0000:00/0000:00:02.0" },
    "sys/class/net/br0/address": "02:00:00:00:00:02\n",
  });
  assert.deepEqual(
    devices.map(({ name, pciAddress }) => [name, pciAddress]),
    [["eth0", "0000:00:02.0"]],
  );
});

test("malformed attributes are warned of by name and left out", () => {
  const { devices, warnings } = factsOf({
    ...functionAt("010601"),
    ...classFiles("block", `${SLOT}/host0/block/sda`, { size: "big\n", dev: "eight\n" }),
    ...classFiles("net", `${SLOT}/net/eth0`, { speed: "fast\n" }),
  });
  assert.deepEqual(
    devices.map(({ name, info }) => [name, info]),
    [
      ["sda", {}],
      ["eth0", {}],
    ],
  );
  assert.deepEqual(
    warnings.map(({ path }) => path),
    ["sys/class/block/sda/size", "sys/class/block/sda/dev", "sys/class/net/eth0/speed"],
  );
});
