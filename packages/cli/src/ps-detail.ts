import { type Cell, type Column, clean, table } from "@hms/topology/render";
import type { MemoryRegion, ProcessMemory } from "hms/process";
import {
  commandText,
  KIND_NAMES,
  misplacedText,
  nodeColumns,
  placesText,
  sizeCell,
  targetPaint,
  type Words,
} from "./ps-words.ts";
import { wrap } from "./wrap.ts";

/** Policies and devices that are written out. */
const LISTED_MAX = 4;
const LABEL_WIDTH = 12;

/** One process for a person: where it runs, what it has where and of what kind, what would be better elsewhere. */
export function detailText(memory: ProcessMemory, words: Words): string {
  const { paint } = words;
  const head = `${paint.bold(String(memory.pid))}  ${commandText(memory)}`;
  const lines = [
    head,
    ...factLines(memory, words),
    "",
    ...kindLines(memory, words),
    ...misplacedLines(memory, words),
  ];
  for (const one of memory.unknown) lines.push("", ...wrap(clean(one, 400), words.width));
  return `${lines.join("\n")}\n`;
}

/** A label and a sentence beside it, in lines that fit; colours go onto each line, as a terminal's line ends them. */
function fact(label: string, text: string, { width, paint }: Words, colour = plain): string[] {
  const [first = "", ...more] = wrap(text, Math.max(20, width - LABEL_WIDTH - 2));
  const indent = " ".repeat(LABEL_WIDTH + 2);
  return [
    `  ${paint.dim(label.padEnd(LABEL_WIDTH))}${colour(first)}`,
    ...more.map((line) => `${indent}${colour(line)}`),
  ];
}

const plain = (text: string): string => text;

function factLines(memory: ProcessMemory, words: Words): string[] {
  const { size } = words;
  const shared = memory.places.reduce((sum, { sharedBytes }) => sum + sharedBytes, 0);
  const parts = [
    `${size(memory.bytes)} in ${count(memory.mappings, "mapping")}`,
    ...(shared > 0 ? [`${size(shared)} of it in mappings that other processes share`] : []),
    ...(memory.swappedBytes > 0 ? [`${size(memory.swappedBytes)} more swapped out`] : []),
    ...(memory.deviceBytes > 0
      ? [`${size(memory.deviceBytes)} more in a device's memory, or on the move`]
      : []),
  ];
  return [
    ...fact("runs on", runsSentence(memory), words),
    ...fact("memory", parts.join(", "), words),
    ...hugeLines(memory, words),
    ...policyLines(memory, words),
    ...listLines(
      "devices",
      memory.deviceMappings.map((one) => `${clean(one.name)} (maps ${size(one.size)})`),
      words,
    ),
  ];
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;
}

function runsSentence({ runs, threads }: ProcessMemory): string {
  const names = (list: readonly { readonly id: string }[]): string =>
    list.map(({ id }) => clean(id)).join(", ");
  const many = count(threads, "thread");
  if (runs.on.length === 0) return `CPUs that are in no node that is known (${many})`;
  if (runs.bound) return `${names(runs.on)} and nowhere else (${many})`;
  return `${names(runs.on)} just now; the kernel may move it to any of ${names(runs.allowed)} (${many})`;
}

function hugeLines({ huge, kinds }: ProcessMemory, words: Words): string[] {
  const parts: string[] = [];
  const { transparentBytes, hugetlbBytes } = huge;
  if (transparentBytes !== null && transparentBytes > 0) {
    const of = (kinds.anonymous ?? 0) + (kinds.file ?? 0) + (kinds.shmem ?? 0);
    const share = of > 0 ? `, ${Math.round((transparentBytes / of) * 100)} % of what could be` : "";
    parts.push(`${words.size(transparentBytes)} transparent${share}`);
  }
  if (hugetlbBytes > 0) parts.push(`${words.size(hugetlbBytes)} of hugetlbfs`);
  return parts.length === 0 ? [] : fact("huge pages", parts.join("; "), words);
}

function listLines(label: string, entries: readonly string[], words: Words): string[] {
  if (entries.length === 0) return [];
  const rest = entries.length - LISTED_MAX;
  const shown = entries.slice(0, LISTED_MAX).join(", ");
  return fact(label, rest > 0 ? `${shown}, ${rest} more` : shown, words);
}

function policyLines({ policies }: ProcessMemory, words: Words): string[] {
  if (policies.every(({ policy }) => policy === "default"))
    return fact("policy", "the kernel's own: memory near the CPU that touches it first", words);
  const entries = policies.map(({ policy, bytes }) => `${clean(policy) || "unknown"} (${words.size(bytes)})`);
  return listLines("policy", entries, words);
}

