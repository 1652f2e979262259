import type { Cause } from "./cause.ts";
import type { DeviceMemory } from "./device-memory.ts";
import type { Proposal } from "./driver-contract.ts";
import type { Override } from "./records.ts";
import type { Space } from "./space.ts";
import type { PageCount, PageIndex } from "./units.ts";

/** What a driver made of a proposal: it agrees, refuses, or names another memory (null: the host's). */
export type Decision =
  | { readonly kind: "agreed" }
  | { readonly kind: "refused" }
  | { readonly kind: "redirected"; readonly to: DeviceMemory | null };

const AGREED: Decision = { kind: "agreed" };
const REFUSED: Decision = { kind: "refused" };

/** A move that is about to be made. */
export interface Move {
  readonly space: Space;
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly cause: Cause;
  /** Where it takes pages from or to, beside the memory that is asked; null: the host's. */
  readonly other: DeviceMemory | null;
}

/** Asks the driver of a memory for its last word on a move in or out, and records anything but agreement. */
export function decide(memory: DeviceMemory, direction: "in" | "out", move: Move): Decision {
  if (memory.ops.decide === undefined) return AGREED;
  const proposal: Proposal = { direction, ...move };
  let verdict: ReturnType<NonNullable<typeof memory.ops.decide>>;
  try {
    verdict = memory.ops.decide(proposal);
  } catch (error) {
    memory.device.failed("decide", error);
    recordOverride(memory, move, direction, "refused", "its decision failed", null);
    return REFUSED;
  }
  if (verdict === null) return AGREED;
  if ("refuse" in verdict) {
    recordOverride(memory, move, direction, "refused", verdict.refuse, null);
    return REFUSED;
  }
  const became = verdict.redirect?.name ?? "host";
  recordOverride(memory, move, direction, "redirected", verdict.reason, became);
  return { kind: "redirected", to: verdict.redirect };
}

/** Records that a driver did not let a move happen as asked. */
export function recordOverride(
  memory: DeviceMemory,
  move: Move,
  direction: "in" | "out",
  what: Override["what"],
  why: string,
  became: string | null,
): void {
  const { core, name } = memory.device;
  const asked = direction === "in" ? memory.name : (move.other?.name ?? "host");
  const { first, count } = move;
  const when = core.host.now();
  core.records.overrides.add({
    when,
    who: name,
    what,
    why,
    space: move.space.id,
    first,
    count,
    asked,
    became,
  });
}
