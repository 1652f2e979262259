import type { OsDevice } from "../../model/facts.ts";
import { quoted, readLine } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { type ClassDevice, classDevices } from "./class-device.ts";
import { readBytes, readWord } from "./values.ts";

/** The kernel counts the size of a block device in these, whatever its sectors are. */
const SIZE_UNIT = 512;
const KIB = 1024;

/** Disks, NVMe namespaces, drives, persistent memory seen as a disk; no partitions. */
export const block: Source = {
  name: "block",
  after: ["pci"],
  discover(discovery) {
    for (const device of classDevices(discovery, "sys/class/block")) {
      if (discovery.tree.exists(`${device.path}/partition`)) continue;
      discovery.facts.devices.push(readBlock(discovery, device));
    }
  },
};

function readBlock(discovery: Discovery, { name, path, place }: ClassDevice): OsDevice {
  const info: Record<string, string> = {};
  const sectors = readBytes(discovery, `${path}/size`);
  if (sectors !== null) info.Size = String(Math.floor((sectors * SIZE_UNIT) / KIB));
  const sectorSize = readBytes(discovery, `${path}/queue/hw_sector_size`);
  if (sectorSize !== null && sectorSize > 0) info.SectorSize = String(sectorSize);
  const number = readDeviceNumber(discovery, path);
  if (number !== null) info.LinuxDeviceID = number;
  const udev = number === null ? new Map<string, string>() : readUdev(discovery, number);
  for (const [key, value] of modelInfo(udev)) info[key] = value;
  const isNvm = readWord(discovery, `${path}/device/devtype`)?.startsWith("nd_") === true;
  return {
    name,
    kernelClass: "block",
    type: "block",
    subtype: subtypeOf(name, isNvm ? "nvm" : (udev.get("ID_TYPE") ?? "")),
    ...place,
    info,
  };
}

/** `8:0`, the major and minor number of a device file; null when there is none. */
export function readDeviceNumber(discovery: Discovery, path: string): string | null {
  const line = readLine(discovery, `${path}/dev`);
  if (line === undefined) return null;
  if (/^\d{1,7}:\d{1,7}$/.test(line)) return line;
  discovery.warn(`${path}/dev`, `holds ${quoted(line)} where a device number such as 8:0 is expected`);
  return null;
}

/** What udev found out about a block device: its database is part of a capture. */
function readUdev(discovery: Discovery, number: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of (discovery.tree.readText(`run/udev/data/b${number}`) ?? "").split("\n")) {
    const match = /^E:([^=]+)=(.*)$/.exec(line);
    if (match !== null) properties.set(match[1] ?? "", match[2] ?? "");
  }
  return properties;
}

/** Vendors that show in the model only, by how it starts. */
const VENDORS: readonly (readonly [start: string, vendor: string])[] = [
  ["wd", "Western Digital"],
  ["st", "Seagate"],
  ["samsung", "SAMSUNG"],
  ["sandisk", "SanDisk"],
  ["toshiba", "Toshiba"],
];

function modelInfo(udev: ReadonlyMap<string, string>): [string, string][] {
  const model = udev.get("ID_MODEL") ?? "";
  const stated = udev.get("ID_VENDOR") ?? "";
  // "ATA" is the layer that found the disk, not who made it.
  const vendor =
    stated === "" || stated.toUpperCase() === "ATA"
      ? (VENDORS.find(([start]) => model.toLowerCase().startsWith(start))?.[1] ?? "")
      : stated;
  const info: [string, string][] = [
    ["Vendor", vendor],
    ["Model", model],
    ["Revision", udev.get("ID_REVISION") ?? ""],
    ["SerialNumber", udev.get("ID_SERIAL_SHORT") ?? ""],
  ];
  return info.filter(([, value]) => value !== "");
}

function subtypeOf(name: string, type: string): string | null {
  if (type === "disk" || name.startsWith("nvme")) return "Disk";
  if (type === "nvm") return "NVM";
  if (type === "tape") return "Tape";
  return type === "cd" || type === "floppy" || type === "sd" ? "Removable Media Device" : null;
}
