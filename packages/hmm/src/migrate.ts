import { HmsError } from "@hms/topology";
import { runOut } from "./bring-home.ts";
import { CAUSE, type Cause, LOSS, LOSS_NAMES, type LossReason } from "./cause.ts";
import type { Core } from "./core.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { COHERENT, KIND, PRIVATE } from "./entry.ts";
import { OK } from "./errno.ts";
import type { Migration } from "./migration.ts";
import { SELECT_COHERENT, SELECT_PEERS, SELECT_PRIVATE, SELECT_SYSTEM } from "./migration-status.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, isRange, type PageCount, type PageIndex } from "./units.ts";
import { decide, memoriesIn, refusals } from "./verdict.ts";

/** What is to be moved, and where to. */
export interface MigrateRequest {
  readonly space: Space;
  readonly first: PageIndex;
  readonly count: PageCount;
  /** Null: the host's memory. */
  readonly to: DeviceMemory | null;
  /** What `explain` says; default `CAUSE.migrate`. */
  readonly cause?: Cause;
  /** Read-only duplicates at the destination instead of a move; only to a device. */
  readonly duplicate?: boolean;
}

/** Pages that did not move, and why. */
export interface Kept {
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly reason: LossReason;
  /** The reason in words. */
  readonly why: string;
}

/** What became of a migration. */
export interface MoveReport {
  readonly moved: PageCount;
  /** Runs of pages that stayed where they were, in order; those that were there already are not among them. */
  readonly kept: readonly Kept[];
}

class Report {
  moved = 0;
  readonly kept: Kept[] = [];

  keep(first: PageIndex, count: PageCount, reason: LossReason): void {
    if (reason === LOSS.already || count === 0) return;
    const last = this.kept[this.kept.length - 1];
    if (last !== undefined && last.reason === reason && last.first + last.count === first) {
      this.kept[this.kept.length - 1] = { ...last, count: last.count + count };
    } else {
      this.kept.push({ first, count, reason, why: LOSS_NAMES[reason] ?? "unknown" });
    }
  }
}

/** Moves a range, region by region in batches of 2 MiB; never fails for single pages. */
export function migrate(core: Core, ask: MigrateRequest): MoveReport {
  const { space, first, count, to } = ask;
  if (!isRange(first, count)) {
    throw new HmsError(
      "BAD_RANGE",
      "EINVAL",
      `Migrating failed: the range must have at least one page and end by 2^36, not ${count} pages from ${first} on.`,
    );
  }
  space.expectOpen("Migrating");
  to?.device.expectPresent(`Migrating to ${to.name}`);
  const report = new Report();
  const end = first + count;
  for (let page = first; page < end; ) {
    const region = space.regions.at(page);
    if (region === null || !region.migratable) {
      const stop = Math.min(end, region?.end ?? space.regions.after(page)?.first ?? end);
      report.keep(page, stop - page, region === null ? LOSS.absent : LOSS.immovable);
      page = stop;
      continue;
    }
    const stop = Math.min(end, region.end, page - (page % HUGE_PAGES) + HUGE_PAGES);
    moveBatch(core, ask, page, stop - page, report);
    page = stop;
  }
  return { moved: report.moved, kept: report.kept };
}

function moveBatch(
  core: Core,
  ask: MigrateRequest,
  first: PageIndex,
  count: PageCount,
  report: Report,
): void {
  const { space, to } = ask;
  const reasons = new Uint8Array(count);
  let cause = ask.cause ?? CAUSE.migrate;
  let target = to;
  if (target !== null) {
    const decision = decide(target, "in", { space, first, count, cause, other: null });
    if (decision.kind === "refused") {
      report.keep(first, count, LOSS.refused);
      return;
    }
    if (decision.kind === "redirected") {
      target = decision.to;
      cause = CAUSE.override;
    }
  }
  const refusing = refusals({ space, first, count, cause, other: target }, null);
  if (target === null) {
    reasons.fill(LOSS.already);
    moveHome(core, space, first, count, cause, refusing, reasons);
  } else {
    moveInto(core, target, { ...ask, first, count, cause }, refusing, reasons);
  }
  for (let i = 0; i < count; i++) {
    if (reasons[i] === LOSS.none) report.moved++;
    else report.keep(first + i, 1, reasons[i] ?? 0);
  }
}

