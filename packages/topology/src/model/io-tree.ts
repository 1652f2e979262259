import { naturalOrder } from "../tree/natural.ts";
import type { OsDevice, PciDevice } from "./facts.ts";
import type {
  HostBridgeObject,
  IoObject,
  OsDeviceObject,
  PciBridgeObject,
  PciDeviceObject,
} from "./object-tree.ts";

/** Bridges one behind the other, at most: a PCI domain has 256 buses. What is deeper starts a tree of its own. */
export const PCI_DEPTH_MAX = 256;

/** Parts of a PCI address. */
export interface PciAddress {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

/** Reads `0000:3b:00.0`; undefined for anything else. */
export function parsePciAddress(text: string): PciAddress | undefined {
  const match = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i.exec(text);
  if (match === null) return undefined;
  const [domain, bus, device, fn] = match.slice(1).map((part) => Number.parseInt(part, 16));
  if (domain === undefined || bus === undefined || device === undefined || fn === undefined) return undefined;
  return { domain, bus, device, function: fn };
}

type Hung<T extends IoObject> = { -readonly [K in keyof T]: K extends "ioChildren" ? IoObject[] : T[K] };
type PciObject = Hung<PciBridgeObject> | Hung<PciDeviceObject>;

/** A tree of PCI buses and the device that says where it is. */
export interface PciRoot {
  readonly object: HostBridgeObject;
  /** The functions directly on its bus, for their locality. */
  readonly functions: readonly PciDevice[];
}

/** Objects of all PCI functions and OS devices, hung below each other; the tops are left to be placed. */
export interface IoTrees {
  readonly roots: readonly PciRoot[];
  /** OS devices that belong to no PCI function. */
  readonly devices: readonly OsDeviceObject[];
}

/** Hangs PCI functions below their bridges and OS devices below their functions. */
export function buildIoTrees(pci: readonly PciDevice[], devices: readonly OsDevice[]): IoTrees {
  const byAddress = new Map(inOrder(pci).map((device) => [device.address, device]));
  const depths = new Map<string, number>();
  const objects = new Map<string, PciObject>();
  for (const device of byAddress.values()) {
    const depth = depthOf(device, byAddress, depths);
    objects.set(
      device.address,
      device.bridge === null
        ? { type: "pci-device", pci: device, ioChildren: [] }
        : { type: "pci-bridge", pci: device, depth: depth + 1, ioChildren: [] },
    );
  }
  const tops: PciDevice[] = [];
  for (const device of byAddress.values()) {
    const object = objects.get(device.address);
    const parent = depths.get(device.address) === 0 ? undefined : objects.get(device.parent ?? "");
    if (object === undefined) continue;
    if (parent === undefined) tops.push(device);
    else parent.ioChildren.push(object);
  }
  return { devices: hangDevices(devices, objects), roots: hostBridges(tops, objects) };
}

/** By domain, bus, device and function; those without a usable address are left out. */
function inOrder(pci: readonly PciDevice[]): PciDevice[] {
  return pci
    .flatMap((device) => {
      const address = parsePciAddress(device.address);
      return address === undefined ? [] : [{ device, address }];
    })
    .sort(
      ({ address: a }, { address: b }) =>
        a.domain - b.domain || a.bus - b.bus || a.device - b.device || a.function - b.function,
    )
    .map(({ device }) => device);
}

/** How many bridges are above a function; 0 also for one whose bridges loop or are too many. */
function depthOf(
  device: PciDevice,
  byAddress: ReadonlyMap<string, PciDevice>,
  depths: Map<string, number>,
): number {
  const chain: PciDevice[] = [];
  const seen = new Set<PciDevice>();
  let up: PciDevice | undefined = device;
  while (up !== undefined && !depths.has(up.address) && !seen.has(up)) {
    seen.add(up);
    chain.push(up);
    const above: PciDevice | undefined = byAddress.get(up.parent ?? "");
    up = above === undefined || above.bridge === null ? undefined : above;
  }
  // A loop is cut where it was entered last.
  let depth = up === undefined || seen.has(up) ? -1 : (depths.get(up.address) ?? -1);
  for (let i = chain.length - 1; i >= 0; i--) {
    depth = depth + 1 >= PCI_DEPTH_MAX ? 0 : depth + 1;
    const link = chain[i];
    if (link !== undefined) depths.set(link.address, depth);
  }
  return depths.get(device.address) ?? 0;
}

function hangDevices(
  devices: readonly OsDevice[],
  objects: ReadonlyMap<string, PciObject>,
): readonly OsDeviceObject[] {
  const free: OsDeviceObject[] = [];
  for (const device of [...devices].sort((a, b) => naturalOrder(a.name, b.name))) {
    const object: OsDeviceObject = { type: "os-device", device, ioChildren: [] };
    const parent = device.pciAddress === null ? undefined : objects.get(device.pciAddress);
    if (parent === undefined) free.push(object);
    else parent.ioChildren.push(object);
  }
  return free;
}

/** One host bridge for each bus (of a domain) that something is on and no bridge leads to. */
function hostBridges(tops: readonly PciDevice[], objects: ReadonlyMap<string, PciObject>): PciRoot[] {
  const byBus = new Map<string, PciDevice[]>();
  for (const device of tops) {
    const bus = device.address.slice(0, device.address.lastIndexOf(":"));
    const there = byBus.get(bus);
    if (there === undefined) byBus.set(bus, [device]);
    else there.push(device);
  }
  const roots: PciRoot[] = [];
  for (const functions of byBus.values()) {
    const first = parsePciAddress(functions[0]?.address ?? "");
    if (first === undefined) continue;
    const ioChildren = functions.flatMap((device) => objects.get(device.address) ?? []);
    const subordinateBus = ioChildren.reduce((bus, child) => Math.max(bus, lastBus(child)), first.bus);
    roots.push({
      functions,
      object: {
        type: "host-bridge",
        domain: first.domain,
        secondaryBus: first.bus,
        subordinateBus,
        ioChildren,
      },
    });
  }
  return roots;
}

function lastBus(top: IoObject): number {
  let last = 0;
  const open: IoObject[] = [top];
  for (let object = open.pop(); object !== undefined; object = open.pop()) {
    if (object.type === "pci-bridge" || object.type === "pci-device") {
      last = Math.max(
        last,
        parsePciAddress(object.pci.address)?.bus ?? 0,
        object.pci.bridge?.subordinateBus ?? 0,
      );
    }
    open.push(...object.ioChildren);
  }
  return last;
}
