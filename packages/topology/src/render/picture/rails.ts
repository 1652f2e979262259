/** Which links a picture draws as lines, which it tells in words, and where. */
import type { LinkMedium } from "../../model/facts.ts";
import type { Bridge, Link } from "../../model/machine.ts";
import type { Quantity } from "../../model/quantity.ts";
import { formatBandwidth, formatLatency } from "../../model/units.ts";
import { type Cluster, eachOther } from "../clusters.ts";
import { bridgeJoins, clusterText, type LinkClass, linkClasses, saysSomething } from "../link-section.ts";
import { rangeText } from "../names.ts";
import type { Survey } from "../survey.ts";
import { bandwidthText, count, latencyText, linkNotes, MEDIUM_WORDS, originText, UNKNOWN } from "../words.ts";
import type { PlanNode, Rail, RailEnd, Row } from "./plan.ts";

/** Lines in one box at most; further links are told in words. */
const RAILS_MAX = 6;
/** Lines of one medium in one box that are drawn one by one, at most; more become one. */
const ALONE_MAX = 3;
/** Links told in words in one box, at most; the rest is counted. */
const NOTES_MAX = 6;
/** Boxes that one line joins, at most; a link of more is told in words. */
const ENDS_MAX = 12;
/** Groups of one kind of link that are drawn one by one, at most. */
const PARTS_MAX = 4;

/** Adds the links of a machine to its boxes. */
export function planRails(survey: Survey, root: PlanNode): void {
  const paths = pathsOfMembers(root);
  for (const one of linkClasses(survey)) {
    if (saysNothing(one.link)) continue;
    const untold = one.parts.filter(
      (part) => !one.all.every((link) => isTold(survey, link)) || !ofOwn(survey, part),
    );
    if (untold.length === 0) continue;
    if (untold.length > PARTS_MAX && !eachApart(untold, paths)) {
      const holder = lowestCommon(untold.flatMap((part) => boxesOf(part, paths)));
      addNote(holder ?? root, one.link, one.joins);
      continue;
    }
    for (const part of untold) place(survey, root, one, part, paths);
  }
  for (const bridge of survey.machine.bridges.filter(saysSomething)) {
    addNote(root, bridge, `bridge ${bridgeJoins(survey, bridge)}`);
  }
  settle(root);
}

/** Whether each part of a link is in a box of its own, and can be told there. */
function eachApart(parts: readonly Cluster[], paths: ReadonlyMap<number, BoxPath>): boolean {
  const holders = parts.map((part) => lowestCommon(boxesOf(part, paths)));
  return new Set(holders).size === parts.length;
}

/** Whether a link says no more than that its initiators reach its targets. */
function saysNothing({ medium, properties }: Link): boolean {
  const { coherent, ...numbers } = properties;
  return medium === "memory" && coherent !== false && Object.values(numbers).every((value) => value === null);
}

/** Whether the boxes of memories already say what a link says. */
function isTold(survey: Survey, link: Link): boolean {
  return link.targets.every((uid) => {
    const target = survey.targets.get(uid);
    if (target === undefined) return true;
    const { way, home } = survey.local(target);
    const nearest = new Set(home.map((one) => one.uid));
    return (
      way?.links.length === 1 && way.links[0] === link && link.initiators.every((one) => nearest.has(one))
    );
  });
}

/** Whether a part joins initiators to what they are the nearest to. */
function ofOwn(survey: Survey, part: Cluster): boolean {
  const initiators = new Set(part.initiators.map((one) => one.uid));
  return part.targets.every((target) => survey.local(target).home.some((one) => initiators.has(one.uid)));
}

/** A box and those that it is in, the outermost first. */
type BoxPath = readonly [PlanNode, ...PlanNode[]];

function pathsOfMembers(root: PlanNode): Map<number, BoxPath> {
  const paths = new Map<number, BoxPath>();
  const visit = (node: PlanNode, above: readonly PlanNode[]): void => {
    const path = [...above, node] as unknown as BoxPath;
    for (const uid of node.members) paths.set(uid, path);
    for (const row of node.rows) for (const inside of row.nodes) visit(inside, path);
  };
  visit(root, []);
  return paths;
}

function boxesOf(part: Cluster, paths: ReadonlyMap<number, BoxPath>): BoxPath[] {
  const found = [...part.initiators, ...part.targets].map((one) => paths.get(one.uid));
  return [...new Set(found.filter((path) => path !== undefined))];
}

/** The innermost box that all are in, or are. */
function lowestCommon(paths: readonly BoxPath[]): PlanNode | undefined {
  const [first] = paths;
  if (first === undefined) return undefined;
  let common: PlanNode | undefined;
  for (const [depth, node] of first.entries()) {
    if (!paths.every((path) => path[depth] === node)) break;
    common = node;
  }
  return common;
}

