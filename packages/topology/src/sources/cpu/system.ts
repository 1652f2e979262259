import { machine } from "node:os";
import { readLine } from "../attribute.ts";
import type { Discovery, Source } from "../source.ts";
import { cpuInfoOf } from "./cpuinfo.ts";
import { cpusetOf } from "./cpuset.ts";
import { noFileInfo } from "./no-file-info.ts";

/** hwloc's names for what the firmware says, and the files. What names one machine (serial numbers, asset tags, UUIDs) is left out: people send these files to others. */
const DMI: readonly (readonly [string, string])[] = [
  ["DMIProductName", "product_name"],
  ["DMIProductVersion", "product_version"],
  ["DMIBoardVendor", "board_vendor"],
  ["DMIBoardName", "board_name"],
  ["DMIBoardVersion", "board_version"],
  ["DMIChassisVendor", "chassis_vendor"],
  ["DMIChassisType", "chassis_type"],
  ["DMIChassisVersion", "chassis_version"],
  ["DMIBIOSVendor", "bios_vendor"],
  ["DMIBIOSVersion", "bios_version"],
  ["DMIBIOSDate", "bios_date"],
  ["DMISysVendor", "sys_vendor"],
];
const DMI_DIRECTORIES = ["sys/class/dmi/id", "sys/devices/virtual/dmi/id"];

/**
 * The operating system, the firmware's names, the processor's name, the cgroup. The host's name is left out, as
 * is everything else that names one machine and not its sort.
 */
export const system: Source = {
  name: "system",
  after: [],
  discover(discovery: Discovery): void {
    const { info } = discovery.facts;
    info.Backend = "Linux";
    const cpuInfo = cpuInfoOf(discovery);
    Object.assign(info, cpuInfo.machine, readDmi(discovery), readOs(discovery));
    const { name } = cpusetOf(discovery);
    if (name !== null) info.LinuxCgroup = name;
  },
};

function readDmi(discovery: Discovery): Record<string, string> {
  const info: Record<string, string> = {};
  const directory = DMI_DIRECTORIES.find((path) => discovery.tree.exists(path));
  if (directory === undefined) return info;
  for (const [name, file] of DMI) {
    const value = readLine(discovery, `${directory}/${file}`);
    if (value !== undefined && !value.includes("\uFFFD")) info[name] = value.slice(0, 256);
  }
  return info;
}

function readOs(discovery: Discovery): Record<string, string> {
  const noted = noFileInfo(discovery.tree);
  // "Linux version RELEASE (who built it) (with what) #1 SMP and so on"
  const version = readLine(discovery, "proc/version") ?? "";
  const [, type, release] = /^(\S+) version (\S+)/.exec(version) ?? [];
  const kernel = "proc/sys/kernel";
  const found = {
    OSName: readLine(discovery, `${kernel}/ostype`) ?? noted.get("OSName") ?? type,
    OSRelease: readLine(discovery, `${kernel}/osrelease`) ?? noted.get("OSRelease") ?? release,
    OSVersion:
      readLine(discovery, `${kernel}/version`) ?? noted.get("OSVersion") ?? /#\d.*$/.exec(version)?.[0],
    Architecture:
      readLine(discovery, `${kernel}/arch`) ??
      noted.get("Architecture") ??
      (discovery.tree.live ? machine() : undefined),
  };
  const info: Record<string, string> = {};
  for (const [name, value] of Object.entries(found)) {
    if (value !== undefined && !value.includes("\uFFFD")) info[name] = value.slice(0, 256);
  }
  return info;
}
