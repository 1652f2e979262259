import { buildObjectTree } from "../../model/build-object-tree.ts";
import { HmsError } from "../../model/error.ts";
import type { DistanceMatrix } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Machine } from "../../model/machine.ts";
import type {
  CacheObject,
  CpuObject,
  GroupObject,
  IoObject,
  MachineObject,
  MemoryObject,
  ObjectTree,
} from "../../model/object-tree.ts";
import { ioAttributes, type LinkSpeeds, linkSpeeds } from "./device-attributes.ts";
import { type AttributeValue, memoryAttributes } from "./memory-attributes.ts";
import {
  ATTRIBUTES,
  CACHE_TYPES,
  cacheTypeName,
  DISTANCE_KINDS,
  GROUP_KINDS,
  GROUP_SUBTYPES,
  GROUP_TYPES,
  NODE_SUBTYPES,
  S390_SUBKINDS,
} from "./vocabulary.ts";
import { type Attributes, XmlText } from "./xml-text.ts";

/** Numbers on one line of a distance matrix, as hwloc writes them. */
const NUMBERS_A_LINE = 10;

/**
 * A machine as hwloc XML of version 2, which hwloc 2.0 and later read (`lstopo --input FILE`).
 *
 * As in lstopo, CPUs and nodes that are offline or disallowed have no object and are only in the complete sets.
 * Memory attributes are in MB/s and ns, without a fraction: of a node's access classes, or of the direct links
 * between CPUs and nodes where no node has any. Characters that XML cannot hold are left out.
 *
 * Throws HmsError `NOT_EXPRESSIBLE` for a machine without a usable CPU or NUMA node, which hwloc cannot describe.
 */
export function writeHwlocXml(machine: Machine): string {
  const tree = buildObjectTree(machine);
  const { root } = tree;
  if (root.cpuset.isEmpty || root.nodeset.isEmpty) {
    const missing = root.cpuset.isEmpty ? "CPU" : "NUMA node";
    throw new HmsError(
      "NOT_EXPRESSIBLE",
      "EOPNOTSUPP",
      `Write hwloc XML of ${machine.name}: hwloc describes machines with at least one usable CPU and NUMA node, but this one has no usable ${missing}; write JSON or YAML instead.`,
    );
  }
  return new Writer(machine, tree).document();
}

class Writer {
  readonly #machine: Machine;
  readonly #root: MachineObject;
  readonly #xml = new XmlText();
  readonly #nodeNumbers = new Map<number, number>();
  /** Objects of devices, by PCI address and by name. */
  readonly #deviceObjects = new Map<string, { readonly type: string; readonly number: number }>();
  readonly #linkSpeeds: LinkSpeeds;
  #objects = 0;

  constructor(machine: Machine, tree: ObjectTree) {
    this.#machine = machine;
    this.#root = tree.root;
    this.#linkSpeeds = linkSpeeds(machine);
  }

  document(): string {
    const xml = this.#xml;
    xml.line('<?xml version="1.0" encoding="UTF-8"?>');
    xml.line('<!DOCTYPE topology SYSTEM "hwloc2.dtd">');
    xml.nested("topology", [["version", "2.0"]], () => {
      this.#machineObject();
      for (const matrix of this.#machine.distances) this.#distances(matrix);
      this.#support();
      this.#memoryAttributes();
      this.#cpuKinds();
    });
    return xml.toString();
  }

  /** hwloc's number of an object, unique in the file. */
  #number(): number {
    this.#objects += 1;
    return this.#objects;
  }

