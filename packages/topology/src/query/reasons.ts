import type { Initiator } from "../model/machine.ts";
import type { ByteCount } from "../model/quantity.ts";
import { formatBandwidth, formatLatency, formatSize } from "../model/units.ts";
import type { Row } from "./matrix.ts";
import type { PathValue, Way } from "./path.ts";
import { NEARNESS, type Ranking } from "./ranking.ts";

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
  const before = order[place - 1];
  const last = before === undefined ? firstWords(ranking, order) : comparison(ranking, t, before);
  return last === null ? parts.join(", ") : `${parts.join(", ")}; ${last}`;
}

function capacityWords(free: ByteCount | null, size: ByteCount | null): string {
  if (free !== null) return `${formatSize(free)} free`;
  return size === null ? "capacity unknown" : `free unknown (${formatSize(size)} in all)`;
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
  const isWorst = (row: Row): boolean =>
    unknown ? Number.isNaN(row[metric][t] ?? Number.NaN) : row[metric][t] === value;
  // When all are alike, no one is the worst.
  if (rows.every(isWorst)) return null;
  return initiators[rows.findIndex(isWorst)] ?? null;
}

/** What the first stands first by. */
function firstWords(ranking: Ranking, order: readonly number[]): string | null {
  const [first, second] = order;
  if (first === undefined) return null;
  if (second === undefined) return "the only one";
  const decided = decidedBy(ranking, second, first);
  return decided === null ? "first of several that are alike" : `first: ${decided.first}`;
}

/** What put a target behind the one before it. */
function comparison(ranking: Ranking, t: number, before: number): string {
  const name = ranking.machine.targets[before]?.id ?? "";
  const decided = decidedBy(ranking, t, before);
  return decided === null ? `as ${name} by what is known` : `after ${name}, ${decided.behind}`;
}

interface Decided {
  /** What the better one is, said of it. */
  readonly first: string;
  /** The same, said of it by the worse one: "which has more bandwidth". */
  readonly behind: string;
}

const OF_METRIC = {
  bandwidth: { known: "bandwidth", more: "more bandwidth", most: "the most bandwidth" },
  latency: { known: "latency", more: "less latency", most: "the least latency" },
} as const;

/** The first thing in which `better` is ahead of `t`; the order of the questions is that of the ranking's keys. */
function decidedBy(ranking: Ranking, t: number, better: number): Decided | null {
  const { by, worst, tables, ties, machine } = ranking;
  if (by === "capacity") {
    if (differ(tables.free, t, better)) {
      return isKnown(tables.free, t)
        ? { first: "the most room", behind: "which has more room" }
        : { first: "its room is known", behind: "of which it is known how much is free" };
    }
    if (differ(tables.room, t, better)) return { first: "the largest", behind: "which is larger" };
  }
  for (const metric of by === "latency"
    ? (["latency", "bandwidth"] as const)
    : (["bandwidth", "latency"] as const)) {
    if (!differ(worst[metric], t, better)) continue;
    const { known, more, most } = OF_METRIC[metric];
    return isKnown(worst[metric], t)
      ? { first: most, behind: `which has ${more}` }
      : { first: `its ${known} is known`, behind: `whose ${known} is known` };
  }
  if (ties.nearness[better] === NEARNESS.own && ties.nearness[t] !== NEARNESS.own) {
    return { first: "the initiator's own memory", behind: "which is the initiator's own memory" };
  }
  if (differ(tables.grade, t, better)) {
    const kind = machine.targets[better]?.kind.kind ?? "";
    return isSystemMemory(ranking, better) !== isSystemMemory(ranking, t)
      ? { first: "system memory", behind: "which is system memory" }
      : { first: `${kind} is expected to be the fastest`, behind: `which is ${kind}, expected to be faster` };
  }
  if (ties.nearness[better] !== ties.nearness[t]) return { first: "the nearest", behind: "which is nearer" };
  if (differ(worst.distance, t, better)) {
    return isKnown(worst.distance, t)
      ? { first: "the nearest", behind: "which is nearer" }
      : { first: "its distance is known", behind: "whose distance is known" };
  }
  if (differ(tables.tier, t, better))
    return { first: "the fastest tier", behind: "which is in a faster tier" };
  if (differ(tables.room, t, better) && isKnown(tables.room, t)) {
    return {
      first: "the most room of equals",
      behind: "which has more room and is as good by what is known",
    };
  }
  return null;
}

function isSystemMemory({ machine }: Ranking, t: number): boolean {
  return machine.targets[t]?.numaNode !== null;
}

function isKnown(values: Float64Array, t: number): boolean {
  return !Number.isNaN(values[t] ?? Number.NaN);
}

function differ(values: Float64Array, t: number, other: number): boolean {
  return values[t] !== values[other] && (isKnown(values, t) || isKnown(values, other));
}

/** Why a target cannot be used. */
export function explainRefusal(ranking: Ranking, t: number, size: ByteCount): string {
  const { machine, initiators, rows } = ranking;
  const target = machine.targets[t];
  if (target === undefined) return "";
  const node = machine.nodes.find((one) => one.index === target.numaNode);
  const without = initiators.filter((_, i) => rows[i]?.reached[t] !== 1).map((one) => one.id);
  if (without.length > 0)
    return `no way from ${listed(without)} to it is known: no link or bridge leads there`;
  if (target.size === 0) return "it has no memory now (none is online in it)";
  if (node?.allowed === false)
    return `node ${node.index} is not in the set of nodes that this process may use (cpuset or cgroup)`;
  const room = target.free ?? target.size;
  if (room === null)
    return `${formatSize(size)} asked for, but neither its size nor what is free in it is known`;
  return `${formatSize(size)} asked for, but ${target.free === null ? "it has" : "free in it are"} ${formatSize(room)}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4);
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  return shown.length < 2 ? (shown[0] ?? "") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
