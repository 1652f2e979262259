import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** What lies at a path: text, or a link. */
export type Files = Record<string, string | { readonly link: string }>;

/** Numbers that name one machine and must not leave it. */
export const SECRETS = {
  mac: "b8:ce:f6:12:34:56",
  serial: "S4EWNX0N123456",
  uuid: "4c4c4544-0039-4a10-8052-b7c04f4a3332",
  guid: "b8ce:f603:0012:3456",
  gid: "fe80:0000:0000:0000:b8ce:f6ff:fe12:3456",
  host: "node-a17.example.org",
  address: "10.17.4.21",
  gpu: "12345678901234567890",
} as const;

/**
 * The files of a machine that this project made up: two sockets with DDR and HBM each and a CXL node, a GPU of AMD's
 * and one of NVIDIA's, a NIC with InfiniBand, a disk, a DAX device. Small, and with a bit of everything that is read.
 */
export function machineFiles(): Files {
  const files: Files = {
    "proc/cpuinfo": cpuInfo(),
    "proc/version": `Linux version 6.12.0 (builder@${SECRETS.host}) (gcc 14.2) #1 SMP PREEMPT_DYNAMIC\n`,
    "proc/meminfo":
      "MemTotal:       201326592 kB\nMemFree:        104857600 kB\nHugepagesize:       2048 kB\n",
    "proc/sys/kernel/ostype": "Linux\n",
    "proc/sys/kernel/osrelease": "6.12.0\n",
    "proc/sys/kernel/hostname": `${SECRETS.host}\n`,
    "proc/self/cgroup": "0::/user.slice\n",
    "proc/mounts": { link: "self/mounts" },
    "proc/self/mounts": `server.${SECRETS.host}:/home /home nfs4 rw,addr=${SECRETS.address} 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n`,
    "sys/fs/cgroup/user.slice/cpuset.cpus.effective": "0-7\n",
    "sys/fs/cgroup/user.slice/cpuset.mems.effective": "0-4\n",
    "sys/class/dmi/id/product_name": "Two Sockets and More\n",
    "sys/class/dmi/id/product_serial": `${SECRETS.serial}\n`,
    "sys/class/dmi/id/product_uuid": `${SECRETS.uuid}\n`,
    "sys/class/dmi/id/chassis_asset_tag": `${SECRETS.serial}\n`,
    "sys/devices/virtual/memory_tiering/memory_tier4/nodelist": "0-1\n",
    "sys/devices/virtual/memory_tiering/memory_tier22/nodelist": "4\n",
    "proc/driver/nvidia/gpus/0000:81:00.0/information": `Model: \t\t NVIDIA H100\nIRQ:   \t\t 120\nGPU UUID: \t GPU-${SECRETS.uuid}\nBus Location: \t 0000:81:00.0\n`,
  };
  addCpus(files);
  addNodes(files);
  addPci(files);
  addDax(files);
  addKfd(files);
  return files;
}

const CPUS = 8;

function cpuInfo(): string {
  return Array.from(
    { length: CPUS },
    (_, i) =>
      `processor\t: ${i}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Made-up CPU\nstepping\t: 8\nphysical id\t: ${i >> 2}\n\n`,
  ).join("");
}

function addCpus(files: Files): void {
  const system = "sys/devices/system/cpu";
  files[`${system}/possible`] = `0-${CPUS - 1}\n`;
  files[`${system}/present`] = `0-${CPUS - 1}\n`;
  files[`${system}/online`] = `0-${CPUS - 1}\n`;
  for (let cpu = 0; cpu < CPUS; cpu++) {
    const socket = cpu >> 2;
    const topology = `${system}/cpu${cpu}/topology`;
    files[`${topology}/physical_package_id`] = `${socket}\n`;
    files[`${topology}/core_id`] = `${cpu & 3}\n`;
    files[`${topology}/core_cpus`] = `${(1 << cpu).toString(16).padStart(8, "0")}\n`;
    files[`${topology}/package_cpus`] = socket === 0 ? "0000000f\n" : "000000f0\n";
    files[`${topology}/thread_siblings`] = `${(1 << cpu).toString(16)}\n`;
    for (const [index, level, type, size, map] of [
      [0, 1, "Data", "48K", (1 << cpu).toString(16)],
      [1, 1, "Instruction", "32K", (1 << cpu).toString(16)],
      [2, 2, "Unified", "2048K", (1 << cpu).toString(16)],
      [3, 3, "Unified", "30720K", socket === 0 ? "f" : "f0"],
    ] as const) {
      const cache = `${system}/cpu${cpu}/cache/index${index}`;
      files[`${cache}/level`] = `${level}\n`;
      files[`${cache}/type`] = `${type}\n`;
      files[`${cache}/size`] = `${size}\n`;
      files[`${cache}/shared_cpu_map`] = `${map}\n`;
      files[`${cache}/coherency_line_size`] = "64\n";
      files[`${cache}/ways_of_associativity`] = "12\n";
    }
  }
}

