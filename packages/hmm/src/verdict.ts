import { type Cause, LOSS } from "./cause.ts";
import type { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";
import type { Proposal } from "./driver-contract.ts";
import { COHERENT, KIND, PRIVATE } from "./entry.ts";
import type { Migration } from "./migration.ts";
import type { Override } from "./records.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";

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

/** The device memories that pages of a range within 2 MiB are in. */
export function memoriesIn(space: Space, first: PageIndex, count: PageCount): DeviceMemory[] {
  const found: DeviceMemory[] = [];
  for (let chunk = space.table.next(first, first + count); chunk !== null; ) {
    const { flags, frames } = chunk;
    const stop = Math.min(HUGE_PAGES, first + count - chunk.first);
    // Frames of the memory that was seen last are passed over.
    let base = 0;
    let end = 0;
    for (let index = Math.max(0, first - chunk.first); index < stop; index++) {
      const kind = (flags[index] ?? 0) & KIND;
      const frame = frames[index] ?? 0;
      if ((kind !== PRIVATE && kind !== COHERENT) || (frame >= base && frame < end)) continue;
      const memory = space.core.memories.deviceOf(frame);
      if (memory === null) continue;
      base = memory.base;
      end = base + memory.pages;
      if (!memory.gone && !found.includes(memory)) found.push(memory);
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, first + count);
  }
  return found;
}

/** Memories in the range whose drivers let nothing out now; those of `but`, which asks, are not asked. */
export function refusals(move: Move, but: Device | null): DeviceMemory[] {
  return memoriesIn(move.space, move.first, move.count).filter(
    (memory) =>
      memory !== move.other && memory.device !== but && decide(memory, "out", move).kind === "refused",
  );
}

/** Records the pages of a range that stayed because their driver holds them, a run of pages at a time. */
export function recordHeld(m: Migration, space: Space): void {
  const { reasons, count: pages } = m;
  for (let i = 0; i < pages; i++) {
    if (reasons[i] !== LOSS.held) continue;
    const frame = space.table.frameAt(m.first + i);
    const memory = m.core.memories.deviceOf(frame);
    const why = memory?.heldFor(frame - memory.base) ?? "held";
    let count = 1;
    while (i + count < pages && reasons[i + count] === LOSS.held) count++;
    const move = { space, first: m.first + i, count, cause: m.cause, other: m.to };
    if (memory !== null) recordOverride(memory, move, "out", "held", why, null);
    i += count - 1;
  }
}
