import { type Cell, type Column, clean, table } from "@hms/topology/render";
import type { ProcessMemory } from "hms/process";
import {
  commandText,
  legend,
  misplacedText,
  nodeColumns,
  placeOf,
  placesText,
  policyText,
  runsText,
  sizeCell,
  targetPaint,
  type Words,
} from "./ps-words.ts";

/** Command lines that are written out below the table. */
const MENDS_MAX = 5;

export interface ListOptions {
  /** Rows at most. */
  readonly count: number;
  /** Whether they are of several users. */
  readonly users: boolean;
  /** Name of a user, or the number. */
  readonly userName: (user: number) => string;
}

/** Processes for a person: a row each, and what would mend those that are misplaced. */
export function listText(all: readonly ProcessMemory[], options: ListOptions, words: Words): string {
  const shown = all.slice(0, options.count);
  const rest = all.slice(options.count);
  const nodes = words.machine.targets.filter(({ numaNode, size }) => numaNode !== null && size !== 0);
  const several = nodes.length > 1;
  const targets = several
    ? nodeColumns(
        all.map(({ places }) => places),
        words,
      )
    : [];
  const columns: readonly Column[] = [
    { title: "PID", align: "right" },
    { title: "USER", align: "left", drop: 1, shrinkTo: 6 },
    { title: "MEMORY", align: "right" },
    ...targets.map((target): Column => ({ title: clean(target), align: "right" })),
    { title: "WHERE", align: "left", shrinkTo: 16 },
    { title: "SWAPPED", align: "right", drop: 3 },
    { title: "HUGE", align: "right", drop: 4 },
    { title: "POLICY", align: "left", drop: 2, shrinkTo: 10 },
    { title: "RUNS ON", align: "left", shrinkTo: 9 },
    { title: "MISPLACED", align: "right" },
    { title: "COMMAND", align: "left", shrinkTo: 16 },
  ];
  const rows = shown.map((one) => row(one, { targets, several, options, words }));
  const lines = table(columns, rows, words.width, words.paint.dim);
  if (targets.length > 0) lines.unshift(words.paint.dim(legend(targets, words)), "");
  if (rest.length > 0) {
    const bytes = rest.reduce((sum, one) => sum + one.bytes, 0);
    lines.push(
      words.paint.dim(`and ${rest.length} more with ${words.size(bytes)}: --count ${all.length} lists them`),
    );
  }
  return `${[...lines, ...hints(all, words)].join("\n")}\n`;
}

interface RowOptions {
  readonly targets: readonly string[];
  /** Whether the machine has several memories. */
  readonly several: boolean;
  readonly options: ListOptions;
  readonly words: Words;
}

function row(one: ProcessMemory, { targets, several, options, words }: RowOptions): Cell[] {
  const hidden = one.places.length === 0 && one.unknown.length > 0;
  const huge = (one.huge.transparentBytes ?? 0) + one.huge.hugetlbBytes;
  return [
    { text: String(one.pid) },
    { text: options.users ? clean(options.userName(one.user)) : "" },
    sizeCell(words, one.bytes, words.paint.bold),
    ...targets.map((target) =>
      hidden ? { text: "?" } : sizeCell(words, placeOf(one.places, target), targetPaint(target, words)),
    ),
    { text: several && targets.length === 0 ? placesText(one.places, words) : "" },
    sizeCell(words, one.swappedBytes),
    sizeCell(words, huge),
    { text: policyText(one) },
    { text: runsText(one, words.machine) },
    // A few pages are not worth a command line, nor a place in the table.
    sizeCell(words, one.misplaced?.mend == null ? 0 : one.misplaced.bytes, words.paint.warn),
    { text: commandText(one, true) },
  ];
}

/** What to do about it: the command lines that mend the most. */
function hints(all: readonly ProcessMemory[], words: Words): string[] {
  const mends = all
    .filter(({ misplaced }) => misplaced !== null && misplaced.mend !== null)
    .sort((a, b) => (b.misplaced?.bytes ?? 0) - (a.misplaced?.bytes ?? 0));
  const lines = mends
    .slice(0, MENDS_MAX)
    .flatMap((one) => [
      `  ${one.pid} ${clean(one.name)}: ${misplacedText(one, words)}`,
      `    ${one.misplaced?.mend ?? ""}`,
    ]);
  if (mends.length > MENDS_MAX)
    lines.push(words.paint.dim(`  and ${mends.length - MENDS_MAX} more: --sort misplaced`));
  const hidden = all.filter(({ places, unknown }) => places.length === 0 && unknown.length > 0).length;
  const denied = hidden === 0 ? [] : ["", words.paint.dim(hiddenText(hidden))];
  return [...(lines.length === 0 ? [] : ["", words.paint.warn("MISPLACED"), ...lines]), ...denied];
}

function hiddenText(hidden: number): string {
  const which = hidden === 1 ? "one process" : `${hidden} processes`;
  if (process.geteuid?.() === 0) return `?: ${which} that the kernel does not let even this root look into`;
  return `?: ${which} that the kernel does not let this user look into; root may (sudo hms ps)`;
}
