import type { PciDevice, PciLink } from "../../model/facts.ts";
import { type PciAddress, parsePciAddress } from "../../model/io-tree.ts";
import { quoted, readLine } from "../attribute.ts";
import { baseName, readEvent, readLocalCpus, readNode, readWord } from "../devices/values.ts";
import type { Discovery, Source } from "../source.ts";
import { bridgesAboveIn, comparePciAddresses } from "./address.ts";
import { CONFIG_BYTES_MAX, type ConfigSpace, parseConfigSpace } from "./config-space.ts";
import { parseLinkSpeed, parseLinkWidth } from "./link.ts";

const DEVICES = "sys/bus/pci/devices";
const CLASS_PCI_BRIDGE = 0x0604;
/** What the bus answers where nothing is. */
const REVISION_UNKNOWN = 0xff;
const BUS_MAX = 0xff;
/** `…/pci0000:00/…`, the folder of a root bus. */
const ROOT_BUS = /\/pci[0-9a-f]{4,8}:[0-9a-f]{2}\//;

/** PCI functions and bridges, with their links, locality, slots and IOMMU groups. */
export const pci: Source = {
  name: "pci",
  after: ["numa"],
  discover(discovery) {
    const found: Found[] = [];
    const shared = { slots: readSlots(discovery), iommuGroups: readIommuGroups(discovery) };
    for (const name of discovery.tree.list(DEVICES)) {
      const address = parsePciAddress(name);
      if (address === undefined) discovery.warn(`${DEVICES}/${name}`, "is not named as a PCI address");
      else found.push(readFunction(discovery, { name, address }, shared));
    }
    found.sort((a, b) => comparePciAddresses(a.address, b.address));
    discovery.facts.pci.push(...withParents(found));
  },
};

interface Found {
  readonly address: PciAddress;
  /** Without what other functions say of it. */
  readonly device: PciDevice;
  /** Bridges above it in its path, innermost last; null where the path does not show them. */
  readonly above: readonly string[] | null;
}

interface Shared {
  /** Slot by `domain:bus:device`. */
  readonly slots: ReadonlyMap<string, string>;
  /** Number of the group by address. */
  readonly iommuGroups: ReadonlyMap<string, number>;
}

function readFunction(
  discovery: Discovery,
  { name, address }: { readonly name: string; readonly address: PciAddress },
  shared: Shared,
): Found {
  const { tree } = discovery;
  const path = `${DEVICES}/${name}`;
  const event = readEvent(discovery, `${path}/uevent`);
  // Reading the configuration space wakes a sleeping device: new kernels have files for what is needed of it.
  const revision = readHex(discovery, `${path}/revision`, 0xff);
  let config: ConfigSpace | null | undefined;
  const space = (): ConfigSpace | null => {
    if (config === undefined) {
      const bytes = tree.readBytes(`${path}/config`, CONFIG_BYTES_MAX);
      config = bytes === undefined || bytes.length === 0 ? null : parseConfigSpace(bytes);
    }
    return config;
  };
  const ids = readIds(discovery, path, event, space);
  const numaNode = readNode(discovery, `${path}/numa_node`);
  const real = tree.realPath(path) ?? "";
  const device: PciDevice = {
    address: name,
    ...ids,
    revision: revision ?? space()?.revision ?? REVISION_UNKNOWN,
    label: readWord(discovery, `${path}/label`),
    slot: shared.slots.get(name.slice(0, name.lastIndexOf("."))) ?? null,
    driver: event.get("DRIVER") ?? linkName(discovery, `${path}/driver`),
    parent: null,
    bridge:
      ids.classCode === CLASS_PCI_BRIDGE ? (readBuses(discovery, path) ?? space()?.buses ?? null) : null,
    link: readLink(discovery, path) ?? (revision === null ? (space()?.link ?? null) : null),
    numaNode,
    localCpus: readLocalCpus(discovery, path, numaNode),
    iommuGroup: shared.iommuGroups.get(name) ?? null,
  };
  return { address, device, above: ROOT_BUS.test(real) ? bridgesAboveIn(real) : null };
}

type Ids = Pick<PciDevice, "classCode" | "vendor" | "device" | "subVendor" | "subDevice">;

/** All of them stand in one file, uevent; where it lacks them, each has one of its own, and all are in the configuration space. */
function readIds(
  discovery: Discovery,
  path: string,
  event: ReadonlyMap<string, string>,
  space: () => ConfigSpace | null,
): Ids {
  const pair = (key: string): readonly [number | null, number | null] => {
    const match = /^([0-9A-F]{1,4}):([0-9A-F]{1,4})$/i.exec(event.get(key) ?? "");
    return match === null
      ? [null, null]
      : [Number.parseInt(match[1] ?? "", 16), Number.parseInt(match[2] ?? "", 16)];
  };
  const classText = event.get("PCI_CLASS") ?? "";
  const fullClass = /^[0-9A-F]{1,6}$/i.test(classText)
    ? Number.parseInt(classText, 16)
    : readHex(discovery, `${path}/class`, 0xffffff);
  const [vendor, device] = pair("PCI_ID");
  const [subVendor, subDevice] = pair("PCI_SUBSYS_ID");
  const file = (name: string): number | null => readHex(discovery, `${path}/${name}`, 0xffff);
  return {
    classCode: fullClass === null ? (space()?.classCode ?? 0) : fullClass >> 8,
    vendor: vendor ?? file("vendor") ?? space()?.vendor ?? 0,
    device: device ?? file("device") ?? space()?.device ?? 0,
    subVendor: subVendor ?? file("subsystem_vendor") ?? space()?.subVendor ?? 0,
    subDevice: subDevice ?? file("subsystem_device") ?? space()?.subDevice ?? 0,
  };
}

