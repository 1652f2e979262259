/** The matrix of initiators and targets as a panel of a picture: numbers where there is room, colours anyway. */
import {
  type Blocks,
  blockContent,
  type CellText,
  cellTable,
  coarseBlocks,
  contentText,
  fineBlocks,
  type Shown,
  valueRange,
} from "../cells.ts";
import { heatStep } from "../colours.ts";
import type { Survey } from "../survey.ts";
import { CLASS_WORDS, clean, times, UNKNOWN, UNREACHABLE } from "../words.ts";
import { cut, lineHeight, measure } from "./font.ts";
import { textAt } from "./layout.ts";
import type { Box, HeatCell, PlacedText, Rect } from "./scene.ts";

/** More columns or rows than this, and cells are squares of colour without numbers. */
const NUMBERS_MAX = 20;
/** More than this, and there is a row a class and a column a kind. */
const SQUARES_MAX = 96;
/** Lines of the key of columns at most. */
const KEY_MAX = 24;
const PAD = 12;
const ROW_HEIGHT = 20;
const SQUARE = 9;
const LABEL_MAX = 190;

/** A matrix as boxes, cells and texts. */
export interface Panel {
  readonly width: number;
  readonly height: number;
  readonly box: Box;
  readonly cells: readonly HeatCell[];
}

const TITLES: Readonly<Record<Shown, string>> = {
  bandwidth: "Bandwidth in GB/s",
  latency: "Latency in ns",
  distance: "Relative distance (10 = local)",
};

/** Panels for what is known: bandwidth, latency, or relative distance, each at the origin. None for a single pair. */
export function matrixPanels(survey: Survey): Panel[] {
  const { initiators, targets } = survey.machine;
  if (initiators.length * targets.length < 2) return [];
  const panels: Panel[] = [];
  const shown = new Set<Shown>();
  for (const metric of ["bandwidth", "latency"] as const) {
    const table = cellTable(survey, metric);
    if (shown.has(table.shown) || valueRange(table) === null) continue;
    // Distances are for machines of which nothing better is known.
    if (table.shown === "distance" && shown.size > 0) continue;
    shown.add(table.shown);
    const fine = fineBlocks(survey, table);
    const small = fine !== undefined && Math.max(fine.rows.length, fine.columns.length) <= SQUARES_MAX;
    panels.push(drawPanel(small ? fine : coarseBlocks(survey, table), 0, 0));
  }
  return panels;
}

/** The same panel with its upper left corner at a point, at least so wide. */
export function movePanel(panel: Panel, x: number, y: number, width: number): Panel {
  const { box } = panel;
  const text = (one: PlacedText): PlacedText => ({ ...one, x: one.x + x, y: one.y + y });
  const rect = (one: Rect): Rect => ({ ...one, x: one.x + x, y: one.y + y });
  return {
    ...panel,
    width: Math.max(width, panel.width),
    box: { ...box, rect: { ...rect(box.rect), w: Math.max(width, box.rect.w) }, texts: box.texts.map(text) },
    cells: panel.cells.map((cell) => ({
      ...cell,
      rect: rect(cell.rect),
      text: cell.text === null ? null : text(cell.text),
    })),
  };
}

