import type { LinkProperties } from "../../model/facts.ts";
import type { FactsDraft } from "../../model/facts-draft.ts";
import { IndexSet } from "../../model/index-set.ts";
import { COMBINED_DETAIL, type Quantity, quantity } from "../../model/quantity.ts";
import type { ElementReader } from "./elements.ts";
import { type Element, quoted } from "./parse.ts";
import { ATTRIBUTES, BANDWIDTH_UNIT } from "./vocabulary.ts";

/** Attributes of hwloc's own that need no reading: they follow from the nodes. */
const DERIVED: ReadonlySet<string> = new Set(["Capacity", "Locality"]);

type NumberField = (typeof ATTRIBUTES)[number]["fields"][number];

/** Objects that memory attributes refer to by hwloc's own number of them. */
export interface Numbered {
  /** NUMA node numbers by object number. */
  readonly nodes: ReadonlyMap<string, number>;
  /** Ids of device initiators by object number. */
  readonly initiators: ReadonlyMap<string, string>;
}

/** A number for a pair, and how well the initiator that it was stated for fits; smaller is better. */
interface Stated {
  readonly value: number;
  readonly misfit: number;
}

/** By pair (`initiator target`) and attribute. */
type StatedValues = Map<string, { initiator: string; target: string; values: Map<string, Stated> }>;

/**
 * Turns hwloc's memory attributes into what the CPUs of nodes (and devices, where hwloc names one) reach. An
 * attribute is stated for some CPUs: it holds for each node whose CPUs are among them, or else for those that have
 * at least some of them. Of several that fit a pair the one stated most narrowly is used.
 */
export function readAttributes(
  facts: FactsDraft,
  elements: readonly Element[],
  numbered: Numbered,
  reader: ElementReader,
): void {
  const usable = IndexSet.of(facts.processors.filter((p) => p.online && p.allowed).map((p) => p.index));
  const nodes = facts.nodes
    .map(({ index, cpus }) => ({ index, cpus: cpus.and(usable) }))
    .filter(({ cpus }) => !cpus.isEmpty);
  const stated: StatedValues = new Map();
  const ignored = new Set<string>();
  for (const element of elements) {
    const name = element.attributes.name ?? "";
    if (DERIVED.has(name)) continue;
    if (!ATTRIBUTES.some((attribute) => attribute.name === name)) {
      ignored.add(name);
      continue;
    }
    for (const child of element.children) {
      if (child.name === "memattr_value") readValue(child, name, { nodes, numbered, reader, stated });
    }
  }
  if (ignored.size > 0) {
    const names = [...ignored].slice(0, 4).map(quoted).join(", ");
    reader.warn(`memory attributes without a meaning here are left out: ${names}`);
  }
  for (const { initiator, target, values } of stated.values()) {
    facts.reaches.push({ initiator, target, medium: "memory", properties: propertiesOf(values) });
  }
}

interface Context {
  /** Nodes with usable CPUs, and those. */
  readonly nodes: readonly { readonly index: number; readonly cpus: IndexSet }[];
  readonly numbered: Numbered;
  readonly reader: ElementReader;
  readonly stated: StatedValues;
}

function readValue(element: Element, attribute: string, context: Context): void {
  const { reader, numbered } = context;
  const node = numbered.nodes.get(element.attributes.target_obj_gp_index ?? "");
  // Values of memory-side caches and the like have no target of their own here.
  if (element.attributes.target_obj_type !== "NUMANode") return;
  const value = reader.whole(element, "value");
  if (node === undefined) {
    reader.warn(`a value of ${attribute} is left out: it names no NUMA node of the file`);
    return;
  }
  if (value === null || value === 0) return;
  const found = initiatorsOf(element, context);
  if (found.length === 0) {
    reader.warn(`a value of ${attribute} for node ${node} is left out: it names no CPUs of a node`);
  }
  for (const { id, misfit } of found) {
    const key = `${id} node${node}`;
    const pair = context.stated.get(key) ?? { initiator: id, target: `node${node}`, values: new Map() };
    context.stated.set(key, pair);
    const known = pair.values.get(attribute);
    if (known === undefined || misfit < known.misfit) pair.values.set(attribute, { value, misfit });
  }
}

/** Sets that hold all CPUs of a node fit better than those that hold some, whatever their size. */
const PARTIAL = 1_000_000;

function initiatorsOf(element: Element, context: Context): { id: string; misfit: number }[] {
  const { nodes, numbered, reader } = context;
  const { initiator_cpuset: cpus, initiator_obj_gp_index: object } = element.attributes;
  if (cpus === undefined) {
    const id = numbered.initiators.get(object ?? "");
    if (id !== undefined) return [{ id, misfit: 0 }];
    const node = numbered.nodes.get(object ?? "");
    return nodes.some(({ index }) => index === node) ? [{ id: `node${node}`, misfit: 0 }] : [];
  }
  const set = reader.mask(element, "initiator_cpuset");
  const whole = nodes.filter((node) => set.includes(node.cpus));
  if (whole.length > 0) return whole.map(({ index }) => ({ id: `node${index}`, misfit: set.size }));
  return nodes
    .filter((node) => set.intersects(node.cpus))
    .map((node) => ({ id: `node${node.index}`, misfit: PARTIAL - set.and(node.cpus).size }));
}

function propertiesOf(values: ReadonlyMap<string, Stated>): LinkProperties {
  const of = (field: NumberField): Quantity | null => {
    for (const { name, fields } of [...ATTRIBUTES].reverse()) {
      const stated = values.get(name);
      if (stated === undefined || !fields.some((f) => f === field)) continue;
      const unit = field.endsWith("Bandwidth") ? BANDWIDTH_UNIT : 1;
      return quantity(stated.value * unit, "hwloc", fields.length === 1 ? name : COMBINED_DETAIL);
    }
    return null;
  };
  return {
    readBandwidth: of("readBandwidth"),
    writeBandwidth: of("writeBandwidth"),
    readLatency: of("readLatency"),
    writeLatency: of("writeLatency"),
    distance: null,
    coherent: null,
    atomics: null,
  };
}
