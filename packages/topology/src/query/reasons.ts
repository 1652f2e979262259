import type { Initiator } from "../model/machine.ts";
import type { ByteCount } from "../model/quantity.ts";
import { formatBandwidth, formatLatency, formatSize } from "../model/units.ts";
import type { Row } from "./matrix.ts";
import type { PathValue, Way } from "./path.ts";
import type { Ranking } from "./ranking.ts";

/** Why a target stands where it does: its numbers and their origin, who is the worst off, and what put it behind the one before. */
export function explainChoice(ranking: Ranking, order: readonly number[], place: number): string {
  const t = order[place] ?? -1;
  const { machine, by, initiators, rows, worst } = ranking;
  const target = machine.targets[t];
  if (target === undefined) return "";
  const parts: string[] = [];
  if (by === "capacity") parts.push(capacityWords(target.free, target.size));
  parts.push(...valueWords(ranking, t));
  if (initiators.length > 1) {
    const limit = limitingInitiator(rows, initiators, worst, t, by === "latency" ? "latency" : "bandwidth");
    if (limit !== null) parts.push(`worst for ${limit.id}`);
  }
  const hops = Math.max(...rows.map((row) => row.ways[row.way[t] ?? -1]?.bridges.length ?? 0));
  if (hops > 0) parts.push(hops === 1 ? "over a bridge" : `over ${hops} bridges`);
  parts.push(target.kind.kind);
  const behind = comparison(ranking, t, order[place - 1]);
  return behind === null ? parts.join(", ") : `${parts.join(", ")}; ${behind}`;
}

function capacityWords(free: ByteCount | null, size: ByteCount | null): string {
  if (free !== null) return `${formatSize(free)} free`;
  return size === null ? "capacity unknown" : `${formatSize(size)} (free unknown)`;
}

/** Bandwidth and latency of the worst initiator with origins, what is known of them when they are not, the distance. */
function valueWords({ rows, worst, by }: Ranking, t: number): string[] {
  const ways = rows.map((row) => row.ways[row.way[t] ?? -1]).filter((way): way is Way => way !== undefined);
  const bandwidth = numberWords(
    "bandwidth",
    worst.bandwidth[t],
    ways.map((way) => way.bandwidth),
    formatBandwidth,
    "at most",
    Math.min,
  );
  const latency = numberWords(
    "latency",
    worst.latency[t],
    ways.map((way) => way.latency),
    formatLatency,
    "at least",
    Math.max,
  );
  const words = by === "latency" ? [latency, bandwidth] : [bandwidth, latency];
  const distance = worst.distance[t];
  if (distance !== undefined && !Number.isNaN(distance) && distance > 0) words.push(`distance ${distance}`);
  return words;
}

function numberWords(
  what: string,
  value: number | undefined,
  values: readonly PathValue[],
  format: (value: number) => string,
  boundWords: string,
  fold: (...values: number[]) => number,
): string {
  if (value !== undefined && Number.isFinite(value)) {
    const origin = values.find((one) => one.value === value)?.origin ?? null;
    return `${what} ${format(value)}${origin === null ? "" : ` (${origin})`}`;
  }
  const bounds = values.filter((one) => (one.bound ?? one.value) !== null);
  if (bounds.length === 0) return `${what} unknown`;
  const bound = fold(...bounds.map((one) => one.bound ?? one.value ?? 0));
  const origin = bounds.find((one) => (one.bound ?? one.value) === bound)?.origin ?? null;
  return `${what} unknown, ${boundWords} ${format(bound)}${origin === null ? "" : ` (${origin})`}`;
}

function limitingInitiator(
  rows: readonly Row[],
  initiators: readonly Initiator[],
  worst: Ranking["worst"],
  t: number,
  metric: "bandwidth" | "latency",
): Initiator | null {
  const value = worst[metric][t];
  const unknown = value === undefined || Number.isNaN(value);
  const place = rows.findIndex((row) =>
    unknown ? Number.isNaN(row[metric][t] ?? Number.NaN) : row[metric][t] === value,
  );
  // When all are alike, no one is the worst.
  if (!unknown && rows.every((row) => row[metric][t] === value)) return null;
  return initiators[place] ?? null;
}

/** What put a target behind the one before it. */
function comparison(ranking: Ranking, t: number, before: number | undefined): string | null {
  const { machine, by, worst, tables, own } = ranking;
  if (before === undefined) return null;
  const name = machine.targets[before]?.id ?? "";
  const differs = (values: Float64Array): boolean => {
    const a = values[before] ?? Number.NaN;
    const b = values[t] ?? Number.NaN;
    return a !== b && !(Number.isNaN(a) && Number.isNaN(b));
  };
  const unknown = (values: Float64Array): boolean => !Number.isFinite(values[t] ?? Number.NaN);
  const said = (metric: "bandwidth" | "latency"): string =>
    unknown(worst[metric])
      ? `after ${name}, whose ${metric} is known`
      : `after ${name}, which has ${metric === "bandwidth" ? "more bandwidth" : "less latency"}`;
  const metrics =
    by === "latency" ? (["latency", "bandwidth"] as const) : (["bandwidth", "latency"] as const);
  if (by === "capacity" && differs(tables.room)) return `after ${name}, which has more room`;
  for (const metric of metrics) if (differs(worst[metric])) return said(metric);
  if (own[before] !== own[t]) return `after ${name}, which is the initiator's own memory`;
  if (differs(worst.distance))
    return unknown(worst.distance)
      ? `after ${name}, whose distance is known`
      : `after ${name}, which is nearer`;
  if (differs(tables.tier)) return `after ${name}, which is in a faster tier`;
  if (differs(tables.room)) return `as ${name} by what is known, but with less room`;
  return `as ${name} by what is known`;
}

/** Why a target cannot be used. */
export function explainRefusal(ranking: Ranking, t: number, size: ByteCount): string {
  const { machine, initiators, rows } = ranking;
  const target = machine.targets[t];
  if (target === undefined) return "";
  const node = machine.nodes.find((one) => one.index === target.numaNode);
  const without = initiators.filter((_, i) => rows[i]?.reached[t] !== 1).map((one) => one.id);
  if (without.length > 0) return `${listed(without)} cannot reach it: no link or bridge leads there`;
  if (target.size === 0) return "it has no memory now (none is online in it)";
  if (node?.allowed === false)
    return `node ${node.index} is not in the set of nodes that this process may use (cpuset or cgroup)`;
  const room = target.free ?? target.size ?? 0;
  return `${formatSize(size)} asked for, but ${target.free === null ? "it has" : "free in it are"} ${formatSize(room)}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4);
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  return shown.length < 2 ? (shown[0] ?? "") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