  #infos(info: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(info)) {
      this.#xml.empty("info", [
        ["name", name],
        ["value", value],
      ]);
    }
  }

  #machineObject(): void {
    const root = this.#root;
    const attributes: Attributes = [
      ["type", "Machine"],
      ["os_index", 0],
      ["cpuset", root.cpuset.toMask()],
      ["complete_cpuset", root.completeCpuset.toMask()],
      ["allowed_cpuset", root.cpuset.toMask()],
      ["nodeset", root.nodeset.toMask()],
      ["complete_nodeset", root.completeNodeset.toMask()],
      ["allowed_nodeset", root.nodeset.toMask()],
      ["gp_index", this.#number()],
    ];
    this.#xml.nested("object", attributes, () => {
      this.#infos(this.#machine.info);
      this.#inside(root);
    });
  }

  /** hwloc's order: memory, CPUs, devices. */
  #inside(object: MachineObject | CpuObject): void {
    const apart = object.memoryChildren.filter((child) => object.type === "machine" && nearNoCpu(child));
    for (const child of object.memoryChildren) if (!apart.includes(child)) this.#memoryObject(child);
    for (const child of object.children) this.#cpuObject(child);
    for (const child of apart) this.#apart(child);
    for (const child of object.ioChildren) this.#ioObject(child);
  }

  /** Memory near no CPU is in a Group without CPUs, lest hwloc take it to be near all of them. */
  #apart(object: MemoryObject): void {
    const attributes: Attributes = [
      ["type", "Group"],
      ...setAttributes(object),
      ["gp_index", this.#number()],
      ["kind", GROUP_KINDS.memory],
      ["subkind", 0],
    ];
    this.#xml.nested("object", attributes, () => this.#memoryObject(object));
  }

  #cpuObject(object: CpuObject): void {
    const { attributes, info } = cpuObjectText(object, this.#number());
    if (attributes === null) {
      this.#inside(object);
      return;
    }
    this.#xml.nested("object", attributes, () => {
      this.#infos(info);
      this.#inside(object);
    });
  }

  #memoryObject(object: MemoryObject): void {
    const sets = setAttributes(object);
    const number = this.#number();
    if (object.type === "memory-cache") {
      const { size, level, lineSize, associativity } = object.cache;
      const attributes: Attributes = [
        ["type", "MemCache"],
        ...sets,
        ["gp_index", number],
        ["cache_size", whole(size)],
        ["depth", level],
        ["cache_linesize", whole(lineSize)],
        ["cache_associativity", associativity === "direct" ? 1 : 0],
        ["cache_type", CACHE_TYPES.unified],
      ];
      this.#xml.nested("object", attributes, () => {
        for (const child of object.memoryChildren) this.#memoryObject(child);
      });
      return;
    }
    const { node } = object;
    this.#nodeNumbers.set(node.index, number);
    const attributes: Attributes = [
      ["type", "NUMANode"],
      ["os_index", node.index],
      ...sets,
      ["gp_index", number],
      ["subtype", NODE_SUBTYPES[node.kind.kind]],
      ["local_memory", node.size === null || node.size === 0 ? null : whole(node.size)],
    ];
    this.#xml.nested("object", attributes, () => {
      for (const { size, count } of node.pageSizes) {
        this.#xml.empty("page_type", [
          ["size", whole(size)],
          ["count", whole(count)],
        ]);
      }
      this.#infos(node.info);
    });
  }

  #ioObject(object: IoObject): void {
    const number = this.#number();
    if (object.type === "os-device") this.#deviceObjects.set(object.device.name, { type: "OSDev", number });
    else if (object.type === "pci-device")
      this.#deviceObjects.set(object.pci.address, { type: "PCIDev", number });
    const attributes = ioAttributes(object, number, this.#linkSpeeds);
    this.#xml.nested("object", attributes, () => {
      if (object.type === "os-device") this.#infos(object.device.info);
      else if (object.type !== "host-bridge" && object.pci.slot !== null)
        this.#infos({ PCISlot: object.pci.slot });
      for (const child of object.ioChildren) this.#ioObject(child);
    });
  }

  /** Of the nodes that have an object; a matrix of one node says nothing. */
  #distances(matrix: DistanceMatrix): void {
    const places = matrix.nodes.flatMap((node, i) => (this.#nodeNumbers.has(node) ? [i] : []));
    if (places.length < 2) return;
    const width = matrix.nodes.length;
    const values = places.flatMap((row) => places.map((column) => matrix.values[row * width + column] ?? 0));
    const meaning = /bandwidth/i.test(matrix.name) ? DISTANCE_KINDS.bandwidth : DISTANCE_KINDS.latency;
    const attributes: Attributes = [
      ["type", "NUMANode"],
      ["nbobjs", places.length],
      ["kind", DISTANCE_KINDS.fromOs + meaning],
      ["name", matrix.name],
      ["indexing", "os"],
    ];
    this.#xml.nested("distances2", attributes, () => {
      this.#numbers(
        "indexes",
        places.map((i) => matrix.nodes[i] ?? 0),
      );
      this.#numbers("u64values", values);
    });
  }

  #numbers(name: string, values: readonly number[]): void {
    for (let i = 0; i < values.length; i += NUMBERS_A_LINE) {
      const text = values
        .slice(i, i + NUMBERS_A_LINE)
        .map((value) => `${whole(value)} `)
        .join("");
      this.#xml.filled(name, [["length", text.length]], text);
    }
  }

  #support(): void {
    const names = ["discovery.pu", "discovery.numa"];
    if (this.#machine.nodes.some((node) => node.size !== null && this.#nodeNumbers.has(node.index)))
      names.push("discovery.numa_memory");
    names.push("discovery.disallowed_pu", "discovery.disallowed_numa");
    if (this.#machine.cpuKinds.length > 0) names.push("discovery.cpukind_efficiency");
    names.push("custom.exported_support");
    for (const name of names) this.#xml.empty("support", [["name", name]]);
  }

  #memoryAttributes(): void {
    const values = memoryAttributes(this.#machine, this.#root.cpuset);
    for (const { name, flags } of ATTRIBUTES) {
      const list = values.get(name)?.flatMap((value) => this.#valueAttributes(value) ?? []) ?? [];
      if (list.length === 0) continue;
      const attributes: Attributes = [
        ["name", name],
        ["flags", flags],
      ];
      this.#xml.nested("memattr", attributes, () => {
        for (const value of list) this.#xml.empty("memattr_value", value.attributes);
      });
    }
  }

  /** Undefined for a node or device that has no object. */
  #valueAttributes({ node, initiator, value }: AttributeValue): { attributes: Attributes } | undefined {
    const target = this.#nodeNumbers.get(node);
    if (target === undefined) return undefined;
    const attributes: Attributes = [
      ["target_obj_type", "NUMANode"],
      ["target_obj_gp_index", target],
      ["value", value],
    ];
    if (initiator instanceof IndexSet) {
      return { attributes: [...attributes, ["initiator_cpuset", initiator.toMask()]] };
    }
    const names = [initiator.pciAddress ?? initiator.id, initiator.id, ...initiator.aliases];
    const object = names.map((name) => this.#deviceObjects.get(name)).find((known) => known !== undefined);
    if (object === undefined) return undefined;
    return {
      attributes: [
        ...attributes,
        ["initiator_obj_gp_index", object.number],
        ["initiator_obj_type", object.type],
      ],
    };
  }

  #cpuKinds(): void {
    for (const kind of this.#machine.cpuKinds) {
      const cpuset = kind.cpus.and(this.#root.cpuset);
      if (cpuset.isEmpty) continue;
      const attributes: Attributes = [
        ["cpuset", cpuset.toMask()],
        ["forced_efficiency", kind.efficiency === null ? null : Math.trunc(kind.efficiency)],
      ];
      this.#xml.nested("cpukind", attributes, () => this.#infos(kind.info));
    }
  }
}

