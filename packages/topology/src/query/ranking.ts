import type { NumaNode } from "../model/facts.ts";
import type { Initiator, Machine, Target } from "../model/machine.ts";
import { type Row, rowOf } from "./matrix.ts";

/** What targets are ordered by. */
export type By = "bandwidth" | "latency" | "capacity";

/** Rankings kept per machine, at most; past that all are dropped and made anew. */
export const RANKINGS_KEPT_MAX = 1024;

/** The targets of a machine in their order for a set of initiators, whatever room is asked for. */
export interface Ranking {
  readonly machine: Machine;
  readonly by: By;
  readonly initiators: readonly Initiator[];
  /** One per initiator. */
  readonly rows: readonly Row[];
  readonly worst: Worst;
  readonly tables: TargetTables;
  /** 1 where the target is the own memory of one of the initiators. */
  readonly own: Uint8Array;
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
    if (known.size >= RANKINGS_KEPT_MAX) known.clear();
    ranking = rank(machine, initiators, by);
    known.set(key, ranking);
  }
  return ranking;
}

function rank(machine: Machine, initiators: readonly Initiator[], by: By): Ranking {
  const rows = initiators.map((one) => rowOf(machine, one, by === "latency" ? "latency" : "bandwidth"));
  const tables = tablesOf(machine);
  const worst = worstOf(rows, machine.targets.length);
  const own = ownMemory(machine, initiators);
  const order: number[] = [];
  const unusable: number[] = [];
  for (let t = 0; t < machine.targets.length; t++) {
    if (worst.reached[t] === 1 && tables.blocked[t] === 0) order.push(t);
    else unusable.push(t);
  }
  order.sort(orderBy(by, worst, tables, own));
  return { machine, by, initiators, rows, worst, tables, own, order, unusable };
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
  if (first !== undefined && rows.length === 1) return first;
  const reached = new Uint8Array(count).fill(1);
  const bandwidth = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const latency = new Float64Array(count).fill(0);
  const distance = new Float64Array(count).fill(0);
  for (const row of rows) {
    for (let t = 0; t < count; t++) {
      if (row.reached[t] === 0) reached[t] = 0;
      // Math.min and Math.max hand NaN on: unknown for one is unknown for the set.
      bandwidth[t] = Math.min(bandwidth[t] ?? 0, row.bandwidth[t] ?? 0);
      latency[t] = Math.max(latency[t] ?? 0, row.latency[t] ?? 0);
      distance[t] = Math.max(distance[t] ?? 0, row.distance[t] ?? 0);
    }
  }
  return { reached, bandwidth, latency, distance };
}

/** What a machine's targets are like, whoever asks. */
export interface TargetTables {
  /** Bytes that may be there; Infinity when nothing is known of size and free. */
  readonly room: Float64Array;
  /** 1 for a target that nobody may use: empty, or left out by the cpuset or cgroup. */
  readonly blocked: Uint8Array;
  readonly tier: Float64Array;
  /** Each target's place by what does not depend on who asks: faster tier, more room, first by number. */
  readonly standing: Int32Array;
}

const tablesByMachine = new WeakMap<Machine, TargetTables>();

/** Made once per machine. */
export function tablesOf(machine: Machine): TargetTables {
  let tables = tablesByMachine.get(machine);
  if (tables === undefined) {
    const nodes = new Map(machine.nodes.map((node) => [node.index, node]));
    const nodeOf = (target: Target): NumaNode | undefined =>
      target.numaNode === null ? undefined : nodes.get(target.numaNode);
    const { targets } = machine;
    const room = Float64Array.from(
      targets,
      (target) => target.free ?? target.size ?? Number.POSITIVE_INFINITY,
    );
    const tier = Float64Array.from(targets, (target) => nodeOf(target)?.tier ?? Number.POSITIVE_INFINITY);
    const standing = new Int32Array(targets.length);
    [...targets.keys()]
      .sort((a, b) => smallerFirst(tier[a], tier[b]) || largerFirst(known(room, a), known(room, b)) || a - b)
      .forEach((t, place) => {
        standing[t] = place;
      });
    tables = {
      room,
      tier,
      standing,
      blocked: Uint8Array.from(targets, (target) =>
        target.size === 0 || nodeOf(target)?.allowed === false ? 1 : 0,
      ),
    };
    tablesByMachine.set(machine, tables);
  }
  return tables;
}

/** 1 where the target is the own memory of one of the initiators. */
function ownMemory(machine: Machine, initiators: readonly Initiator[]): Uint8Array {
  const names = new Set(
    initiators.flatMap((one) => (one.pciAddress === null ? [one.id] : [one.id, one.pciAddress])),
  );
  return Uint8Array.from(machine.targets, (target) =>
    target.device !== null && names.has(target.device) ? 1 : 0,
  );
}

function orderBy(
  by: By,
  worst: Worst,
  tables: TargetTables,
  own: Uint8Array,
): (a: number, b: number) => number {
  const { bandwidth, latency, distance } = worst;
  const { room, standing } = tables;
  return (a, b) => {
    let order = by === "capacity" ? largerFirst(known(room, a), known(room, b)) : 0;
    if (order === 0 && by === "latency") order = smallerFirst(latency[a], latency[b]);
    if (order === 0) order = largerFirst(bandwidth[a], bandwidth[b]);
    if (order === 0) order = smallerFirst(latency[a], latency[b]);
    if (order === 0) order = (own[b] ?? 0) - (own[a] ?? 0);
    if (order === 0) order = smallerFirst(distance[a], distance[b]);
    return order === 0 ? (standing[a] ?? 0) - (standing[b] ?? 0) : order;
  };
}

function known(room: Float64Array, t: number): number {
  const value = room[t] ?? Number.NaN;
  return value === Number.POSITIVE_INFINITY ? Number.NaN : value;
}

/** NaN (unknown) and missing last. */
function largerFirst(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  if (a === undefined || Number.isNaN(a)) return b === undefined || Number.isNaN(b) ? 0 : 1;
  if (b === undefined || Number.isNaN(b)) return -1;
  return a < b ? 1 : -1;
}

/** NaN (unknown) and missing last. */
function smallerFirst(a: number | undefined, b: number | undefined): number {
  if (a === b) return 0;
  if (a === undefined || Number.isNaN(a)) return b === undefined || Number.isNaN(b) ? 0 : 1;
  if (b === undefined || Number.isNaN(b)) return -1;
  return a < b ? -1 : 1;
}
