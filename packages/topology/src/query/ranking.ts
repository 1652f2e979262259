import type { MemoryKind, NumaNode } from "../model/facts.ts";
import type { Initiator, Machine, Target } from "../model/machine.ts";
import { type Row, rowOf } from "./matrix.ts";

/** What targets are ordered by. */
export type By = "bandwidth" | "latency" | "capacity";

/** Places that the rankings kept of a machine hold together, at most; past that all are dropped and made anew. */
export const RANKED_PLACES_MAX = 1_000_000;

/** The targets of a machine in their order for a set of initiators, whatever room is asked for. */
export interface Ranking {
  readonly machine: Machine;
  readonly by: By;
  readonly initiators: readonly Initiator[];
  /** One per initiator. */
  readonly rows: readonly Row[];
  readonly worst: Worst;
  readonly tables: TargetTables;
  /** What orders targets of which the numbers say nothing. */
  readonly ties: Ties;
  /** Places in `machine.targets` that can be used, best first. */
  readonly order: readonly number[];
  /** Those that cannot, whatever the size: out of reach, empty, not allowed. */
  readonly unusable: readonly number[];
}

const rankings = new WeakMap<Machine, Map<string, Ranking>>();

/** The ranking for a set of initiators: a machine is immutable, so each is made once. */
export function rankingOf(machine: Machine, initiators: readonly Initiator[], by: By): Ranking {
  let known = rankings.get(machine);
  if (known === undefined) {
    known = new Map();
    rankings.set(machine, known);
  }
  let key: string = by;
  for (const one of initiators) key += `,${one.uid}`;
  let ranking = known.get(key);
  if (ranking === undefined) {
    if (known.size * machine.targets.length >= RANKED_PLACES_MAX) known.clear();
    ranking = rank(machine, initiators, by);
    known.set(key, ranking);
  }
  return ranking;
}

function rank(machine: Machine, initiators: readonly Initiator[], by: By): Ranking {
  const rows = initiators.map((one) => rowOf(machine, one, by === "latency" ? "latency" : "bandwidth"));
  const tables = tablesOf(machine);
  const worst = worstOf(rows, machine.targets.length);
  const ties = tiesOf(machine, initiators);
  const order: number[] = [];
  const unusable: number[] = [];
  for (let t = 0; t < machine.targets.length; t++) {
    if (worst.reached[t] === 1 && tables.blocked[t] === 0) order.push(t);
    else unusable.push(t);
  }
  sortByKeys(order, keysOf(by, worst, tables, ties));
  return { machine, by, initiators, rows, worst, tables, ties, order, unusable };
}

/** Worst values over several rows. */
export interface Worst {
  readonly reached: Uint8Array;
  readonly bandwidth: Float64Array;
  readonly latency: Float64Array;
  readonly distance: Float64Array;
}

function worstOf(rows: readonly Row[], count: number): Worst {
  const [first] = rows;
  if (first === undefined) throw new RangeError("Rank targets: at least one initiator is required");
  if (rows.length === 1) return first;
  // One buffer for all: making many small ones is most of what a ranking costs.
  const buffer = new ArrayBuffer(count * 25);
  const bandwidth = new Float64Array(buffer, 0, count);
  const latency = new Float64Array(buffer, count * 8, count);
  const distance = new Float64Array(buffer, count * 16, count);
  const reached = new Uint8Array(buffer, count * 24, count);
  bandwidth.set(first.bandwidth);
  latency.set(first.latency);
  distance.set(first.distance);
  reached.set(first.reached);
  for (let r = 1; r < rows.length; r++) {
    const row = rows[r] as Row;
    for (let t = 0; t < count; t++) {
      if (row.reached[t] === 0) reached[t] = 0;
      // Math.min and Math.max hand NaN on: unknown for one is unknown for the set.
      bandwidth[t] = Math.min(bandwidth[t] as number, row.bandwidth[t] as number);
      latency[t] = Math.max(latency[t] as number, row.latency[t] as number);
      distance[t] = Math.max(distance[t] as number, row.distance[t] as number);
    }
  }
  return { reached, bandwidth, latency, distance };
}

