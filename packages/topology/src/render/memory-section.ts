/** The memories of a machine as the rows of a table. */

import { MEMORY_KINDS, type MemorySideCache } from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Machine, Target } from "../model/machine.ts";
import { formatSize } from "../model/units.ts";
import type { Paint } from "./colours.ts";
import { alike, cpuRange, nameRange, rangeText } from "./names.ts";
import { type Local, type Survey, shortName, wayBandwidth, wayLatency, wayOrigins } from "./survey.ts";
import type { Cell, Column } from "./table.ts";
import { CLASS_WORDS, clean, count, KIND_SHORT, KIND_WORDS, originText, times, UNKNOWN } from "./words.ts";
import { wrapText } from "./wrap.ts";

/** Lines of memories at most; the rest is counted. */
const ROWS_MAX = 40;
/** More alike memories than this share a line also when they differ a little in size. */
const ROUGH_MIN = 4;
/** Reasons for kinds that are written out, at most. */
const REASONS_MAX = 8;

const sizeText = (size: number | null): string =>
  size === 0 ? "empty" : formatSize(size, { unknown: UNKNOWN });
const freeText = (size: number | null): string => formatSize(size, { unknown: UNKNOWN });

/** Columns of the table of memories. */
export function memoryColumns(): Column[] {
  return [
    { title: "", align: "left" },
    { title: "target", align: "left", shrinkTo: 13 },
    { title: "size", align: "right" },
    { title: "free", align: "right", drop: 1 },
    { title: "tier", align: "right", drop: 2 },
    { title: "near", align: "left", shrinkTo: 9 },
    { title: "bandwidth", align: "right" },
    { title: "latency", align: "right" },
    { title: "from", align: "left", drop: 3 },
    { title: "", align: "left", shrinkTo: 5 },
  ];
}

/** What the numbers are, and where they are from: in a narrow table there is no column for that. */
export function memoryNote(survey: Survey): string {
  const origins = originText(
    survey.machine.targets.flatMap((target) => wayOrigins(survey.local(target).way)),
  );
  return `read/write for those nearest to it${origins === "" ? "" : `; numbers from ${origins}`}`;
}

/** A row for each memory, or for several that look the same. */
export function memoryRows(survey: Survey, paint: Paint): Cell[][] {
  const targets = [...survey.machine.targets].sort(
    (a, b) => MEMORY_KINDS.indexOf(a.kind.kind) - MEMORY_KINDS.indexOf(b.kind.kind) || a.uid - b.uid,
  );
  const coarse = alike(targets, (target) => `${look(survey, target)};${roughly(target.size)}`);
  // Firmware takes a little from some nodes: of many alike ones it does not matter which.
  const groups = coarse.flatMap((group) =>
    group.all.length > ROUGH_MIN ? [group] : alike(group.all, (target) => sizeText(target.size)),
  );
  const rows = groups.slice(0, ROWS_MAX).flatMap((group) => groupRows(survey, group.all, paint));
  const rest = groups.slice(ROWS_MAX).reduce((sum, group) => sum + group.all.length, 0);
  if (rest > 0) rows.push([{ text: "" }, { text: `and ${count(rest, "more", "more")}` }]);
  return rows;
}

/** The same for sizes within a fifth of each other, mostly. */
function roughly(size: number | null): number | null {
  return size === null || size <= 0 ? size : Math.round(Math.log2(size) * 2);
}

/** What must be the same for two memories to share a row, but for their size. */
function look(survey: Survey, target: Target): string {
  const local = survey.local(target);
  const node = survey.node(target);
  return [
    target.kind.kind,
    target.kind.reason.replace(/\d+/g, "#"),
    local.own,
    local.from?.class ?? "-",
    local.home.length,
    node?.tier ?? "-",
    node?.cpus.size ?? 0,
    wayBandwidth(local.way),
    wayLatency(local.way),
    originText(wayOrigins(local.way)),
    notes(survey, target).join(),
    JSON.stringify(node?.sideCaches ?? []),
  ].join(";");
}

