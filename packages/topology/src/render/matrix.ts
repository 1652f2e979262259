import type { Machine } from "../model/machine.ts";
import type { Metric } from "../query/matrix.ts";
import {
  type Blocks,
  blockContent,
  type CellTable,
  type CellText,
  cellTable,
  coarseBlocks,
  columnKind,
  contentText,
  fineBlocks,
  type Shown,
  UNITS,
  valueRange,
} from "./cells.ts";
import { ANSI_PAINT, HEAT, heatStep, NO_PAINT, type Paint } from "./colours.ts";
import { Survey } from "./survey.ts";
import { fit, pad, textWidth } from "./table.ts";
import { CLASS_SHORT, clean, UNKNOWN, UNREACHABLE } from "./words.ts";
import { wrapText } from "./wrap.ts";

/** How a matrix for a terminal is made. */
export interface MatrixOptions {
  /** What the numbers are. */
  readonly by: Metric;
  /** Whether to colour it, with the codes of a terminal of 256 colours. */
  readonly colour: boolean;
  /** Columns of the terminal; lines are never longer (but at least WIDTH_MIN). */
  readonly width: number;
}

const WIDTH_MIN = 60;
/** A table of numbers is cut into at most this many below each other before it becomes one of letters. */
const PARTS_MAX = 3;
/** Longest label of a row. */
const LABEL_MAX = 26;
/** Longest heading of a column of numbers; columns with longer ones are numbered, and a key tells the names. */
const HEADING_MAX = 8;
const GAP = "  ";

/**
 * Initiators × targets for a person at a terminal. Equal rows, and equal columns, are put together (eight GPUs of
 * which each is only nearer to its own memory are one row: its own, then the others'). A machine with too many
 * different ones for numbers gets a letter a cell; one with more than that gets a row a class and a column a kind.
 * `?` is a number that nobody states, `·` a target out of reach.
 *
 * @returns lines that end in a line feed
 *
 * @example
 * ```ts
 * import { discoverLive, renderMatrix } from "@hms/topology";
 * process.stdout.write(renderMatrix(discoverLive(), { by: "latency", colour: false, width: 80 }));
 * ```
 */
export function renderMatrix(machine: Machine, options: MatrixOptions): string {
  const width = Math.max(WIDTH_MIN, Math.floor(options.width));
  const paint = options.colour ? ANSI_PAINT : NO_PAINT;
  const survey = new Survey(machine);
  const title = paint.bold(fit(clean(machine.name, 60), width));
  if (machine.initiators.length === 0 || machine.targets.length === 0) {
    const missing = machine.initiators.length === 0 ? "nothing that reads or writes memory" : "no memory";
    const sentence = `There is ${missing} in what was read: there are no pairs to show.`;
    return `${[title, ...wrapText(sentence, width, 3)].join("\n")}\n`;
  }
  const table = cellTable(survey, options.by);
  const fine = fineBlocks(survey, table);
  const body =
    (fine === undefined
      ? undefined
      : (numbers(fine, width, paint, PARTS_MAX) ?? letters(fine, width, paint))) ??
    numbers(coarseBlocks(survey, table), width, paint, Number.POSITIVE_INFINITY) ??
    [];
  return `${[title, ...wrapText(heading(table.shown, options.by), width, 2), "", ...body].join("\n")}\n`;
}

function heading(shown: Shown, asked: Metric): string {
  if (shown === "distance") {
    return `No ${asked} is known. Relative distance instead (10 = local, smaller is nearer): rows reach columns`;
  }
  const which = shown === "bandwidth" ? "Bandwidth in GB/s" : "Latency in ns";
  return `${which}, the average of reading and writing: rows reach columns`;
}

/** A table of numbers, in parts below each other when it is too wide; undefined when it takes too many. */
function numbers(all: Blocks, width: number, paint: Paint, parts: number): string[] | undefined {
  const { table, rows, columns } = all;
  const labels = rows.map((row) => rowText(table, row.places[0], row.label));
  const labelWidth = Math.min(LABEL_MAX, Math.max(...labels.map(textWidth)));
  const named = columns.every((column) => textWidth(column.label) <= HEADING_MAX);
  const headings = columns.map((column, c) => (named ? column.label : `[${c}]`));
  const range = valueRange(table);
  // Contents are looked at block by block: a table of too many columns is given up before that.
  if (labelWidth + columns.length * (2 + GAP.length) > width * parts) return undefined;
  const cells = rows.map((row) => columns.map((column) => cellParts(all, row, column)));
  const widths = columns.map((_, c) =>
    Math.max(textWidth(headings[c] ?? ""), ...cells.map((line) => partsWidth(line[c] ?? []))),
  );
  const sections = sectionsOf(widths, width - labelWidth);
  if (sections.length > parts) return undefined;
  const lines = sections.flatMap((places, s) => [
    ...(s === 0 ? [] : [""]),
    `${" ".repeat(labelWidth)}${places.map((c) => GAP + paint.dim(pad(headings[c] ?? "", widths[c] ?? 0, "right"))).join("")}`,
    ...rows.map((_, r) => {
      const label = pad(fit(labels[r] ?? "", labelWidth), labelWidth, "left");
      const line = places.map((c) => GAP + painted(cells[r]?.[c] ?? [], widths[c] ?? 0, range, paint));
      return `${label}${line.join("")}`.trimEnd();
    }),
  ]);
  const key = named ? [] : ["", ...columns.map((column, c) => fit(keyLine(table, c, column), width))];
  return [
    ...lines,
    ...key,
    ...legend(
      table,
      cells.flat().some((one) => one.length > 1),
      width,
    ),
  ];
}

