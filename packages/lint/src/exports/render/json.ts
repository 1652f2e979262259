import type { Comparison } from "../history/compare.ts";
import type { Motivation } from "../history/motivation.ts";
import type { ExportedSymbol, ExportReport } from "../report.ts";
import type { Violation } from "../violations.ts";
import { summarize, sumOf } from "./summary.ts";

/** The report as JSON: docs/reference/lint-json.md describes it. */
export function exportsJson(
  report: ExportReport,
  symbols: readonly ExportedSymbol[],
  violations: readonly Violation[],
  maintainerOf: ((file: string) => string | null) | null,
): string {
  const rows = summarize(symbols, null);
  const { by, total } = sumOf(rows);
  const head = {
    schema: "hms-lint-exports",
    version: 1,
    tree: report.tree,
    release: report.release,
    files: report.files,
    counts: { exports: total, ...by },
    summary: rows,
  };
  const lines = [JSON.stringify(head).slice(0, -1), ',\n"symbols":['];
  symbols.forEach((one, i) => {
    const more = maintainerOf === null ? {} : { maintainedAs: maintainerOf(one.file) };
    lines.push(i === 0 ? "\n" : ",\n", JSON.stringify({ ...one, ...more }));
  });
  lines.push(
    `\n],\n"violations":${rowsOf(violations)},\n"undetermined":${rowsOf(report.undetermined)},\n"warnings":${rowsOf(report.warnings)}}\n`,
  );
  return lines.join("");
}

function rowsOf(items: readonly unknown[]): string {
  return items.length === 0 ? "[]" : `[\n${items.map((one) => JSON.stringify(one)).join(",\n")}\n]`;
}

export function comparisonJson(comparison: Comparison, texts: readonly Motivation[]): string {
  return `${JSON.stringify({ schema: "hms-lint-history", version: 1, ...comparison, motivations: texts }, null, 1)}\n`;
}