function groupRows(survey: Survey, targets: readonly [Target, ...Target[]], paint: Paint): Cell[][] {
  const [first] = targets;
  const local = survey.local(first);
  const node = survey.node(first);
  const kind = first.kind.kind;
  const sizes = rangeText(
    targets.map((target) => target.size),
    sizeText,
  );
  const free = targets.every((target) => target.free === null || target.size === 0)
    ? ""
    : rangeText(
        targets.map((target) => target.free),
        freeText,
      );
  const row: Cell[] = [
    { text: `■ ${KIND_SHORT[kind]}`, paint: (text) => paint.kind(kind, text) },
    { text: times(targets.length, clean(nameRange(targets.map((target) => target.id)), 40)) },
    { text: sizes },
    { text: free },
    { text: node?.tier === null || node === undefined ? "" : String(node.tier) },
    { text: nearText(survey, targets, local) },
    { text: local.way === null ? "out of reach" : wayBandwidth(local.way) },
    { text: wayLatency(local.way) },
    { text: originText(wayOrigins(local.way)) },
    { text: notes(survey, first).join(", ") },
  ];
  const caches = (node?.sideCaches ?? []).map((cache): Cell[] => [
    { text: "" },
    { text: "└ cached by", paint: paint.dim },
    { text: formatSize(cache.size) },
    { text: "" },
    { text: "" },
    { text: cacheWords(cache) },
  ]);
  return [row, ...caches];
}

/** `direct-mapped, write-back`. */
export function cacheWords(cache: MemorySideCache): string {
  const words = [
    cache.associativity === "direct" ? "direct-mapped" : "",
    cache.writePolicy === "unknown" || cache.writePolicy === "other" ? "" : cache.writePolicy,
    cache.addressMode === "extended-linear" ? "adds to the size" : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}

/** Who is near: its own CPUs or device, or the CPUs that are nearest. */
export function nearText(survey: Survey, targets: readonly [Target, ...Target[]], local: Local): string {
  const [first] = targets;
  const [home] = local.home;
  if (home === undefined) {
    const near = survey.nearCpus(first);
    if (!near.isEmpty) return cpuRange(near, 12);
    return reachedBy(survey, local);
  }
  if (home.class !== "cpu") {
    const word = CLASS_WORDS[home.class];
    return targets.length === 1 ? `${word} ${shortName(home)}` : `own ${word}`;
  }
  const cpus = targets
    .flatMap((target) => survey.local(target).home)
    .reduce((all, initiator) => all.or(initiator.cpus), IndexSet.EMPTY);
  if (cpus.isEmpty) return targets.length === 1 ? `CPUs of ${shortName(home)}` : "own CPUs";
  // As the size beside it, for each of them.
  if (targets.length > 1 && local.home.length === 1) return count(home.cpus.size, "CPU");
  return cpuRange(cpus, 12);
}

/** Those on the link that gets the most of a memory which nobody is said to be near to. */
function reachedBy(survey: Survey, { from, way }: Local): string {
  if (from === null) return UNKNOWN;
  const all = (way?.links[0]?.initiators ?? [])
    .map((uid) => survey.initiators.get(uid))
    .filter((one) => one?.class === "cpu")
    .reduce((cpus, one) => cpus.or(one?.cpus ?? IndexSet.EMPTY), from.cpus);
  return from.class === "cpu" && !all.isEmpty ? cpuRange(all, 12) : shortName(from);
}

/** What else there is to say: that it is offline or not allowed. */
function notes(survey: Survey, target: Target): string[] {
  const node = survey.node(target);
  const words: string[] = [];
  if (node !== undefined && !node.online) words.push("offline");
  if (node !== undefined && !node.allowed) words.push("not allowed");
  return words;
}

/** How each kind was concluded, one line for memories with the same reason. */
export function kindReasons(machine: Machine, width: number): string[] {
  const groups = alike(
    machine.targets,
    (target) => `${target.kind.kind};${target.kind.reason.replace(/\d+/g, "#")}`,
  );
  const lines = groups.slice(0, REASONS_MAX).flatMap(({ first, all }) => {
    const names = clean(nameRange(all.map((target) => target.id)), 30);
    return wrapText(`${KIND_WORDS[first.kind.kind]} ${names}: ${clean(first.kind.reason, 300)}`, width, 3);
  });
  const rest = Math.max(0, groups.length - REASONS_MAX);
  if (rest > 0) lines.push(`and ${count(rest, "more reason")}`);
  return lines;
}