function addNodes(files: Files): void {
  const nodes = "sys/devices/system/node";
  files[`${nodes}/possible`] = "0-4\n";
  files[`${nodes}/online`] = "0-4\n";
  files[`${nodes}/has_cpu`] = "0-1\n";
  files[`${nodes}/has_memory`] = "0-4\n";
  const distances = [
    "10 21 13 23 24",
    "21 10 23 13 34",
    "13 23 10 25 30",
    "23 13 25 10 30",
    "24 34 30 30 10",
  ];
  const gib = [64, 64, 16, 16, 32];
  const numbers = [
    [307000, 307000, 95, 95],
    [307000, 307000, 95, 95],
    [800000, 800000, 120, 120],
    [800000, 800000, 120, 120],
    [28000, 28000, 250, 260],
  ] as const;
  for (const [node, distance] of distances.entries()) {
    const at = `${nodes}/node${node}`;
    const cpus = node < 2 ? (node === 0 ? "0-3" : "4-7") : "";
    files[`${at}/cpulist`] = `${cpus}\n`;
    files[`${at}/cpumap`] = node === 0 ? "0f\n" : node === 1 ? "f0\n" : "00\n";
    files[`${at}/distance`] = `${distance}\n`;
    const kib = (gib[node] ?? 0) * 1024 * 1024;
    files[`${at}/meminfo`] =
      `Node ${node} MemTotal:       ${kib} kB\nNode ${node} MemFree:        ${kib >> 1} kB\n`;
    files[`${at}/hugepages/hugepages-2048kB/nr_hugepages`] = "16\n";
    files[`${at}/hugepages/hugepages-2048kB/free_hugepages`] = "16\n";
    const [readBandwidth, writeBandwidth, readLatency, writeLatency] = numbers[node] ?? [0, 0, 0, 0];
    for (const access of ["access0", "access1"]) {
      const initiators = `${at}/${access}/initiators`;
      files[`${initiators}/read_bandwidth`] = `${readBandwidth}\n`;
      files[`${initiators}/write_bandwidth`] = `${writeBandwidth}\n`;
      files[`${initiators}/read_latency`] = `${readLatency}\n`;
      files[`${initiators}/write_latency`] = `${writeLatency}\n`;
      const initiator = `node${node & 1}`;
      files[`${initiators}/${initiator}`] = { link: `../../../${initiator}` };
    }
  }
  const sideCache = `${nodes}/node4/memory_side_cache/index1`;
  files[`${sideCache}/size`] = "4294967296\n";
  files[`${sideCache}/line_size`] = "256\n";
  files[`${sideCache}/indexing`] = "0\n";
  files[`${sideCache}/write_policy`] = "0\n";
}

