import type { CaseReport } from "./outcome.ts";
import type { SuiteReport } from "./suite.ts";

/** The line of one case. */
export function caseLine({ name, file, outcome }: CaseReport): string {
  switch (outcome.result) {
    case "passed":
      return `passed   ${name}`;
    case "skipped":
      return `skipped  ${name}: needs ${outcome.missing.join(", ")}`;
    case "failed": {
      if (outcome.step === null) return `failed   ${name === file ? "" : `${name}: `}${outcome.message}`;
      return `failed   ${name}: step ${outcome.step} (${file}:${outcome.line}): ${outcome.message}`;
    }
  }
}

/** The last line of a run. */
export function summaryLine({ passed, failed, skipped }: SuiteReport): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** The report as `--json` prints it. */
export function suiteJson(report: SuiteReport): unknown {
  const { host, passed, failed, skipped } = report;
  const cases = report.cases.map(({ name, file, outcome }) => ({ name, file, ...outcome }));
  return { host, passed, failed, skipped, cases };
}
