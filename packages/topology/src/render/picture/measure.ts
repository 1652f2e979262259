/** How large each box of a picture must be, and how its boxes are broken into rows. */
import type { LinkMedium } from "../../model/facts.ts";
import { lineHeight, measure } from "./font.ts";
import type { Line, PlanNode, Rail, RailEnd, Row } from "./plan.ts";

/** Space between a box's border and what is in it. */
export const PAD = 10;
/** Space between boxes. */
export const GAP = 10;
/** How far each further box of a stack sticks out. */
export const STACK = 4;
/** Height of a line of a link with its label. */
export const LANE = 24;
/** Space for the bus of a row of devices. */
export const BUS = 14;
/** Where the text of a bus starts, right of the line up to what the devices hang on. */
export const BUS_INDENT = 50;
/** Width of the upright line of a link that joins several rows. */
export const TRUNK = 10;
/** Swatch before a link that is told in words. */
export const SWATCH = 16;
/** Widest that text makes a box; longer text is cut. */
const TEXT_MAX = 420;
/** With more columns than this, boxes stay in line also in a last row that is not full. */
const SPREAD_MAX = 4;
/** A core's square, with the gap to the next. */
export const CORE_PITCH = 11;

/** Boxes of one row of a picture. */
export interface MeasuredRow {
  readonly nodes: readonly Measured[];
  /** Natural width of each column. */
  readonly columns: readonly number[];
  readonly height: number;
  readonly grows: boolean;
  readonly bus: LinkMedium | null;
  readonly busText: readonly string[];
  /** Links with an end in this row: their lines are below it, in this order. */
  readonly lanes: readonly Rail[];
}

/** A box with the space that it needs. */
export interface Measured {
  readonly node: PlanNode;
  /** With what sticks out of a stack. */
  readonly w: number;
  readonly h: number;
  readonly headHeight: number;
  readonly rows: readonly MeasuredRow[];
  /** Links with ends in more than one row: each has an upright line on the left. */
  readonly trunks: readonly Rail[];
  /** Room on the right for labels that fit nowhere else. */
  readonly extra: number;
  readonly coreColumns: number;
}

/** Room that labels turned out to need, by the key of the box. */
export interface Room {
  /** Least width of the boxes inside, side by side. */
  readonly widths: Map<string, number>;
  /** Space on the right of the boxes inside. */
  readonly margins: Map<string, number>;
}

/** Measures a box and all in it. */
export function measureNode(node: PlanNode, room: Room): Measured {
  const coreColumns = node.cores === null ? 0 : coreColumnsOf(node.cores.count);
  const [headWidth, headHeight] = headSize(node, coreColumns);
  const sections = node.rows.map((row) => ({
    row,
    inside: row.nodes.map((one) => measureNode(one, room)),
  }));
  const aspect = node.look === "machine" ? 1.7 : 1.4;
  const widest = Math.max(
    headWidth,
    ...sections.map(({ row, inside }) =>
      sectionWidth(inside, row.wrap ? bestColumns(inside, aspect) : inside.length),
    ),
  );
  const rows = sections.flatMap(({ row, inside }) => {
    const width = row.wrap
      ? Math.max(bestColumns(inside, aspect), fittingColumns(inside, widest))
      : inside.length;
    return chunks(inside, width).map((part, i, all) =>
      // A last row that is not full is spread over the width where there are few columns; many are kept in line.
      measuredRow(
        part,
        i === 0 ? row : { ...row, busText: [] },
        part.length < width && width <= SPREAD_MAX ? part.map((one) => one.w) : columnWidths(all),
      ),
    );
  });
  const laned = rows.map((row) => ({ ...row, lanes: lanesOf(row, node.rails) }));
  const trunks = node.rails.filter((rail) => laned.filter((row) => row.lanes.includes(rail)).length > 1);
  const extra = room.margins.get(node.key) ?? 0;
  const inner = Math.max(room.widths.get(node.key) ?? 0, headWidth, footWidth(node), ...laned.map(rowWidth));
  const bare = node.look === "machine";
  const pad = bare ? 0 : PAD;
  const sticks = node.copies > 1 ? 2 * STACK : 0;
  const body = laned.reduce((sum, row, i) => sum + rowSpace(row, i === laned.length - 1), 0);
  return {
    node,
    w: inner + extra + trunks.length * TRUNK + 2 * pad + sticks,
    h: headHeight + (headHeight > 0 && body > 0 ? HEAD_GAP : 0) + body + footHeight(node) + 2 * pad + sticks,
    headHeight,
    rows: laned,
    trunks,
    extra,
    coreColumns,
  };
}

/** Up to 16 cores in one row, more of them in a block. */
function coreColumnsOf(count: number): number {
  return count <= 16 ? count : Math.ceil(Math.sqrt(count * 3));
}

