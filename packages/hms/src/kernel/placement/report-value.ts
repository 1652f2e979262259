import { PlacementError, type PlacementReport } from "@hms/policy";
import { HmsError } from "@hms/topology";
import { type CoreRegistry, InterfaceError, type TypeValue } from "@hms/uabi";

/** The most that a message lists of anything. */
const LISTED_MAX = 1024;

/** A report as the interface says it. */
export function reportValue(report: PlacementReport): TypeValue<CoreRegistry, "placement-report"> {
  const { mode, pages, targets, refused, elsewhere, satisfied } = report;
  return {
    mode,
    pages,
    targets: targets.slice(0, LISTED_MAX).map((one) => ({ ...one, target: one.target.slice(0, 64) })),
    refused: refused.slice(0, LISTED_MAX).map(({ target, pages: count, by, errno, why, now }) => ({
      target: target.slice(0, 64),
      pages: count,
      by,
      errno: errno ?? undefined,
      why: why.slice(0, 256),
      now: now.slice(0, LISTED_MAX).map((one) => ({ ...one })),
    })),
    elsewhere: elsewhere.slice(0, LISTED_MAX).map((one) => ({ ...one })),
    satisfied,
  };
}

/** The error of a method that answers one report. */
export function failureWithReport(error: unknown): unknown {
  if (!(error instanceof PlacementError)) return error;
  const { code, errno, message, report } = error;
  return new InterfaceError(code, errno, message, null, { report: reportValue(report) });
}

/** An error as the interface takes it along: with its report, and with which command it is about. */
export function failureOf(error: unknown, which: string): unknown {
  if (!HmsError.is(error)) return error;
  const { code, errno } = error;
  const message = which === "" ? error.message : `${error.message}${which}`;
  const outputs = error instanceof PlacementError ? { reports: [reportValue(error.report)] } : {};
  return new InterfaceError(code, errno, message, null, outputs);
}
