/** Tables of text for a terminal: aligned columns that fit a width. */

/** A column, and what may happen to it when there is little room. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  /** Left out when the table is too wide, the largest number first; without one it always stays. */
  readonly drop?: number;
  /** May be cut down to this many characters when the table is still too wide. */
  readonly shrinkTo?: number;
}

/** A cell: its text, and what puts colour on it once it is padded. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = "  ";
/** No column is cut below this. */
const COLUMN_MIN = 3;

/** How many columns of a terminal a text takes: two for each wide (East Asian, emoji) character. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character.codePointAt(0) ?? 0);
  return width;
}

function characterWidth(code: number): number {
  if (code < 0x300) return 1;
  if (code <= 0x36f) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd);
  return wide ? 2 : 1;
}

/** Cuts a text to a width, with `…` for what is gone. */
export function fit(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = characterWidth(character.codePointAt(0) ?? 0);
    if (used + next > width - 1) break;
    kept += character;
    used += next;
  }
  return width < 1 ? "" : `${kept.trimEnd()}…`;
}

export function pad(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "left" ? text + space : space + text;
}

/**
 * The lines of a table, its titles first (none when all are empty), no wider than `width`. A column without any text
 * in its cells is left out; then the droppable ones, then what may shrink is cut, so that lines never wrap.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  paintTitle: (text: string) => string,
): string[] {
  const used = columns.map((_, c) => rows.some((row) => (row[c]?.text ?? "") !== ""));
  let shown = columns.map((column, c) => ({ column, c })).filter(({ c }) => used[c]);
  const natural = columns.map((column, c) =>
    rows.reduce((most, row) => Math.max(most, textWidth(row[c]?.text ?? "")), textWidth(column.title)),
  );
  const total = (): number => shown.reduce((sum, { c }) => sum + (natural[c] ?? 0) + GAP.length, -GAP.length);
  while (total() - slack(shown, natural) > width) {
    const worst = shown.reduce((most, { column }) => Math.max(most, column.drop ?? 0), 0);
    if (worst === 0) break;
    shown = shown.filter(({ column }) => column.drop !== worst);
  }
  for (let over = total() - width; over > 0; over = total() - width) {
    const widest = shown
      .filter(({ column, c }) => (natural[c] ?? 0) > (column.shrinkTo ?? Number.POSITIVE_INFINITY))
      .sort((a, b) => (natural[b.c] ?? 0) - (natural[a.c] ?? 0))[0];
    if (widest === undefined) break;
    natural[widest.c] = (natural[widest.c] ?? 0) - 1;
  }
  // Whatever it takes: a line that wraps is worse than a cell that is cut.
  for (const { c } of [...shown].reverse()) {
    const over = Math.max(0, total() - width);
    natural[c] = Math.max(Math.min(COLUMN_MIN, natural[c] ?? 0), (natural[c] ?? 0) - over);
  }
  const line = (cells: readonly Cell[]): string =>
    shown
      .map(({ column, c }) => {
        const cell = cells[c] ?? { text: "" };
        const text = pad(fit(cell.text, natural[c] ?? 0), natural[c] ?? 0, column.align);
        return cell.paint === undefined ? text : cell.paint(text);
      })
      .join(GAP)
      .trimEnd();
  const body = rows.map(line);
  if (shown.every(({ column }) => column.title === "")) return body;
  return [paintTitle(line(columns.map((column) => ({ text: column.title })))), ...body];
}

/** How much the shrinkable columns can give up. */
function slack(shown: readonly { column: Column; c: number }[], natural: readonly number[]): number {
  return shown.reduce((sum, { column, c }) => {
    const width = natural[c] ?? 0;
    return sum + (column.shrinkTo === undefined ? 0 : Math.max(0, width - column.shrinkTo));
  }, 0);
}
