import type { LinkMedium, MemoryKind } from "../../model/facts.ts";
import { LINK_MEDIA, MEMORY_KINDS } from "../../model/facts.ts";
import type { Machine } from "../../model/machine.ts";
import { HEAT, KIND_COLOURS, MEDIUM_COLOURS } from "../colours.ts";
import { composeScene } from "./compose.ts";
import { STYLES } from "./font.ts";
import { STACK } from "./measure.ts";
import type { Box, CoreGrid, HeatCell, Label, Mark, PlacedText, Rect, Scene, Sign, Wire } from "./scene.ts";

/**
 * A picture of a machine: boxes in boxes for what is inside what, memories in the colour of their kind, devices with
 * their memory, links as lines with their numbers, the matrix of who gets what. Alike things share a box, or become
 * small boxes, so that a machine of many nodes stays legible. Self-contained: no scripts, no fonts to load; it
 * follows the reader's light or dark scheme, and resting on a box tells its details. The same machine gives the same bytes.
 *
 * @returns an SVG document
 *
 * @example
 * ```ts
 * import { writeFileSync } from "node:fs";
 * import { discoverLive, renderSvg } from "@hms/topology";
 * writeFileSync("machine.svg", renderSvg(discoverLive()));
 * ```
 */
export function renderSvg(machine: Machine): string {
  return drawScene(composeScene(machine));
}

/** A scene as an SVG document. */
export function drawScene(scene: Scene): string {
  const { width, height } = scene;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="hms-title hms-description">`,
    `<title id="hms-title">${escaped(scene.title)}</title>`,
    `<desc id="hms-description">${escaped(scene.description)}</desc>`,
    `<style>${styleSheet()}</style>`,
    `<rect class="page" width="${width}" height="${height}"/>`,
    ...scene.boxes.map(drawBox),
    ...scene.wires.map(drawWire),
    ...scene.marks.map(drawMark),
    ...scene.labels.map(drawLabel),
    ...scene.cells.map(drawCell),
    ...scene.signs.map(drawSign),
    ...scene.texts.map(drawText),
    "</svg>",
  ];
  return `${parts.filter((part) => part !== "").join("\n")}\n`;
}

/** Two digits after the point are enough, and the same on every machine. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Characters that XML does not take, but for line ends. */
const NOT_XML: RegExp = /(?!\n)\p{Cc}|[\ufffe\uffff]/gu;

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(NOT_XML, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

const rectangle = ({ x, y, w, h }: Rect, rest: string): string =>
  `<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}"${rest}/>`;

const tip = (text: string): string => (text === "" ? "" : `<title>${escaped(text)}</title>`);

function drawBox(box: Box): string {
  if (box.look === "machine") return box.texts.map(drawText).join("\n");
  const style = box.kind === null ? box.look : `memory k-${box.kind}`;
  const radius = ` rx="${box.look === "frame" || box.look === "panel" ? 8 : 5}"`;
  const { rect } = box;
  const behind = box.stacked
    ? [2, 1].map((i) => rectangle({ ...rect, x: rect.x + i * STACK, y: rect.y + i * STACK }, radius)).join("")
    : "";
  // A bar in the kind's colour, so that it is seen where fills are not printed.
  const bar =
    box.kind === null
      ? ""
      : `<path class="bar b-${box.kind}" d="M${n(rect.x + 2.5)} ${n(rect.y + 5)}v${n(rect.h - 10)}"/>`;
  const cores = box.cores === null ? "" : drawCores(box.cores);
  return `<g class="${style}">${tip(box.tooltip)}${behind}${rectangle(rect, radius)}${bar}${cores}${box.texts.map(drawText).join("")}</g>`;
}

function drawCores({ x, y, columns, pitch, count, small }: CoreGrid): string {
  const squares = (from: number, to: number): string => {
    let path = "";
    for (let i = from; i < to; i++) {
      path += `M${n(x + (i % columns) * pitch)} ${n(y + Math.floor(i / columns) * pitch)}h${pitch - 2}v${pitch - 2}h-${pitch - 2}z`;
    }
    return path;
  };
  const slow = small === 0 ? "" : `<path class="core slow" d="${squares(0, small)}"/>`;
  return `${slow}${small === count ? "" : `<path class="core" d="${squares(small, count)}"/>`}`;
}

function drawText({ x, y, text, style, faint, width, align }: PlacedText): string {
  const at = align === "left" ? x : align === "right" ? x + width : x + width / 2;
  const anchor = align === "left" ? "" : ` text-anchor="${align === "right" ? "end" : "middle"}"`;
  return `<text class="${style}${faint ? " faint" : ""}" x="${n(at)}" y="${n(y)}"${anchor}>${escaped(text)}</text>`;
}