/** A number as hwloc's unsigned integers hold it. */
function whole(value: number): number {
  return Number.isFinite(value) && value > 0 ? Math.min(Math.round(value), Number.MAX_SAFE_INTEGER) : 0;
}

function nearNoCpu(object: MemoryObject): boolean {
  return object.completeCpuset.isEmpty;
}

function setAttributes(object: {
  readonly cpuset: IndexSet;
  readonly completeCpuset: IndexSet;
  readonly nodeset: IndexSet;
  readonly completeNodeset: IndexSet;
}): Attributes {
  return [
    ["cpuset", object.cpuset.toMask()],
    ["complete_cpuset", object.completeCpuset.toMask()],
    ["nodeset", object.nodeset.toMask()],
    ["complete_nodeset", object.completeNodeset.toMask()],
  ];
}

interface ObjectText {
  /** Null for an object that hwloc has no type for: only what is inside of it is written. */
  readonly attributes: Attributes | null;
  readonly info: Readonly<Record<string, string>>;
}

function cpuObjectText(object: CpuObject, number: number): ObjectText {
  const named = (type: string): Attributes => [
    ["type", type],
    ["os_index", object.osIndex],
    ...setAttributes(object),
    ["gp_index", number],
  ];
  switch (object.type) {
    case "pu":
      return { attributes: named("PU"), info: {} };
    case "cache":
      return cacheText(object, named);
    case "package":
    case "die":
    case "core":
      return { attributes: named(GROUP_TYPES[object.type]), info: object.group?.info ?? {} };
    default:
      return groupText(object, named("Group"));
  }
}

function cacheText({ cache }: CacheObject, named: (type: string) => Attributes): ObjectText {
  const type = cacheTypeName(cache.level, cache.type);
  if (type === undefined) return { attributes: null, info: {} };
  const attributes: Attributes = [
    ...named(type),
    ["cache_size", whole(cache.size)],
    ["depth", cache.level],
    ["cache_linesize", whole(cache.lineSize)],
    ["cache_associativity", Math.trunc(cache.associativity)],
    ["cache_type", CACHE_TYPES[cache.type]],
  ];
  return { attributes, info: cache.inclusive === null ? {} : { Inclusive: cache.inclusive ? "1" : "0" } };
}

function groupText(object: GroupObject, named: Attributes): ObjectText {
  const [subtype, kind, subkind] = ((): [string | null, number, number] => {
    switch (object.type) {
      case "book":
      case "drawer":
        return [GROUP_SUBTYPES[object.type], GROUP_KINDS.s390, S390_SUBKINDS[object.type]];
      case "cluster":
        return [GROUP_SUBTYPES.cluster, GROUP_KINDS.cluster, 0];
      default:
        if (object.group !== null) return [null, GROUP_KINDS.plain, 0];
        return [null, object.memoryChildren.length > 0 ? GROUP_KINDS.memory : GROUP_KINDS.io, 0];
    }
  })();
  const attributes: Attributes = [...named, ["subtype", subtype], ["kind", kind], ["subkind", subkind]];
  return { attributes, info: object.group?.info ?? {} };
}