function place(
  survey: Survey,
  root: PlanNode,
  one: LinkClass,
  part: Cluster,
  paths: ReadonlyMap<number, BoxPath>,
): void {
  const text = clusterText(survey, part);
  const mutual = eachOther(survey, part);
  const boxes = boxesOf(part, paths);
  const holder = lowestCommon(boxes) ?? root;
  const device = soleDevice(part, paths);
  const ends = endsOf(holder, boxes);
  const bus = busOf(holder, part, one.link, paths);
  if (isLocal(holder, ends)) return;
  if (mutual && holder.copies > 1) {
    // A stack is all that the link joins: no names needed.
    addNote(holder, one.link, "to each other");
  } else if (device !== undefined) {
    addNote(device, one.link, text);
  } else if (bus !== undefined) {
    bus.busText.push(`CPUs reach this memory: ${numbersText(one.link)}`);
  } else if (ends.length < 2 || ends.length > ENDS_MAX || holder.copies > 1) {
    addNote(holder, one.link, text);
  } else {
    const { properties, medium } = one.link;
    const words = mutual
      ? medium === "memory"
        ? "each other's memory: "
        : ""
      : `${groupsText(part, text)}: `;
    holder.rails.push({
      medium,
      text: `${words}${numbersText(one.link)}`,
      words: `${text}: ${numbersText(one.link)}`,
      tooltip: `${MEDIUM_WORDS[medium]}: ${text}\n${numbersText(one.link)}${from(one.link)}`,
      links: [one.link],
      ends,
      bandwidth: properties.readBandwidth?.value ?? properties.writeBandwidth?.value ?? null,
    });
  }
}

/** What a label says of groups that reach each other: their names are in the boxes that the line joins. */
function groupsText({ groups }: Cluster, text: string): string {
  return groups !== undefined && groups.length > 2 ? "between groups" : text;
}

/** Whether a link joins the cores of a box to memory in the same box: the box of the memory tells the numbers. */
function isLocal(holder: PlanNode, ends: readonly RailEnd[]): boolean {
  if (holder.look === "machine") return false;
  const looks = new Map(
    holder.rows.flatMap((row) => row.nodes.map((node) => [node.key, node.look] as const)),
  );
  const memory = ["memory", "side-cache"];
  const cores = ends.filter((end) => looks.get(end.outer) === "cores").length;
  return cores === 1 && ends.every((end) => ["cores", ...memory].includes(looks.get(end.outer) ?? ""));
}

/** The row of devices whose bus is what a link of the CPUs beside it to their memory is made of: the bus can tell. */
function busOf(
  holder: PlanNode,
  part: Cluster,
  link: Link,
  paths: ReadonlyMap<number, BoxPath>,
): Row | undefined {
  const inHolder = (uid: number): PlanNode | undefined => {
    const path: readonly PlanNode[] = paths.get(uid) ?? [];
    return path[path.indexOf(holder) + 1];
  };
  const row = holder.rows.find((one) =>
    one.nodes.some((node) => node === inHolder(part.targets[0]?.uid ?? -1)),
  );
  if (row === undefined || row.bus !== link.medium) return undefined;
  const cpusHere = part.initiators.every(
    (one) => holder.members.has(one.uid) || inHolder(one.uid)?.look === "cores",
  );
  const devices = part.targets.every((one) => row.nodes.some((node) => node === inHolder(one.uid)));
  return cpusHere && devices ? row : undefined;
}

/** The device box with all initiators of a link whose targets are in one other box, or with its only targets: it can tell. */
function soleDevice(part: Cluster, paths: ReadonlyMap<number, BoxPath>): PlanNode | undefined {
  const boxes = (things: readonly { readonly uid: number }[]): Set<PlanNode | undefined> =>
    new Set(
      things.map((thing) =>
        paths.get(thing.uid)?.findLast((node) => node.look === "device" || node.members.has(thing.uid)),
      ),
    );
  const [from, to] = [boxes(part.initiators), boxes(part.targets)];
  const [initiator] = from;
  const [target] = to;
  if (from.size !== 1 || to.size !== 1) return undefined;
  if (initiator?.look === "device") return initiator;
  return target?.look === "device" ? target : undefined;
}

/** Where a line between the boxes directly inside a holder ends. */
function endsOf(holder: PlanNode, boxes: readonly BoxPath[]): RailEnd[] {
  const inside = new Map<PlanNode, PlanNode[]>();
  for (const path of boxes) {
    const at = path.indexOf(holder);
    const outer = path[at + 1];
    const inner = path.at(-1);
    if (at < 0 || outer === undefined || inner === undefined) continue;
    // A device's memory is in the device: the line goes to the device.
    const shown = path.slice(at + 1).find((node) => node.look === "device") ?? inner;
    const list = inside.get(outer);
    if (list === undefined) inside.set(outer, [shown]);
    else if (!list.includes(shown)) list.push(shown);
  }
  return [...inside].flatMap(([outer, list]) =>
    list.every((node) => node.look === "device")
      ? list.map((node) => ({ outer: outer.key, inner: node.key }))
      : [{ outer: outer.key, inner: outer.key }],
  );
}

