/** The matrix of initiators and targets as a panel of a picture: numbers where there is room, colours anyway. */

import { formatBandwidth, formatLatency } from "../../model/units.ts";
import {
  type Blocks,
  blockContent,
  type CellTable,
  type CellText,
  cellTable,
  coarseBlocks,
  contentText,
  fineBlocks,
  type Shown,
  valueRange,
} from "../cells.ts";
import { HEAT, heatStep } from "../colours.ts";
import type { Survey } from "../survey.ts";
import { CLASS_WORDS, clean, times, UNKNOWN, UNREACHABLE } from "../words.ts";
import { cut, lineHeight, measure } from "./font.ts";
import { textAt } from "./place-text.ts";
import type { Box, HeatCell, PlacedText, Rect } from "./scene.ts";

const METRICS = ["bandwidth", "latency"] as const;
/** Of more pairs than this there is one panel only: nobody tells so many apart, and each takes its time. */
const PAIRS_MAX = 500_000;
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
const LABEL_GAP = 8;
/** Squares of more rows than this have no labels. */
const LABELS_MAX = 48;
/** Least width of what is in a panel. */
const PANEL_MIN = 236;

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
  const metrics = initiators.length * targets.length > PAIRS_MAX ? METRICS.slice(0, 1) : METRICS;
  const tables = metrics
    .map((metric) => cellTable(survey, metric))
    .filter((table) => valueRange(table) !== null);
  // Distances are for machines of which nothing better is known, and then once.
  const better = tables.filter((table) => table.shown !== "distance");
  return (better.length > 0 ? better : tables.slice(0, 1)).map((table) => {
    const fine = fineBlocks(survey, table);
    const small = fine !== undefined && Math.max(fine.rows.length, fine.columns.length) <= SQUARES_MAX;
    return new PanelDrawing(small ? fine : coarseBlocks(survey, table)).draw();
  });
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

/** A matrix being drawn, its upper left corner at the origin. */
class PanelDrawing {
  readonly #blocks: Blocks;
  readonly #numbered: boolean;
  readonly #labels: readonly string[];
  readonly #contents: readonly (readonly PanelCell[])[];
  readonly #texts: PlacedText[] = [];
  readonly #cells: HeatCell[] = [];
  readonly #labelWidth: number;
  readonly #cellWidth: number;
  readonly #width: number;
  /** How far down it is drawn. */
  #top = PAD;

