import { CLASSES, type ExportClass } from "../classes.ts";
import type { Comparison } from "../history/compare.ts";
import type { Motivation } from "../history/motivation.ts";
import type { MaintainerIndex } from "../maintainers.ts";
import type { ExportedSymbol, ExportReport } from "../report.ts";
import type { Violation } from "../violations.ts";
import type { Mention } from "../why.ts";
import { type SummaryRow, summarize, sumOf } from "./summary.ts";

export interface TextStyle {
  readonly colour: boolean;
  readonly width: number;
}

/** Column heads, short enough for a terminal. */
const HEADS: Readonly<Record<ExportClass, string>> = {
  module: "module",
  "same-module": "same mod",
  "built-in": "built-in",
  tests: "tests",
  headers: "headers",
  nobody: "nobody",
  undetermined: "unsure",
};

/** What each class means, below the table. */
const MEANINGS: Readonly<Record<ExportClass, string>> = {
  module: "used by another module: needs the export",
  "same-module": "used only within the module that exports it",
  "built-in": "used only by what is always built in",
  tests: "used by tests or samples only",
  headers: "in a header's macro or inline function that nothing uses",
  nobody: "nothing but its own file uses it",
  undetermined: "could not be told; see --why",
};

/** Parts of the tree that the table shows; the others are summed up. */
const PARTS_SHOWN = 30;
/** Symbols that a list shows in the plain view. */
const SYMBOLS_SHOWN = 40;

function paint(text: string, code: string, { colour }: TextStyle): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text;
}

/** A table of classes by part of the tree, then what breaks a rule. */
export function exportsText(
  report: ExportReport,
  symbols: readonly ExportedSymbol[],
  violations: readonly Violation[],
  maintainers: MaintainerIndex | null,
  all: boolean,
  style: TextStyle,
): string {
  const rows = summarize(symbols, maintainers);
  const sum = sumOf(rows);
  const release = report.release === null ? "" : ` (Linux ${report.release})`;
  const lines = [
    `${paint(report.tree, "1", style)}${release}: ${sum.total} exports in ${report.files} files`,
    "",
    ...table(rows, sum, maintainers === null ? "directory" : "maintained as", style),
    "",
    ...CLASSES.filter((one) => sum.by[one] > 0).map((one) => `  ${HEADS[one].padEnd(8)}  ${MEANINGS[one]}`),
    "",
    ...listOf(symbols, violations, maintainers, all, style),
  ];
  if (report.undetermined.length > 0)
    lines.push(
      "",
      `${report.undetermined.length} exports whose names could not be made out; --format json lists them`,
    );
  return `${lines.join("\n")}\n`;
}

function table(rows: readonly SummaryRow[], sum: SummaryRow, head: string, style: TextStyle): string[] {
  const shown = rows.slice(0, PARTS_SHOWN);
  const rest = sumOf(rows.slice(PARTS_SHOWN));
  const all = [
    ...shown,
    ...(rest.total > 0 ? [{ ...rest, part: `${rows.length - PARTS_SHOWN} others` }] : []),
    sum,
  ];
  const width = Math.min(44, Math.max(head.length, ...all.map((row) => row.part.length)));
  const cells = (row: SummaryRow): string =>
    CLASSES.map((one) => {
      const text = (row.by[one] === 0 ? "·" : String(row.by[one])).padStart(8);
      return one === "nobody" && row.by[one] > 0 ? paint(text, "31", style) : text;
    }).join(" ");
  const line = (row: SummaryRow): string =>
    `  ${row.part.slice(0, width).padEnd(width)} ${String(row.total).padStart(7)} ${cells(row)}`;
  const heads = `  ${head.padEnd(width)} ${"exports".padStart(7)} ${CLASSES.map((one) => HEADS[one].padStart(8)).join(" ")}`;
  return [paint(heads, "2", style), ...all.slice(0, -1).map(line), paint(line(sum), "1", style)];
}

function listOf(
  symbols: readonly ExportedSymbol[],
  violations: readonly Violation[],
  maintainers: MaintainerIndex | null,
  all: boolean,
  style: TextStyle,
): string[] {
  const unused = symbols.filter((one) => one.class === "nobody" || one.class === "headers");
  const others = violations.filter((one) => one.rule === "not-by-a-module" || one.rule === "same-module");
  const shown = all ? unused : unused.slice(0, SYMBOLS_SHOWN);
  const lines = [paint(`Without a consumer: ${unused.length}`, "1", style)];
  let part = "";
  for (const one of [...shown].sort((a, b) => (a.file < b.file ? -1 : 1))) {
    const group = maintainers === null ? one.file : (maintainers.of(one.file)?.title ?? "THE REST");
    if (group !== part) lines.push(`  ${paint(group, "36", style)}`);
    part = group;
    const kind = `${one.gpl ? "GPL" : ""}${one.namespace === null ? "" : ` ${one.namespace}`}`.trim();
    const notes = [kind, one.class === "headers" ? one.why : ""].filter((note) => note !== "");
    lines.push(
      `    ${one.line}: ${one.symbol}${notes.length === 0 ? "" : paint(`  ${notes.join("; ")}`, "2", style)}`,
    );
  }
  if (shown.length < unused.length)
    lines.push(`  … and ${unused.length - shown.length} more; --all lists them, --subsystem narrows it down`);
  if (others.length > 0) {
    lines.push("", paint(`Used, but by no other module: ${others.length}`, "1", style));
    for (const one of all ? others : others.slice(0, SYMBOLS_SHOWN / 4))
      lines.push(`  ${one.file}:${one.line}: ${one.message}`);
    if (!all && others.length > SYMBOLS_SHOWN / 4)
      lines.push(`  … and ${others.length - SYMBOLS_SHOWN / 4} more; --all lists them`);
  }
  return lines;
}

