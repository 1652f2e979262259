import { CAUSE, LOSS, type LossReason } from "./cause.ts";
import type { Core } from "./core.ts";
import { addDuplicate, dropDuplicates } from "./duplicates.ts";
import { ANON, DIRTY, DUPLICATED, EMPTY, HOST, KIND, LOST, MOVING, NO_ACCESS, WRITE, ZERO } from "./entry.ts";
import { HEAD, LOCKED } from "./frame-table.ts";
import type { Migration } from "./migration.ts";
import { commitRun, settleRun } from "./migration-runs.ts";
import {
  HAS_MOVED,
  IS_COPIED,
  IS_FRESH,
  IS_HUGE,
  IS_SEIZED,
  IS_WRITABLE,
  MIGRATES,
} from "./migration-status.ts";
import type { Space } from "./space.ts";
import { FIRST_DEVICE_FRAME, type FrameNumber, HUGE_PAGES, NO_FRAME, type PageIndex } from "./units.ts";

/** Puts the pages of a migration that have a destination with their bytes in its place. */
export function commit(m: Migration): void {
  const now = m.core.host.now();
  for (let i = 0; i < m.count; i++) {
    if (!m.moving(i)) continue;
    const run = m.space === null ? 0 : commitRun(m, m.space, i, now);
    if (run > 0) {
      i += run - 1;
      continue;
    }
    const reason = verdict(m, i);
    m.reasons[i] = reason;
    if (reason !== LOSS.none) {
      m.status[i] = (m.status[i] ?? 0) & ~MIGRATES;
      continue;
    }
    const source = m.source(i);
    const destination = m.destination(i);
    if (m.duplicate && m.space !== null) addDuplicate(m.space, m.first + i, destination);
    else if (source === NO_FRAME) installFresh(m, i, destination, now);
    else moveMappings(m, source, destination, now);
    m.status[i] = (m.status[i] ?? 0) | HAS_MOVED;
    count(m, source, destination);
    // The range may have been unmapped meanwhile, although others still have the page.
    if (isGone(m, i, destination)) m.reasons[i] = LOSS.unmapped;
    else m.movedCount++;
  }
}

function isGone(m: Migration, i: number, destination: FrameNumber): boolean {
  return m.space !== null && !m.duplicate && !m.space.table.maps(m.first + i, destination);
}

function count(m: Migration, source: FrameNumber, destination: FrameNumber): void {
  const { statistics } = m.core;
  if (m.duplicate) statistics.duplicated++;
  else if (destination < FIRST_DEVICE_FRAME) statistics.movedToHost++;
  else if (source !== NO_FRAME && source >= FIRST_DEVICE_FRAME) statistics.movedBetweenDevices++;
  else statistics.movedToDevice++;
}

/** Whether page `i` can be put in place; why not. */
function verdict(m: Migration, i: number): LossReason {
  const status = m.status[i] ?? 0;
  if (m.destination(i) === NO_FRAME || (status & IS_COPIED) === 0) {
    return m.reason(i) === LOSS.none ? LOSS.driverLeft : m.reason(i);
  }
  if (m.to?.gone === true) return LOSS.aborted;
  const { space } = m;
  if ((status & IS_FRESH) !== 0 && space !== null) {
    const flags = space.table.flagsAt(m.first + i);
    const still = (flags & KIND) === EMPTY || ((flags & KIND) === HOST && (flags & ZERO) !== 0);
    if (!still || space.closed) return LOSS.raced;
    return space.mayGrow(1) ? LOSS.none : LOSS.limit;
  }
  if (m.duplicate && space !== null) {
    const flags = space.table.flagsAt(m.first + i);
    const still = (flags & DUPLICATED) !== 0 && space.table.frameAt(m.first + i) === m.source(i);
    return still ? LOSS.none : LOSS.raced;
  }
  const frames = m.core.memories.tableOf(m.source(i));
  return frames.mapCount[m.source(i) - frames.base] === 0 ? LOSS.unmapped : LOSS.none;
}

function installFresh(m: Migration, i: number, frame: FrameNumber, now: number): void {
  const { space, region } = m;
  if (space === null || region === null) return;
  const page = m.first + i;
  const chunk = space.table.ensure(page);
  const index = page - chunk.first;
  // A huge page of zeros may have come here meanwhile.
  chunk.order = 0;
  const writable = ((m.status[i] ?? 0) & IS_WRITABLE) !== 0 ? WRITE : 0;
  const flags = m.core.kindOf(frame) | ANON | DIRTY | writable | (region.readable ? 0 : NO_ACCESS);
  if (((chunk.flags[index] ?? 0) & KIND) === EMPTY) space.table.fill(chunk, index, flags, frame);
  else space.table.replace(chunk, index, flags, frame);
  chunk.note(index, m.cause, 0, now);
}

