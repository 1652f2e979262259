/**
 * How wide text is, without a font at hand: the widths of DejaVu Sans, which is wider than the other common sans-serif
 * fonts, so that text fits its box in whichever of them the reader has.
 */

/** Widths in thousandths of the font size, and the characters that have them. */
const WIDTHS: readonly (readonly [number, string])[] = [
  [280, "'ijl"],
  [300, "IJ"],
  [320, " ,.·"],
  [340, "/:;\\|"],
  [360, "f"],
  [380, "-"],
  [400, "()[]t"],
  [420, "!r"],
  [460, '"'],
  [500, "*_`–"],
  [540, "?sz"],
  [560, "Lc"],
  [580, "Fk"],
  [600, "vxy"],
  [620, "PTYaeo─"],
  [640, "$0123456789ESbdghnpqu{}µ"],
  [660, "K"],
  [700, "ABCRVXZ"],
  [740, "U"],
  [760, "HN"],
  [780, "&DG"],
  [800, "OQ"],
  [820, "w"],
  [840, "#+<=>^~×≤≥→↔"],
  [880, "M●"],
  [960, "%■"],
  [980, "m"],
];
/** Of any other character. */
const WIDTH_MAX = 1040;
/** How much wider bold text is. */
const BOLD = 1.14;

const widths: ReadonlyMap<string, number> = new Map(
  WIDTHS.flatMap(([width, characters]) => [...characters].map((character) => [character, width] as const)),
);

/** Text styles of pictures: size in user units, and whether bold. */
export const STYLES = {
  name: { size: 22, bold: true },
  title: { size: 13, bold: true },
  big: { size: 17, bold: true },
  text: { size: 12, bold: false },
  small: { size: 10.5, bold: false },
} as const;
export type TextStyle = keyof typeof STYLES;

/** Width of a text in a style, in user units. */
export function measure(text: string, style: TextStyle): number {
  const { size, bold } = STYLES[style];
  let sum = 0;
  for (const character of text) sum += widths.get(character) ?? WIDTH_MAX;
  return (sum * size * (bold ? BOLD : 1)) / 1000;
}

/** Distance from one line of a style to the next. */
export function lineHeight(style: TextStyle): number {
  return Math.round(STYLES[style].size * 1.38);
}

/** Cuts a text to a width, with `…` for what is gone. */
export function cut(text: string, style: TextStyle, width: number): string {
  if (measure(text, style) <= width) return text;
  const characters = [...text];
  let low = 0;
  let high = characters.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const shorter = `${characters.slice(0, middle).join("").trimEnd()}…`;
    if (measure(shorter, style) <= width) low = middle;
    else high = middle - 1;
  }
  return `${characters.slice(0, low).join("").trimEnd()}…`;
}
