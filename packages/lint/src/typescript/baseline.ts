import { readFileSync } from "node:fs";
import { HmsError } from "@hms/topology";
import type { PackageExport, PackagesReport } from "./report.ts";

const FORMAT = "hms-exports-baseline-1";

/** An export that nobody uses and that stays for now: why, and who answers for it. */
export interface BaselineEntry {
  readonly package: string;
  readonly subpath: string;
  /** `*`: any of this door, while the package is being built. */
  readonly name: string;
  readonly reason: string;
  readonly owner: string;
}

/** How a report stands against a baseline. */
export interface BaselineComparison {
  /** Exports without a user that the baseline does not list. */
  readonly violations: readonly PackageExport[];
  /** Entries of exports that are used by now, or gone: they have to go too. */
  readonly stale: readonly BaselineEntry[];
}

/** Whether an export breaks the rule: nobody uses it, or it is overdue. */
function breaksRule(one: PackageExport): boolean {
  return one.class === "nobody" || one.overdue;
}

/** A baseline of what breaks the rule now; who owns each package, and why each may stay, people write in. */
export function packagesBaseline(report: PackagesReport): string {
  const exports = report.exports.filter(breaksRule).map(({ package: of, subpath, name }) => ({
    package: of,
    subpath,
    name,
    reason: "old: it was there when the baseline was written",
    owner: of,
  }));
  return `${JSON.stringify({ format: FORMAT, exports }, null, 2)}\n`;
}

/** The exports that break the rule, but for those that a baseline lists; and what the baseline lists without need. */
export function compareWithBaseline(
  report: PackagesReport,
  entries: readonly BaselineEntry[],
): BaselineComparison {
  const same = (one: PackageExport, entry: BaselineEntry): boolean =>
    one.package === entry.package &&
    one.subpath === entry.subpath &&
    (entry.name === "*" || one.name === entry.name);
  const bad = report.exports.filter(breaksRule);
  return {
    violations: bad.filter((one) => !entries.some((entry) => same(one, entry))),
    stale: entries.filter(
      (entry) => !(entry.name === "*" ? report.exports : bad).some((one) => same(one, entry)),
    ),
  };
}

/**
 * Reads a baseline: JSON with `format` and `exports`.
 *
 * @throws HmsError `BASELINE_INVALID` if it cannot be read, or an entry lacks its reason or its owner.
 */
export function readBaseline(path: string): readonly BaselineEntry[] {
  const invalid = (why: string): HmsError =>
    new HmsError("BASELINE_INVALID", "EINVAL", `Read the baseline ${path}: ${why}.`);
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
  const { format, exports } = (data ?? {}) as { format?: unknown; exports?: unknown };
  if (format !== FORMAT || !Array.isArray(exports)) throw invalid(`it does not have the format ${FORMAT}`);
  for (const [index, one] of exports.entries()) {
    const entry = (one ?? {}) as Partial<Record<keyof BaselineEntry, unknown>>;
    for (const key of ["package", "subpath", "name", "reason", "owner"] as const)
      if (typeof entry[key] !== "string" || entry[key] === "")
        throw invalid(`entry ${index + 1} has no ${key}`);
  }
  return exports as BaselineEntry[];
}
