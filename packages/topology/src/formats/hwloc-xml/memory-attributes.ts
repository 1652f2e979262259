import type { LinkProperties } from "../../model/facts.ts";
import { IndexSet } from "../../model/index-set.ts";
import type { Machine } from "../../model/machine.ts";
import { COMBINED_DETAIL, type Quantity } from "../../model/quantity.ts";
import { ATTRIBUTES, BANDWIDTH_UNIT } from "./vocabulary.ts";

/** A value of a memory attribute as hwloc has it. */
export interface AttributeValue {
  /** NUMA node number of the memory. */
  readonly node: number;
  /** CPUs for which it holds. */
  readonly initiator: IndexSet;
  /** MB/s or ns, a whole number. */
  readonly value: number;
}

/** The four numbers of a link that hwloc has attributes for. */
type Numbers = Pick<LinkProperties, "readBandwidth" | "writeBandwidth" | "readLatency" | "writeLatency">;

/** Numbers that hold between some CPUs and a node. */
interface Statement {
  readonly node: number;
  readonly initiator: IndexSet;
  readonly numbers: Numbers;
}

/** Values of all memory attributes of a machine, by attribute name, without those that have none. */
export function memoryAttributes(machine: Machine, usableCpus: IndexSet): Map<string, AttributeValue[]> {
  const stated = statementsOfClasses(machine, usableCpus);
  const statements = stated.length > 0 ? stated : statementsOfLinks(machine, usableCpus);
  const values = new Map<string, AttributeValue[]>();
  for (const { name, fields } of ATTRIBUTES) {
    const list = statements.flatMap(({ node, initiator, numbers }) => {
      const value = attributeValue(numbers, fields);
      return value === null ? [] : [{ node, initiator, value }];
    });
    if (list.length > 0) values.set(name, list);
  }
  return values;
}

/** A number in hwloc's unit; the average where an attribute stands for reading and writing. Null when unknown. */
function attributeValue(numbers: Numbers, fields: readonly (keyof Numbers)[]): number | null {
  const quantities = fields.map((field) => numbers[field]);
  const inUnit = fields.map((field, i) => {
    const value = quantities[i]?.value;
    if (value === undefined) return null;
    return Math.round(field.endsWith("Bandwidth") ? value / BANDWIDTH_UNIT : value);
  });
  let sum = 0;
  for (const value of inUnit) {
    if (value === null || value <= 0) return null;
    sum += value;
  }
  // What was given for both together is not known for each.
  if (fields.length === 1 && quantities[0]?.detail === COMBINED_DETAIL) return null;
  return Math.floor(sum / fields.length);
}

/**
 * The access classes of the nodes: class 1 (nearest CPUs) where there is one, else class 0, for the CPUs near the
 * node. This is what hwloc takes of sysfs, where a class holds for its best initiators only.
 */
function statementsOfClasses(machine: Machine, usableCpus: IndexSet): Statement[] {
  return machine.nodes.flatMap((node) => {
    const numbers = node.access.find((a) => a.index === 1) ?? node.access.find((a) => a.index === 0);
    const initiator = node.nearCpus.and(usableCpus);
    if (numbers === undefined || initiator.isEmpty || !node.online || !node.allowed) return [];
    return [{ node: node.index, initiator, numbers }];
  });
}

/**
 * The direct links between the CPUs of nodes and nodes, on a machine without access classes (a spec, an hwloc
 * XML). CPUs with the same numbers are one initiator, as in hwloc. Estimates from distances are no attributes.
 */
function statementsOfLinks(machine: Machine, usableCpus: IndexSet): Statement[] {
  const cpus = new Map(machine.initiators.filter((i) => i.class === "cpu").map((i) => [i.uid, i.cpus]));
  const nodes = new Map(machine.targets.map((t) => [t.uid, t.numaNode]));
  const pairs = new Map<number, Map<number, Numbers>>();
  for (const link of machine.links) {
    const numbers = withoutEstimates(link.properties);
    if (numbers === null) continue;
    for (const target of link.targets) {
      const node = nodes.get(target);
      if (node === undefined || node === null) continue;
      const byInitiator = pairs.get(node) ?? new Map<number, Numbers>();
      pairs.set(node, byInitiator);
      for (const initiator of link.initiators) {
        if (!cpus.has(initiator)) continue;
        byInitiator.set(initiator, better(byInitiator.get(initiator), numbers));
      }
    }
  }
  const usable = new Set(machine.nodes.filter((n) => n.online && n.allowed).map((n) => n.index));
  return [...pairs]
    .filter(([node]) => usable.has(node))
    .sort(([a], [b]) => a - b)
    .flatMap(([node, byInitiator]) => mergeEqual(node, byInitiator, cpus, usableCpus));
}

function withoutEstimates(properties: LinkProperties): Numbers | null {
  const known = (q: Quantity | null): Quantity | null => (q?.origin === "distance" ? null : q);
  const numbers = {
    readBandwidth: known(properties.readBandwidth),
    writeBandwidth: known(properties.writeBandwidth),
    readLatency: known(properties.readLatency),
    writeLatency: known(properties.writeLatency),
  };
  return Object.values(numbers).every((q) => q === null) ? null : numbers;
}

/** Where two links join a pair each number is the better one (values are best case). */
function better(one: Numbers | undefined, other: Numbers): Numbers {
  if (one === undefined) return other;
  const pick = (a: Quantity | null, b: Quantity | null, sign: 1 | -1): Quantity | null =>
    a === null || (b !== null && sign * b.value > sign * a.value) ? b : a;
  return {
    readBandwidth: pick(one.readBandwidth, other.readBandwidth, 1),
    writeBandwidth: pick(one.writeBandwidth, other.writeBandwidth, 1),
    readLatency: pick(one.readLatency, other.readLatency, -1),
    writeLatency: pick(one.writeLatency, other.writeLatency, -1),
  };
}

function mergeEqual(
  node: number,
  byInitiator: ReadonlyMap<number, Numbers>,
  cpus: ReadonlyMap<number, IndexSet>,
  usableCpus: IndexSet,
): Statement[] {
  const merged = new Map<string, Statement>();
  for (const [uid, numbers] of byInitiator) {
    const own = (cpus.get(uid) ?? IndexSet.EMPTY).and(usableCpus);
    if (own.isEmpty) continue;
    const key = ATTRIBUTES.map(({ fields }) => attributeValue(numbers, fields)).join(",");
    const initiator = merged.get(key)?.initiator.or(own) ?? own;
    merged.set(key, { node, initiator, numbers });
  }
  return [...merged.values()].sort((a, b) => a.initiator.first - b.initiator.first);
}
