/** The lines of links between the boxes of one box, their ends and their labels: none crosses a text. */
import { measure } from "./font.ts";
import { LANE, type Measured, TRUNK } from "./measure.ts";
import { textAt } from "./place-text.ts";
import type { Rail, RailEnd } from "./plan.ts";
import type { Box, Label, Mark, Rect, Wire } from "./scene.ts";

const LABEL_HEIGHT = 17;
const LABEL_PAD = 6;
/** Space between a label and a line that passes it. */
const CLEARANCE = 5;

/** An end of a link where it leaves its box. */
interface Tap {
  readonly rail: Rail;
  readonly row: number;
  readonly x: number;
  /** Where it leaves the box. */
  readonly y: number;
}

/** Draws the links of one box. */
export class Router {
  readonly wires: Wire[] = [];
  readonly marks: Mark[] = [];
  readonly labels: Label[] = [];
  /** Room on the right that labels lack. */
  missing = 0;
  readonly #measured: Measured;
  readonly #boxes: readonly Box[];
  readonly #innerLabels: readonly Label[];
  readonly #rects: ReadonlyMap<string, Rect>;
  readonly #bottoms: readonly number[];
  readonly #area: Rect;
  readonly #taps: readonly Tap[];

  constructor(
    measured: Measured,
    placed: { readonly boxes: readonly Box[]; readonly labels: readonly Label[] },
    rects: ReadonlyMap<string, Rect>,
    bottoms: readonly number[],
    area: Rect,
  ) {
    this.#measured = measured;
    this.#boxes = placed.boxes;
    this.#innerLabels = placed.labels;
    this.#rects = rects;
    this.#bottoms = bottoms;
    this.#area = area;
    this.#taps = this.#findTaps();
    for (const rail of measured.node.rails) this.#draw(rail);
  }