/** What a machine's targets are like, whoever asks. */
export interface TargetTables {
  /** Free bytes, NaN unknown. */
  readonly free: Float64Array;
  /** Bytes that may be there: what is free, or the size where that is unknown; NaN when neither is known. */
  readonly room: Float64Array;
  /** 1 for a target that nobody may use: empty, or left out by the cpuset or cgroup. */
  readonly blocked: Uint8Array;
  readonly tier: Float64Array;
  /** How good memory of its kind is expected to be, whoever asks: `GRADES`, worse for what is no NUMA node. */
  readonly grade: Float64Array;
  /** Each target's place by what does not depend on who asks: finer kind, faster tier, more room, first by number. */
  readonly standing: Float64Array;
  /** Room for the keys of one sorting. */
  readonly scratch: readonly [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
}

/** What to expect of a kind of memory of which no number is known. Fast memory of the host is one grade. */
const GRADES: Readonly<Record<MemoryKind, number>> = {
  hbm: 0,
  dram: 0,
  gpu: 1,
  device: 1,
  cxl: 1,
  unknown: 1,
  nvm: 2,
  file: 3,
  far: 3,
};
/** What is no NUMA node (a DAX device, a disk of persistent memory) cannot simply be allocated from. */
const NO_NODE = 4;

const tablesByMachine = new WeakMap<Machine, TargetTables>();

/** Made once per machine. */
export function tablesOf(machine: Machine): TargetTables {
  let tables = tablesByMachine.get(machine);
  if (tables === undefined) {
    tables = makeTables(machine);
    tablesByMachine.set(machine, tables);
  }
  return tables;
}

function makeTables({ nodes, targets }: Machine): TargetTables {
  const byIndex = new Map(nodes.map((node) => [node.index, node]));
  const nodeOf = (target: Target): NumaNode | undefined =>
    target.numaNode === null ? undefined : byIndex.get(target.numaNode);
  const column = (value: (target: Target) => number | null | undefined): Float64Array =>
    Float64Array.from(targets, (target) => value(target) ?? Number.NaN);
  const room = column((target) => target.free ?? target.size);
  const tier = column((target) => nodeOf(target)?.tier);
  const grade = column(({ kind, numaNode }) => GRADES[kind.kind] + (numaNode === null ? NO_NODE : 0));
  const order = [...targets.keys()];
  const fine = column(({ kind }) => (kind.kind === "hbm" ? 0 : 1));
  sortByKeys(order, [fine, key(tier, 1), key(room, -1)]);
  const standing = new Float64Array(targets.length);
  order.forEach((t, place) => {
    standing[t] = place;
  });
  return {
    free: column((target) => target.free),
    room,
    tier,
    grade,
    standing,
    scratch: [column(zero), column(zero), column(zero), column(zero), column(zero), column(zero)],
    blocked: Uint8Array.from(targets, (target) =>
      target.size === 0 || nodeOf(target)?.allowed === false ? 1 : 0,
    ),
  };
}

const zero = (): number => 0;

/** Nearness of a target to one initiator, the smaller the nearer. */
export const NEARNESS = { own: 0, near: 1, elsewhere: 2 } as const;

/** What orders targets of which the numbers say nothing. */
export interface Ties {
  /** `NEARNESS` of each target to the initiator that is farthest from it. */
  readonly nearness: Uint8Array;
}

const nearnessByMachine = new WeakMap<Machine, Map<number, Uint8Array>>();

function tiesOf(machine: Machine, initiators: readonly Initiator[]): Ties {
  let known = nearnessByMachine.get(machine);
  if (known === undefined) {
    known = new Map();
    nearnessByMachine.set(machine, known);
  }
  let nearness: Uint8Array | undefined;
  for (const initiator of initiators) {
    let one = known.get(initiator.uid);
    if (one === undefined) {
      one = nearnessTo(machine, initiator);
      known.set(initiator.uid, one);
    }
    if (nearness === undefined) nearness = initiators.length === 1 ? one : one.slice();
    else for (let t = 0; t < one.length; t++) nearness[t] = Math.max(nearness[t] as number, one[t] as number);
  }
  return { nearness: nearness ?? new Uint8Array(machine.targets.length) };
}

/** A device's own memory; the memory of the node that it or its CPUs are of, or that is near to them. */
function nearnessTo(machine: Machine, initiator: Initiator): Uint8Array {
  const home = machine.nodes.find((node) => node.index === initiator.numaNode);
  const cpus = initiator.cpus.isEmpty ? (home?.nearCpus ?? initiator.cpus) : initiator.cpus;
  const near = new Set(
    machine.nodes.filter((node) => node === home || node.nearCpus.intersects(cpus)).map(({ index }) => index),
  );
  return Uint8Array.from(machine.targets, ({ device, numaNode }) => {
    if (device !== null && (device === initiator.id || device === initiator.pciAddress)) return NEARNESS.own;
    if (numaNode === null) return NEARNESS.elsewhere;
    if (numaNode === initiator.numaNode && initiator.class === "cpu") return NEARNESS.own;
    return near.has(numaNode) ? NEARNESS.near : NEARNESS.elsewhere;
  });
}

/**
 * What targets are compared by, the first that differs; of each the smaller is better, and Infinity (unknown) the last.
 * The metric; the other metric; then what can be expected: the kind's grade, nearness, distance, the standing.
 */
function keysOf(by: By, worst: Worst, tables: TargetTables, ties: Ties): readonly Float64Array[] {
  const [first, second, third, fourth, expected, distance] = tables.scratch;
  fill(distance, worst.distance, 1);
  for (let t = 0; t < expected.length; t++) {
    const nearness = ties.nearness[t] as number;
    expected[t] = nearness === NEARNESS.own ? 0 : (tables.grade[t] as number) * 4 + nearness;
  }
  switch (by) {
    case "latency":
      fill(first, worst.latency, 1);
      fill(second, worst.bandwidth, -1);
      return [first, second, expected, distance, tables.standing];
    case "bandwidth":
      fill(first, worst.bandwidth, -1);
      fill(second, worst.latency, 1);
      return [first, second, expected, distance, tables.standing];
    case "capacity":
      fill(first, tables.free, -1);
      fill(second, tables.room, -1);
      fill(third, worst.bandwidth, -1);
      fill(fourth, worst.latency, 1);
      return [first, second, third, fourth, expected, distance, tables.standing];
  }
}

/** Values that can be compared: times `sign`, Infinity for NaN. */
function fill(keys: Float64Array, values: Float64Array, sign: 1 | -1): void {
  for (let t = 0; t < keys.length; t++) {
    const value = values[t] as number;
    keys[t] = Number.isNaN(value) ? Number.POSITIVE_INFINITY : value * sign;
  }
}

function key(values: Float64Array, sign: 1 | -1): Float64Array {
  const keys = new Float64Array(values.length);
  fill(keys, values, sign);
  return keys;
}

/** Sorts places by several keys, smaller first: binary insertion, in place, without a call a comparison. */
function sortByKeys(places: number[], keys: readonly Float64Array[]): void {
  if (places.length > 256) {
    places.sort((a, b) => (isBefore(a, b, keys) ? -1 : isBefore(b, a, keys) ? 1 : a - b));
    return;
  }
  for (let i = 1; i < places.length; i++) {
    const place = places[i] as number;
    let low = 0;
    let high = i;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(place, places[middle] as number, keys)) high = middle;
      else low = middle + 1;
    }
    for (let k = i; k > low; k--) places[k] = places[k - 1] as number;
    places[low] = place;
  }
}

function isBefore(a: number, b: number, keys: readonly Float64Array[]): boolean {
  for (let k = 0; k < keys.length; k++) {
    const values = keys[k] as Float64Array;
    const x = values[a] as number;
    const y = values[b] as number;
    if (x !== y) return x < y;
  }
  return false;
}
