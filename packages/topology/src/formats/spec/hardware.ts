import type {
  InitiatorFact,
  InitiatorType,
  LinkMedium,
  LinkProperties,
  OsDevice,
  PciDevice,
} from "../../model/facts.ts";
import { parsePciAddress } from "../../model/io-tree.ts";
import type { Draft, NodeDraft } from "./draft.ts";
import { type Field, type Fields, shown } from "./field.ts";
import { PROPERTY_FIELDS, readMedium, readProperties } from "./numbers.ts";
import { type PcieSlot, readPcie } from "./pcie.ts";

/** PCI class codes (PCI Code and ID Assignment Specification) of what a device of a type most often is. */
export const PCI_CLASSES: Readonly<Record<InitiatorType, number>> = {
  cpu: 0x0b40,
  gpu: 0x0302,
  nic: 0x0200,
  accelerator: 0x1200,
  block: 0x0108,
  dma: 0x0801,
  generic: 0x1300,
};

const OS_TYPES: Readonly<Record<InitiatorType, OsDevice["type"]>> = {
  cpu: "coprocessor",
  gpu: "gpu",
  nic: "network",
  accelerator: "coprocessor",
  block: "block",
  dma: "dma",
  generic: "coprocessor",
};

export function readSlot(fields: Fields): PcieSlot | null {
  const field = fields.get("pcie");
  return field === undefined ? null : readPcie(field);
}

/** A PCI address: one, or a list of one for each instance. */
export function readAddress(fields: Fields): string | null {
  const field = fields.get("pci");
  if (field === undefined) return null;
  const items = field.oneOrMore();
  const { index, count } = field.instance ?? { index: 0, count: 1 };
  if (field.value.kind === "list" && items.length !== count) {
    field.fail(
      `expected ${count} PCI address${count === 1 ? "" : "es"}, one for each device, but got ${items.length}`,
    );
  }
  const item = (field.value.kind === "list" ? items[index] : field) ?? field;
  const text = item.raw("a PCI address such as 0000:3b:00.0");
  const full = /^[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i.test(text) ? `0000:${text}` : text;
  if (parsePciAddress(full) === undefined) {
    item.fail(`expected a PCI address such as 0000:3b:00.0, but got ${shown(text)}`);
  }
  return full.toLowerCase();
}

function hexadecimal(field: Field | undefined, otherwise: number): number {
  if (field === undefined) return otherwise;
  const text = field.raw("four hexadecimal digits");
  if (!/^(0x)?[0-9a-f]{4}$/i.test(text))
    field.fail(`expected four hexadecimal digits, but got ${shown(text)}`);
  return Number.parseInt(text.replace(/^0x/, ""), 16);
}

/** What programs that draw a machine look for: the PCI function, and what the operating system calls the device. */
export function addHardware(fields: Fields, draft: Draft, fact: InitiatorFact, slot: PcieSlot | null): void {
  const { id, type, aliases, label, numaNode, cpus, pciAddress } = fact;
  const pair = fields.get("pci-id");
  const [vendor = "0", device = "0"] = pair?.raw("vendor and device such as 10de:2330").split(":") ?? [];
  if (pair !== undefined && !/^[0-9a-f]{4}:[0-9a-f]{4}$/i.test(`${vendor}:${device}`)) {
    pair.fail(`expected vendor and device such as 10de:2330, but got ${pair.describe()}`);
  }
  for (const name of ["pci-id", "pci-class"]) {
    if (pciAddress === null)
      fields.get(name)?.fail(`${name} is for a device with a PCI address; give it pci`);
  }
  // Partitions of one device share its function.
  if (pciAddress !== null && !draft.facts.pci.some((other) => other.address === pciAddress)) {
    const pci: PciDevice = {
      address: pciAddress,
      classCode: hexadecimal(fields.get("pci-class"), PCI_CLASSES[type]),
      vendor: Number.parseInt(vendor, 16),
      device: Number.parseInt(device, 16),
      subVendor: 0,
      subDevice: 0,
      revision: 0,
      label: null,
      slot: null,
      driver: null,
      parent: null,
      bridge: null,
      link: slot?.link ?? null,
      numaNode,
      localCpus: cpus,
      iommuGroup: null,
    };
    draft.facts.pci.push(pci);
  }
  const name = [id, ...aliases].find((text) => parsePciAddress(text) === undefined);
  if (name === undefined) return;
  draft.facts.devices.push({
    name,
    kernelClass: null,
    type: OS_TYPES[type],
    subtype: null,
    pciAddress,
    numaNode,
    localCpus: cpus,
    info: label === null ? {} : { Model: label },
  });
}

interface Attached {
  readonly fact: InitiatorFact;
  readonly near: readonly NodeDraft[];
  readonly slot: PcieSlot | null;
  readonly source: string | null;
}

/** A device that says how it is attached goes on from there as the CPUs near it do. */
export function attach(fields: Fields, draft: Draft, { fact, near, slot, source }: Attached): void {
  const field = fields.get("attach");
  if (field === undefined && (slot === null || !draft.implied)) return;
  const inner = field?.fields(PROPERTY_FIELDS);
  const medium: LinkMedium =
    inner === undefined ? "pcie" : readMedium(inner, slot === null ? "unknown" : "pcie");
  const stated = inner === undefined ? null : readProperties(inner, draft.numbers, source);
  const properties: LinkProperties = {
    readBandwidth: stated?.readBandwidth ?? slot?.bandwidth ?? null,
    writeBandwidth: stated?.writeBandwidth ?? slot?.bandwidth ?? null,
    readLatency: stated?.readLatency ?? null,
    writeLatency: stated?.writeLatency ?? null,
    distance: stated?.distance ?? null,
    coherent: stated?.coherent ?? null,
    atomics: stated?.atomics ?? null,
  };
  const cpus = near.filter((node) => !node.cpus.isEmpty).map((node) => `node${node.index}`);
  draft.facts.attachments.push({ initiator: fact.id, near: cpus, medium, properties });
}
