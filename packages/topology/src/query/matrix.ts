import type { Initiator, Machine, Target } from "../model/machine.ts";
import { betterBandwidth, betterLatency, graphOf, type Path, type Way, waysFrom, wayTo } from "./path.ts";

/** What a ranking goes by. */
export type Metric = "bandwidth" | "latency";

/**
 * What one initiator gets from each target (by its place in `machine.targets`), over the way that is best for the
 * metric. Struct of arrays: rankings read nothing else.
 */
export interface Row {
  readonly metric: Metric;
  /** 1 where the initiator reaches the target. */
  readonly reached: Uint8Array;
  /** Bytes/s, NaN unknown. */
  readonly bandwidth: Float64Array;
  /** Nanoseconds, NaN unknown. */
  readonly latency: Float64Array;
  /** Relative, NaN unknown. */
  readonly distance: Float64Array;
  /** The way to each target, as a place in `ways`; −1 for none. */
  readonly way: Int32Array;
  readonly ways: readonly Way[];
}

const rows = new WeakMap<Machine, Map<string, Row>>();

/** The row of an initiator, computed once per machine and metric. */
export function rowOf(machine: Machine, initiator: Initiator, metric: Metric): Row {
  let known = rows.get(machine);
  if (known === undefined) {
    known = new Map();
    rows.set(machine, known);
  }
  const key = `${metric}${initiator.uid}`;
  let row = known.get(key);
  if (row === undefined) {
    row = computeRow(machine, initiator, metric);
    known.set(key, row);
  }
  return row;
}

function computeRow(machine: Machine, initiator: Initiator, metric: Metric): Row {
  const place = placesOf(machine);
  const count = machine.targets.length;
  const way = new Int32Array(count).fill(-1);
  const graph = graphOf(machine);
  const better = metric === "latency" ? betterLatency : betterBandwidth;
  // Best way first: the first that gets to a target is its way, unless a later one turns out better for it.
  const ways = waysFrom(graph, initiator).sort(better);
  const general = ways.length;
  for (let number = 0; number < general; number++) {
    const one = ways[number] as Way;
    for (const uid of one.links.at(-1)?.targets ?? []) {
      const t = place.get(uid);
      const target = t === undefined ? undefined : machine.targets[t];
      if (t === undefined || target === undefined) continue;
      const known = ways[way[t] ?? -1];
      const own = wayTo(graph, one, target);
      if (known !== undefined && better(known, own) <= 0) continue;
      way[t] = own === one ? number : ways.push(own) - 1;
    }
  }
  const pick = (value: (one: Way) => number | null): Float64Array =>
    Float64Array.from(way, (number) => {
      const one = ways[number];
      return (one === undefined ? null : value(one)) ?? Number.NaN;
    });
  return {
    metric,
    reached: Uint8Array.from(way, (number) => (number >= 0 ? 1 : 0)),
    bandwidth: pick((one) => one.bandwidth.value),
    latency: pick((one) => one.latency.value),
    distance: pick((one) => one.distance),
    way,
    ways,
  };
}

const places = new WeakMap<Machine, ReadonlyMap<number, number>>();

/** Place in `machine.targets` by uid. */
function placesOf(machine: Machine): ReadonlyMap<number, number> {
  let map = places.get(machine);
  if (map === undefined) {
    map = new Map(machine.targets.map((target, i) => [target.uid, i]));
    places.set(machine, map);
  }
  return map;
}

/** The full initiator × target matrix. */
export interface Matrix {
  readonly initiators: readonly Initiator[];
  readonly targets: readonly Target[];
  /**
   * The best path of a pair by the matrix's metric, null when the target is out of reach.
   *
   * @param initiator place in `initiators`
   * @param target place in `targets`
   */
  at(initiator: number, target: number): Path | null;
}

/**
 * What every initiator gets from every target: by bandwidth (the default) each cell is the widest path of the
 * pair, by latency the shortest. Rows are computed when they are first asked for.
 *
 * @example
 * ```ts
 * import { discover, matrix } from "@hms/topology";
 * const table = matrix(await discover("machine:xeon-max"), "latency");
 * table.at(0, 0)?.latency.value; // ns, or null when unknown
 * ```
 */
export function matrix(machine: Machine, metric: Metric = "bandwidth"): Matrix {
  const { initiators, targets } = machine;
  return {
    initiators,
    targets,
    at(i, t) {
      const initiator = initiators[i];
      const target = targets[t];
      if (initiator === undefined || target === undefined) {
        throw new RangeError(
          `Look up a cell of the matrix: it has ${initiators.length} × ${targets.length}, but (${i}, ${t}) was asked for`,
        );
      }
      const row = rowOf(machine, initiator, metric);
      const way = row.ways[row.way[t] ?? -1];
      return way === undefined ? null : { initiator, target, ...way };
    },
  };
}
