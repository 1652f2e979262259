/** Many names as one short text, and equal things as one thing. */
import { IndexSet } from "../model/index-set.ts";

/** Things that look the same, in the order in which they came. */
export interface Alike<T> {
  readonly key: string;
  readonly first: T;
  readonly all: readonly [T, ...T[]];
}

/** Puts equal things together; groups are ordered by their first member. */
export function alike<T>(things: readonly T[], keyOf: (thing: T) => string): Alike<T>[] {
  const groups = new Map<string, { key: string; first: T; all: [T, ...T[]] }>();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { key, first: thing, all: [thing] });
    else group.all.push(thing);
  }
  return [...groups.values()];
}

/** A label without a number at its end: `LAN 1` and `LAN 2` are of one sort. */
export function sort(label: string | null): string {
  return (label ?? "").replace(/\d+\)?$/, "#");
}

/** Labels of things of one sort as one; empty when there are none. */
export function labelRange(things: readonly { readonly label: string | null }[]): string {
  return nameRange([...new Set(things.map((thing) => thing.label ?? ""))].filter((label) => label !== ""));
}

/** Longest list of numbers that is written out. */
const LIST_MAX = 24;

/**
 * Names as one: `node0-3,8` where only a number differs, else `card0, mlx5_0` for two short ones, and what they
 * have in common (`0000:*\/vram`) or the first and the last (`a … z`) for more; how many is told beside it.
 */
export function nameRange(names: readonly string[]): string {
  const [first, second] = names;
  if (first === undefined) return "";
  if (second === undefined) return first;
  const numbered = numberedRange(names);
  if (numbered !== undefined) return numbered;
  if (names.length === 2 && first.length + second.length <= LIST_MAX) return `${first}, ${second}`;
  return commonPattern(names) ?? `${first} … ${names.at(-1)}`;
}

/** What all names start and end with, `*` for the rest; undefined when that says too little. */
function commonPattern(names: readonly string[]): string | undefined {
  const [first = ""] = names;
  const shortest = Math.min(...names.map((name) => name.length));
  let start = 0;
  while (start < shortest && names.every((name) => name[start] === first[start])) start++;
  let end = 0;
  while (end < shortest - start && names.every((name) => name.at(-1 - end) === first.at(-1 - end))) end++;
  return start + end < 3 ? undefined : `${first.slice(0, start)}*${end === 0 ? "" : first.slice(-end)}`;
}

function numberedRange(names: readonly string[]): string | undefined {
  const parts = names.map((name) => name.split(/(\d+)/));
  const [model] = parts;
  if (model === undefined || parts.some((part) => part.length !== model.length)) return undefined;
  const varying = model.map((_, i) => i).filter((i) => parts.some((part) => part[i] !== model[i]));
  const [place] = varying;
  if (place === undefined || varying.length !== 1 || place % 2 === 0) return undefined;
  const digits = parts.map((part) => part[place] ?? "");
  if (digits.some((text) => String(Number(text)) !== text || Number(text) > IndexSet.INDEX_MAX))
    return undefined;
  const list = shortList(IndexSet.of(digits.map(Number)));
  return `${model.slice(0, place).join("")}${list}${model.slice(place + 1).join("")}`;
}

/** A set in the kernel's list form; first and last only (`0…255`) when that is long. */
export function shortList(set: IndexSet, max: number = LIST_MAX): string {
  const list = set.toList();
  return list.length <= max ? list : `${set.first}…${set.last}`;
}

/** `CPU 3`, `CPUs 0-15`; `no CPU` for the empty set. */
export function cpuRange(cpus: IndexSet, max: number = LIST_MAX): string {
  if (cpus.isEmpty) return "no CPU";
  return `${cpus.size === 1 ? "CPU" : "CPUs"} ${shortList(cpus, max)}`;
}

/** The smallest and the largest as text, once when both read the same: `1.9 GiB–2 GiB`. */
export function rangeText(
  values: readonly (number | null)[],
  format: (value: number | null) => string,
): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return format(null);
  const low = format(Math.min(...known));
  const high = format(Math.max(...known));
  const text = low === high ? low : `${shorten(low, high)}–${high}`;
  return known.length === values.length ? text : `${text} or ${format(null)}`;
}

/** Leaves the unit of the first number out when the second has the same. */
function shorten(low: string, high: string): string {
  const [number = low, unit] = low.split(" ");
  return unit !== undefined && unit === high.split(" ")[1] ? number : low;
}
