import { UNKNOWN_PROPERTIES } from "../../assemble/properties.ts";
import type { InitiatorType, OsDevice, PciDevice } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import { pciIndex } from "../pci/address.ts";
import { pathBandwidth } from "../pci/link.ts";
import type { Discovery, Source } from "../source.ts";
import { listedNode, nearCpus, onlyNode } from "./near.ts";
import { readWord } from "./values.ts";

/** PCI classes (and single subclasses, which come first) of what moves memory worth naming. */
const SUBCLASSES: ReadonlyMap<number, InitiatorType> = new Map([
  [0x0801, "dma"],
  [0x0b40, "accelerator"],
  // An InfiniBand adapter that calls itself a serial bus.
  [0x0c06, "nic"],
]);
const CLASSES: ReadonlyMap<number, InitiatorType> = new Map([
  [0x01, "block"],
  [0x02, "nic"],
  [0x03, "gpu"],
  [0x12, "accelerator"],
]);

const CLASS_BRIDGE = 0x06;
/** Drivers of DMA engines that call themselves system peripherals and need not show a channel. */
const DMA_DRIVERS: readonly (string | null)[] = ["idxd", "ioatdma"];

/** What the operating system makes of a device says more than its class: a GPU may call itself a processing accelerator. */
const DEVICE_TYPES: readonly (readonly [device: OsDevice["type"], type: InitiatorType])[] = [
  ["gpu", "gpu"],
  ["coprocessor", "accelerator"],
  ["openfabrics", "nic"],
  ["network", "nic"],
  ["dma", "dma"],
];

/**
 * Devices that load, store or do DMA: each PCI function once, under its address, with what the operating system calls
 * it as other names; and devices that are on no PCI bus, under their names.
 */
export const initiators: Source = {
  name: "initiators",
  after: ["numa", "pci", "block", "network", "infiniband", "drm", "dma", "coprocessor"],
  discover(discovery) {
    const { facts } = discovery;
    const byFunction = new Map<string, OsDevice[]>();
    for (const device of facts.devices) {
      const key = device.pciAddress ?? "";
      const known = byFunction.get(key);
      if (known === undefined) byFunction.set(key, [device]);
      else known.push(device);
    }
    const byAddress = pciIndex(facts.pci);
    for (const device of facts.pci) {
      const type = typeOf(device, byFunction.get(device.address) ?? []);
      if (type === null) continue;
      const near = nearCpus(facts, device);
      facts.initiatorFacts.push({
        version: OBJECT_VERSION,
        id: device.address,
        type,
        aliases: aliasesOf(byFunction.get(device.address) ?? []),
        label: (type === "gpu" ? productName(discovery, device) : null) ?? device.label,
        cpus: IndexSet.EMPTY,
        numaNode: listedNode(facts, device.numaNode) ?? onlyNode(near),
        pciAddress: device.address,
      });
      const bandwidth = pathBandwidth(device, byAddress);
      facts.attachments.push({
        initiator: device.address,
        near,
        medium: "pcie",
        properties: { ...UNKNOWN_PROPERTIES, readBandwidth: bandwidth, writeBandwidth: bandwidth },
      });
    }
    addWithoutPci(discovery, byFunction.get("") ?? []);
  },
};

/** Null for what is not worth naming: bridges, USB, sound, sensors, … */
function typeOf(device: PciDevice, own: readonly OsDevice[]): InitiatorType | null {
  const type = SUBCLASSES.get(device.classCode) ?? CLASSES.get(device.classCode >> 8) ?? null;
  const seen = (wanted: OsDevice["type"]): boolean => own.some((one) => one.type === wanted);
  // A display controller stays one even if it has other devices (sound, a DMA engine) on the same function.
  if (type === "gpu" || (type === "accelerator" && seen("gpu"))) return "gpu";
  if (type !== null) return type;
  if (device.classCode >> 8 === CLASS_BRIDGE) return null;
  if (DMA_DRIVERS.includes(device.driver)) return "dma";
  return DEVICE_TYPES.find(([kind]) => seen(kind))?.[1] ?? null;
}

/** What AMD's driver calls the board, where the board says. */
function productName(discovery: Discovery, device: PciDevice): string | null {
  return readWord(discovery, `sys/bus/pci/devices/${device.address}/product_name`);
}

/** Names of the devices on a function, and of the NVMe controllers whose disks they are. */
function aliasesOf(own: readonly OsDevice[]): string[] {
  const names = own.flatMap(({ name }) => {
    // nvme0c1n1 is path 1 to nvme0n1, which itself belongs to no single function.
    const nvme = /^(nvme\d+)(c\d+)?(n\d+)$/.exec(name);
    if (nvme === null) return [name];
    const [, controller = "", path, disk = ""] = nvme;
    return path === undefined ? [name, controller] : [name, `${controller}${disk}`];
  });
  return [...new Set(names)];
}

/** Type of a device that is on no PCI bus, null for what is no initiator: persistent memory, a screen. */
function typeWithoutPci(device: OsDevice): InitiatorType | null {
  switch (device.type) {
    case "network":
    case "openfabrics":
      return "nic";
    case "coprocessor":
      return "accelerator";
    case "dma":
      return "dma";
    case "block":
      return device.kernelClass === "block" && device.subtype !== "NVM" ? "block" : null;
    case "gpu":
      // A card without a render device is a screen only; one that has both is named by what renders.
      return device.name.startsWith("renderD") ? "gpu" : null;
    default:
      return null;
  }
}

function addWithoutPci(discovery: Discovery, devices: readonly OsDevice[]): void {
  const { facts } = discovery;
  const groups = new Map<string, { readonly type: InitiatorType; readonly devices: OsDevice[] }>();
  for (const device of devices) {
    const type = typeWithoutPci(device);
    if (type === null) continue;
    // The channels of a DMA engine are one device: dma0chan0, dma0chan1, …
    const id = device.type === "dma" ? device.name.replace(/chan\d+$/, "") : device.name;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { type, devices: [device] });
    else group.devices.push(device);
  }
  for (const [id, { type, devices: own }] of groups) {
    const [first] = own;
    if (first === undefined) continue;
    const near = nearCpus(facts, first);
    facts.initiatorFacts.push({
      version: OBJECT_VERSION,
      id,
      type,
      aliases: own.map(({ name }) => name).filter((name) => name !== id),
      label: null,
      cpus: IndexSet.EMPTY,
      numaNode: listedNode(facts, first.numaNode) ?? onlyNode(near),
      pciAddress: null,
    });
    facts.attachments.push({ initiator: id, near, medium: "unknown", properties: UNKNOWN_PROPERTIES });
  }
}
