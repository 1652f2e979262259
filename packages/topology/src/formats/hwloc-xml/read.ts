import { HmsError } from "../../model/error.ts";
import { emptyFacts, type FactsDraft } from "../../model/facts-draft.ts";
import { deriveDevices } from "./derive-devices.ts";
import { describe, ElementReader, objectsIn } from "./elements.ts";
import { type Element, parseHwlocXml } from "./parse.ts";
import { readAttributes } from "./read-attributes.ts";
import { completeSet, isGroup, readCache, readCpuKind, readGroup, readProcessors } from "./read-cpus.ts";
import { assignNodes, type Place, readLinkSpeed, readOsDevice, readPci } from "./read-devices.ts";
import { addAbsentNodes, assignCpus, readDistances, readNode } from "./read-memory.ts";

/**
 * Reads hwloc XML of version 2 (hwloc 2.0 and later, and what `writeHwlocXml` writes) into facts.
 *
 * Memory attributes become reaches from the CPUs of nodes (`node0`) to nodes, with origin `hwloc`: MB/s and ns
 * there, bytes/s and ns here. The kind of a memory is concluded from hwloc's subtype; without one it is DRAM for a
 * node with CPUs, else unknown.
 * What is odd in the file leaves a warning in the facts. Throws HmsError, each with one sentence: HWLOC_XML_INVALID
 * (not well-formed, not hwloc's, with entities or a DTD of its own), HWLOC_XML_VERSION (version 1 or 3),
 * HWLOC_XML_TOO_LARGE (more than XML_LENGTH_MAX characters, ELEMENTS_MAX elements or DEPTH_MAX levels).
 */
export function readHwlocXml(text: string): FactsDraft {
  const topology = parseHwlocXml(text);
  const [root, second] = objectsIn(topology);
  if (root === undefined || second !== undefined || root.attributes.type !== "Machine") {
    throw new HmsError(
      "HWLOC_XML_INVALID",
      "EINVAL",
      `Read hwloc XML: it must hold one object of type Machine, but ${root === undefined ? "holds none" : second === undefined ? `holds ${describe(root)}` : "holds several"}; give a file that hwloc 2 wrote (lstopo --of xml FILE).`,
    );
  }
  const facts = emptyFacts();
  const reader = new ElementReader();
  Object.assign(facts.info, reader.info(root));
  const walk = new Walk(facts, reader);
  walk.objects(root);
  readProcessors(facts, root, reader);
  addAbsentNodes(facts, root, reader);
  facts.nodes.sort((a, b) => a.index - b.index);
  assignCpus(facts);
  assignNodes(facts);
  for (const child of topology.children) {
    if (child.name === "distances2" || child.name === "distances2hetero") {
      const matrix = readDistances(child, reader);
      if (matrix !== null) facts.distances.push(matrix);
    } else if (child.name === "cpukind") facts.cpuKinds.push(readCpuKind(child, reader));
  }
  deriveDevices(facts, walk.linkSpeeds, reader);
  const attributes = topology.children.filter((child) => child.name === "memattr");
  readAttributes(facts, attributes, { nodes: walk.nodes, initiators: walk.initiators(facts) }, reader);
  facts.warnings.push(...reader.warnings);
  return facts;
}

/** Goes through the objects of a file and adds what they are to the facts. */
class Walk {
  /** NUMA node numbers by hwloc's number of the object. */
  readonly nodes = new Map<string, number>();
  /** GB/s of links by PCI address. */
  readonly linkSpeeds = new Map<string, number>();
  /** PCI addresses and names of devices by hwloc's number of the object. */
  readonly #devices = new Map<string, string>();
  readonly #facts: FactsDraft;
  readonly #reader: ElementReader;
  readonly #nodeNumbers = new Set<number>();

  constructor(facts: FactsDraft, reader: ElementReader) {
    this.#facts = facts;
    this.#reader = reader;
  }

  /** Ids of the initiators that devices have become, by hwloc's number of the object. */
  initiators(facts: FactsDraft): Map<string, string> {
    const ids = new Map(
      facts.initiatorFacts.flatMap(({ id, aliases }) => [id, ...aliases].map((name) => [name, id])),
    );
    return new Map(
      [...this.#devices].flatMap(([number, name]) => {
        const id = ids.get(name);
        return id === undefined ? [] : [[number, id]];
      }),
    );
  }

  /** The root object's inside. */
  objects(root: Element): void {
    this.#inside(root, { cpus: completeSet(root, this.#reader), pciAddress: null });
  }

  #inside(element: Element, place: Place): void {
    for (const child of objectsIn(element)) this.#object(child, place);
  }

  #object(element: Element, place: Place): void {
    const { type } = element.attributes;
    switch (type) {
      case "NUMANode":
      case "MemCache":
        this.#memory(element, []);
        return;
      case "Bridge":
      case "PCIDev":
      case "OSDev":
        this.#device(element, place);
        return;
      case "Misc":
        // Memory modules and what users add: nothing that a memory target needs.
        return;
      default:
        this.#cpus(element, type ?? "", place);
    }
  }

  #cpus(element: Element, type: string, place: Place): void {
    const reader = this.#reader;
    if (isGroup(type)) {
      const group = readGroup(element, reader);
      if (group !== null) this.#facts.groups.push(group);
    } else if (type !== "PU") {
      const cache = readCache(element, reader);
      if (cache !== null) this.#facts.caches.push(cache);
      else
        reader.warn(
          `${describe(element)}: an object type that hwloc 2 does not have, only its inside is read`,
        );
    }
    const cpus = completeSet(element, reader);
    this.#inside(element, { ...place, cpus: cpus.isEmpty ? place.cpus : cpus });
  }

  #memory(element: Element, caches: readonly Element[]): void {
    if (element.attributes.type === "MemCache") {
      for (const child of objectsIn(element)) {
        if (["NUMANode", "MemCache"].includes(child.attributes.type ?? "")) {
          this.#memory(child, [...caches, element]);
        }
      }
      return;
    }
    const node = readNode(element, caches, this.#reader);
    if (node === null) return;
    if (this.#nodeNumbers.has(node.index)) {
      this.#reader.warn(`NUMANode ${node.index} is there twice: the first is used`);
      return;
    }
    this.#nodeNumbers.add(node.index);
    this.#facts.nodes.push(node);
    const number = element.attributes.gp_index;
    if (number !== undefined) this.nodes.set(number, node.index);
  }

  #device(element: Element, place: Place): void {
    const number = element.attributes.gp_index ?? "";
    let below = place;
    if (element.attributes.type === "OSDev") {
      const device = readOsDevice(element, place, this.#reader);
      if (device !== null) {
        this.#facts.devices.push(device);
        this.#devices.set(number, device.name);
      }
    } else {
      const pci = readPci(element, place, this.#reader);
      if (pci !== null) {
        this.#facts.pci.push(pci);
        this.#devices.set(number, pci.address);
        const speed = readLinkSpeed(element);
        if (speed !== null) this.linkSpeeds.set(pci.address, speed);
        below = { ...place, pciAddress: pci.address };
      }
    }
    this.#inside(element, below);
  }
}
