/** Links and bridges in a few lines: those with the same properties together. */
import type { Bridge, Initiator, Link, Target } from "../model/machine.ts";
import { type Cluster, cluster, clusters, eachOther, members } from "./clusters.ts";
import type { Paint } from "./colours.ts";
import { alike, nameRange } from "./names.ts";
import { type Survey, shortName } from "./survey.ts";
import { type Cell, type Column, table } from "./table.ts";
import {
  bandwidthText,
  clean,
  count,
  latencyText,
  linkNotes,
  MEDIUM_WORDS,
  originText,
  times,
  UNKNOWN,
} from "./words.ts";

/** Lines of links and of bridges at most; the rest is counted. */
const ROWS_MAX = 16;

const COLUMNS: readonly Column[] = [
  { title: "", align: "left" },
  { title: "joins", align: "left", shrinkTo: 28 },
  { title: "bandwidth", align: "right" },
  { title: "latency", align: "right" },
  { title: "from", align: "left", drop: 2 },
  { title: "", align: "left", drop: 1 },
];

/** Links that lead to memory, then bridges that say something of their own; slots are told with the devices. */
export function linkLines(survey: Survey, width: number, paint: Paint): string[] {
  const { machine } = survey;
  const classes = linkClasses(survey);
  const rows = classes
    .slice(0, ROWS_MAX)
    .map((one): Cell[] => row(MEDIUM_WORDS[one.link.medium], one.joins, one.link));
  const stated = machine.bridges.filter(saysSomething);
  const bridges = alike(stated, (bridge) => `${bridge.medium};${propertiesText(bridge)}`);
  for (const { first, all } of bridges.slice(0, ROWS_MAX)) {
    rows.push(
      row(`${MEDIUM_WORDS[first.medium]} bridge`, times(all.length, bridgeJoins(survey, first)), first),
    );
  }
  const lines = table(COLUMNS, withoutUnknown(rows), width, paint.dim);
  const rest = Math.max(0, classes.length - ROWS_MAX) + Math.max(0, bridges.length - ROWS_MAX);
  if (rest > 0) lines.push(`and ${count(rest, "more kind")} of link`);
  const plain = machine.bridges.length - stated.length;
  if (plain > 0) lines.push(paint.dim(`${count(plain, "bridge")} from slots on to the memory of CPUs`));
  return lines;
}

/** Whether a bridge states anything but that it is there. */
export function saysSomething(bridge: Bridge): boolean {
  return Object.values(bridge.properties).some((value) => value !== null);
}

function row(medium: string, joins: string, object: Pick<Link, "properties">): Cell[] {
  const { properties } = object;
  const { readBandwidth, writeBandwidth, readLatency, writeLatency } = properties;
  const origins = [readBandwidth, writeBandwidth, readLatency, writeLatency];
  return [
    { text: medium },
    { text: joins },
    { text: bandwidthText(properties) },
    { text: latencyText(properties) },
    { text: originText(origins.map((quantity) => quantity?.origin ?? null)) },
    { text: linkNotes(properties).join(", ") },
  ];
}

/** Empties the columns in which every row is unknown: a column of question marks says nothing. */
function withoutUnknown(rows: readonly Cell[][]): Cell[][] {
  const useless = [2, 3].filter((c) => rows.every((cells) => cells[c]?.text === UNKNOWN));
  return rows.map((cells) => cells.map((cell, c) => (useless.includes(c) ? { text: "" } : cell)));
}

function propertiesText(object: Pick<Link, "properties">): string {
  const { properties } = object;
  return [bandwidthText(properties), latencyText(properties), ...linkNotes(properties)].join(";");
}

/** Links that read the same, as one. */
export interface LinkClass {
  readonly link: Link;
  /** What the links join, those that share a member as one. */
  readonly parts: readonly Cluster[];
  readonly all: readonly [Link, ...Link[]];
  /** `node0-63 → own memory`. */
  readonly joins: string;
}