/** Space between the texts of a box and the boxes in it. */
export const HEAD_GAP = 8;

function headSize(node: PlanNode, coreColumns: number): [width: number, height: number] {
  const width = Math.ceil(
    Math.max(0, ...node.lines.map((line) => Math.min(TEXT_MAX, measure(line.text, line.style)))),
  );
  const height = node.lines.reduce((sum, line) => sum + lineHeight(line.style), 0);
  if (node.cores === null) return [width, height];
  const grid = Math.ceil(node.cores.count / coreColumns) * CORE_PITCH;
  return [Math.max(width, coreColumns * CORE_PITCH), height + 6 + grid];
}

function footWidth({ notes }: PlanNode): number {
  return Math.ceil(
    Math.max(0, ...notes.map((note) => Math.min(TEXT_MAX, measure(note.text, "small") + SWATCH))),
  );
}

/** Height of the links told in words. */
export function footHeight({ notes }: PlanNode): number {
  return notes.length === 0 ? 0 : notes.length * lineHeight("small") + 6;
}

function measuredRow(nodes: readonly Measured[], row: Row, columns: readonly number[]): MeasuredRow {
  return {
    nodes,
    columns,
    height: Math.max(...nodes.map((one) => one.h)),
    grows: row.grows,
    bus: row.bus,
    busText: row.busText,
    lanes: [],
  };
}

/** Width of each column over all rows of a section, so that they line up. */
function columnWidths(rows: readonly (readonly Measured[])[]): number[] {
  return (rows[0] ?? []).map((_, c) => Math.max(...rows.map((row) => row[c]?.w ?? 0)));
}

function rowWidth({ columns, busText }: MeasuredRow): number {
  const text = Math.max(0, ...busText.map((line) => BUS_INDENT + Math.min(TEXT_MAX, measure(line, "small"))));
  return Math.max(
    text,
    columns.reduce((sum, width) => sum + width + GAP, -GAP),
  );
}

/** Height of a row with its bus above, and the lines of links and the gap below. */
export function rowSpace(row: MeasuredRow, last: boolean): number {
  return busSpace(row) + row.height + laneSpace(row) + (last ? 0 : GAP);
}

export function busSpace({ bus, busText }: MeasuredRow): number {
  return bus === null ? 0 : BUS + busText.length * lineHeight("small");
}

export function laneSpace({ lanes }: MeasuredRow): number {
  return lanes.length === 0 ? 0 : lanes.length * LANE + 6;
}

/** Links with an end in a row, those with the fewest ends first: their lines are short, and near. */
function lanesOf(row: MeasuredRow, rails: readonly Rail[]): Rail[] {
  const keys = new Set(row.nodes.map(({ node }) => node.key));
  return rails
    .filter((rail) => rail.ends.some((end: RailEnd) => keys.has(end.outer)))
    .sort((a, b) => a.ends.length - b.ends.length);
}

function sectionWidth(nodes: readonly Measured[], columns: number): number {
  return columnWidths(chunks(nodes, columns)).reduce((sum, one) => sum + one + GAP, -GAP);
}

/** How many boxes side by side fit into a width that is there anyway, in rows as equal as can be. */
function fittingColumns(nodes: readonly Measured[], width: number): number {
  let columns = nodes.length;
  while (columns > 1 && sectionWidth(nodes, columns) > width + 0.01) columns--;
  return Math.ceil(nodes.length / Math.ceil(nodes.length / columns));
}

/** What an empty place in the last row weighs against a better shape. */
const HOLE_COST = 2.5;

/** How many boxes side by side come nearest to a shape of `aspect` times as wide as high. */
function bestColumns(nodes: readonly Measured[], aspect: number): number {
  let best = 1;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let columns = 1; columns <= nodes.length; columns++) {
    const rows = chunks(nodes, columns);
    const width = columnWidths(rows).reduce((sum, one) => sum + one + GAP, 0);
    const height = rows.reduce((sum, row) => sum + Math.max(...row.map((one) => one.h)) + GAP, 0);
    // A last row that is not full leaves a hole.
    const hole = (HOLE_COST * (columns * rows.length - nodes.length)) / nodes.length;
    const cost = Math.abs(Math.log(width / height / aspect)) + hole;
    if (cost < bestCost - 1e-9) {
      best = columns;
      bestCost = cost;
    }
  }
  return best;
}

function chunks<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let i = 0; i < list.length; i += size) parts.push(list.slice(i, i + size));
  return parts;
}

/** Widths that a text may have in a box. */
export function textRoom(line: Pick<Line, "text" | "style">, room: number): number {
  return Math.min(measure(line.text, line.style), room);
}