/** One symbol: its verdict, its consumers, and every mention with how it was read. */
export function whyText(
  symbols: readonly ExportedSymbol[],
  mentions: readonly Mention[],
  style: TextStyle,
): string {
  const lines: string[] = [];
  for (const one of symbols) {
    lines.push(
      `${paint(one.symbol, "1", style)}: ${one.class}: ${one.why}`,
      `  exported at ${one.file}:${one.line} by ${one.macro}${one.gpl ? ", GPL only" : ""}${one.namespace === null ? "" : `, namespace ${one.namespace}`}`,
    );
    if (one.rule !== null) lines.push(`  by rule: ${one.rule}`);
    for (const use of one.consumers) {
      const built = use.module === null ? use.built : `${use.built} ${use.module}`;
      const config = use.config === null ? "" : ` (CONFIG_${use.config})`;
      lines.push(`  consumer  ${use.file}:${use.line}: ${use.how}; ${built}${config}`);
      for (const step of use.through) lines.push(`            through ${step}`);
    }
    lines.push("");
  }
  const own = new Set(symbols.map((one) => one.file));
  const byHow = new Map<string, number>();
  lines.push(`${mentions.length} mentions:`);
  for (const one of mentions) {
    byHow.set(one.how, (byHow.get(one.how) ?? 0) + 1);
    const sign = !one.uses ? " " : own.has(one.file) ? "·" : one.within === null ? "+" : "→";
    lines.push(`  ${sign} ${one.file}:${one.line}: ${paint(one.how, "2", style)}: ${one.text}`);
  }
  lines.push(
    "",
    "  + uses it   → carries uses on to those who use the header   · uses it in its own file   the rest does not use it",
  );
  return `${lines.join("\n")}\n`;
}

const CHANGES_SHOWN = 40;

export function comparisonText(
  comparison: Comparison,
  texts: readonly Motivation[],
  all: boolean,
  style: TextStyle,
): string {
  const { from, to, releases, born, removed, consumed, abandoned, overdue, changed, pending } = comparison;
  const lines = [
    `${paint(`${from} → ${to}`, "1", style)}${releases === null ? "" : `, ${releases} release${releases === 1 ? "" : "s"} on`}`,
    "",
    `  ${String(born.length).padStart(6)}  born, of which ${pending.length} have no consumer`,
    `  ${String(consumed.length).padStart(6)}  got their first consumer`,
    `  ${String(overdue.length).padStart(6)}  overdue: had no consumer, and have none`,
    `  ${String(abandoned.length).padStart(6)}  lost their last consumer`,
    `  ${String(changed.length).padStart(6)}  changed their kind`,
    `  ${String(removed.length).padStart(6)}  removed`,
  ];
  const list = (title: string, items: readonly string[]): void => {
    if (items.length === 0) return;
    lines.push(
      "",
      paint(title, "1", style),
      ...(all ? items : items.slice(0, CHANGES_SHOWN)).map((item) => `  ${item}`),
    );
    if (!all && items.length > CHANGES_SHOWN)
      lines.push(`  … and ${items.length - CHANGES_SHOWN} more; --all lists them`);
  };
  const place = (one: ExportedSymbol | null): string =>
    one === null ? "" : `${one.file}:${one.line}: ${one.symbol}`;
  list(
    "Overdue: consume or revert",
    overdue.map((one) => place(one.after)),
  );
  list(
    "Born without a consumer",
    pending.map((one) => place(one.after)),
  );
  list(
    "Lost their last consumer",
    abandoned.map((one) => `${place(one.after)}: was used by ${one.before?.consumers[0]?.file ?? "?"}`),
  );
  list(
    "Changed their kind",
    changed.map((one) => `${place(one.after)}: ${one.what.join(", ")}`),
  );
  list(
    "Got their first consumer",
    consumed.map((one) => `${place(one.after)}: ${one.after?.why}`),
  );
  const silent = texts.filter((one) => one.commit === null).length;
  if (texts.length > 0 && silent === texts.length)
    lines.push(
      "",
      `Motivation: no text available for the ${silent} new exports (no history of these trees; give --git)`,
    );
  else
    list(
      "Motivation of new exports, for people to read",
      texts.map((one) =>
        one.commit === null
          ? `${one.symbol}: no text available`
          : `${one.symbol}: ${one.commit.slice(0, 12)} ${one.subject} (${one.names === null ? "names no consumer" : `names ${one.names}`})`,
      ),
    );
  return `${lines.join("\n")}\n`;
}
