import { PAGE_BYTES, type PageCount } from "@hms/hmm";
import { PlacementError, type PlacementReport, ReportBuilder } from "@hms/policy";
import { formatSize } from "@hms/topology";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import { Capacity } from "./capacity.ts";
import { IMMOVABLE } from "./mover.ts";
import type { Policy } from "./policy.ts";

// What a strict policy cannot have: the errors that say so, with their report.

/**
 * Looks whether there is room for the pages of a range that are still to be made: so many as was said, or all of them;
 * in memory no more than the budget. Returns how many. Throws PLACEMENT_REFUSED (ENOMEM).
 *
 * @param report where those are that there are
 * @param stays whether its pages stay in the host's memory, as those of shared and file regions do; EOPNOTSUPP then
 * where a device would have to take them
 */
export function expectRoom(
  kernel: Kernel,
  entry: SpaceEntry,
  policy: Policy,
  pages: PageCount,
  report: PlacementReport,
  which: string,
  stays: boolean,
): PageCount {
  const held = stays ? policy.targets.filter(({ place }) => place.kind === "device") : [];
  if (held.length > 0 && (policy.turns || held.length === policy.targets.length))
    throw immovable(policy, pages, which);
  const { size } = policy.request;
  const inMemory = policy.targets.every(({ place }) => place.kind !== "device");
  const most = inMemory ? Math.min(pages, kernel.open.budget) : pages;
  const all = size === undefined ? most : Math.ceil(size / PAGE_BYTES);
  const needed = Math.max(0, all - report.pages);
  const capacity = new Capacity(kernel, entry, policy, true);
  let left = 0;
  for (let i = 0; i < policy.targets.length; i++)
    if (!stays || policy.targets[i]?.place.kind !== "device") left += capacity.left(i);
  if (left >= needed) return needed;
  throw lacking(report, policy, capacity, { needed, left }, which);
}

/** A strict policy by which pages would be in a device that never are. */
function immovable(policy: Policy, pages: PageCount, which: string): PlacementError {
  const builder = new ReportBuilder(policy.mode, pages);
  for (const { place } of policy.targets)
    if (place.kind === "device")
      builder.target(place.name).refused({ target: place.name, ...IMMOVABLE }, pages);
  return new PlacementError(
    "PLACEMENT_REFUSED",
    "EOPNOTSUPP",
    `Binding failed${which}: ${IMMOVABLE.why}; list host or nodes, use mode preferred, or make the region private.`,
    builder.done(),
  );
}

function lacking(
  report: PlacementReport,
  policy: Policy,
  capacity: Capacity,
  { needed, left }: { readonly needed: PageCount; readonly left: PageCount },
  which: string,
): PlacementError {
  const builder = new ReportBuilder(policy.mode, report.pages + needed);
  for (const one of report.targets)
    builder.target(one.target).wanted(one.target, one.wanted).placed(one.target, one.placed);
  const [target] = report.targets;
  if (target !== undefined) {
    builder.wanted(target.target, needed);
    builder.refused({ target: target.target, ...capacity.why(0) }, needed - left);
  }
  const names = policy.targets.map(({ place }) => place.name).join(", ");
  const bytes = formatSize(needed * PAGE_BYTES);
  return new PlacementError(
    "PLACEMENT_REFUSED",
    "ENOMEM",
    `Binding failed${which}: ${bytes} more are required in ${names} and nowhere else, and ${formatSize(left * PAGE_BYTES)} are left: ${capacity.why(0).why}; ask for less (size), add targets, or use mode preferred.`,
    builder.done(),
  );
}

/** A strict policy that pages do not keep to. */
export function refused(
  report: PlacementReport,
  policy: Policy,
  which: string,
  migrate: boolean,
): PlacementError {
  const names = policy.targets.map(({ place }) => place.name).join(", ");
  const [first] = report.refused.filter(({ pages }) => pages > 0);
  const there = report.targets.reduce((sum, { placed }) => sum + placed, 0);
  const what = `${report.pages - there} of ${report.pages} pages would not be in ${names}`;
  const why =
    first === undefined
      ? migrate
        ? "they are elsewhere"
        : "they are elsewhere already; move them too (migrate: true)"
      : `${first.target} refuses ${first.pages}: ${first.why}`;
  return new PlacementError(
    "PLACEMENT_REFUSED",
    first?.errno ?? "EBUSY",
    `Binding failed${which}: ${what}: ${why}. Nothing was done.`,
    report,
  );
}
