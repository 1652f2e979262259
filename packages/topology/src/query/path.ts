import type { LinkProperties } from "../model/facts.ts";
import type { Bridge, Initiator, Link, Machine, Target } from "../model/machine.ts";
import { ORIGINS, type Origin, type Quantity } from "../model/quantity.ts";
import { findInitiator, findTarget } from "./names.ts";

/** Links on one path, at most: longer ones are not looked for. */
export const PATH_LINKS_MAX = 8;
/** Paths that `paths` returns for one pair, at most. */
export const PATHS_MAX = 32;

/** A number of a whole path: the smallest bandwidth on it, or the sum of its latencies. */
export interface PathValue {
  /** Bytes/s or ns; null when a link on the path does not state it. */
  readonly value: number | null;
  /** The least trusted origin among the numbers it is made of, null when there is none. */
  readonly origin: Origin | null;
  /** When the value is unknown: what the links that do state it allow at most (bandwidth) or take at least (latency). */
  readonly bound: number | null;
}

/** A way over links and bridges with its numbers: link, bridge, link, bridge, … link. */
export interface Way {
  /** At least one; the initiator is on the first. */
  readonly links: readonly Link[];
  /** One fewer than links. */
  readonly bridges: readonly Bridge[];
  readonly readBandwidth: PathValue;
  readonly writeBandwidth: PathValue;
  readonly readLatency: PathValue;
  readonly writeLatency: PathValue;
  /** The average of reading and writing, or the one of them that is known (as hwloc shows it). */
  readonly bandwidth: PathValue;
  /** The average of reading and writing, or the one of them that is known. */
  readonly latency: PathValue;
  /** Relative distance (10 = local) of the last link, null when unknown. */
  readonly distance: number | null;
}

/** A way from an initiator to a target, which is on its last link. */
export interface Path extends Way {
  readonly initiator: Initiator;
  readonly target: Target;
}

const UNKNOWN: PathValue = Object.freeze({ value: null, origin: null, bound: null });

/** The numbers of a way from its links and bridges: bandwidth the smallest, latency the sum (docs/decisions). */
function measuredWay(
  links: readonly Link[],
  bridges: readonly Bridge[],
  own: LinkProperties | null = null,
): Way {
  const readBandwidth = along(links, bridges, own, "readBandwidth", Math.min);
  const writeBandwidth = along(links, bridges, own, "writeBandwidth", Math.min);
  const readLatency = along(links, bridges, null, "readLatency", sum);
  const writeLatency = along(links, bridges, null, "writeLatency", sum);
  return {
    links,
    bridges,
    readBandwidth,
    writeBandwidth,
    readLatency,
    writeLatency,
    bandwidth: average(readBandwidth, writeBandwidth),
    latency: average(readLatency, writeLatency),
    distance: links.at(-1)?.properties.distance?.value ?? null,
  };
}

const sum = (a: number, b: number): number => a + b;

type NumberName = "readBandwidth" | "writeBandwidth" | "readLatency" | "writeLatency";

function along(
  links: readonly Link[],
  bridges: readonly Bridge[],
  own: LinkProperties | null,
  name: NumberName,
  fold: (a: number, b: number) => number,
): PathValue {
  let complete = true;
  let total: Quantity | null = null;
  const add = (quantity: Quantity | null): void => {
    if (quantity === null) return;
    if (total === null) total = quantity;
    else
      total = {
        value: fold(total.value, quantity.value),
        origin: lessTrusted(total.origin, quantity.origin),
      };
  };
  for (const link of links) {
    const quantity = link.properties[name];
    if (quantity === null || (link === links.at(-1) && own === null && isOfWire(link, quantity)))
      complete = false;
    add(quantity);
  }
  if (own !== null) {
    if (own[name] === null) complete = false;
    add(own[name]);
  }
  for (const bridge of bridges) add(bridge.properties[name]);
  if (total === null) return UNKNOWN;
  const { value, origin } = total as Quantity;
  return complete ? { value, origin, bound: null } : { value: null, origin, bound: value };
}

/**
 * Whether a number says what a wire carries, and nothing of the memory at its end: on the link of that memory it is
 * a bound and no value.
 */
function isOfWire({ medium }: Link, { origin }: Quantity): boolean {
  return medium !== "memory" && (origin === "kfd" || origin === "pci" || origin === "network");
}

/**
 * A way as it serves one target. Where its last link is known as a wire only, what the target's own device gets from
 * it, if that is known, makes the bound a value: the smaller of the two.
 */
export function wayTo(graph: Graph, way: Way, target: Target): Way {
  const last = way.links.at(-1);
  const ofWire = last !== undefined && bandwidths(last).some((quantity) => isOfWire(last, quantity));
  const own = ofWire ? graph.own.get(target.uid) : undefined;
  return own === undefined ? way : measuredWay(way.links, way.bridges, own);
}

function bandwidths({ properties }: Link): Quantity[] {
  return [properties.readBandwidth, properties.writeBandwidth].filter((quantity) => quantity !== null);
}

function average(read: PathValue, write: PathValue): PathValue {
  if (read.value !== null && write.value !== null) {
    return {
      value: (read.value + write.value) / 2,
      origin: lessTrusted(read.origin, write.origin),
      bound: null,
    };
  }
  if (read.value !== null) return read;
  if (write.value !== null) return write;
  if (read.bound !== null && write.bound !== null) {
    return {
      value: null,
      origin: lessTrusted(read.origin, write.origin),
      bound: (read.bound + write.bound) / 2,
    };
  }
  return read.bound !== null ? read : write;
}

function lessTrusted<T extends Origin | null>(a: T, b: T): T {
  return rank(a) >= rank(b) ? a : b;
}

