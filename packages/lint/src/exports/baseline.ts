import { HmsError } from "@hms/topology";
import type { Violation } from "./violations.ts";

/** What is known and old: violations that a run does not count. */
export interface ExportBaseline {
  readonly schema: "hms-lint-baseline";
  readonly version: 1;
  /** `rule symbol file`, sorted: lines move, so they do not count. */
  readonly known: readonly string[];
}

function keyOf({ rule, symbol, file }: Violation): string {
  return `${rule} ${symbol} ${file}`;
}

export function exportBaseline(violations: readonly Violation[]): ExportBaseline {
  return { schema: "hms-lint-baseline", version: 1, known: [...new Set(violations.map(keyOf))].sort() };
}

/** Reads a baseline file. Throws HmsError LINT_BASELINE_INVALID. */
export function readExportBaseline(text: string, name: string): ExportBaseline {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const { schema, version, known } = (value ?? {}) as Partial<ExportBaseline>;
  if (
    schema === "hms-lint-baseline" &&
    version === 1 &&
    Array.isArray(known) &&
    known.every((one) => typeof one === "string")
  )
    return { schema, version, known };
  throw new HmsError(
    "LINT_BASELINE_INVALID",
    "EINVAL",
    `Read the baseline ${name}: it must be JSON with "schema": "hms-lint-baseline" and "version": 1; write a new one with --write-baseline.`,
  );
}

/** The violations that are not in the baseline, and the entries of the baseline that are no more. */
export function againstBaseline(
  violations: readonly Violation[],
  baseline: ExportBaseline,
): { readonly fresh: readonly Violation[]; readonly gone: readonly string[] } {
  const known = new Set(baseline.known);
  const now = new Set(violations.map(keyOf));
  return {
    fresh: violations.filter((one) => !known.has(keyOf(one))),
    gone: baseline.known.filter((key) => !now.has(key)),
  };
}
