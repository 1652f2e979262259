import type { PciDevice } from "../../model/facts.ts";
import { type PciAddress, parsePciAddress } from "../../model/io-tree.ts";

/** As the kernel prints it: a domain of at least four digits. */
export function formatPciAddress(address: PciAddress): string {
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return `${hex(address.domain, 4)}:${hex(address.bus, 2)}:${hex(address.device, 2)}.${address.function}`;
}

/** Orders by domain, bus, device, function. */
export function comparePciAddresses(a: PciAddress, b: PciAddress): number {
  return a.domain - b.domain || a.bus - b.bus || a.device - b.device || a.function - b.function;
}

/**
 * The PCI functions that a path below /sys/devices goes through, outermost first:
 * `…/pci0000:00/0000:00:01.1/0000:02:00.0/net/eth0` has 0000:00:01.1 and 0000:02:00.0.
 */
export function pciAddressesIn(path: string): string[] {
  return path.split("/").filter((part) => parsePciAddress(part) !== undefined);
}

/**
 * The bridges above a function in its path, innermost last. A root bus (`pci10000:00`) may itself lie below a
 * function of another domain (a VMD controller): that one is no bridge.
 */
export function bridgesAboveIn(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  const root = parts.findLastIndex((part) => parsePciAddress(part) === undefined);
  return parts.slice(root + 1);
}

const indexes = new WeakMap<readonly PciDevice[], ReadonlyMap<string, PciDevice>>();

/** PCI functions by address; for a list that is complete, as it is once the PCI source has run. */
export function pciIndex(devices: readonly PciDevice[]): ReadonlyMap<string, PciDevice> {
  let index = indexes.get(devices);
  if (index === undefined || index.size !== devices.length) {
    index = new Map(devices.map((device) => [device.address, device]));
    indexes.set(devices, index);
  }
  return index;
}
