/**
 * Colours of what is drawn: the same in a terminal and in a picture. Each is one of the 256 that terminals number,
 * so that both show the very same one; colour is never the only sign of anything.
 */
import type { LinkMedium, MemoryKind } from "../model/facts.ts";

/** One colour: its number on a terminal of 256 colours, and the same in a picture with a pale and a dark shade of it. */
export interface Colour {
  readonly ansi: number;
  /** For lines and marks. */
  readonly line: string;
  /** For areas under dark text. */
  readonly pale: string;
  /** For areas under light text, on a dark page. */
  readonly deep: string;
}

/** Colour of each kind of memory. */
export const KIND_COLOURS: Readonly<Record<MemoryKind, Colour>> = {
  dram: { ansi: 33, line: "#0087ff", pale: "#d9ecff", deep: "#0b3357" },
  hbm: { ansi: 208, line: "#ff8700", pale: "#ffe9cc", deep: "#5a3206" },
  nvm: { ansi: 37, line: "#00afaf", pale: "#d3f1f1", deep: "#07403f" },
  cxl: { ansi: 135, line: "#af5fff", pale: "#efe2ff", deep: "#3f2160" },
  gpu: { ansi: 70, line: "#5faf00", pale: "#e3f3cf", deep: "#243f05" },
  device: { ansi: 175, line: "#d787af", pale: "#fae6f0", deep: "#522c40" },
  file: { ansi: 178, line: "#d7af00", pale: "#fbf2c7", deep: "#4d4004" },
  far: { ansi: 161, line: "#d7005f", pale: "#fbd9e7", deep: "#570a2c" },
  unknown: { ansi: 245, line: "#8a8a8a", pale: "#ececec", deep: "#3a3a3a" },
};

/** Colour of each medium of links. */
export const MEDIUM_COLOURS: Readonly<Record<LinkMedium, string>> = {
  memory: "#5f87af",
  interconnect: "#005faf",
  pcie: "#878787",
  cxl: "#af5fff",
  xgmi: "#d75f00",
  nvlink: "#5f8700",
  network: "#d75f87",
  unknown: "#8a8a8a",
};

/** Steps of a heat scale, best first: numbers on a terminal, and the same for a picture. */
export const HEAT: readonly { readonly ansi: number; readonly fill: string; readonly text: string }[] = [
  { ansi: 29, fill: "#00875f", text: "#ffffff" },
  { ansi: 72, fill: "#5faf87", text: "#000000" },
  { ansi: 151, fill: "#afd7af", text: "#000000" },
  { ansi: 229, fill: "#ffffaf", text: "#000000" },
  { ansi: 222, fill: "#ffd787", text: "#000000" },
  { ansi: 216, fill: "#ffaf87", text: "#000000" },
];

/**
 * Which step of the heat scale a value has between the best and the worst one: by ratio, as bandwidths and latencies
 * lie on scales of tens.
 */
export function heatStep(value: number, best: number, worst: number): number {
  if (best === worst) return 0;
  const share = Math.log(value / best) / Math.log(worst / best);
  return Math.min(HEAT.length - 1, Math.max(0, Math.round(share * (HEAT.length - 1))));
}

/** Puts a terminal's colours on text, or leaves it as it is. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly kind: (kind: MemoryKind, text: string) => string;
  readonly warn: (text: string) => string;
  /** Dark or light text on a step of the heat scale. */
  readonly heat: (step: number, text: string) => string;
}

const plain = (text: string): string => text;

/** Without colours. */
export const NO_PAINT: Paint = {
  bold: plain,
  dim: plain,
  kind: (_kind, text) => text,
  warn: plain,
  heat: (_step, text) => text,
};

const sgr = (code: string, text: string): string => (text === "" ? "" : `\u001b[${code}m${text}\u001b[0m`);

/** With the colours of a terminal that has 256. */
export const ANSI_PAINT: Paint = {
  bold: (text) => sgr("1", text),
  dim: (text) => sgr("2", text),
  kind: (kind, text) => sgr(`38;5;${KIND_COLOURS[kind].ansi}`, text),
  warn: (text) => sgr("33", text),
  heat: (step, text) => {
    const { ansi, text: ink } = HEAT[step] ?? { ansi: 245, text: "#000000" };
    return sgr(`48;5;${ansi};38;5;${ink === "#ffffff" ? 231 : 16}`, text);
  },
};
