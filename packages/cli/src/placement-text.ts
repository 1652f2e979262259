// Decisions and reports of placements, as a person reads them and as JSON.
import type { Decision, PlacementReport } from "@hms/policy";
import { units } from "@hms/topology/lazy";
import { printable } from "./printable.ts";
import { twoColumns } from "./wrap.ts";

const PAGE_BYTES = 4096;
/** Refusals that are written out; the rest is counted. */
const REFUSALS_MAX = 12;
/** Memories that take what does not fit, as far as they are listed. */
const OVERFLOW_MAX = 4;

export interface Style {
  readonly colour: boolean;
  readonly width: number;
}

type Rows = (readonly [left: string, right: string])[];

/** What a decision comes to: which memories, and which not. */
export async function decisionText(decision: Decision, listed: boolean, style: Style): Promise<string> {
  const { formatSize } = await units();
  const { targets, overflow, refused, mode } = decision;
  const lines: string[] = [];
  const room = (bytes: number | null): string =>
    bytes === null ? "room unknown" : `${formatSize(bytes)} free`;
  const rows: Rows = targets.map(({ target, weight, room: bytes, why }, i) => [
    printable(mode === "weighted" ? `${weight} × ${target.id}` : `${i + 1}. ${target.id}`),
    printable(`${room(bytes)}, ${why}`),
  ]);
  lines.push(rows.length === 0 ? "  none of those that were asked for" : twoColumns(rows, style.width));
  if (overflow.length > 0) {
    const names = overflow.slice(0, OVERFLOW_MAX).map(({ target }) => target.id);
    const more = overflow.length > OVERFLOW_MAX ? ", …" : "";
    lines.push("", printable(`What does not fit goes to ${names.join(", ")}${more}.`));
  }
  // Without a list all that the initiators do not reach would be told.
  const told = refused.filter(({ by }) => listed || by !== "topology");
  if (told.length > 0) {
    const reasons: Rows = told
      .slice(0, REFUSALS_MAX)
      .map(({ target, why }) => [printable(target.id), printable(why)]);
    lines.push("", bold("Not usable", style), "", twoColumns(reasons, style.width));
  }
  return lines.join("\n");
}

/** Decisions in JSON: targets by id. */
export function decisionJson({ mode, prefer, targets, overflow, refused }: Decision): object {
  const plain = ({ target, weight, room, why }: Decision["targets"][number]): object => ({
    id: target.id,
    numaNode: target.numaNode,
    weight,
    room,
    why,
  });
  return {
    mode,
    prefer,
    targets: targets.map(plain),
    overflow: overflow.map(plain),
    refused: refused.map(({ target, by, errno, why }) => ({ id: target.id, by, errno, why })),
  };
}

/** What became of pages: by memory, and why not elsewhere. */
export async function reportText(report: PlacementReport, dryRun: boolean, style: Style): Promise<string> {
  const { formatSize } = await units();
  const size = (pages: number): string => formatSize(pages * PAGE_BYTES);
  const of = (pages: number): string =>
    report.pages === 0 ? "" : ` (${Math.round((100 * pages) / report.pages)} %)`;
  const inTurn = report.mode === "interleave" || report.mode === "weighted";
  const rows: Rows = report.targets.map(({ target, wanted, placed, moved }) => {
    const parts = [`${size(placed)}${of(placed)}`];
    if (inTurn && wanted !== placed) parts.push(`${size(wanted)} wanted`);
    if (moved > 0) parts.push(dryRun ? `${size(moved)} to be moved there` : `${size(moved)} moved there`);
    return [printable(target), parts.join(", ")];
  });
  for (const { place, pages } of report.elsewhere)
    rows.push([printable(place), `${size(pages)}${of(pages)}, which is no target`]);
  const lines = [twoColumns(rows, style.width)];
  const told = report.refused.filter(({ pages }) => pages > 0).sort((a, b) => b.pages - a.pages);
  if (told.length > 0) {
    const reasons: Rows = told.slice(0, REFUSALS_MAX).map(({ target, pages, by, errno, why, now }) => {
      const places = now.map(({ place, pages: there }) =>
        now.length === 1 ? place : `${place} (${size(there)})`,
      );
      const where = places.length === 0 ? "" : `; they are on ${places.join(", ")}`;
      return [
        size(pages),
        printable(`not on ${target}: ${why} (${by}${errno === null ? "" : `, ${errno}`})${where}`),
      ];
    });
    lines.push(
      "",
      bold(dryRun ? "What would not move" : "Elsewhere than wanted", style),
      "",
      twoColumns(reasons, style.width),
    );
    if (told.length > REFUSALS_MAX) lines.push(`  … and ${told.length - REFUSALS_MAX} more reasons`);
  }
  return lines.join("\n");
}

export function bold(text: string, { colour }: Pick<Style, "colour">): string {
  return colour ? `\x1b[1m${text}\x1b[22m` : text;
}
