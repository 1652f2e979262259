import type { OsDevice, PciDevice } from "../../model/facts.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import type { IndexSet } from "../../model/index-set.ts";
import { parsePciAddress } from "../../model/io-tree.ts";
import { describe, type ElementReader } from "./elements.ts";
import type { Element } from "./parse.ts";

/** Where a device hangs. */
export interface Place {
  /** CPUs of the object that it is below. */
  readonly cpus: IndexSet;
  /** Address of the nearest PCI function above it, null for none. */
  readonly pciAddress: string | null;
}

/** A PCI function or bridge; null for what is none (a host bridge) or has no usable address. */
export function readPci(element: Element, place: Place, reader: ElementReader): PciDevice | null {
  const { type, pci_busid: address, name } = element.attributes;
  if (address === undefined) return null;
  if (parsePciAddress(address) === undefined) {
    reader.warn(`${describe(element)}: its address is no PCI address, it is left out`);
    return null;
  }
  const ids =
    /^([\da-f]{1,6}) \[([\da-f]{1,4}):([\da-f]{1,4})\] \[([\da-f]{1,4}):([\da-f]{1,4})\] ([\da-f]{1,2})\b/i.exec(
      element.attributes.pci_type ?? "",
    );
  if (ids === null) reader.warn(`PCI function ${address}: its pci_type is not what hwloc writes`);
  const [classCode, vendor, device, subVendor, subDevice, revision] = (ids?.slice(1) ?? []).map((part) =>
    Number.parseInt(part, 16),
  );
  const { PCISlot: slot } = reader.info(element);
  return {
    address: address.toLowerCase(),
    classCode: classCode ?? 0,
    vendor: vendor ?? 0,
    device: device ?? 0,
    subVendor: subVendor ?? 0,
    subDevice: subDevice ?? 0,
    revision: revision ?? 0xff,
    label: name ?? null,
    slot: slot ?? null,
    driver: null,
    parent: place.pciAddress,
    bridge: type === "Bridge" ? readBuses(element) : null,
    // hwloc has one number, of speed and width together.
    link: null,
    numaNode: null,
    localCpus: place.cpus,
    iommuGroup: null,
  };
}

function readBuses(element: Element): { secondaryBus: number; subordinateBus: number } {
  const match = /:\[([\da-f]{2})-([\da-f]{2})\]$/i.exec(element.attributes.bridge_pci ?? "");
  const [secondaryBus, subordinateBus] = (match?.slice(1) ?? []).map((part) => Number.parseInt(part, 16));
  return { secondaryBus: secondaryBus ?? 0, subordinateBus: subordinateBus ?? 0 };
}

const TYPES: readonly OsDevice["type"][] = ["block", "gpu", "network", "openfabrics", "dma", "coprocessor"];

/** What the operating system calls a device; null when hwloc does not name it or its type. */
export function readOsDevice(element: Element, place: Place, reader: ElementReader): OsDevice | null {
  const { name, subtype } = element.attributes;
  const type = TYPES[reader.whole(element, "osdev_type") ?? -1];
  if (name === undefined || name === "" || type === undefined) {
    reader.warn(`${describe(element)}: it has no name or a type that hwloc 2 does not have, it is left out`);
    return null;
  }
  const info = reader.info(element);
  return {
    name,
    kernelClass: kernelClassOf(name, type, info),
    type: subtype === "CXLMem" ? "memory" : type,
    subtype: subtype ?? null,
    pciAddress: place.pciAddress,
    numaNode: null,
    localCpus: place.cpus,
    info,
  };
}

/** Linux's class of a device, where hwloc's type and the name leave no doubt. */
function kernelClassOf(
  name: string,
  type: OsDevice["type"],
  info: Readonly<Record<string, string>>,
): string | null {
  switch (type) {
    case "block":
      // To hwloc 2 memory that is used like a file is a block device.
      if (info.DAXType !== undefined || /^dax\d+\.\d+$/.test(name)) return "dax";
      return /^mem\d+$/.test(name) ? "cxl" : "block";
    case "gpu":
      return /^(card|renderD|controlD)\d+$/.test(name) ? "drm" : null;
    case "network":
      return "net";
    case "openfabrics":
      return "infiniband";
    case "dma":
      return "dma";
    default:
      return /^(ve|mic)\d+$/.exec(name)?.[1] ?? null;
  }
}

/** GB/s of a function's link, null when hwloc does not know it. */
export function readLinkSpeed(element: Element): number | null {
  const text = element.attributes.pci_link_speed ?? "";
  const speed = /^\d{1,6}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  return speed > 0 ? speed : null;
}

/**
 * Says of each device which node it is near to: the one whose CPUs are those of the object that it hangs at. Null
 * where that is no node (the firmware did not say, or it is near several).
 */
export function assignNodes(facts: FactsDraft): void {
  const byCpus = new Map<string, number>();
  for (const node of facts.nodes) {
    const key = node.cpus.toList();
    if (key !== "" && !byCpus.has(key)) byCpus.set(key, node.index);
  }
  const near = <T extends { readonly localCpus: IndexSet }>(device: T): T & { numaNode: number | null } => ({
    ...device,
    numaNode: byCpus.get(device.localCpus.toList()) ?? null,
  });
  facts.pci = facts.pci.map(near);
  facts.devices = facts.devices.map(near);
}
