import { FRAME, round, type Span, xOf } from "./charts.ts";
import { escapeMarkup } from "./clean.ts";
import { type Recording, type Snapshot, UNTOUCHED } from "./recording.ts";

/** Pieces that all maps together draw at most; beyond that, times between are left out. */
const PIECES_MAX = 60_000;
const ROW_HEIGHT_MIN = 2;
const MAP_HEIGHT = 120;
const MAP_HEIGHT_MIN = 28;

/** A region's columns over time. */
export interface RegionColumns {
  readonly region: number;
  readonly rows: number;
  /** Cells by snapshot; empty where the region was not there. */
  readonly columns: readonly string[];
}

/** The columns of each region that is drawn. */
export function columnsOf(snapshots: readonly Snapshot[], regions: readonly number[]): RegionColumns[] {
  return regions.map((region) => {
    const columns = snapshots.map(
      ({ strips }) => strips.find((strip) => strip.region === region)?.cells ?? "",
    );
    return { region, columns, rows: Math.max(1, ...columns.map((cells) => cells.length)) };
  });
}

/** Fewer snapshots where all of them would make too large a picture. */
export function thinned(recording: Recording, regions: number, cellsMax: number): readonly Snapshot[] {
  let { snapshots } = recording;
  while (snapshots.length > 2 && snapshots.length * regions * cellsMax > PIECES_MAX * 4)
    snapshots = snapshots.filter((_, i) => i % 2 === 0);
  return snapshots;
}

export function mapHeight({ rows }: RegionColumns): number {
  return Math.max(MAP_HEIGHT_MIN, Math.min(MAP_HEIGHT, rows * Math.max(ROW_HEIGHT_MIN, 3)));
}

/** Where the pages of a region were over time: time to the right, addresses downwards. */
export function mapSvg(
  columns: RegionColumns,
  when: readonly number[],
  span: Span,
  looks: readonly string[],
  name: string,
): string {
  const height = mapHeight(columns);
  const paths = new Map<string, string>();
  const edge = (i: number): number => xOf(when[i] ?? span.to, span);
  const rowHeight = height / columns.rows;
  for (let row = 0; row < columns.rows; row++) {
    for (let i = 0; i < columns.columns.length; ) {
      const letter = columns.columns[i]?.[row];
      let end = i + 1;
      while (end < columns.columns.length && columns.columns[end]?.[row] === letter) end++;
      if (letter !== undefined) {
        const x = edge(i);
        const d = `M${round(x)} ${round(row * rowHeight)}h${round(edge(end) - x)}v${round(rowHeight)}H${round(x)}z`;
        paths.set(letter, (paths.get(letter) ?? "") + d);
      }
      i = end;
    }
  }
  const drawn = [...paths]
    .map(([letter, d]) => `<path class="cell ${lookOf(letter, looks)}" d="${d}"/>`)
    .join("");
  return `<svg class="map" data-region="${columns.region}" viewBox="0 0 ${FRAME.width} ${height}" role="img" aria-label="where the pages of ${escapeMarkup(name)} were">${drawn}<line class="cursor" y1="0" y2="${height}"/></svg>`;
}

function lookOf(letter: string, looks: readonly string[]): string {
  return letter === UNTOUCHED ? "untouched" : (looks[letter.charCodeAt(0) - 48] ?? "other");
}