function addPci(files: Files): void {
  const functions = [
    {
      address: "0000:17:00.0",
      root: "pci0000:17",
      class: "0x020700",
      ids: "15B3:101B",
      node: 0,
      driver: "mlx5_core",
    },
    {
      address: "0000:18:00.0",
      root: "pci0000:18",
      class: "0x010802",
      ids: "144D:A808",
      node: 0,
      driver: "nvme",
    },
    {
      address: "0000:81:00.0",
      root: "pci0000:81",
      class: "0x030200",
      ids: "10DE:2330",
      node: 1,
      driver: "nvidia",
    },
    {
      address: "0000:c1:00.0",
      root: "pci0000:c1",
      class: "0x038000",
      ids: "1002:740F",
      node: 1,
      driver: "amdgpu",
    },
  ];
  for (const { address, root, class: code, ids, node, driver } of functions) {
    const at = `sys/devices/${root}/${address}`;
    const [vendor = "", device = ""] = ids.toLowerCase().split(":");
    Object.assign(files, {
      [`sys/bus/pci/devices/${address}`]: { link: `../../../devices/${root}/${address}` },
      [`${at}/uevent`]: `DRIVER=${driver}\nPCI_CLASS=${code.slice(2)}\nPCI_ID=${ids}\nPCI_SUBSYS_ID=${ids}\nPCI_SLOT_NAME=${address}\n`,
      [`${at}/class`]: `${code}\n`,
      [`${at}/vendor`]: `0x${vendor}\n`,
      [`${at}/device`]: `0x${device}\n`,
      [`${at}/revision`]: "0x01\n",
      [`${at}/numa_node`]: `${node}\n`,
      [`${at}/local_cpus`]: node === 0 ? "0f\n" : "f0\n",
      [`${at}/max_link_speed`]: "16.0 GT/s PCIe\n",
      [`${at}/max_link_width`]: "16\n",
      [`${at}/current_link_speed`]: "2.5 GT/s PCIe\n",
      [`${at}/current_link_width`]: "16\n",
    });
  }
  const nic = "sys/devices/pci0000:17/0000:17:00.0";
  const port = `${nic}/infiniband/mlx5_0/ports/1`;
  Object.assign(files, {
    [`${nic}/net/enxb8cef6123456/address`]: `${SECRETS.mac}\n`,
    "sys/class/net/enxb8cef6123456": {
      link: "../../devices/pci0000:17/0000:17:00.0/net/enxb8cef6123456",
    },
    [`${nic}/net/enxb8cef6123456/device`]: { link: "../../../0000:17:00.0" },
    "sys/class/infiniband/mlx5_0": { link: "../../devices/pci0000:17/0000:17:00.0/infiniband/mlx5_0" },
    [`${nic}/infiniband/mlx5_0/device`]: { link: "../../../0000:17:00.0" },
    [`${nic}/infiniband/mlx5_0/node_guid`]: `${SECRETS.guid}\n`,
    [`${nic}/infiniband/mlx5_0/sys_image_guid`]: `${SECRETS.guid}\n`,
    [`${port}/state`]: "4: ACTIVE\n",
    [`${port}/rate`]: "200 Gb/sec (4X HDR)\n",
    [`${port}/gids/0`]: `${SECRETS.gid}\n`,
    "sys/class/block/nvme0n1": { link: "../../devices/pci0000:18/0000:18:00.0/nvme/nvme0/nvme0n1" },
    "sys/devices/pci0000:18/0000:18:00.0/nvme/nvme0/nvme0n1/size": "1000215216\n",
    "sys/devices/pci0000:18/0000:18:00.0/nvme/nvme0/nvme0n1/dev": "259:0\n",
    "sys/devices/pci0000:18/0000:18:00.0/nvme/nvme0/nvme0n1/device": { link: "../../nvme0" },
    "sys/devices/pci0000:18/0000:18:00.0/nvme/nvme0/serial": `${SECRETS.serial}\n`,
    "run/udev/data/b259:0": `S:disk/by-id/nvme-Disk_${SECRETS.serial}\nE:ID_MODEL=Disk\nE:ID_SERIAL_SHORT=${SECRETS.serial}\n`,
    "sys/class/drm/card0": { link: "../../devices/pci0000:c1/0000:c1:00.0/drm/card0" },
    "sys/devices/pci0000:c1/0000:c1:00.0/drm/card0/device": { link: "../../../0000:c1:00.0" },
    "sys/devices/pci0000:c1/0000:c1:00.0/mem_info_vram_total": "68702699520\n",
    "sys/devices/pci0000:c1/0000:c1:00.0/mem_info_vram_used": "10485760\n",
    "sys/devices/pci0000:c1/0000:c1:00.0/unique_id": `${SECRETS.gpu}\n`,
  });
}

function addDax(files: Files): void {
  const dax = "sys/devices/platform/hmem.0/dax1.0";
  Object.assign(files, {
    "sys/bus/dax/devices/dax1.0": { link: "../../../devices/platform/hmem.0/dax1.0" },
    [`${dax}/size`]: "17179869184\n",
    [`${dax}/align`]: "2097152\n",
    [`${dax}/target_node`]: "2\n",
    [`${dax}/numa_node`]: "0\n",
    [`${dax}/resource`]: "0x1000000000\n",
  });
}

function addKfd(files: Files): void {
  const nodes = "sys/class/kfd/kfd/topology/nodes";
  files[`${nodes}/0/properties`] =
    "cpu_cores_count 4\nsimd_count 0\nmem_banks_count 1\nio_links_count 1\nlocation_id 0\n";
  files[`${nodes}/0/mem_banks/0/properties`] = "heap_type 0\nsize_in_bytes 68719476736\nflags 0\nwidth 72\n";
  files[`${nodes}/0/io_links/0/properties`] =
    "type 2\nnode_from 0\nnode_to 1\nweight 20\nmin_bandwidth 312\nmax_bandwidth 64000\nflags 1\n";
  files[`${nodes}/1/properties`] =
    `cpu_cores_count 0\nsimd_count 416\nmem_banks_count 1\nio_links_count 1\nvendor_id 4098\ndevice_id 29711\nlocation_id 49408\ndomain 0\nunique_id ${SECRETS.gpu}\n`;
  files[`${nodes}/1/gpu_id`] = "51200\n";
  files[`${nodes}/1/name`] = "aldebaran\n";
  files[`${nodes}/1/mem_banks/0/properties`] =
    "heap_type 1\nsize_in_bytes 68702699520\nflags 0\nwidth 4096\n";
  files[`${nodes}/1/io_links/0/properties`] =
    "type 2\nnode_from 1\nnode_to 0\nweight 20\nmin_bandwidth 312\nmax_bandwidth 64000\nflags 1\n";
}

/** Writes files below a folder. */
export function writeFiles(folder: string, files: Files): void {
  for (const [path, entry] of Object.entries(files)) {
    const at = join(folder, path);
    mkdirSync(dirname(at), { recursive: true });
    if (typeof entry === "string") writeFileSync(at, entry);
    else symlinkSync(entry.link, at);
  }
}