  #findTaps(): Tap[] {
    const rowOf = new Map<string, number>();
    this.#measured.rows.forEach((row, r) => {
      for (const { node } of row.nodes) rowOf.set(node.key, r);
    });
    const wanted = this.#measured.node.rails.flatMap((rail) => {
      // Where one of the boxes meant inside another cannot be reached, the line goes to the outer one, once.
      const hidden = new Set(rail.ends.filter((end) => !this.#visible(end)).map((end) => end.outer));
      const keys = rail.ends.map((end) => ({
        rail,
        key: hidden.has(end.outer) ? end.outer : end.inner,
        row: rowOf.get(end.outer) ?? 0,
      }));
      return [...new Map(keys.map((one) => [one.key, one])).values()];
    });
    const perBox = new Map<string, Rail[]>();
    for (const { rail, key } of wanted) perBox.set(key, [...(perBox.get(key) ?? []), rail]);
    const taps: Tap[] = [];
    for (const { rail, key, row } of wanted) {
      const rect = this.#rects.get(key);
      const sharing = perBox.get(key) ?? [rail];
      if (rect === undefined) continue;
      const x = rect.x + (rect.w * (sharing.indexOf(rail) + 1)) / (sharing.length + 1);
      taps.push({ rail, row, x, y: rect.y + rect.h });
    }
    return taps;
  }

  /** Whether the way down from the inner box of an end is free. */
  #visible(end: RailEnd): boolean {
    const [inner, outer] = [this.#rects.get(end.inner), this.#rects.get(end.outer)];
    if (inner === undefined || outer === undefined || end.inner === end.outer) return true;
    const [left, right] = [inner.x, inner.x + inner.w];
    const inTheWay = ({ x, y, w, h }: Rect): boolean =>
      y + h > inner.y + inner.h && y < outer.y + outer.h && x < right && x + w > left;
    const blocked = this.#boxes.some(
      ({ rect, texts }) =>
        (rect.y >= inner.y + inner.h && inTheWay(rect)) ||
        texts.some((text) => inTheWay({ x: text.x, y: text.y - 8, w: text.width, h: 10 })),
    );
    return !blocked && !this.#innerLabels.some((label) => inTheWay(label.rect));
  }

  #laneY(rail: Rail, row: number): number {
    const lanes = this.#measured.rows[row]?.lanes ?? [];
    return (this.#bottoms[row] ?? 0) + 6 + lanes.indexOf(rail) * LANE + LANE / 2;
  }

  #draw(rail: Rail): void {
    const taps = this.#taps.filter((tap) => tap.rail === rail);
    const rows = [...new Set(taps.map((tap) => tap.row))].sort((a, b) => a - b);
    const trunk = this.#measured.trunks.indexOf(rail);
    const trunkX = trunk < 0 || rows.length < 2 ? null : this.#area.x - (trunk + 0.5) * TRUNK;
    const labelRow = rows.reduce(
      (best, row) => (count(taps, row) > count(taps, best) ? row : best),
      rows[0] ?? 0,
    );
    const weight = weightOf(rail);
    const wire = (points: Wire["points"]): void => {
      this.wires.push({ points, medium: rail.medium, weight, tooltip: rail.tooltip });
    };
    for (const row of rows) {
      const y = this.#laneY(rail, row);
      const xs = taps.filter((tap) => tap.row === row).map((tap) => tap.x);
      const right = row === labelRow ? this.#label(rail, row, xs, trunkX, y) : Math.max(...xs);
      wire([
        [trunkX ?? Math.min(...xs), y],
        [Math.max(right, ...xs), y],
      ]);
    }
    for (const tap of taps) {
      wire([
        [tap.x, tap.y],
        [tap.x, this.#laneY(rail, tap.row)],
      ]);
      this.marks.push({ x: tap.x, y: tap.y, medium: rail.medium });
      this.marks.push({ x: tap.x, y: this.#laneY(rail, tap.row), medium: rail.medium });
    }
    const [top, bottom] = [rows[0] ?? 0, rows.at(-1) ?? 0];
    if (trunkX !== null) {
      wire([
        [trunkX, this.#laneY(rail, top)],
        [trunkX, this.#laneY(rail, bottom)],
      ]);
    }
  }

  /** Puts the label where no line passes; returns where the rail must reach. */
  #label(rail: Rail, row: number, xs: readonly number[], trunkX: number | null, y: number): number {
    const width = measure(rail.text, "small") + 2 * LABEL_PAD;
    const lanes = this.#measured.rows[row]?.lanes ?? [];
    // Taps of lanes further down pass this one.
    const passing = this.#taps.filter(
      (tap) => tap.row === row && lanes.indexOf(tap.rail) >= lanes.indexOf(rail),
    );
    // Left of the area there are the upright lines of other links.
    const [from, to] = [trunkX === null ? Math.min(...xs) : this.#area.x, Math.max(...xs)];
    const walls = [from, to, ...passing.map((tap) => tap.x).filter((x) => x > from && x < to)].sort(
      (a, b) => a - b,
    );
    let x: number | undefined;
    let widest = 0;
    walls.forEach((wall, i) => {
      const room = (walls[i + 1] ?? wall) - wall;
      if (room >= width + 2 * CLEARANCE && room > widest) {
        widest = room;
        x = wall + (room - width) / 2;
      }
    });
    x ??= Math.max(to, ...passing.map((tap) => tap.x)) + 2 * CLEARANCE;
    const limit = this.#area.x + this.#area.w + this.#measured.extra;
    this.missing = Math.max(this.missing, x + width - limit);
    const rect: Rect = { x, y: y - LABEL_HEIGHT / 2, w: width, h: LABEL_HEIGHT };
    const text = textAt(rail.text, "small", false, x + LABEL_PAD, y - 6.5, width, "middle");
    this.labels.push({ rect, text, medium: rail.medium, tooltip: rail.tooltip });
    return x + width / 2;
  }
}

function count(taps: readonly Tap[], row: number): number {
  return taps.filter((tap) => tap.row === row).length;
}

/** A wider line for more bandwidth: 1 GB/s, 1 TB/s, by tens. */
function weightOf({ bandwidth }: Rail): number {
  if (bandwidth === null) return 1.5;
  return Math.min(5, Math.max(1.5, 1.5 + Math.log10(bandwidth / 1e9)));
}