function rank(origin: Origin | null): number {
  return origin === null ? -1 : ORIGINS.indexOf(origin);
}

/** What queries look things up by; made once per machine. */
export interface Graph {
  readonly machine: Machine;
  readonly links: ReadonlyMap<number, Link>;
  readonly targets: ReadonlyMap<number, Target>;
  /** Bridges by the uid of either link they join. */
  readonly bridges: ReadonlyMap<number, readonly Bridge[]>;
  /** What a device gets from its own memory, by the uid of that target, where its bandwidth is known. */
  readonly own: ReadonlyMap<number, LinkProperties>;
}

const graphs = new WeakMap<Machine, Graph>();

/** The machine's objects by uid. Kept as long as the machine is. */
export function graphOf(machine: Machine): Graph {
  let graph = graphs.get(machine);
  if (graph === undefined) {
    const bridges = new Map<number, Bridge[]>();
    for (const bridge of machine.bridges) {
      for (const link of new Set(bridge.links)) {
        const list = bridges.get(link);
        if (list === undefined) bridges.set(link, [bridge]);
        else list.push(bridge);
      }
    }
    graph = {
      machine,
      links: new Map(machine.links.map((link) => [link.uid, link])),
      targets: new Map(machine.targets.map((target) => [target.uid, target])),
      bridges,
      own: ownProperties(machine),
    };
    graphs.set(machine, graph);
  }
  return graph;
}

function ownProperties(machine: Machine): Map<number, LinkProperties> {
  const own = new Map<number, LinkProperties>();
  const uids = new Map(machine.initiators.map((one) => [one.id, one.uid]));
  for (const target of machine.targets) {
    const device = target.device === null ? undefined : uids.get(target.device);
    if (device === undefined) continue;
    const link = machine.links.find(
      (one) =>
        one.targets.includes(target.uid) &&
        one.initiators.includes(device) &&
        bandwidths(one).some((quantity) => !isOfWire(one, quantity)),
    );
    if (link !== undefined) own.set(target.uid, link.properties);
  }
  return own;
}

/** Steps that one walk takes, at most: a machine of thousands of bridges must not hang a query. */
export const WALK_STEPS_MAX = 20_000;

/**
 * Every way from an initiator over its links and the bridges that list it, shortest first, without visiting a link
 * twice, within WALK_STEPS_MAX and PATH_LINKS_MAX.
 */
export function waysFrom(graph: Graph, initiator: Initiator): Way[] {
  const ways: Way[] = [];
  for (const uid of initiator.links) {
    const link = graph.links.get(uid);
    if (link !== undefined) ways.push(measuredWay([link], []));
  }
  if (initiator.bridges.length === 0) return ways;
  for (let i = 0; i < ways.length && i < WALK_STEPS_MAX; i++) {
    const way = ways[i] as Way;
    const last = way.links.at(-1) as Link;
    if (way.links.length >= PATH_LINKS_MAX) continue;
    for (const bridge of graph.bridges.get(last.uid) ?? []) {
      if (!bridge.initiators.includes(initiator.uid)) continue;
      const next = graph.links.get(bridge.links[0] === last.uid ? bridge.links[1] : bridge.links[0]);
      if (next === undefined || way.links.includes(next) || ways.length >= WALK_STEPS_MAX) continue;
      const longer = measuredWay([...way.links, next], [...way.bridges, bridge]);
      // The distance of a link is that of its CPUs: it says nothing of a device that may sit near any of them.
      ways.push(initiator.numaNode === null ? { ...longer, distance: null } : longer);
    }
  }
  return ways;
}

/** Orders paths of one pair: known before unknown, larger bandwidth, smaller latency, nearer, fewer hops. */
export function betterBandwidth(a: Way, b: Way): number {
  return (
    descending(a.bandwidth.value, b.bandwidth.value) ||
    ascending(a.latency.value, b.latency.value) ||
    ascending(a.distance, b.distance) ||
    a.links.length - b.links.length
  );
}

/** Orders paths of one pair: known before unknown, smaller latency, larger bandwidth, nearer, fewer hops. */
export function betterLatency(a: Way, b: Way): number {
  return (
    ascending(a.latency.value, b.latency.value) ||
    descending(a.bandwidth.value, b.bandwidth.value) ||
    ascending(a.distance, b.distance) ||
    a.links.length - b.links.length
  );
}

function ascending(a: number | null, b: number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return a - b;
}

function descending(a: number | null, b: number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return b - a;
}

/**
 * All ways from an initiator to a target, best first (by bandwidth, then latency, distance, hops); empty when the
 * target is out of reach. At most PATHS_MAX ways of at most PATH_LINKS_MAX links.
 *
 * @param initiator a name as `findInitiator` takes it, or the object
 * @param target a target's id, or the object
 * @throws HmsError INITIATOR_UNKNOWN, TARGET_UNKNOWN (ENOENT) with the nearest names
 *
 * @example
 * ```ts
 * import { discover, paths } from "@hms/topology";
 * const machine = await discover("machine:xeon-max");
 * const [best] = paths(machine, "node0", "node0");
 * best?.bandwidth.value; // bytes/s, or null when unknown
 * ```
 */
export function paths(machine: Machine, initiator: string | Initiator, target: string | Target): Path[] {
  const from = typeof initiator === "string" ? findInitiator(machine, initiator) : initiator;
  const to = typeof target === "string" ? findTarget(machine, target) : target;
  const graph = graphOf(machine);
  return waysFrom(graph, from)
    .filter((way) => way.links.at(-1)?.targets.includes(to.uid) === true)
    .map((way) => wayTo(graph, way, to))
    .sort(betterBandwidth)
    .slice(0, PATHS_MAX)
    .map((way) => ({ initiator: from, target: to, ...way }));
}
