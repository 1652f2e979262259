import { runOut } from "./bring-home.ts";
import { CAUSE, type Cause, LOSS, LOSS_NAMES } from "./cause.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { dropDuplicate } from "./duplicates.ts";
import { DUPLICATE } from "./frame-table.ts";
import { HUGE_PAGES, type PageCount } from "./units.ts";
import { decide } from "./verdict.ts";

/** What became of an eviction. */
export interface Eviction {
  /** Pages that are in the host's memory now, and duplicates that were dropped. */
  readonly moved: PageCount;
  /** Pages that something still maps in the memory. */
  readonly remaining: PageCount;
  /** Why, each reason once, in words. */
  readonly reasons: readonly string[];
}

/** Moves pages of a memory home by their place in the memory, whoever maps them. */
export function evict(memory: DeviceMemory, index: number, count: PageCount, cause: Cause): Eviction {
  const { core } = memory.device;
  const reasons = new Set<number>();
  let moved = 0;
  let at = index;
  const end = index + count;
  while (at < end) {
    const batch = Math.min(end - at, HUGE_PAGES - (at % HUGE_PAGES));
    if (anyMapped(memory, at, batch)) {
      core.host.yield("evict");
      moved += dropDuplicatesIn(memory, at, batch);
      moved += evictBatch(memory, at, batch, cause, reasons);
    }
    at += batch;
  }
  let remaining = 0;
  for (at = index; at < end; at++) if ((memory.frames.mapCount[at] ?? 0) > 0) remaining++;
  core.statistics.evicted += moved;
  const names = [...reasons].map((reason) => LOSS_NAMES[reason] ?? "unknown");
  return { moved, remaining, reasons: remaining === 0 ? [] : names };
}

function anyMapped(memory: DeviceMemory, at: number, count: PageCount): boolean {
  const { mapCount } = memory.frames;
  for (let index = at; index < at + count; index++) if ((mapCount[index] ?? 0) > 0) return true;
  return false;
}

/** Duplicates are dropped: the page itself is elsewhere. */
function dropDuplicatesIn(memory: DeviceMemory, at: number, count: PageCount): PageCount {
  const { frames, device } = memory;
  let dropped = 0;
  for (let index = at; index < at + count; index++) {
    if (!frames.is(index, DUPLICATE) || (frames.mapCount[index] ?? 0) === 0) continue;
    const space = device.core.space(frames.spaceOf(index));
    const page = frames.pageOf(index);
    space.invalidate(page, page + 1, "clear");
    dropDuplicate(space, page, memory.base + index);
    space.invalidated(page, page + 1);
    dropped++;
  }
  return dropped;
}

function evictBatch(
  memory: DeviceMemory,
  at: number,
  count: PageCount,
  cause: Cause,
  reasons: Set<number>,
): PageCount {
  const { core } = memory.device;
  if (cause !== CAUSE.release && !mayLeave(memory, at, count, cause)) {
    reasons.add(LOSS.refused);
    return 0;
  }
  const migration = core.borrowMigration();
  try {
    migration.setupFrames(memory, at, count, cause);
    runOut(memory, migration);
    for (let i = 0; i < migration.count; i++) {
      const reason = migration.reason(i);
      if (reason !== LOSS.none && reason !== LOSS.absent) reasons.add(reason);
    }
    return migration.movedCount;
  } finally {
    core.returnMigration(migration);
  }
}

/** Asks the driver about the pages of a batch, as far as they are one range of one space; its own release is not asked. */
function mayLeave(memory: DeviceMemory, at: number, count: PageCount, cause: Cause): boolean {
  const { frames, device } = memory;
  for (let index = at; index < at + count; index++) {
    if ((frames.mapCount[index] ?? 0) === 0) continue;
    const space = device.core.space(frames.spaceOf(index));
    return (
      decide(memory, "out", { space, first: frames.pageOf(index), count, cause, other: null }).kind !==
      "refused"
    );
  }
  return true;
}
