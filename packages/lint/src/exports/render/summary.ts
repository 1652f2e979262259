import { CLASSES, type ExportClass } from "../classes.ts";
import { subsystemOf } from "../history/compare.ts";
import type { MaintainerIndex } from "../maintainers.ts";
import type { ExportedSymbol } from "../report.ts";

/** How many symbols of each class a part of the tree has. */
export interface SummaryRow {
  readonly part: string;
  readonly total: number;
  readonly by: Readonly<Record<ExportClass, number>>;
}

/** Counts by directory, or by the entry of MAINTAINERS; the most unused first. */
export function summarize(
  symbols: readonly ExportedSymbol[],
  maintainers: MaintainerIndex | null,
): SummaryRow[] {
  const rows = new Map<string, Record<ExportClass, number>>();
  for (const one of symbols) {
    const part =
      maintainers === null ? subsystemOf(one.file) : (maintainers.of(one.file)?.title ?? "THE REST");
    const row = rows.get(part) ?? zero();
    row[one.class]++;
    rows.set(part, row);
  }
  const total = (by: Record<ExportClass, number>): number => Object.values(by).reduce((a, b) => a + b, 0);
  return [...rows]
    .map(([part, by]) => ({ part, total: total(by), by }))
    .sort((a, b) => b.by.nobody - a.by.nobody || b.total - a.total || (a.part < b.part ? -1 : 1));
}

/** The sum of rows. */
export function sumOf(rows: readonly SummaryRow[]): SummaryRow {
  const by = zero();
  for (const row of rows) for (const one of CLASSES) by[one] += row.by[one];
  return { part: "in all", total: rows.reduce((sum, row) => sum + row.total, 0), by };
}

function zero(): Record<ExportClass, number> {
  return { module: 0, "same-module": 0, "built-in": 0, tests: 0, headers: 0, nobody: 0, undetermined: 0 };
}
