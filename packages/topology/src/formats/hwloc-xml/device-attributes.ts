import type { PciDevice, PciLink } from "../../model/facts.ts";
import { parsePciAddress } from "../../model/io-tree.ts";
import type { Machine } from "../../model/machine.ts";
import type { IoObject } from "../../model/object-tree.ts";
import { OS_DEVICE_TYPES } from "./vocabulary.ts";
import type { Attributes } from "./xml-text.ts";

/** GB/s of the links that devices are attached by, by PCI address: what is known where speed and width are not. */
export type LinkSpeeds = ReadonlyMap<string, number>;

/** Attributes of a bridge, PCI function or OS device; `number` is hwloc's number of the object. */
export function ioAttributes(object: IoObject, number: number, speeds: LinkSpeeds): Attributes {
  switch (object.type) {
    case "host-bridge":
      return [
        ["type", "Bridge"],
        ["gp_index", number],
        ["bridge_type", "0-1"],
        ["depth", 0],
        ["bridge_pci", busRange(object.domain, object.secondaryBus, object.subordinateBus)],
      ];
    case "pci-bridge": {
      const { bridge, address } = object.pci;
      const domain = parsePciAddress(address)?.domain ?? 0;
      return [
        ["type", "Bridge"],
        ["gp_index", number],
        ["bridge_type", "1-1"],
        ["depth", object.depth],
        ["bridge_pci", busRange(domain, bridge?.secondaryBus ?? 0, bridge?.subordinateBus ?? 0)],
        ...pciAttributes(object.pci, speeds),
      ];
    }
    case "pci-device":
      return [
        ["type", "PCIDev"],
        ["gp_index", number],
        ["name", object.pci.label],
        ...pciAttributes(object.pci, speeds),
      ];
    case "os-device":
      return [
        ["type", "OSDev"],
        ["gp_index", number],
        ["name", object.device.name],
        ["subtype", object.device.subtype],
        ["osdev_type", OS_DEVICE_TYPES[object.device.type]],
      ];
  }
}

function pciAttributes(pci: PciDevice, speeds: LinkSpeeds): Attributes {
  const type = `${hex(pci.classCode, 4)} [${hex(pci.vendor, 4)}:${hex(pci.device, 4)}] [${hex(pci.subVendor, 4)}:${hex(pci.subDevice, 4)}] ${hex(pci.revision, 2)}`;
  return [
    ["pci_busid", pci.address],
    ["pci_type", type],
    ["pci_link_speed", (linkGigabytes(pci.link) ?? speeds.get(pci.address) ?? 0).toFixed(6)],
  ];
}

function busRange(domain: number, first: number, last: number): string {
  // Domains of host bridges that the kernel made up (VMD) have more than four digits.
  return `${domain.toString(16).padStart(4, "0")}:[${hex(first, 2)}-${hex(last, 2)}]`;
}

function hex(value: number, digits: number): string {
  const limited = Math.min(Math.max(0, Math.trunc(value) || 0), 2 ** (4 * Math.max(digits, 1)) - 1);
  return limited.toString(16).padStart(digits, "0");
}

/** GB/s of a link as it is trained now, or could be where that is unknown; undefined when unknown. */
function linkGigabytes(link: PciLink | null): number | undefined {
  const speed = link?.speedCurrent ?? link?.speedMax ?? null;
  const width = link?.widthCurrent ?? link?.widthMax ?? null;
  if (speed === null || width === null) return undefined;
  // 2.5 and 5 GT/s send 10 bits for 8, the faster ones 130 for 128.
  return (speed * width * (speed <= 5 ? 8 / 10 : 128 / 130)) / 8;
}

/** The speeds of a machine's links. */
export function linkSpeeds(machine: Machine): LinkSpeeds {
  const addresses = new Map(machine.initiators.map(({ uid, pciAddress }) => [uid, pciAddress]));
  const speeds = new Map<string, number>();
  for (const { medium, initiators, properties } of machine.links) {
    const bandwidth = properties.readBandwidth ?? properties.writeBandwidth;
    if (medium !== "pcie" || bandwidth === null) continue;
    for (const initiator of initiators) {
      const address = addresses.get(initiator);
      if (address !== undefined && address !== null) speeds.set(address, bandwidth.value / 1e9);
    }
  }
  return speeds;
}
