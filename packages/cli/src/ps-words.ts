import { type Cell, clean, KIND_SHORT, type Paint } from "@hms/topology/render";
import { type ByKind, type PlaceMemory, type ProcessMemory, programName } from "hms/process";
import type { Machine } from "./input.ts";

/** Node columns of a table: a machine with more has one column that names the nodes with the most. */
const NODE_COLUMNS_MAX = 6;
/** Nodes that such a column names. */
const NODES_NAMED_MAX = 3;

export type FormatSize = (bytes: number) => string;

/** What texts about processes are made with. */
export interface Words {
  readonly machine: Machine;
  readonly size: FormatSize;
  readonly paint: Paint;
  readonly width: number;
}

export const KIND_NAMES: readonly (readonly [keyof ByKind, string])[] = [
  ["anonymous", "anonymous"],
  ["file", "files"],
  ["shmem", "shared memory"],
  ["hugetlb", "hugetlb pages"],
  ["device", "devices"],
  ["kernel", "kernel"],
];

/** A size, or nothing for none: a column without any is left out of its table. */
export function sizeCell(words: Words, bytes: number, paint?: (text: string) => string): Cell {
  const text = bytes > 0 ? words.size(bytes) : "";
  return paint === undefined ? { text } : { text, paint };
}

/** The nodes that get a column each: those that any of the places is on, all that fit. */
export function nodeColumns(
  places: readonly (readonly { readonly target: string }[])[],
  words: Words,
): string[] {
  const used = new Set(places.flat().map(({ target }) => target));
  const columns = words.machine.targets.filter(({ id }) => used.has(id)).map(({ id }) => id);
  for (const target of used) if (!columns.includes(target)) columns.push(target);
  return columns.length > NODE_COLUMNS_MAX ? [] : columns;
}

/** `node3 1.2 GiB, node0 20 MiB, 2 more`. */
export function placesText(
  places: readonly { readonly target: string; readonly bytes: number }[],
  words: Words,
): string {
  const most = [...places].sort((a, b) => b.bytes - a.bytes);
  const named = most
    .slice(0, NODES_NAMED_MAX)
    .map(({ target, bytes }) => `${clean(target)} ${words.size(bytes)}`);
  const rest = most.length - named.length;
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
}

/** Puts the colour of a target's kind on a text. */
export function targetPaint(target: string, { machine, paint }: Words): (text: string) => string {
  const kind = machine.targets.find(({ id }) => id === target)?.kind.kind ?? "unknown";
  return (text) => paint.kind(kind, text);
}

/** `node0, node1 DRAM · node2 HBM`: the targets by kind. */
export function legend(targets: readonly string[], words: Words): string {
  const byKind = new Map<string, string[]>();
  for (const target of targets) {
    const kind = words.machine.targets.find(({ id }) => id === target)?.kind.kind ?? "unknown";
    byKind.set(KIND_SHORT[kind], [...(byKind.get(KIND_SHORT[kind]) ?? []), clean(target)]);
  }
  return [...byKind].map(([kind, names]) => `${names.join(", ")} ${kind}`).join(" · ");
}

/** Where it runs: `node1`, or `node1 now` when it may run elsewhere next. Nothing where there is no choice. */
export function runsText({ runs }: ProcessMemory, machine: Machine): string {
  if (machine.initiators.filter((one) => one.class === "cpu").length < 2) return "";
  if (runs.on.length === 0) return "?";
  const names = runs.on.map(({ id }) => id).join(",");
  return runs.bound ? names : `${names} now`;
}

/** The policies other than the default, the one with the most memory first. */
export function policyText({ policies }: ProcessMemory): string {
  const [first, ...more] = policies.filter(({ policy }) => policy !== "default" && policy !== "");
  if (first === undefined) return "";
  return more.length === 0 ? clean(first.policy) : `${clean(first.policy)}, ${more.length} more`;
}

/** What it was started as; `short`: without the folder of the program. */
export function commandText(memory: ProcessMemory, short = false): string {
  const [program = `[${memory.name}]`, ...args] = memory.command;
  const first = short && memory.command.length > 0 ? programName(memory) : program;
  return clean([first, ...args].join(" "), 200);
}

export function placeOf(places: readonly PlaceMemory[], target: string): number {
  return places.find((one) => one.target === target)?.bytes ?? 0;
}

/** `1.2 GiB on node0 would be better on node1`. */
export function misplacedText(memory: ProcessMemory, words: Words): string {
  const { misplaced } = memory;
  if (misplaced === null) return "";
  const from = misplaced.from
    .map(({ target, bytes }) => `${words.size(bytes)} on ${clean(target)}`)
    .join(" and ");
  return `${from} would be better on ${misplaced.to.map((one) => clean(one)).join(" or ")}`;
}
