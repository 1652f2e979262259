import type { PagesAt, PlacementReport } from "./report.ts";
import type { PageCount } from "./units.ts";

/** Refusals that are shown; the rest is counted. */
const SHOWN_MAX = 12;

/**
 * A report for people: where the pages are, what was refused and by whom. Ends with a line feed.
 *
 * @example
 * ```ts
 * import { ReportBuilder, renderReport } from "@hms/policy";
 * renderReport(new ReportBuilder("preferred", 3).wanted("node2", 3).placed("node2", 3).done());
 * // "node2  3 of 3 pages\nAll 3 pages are where they were wanted.\n"
 * ```
 */
export function renderReport(report: PlacementReport): string {
  const { targets, refused, elsewhere, pages, satisfied } = report;
  const width = Math.max(
    0,
    ...[...targets.map((one) => one.target), ...elsewhere.map((one) => one.place)].map(
      ({ length }) => length,
    ),
  );
  const lines = targets.map(({ target, wanted, placed, moved }) => {
    const of =
      wanted === 0 || wanted === placed ? pagesOf(placed) : `${number(placed)} of ${pagesOf(wanted)}`;
    return `${target.padEnd(width)}  ${of}${moved > 0 ? `, ${number(moved)} moved there now` : ""}`;
  });
  for (const { place, pages: many } of elsewhere) {
    lines.push(`${place.padEnd(width)}  ${pagesOf(many)} (not a target)`);
  }
  for (const { target, pages: many, by, errno, why, now } of refused.slice(0, SHOWN_MAX)) {
    const what = many === 0 ? "" : `${pagesOf(many)}: `;
    const who = errno === null ? by : `${by}, ${errno}`;
    lines.push(
      `Refused by ${target}: ${what}${why} (${who})${now.length === 0 ? "" : `; now in ${places(now)}`}`,
    );
  }
  if (refused.length > SHOWN_MAX) lines.push(`… and ${refused.length - SHOWN_MAX} more refusals`);
  lines.push(verdict(pages, satisfied));
  return `${lines.join("\n")}\n`;
}

function verdict(pages: PageCount, satisfied: boolean): string {
  if (pages === 0)
    return satisfied
      ? "No pages are there yet."
      : "No pages are there yet, and not all can be had as wanted.";
  if (!satisfied) return "Not all pages are where they were wanted.";
  return pages === 1
    ? "The page is where it was wanted."
    : `All ${number(pages)} pages are where they were wanted.`;
}

function places(now: readonly PagesAt[]): string {
  return now.map(({ place, pages }) => `${place} (${number(pages)})`).join(", ");
}

function pagesOf(pages: PageCount): string {
  return pages === 1 ? "1 page" : `${number(pages)} pages`;
}

function number(value: number): string {
  return value.toLocaleString("en");
}
