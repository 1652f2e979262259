import type { LinkProperties } from "../../model/facts.ts";
import type { IndexSet } from "../../model/index-set.ts";
import type { Initiator, Machine } from "../../model/machine.ts";
import { COMBINED_DETAIL, type Origin, type Quantity } from "../../model/quantity.ts";
import { ATTRIBUTES, BANDWIDTH_UNIT } from "./vocabulary.ts";

/** A value of a memory attribute as hwloc has it. */
export interface AttributeValue {
  /** NUMA node number of the memory. */
  readonly node: number;
  /** CPUs for which it holds, or a device. */
  readonly initiator: IndexSet | Initiator;
  /** MB/s or ns, a whole number. */
  readonly value: number;
}

/** The four numbers of a link that hwloc has attributes for. */
type Numbers = Pick<LinkProperties, "readBandwidth" | "writeBandwidth" | "readLatency" | "writeLatency">;

/** Numbers that hold between some CPUs or a device and a node. */
interface Statement {
  readonly node: number;
  readonly initiator: IndexSet | Initiator;
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

/** Origins of numbers between devices and nodes that are written; hwloc itself takes none from the system. */
const DEVICE_ORIGINS: ReadonlySet<Origin> = new Set<Origin>(["measurement", "spec", "hwloc"]);

/**
 * The direct links between the CPUs of nodes (and devices) and nodes, on a machine without access classes (a spec,
 * an hwloc XML). CPUs with the same numbers are one initiator, as in hwloc. Estimates from distances are no attributes.
 */
function statementsOfLinks(machine: Machine, usableCpus: IndexSet): Statement[] {
  const initiators = new Map(machine.initiators.map((initiator) => [initiator.uid, initiator]));
  const usable = new Set(machine.nodes.filter((n) => n.online && n.allowed).map((n) => n.index));
  const nodes = new Map(machine.targets.map((t) => [t.uid, t.numaNode ?? -1]));
  const pairs = new Map<number, Map<Initiator, Numbers>>();
  for (const link of machine.links) {
    const numbers = withoutEstimates(link.properties);
    if (numbers === null) continue;
    for (const target of link.targets) {
      const node = nodes.get(target) ?? -1;
      if (!usable.has(node)) continue;
      const byInitiator = pairs.get(node) ?? new Map<Initiator, Numbers>();
      pairs.set(node, byInitiator);
      for (const uid of link.initiators) {
        const initiator = initiators.get(uid);
        if (initiator === undefined || !isStated(initiator, numbers)) continue;
        byInitiator.set(initiator, better(byInitiator.get(initiator), numbers));
      }
    }
  }
  return [...pairs]
    .sort(([a], [b]) => a - b)
    .flatMap(([node, byInitiator]) => mergeEqual(node, byInitiator, usableCpus));
}

function isStated(initiator: Initiator, numbers: Numbers): boolean {
  if (initiator.class === "cpu") return true;
  return Object.values(numbers).every((q: Quantity | null) => q === null || DEVICE_ORIGINS.has(q.origin));
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
  byInitiator: ReadonlyMap<Initiator, Numbers>,
  usableCpus: IndexSet,
): Statement[] {
  const merged = new Map<string, { node: number; initiator: IndexSet; numbers: Numbers }>();
  const devices: Statement[] = [];
  for (const [initiator, numbers] of byInitiator) {
    if (initiator.class !== "cpu") {
      devices.push({ node, initiator, numbers });
      continue;
    }
    const own = initiator.cpus.and(usableCpus);
    if (own.isEmpty) continue;
    const key = ATTRIBUTES.map(({ fields }) => attributeValue(numbers, fields)).join(",");
    merged.set(key, { node, initiator: merged.get(key)?.initiator.or(own) ?? own, numbers });
  }
  return [...[...merged.values()].sort((a, b) => a.initiator.first - b.initiator.first), ...devices];
}