/** Links with the same medium, properties and way of joining, in the order of the machine; slots are left out. */
export function linkClasses(survey: Survey): readonly LinkClass[] {
  let found = known.get(survey);
  if (found === undefined) {
    found = findClasses(survey);
    known.set(survey, found);
  }
  return found;
}

/** A picture is planned several times, with less and less detail. */
const known = new WeakMap<Survey, readonly LinkClass[]>();

function findClasses(survey: Survey): LinkClass[] {
  const withMemory = survey.machine.links.filter((link) => link.targets.length > 0);
  const groups = alike(
    withMemory,
    (link) => `${link.medium};${propertiesText(link)};${isOwn(survey, link)};${link.initiators.length === 0}`,
  );
  return groups.map(({ first, all }) => {
    const whole = cluster(survey, all);
    const parts = isOwn(survey, first) ? [whole] : clusters(survey, all);
    return { link: first, all, parts, joins: joinsText(survey, first, whole, parts) };
  });
}

/** Whether a link joins nothing but an initiator and its own memory. */
export function isOwn(survey: Survey, link: Link): boolean {
  return (
    link.initiators.length === 1 &&
    link.targets.length > 0 &&
    link.targets.every((uid) => {
      const target = survey.targets.get(uid);
      const local = target === undefined ? undefined : survey.local(target);
      return local?.own === true && local.home.some((one) => one.uid === link.initiators[0]);
    })
  );
}

function joinsText(survey: Survey, first: Link, whole: Cluster, parts: readonly Cluster[]): string {
  if (isOwn(survey, first)) return `${initiatorNames(whole.initiators)} → own memory`;
  if (parts.every((part) => eachOther(survey, part))) {
    const groups = parts.length === 1 ? "" : `, in ${parts.length} groups`;
    return `${initiatorNames(whole.initiators)} ↔ each other's memory${groups}`;
  }
  const [one = whole] = parts;
  return `${times(parts.length, clusterText(survey, one))}${parts.length > 1 ? ", …" : ""}`;
}

/** `node0-3 → node4`, or `node0-3 ↔ each other's memory`. */
export function clusterText(survey: Survey, part: Cluster): string {
  if (eachOther(survey, part)) return `${initiatorNames(part.initiators)} ↔ each other's memory`;
  if (part.groups !== undefined) {
    const [one = [], other = []] = part.groups;
    if (part.groups.length === 2) return `${initiatorNames(one)} ↔ ${initiatorNames(other)}`;
    return `${initiatorNames(part.initiators)} ↔ the other groups' memory (${part.groups.length} groups)`;
  }
  return `${initiatorNames(part.initiators)} → ${targetNames(part.targets)}`;
}

/** Initiators by class, each class as a range of names. */
export function initiatorNames(all: readonly Initiator[]): string {
  const names = alike(all, (one) => one.class).map(({ all: some }) => nameRange(some.map(shortName)));
  return clean(names.join(", "), 48);
}

/** Targets by kind, each kind as a range of names. */
export function targetNames(all: readonly Target[]): string {
  // A list that a range of numbers makes short is not taken apart by kind.
  const whole = nameRange(all.map((one) => one.id));
  if (!/[*…]/.test(whole) && whole.length <= 24) return whole;
  const names = alike(all, (one) => one.kind.kind).map(({ all: some }) =>
    nameRange(some.map((one) => one.id)),
  );
  if (names.length <= 3) return clean(names.join(", "), 48);
  return clean(`${names.slice(0, 2).join(", ")} … (${count(all.length, "memory", "memories")})`, 48);
}

/** What a bridge joins, and for whom. */
export function bridgeJoins(survey: Survey, bridge: Bridge): string {
  const [from, to] = bridge.links.map((uid) => survey.links.get(uid));
  const side = (link: Link | undefined): string => {
    if (link === undefined) return UNKNOWN;
    return link.targets.length > 0
      ? targetNames(members(link.targets, survey.targets))
      : initiatorNames(members(link.initiators, survey.initiators));
  };
  const users = initiatorNames(members(bridge.initiators, survey.initiators));
  return `${side(from)} → ${side(to)}, for ${users}`;
}