function keyLine(table: CellTable, c: number, column: Blocks["columns"][number]): string {
  return `${pad(`[${c}]`, 5, "left")}${pad(columnKind(table, column), 8, "left")} ${column.label}`;
}

function rowText({ initiators }: CellTable, place: number, label: string): string {
  const initiator = initiators[place];
  return initiator === undefined ? label : `${CLASS_SHORT[initiator.class]} ${label}`;
}

/** What a cell shows: one text; or that of an initiator's own memory, then that of the others'. */
function cellParts(all: Blocks, row: Blocks["rows"][number], column: Blocks["columns"][number]): CellText[] {
  const { own, others } = blockContent(all, row, column);
  const joined = (contents: readonly CellText[]): CellText => ({
    text: contentText(contents),
    value: contents.length === 1 ? (contents[0]?.value ?? null) : null,
  });
  if (own.length === 0) return [joined(others)];
  if (others.length === 0) return [joined(own)];
  const [a, b] = [joined(own), joined(others)];
  return a.text === b.text ? [a] : [a, b];
}

function partsWidth(parts: readonly CellText[]): number {
  return parts.reduce((sum, part) => sum + textWidth(part.text) + 1, -1);
}

function painted(
  parts: readonly CellText[],
  width: number,
  range: ReturnType<typeof valueRange>,
  paint: Paint,
): string {
  const space = " ".repeat(Math.max(0, width - partsWidth(parts)));
  const text = parts.map(({ text: shown, value }) => {
    if (value === null || range === null)
      return shown === UNREACHABLE || shown === UNKNOWN ? paint.dim(shown) : shown;
    return paint.heat(heatStep(value, range.best, range.worst), shown);
  });
  return space + text.join("/");
}

/** Cuts columns into runs that fit beside the labels. */
function sectionsOf(widths: readonly number[], room: number): number[][] {
  const sections: number[][] = [];
  let used = Number.POSITIVE_INFINITY;
  widths.forEach((width, c) => {
    const wanted = width + GAP.length;
    if (used + wanted > room) {
      sections.push([]);
      used = 0;
    }
    sections.at(-1)?.push(c);
    used += wanted;
  });
  return sections;
}

function legend(table: CellTable, twofold: boolean, width: number): string[] {
  const has = (mark: string): boolean =>
    table.texts.some((text, code) => code > 1 && text.text.startsWith(mark));
  const used = new Set(table.codes);
  const parts = [
    used.has(1) ? `${UNKNOWN} unknown` : "",
    used.has(0) ? `${UNREACHABLE} out of reach` : "",
    twofold ? "a/b own memory/that of the others in the row" : "",
    has("~") ? "~ estimated from the relative distance" : "",
    has("≤") ? "≤ at most: a part of the way does not state it" : "",
    has("≥") ? "≥ at least: a part of the way does not state it" : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? [] : ["", ...wrapText(parts.join("; "), width, 3)];
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** A letter a cell, with a key of what they stand for; undefined when even that is too wide. */
function letters(all: Blocks, width: number, paint: Paint): string[] | undefined {
  const { table, rows, columns } = all;
  const labels = rows.map((row) => rowText(table, row.places[0], row.label));
  const labelWidth = Math.min(LABEL_MAX, Math.max(...labels.map(textWidth)));
  if (labelWidth + 2 + columns.length > width) return undefined;
  const range = valueRange(table);
  const scale = letterScale(table);
  const line = (row: Blocks["rows"][number]): string =>
    columns
      .map((column) => {
        const { own, others } = blockContent(all, row, column);
        const content = own[0] ?? others[0] ?? { text: UNKNOWN, value: null };
        if (content.value === null || range === null) return paint.dim(content.text.slice(0, 1));
        return paint.heat(heatStep(content.value, range.best, range.worst), scale.letterOf(content.value));
      })
      .join("");
  const body = rows.map(
    (row, r) => `${pad(fit(labels[r] ?? "", labelWidth), labelWidth, "left")}  ${line(row)}`,
  );
  const first = columns[0];
  const last = columns.at(-1);
  const across = `columns, left to right: ${first?.label ?? ""} … ${last?.label ?? ""}`;
  return [
    ...body,
    "",
    ...wrapText(across, width, 2),
    ...wrapText(scale.key, width, 6),
    ...legend(table, false, width),
  ];
}

/** Letters for values, best first: one a value when there are few, else one a step of the scale. */
function letterScale(table: CellTable): { readonly key: string; letterOf(value: number): string } {
  const sign = table.shown === "bandwidth" ? -1 : 1;
  const known = table.texts
    .filter((text): text is CellText & { value: number } => text.value !== null)
    .sort((a, b) => (a.value - b.value) * sign);
  const texts = [...new Map(known.map((text) => [text.text, text])).values()];
  const steps = texts.length <= LETTERS.length ? texts.length : HEAT.length;
  const stepOf = new Map(texts.map((text, i) => [text.value, Math.floor((i * steps) / texts.length)]));
  const key = Array.from({ length: steps }, (_, step) => {
    const members = texts.filter((_, i) => Math.floor((i * steps) / texts.length) === step);
    return `${LETTERS[step]} ${contentText(members)}`;
  });
  return {
    key: `${key.join(" · ")} (${UNITS[table.shown]})`,
    letterOf: (value) => LETTERS[stepOf.get(value) ?? 0] ?? UNKNOWN,
  };
}