function drawPanel(blocks: Blocks, x: number, y: number): Panel {
  const { table, rows, columns } = blocks;
  const range = valueRange(table);
  const numbered = Math.max(rows.length, columns.length) <= NUMBERS_MAX;
  const texts: PlacedText[] = [];
  const cells: HeatCell[] = [];
  const write = (
    text: string,
    style: "title" | "small",
    faint: boolean,
    left: number,
    top: number,
    room: number,
  ): void => {
    texts.push(textAt(text, style, faint, left, top, room));
  };
  const labels = rows.map((row) => {
    const initiator = table.initiators[row.places[0]];
    const word = initiator === undefined ? "" : CLASS_WORDS[initiator.class];
    return clean(times(row.places.length, `${word} ${row.name}`), 60);
  });
  const contents = rows.map((row) => columns.map((column) => cellOf(blocks, row, column)));
  const labelWidth = Math.min(LABEL_MAX, Math.max(...labels.map((label) => measure(label, "small"))));
  const cellWidth = numbered
    ? Math.max(26, ...contents.flat().map((cell) => measure(cell.text, "small") + 10))
    : SQUARE;
  const cellHeight = numbered ? ROW_HEIGHT : SQUARE;
  const showLabels = numbered || rows.length <= 48;
  const gridX = x + PAD + (showLabels ? labelWidth + 8 : 0);
  const title = TITLES[table.shown];
  const note = numbered ? "rows reach columns" : `${rows.length} rows reach ${columns.length} columns`;
  let top = y + PAD;
  const width = Math.max(
    gridX - x + columns.length * cellWidth + PAD,
    measure(title, "title") + 2 * PAD,
    measure(note, "small") + 2 * PAD,
    260,
  );
  write(title, "title", false, x + PAD, top, width - 2 * PAD);
  top += lineHeight("title");
  write(note, "small", true, x + PAD, top, width - 2 * PAD);
  top += lineHeight("small") + 4;
  if (numbered) {
    columns.forEach((_, c) => {
      const text = String(c);
      write(
        text,
        "small",
        true,
        gridX + c * cellWidth + (cellWidth - measure(text, "small")) / 2,
        top,
        cellWidth,
      );
    });
    top += lineHeight("small");
  }
  rows.forEach((_, r) => {
    const rowTop = top + r * cellHeight;
    if (showLabels && (numbered || r % 2 === 0)) {
      const text = cut(labels[r] ?? "", "small", labelWidth);
      write(
        text,
        "small",
        false,
        x + PAD + labelWidth - measure(text, "small"),
        rowTop + cellHeight / 2 - 6,
        labelWidth + 1,
      );
    }
    columns.forEach((column, c) => {
      const cell = contents[r]?.[c] ?? { text: UNKNOWN, value: null, tooltip: "" };
      const rect = { x: gridX + c * cellWidth, y: rowTop, w: cellWidth - 1, h: cellHeight - 1 };
      const step =
        cell.value !== null && range !== null
          ? heatStep(cell.value, range.best, range.worst)
          : cell.text === UNREACHABLE
            ? -1
            : null;
      const left = rect.x + (rect.w - measure(cell.text, "small")) / 2;
      cells.push({
        rect,
        step,
        text: numbered ? textAt(cell.text, "small", false, left, rowTop + 3.5, rect.w) : null,
        tooltip: `${labels[r]} → ${column.label}: ${cell.tooltip}`,
      });
    });
  });
  top += rows.length * cellHeight + 8;
  for (const line of columnsOf(keyLines(blocks, numbered), width - 2 * PAD)) {
    line.forEach((text, c) => {
      const room = (width - 2 * PAD) / line.length;
      write(text, "small", true, x + PAD + c * room, top, room - 4);
    });
    top += lineHeight("small");
  }
  for (const line of signLines(blocks, numbered, width - 2 * PAD)) {
    write(line, "small", true, x + PAD, top, width - 2 * PAD);
    top += lineHeight("small");
  }
  const height = top - y + PAD - 4;
  const box: Box = {
    key: `panel.${table.shown}`,
    parent: null,
    rect: { x, y, w: width, h: height },
    look: "panel",
    kind: null,
    stacked: false,
    tooltip: "",
    texts,
    cores: null,
  };
  return { width, height, box, cells };
}

interface PanelCell {
  readonly text: string;
  readonly value: number | null;
  readonly tooltip: string;
}

/** What a cell says: one text, or that of own memory and that of the others. */
function cellOf(blocks: Blocks, row: Blocks["rows"][number], column: Blocks["columns"][number]): PanelCell {
  const { own, others } = blockContent(blocks, row, column);
  const value = (contents: readonly CellText[]): number | null =>
    contents.length === 1 ? (contents[0]?.value ?? null) : null;
  const [a, b] = [contentText(own), contentText(others)];
  if (a === "" || a === b) return { text: b, value: value(others), tooltip: b };
  if (b === "") return { text: a, value: value(own), tooltip: a };
  return { text: `${a} / ${b}`, value: value(own), tooltip: `${a} own memory, ${b} that of the others` };
}

/** What the columns are. */
function keyLines({ columns }: Blocks, numbered: boolean): string[] {
  if (!numbered) return [`columns: ${columns[0]?.label ?? ""} … ${columns.at(-1)?.label ?? ""}`];
  return columns.slice(0, KEY_MAX).map((column, c) => `${c}: ${column.label}`);
}

/** Lines in as many columns as fit, filled from above to below. */
function columnsOf(lines: readonly string[], width: number): string[][] {
  const widest = Math.max(...lines.map((line) => measure(line, "small"))) + 16;
  const columns = Math.max(1, Math.min(Math.floor(width / widest), Math.ceil(lines.length / 3)));
  const height = Math.ceil(lines.length / columns);
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: columns }, (__, c) => lines[c * height + row] ?? ""),
  );
}

/** What the signs in the cells mean, in lines of at most a width. */
function signLines({ table, rows }: Blocks, numbered: boolean, width: number): string[] {
  if (!numbered) return [];
  const used = new Set(table.codes);
  const starts = (mark: string): boolean => table.texts.some((text) => text.text.startsWith(mark));
  const signs = [
    used.has(1) ? `${UNKNOWN} unknown` : "",
    used.has(0) ? `${UNREACHABLE} out of reach` : "",
    starts("≤") ? "≤ at most" : "",
    starts("≥") ? "≥ at least" : "",
    starts("~") ? "~ estimated from the distance" : "",
    rows.some((row) => row.places.length > 1) ? "a / b own memory / that of the others" : "",
  ].filter((text) => text !== "");
  const lines: string[] = [];
  for (const sign of signs) {
    const last = lines.at(-1);
    const joined = `${last}; ${sign}`;
    if (last !== undefined && measure(joined, "small") <= width) lines[lines.length - 1] = joined;
    else lines.push(sign);
  }
  return lines;
}