/** Kinds × nodes. */
function kindLines(memory: ProcessMemory, words: Words): string[] {
  const { places } = memory;
  if (places.length === 0) return [];
  const { paint } = words;
  const columns: Column[] = [
    { title: "KIND", align: "left" },
    ...places.map(({ target }): Column => ({ title: clean(target), align: "right", shrinkTo: 6 })),
    { title: places.length > 1 ? "TOTAL" : "", align: "right" },
  ];
  // On one node each line's total is that node's.
  const total = (bytes: number, colour?: (text: string) => string): Cell =>
    places.length > 1 ? sizeCell(words, bytes, colour) : { text: "" };
  const rows: Cell[][] = KIND_NAMES.filter(([kind]) => (memory.kinds[kind] ?? 0) > 0).map(([kind, name]) => [
    { text: name },
    ...places.map((place) => sizeCell(words, place.kinds[kind] ?? 0, targetPaint(place.target, words))),
    total(memory.kinds[kind] ?? 0),
  ]);
  rows.push([
    { text: "all", paint: paint.bold },
    ...places.map(({ target, bytes }) => sizeCell(words, bytes, targetPaint(target, words))),
    total(memory.bytes, paint.bold),
  ]);
  const kindOf = (target: string): string =>
    words.machine.targets.find(({ id }) => id === target)?.kind.kind ?? "";
  const kinds: Cell[] = [
    { text: "" },
    ...places.map(({ target }) => ({ text: kindOf(target), paint: paint.dim })),
    { text: "" },
  ];
  return table(columns, [kinds, ...rows], words.width - 2, paint.dim).map((line) => `  ${line}`);
}

function misplacedLines(memory: ProcessMemory, words: Words): string[] {
  const { misplaced, runs } = memory;
  if (misplaced === null || memory.places.length === 0) return [];
  const who = runs.on.map(({ id }) => clean(id)).join(" and ");
  if (misplaced.mend === null) {
    const one =
      words.machine.targets.filter(({ numaNode, size }) => numaNode !== null && size !== 0).length < 2;
    const little = misplaced.bytes > 0 ? ` that is worth moving (${words.size(misplaced.bytes)})` : "";
    return one ? [] : ["", ...fact("misplaced", `nothing${little}, for the CPUs of ${who}`, words)];
  }
  const lines = [
    "",
    ...fact(
      "misplaced",
      words.paint.warn(`${misplacedText(memory, words)}, by ${misplaced.by} from ${who}`),
      words,
    ),
  ];
  if (misplaced.heldBy.length > 0) {
    const [first = "", ...more] = misplaced.heldBy.map((one) => clean(one));
    const policies =
      more.length === 0 ? `policy ${first} puts` : `policies (${first}, ${more.length} more) put`;
    lines.push(...fact("", `its ${policies} it there: what it allocates next goes there too`, words));
  }
  if (!runs.bound)
    lines.push(...fact("", "it may run elsewhere next: bind its CPUs too, or this is worth little", words));
  if (misplaced.sharedBytes > 0)
    lines.push(
      ...fact(
        "",
        `${words.size(misplaced.sharedBytes)} more lies there that other processes share: --shared moves that too`,
        words,
      ),
    );
  lines.push(...fact("", misplaced.mend, words, words.paint.bold));
  return lines;
}

/** The regions of a process for a person, those with the most memory first. */
export function regionsText(memory: ProcessMemory, most: number, words: Words): string {
  const all = [...(memory.regions ?? [])].sort((a, b) => b.bytes - a.bytes || b.size - a.size);
  const shown = all.slice(0, most);
  const several = memory.places.length > 1;
  const targets = several ? nodeColumns([memory.places], words) : [];
  const columns: readonly Column[] = [
    { title: "ADDRESS", align: "right", drop: 3 },
    { title: "SIZE", align: "right", drop: 1 },
    { title: "MEMORY", align: "right" },
    ...targets.map((target): Column => ({ title: clean(target), align: "right" })),
    { title: "WHERE", align: "left", shrinkTo: 16 },
    { title: "SWAPPED", align: "right" },
    { title: "HUGE", align: "right", drop: 4 },
    { title: "POLICY", align: "left", shrinkTo: 10, drop: 2 },
    { title: "RIGHTS", align: "left", drop: 5 },
    { title: "MISPLACED", align: "right" },
    { title: "NAME", align: "left", shrinkTo: 28 },
  ];
  const rows = shown.map((one) => regionRow(one, { targets, several }, words));
  const lines = table(columns, rows, words.width - 2, words.paint.dim).map((line) => `  ${line}`);
  const left = all.length - shown.length + (memory.regionsLeftOut?.regions ?? 0);
  if (left > 0) {
    const bytes = all.slice(most).reduce((sum, one) => sum + one.bytes, memory.regionsLeftOut?.bytes ?? 0);
    lines.push(
      words.paint.dim(`  and ${count(left, "smaller region")} with ${words.size(bytes)}: --count shows more`),
    );
  }
  return `\n${lines.join("\n")}\n`;
}

function regionRow(
  one: MemoryRegion,
  { targets, several }: { readonly targets: readonly string[]; readonly several: boolean },
  words: Words,
): Cell[] {
  const times = one.mappings > 1 ? ` (${one.mappings.toLocaleString("en-US")} mappings)` : "";
  return [
    { text: one.address.toString(16), paint: words.paint.dim },
    { text: words.size(one.size) },
    sizeCell(words, one.bytes, words.paint.bold),
    ...targets.map((target) => {
      const bytes = one.places.find((place) => place.target === target)?.bytes ?? 0;
      return sizeCell(words, bytes, targetPaint(target, words));
    }),
    { text: several && targets.length === 0 ? placesText(one.places, words) : "" },
    sizeCell(words, one.swappedBytes),
    sizeCell(words, one.hugeBytes),
    { text: one.policy === "default" ? "" : clean(one.policy) },
    { text: one.rights },
    sizeCell(words, one.misplacedBytes, words.paint.warn),
    {
      text: `${clean(one.name, 200) || (one.kind === "anonymous" ? "(anonymous)" : `(${one.kind})`)}${times}`,
    },
  ];
}