/** `0x8086`: always hexadecimal, with or without the prefix. */
function readHex(discovery: Discovery, path: string, max: number): number | null {
  const line = readLine(discovery, path);
  if (line === undefined) return null;
  const value = /^(0x)?[0-9a-f]{1,8}$/i.test(line) ? Number.parseInt(line, 16) : Number.NaN;
  if (value <= max) return value;
  discovery.warn(
    path,
    `holds ${quoted(line)} where a hexadecimal number up to 0x${max.toString(16)} is expected`,
  );
  return null;
}

function readBuses(discovery: Discovery, path: string): PciDevice["bridge"] {
  const bus = (name: string): number | null => {
    const line = readLine(discovery, `${path}/${name}`);
    if (line === undefined) return null;
    if (/^\d{1,3}$/.test(line) && Number(line) <= BUS_MAX) return Number(line);
    discovery.warn(
      `${path}/${name}`,
      `holds ${quoted(line)} where a bus number from 0 to ${BUS_MAX} is expected`,
    );
    return null;
  };
  const secondaryBus = bus("secondary_bus_number");
  if (secondaryBus === null) return null;
  const subordinateBus = bus("subordinate_bus_number");
  return subordinateBus === null ? null : { secondaryBus, subordinateBus };
}

function readLink(discovery: Discovery, path: string): PciLink | null {
  const read = (name: string, parse: (text: string) => number | null | undefined): number | null => {
    const line = readLine(discovery, `${path}/${name}`);
    if (line === undefined) return null;
    const value = parse(line);
    if (value !== undefined) return value;
    discovery.warn(`${path}/${name}`, `holds ${quoted(line)} where a link's speed or width is expected`);
    return null;
  };
  const link: PciLink = {
    speedMax: read("max_link_speed", parseLinkSpeed),
    widthMax: read("max_link_width", parseLinkWidth),
    speedCurrent: read("current_link_speed", parseLinkSpeed),
    widthCurrent: read("current_link_width", parseLinkWidth),
  };
  return Object.values(link).every((value) => value === null) ? null : link;
}

function linkName(discovery: Discovery, path: string): string | null {
  const real = discovery.tree.realPath(path);
  return real === undefined ? null : baseName(real);
}

/** Slots are stated for a device, `0000:83:00`: all its functions sit in it. */
function readSlots(discovery: Discovery): Map<string, string> {
  const slots = new Map<string, string>();
  for (const slot of discovery.tree.list("sys/bus/pci/slots")) {
    const address = readLine(discovery, `sys/bus/pci/slots/${slot}/address`);
    if (address !== undefined && !slots.has(address)) slots.set(address, slot);
  }
  return slots;
}

function readIommuGroups(discovery: Discovery): Map<string, number> {
  const groups = new Map<string, number>();
  const root = "sys/kernel/iommu_groups";
  for (const name of discovery.tree.list(root)) {
    if (!/^\d{1,6}$/.test(name)) continue;
    for (const address of discovery.tree.list(`${root}/${name}/devices`)) groups.set(address, Number(name));
  }
  return groups;
}

/**
 * Fills what a function alone does not say: the bridge above it where the path does not show it (a capture of
 * folders instead of links), and the buses behind a bridge whose configuration was not read, from what is there.
 */
function withParents(found: readonly Found[]): PciDevice[] {
  const listed = new Set(found.map(({ device }) => device.address));
  const bridges = found.some(({ above }) => above === null)
    ? bridgesToBuses(found)
    : new Map<string, string>();
  const parents = new Map<string, string>();
  for (const one of found) {
    // One that is not listed (a capture may lack it) cannot be named.
    const above =
      one.above === null
        ? bridges.get(`${one.address.domain}:${one.address.bus}`)
        : one.above.findLast((address) => listed.has(address));
    if (above !== undefined) parents.set(one.device.address, above);
  }
  const behind = new Map<string, { secondaryBus: number; subordinateBus: number }>();
  for (const { address, device } of found) {
    let above = parents.get(device.address);
    for (let depth = 0; above !== undefined && depth <= BUS_MAX; depth++) {
      const buses = behind.get(above) ?? { secondaryBus: address.bus, subordinateBus: address.bus };
      buses.secondaryBus = Math.min(buses.secondaryBus, address.bus);
      buses.subordinateBus = Math.max(buses.subordinateBus, address.bus);
      behind.set(above, buses);
      above = parents.get(above);
    }
  }
  return found.map(({ device }) => ({
    ...device,
    parent: parents.get(device.address) ?? null,
    bridge:
      device.bridge ?? (device.classCode === CLASS_PCI_BRIDGE ? (behind.get(device.address) ?? null) : null),
  }));
}

/** For each bus (`domain:bus`) the innermost bridge to it: of those that lead to it, the one with the fewest buses behind it. */
function bridgesToBuses(found: readonly Found[]): ReadonlyMap<string, string> {
  const innermost = new Map<string, { readonly address: string; readonly buses: number }>();
  for (const { address, device } of found) {
    if (device.bridge === null) continue;
    const { secondaryBus, subordinateBus } = device.bridge;
    const buses = subordinateBus - secondaryBus;
    for (let bus = secondaryBus; bus <= subordinateBus && secondaryBus > address.bus; bus++) {
      const key = `${address.domain}:${bus}`;
      if (buses < (innermost.get(key)?.buses ?? Number.POSITIVE_INFINITY)) {
        innermost.set(key, { address: device.address, buses });
      }
    }
  }
  return new Map([...innermost].map(([bus, { address }]) => [bus, address]));
}
