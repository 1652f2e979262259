import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { DaxDevice, KindConclusion } from "../../model/facts.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import type { Discovery, Source } from "../source.ts";
import { readDeviceNumber } from "./block.ts";
import { type Place, placeAt, placeOf } from "./class-device.ts";
import { hostReaches, nearCpus } from "./near.ts";
import { baseName, readBytes, readEvent, readNode } from "./values.ts";

const KIB = 1024;

/** Memory that is mapped through a file (/dev/daxX.Y), or that the kmem driver has made a NUMA node of. */
export const dax: Source = {
  name: "dax",
  after: ["pci", "numa"],
  discover(discovery) {
    const roots = ["sys/bus/dax/devices", "sys/class/dax"];
    // Old kernels have a class, new ones a bus.
    const root = roots.find((path) => discovery.tree.list(path).length > 0) ?? "";
    if (root === "") return;
    for (const name of discovery.tree.list(root)) {
      const path = `${root}/${name}`;
      const real = discovery.tree.realPath(path);
      if (real === undefined) continue;
      addDevice(discovery, { name, path, real });
    }
  },
};

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly real: string;
}

function addDevice(discovery: Discovery, entry: Entry): void {
  const { name, path, real } = entry;
  const place = daxPlace(discovery, entry);
  const device: DaxDevice = {
    name,
    size: readBytes(discovery, `${path}/size`),
    align: readBytes(discovery, `${path}/align`),
    targetNode: readNode(discovery, `${path}/target_node`),
    numaNode: place.numaNode,
    driver: driverOf(discovery, entry),
    kind: concludeKind(discovery, entry),
    parent: parentOf(real),
  };
  discovery.facts.dax.push(device);
  // As system memory it shows as a node, and as nothing else.
  if (device.driver === "kmem") return;
  const info: Record<string, string> = {
    DAXType: device.kind.kind === "nvm" ? "NVM" : "SPM",
    DAXParent: hwlocParent(entry),
  };
  if (device.size !== null) info.Size = String(Math.floor(device.size / KIB));
  const number = readDeviceNumber(discovery, path);
  if (number !== null) info.LinuxDeviceID = number;
  discovery.facts.devices.push({
    name,
    kernelClass: "dax",
    type: "block",
    subtype: info.DAXType ?? null,
    ...place,
    info,
  });
  addTarget(discovery, device, place);
}

/** Memory that can be mapped: a target of its own. What no driver has, or what is empty, cannot. */
function addTarget(discovery: Discovery, device: DaxDevice, place: Place): void {
  if (device.size === 0) return;
  const { facts } = discovery;
  const usable = device.driver !== null;
  facts.targetFacts.push({
    version: OBJECT_VERSION,
    id: device.name,
    kind: device.kind,
    size: device.size,
    free: null,
    numaNode: null,
    device: null,
    label: usable ? `/dev/${device.name}, to be mapped` : `${device.name}, which no driver has`,
  });
  if (!usable) return;
  facts.reaches.push(
    ...hostReaches(facts, device.name, {
      medium: device.kind.kind === "cxl" ? "cxl" : "memory",
      near: nearCpus(facts, place),
      attached: place.numaNode,
      properties: { ...UNKNOWN_PROPERTIES, coherent: true },
    }),
  );
}

/** It has its node itself, or what it lies in has it (old kernels). */
function daxPlace(discovery: Discovery, { path, real }: Entry): Place {
  const place = placeOf(discovery, real, path);
  if (place.pciAddress !== null || place.numaNode !== null) return place;
  return placeAt(discovery, readNode(discovery, `${real.slice(0, real.lastIndexOf("/"))}/numa_node`));
}

function driverOf(discovery: Discovery, { name, path }: Entry): string | null {
  const stated = readEvent(discovery, `${path}/uevent`).get("DRIVER");
  if (stated !== undefined) return stated;
  const linked = discovery.tree.realPath(`${path}/driver`);
  if (linked !== undefined) return baseName(linked);
  const drivers = ["kmem", "device_dax"];
  return (
    drivers.find((driver) => discovery.tree.exists(`sys/bus/dax/drivers/${driver}/${name}`)) ??
    // The class of old kernels has no drivers: what is in it can be mapped.
    (path.startsWith("sys/class/") ? "device_dax" : null)
  );
}

/** What a DAX device is made of, by what it lies in. */
function concludeKind(discovery: Discovery, { name, path, real }: Entry): KindConclusion {
  const parts = real.split("/");
  const bus = parts.find((part) => /^ndbus\d+$/.test(part));
  if (bus !== undefined) {
    const cxl = parts.some((part) => part.startsWith("nvdimm-bridge")) ? " of CXL devices" : "";
    return { kind: "nvm", reason: `${name} lies below ${bus}, a bus of persistent memory${cxl}` };
  }
  const region = parts.findIndex((part) => /^dax_region\d+$/.test(part));
  if (region > 0) return { kind: "cxl", reason: `${name} lies below CXL region ${parts[region - 1]}` };
  const hmem = parts.find((part) => /^hmem\.\d+$/.test(part));
  if (hmem === undefined) {
    return {
      kind: "unknown",
      reason: `${name} lies below ${parentOf(real)}, which says nothing of its kind`,
    };
  }
  const window = cxlWindowOf(discovery, path);
  return window === null
    ? { kind: "hbm", reason: `${hmem}: firmware sets it aside for special purposes, as it does with HBM` }
    : { kind: "cxl", reason: `${hmem}: its address lies in the CXL window ${window}` };
}

/** The CXL window (a root decoder) that a device's first address lies in; null for none, or when it may not be read. */
function cxlWindowOf(discovery: Discovery, path: string): string | null {
  const { tree } = discovery;
  const windows = tree.list("sys/bus/cxl/devices").filter((name) => /^decoder\d+\.\d+$/.test(name));
  if (windows.length === 0) return null;
  const start =
    readBytes(discovery, `${path}/resource`) || readBytes(discovery, `${path}/mapping0/start`) || null;
  if (start === null) return null;
  const holds = (name: string): boolean => {
    const decoder = `sys/bus/cxl/devices/${name}`;
    // Only root decoders have what they can do; the others repeat a part of a window.
    if (!tree.exists(`${decoder}/cap_ram`) && !tree.exists(`${decoder}/cap_pmem`)) return false;
    const first = readBytes(discovery, `${decoder}/start`);
    const size = readBytes(discovery, `${decoder}/size`);
    return first !== null && size !== null && start >= first && start - first < size;
  };
  return windows.find(holds) ?? null;
}

function parentOf(real: string): string {
  return real.slice(0, real.lastIndexOf("/")).replace(/^sys\/devices\//, "");
}

/** As hwloc names it: without `platform/`, cut where the device's name comes first (what it lies in may have the same one). */
function hwlocParent({ name, real }: Entry): string {
  const inside = real.replace(/^sys\/devices\/(?:platform\/)?/, "");
  const at = inside.indexOf(`/${name}`);
  return at < 0 ? inside : inside.slice(0, at);
}