function drawWire({ points, medium, weight, tooltip }: Wire): string {
  const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${n(x)} ${n(y)}`).join("");
  return `<path class="wire m-${medium}" stroke-width="${n(weight)}" d="${path}">${tip(tooltip)}</path>`;
}

function drawMark({ x, y, medium }: Mark): string {
  return `<circle class="mark d-${medium}" cx="${n(x)}" cy="${n(y)}" r="3"/>`;
}

function drawLabel({ rect, text, medium, tooltip }: Label): string {
  return `<g class="label">${tip(tooltip)}${rectangle(rect, ` rx="8" class="m-${medium}"`)}${drawText(text)}</g>`;
}

function drawCell({ rect, step, text, tooltip }: HeatCell): string {
  const style = step === null ? "unknown" : step < 0 ? "none" : `h${step}`;
  return `<g class="cell ${style}">${tip(tooltip)}${rectangle(rect, "")}${text === null ? "" : drawText(text)}</g>`;
}

function drawSign({ rect, kind, medium }: Sign): string {
  if (kind !== null) return `<g class="memory k-${kind}">${rectangle(rect, ' rx="2"')}</g>`;
  return rectangle(rect, ` class="swatch d-${medium}"`);
}

/** Colours of a light and of a dark page. */
interface Theme {
  readonly page: string;
  readonly ink: string;
  readonly faint: string;
  readonly frame: readonly [fill: string, line: string];
  readonly inner: readonly [fill: string, line: string];
  readonly cores: readonly [fill: string, core: string, slow: string];
  readonly device: readonly [fill: string, line: string];
  readonly sideCache: readonly [fill: string, line: string];
  readonly label: string;
  readonly unknown: string;
  readonly kind: (kind: MemoryKind) => string;
}

const LIGHT: Theme = {
  page: "#ffffff",
  ink: "#1f2933",
  faint: "#55626f",
  frame: ["#f3f6f9", "#b4c0cc"],
  inner: ["#fbfcfd", "#cdd6df"],
  cores: ["#e4eaf0", "#8ca0b3", "#c0ccd8"],
  device: ["#fffaf0", "#cdb98f"],
  sideCache: ["#ffffff", "#9db3c8"],
  label: "#ffffff",
  unknown: "#eceff2",
  kind: (kind) => KIND_COLOURS[kind].pale,
};

const DARK: Theme = {
  page: "#12171d",
  ink: "#e8edf2",
  faint: "#a3b0bd",
  frame: ["#1b222a", "#46535f"],
  inner: ["#222b34", "#4a5865"],
  cores: ["#2c3742", "#7f93a6", "#53636f"],
  device: ["#2b271d", "#7d6d49"],
  sideCache: ["#1b222a", "#5b7186"],
  label: "#12171d",
  unknown: "#2a323b",
  kind: (kind) => KIND_COLOURS[kind].deep,
};

function themeRules(theme: Theme): string {
  const box = (name: string, [fill, line]: readonly [string, string, ...string[]]): string =>
    `.${name}>rect{fill:${fill};stroke:${line}}`;
  return [
    `.page{fill:${theme.page}}`,
    `text{fill:${theme.ink}}`,
    `.faint{fill:${theme.faint}}`,
    box("frame", theme.frame),
    box("panel", theme.inner),
    box("inner", theme.inner),
    box("cores", [theme.cores[0], theme.cores[0]]),
    box("device", theme.device),
    box("side-cache", theme.sideCache),
    box("more", theme.inner),
    `.core{fill:${theme.cores[1]}}`,
    `.slow{fill:${theme.cores[2]}}`,
    `.label>rect{fill:${theme.label}}`,
    `.unknown>rect{fill:${theme.unknown}}`,
    ...MEMORY_KINDS.map(
      (kind) => `.k-${kind}>rect{fill:${theme.kind(kind)};stroke:${KIND_COLOURS[kind].line}}`,
    ),
  ].join("");
}

function styleSheet(): string {
  const styles = Object.entries(STYLES).map(
    ([name, { size, bold }]) => `.${name}{font-size:${size}px${bold ? ";font-weight:600" : ""}}`,
  );
  const media = (LINK_MEDIA as readonly LinkMedium[]).map(
    (medium) => `.m-${medium}{stroke:${MEDIUM_COLOURS[medium]}}.d-${medium}{fill:${MEDIUM_COLOURS[medium]}}`,
  );
  const heat = HEAT.map(({ fill, text }, step) => `.h${step}>rect{fill:${fill}}.h${step}>text{fill:${text}}`);
  return [
    'text{font-family:"Segoe UI","Helvetica Neue",Helvetica,Arial,"DejaVu Sans",sans-serif}',
    ...styles,
    ".wire{fill:none;stroke-linecap:round}",
    ".bar{fill:none;stroke-width:3;stroke-linecap:round}",
    ...MEMORY_KINDS.map((kind) => `.b-${kind}{stroke:${KIND_COLOURS[kind].line}}`),
    ...media,
    themeRules(LIGHT),
    ".cell.none>rect{fill:none}",
    ...heat,
    `@media (prefers-color-scheme:dark){${themeRules(DARK)}${heat.join("")}}`,
  ].join("\n");
}