/** Every entry that maps the source maps the destination instead. */
function moveMappings(m: Migration, source: FrameNumber, destination: FrameNumber, now: number): void {
  const { core } = m;
  const frames = core.memories.tableOf(source);
  const index = source - frames.base;
  const kind = core.kindOf(destination);
  while ((frames.mapCount[index] ?? 0) > 0) {
    const space = core.space(frames.spaceOf(index));
    const page = frames.pageOf(index);
    const chunk = space.table.ensure(page);
    const at = page - chunk.first;
    const flags = chunk.flags[at] ?? 0;
    const from = space.table.placeOf(flags, source);
    space.table.replace(chunk, at, (flags & ~KIND) | kind | DIRTY, destination);
    chunk.note(at, m.cause, from, now);
    if (space !== m.space) core.host.sync(space, page, 1);
  }
}

/** Every entry of a page that was taken says again where it is; or that it is lost, when its memory is gone meanwhile. */
export function restoreMappings(core: Core, frame: FrameNumber): void {
  const frames = core.memories.tableOf(frame);
  const index = frame - frames.base;
  const memory = core.memories.deviceOf(frame);
  if (memory?.gone === true) {
    const when = core.host.now();
    while ((frames.mapCount[index] ?? 0) > 0) {
      const space = frames.spaceOf(index);
      const first = frames.pageOf(index);
      markLost(core, core.space(space), first);
      core.records.lose({ when, memory: memory.name, space, first, count: 1 });
    }
    return;
  }
  const kind = core.kindOf(frame);
  if ((frames.mapCount[index] ?? 0) === 0) return;
  restoreEntry(core, frames.spaceOf(index), frames.pageOf(index), kind);
  for (const mapping of frames.further(index) ?? []) restoreEntry(core, mapping.space, mapping.page, kind);
}

function restoreEntry(core: Core, id: number, page: PageIndex, kind: number): void {
  const space = core.space(id);
  const chunk = space.table.at(page);
  if (chunk === null) return;
  const flags = chunk.flags[page - chunk.first] ?? 0;
  if ((flags & KIND) !== MOVING) return;
  chunk.flags[page - chunk.first] = (flags & ~KIND) | kind;
  core.host.sync(space, page, 1);
}

/** The page's content is gone with the memory that held it: the entry says so. The caller records the loss. */
export function markLost(core: Core, space: Space, page: PageIndex): void {
  const { table } = space;
  const chunk = table.at(page);
  if (chunk === null) return;
  const index = page - chunk.first;
  const memory = core.memories.deviceOf(chunk.frames[index] ?? 0);
  const now = core.host.now();
  chunk.order = 0;
  const place = memory?.place ?? 0;
  table.replace(chunk, index, LOST | ((chunk.flags[index] ?? 0) & (ANON | NO_ACCESS)), place);
  chunk.note(index, CAUSE.lost, place, now);
  core.statistics.lost++;
  core.host.sync(space, page, 1);
}

/** Puts back what did not move, and gives up what nobody needs any more. */
export function settle(m: Migration): void {
  for (let i = 0; i < m.count; i++) {
    const run = settleRun(m, i);
    if (run > 0) {
      i += run - 1;
      continue;
    }
    settleSource(m, i);
    settleDestination(m, i);
  }
  const { count, status } = m;
  for (let i = 0; i < count; i++) if (((status[i] ?? 0) & IS_HUGE) !== 0) settleHuge(m, i);
  if (m.space !== null) m.core.host.sync(m.space, m.first, m.count);
}

function settleSource(m: Migration, i: number): void {
  const frame = m.source(i);
  if (frame === NO_FRAME) return;
  const frames = m.core.memories.tableOf(frame);
  const index = frame - frames.base;
  frames.clear(index, LOCKED);
  const status = m.status[i] ?? 0;
  if ((status & IS_SEIZED) !== 0 && (status & HAS_MOVED) === 0) restoreMappings(m.core, frame);
  if (m.duplicate && !m.moved(i) && m.space !== null) endDuplicate(m.space, m.first + i);
  m.core.put(frame);
}

/** A duplicate was not made: the mark goes, unless other devices have one. */
function endDuplicate(space: Space, page: PageIndex): void {
  if (space.duplicates.get(page)?.length === 0) dropDuplicates(space, page);
}

function settleDestination(m: Migration, i: number): void {
  const frame = m.destination(i);
  if (frame === NO_FRAME) return;
  const frames = m.core.memories.tableOf(frame);
  frames.clear(frame - frames.base, LOCKED);
  m.core.put(frame);
}

/** A 2 MiB page is one again, here or there, if all of it is together; else its memory is split. */
function settleHuge(m: Migration, head: number): void {
  joinAt(m, m.destination(head));
  joinAt(m, m.source(head));
}

function joinAt(m: Migration, frame: FrameNumber): void {
  if (frame === NO_FRAME) return;
  const { core } = m;
  const memory = core.memories.deviceOf(frame);
  const frames = core.memories.tableOf(frame);
  const index = frame - frames.base;
  const compound = memory === null ? frames.is(index, HEAD) : memory.huge;
  if (!compound) return;
  let joined = false;
  if ((frames.mapCount[index] ?? 0) > 0) {
    const chunk = core.space(frames.spaceOf(index)).table.at(frames.pageOf(index));
    joined =
      chunk !== null &&
      frames.pageOf(index) === chunk.first &&
      core.space(frames.spaceOf(index)).table.uniform(chunk);
    if (chunk !== null && joined) chunk.order = 9;
  }
  if (!joined && memory === null) core.host.split(frame - (frame % HUGE_PAGES), false);
}
