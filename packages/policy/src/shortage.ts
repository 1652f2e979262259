import { type ErrnoName, formatSize } from "@hms/topology";
import type { Decision } from "./decision.ts";
import type { Limits } from "./limits.ts";
import { PlacementError, ReportBuilder } from "./report.ts";
import { type ByteCount, PAGE_BYTES } from "./units.ts";

/** Targets that one sentence names. */
const NAMED_MAX = 4;

/** The error of a decision that cannot be carried out: nothing to place pages in, or strict and not enough room. */
export function shortage(decision: Decision, limits: Limits): PlacementError | null {
  const { mode, targets, overflow, refused, size } = decision;
  if (targets.length === 0) {
    if (overflow.length > 0) return null;
    const reasons = refused.slice(0, NAMED_MAX).map(({ target, why }) => `${target.id}: ${why}`);
    const more = refused.length > NAMED_MAX ? `; and ${refused.length - NAMED_MAX} more` : "";
    const what =
      reasons.length === 0 ? "the machine has no memory that is known" : `${reasons.join("; ")}${more}`;
    return failed(decision, refused[0]?.errno ?? "ENODEV", `no target can be used (${what})`);
  }
  if (mode !== "strict" || size === null) return null;
  let nodes = 0;
  let devices = 0;
  for (const { target, room } of targets) {
    if (target.numaNode === null) devices += room ?? Number.POSITIVE_INFINITY;
    else nodes += room ?? Number.POSITIVE_INFINITY;
  }
  const names = targets
    .slice(0, NAMED_MAX)
    .map(({ target }) => target.id)
    .join(", ");
  const where = targets.length > NAMED_MAX ? `${names} and ${targets.length - NAMED_MAX} more` : names;
  if (nodes + devices < size) {
    return failed(
      decision,
      "ENOMEM",
      `${formatSize(size)} are required in ${where}, but ${formatSize(nodes + devices)} are free there; ask for less, add targets, or use mode preferred`,
    );
  }
  const { memory } = limits;
  if (memory !== null && Math.min(nodes, memory.leftBytes) + devices < size) {
    return failed(
      decision,
      "ENOMEM",
      `${formatSize(size)} are required in ${where}, but the memory limit of ${memory.group} leaves ${formatSize(memory.leftBytes)}; ask for less, or raise the limit`,
      memory,
    );
  }
  return null;
}

function failed(
  decision: Decision,
  errno: ErrnoName,
  what: string,
  group?: { readonly group: string; readonly leftBytes: ByteCount },
): PlacementError {
  const { mode, targets, refused, size } = decision;
  const pages = Math.ceil((size ?? 0) / PAGE_BYTES);
  const builder = new ReportBuilder(mode, pages);
  for (const { target, room } of targets) {
    const [by, why] =
      group === undefined
        ? (["capacity", `${formatSize(room)} are free in it`] as const)
        : (["cgroup", `the memory limit of ${group.group} leaves ${formatSize(group.leftBytes)}`] as const);
    const left = Math.min(room ?? 0, group?.leftBytes ?? Number.POSITIVE_INFINITY);
    const over = Math.max(0, pages - Math.floor(left / PAGE_BYTES));
    builder.target(target.id).refused({ target: target.id, by, errno: "ENOMEM", why }, over);
  }
  for (const { target, by, errno: refusedWith, why } of refused) {
    builder.target(target.id).refused({ target: target.id, by, errno: refusedWith, why }, pages);
  }
  return new PlacementError("PLACEMENT_REFUSED", errno, `Place memory: ${what}`, builder.done());
}
