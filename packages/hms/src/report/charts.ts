import { escapeMarkup } from "./clean.ts";

/** Where charts lie on the page: the same for all, so that one time is one place. */
export const FRAME = { width: 1040, left: 74, right: 14 } as const;
const INNER = FRAME.width - FRAME.left - FRAME.right;

/** A stretch of time, nanoseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Where a point of time is, in units of the picture. */
export function xOf(when: number, { from, to }: Span): number {
  const share = to > from ? (when - from) / (to - from) : 0;
  return FRAME.left + INNER * Math.min(1, Math.max(0, share));
}

/** A line, or an area below it. */
export interface Series {
  readonly name: string;
  /** A class of the style sheet, which has its colour. */
  readonly look: string;
  /** Values by the points of time of the chart; negative ones go downwards. */
  readonly values: readonly number[];
  readonly area: boolean;
}

export interface Limit {
  readonly name: string;
  readonly value: number;
  readonly look: string;
}

export interface Chart {
  readonly title: string;
  readonly note: string;
  readonly when: readonly number[];
  readonly series: readonly Series[];
  readonly limits: readonly Limit[];
  /** How a value is written. */
  readonly format: (value: number) => string;
  /** Steps of the scale go by 1024 when it counts bytes. */
  readonly binary: boolean;
  readonly height: number;
}

const TOP = 8;
const BOTTOM = 6;

/** Two decimals are finer than a screen. */
export function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A step that people like, at least as large as a value. */
function niceStep(value: number, binary: boolean): number {
  const base = binary ? 1024 : 1000;
  let scale = 1;
  while (value / scale > base) scale *= base;
  const steps = binary
    ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    : [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
  return scale * (steps.find((step) => step * scale >= value) ?? base);
}

/** A chart as SVG. */
export function chartSvg(chart: Chart, span: Span): string {
  const { series, limits, height, when } = chart;
  const all = series.flatMap(({ values }) => values);
  const most = Math.max(0, ...all);
  const least = Math.min(0, ...all);
  // A limit far above everything would flatten what there is to see.
  const seen = limits.filter(({ value }) => value <= most * 4);
  const high = Math.max(most, ...seen.map(({ value }) => value));
  const step = niceStep(Math.max((high - least) / 4, 1e-9), chart.binary);
  const up = high === 0 && least < 0 ? 0 : Math.max(step, Math.ceil(high / step - 1e-9) * step);
  const down = Math.floor(least / step + 1e-9) * step;
  const y = (value: number): number =>
    TOP + ((up - value) / Math.max(up - down, 1e-9)) * (height - TOP - BOTTOM);
  const xs = when.map((one) => xOf(one, span));
  const parts = [
    gridSvg(chart, { down, up, step }, y),
    ...series.map((one) => seriesSvg(one, xs, y)),
    ...seen.map((limit) => limitSvg(limit, y)),
  ];
  return `<svg class="chart" viewBox="0 0 ${FRAME.width} ${height}" role="img" aria-label="${escapeMarkup(chart.title)}">${parts.join("")}<line class="cursor" y1="0" y2="${height}"/></svg>`;
}

interface Scale {
  readonly down: number;
  readonly up: number;
  readonly step: number;
}

function gridSvg({ format }: Chart, { down, up, step }: Scale, y: (value: number) => number): string {
  let svg = "";
  for (let value = down; value <= up + step / 2; value += step) {
    const at = round(y(value));
    const look = Math.abs(value) < step / 2 ? "grid zero" : "grid";
    svg += `<line class="${look}" x1="${FRAME.left}" x2="${FRAME.width - FRAME.right}" y1="${at}" y2="${at}"/>`;
    svg += `<text class="tick" x="${FRAME.left - 8}" y="${at}" dy="0.35em" text-anchor="end">${escapeMarkup(format(Math.abs(value)))}</text>`;
  }
  return svg;
}

function seriesSvg(
  { look, values, area }: Series,
  xs: readonly number[],
  y: (value: number) => number,
): string {
  if (xs.length === 0) return "";
  const line = values
    .map((value, i) => `${i === 0 ? "M" : "L"}${round(xs[i] ?? 0)} ${round(y(value))}`)
    .join("");
  const zero = round(y(0));
  const filled = area
    ? `<path class="area ${look}" d="${line}L${round(xs.at(-1) ?? 0)} ${zero}L${round(xs[0] ?? 0)} ${zero}Z"/>`
    : "";
  return `${filled}<path class="line ${look}" d="${line}"/>`;
}

function limitSvg({ value, look }: Limit, y: (value: number) => number): string {
  const at = round(y(value));
  return `<line class="limit ${look}" x1="${FRAME.left}" x2="${FRAME.width - FRAME.right}" y1="${at}" y2="${at}"/>`;
}

/** The scale of time below all charts. */
export function timeAxisSvg(span: Span): string {
  const total = Math.max(1, span.to - span.from);
  const step = niceStep(total / 8, false);
  let svg = "";
  for (let at = 0; at <= total; at += step) {
    const x = round(xOf(span.from + at, span));
    svg += `<line class="grid" x1="${x}" x2="${x}" y1="0" y2="5"/><text class="tick" x="${x}" y="17" text-anchor="middle">${timeText(at, step)}</text>`;
  }
  return `<svg class="axis" viewBox="0 0 ${FRAME.width} 22" aria-hidden="true">${svg}</svg>`;
}

function timeText(ns: number, step: number): string {
  if (ns === 0) return "0";
  if (step < 1e6) return `${Math.round(ns / 1e3)} µs`;
  if (step < 1e9 && ns < 1e9) return `${Math.round(ns / 1e6)} ms`;
  return `${Number((ns / 1e9).toFixed(3))} s`;
}
