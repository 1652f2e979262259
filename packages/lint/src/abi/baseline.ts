import { readFileSync } from "node:fs";
import { HmsError } from "@hms/topology";
import type { AbiFinding } from "./finding.ts";
import type { AbiReport } from "./lint-abi.ts";

const FORMAT = "hms-abi-baseline-1";

/** A finding that someone knows of, and why it may stay. */
interface Entry {
  readonly rule: string;
  readonly name: string;
  readonly path: string;
  readonly message: string;
  readonly reason: string;
}

/** Lines do not count: what stands above a finding moves it. */
function keyOf(one: Pick<Entry, "rule" | "name" | "path" | "message">): string {
  return JSON.stringify([one.rule, one.name, one.path, one.message]);
}

function entryOf(finding: AbiFinding, reason: string): Entry {
  const { rule, name, message } = finding;
  return { rule, name, path: (finding.old ?? finding.new)?.path ?? "", message, reason };
}

/** A baseline with what breaks somebody now, for people to write the reasons in. */
export function abiBaseline(report: AbiReport): string {
  const entries = report.findings
    .filter(({ verdict }) => verdict !== "compatible" && verdict !== "not judged")
    .map((finding) => entryOf(finding, "old: it was there when the baseline was written"));
  return `${JSON.stringify({ format: FORMAT, findings: entries }, null, 2)}\n`;
}

/**
 * Leaves out what a baseline file lists.
 *
 * @throws HmsError `BASELINE_INVALID` if the file cannot be read, is none, or has an entry without a reason.
 */
export function withoutBaseline(
  report: AbiReport,
  path: string,
): { readonly report: AbiReport; readonly known: number; readonly gone: number } {
  const entries = read(path);
  const keys = new Set(entries.map(keyOf));
  const used = new Set<string>();
  const findings = report.findings.filter((finding) => {
    const key = keyOf(entryOf(finding, ""));
    if (keys.has(key)) used.add(key);
    return !keys.has(key);
  });
  return {
    report: { ...report, findings },
    known: report.findings.length - findings.length,
    gone: keys.size - used.size,
  };
}

function read(path: string): readonly Entry[] {
  const invalid = (why: string): HmsError =>
    new HmsError(
      "BASELINE_INVALID",
      "EINVAL",
      `Read the baseline ${path}: ${why}. Write one with --write-baseline.`,
    );
  let data: unknown;
  try {
    data = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
  const { format, findings } = (data ?? {}) as { format?: unknown; findings?: unknown };
  if (format !== FORMAT || !Array.isArray(findings)) throw invalid(`it does not have the format ${FORMAT}`);
  for (const [index, one] of findings.entries()) {
    const entry = (one ?? {}) as Partial<Record<keyof Entry, unknown>>;
    for (const key of ["rule", "name", "path", "message", "reason"] as const)
      if (typeof entry[key] !== "string" || entry[key] === "")
        throw invalid(`entry ${index + 1} has no ${key}`);
  }
  return findings as Entry[];
}
