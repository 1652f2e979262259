import type { AccessClass, Facts, LinkMedium, LinkProperties, NumaNode } from "../model/facts.ts";
import { type Quantity, quantity } from "../model/quantity.ts";
import { commonProperties, mergeProperties, propertiesKey, UNKNOWN_PROPERTIES } from "./properties.ts";

/** SLIT's value for "no connection". */
const DISTANCE_UNREACHABLE = 255;

/** A property combination, as many pairs of initiator and target may share. */
export interface Combination {
  readonly medium: LinkMedium;
  properties: LinkProperties;
}

/**
 * The matrix of who reaches what directly: for each pair the number of a property combination, or −1. The
 * combinations are few on real machines however large the matrix is.
 */
export interface Cells {
  readonly initiators: readonly string[];
  readonly targets: readonly string[];
  /** Row major: initiators × targets. */
  readonly combination: Int32Array;
  readonly combinations: readonly Combination[];
}

/** Fills the matrix: CPUs and nodes from access classes and distances, all else from the sources' reaches. */
export function fillCells(
  facts: Facts,
  initiators: readonly string[],
  targets: readonly string[],
  implicit: boolean,
): Cells {
  const combination = new Int32Array(initiators.length * targets.length).fill(-1);
  const combinations: Combination[] = [];
  const numbers = new Map<string, number>();
  const intern = (medium: LinkMedium, properties: LinkProperties): number => {
    const key = `${medium};${propertiesKey(properties)}`;
    let number = numbers.get(key);
    if (number === undefined) {
      number = combinations.length;
      combinations.push({ medium, properties });
      numbers.set(key, number);
    } else {
      const known = combinations[number] as Combination;
      known.properties = commonProperties(known.properties, properties);
    }
    return number;
  };
  const row = new Map(initiators.map((id, i) => [id, i]));
  const column = new Map(targets.map((id, i) => [id, i]));
  if (implicit) fillNodes(facts, row, column, combination, targets.length, intern);
  for (const reach of facts.reaches) {
    const i = row.get(reach.initiator);
    const t = column.get(reach.target);
    if (i === undefined || t === undefined) continue;
    const cell = i * targets.length + t;
    const known = combinations[combination[cell] ?? -1];
    combination[cell] =
      known === undefined
        ? intern(reach.medium, reach.properties)
        : intern(
            known.medium === "memory" ? reach.medium : known.medium,
            mergeProperties(known.properties, reach.properties),
          );
  }
  return { initiators, targets, combination, combinations };
}

/** Every CPU can use every NUMA node, unless the firmware says that there is no connection. */
function fillNodes(
  facts: Facts,
  row: ReadonlyMap<string, number>,
  column: ReadonlyMap<string, number>,
  combination: Int32Array,
  width: number,
  intern: (medium: LinkMedium, properties: LinkProperties) => number,
): void {
  const distanceOf = distanceLookup(facts);
  for (const target of facts.nodes) {
    const t = column.get(`node${target.index}`);
    if (t === undefined) continue;
    const stated = statedAccess(target);
    const base = estimateBase(target, stated, distanceOf);
    // Most cells have nothing but a distance: those with the same one are looked up once.
    const byDistance = new Map<number, number>();
    for (const initiator of facts.nodes) {
      const i = row.get(`node${initiator.index}`);
      if (i === undefined) continue;
      const distance = distanceOf(initiator.index, target.index);
      if (distance >= DISTANCE_UNREACHABLE) continue;
      const access = stated.get(initiator.index);
      let number = access === undefined ? byDistance.get(distance) : undefined;
      if (number === undefined) {
        number = intern("memory", nodeProperties(access, distance, base));
        if (access === undefined) byDistance.set(distance, number);
      }
      combination[i * width + t] = number;
    }
  }
}

/** What the access classes of a node say of each initiator: class 0 (the best of any kind) before class 1 (CPUs). */
function statedAccess(node: NumaNode): Map<number, LinkProperties> {
  const stated = new Map<number, LinkProperties>();
  const classes: readonly AccessClass[] = [...node.access].sort((a, b) => a.index - b.index);
  for (const access of classes) {
    const properties: LinkProperties = {
      ...UNKNOWN_PROPERTIES,
      readBandwidth: access.readBandwidth,
      writeBandwidth: access.writeBandwidth,
      readLatency: access.readLatency,
      writeLatency: access.writeLatency,
    };
    for (const initiator of access.initiators) {
      const known = stated.get(initiator);
      stated.set(initiator, known === undefined ? properties : mergeProperties(known, properties));
    }
  }
  return stated;
}

/** A latency of a node that is known, and the distance it was stated at: what other distances scale. */
interface EstimateBase {
  readonly read: Quantity | null;
  readonly write: Quantity | null;
  readonly distance: number;
}

function estimateBase(
  node: NumaNode,
  stated: ReadonlyMap<number, LinkProperties>,
  distanceOf: (initiator: number, target: number) => number,
): EstimateBase | null {
  let base: EstimateBase | null = null;
  for (const [initiator, properties] of stated) {
    if (properties.readLatency === null && properties.writeLatency === null) continue;
    const distance = distanceOf(initiator, node.index);
    if (distance > 0 && (base === null || distance < base.distance)) {
      base = { read: properties.readLatency, write: properties.writeLatency, distance };
    }
  }
  return base;
}

function nodeProperties(
  access: LinkProperties | undefined,
  distance: number,
  base: EstimateBase | null,
): LinkProperties {
  const known = access ?? UNKNOWN_PROPERTIES;
  const scaled = (latency: Quantity | null): Quantity | null => {
    if (latency === null || base === null || distance <= 0) return null;
    const value = Math.round((latency.value * distance) / base.distance);
    return quantity(value, "distance", `${latency.value} ns × ${distance}/${base.distance}`);
  };
  return {
    ...known,
    readLatency: known.readLatency ?? scaled(base?.read ?? null),
    writeLatency: known.writeLatency ?? scaled(base?.write ?? null),
    distance: quantity(distance, "distance"),
    coherent: true,
  };
}

/** Distance from a node to a node, 0 when no matrix has both. */
function distanceLookup(facts: Facts): (initiator: number, target: number) => number {
  const matrices = facts.distances
    .filter((matrix) => matrix.name === "NUMALatency")
    .map((matrix) => ({ place: new Map(matrix.nodes.map((node, i) => [node, i])), matrix }));
  return (initiator, target) => {
    for (const { place, matrix } of matrices) {
      const i = place.get(initiator);
      const t = place.get(target);
      if (i !== undefined && t !== undefined) return matrix.values[i * matrix.nodes.length + t] ?? 0;
    }
    return 0;
  };
}
