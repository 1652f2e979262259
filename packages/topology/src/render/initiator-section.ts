/** What reads and writes memory, as the rows of a table. */
import { INITIATOR_TYPES } from "../model/facts.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Initiator } from "../model/machine.ts";
import { formatSize } from "../model/units.ts";
import type { Paint } from "./colours.ts";
import { alike, cpuRange, labelRange, nameRange, sort } from "./names.ts";
import { type Survey, shortName } from "./survey.ts";
import type { Cell, Column } from "./table.ts";
import {
  bandwidthText,
  CLASS_SHORT,
  clean,
  count,
  MEDIUM_WORDS,
  pciCurrentText,
  pciText,
  times,
  UNKNOWN,
} from "./words.ts";

/** Lines of initiators at most; the rest is counted. */
const ROWS_MAX = 40;

/** Columns of the table of initiators. */
export function initiatorColumns(): Column[] {
  return [
    { title: "", align: "left" },
    { title: "initiator", align: "left", shrinkTo: 14 },
    { title: "what", align: "left", shrinkTo: 10 },
    { title: "at", align: "left", shrinkTo: 6 },
    { title: "attached by", align: "left", drop: 1 },
    { title: "bandwidth", align: "right", drop: 2 },
    { title: "", align: "left", drop: 3 },
    { title: "own memory", align: "right", drop: 4 },
  ];
}

/** A row for each initiator, or for several that look the same. */
export function initiatorRows(survey: Survey, paint: Paint): Cell[][] {
  const own = ownMemory(survey);
  const ordered = [...survey.machine.initiators].sort(
    (a, b) => INITIATOR_TYPES.indexOf(a.class) - INITIATOR_TYPES.indexOf(b.class) || a.uid - b.uid,
  );
  const cells = (one: Initiator): string[] => [
    attachedText(survey, one),
    slotBandwidth(survey, one),
    currentText(survey, one),
    own.get(one.uid) ?? "",
  ];
  const groups = alike(ordered, (one) =>
    [
      one.class,
      one.class === "cpu" || one.class === "generic" ? `${one.cpus.size}` : sort(one.label),
      ...cells(one),
    ].join(";"),
  );
  const rows = groups
    .slice(0, ROWS_MAX)
    .map(({ first, all }): Cell[] => [
      { text: CLASS_SHORT[first.class], paint: paint.bold },
      { text: times(all.length, clean(namesText(all), 40)) },
      { text: whatText(all) },
      { text: placeText(survey, all) },
      ...cells(first).map((text) => ({ text })),
    ]);
  const rest = groups.slice(ROWS_MAX).reduce((sum, group) => sum + group.all.length, 0);
  if (rest > 0) rows.push([{ text: "" }, { text: `and ${count(rest, "more", "more")}` }]);
  return rows;
}

/** Sizes of the memory that each device has of its own. */
function ownMemory(survey: Survey): Map<number, string> {
  const sums = new Map<number, number | null>();
  for (const target of survey.machine.targets) {
    const owner = survey.owner(target);
    if (owner === undefined) continue;
    const sum = sums.get(owner.uid);
    sums.set(owner.uid, target.size === null || sum === null ? null : (sum ?? 0) + target.size);
  }
  return new Map([...sums].map(([uid, sum]) => [uid, formatSize(sum, { unknown: UNKNOWN })]));
}

function namesText(all: readonly Initiator[]): string {
  const names = nameRange(all.map(shortName));
  const [first] = all;
  if (all.length > 1 || first === undefined || shortName(first) === first.id) return names;
  return `${names} (${first.id})`;
}

function whatText(all: readonly [Initiator, ...Initiator[]]): string {
  const [first] = all;
  if (first.class !== "cpu") return clean(labelRange(all), 40);
  const cpus = all.reduce((union, one) => union.or(one.cpus), IndexSet.EMPTY);
  if (cpus.isEmpty) return clean(first.label ?? "", 40);
  const size = count(first.cpus.size, "CPU");
  return all.length === 1
    ? `${size}: ${cpus.toList().length <= 16 ? cpus.toList() : cpuRange(cpus, 12)}`
    : `${size} each`;
}

/** Where they are: the package of CPUs, the node of devices. */
function placeText(survey: Survey, all: readonly [Initiator, ...Initiator[]]): string {
  const [first] = all;
  if (first.class === "cpu") {
    const packages = survey.packagesOf(all.reduce((union, one) => union.or(one.cpus), IndexSet.EMPTY));
    return nameRange(packages.map((index) => `package ${index}`));
  }
  const nodes = [...new Set(all.map((one) => one.numaNode))].filter((index) => index !== null);
  if (nodes.length === 0) return all.some((one) => one.class !== "generic") ? "node unknown" : "";
  return nameRange(nodes.sort((a, b) => a - b).map((index) => `node${index}`));
}

/** What a device hangs on: `PCIe Gen4 x16`. */
export function attachedText(survey: Survey, one: Initiator): string {
  const slot = survey.slot(one);
  const speed = pciText(survey.pciOf(one)?.link ?? null);
  if (speed !== "") return `PCIe ${speed}`;
  return slot === undefined ? "" : MEDIUM_WORDS[slot.medium];
}

/** Bandwidth of what a device hangs on. */
export function slotBandwidth(survey: Survey, one: Initiator): string {
  const slot = survey.slot(one);
  return slot === undefined ? "" : bandwidthText(slot.properties);
}

function currentText(survey: Survey, one: Initiator): string {
  const current = pciCurrentText(survey.pciOf(one)?.link ?? null);
  return current === "" ? "" : `now ${current}`;
}
