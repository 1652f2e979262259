import type { Report, RunInfo } from "./report.ts";

/** The report for programs: one line. Times in nanoseconds, memory in bytes or pages of 4096, as the names say. */
export function renderReportJson(reports: readonly Report[], run: RunInfo): string {
  const contexts = reports.map(
    ({ recording, openNs, cpuWaitNs, deviceWaitNs, ways, peaks, advice, ...rest }) => {
      const { unexplainedPages } = rest;
      return { openNs, cpuWaitNs, deviceWaitNs, ways, unexplainedPages, peaks, advice, recording };
    },
  );
  return JSON.stringify({ format: "hms-report", version: 1, run, contexts });
}