/** `xGMI 50 GB/s · 140 ns`; the relative distance where nothing better is known. */
function numbersText(link: Pick<Link, "medium" | "properties">): string {
  const { properties, medium } = link;
  // A latency made of a relative distance is a hint, not a measure.
  const mark = properties.readLatency?.origin === "distance" ? "~" : "";
  const known = [bandwidthText(properties), latencyText(properties)]
    .map((text, i) => (i === 1 && text !== UNKNOWN ? `${mark}${text}` : text))
    .filter((text) => text !== UNKNOWN);
  // What is as it should be needs no word.
  const notes = linkNotes(properties).filter((note) => note !== "atomics");
  const name = medium === "memory" && known.length + notes.length > 0 ? "" : MEDIUM_WORDS[medium];
  const words = [...known, ...notes];
  return [name, words.length === 0 ? "speed unknown" : words.join(" · ")]
    .filter((word) => word !== "")
    .join(" ");
}

function from({ properties }: Pick<Link, "properties">): string {
  const { readBandwidth, writeBandwidth, readLatency, writeLatency } = properties;
  const origins = originText(
    [readBandwidth, writeBandwidth, readLatency, writeLatency].map((one) => one?.origin ?? null),
  );
  return origins === "" ? "" : `\nNumbers from ${origins}`;
}

function addNote(holder: PlanNode, link: Link | Bridge, joins: string): void {
  const text = `${joins}: ${numbersText(link)}`;
  holder.notes.push({ medium: link.medium, text, tooltip: `${text}${from(link)}` });
}

/** Keeps the number of lines and of notes in each box within bounds; the rest is counted. */
function settle(node: PlanNode): void {
  const merged = [...groupBy(node.rails.splice(0))].flatMap((rails) =>
    rails.length > ALONE_MAX ? [mergedRail(rails)] : rails,
  );
  merged.sort(wider);
  node.rails.push(...merged.slice(0, RAILS_MAX));
  for (const rail of merged.slice(RAILS_MAX)) {
    node.notes.push({ medium: rail.medium, text: rail.words, tooltip: rail.tooltip });
  }
  const rest = node.notes.splice(NOTES_MAX);
  if (rest.length > 0) {
    const tooltip = rest
      .slice(0, 30)
      .map((note) => note.text)
      .join("\n");
    node.notes.push({ medium: null, text: `and ${count(rest.length, "more link")}`, tooltip });
  }
  for (const row of node.rows) for (const inside of row.nodes) settle(inside);
}

/** Lines of the same medium. */
function groupBy(rails: readonly Rail[]): Rail[][] {
  const groups = new Map<LinkMedium, Rail[]>();
  for (const rail of rails) groups.set(rail.medium, [...(groups.get(rail.medium) ?? []), rail]);
  return [...groups.values()];
}

/** One line for many of the same medium, with their ranges of numbers; the matrix tells which is which. */
function mergedRail(rails: readonly Rail[]): Rail {
  const links = rails.flatMap((rail) => rail.links);
  const medium = rails[0]?.medium ?? "unknown";
  const range = (values: readonly (number | null)[], format: (value: number | null) => string): string => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? "" : rangeText(known, format);
  };
  const average = (a: Quantity | null, b: Quantity | null): number | null =>
    a === null || b === null ? ((a ?? b)?.value ?? null) : (a.value + b.value) / 2;
  const numbers = [
    range(
      links.map(({ properties: p }) => average(p.readBandwidth, p.writeBandwidth)),
      formatBandwidth,
    ),
    range(
      links.map(({ properties: p }) => average(p.readLatency, p.writeLatency)),
      formatLatency,
    ),
    range(
      links.map(({ properties: p }) => p.distance?.value ?? null),
      (value) => `distance ${value}`,
    ).replace("–distance ", "–"),
  ].filter((text) => text !== "");
  const text = `${count(links.length, `${MEDIUM_WORDS[medium]} link`)}: ${numbers.length === 0 ? "speed unknown" : numbers.join(" · ")}`;
  return {
    medium,
    text,
    words: text,
    tooltip: [text, ...rails.slice(0, 30).map((rail) => rail.words)].join("\n"),
    links,
    ends: mergedEnds(rails.flatMap((rail) => rail.ends)),
    bandwidth: rails.reduce(
      (most: number | null, { bandwidth }) => (bandwidth === null ? most : Math.max(most ?? 0, bandwidth)),
      null,
    ),
  };
}

/** Each end once; where one is a whole box, it stands for those inside of it. */
function mergedEnds(ends: readonly RailEnd[]): RailEnd[] {
  const whole = new Set(ends.filter((end) => end.inner === end.outer).map((end) => end.outer));
  const kept = ends.map((end) => (whole.has(end.outer) ? { outer: end.outer, inner: end.outer } : end));
  return [...new Map(kept.map((end) => [end.inner, end])).values()];
}

function wider(a: Rail, b: Rail): number {
  return (b.bandwidth ?? 0) - (a.bandwidth ?? 0) || a.ends.length - b.ends.length;
}