/** Moves the device pages of a range to the host's memory, memory by memory. */
function moveHome(
  core: Core,
  space: Space,
  first: PageIndex,
  count: PageCount,
  cause: Cause,
  refusing: readonly DeviceMemory[],
  reasons: Uint8Array,
): void {
  for (const memory of memoriesIn(space, first, count)) {
    const migration = core.borrowMigration();
    const select = SELECT_PRIVATE | SELECT_COHERENT;
    const setup = {
      space,
      first,
      count,
      select,
      to: null,
      owner: memory.device,
      from: memory,
      cause,
      refusing,
    };
    if (migration.setup(setup) === OK) {
      runOut(memory, migration);
      for (let i = 0; i < count; i++) {
        const reason = migration.reason(i);
        if (migration.moved(i)) reasons[i] = LOSS.none;
        else if (reason !== LOSS.notSelected && reason !== LOSS.absent) reasons[i] = reason;
      }
    } else {
      reasons.fill(LOSS.locked);
    }
    core.returnMigration(migration);
  }
}

/** Moves a range into a device's memory: pages of devices that cannot copy directly go by way of the host. */
function moveInto(
  core: Core,
  to: DeviceMemory,
  ask: MigrateRequest & { cause: Cause },
  refusing: readonly DeviceMemory[],
  reasons: Uint8Array,
): void {
  runInto(core, to, ask, refusing, reasons);
  if (!reasons.includes(LOSS.noPeer) || ask.duplicate === true) return;
  const { space, first, count, cause } = ask;
  moveHome(core, space, first, count, cause, [...refusing, to], new Uint8Array(count));
  const before = reasons.slice();
  runInto(core, to, ask, refusing, reasons);
  // What moved in the first run is there already in the second; or it had to make room, and was not moved after all.
  for (let i = 0; i < count; i++) {
    if (before[i] === LOSS.none && reasons[i] === LOSS.already) reasons[i] = LOSS.none;
  }
}

function runInto(
  core: Core,
  to: DeviceMemory,
  ask: MigrateRequest & { cause: Cause },
  refusing: readonly DeviceMemory[],
  reasons: Uint8Array,
): void {
  const { space, first, count, cause } = ask;
  if (to.gone) {
    reasons.fill(LOSS.aborted);
    return;
  }
  const migration = core.borrowMigration();
  const select = SELECT_SYSTEM | SELECT_PEERS;
  const errno = migration.setup({
    space,
    first,
    count,
    select,
    to,
    cause,
    refusing,
    duplicate: ask.duplicate ?? false,
  });
  if (errno === OK) runIn(to, migration);
  if (errno === OK && migration.allMoved) reasons.fill(LOSS.none, 0, count);
  else
    for (let i = 0; i < count; i++) {
      if (errno !== OK) reasons[i] = LOSS.locked;
      else if (migration.moved(i)) reasons[i] = LOSS.none;
      else reasons[i] = isIn(to, space, first + i) ? LOSS.already : migration.reason(i);
    }
  core.returnMigration(migration);
}

function isIn(memory: DeviceMemory, space: Space, page: PageIndex): boolean {
  const kind = space.table.flagsAt(page) & KIND;
  return (kind === PRIVATE || kind === COHERENT) && memory.holds(space.table.frameAt(page));
}

/** The steps of a migration into a memory after its set up. Its driver may fail: then everything stays. */
function runIn(to: DeviceMemory, migration: Migration): void {
  if (to.ops.migrateToDevice === undefined) {
    migration.abort();
    return;
  }
  try {
    if (migration.collected > 0) to.ops.migrateToDevice(migration);
    if (!migration.filling) throw new Error("it took a step of the migration that is the core's");
  } catch (error) {
    to.device.failed("migrateToDevice", error);
    migration.abort();
    return;
  }
  migration.pages();
  try {
    // What nobody may read the device must not map either.
    if (migration.movedCount > 0 && migration.region?.readable === true) to.ops.moved?.(migration);
  } catch (error) {
    to.device.failed("moved", error);
  }
  migration.finalize();
}