  constructor(blocks: Blocks) {
    const { table, rows, columns } = blocks;
    this.#blocks = blocks;
    this.#numbered = Math.max(rows.length, columns.length) <= NUMBERS_MAX;
    this.#labels = rows.map((row) => {
      const initiator = table.initiators[row.places[0]];
      const word = initiator === undefined ? "" : CLASS_WORDS[initiator.class];
      return clean(times(row.places.length, `${word} ${row.name}`), 60);
    });
    this.#contents = rows.map((row) => columns.map((column) => cellOf(blocks, row, column)));
    const labelled = this.#numbered || rows.length <= LABELS_MAX;
    this.#labelWidth = labelled ? Math.min(LABEL_MAX, widest(this.#labels)) : 0;
    const texts = this.#contents.flatMap((row) => row.map((cell) => cell.text));
    this.#cellWidth = this.#numbered ? Math.max(26, widest(texts) + 10) : SQUARE;
    const grid = this.#labelWidth + LABEL_GAP + columns.length * this.#cellWidth;
    this.#width = Math.max(grid, PANEL_MIN) + 2 * PAD;
  }

  draw(): Panel {
    const { table } = this.#blocks;
    this.#line(TITLES[table.shown], "title", false);
    this.#line("rows reach columns", "small", true);
    this.#top += 4;
    if (this.#numbered) this.#columnNumbers();
    this.#grid();
    this.#key();
    const height = this.#top + PAD - 4;
    const box: Box = {
      key: `panel.${table.shown}`,
      parent: null,
      rect: { x: 0, y: 0, w: this.#width, h: height },
      look: "panel",
      kind: null,
      stacked: false,
      tooltip: "",
      texts: this.#texts,
      cores: null,
    };
    return { width: this.#width, height, box, cells: this.#cells };
  }

  #line(text: string, style: "title" | "small", faint: boolean): void {
    this.#texts.push(textAt(text, style, faint, PAD, this.#top, this.#width - 2 * PAD));
    this.#top += lineHeight(style);
  }

  #columnX(column: number): number {
    return PAD + this.#labelWidth + LABEL_GAP + column * this.#cellWidth;
  }

  #columnNumbers(): void {
    this.#blocks.columns.forEach((_, c) => {
      const number = centred(String(c), true, this.#columnX(c), this.#top, this.#cellWidth);
      this.#texts.push(number);
    });
    this.#top += lineHeight("small");
  }

  #grid(): void {
    const { table, columns } = this.#blocks;
    const range = valueRange(table);
    const height = this.#numbered ? ROW_HEIGHT : SQUARE;
    this.#labels.forEach((label, r) => {
      const top = this.#top + r * height;
      this.#rowLabel(label, r, top + height / 2 - 6.5);
      columns.forEach((column, c) => {
        const { text, value, tooltip } = this.#contents[r]?.[c] ?? NO_CELL;
        const rect = { x: this.#columnX(c), y: top, w: this.#cellWidth - 1, h: height - 1 };
        const known = value !== null && range !== null;
        this.#cells.push({
          rect,
          step: known ? heatStep(value, range.best, range.worst) : text === UNREACHABLE ? -1 : null,
          text: this.#numbered ? centred(text, false, rect.x, top + 3, rect.w) : null,
          tooltip: `${label} → ${column.label}: ${tooltip}`,
        });
      });
    });
    this.#top += this.#labels.length * height + 8;
  }

  #rowLabel(label: string, row: number, top: number): void {
    // Squares are less high than text: every other row has a label.
    if (this.#labelWidth === 0 || (!this.#numbered && row % 2 === 1)) return;
    const text = cut(label, "small", this.#labelWidth);
    const x = PAD + this.#labelWidth - measure(text, "small");
    this.#texts.push(textAt(text, "small", false, x, top, this.#labelWidth + 1, "right"));
  }

  /** What the colours of squares stand for: the best, the steps between, the worst. */
  #scale(): void {
    const { table } = this.#blocks;
    const range = valueRange(table);
    if (range === null) return;
    const text = (value: number): string => valueText(table, value);
    const [best, worst] = [text(range.best), text(range.worst)];
    this.#texts.push(textAt(best, "small", false, PAD, this.#top, 80));
    let x = PAD + measure(best, "small") + 6;
    HEAT.forEach((_, step) => {
      this.#cells.push({ rect: { x, y: this.#top + 1, w: 13, h: 11 }, step, text: null, tooltip: "" });
      x += 14;
    });
    this.#texts.push(textAt(worst, "small", false, x + 5, this.#top, 80));
    this.#top += lineHeight("small") + 2;
  }

  #key(): void {
    const room = this.#width - 2 * PAD;
    if (!this.#numbered) this.#scale();
    for (const line of columnsOf(keyLines(this.#blocks, this.#numbered), room)) {
      const each = room / line.length;
      line.forEach((text, c) => {
        this.#texts.push(textAt(text, "small", true, PAD + c * each, this.#top, each - 4));
      });
      this.#top += lineHeight("small");
    }
    const twofold = this.#contents.some((row) => row.some((cell) => cell.text.includes(" / ")));
    for (const line of signLines(this.#blocks, twofold, room)) this.#line(line, "small", true);
  }
}

function valueText({ shown }: CellTable, value: number): string {
  if (shown === "bandwidth") return formatBandwidth(value);
  return shown === "latency" ? formatLatency(value) : String(value);
}

const NO_CELL: PanelCell = { text: UNKNOWN, value: null, tooltip: "" };

function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, measure(text, "small")), 0);
}

function centred(text: string, faint: boolean, x: number, y: number, width: number): PlacedText {
  return textAt(text, "small", faint, x + (width - measure(text, "small")) / 2, y, width, "middle");
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
  return {
    text: `${a} / ${b}`,
    value: value(own) ?? value(others),
    tooltip: `${a} own memory, ${b} that of the others`,
  };
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
function signLines({ table }: Blocks, twofold: boolean, width: number): string[] {
  const used = new Set(table.codes);
  const starts = (mark: string): boolean => table.texts.some((text) => text.text.startsWith(mark));
  const signs = [
    used.has(1) ? `${UNKNOWN} unknown` : "",
    used.has(0) ? `${UNREACHABLE} out of reach` : "",
    starts("≤") ? "≤ at most" : "",
    starts("≥") ? "≥ at least" : "",
    starts("~") ? "~ estimated from the distance" : "",
    twofold ? "a / b own memory / that of the others" : "",
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
