import { CAUSE, type Cause, LOSS, type LossReason } from "./cause.ts";
import type { Core } from "./core.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { COHERENT, KIND, LOST, MOVING, PRIVATE } from "./entry.ts";
import { EAGAIN, EBUSY, EIO, ENOMEM, type Errno, OK } from "./errno.ts";
import { HELD } from "./frame-table.ts";
import type { Migration } from "./migration.ts";
import { SELECT_COHERENT, SELECT_PRIVATE } from "./migration-status.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";
import { decide, recordOverride } from "./verdict.ts";

/** Pages that come home with the one that is needed, as far as they are in the same memory. */
export interface Surroundings {
  readonly first: PageIndex;
  readonly end: PageIndex;
}

/** A CPU or a pin needs a page that device memory holds: the driver brings it to the host's memory. */
export function bringHome(
  core: Core,
  space: Space,
  page: PageIndex,
  cause: Cause,
  around: Surroundings | null,
): Errno {
  const kind = space.table.flagsAt(page) & KIND;
  if (kind === MOVING) return EAGAIN;
  if (kind === LOST) return EIO;
  if (kind !== PRIVATE && kind !== COHERENT) return OK;
  const frame = space.table.frameAt(page);
  const memory = core.memories.deviceOf(frame);
  if (memory === null || memory.gone) return EIO;
  if (cause === CAUSE.cpuFault) core.statistics.cpuFaults++;
  if (around !== null && bringWindow(core, memory, space, page, cause, around)) return OK;
  const move = { space, first: page, count: 1, cause, other: null };
  if (memory.frames.is(frame - memory.base, HELD)) {
    const why = memory.heldFor(frame - memory.base) ?? "held";
    recordOverride(memory, move, "out", "held", why, null);
    return EIO;
  }
  if (decide(memory, "out", move).kind === "refused") return EIO;
  const whole = space.table.at(page)?.order === 9;
  const reason = whole
    ? moveOut(core, memory, space, page - (page % HUGE_PAGES), HUGE_PAGES, page, cause)
    : LOSS.noMemory;
  if (whole && reason !== LOSS.noMemory) return errnoFor(reason);
  return errnoFor(moveOut(core, memory, space, page, 1, page, cause));
}

/**
 * All of a window at once, so that what is whole stays whole: at most the 2 MiB around the page. False when the page
 * itself did not come with it.
 */
function bringWindow(
  core: Core,
  memory: DeviceMemory,
  space: Space,
  page: PageIndex,
  cause: Cause,
  around: Surroundings,
): boolean {
  const chunk = page - (page % HUGE_PAGES);
  const region = space.regions.at(page);
  const first = Math.max(chunk, around.first, region?.first ?? page);
  const count = Math.min(chunk + HUGE_PAGES, around.end, region?.end ?? page + 1) - first;
  if (count <= 1 || page < first || page >= first + count) return false;
  if (decide(memory, "out", { space, first, count, cause, other: null }).kind === "refused") return false;
  return moveOut(core, memory, space, first, count, page, cause) === LOSS.none;
}

/** Moves pages of one device's memory to the host, and says why the wanted one did not move. */
function moveOut(
  core: Core,
  memory: DeviceMemory,
  space: Space,
  first: PageIndex,
  count: PageCount,
  wanted: PageIndex,
  cause: Cause,
): LossReason {
  const migration = core.borrowMigration();
  try {
    const select = SELECT_PRIVATE | SELECT_COHERENT;
    const errno = migration.setup({
      space,
      first,
      count,
      select,
      to: null,
      owner: memory.device,
      from: memory,
      cause,
    });
    if (errno !== OK) return errno === EBUSY ? LOSS.locked : LOSS.unmapped;
    runOut(memory, migration);
    return migration.reason(wanted - first);
  } finally {
    core.returnMigration(migration);
  }
}

/** The steps of a migration out of a memory after its set up. Its driver may fail: then everything stays. */
export function runOut(memory: DeviceMemory, migration: Migration): void {
  try {
    if (migration.collected > 0) memory.ops.migrateToHost(migration);
    if (!migration.filling) throw new Error("it took a step of the migration that is the core's");
  } catch (error) {
    memory.device.failed("migrateToHost", error);
    migration.abort();
    return;
  }
  migration.pages();
  migration.finalize();
}

function errnoFor(reason: LossReason): Errno {
  switch (reason) {
    case LOSS.none:
    case LOSS.unmapped:
    case LOSS.notSelected:
    case LOSS.absent:
      return OK;
    case LOSS.locked:
    case LOSS.raced:
      return EAGAIN;
    case LOSS.pinned:
    case LOSS.held:
      return EBUSY;
    case LOSS.noMemory:
      return ENOMEM;
    default:
      return EIO;
  }
}
