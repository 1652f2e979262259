/** Puts the boxes of a picture in their places, and the lines of links between them. */
import { lineHeight } from "./font.ts";
import {
  BUS,
  BUS_INDENT,
  busSpace,
  CORE_PITCH,
  footHeight,
  GAP,
  HEAD_GAP,
  laneSpace,
  type Measured,
  type MeasuredRow,
  measureNode,
  PAD,
  type Room,
  STACK,
  SWATCH,
  TRUNK,
} from "./measure.ts";
import { textAt } from "./place-text.ts";
import type { PlanNode } from "./plan.ts";
import { Router } from "./route.ts";
import type { Box, CoreGrid, Label, Mark, PlacedText, Rect, Sign, Wire } from "./scene.ts";

/** What the layout of a tree of boxes makes. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly wires: readonly Wire[];
  readonly marks: readonly Mark[];
  readonly labels: readonly Label[];
  readonly signs: readonly Sign[];
}

/** Tries to find room for all labels. */
const ATTEMPTS_MAX = 6;
/** The first of them make boxes wider. */
const WIDENINGS = 3;

/** Lays out a box and all in it, its upper left corner at a point. */
export function layOut(root: PlanNode, x: number, y: number): Layout {
  const room: Room = { widths: new Map(), margins: new Map() };
  for (let attempt = 1; ; attempt++) {
    const measured = measureNode(root, room);
    const placer = new Placer(measured, x, y);
    if (placer.missing.size === 0 || attempt === ATTEMPTS_MAX) {
      return {
        width: measured.w,
        height: measured.h,
        boxes: placer.boxes,
        wires: placer.wires,
        marks: placer.marks,
        labels: placer.labels,
        signs: placer.signs,
      };
    }
    // At first wider boxes, so that labels fit between the ends of their links; then space beside the boxes.
    const { widths, margins } = room;
    for (const [key, { lacks, width }] of placer.missing) {
      if (attempt <= WIDENINGS) widths.set(key, width + lacks);
      else margins.set(key, (margins.get(key) ?? 0) + lacks);
    }
  }
}

class Placer {
  readonly boxes: Box[] = [];
  readonly wires: Wire[] = [];
  readonly marks: Mark[] = [];
  readonly labels: Label[] = [];
  readonly signs: Sign[] = [];
  /** Room that labels lack, and the width that there is, by the key of the box. */
  readonly missing = new Map<string, { readonly lacks: number; readonly width: number }>();
  readonly #rects = new Map<string, Rect>();

  constructor(root: Measured, x: number, y: number) {
    this.#place(root, null, { x, y, w: root.w, h: root.h });
  }

