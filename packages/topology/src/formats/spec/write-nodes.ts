import type { NumaNode } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Initiator, Machine } from "../../model/machine.ts";
import { writeSize } from "../../model/units.ts";
import { PCI_CLASSES } from "./hardware.ts";
import { writePcie } from "./pcie.ts";
import { info, prose, some, type Writer, type Written } from "./writer.ts";

export function writeNode(writer: Writer, node: NumaNode, cpus: Written): Written {
  const { kind, size, because } = writer.kind(node);
  return {
    index: node.index,
    kind,
    size: size ?? "unknown",
    free:
      node.free !== null && node.free <= (node.size ?? Number.POSITIVE_INFINITY)
        ? writer.size(node.free)
        : undefined,
    because,
    ...cpus,
    ...(node.cpus.isEmpty ? writeNear(writer.machine, node) : {}),
    online: node.online ? undefined : false,
    allowed: node.allowed ? undefined : false,
    "generic-initiator": node.genericInitiator ? true : undefined,
    tier: node.tier ?? undefined,
    "side-caches": some(
      node.sideCaches
        .filter((cache) => cache.size > 0)
        .map((cache) => ({
          level: cache.level,
          size: writeSize(cache.size),
          line: cache.lineSize === 0 ? undefined : cache.lineSize,
          associativity: unlessUnknown(cache.associativity),
          write: unlessUnknown(cache.writePolicy),
          mode: unlessUnknown(cache.addressMode),
        })),
    ),
    info: info(node.info),
  };
}

function unlessUnknown(word: string): string | undefined {
  return word === "unknown" ? undefined : word;
}

/** Which CPUs are near a node without any: by node where that says it, in full otherwise. */
function writeNear(machine: Machine, node: NumaNode): Written {
  const inside = machine.nodes.filter((one) => !one.cpus.isEmpty && node.nearCpus.includes(one.cpus));
  const together = inside.reduce((all, one) => all.or(one.cpus), IndexSet.EMPTY);
  if (inside.length > 0 && together.equals(node.nearCpus)) return { near: inside.map((one) => one.index) };
  return node.nearCpus.isEmpty ? {} : { "near-cpus": node.nearCpus.toList() };
}

/** An initiator; null for the CPUs of a node, which follow from the node. */
export function writeDevice(writer: Writer, initiator: Initiator): Written | null {
  const { machine } = writer;
  if (followsFromNode(machine, initiator)) return null;
  const { id, cpus, numaNode, pciAddress } = initiator;
  const node = machine.nodes.find((one) => one.index === numaNode);
  const nearNode = node?.cpus.isEmpty === true ? node.nearCpus : node?.cpus;
  const isNear = nearNode?.equals(cpus) === true;
  const pci = machine.pci.find((one) => one.address === pciAddress);
  const classCode = pci?.classCode ?? PCI_CLASSES[initiator.class];
  const hex = (value: number): string => value.toString(16).padStart(4, "0");
  return {
    id: writer.id(id),
    type: initiator.class,
    label: prose(initiator.label),
    aliases: some(initiator.aliases.filter((name) => name !== "").map((name) => writer.id(name))),
    ...(isNear
      ? { near: numaNode }
      : { "numa-node": node?.index, "cpu-list": cpus.isEmpty ? undefined : cpus.toList() }),
    pci: pciAddress ?? undefined,
    "pci-id": (pci?.vendor ?? 0) === 0 ? undefined : `${hex(pci?.vendor ?? 0)}:${hex(pci?.device ?? 0)}`,
    "pci-class": classCode === PCI_CLASSES[initiator.class] ? undefined : hex(classCode),
    pcie: writePcie(pci?.link ?? null) ?? undefined,
  };
}

function followsFromNode(machine: Machine, initiator: Initiator): boolean {
  const { id, aliases, pciAddress, numaNode } = initiator;
  const node = machine.nodes.find((one) => `node${one.index}` === id);
  if (node === undefined || numaNode !== node.index || pciAddress !== null || aliases.length > 0)
    return false;
  const offline = IndexSet.of(machine.processors.filter((one) => !one.online).map((one) => one.index));
  if (!initiator.cpus.equals(node.cpus.andNot(offline))) return false;
  if (initiator.cpus.isEmpty) return initiator.class === "generic" && initiator.label === "generic initiator";
  const around = machine.groups.find((one) => one.type === "package" && one.cpus.intersects(node.cpus));
  return (
    initiator.class === "cpu" && initiator.label === (around?.info.CPUModel ?? machine.info.CPUModel ?? null)
  );
}