  #place(measured: Measured, parent: string | null, outer: Rect): void {
    const { node } = measured;
    const sticks = node.copies > 1 ? 2 * STACK : 0;
    const rect: Rect = { x: outer.x, y: outer.y, w: outer.w - sticks, h: outer.h - sticks };
    this.#rects.set(node.key, rect);
    const pad = node.look === "machine" ? 0 : PAD;
    const texts: PlacedText[] = [];
    let y = rect.y + pad;
    for (const line of node.lines) {
      texts.push(textAt(line.text, line.style, line.faint === true, rect.x + pad, y, rect.w - 2 * pad));
      y += lineHeight(line.style);
    }
    const box: Box = {
      key: node.key,
      parent,
      rect,
      look: node.look,
      kind: node.kind,
      stacked: node.copies > 1,
      tooltip: [node.tooltip, ...node.notes.map((note) => note.text)]
        .filter((part) => part !== "")
        .join("\n"),
      texts: [...texts, ...this.#notes(node, rect, pad)],
      cores: coreGrid(measured, rect.x + pad, y + 6),
    };
    this.boxes.push(box);
    this.#rows(measured, {
      x: rect.x + pad + measured.trunks.length * TRUNK,
      y:
        rect.y +
        pad +
        measured.headHeight +
        (measured.headHeight > 0 && measured.rows.length > 0 ? HEAD_GAP : 0),
      w: rect.w - 2 * pad - measured.trunks.length * TRUNK - measured.extra,
      h: rect.y + rect.h - pad - footHeight(node),
    });
  }

  /** Links told in words, at the foot of their box. */
  #notes(node: PlanNode, rect: Rect, pad: number): PlacedText[] {
    const step = lineHeight("small");
    const top = rect.y + rect.h - pad - node.notes.length * step;
    return node.notes.map((note, i) => {
      const y = top + i * step;
      const indent = note.medium === null ? 0 : SWATCH;
      if (note.medium !== null) {
        this.signs.push({
          rect: { x: rect.x + pad, y: y + step / 2 - 1.5, w: 11, h: 3 },
          kind: null,
          medium: note.medium,
        });
      }
      return textAt(note.text, "small", true, rect.x + pad + indent, y, rect.w - 2 * pad - indent);
    });
  }

  /** Places the rows of a box in an area (whose `h` is its lower end), then the lines between them. */
  #rows(measured: Measured, area: Rect): void {
    const { rows, node } = measured;
    const natural = rows.reduce(
      (sum, row, i) => sum + busSpace(row) + row.height + laneSpace(row) + (i === rows.length - 1 ? 0 : GAP),
      0,
    );
    const growing = rows.filter((row) => row.grows).length;
    const spare = growing === 0 ? 0 : Math.max(0, area.h - area.y - natural) / growing;
    const bottoms: number[] = [];
    const busTexts: PlacedText[] = [];
    let y = area.y;
    let bus: Bus | null = null;
    rows.forEach((row, i) => {
      const height = row.height + (row.grows ? spare : 0);
      row.busText.forEach((text, t) => {
        const top = y + t * lineHeight("small") - GAP / 2;
        busTexts.push(textAt(text, "small", true, area.x + BUS_INDENT, top, area.w - BUS_INDENT));
      });
      y += busSpace(row);
      this.#row(row, node.key, { x: area.x, y, w: area.w, h: height });
      if (row.bus !== null) bus = this.#bus(row, y - BUS / 2 - GAP / 4, bus, rows[i - 1]) ?? bus;
      bottoms.push(y + height);
      y += height + laneSpace(row) + GAP;
    });
    this.#addTexts(node.key, busTexts);
    if (node.rails.length === 0) return;
    const router = new Router(measured, this, this.#rects, bottoms, area);
    this.wires.push(...router.wires);
    this.marks.push(...router.marks);
    this.labels.push(...router.labels);
    if (router.missing > 0) this.missing.set(node.key, { lacks: router.missing, width: area.w });
  }

  #addTexts(key: string, texts: readonly PlacedText[]): void {
    const at = this.boxes.findIndex((box) => box.key === key);
    const box = this.boxes[at];
    if (box !== undefined && texts.length > 0) this.boxes[at] = { ...box, texts: [...box.texts, ...texts] };
  }

  #row(row: MeasuredRow, parent: string, area: Rect): void {
    const natural = row.columns.reduce((sum, width) => sum + width + GAP, -GAP);
    const spare = Math.max(0, area.w - natural) / row.columns.length;
    let x = area.x;
    row.nodes.forEach((one, c) => {
      const width = (row.columns[c] ?? one.w) + Math.min(spare, mayGrow(one));
      this.#place(one, parent, { x, y: area.y, w: width, h: one.node.look === "device" ? one.h : area.h });
      x += width + GAP;
    });
  }

  /** The line above a row of devices, with a tap down to each and one up to what they hang on. */
  #bus(row: MeasuredRow, y: number, above: Bus | null, rowAbove: MeasuredRow | undefined): Bus | null {
    const medium = row.bus ?? "unknown";
    const tops = row.nodes.map(({ node }) => this.#rects.get(node.key)).filter((rect) => rect !== undefined);
    const [first] = tops;
    if (first === undefined) return null;
    const centre = (rect: Rect): number => rect.x + Math.min(rect.w / 2, 40);
    const wire = (...points: Wire["points"]): void => {
      this.wires.push({ points, medium, weight: 1.5, tooltip: "" });
    };
    const x = centre(first);
    const host = rowAbove?.nodes[0];
    const hostRect =
      host === undefined || rowAbove?.lanes.length !== 0 ? undefined : this.#rects.get(host.node.key);
    // A single device that hangs on nothing drawn needs no line.
    if (above === null && hostRect === undefined && tops.length === 1) return null;
    wire([x, y], [centre(tops.at(-1) ?? first), y]);
    for (const rect of tops) wire([centre(rect), y], [centre(rect), rect.y]);
    if (above !== null) {
      // Round the row above, on its left.
      const trunk = first.x - PAD / 2;
      wire([above.x, above.y], [trunk, above.y], [trunk, y], [x, y]);
    } else if (hostRect !== undefined) {
      wire([x, hostRect.y + hostRect.h], [x, y]);
    }
    return { x, y };
  }
}

/** Where the line above a row of devices starts. */
interface Bus {
  readonly x: number;
  readonly y: number;
}

/** Devices may be made this wide, to line up. */
const DEVICE_WIDTH = 260;

/** How much wider than it needs a box may become. */
function mayGrow({ node, w }: Measured): number {
  return node.look === "device" || node.look === "more"
    ? Math.max(w * 0.5, DEVICE_WIDTH - w)
    : Number.POSITIVE_INFINITY;
}

function coreGrid({ node, coreColumns }: Measured, x: number, y: number): CoreGrid | null {
  if (node.cores === null) return null;
  return { x, y, columns: coreColumns, pitch: CORE_PITCH, count: node.cores.count, small: node.cores.small };
}
