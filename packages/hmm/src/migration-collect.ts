import { LOSS, type LossReason } from "./cause.ts";
import type { Chunk } from "./chunk.ts";
import type { Core } from "./core.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { dropDuplicates } from "./duplicates.ts";
import {
  ANON,
  COHERENT,
  DUPLICATED,
  EMPTY,
  EXCLUSIVE,
  HOST,
  KIND,
  LOST,
  MOVING,
  PRIVATE,
  SWAP,
  WRITE,
  ZERO,
} from "./entry.ts";
import { DUPLICATE, type FrameTable, HEAD, HELD, LOCKED, TAIL } from "./frame-table.ts";
import { DUPLICATES_PER_PAGE } from "./limits.ts";
import type { Migration } from "./migration.ts";
import { restoreMappings } from "./migration-commit.ts";
import { seizeRun } from "./migration-runs.ts";
import {
  IS_FRESH,
  IS_HUGE,
  IS_SEIZED,
  IS_WRITABLE,
  MIGRATES,
  SELECT_COHERENT,
  SELECT_PEERS,
  SELECT_PRIVATE,
  SELECT_SYSTEM,
  WAS_HUGE,
} from "./migration-status.ts";
import { refersToFrame } from "./page-table.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import { type FrameNumber, HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";

/**
 * Splits the huge mappings of a range that will not move as a whole, and tells the mirrors of all of each (event
 * `clear`). As the kernel does (6.12): whatever a migration looks at is split, unless its destination can hold it
 * whole. Others may run meanwhile; what comes back is split by `collectRange`.
 */
export function splitRange(m: Migration, space: Space): void {
  const end = m.first + m.count;
  for (let page = m.first; page < end; page = page - (page % HUGE_PAGES) + HUGE_PAGES) {
    const chunk = space.table.at(page);
    if (chunk === null || chunk.order === 0 || m.duplicate) continue;
    const whole = page === chunk.first && end - page >= HUGE_PAGES;
    const flags = chunk.flags[0] ?? EMPTY;
    const head = chunk.frames[0] ?? 0;
    const unwanted = selection(m, flags, head);
    const looksAt = unwanted === LOSS.notSelected && m.to?.huge !== true && (flags & KIND) === HOST;
    const takes = unwanted === LOSS.none && !(whole && (m.to === null || m.to.huge));
    if (!(looksAt || takes) || obstacle(m, flags, head, true) !== LOSS.none) continue;
    space.splitHuge(page, true, true);
    if (whole) m.splitHeads.push(page);
  }
}

/** Takes the selected pages of a range out of this space's page table. Nothing else runs meanwhile. */
export function collectRange(m: Migration, space: Space, region: Region): void {
  const end = m.first + m.count;
  for (let page = m.first; page < end; ) {
    const chunkFirst = page - (page % HUGE_PAGES);
    const stop = Math.min(end, chunkFirst + HUGE_PAGES);
    const whole = stop - page === HUGE_PAGES;
    const chunk = space.table.at(page);
    const head = page - m.first;
    if (chunk === null || chunk.populated === 0) {
      for (let i = head; i < stop - m.first; i++) take(m, i, fresh(m, region, i));
      if (whole && m.moving(head) && region.huge === true) markHuge(m, head);
    } else if (chunk.order !== 0) {
      collectHuge(m, space, region, chunk, page, stop, whole);
    } else {
      collectEntries(m, space, region, chunk, page, stop);
      if (whole && m.splitHeads.includes(page) && allMoving(m, head)) markHuge(m, head);
    }
    page = stop;
  }
}

function collectEntries(
  m: Migration,
  space: Space,
  region: Region,
  chunk: Chunk,
  from: PageIndex,
  to: PageIndex,
): void {
  for (let page = from; page < to; ) {
    const i = page - m.first;
    const index = page - chunk.first;
    const run = isPlain(m, chunk, index) ? seizeRun(m, chunk, index, to - chunk.first, i) : 0;
    if (run === 0) take(m, i, collectEntry(m, space, region, chunk, index, i));
    page += Math.max(1, run);
  }
}

/** Whether the migration takes this page, and nothing of it says that others have to do with it. */
function isPlain(m: Migration, chunk: Chunk, index: number): boolean {
  const flags = chunk.flags[index] ?? EMPTY;
  if (m.duplicate || (flags & (ZERO | DUPLICATED)) !== 0) return false;
  return selection(m, flags, chunk.frames[index] ?? 0) === LOSS.none && (flags & KIND) !== EMPTY;
}

/** Part or all of a huge page: whole if its destination can hold it so, else split first. */
function collectHuge(
  m: Migration,
  space: Space,
  region: Region,
  chunk: Chunk,
  from: PageIndex,
  to: PageIndex,
  whole: boolean,
): void {
  const head = from - m.first;
  const stop = to - m.first;
  const frame = chunk.frames[0] ?? 0;
  const flags = chunk.flags[0] ?? EMPTY;
  const unwanted = selection(m, flags, frame);
  const keep = whole && !m.duplicate && (m.to === null || m.to.huge);
  const reason = unwanted === LOSS.none ? obstacle(m, flags, frame, keep) : unwanted;
  if (reason !== LOSS.none) {
    for (let i = head; i < stop; i++) take(m, i, reason);
    return;
  }
  chunk.order = 0;
  m.takingHuge = keep;
  collectEntries(m, space, region, chunk, from, to);
  m.takingHuge = false;
  if (whole && !m.duplicate && allMoving(m, head)) markHuge(m, head);
}

/** Why a huge page of the host cannot move, neither as a whole nor split. */
function obstacle(m: Migration, flags: number, head: FrameNumber, keep: boolean): LossReason {
  if ((flags & KIND) !== HOST || (flags & ZERO) !== 0 || m.duplicate) return LOSS.none;
  const frames = m.core.memories.host;
  for (let frame = head; frame < head + HUGE_PAGES; frame++) {
    if ((frames.pins[frame] ?? 0) > 0) return LOSS.pinned;
    if (frames.is(frame, LOCKED)) return LOSS.locked;
  }
  return keep || m.core.host.split(head, false) ? LOSS.none : LOSS.compound;
}

/** Whole where the destination can hold it so. */
function markHuge(m: Migration, i: number): void {
  const whole = m.to === null || m.to.huge;
  m.status[i] = (m.status[i] ?? 0) | (whole ? IS_HUGE : WAS_HUGE);
}

function take(m: Migration, i: number, reason: LossReason): void {
  m.reasons[i] = reason;
  if (reason === LOSS.none) m.collected++;
}

/** Nothing is there, or the page of zeros: a fresh page, if the range is anonymous memory. */
function fresh(m: Migration, region: Region, i: number): LossReason {
  if ((m.select & SELECT_SYSTEM) === 0 || !region.anonymous || m.duplicate || m.to === null)
    return LOSS.absent;
  m.status[i] = MIGRATES | IS_FRESH | (region.writable ? IS_WRITABLE : 0);
  return LOSS.none;
}

function collectEntry(
  m: Migration,
  space: Space,
  region: Region,
  chunk: Chunk,
  index: number,
  i: number,
): LossReason {
  const flags = chunk.flags[index] ?? EMPTY;
  const frame = chunk.frames[index] ?? 0;
  if ((flags & KIND) === EMPTY) return fresh(m, region, i);
  const reason = selection(m, flags, frame);
  if (reason !== LOSS.none) return reason;
  if ((flags & ZERO) !== 0) return fresh(m, region, i);
  return m.duplicate ? beginDuplicate(m, space, chunk, index, i) : seize(m, space, chunk, index, i);
}

/** Whether the migration takes pages like this at all; why not. */
function selection(m: Migration, flags: number, frame: FrameNumber): LossReason {
  switch (flags & KIND) {
    case HOST:
      if ((m.select & SELECT_SYSTEM) === 0) return LOSS.notSelected;
      return (flags & (ANON | ZERO)) === 0 ? LOSS.file : LOSS.none;
    case PRIVATE:
    case COHERENT:
      return m.duplicate ? LOSS.notSelected : deviceSelection(m, frame);
    case SWAP:
      return LOSS.swapped;
    case MOVING:
    case EXCLUSIVE:
      return LOSS.locked;
    case LOST:
      return LOSS.lost;
    default:
      return LOSS.absent;
  }
}

function deviceSelection(m: Migration, frame: FrameNumber): LossReason {
  const memory = m.core.memories.deviceOf(frame);
  if (memory === null || memory.gone) return LOSS.lost;
  if (memory === m.to || (m.from !== null && memory !== m.from)) return LOSS.notSelected;
  if (m.refusing.includes(memory)) return LOSS.refused;
  if (memory.device === m.owner) {
    const wanted = memory.kind === "private" ? SELECT_PRIVATE : SELECT_COHERENT;
    return (m.select & wanted) === 0 ? LOSS.notSelected : LOSS.none;
  }
  if ((m.select & SELECT_PEERS) === 0 || m.to === null) return LOSS.notSelected;
  return agree(m.to, memory) ? LOSS.none : LOSS.noPeer;
}

/** Whether both drivers agree to copies from one memory to the other. */
export function agree(to: DeviceMemory, from: DeviceMemory): boolean {
  return asks(to, from) && asks(from, to);
}

function asks(memory: DeviceMemory, other: DeviceMemory): boolean {
  try {
    return memory.ops.reaches?.(other) ?? false;
  } catch (error) {
    memory.device.failed("reaches", error);
    return false;
  }
}

/** Why a page cannot be taken now; `LOSS.none` when it can. */
function barrier(frames: FrameTable, index: number): LossReason {
  const state = frames.state[index] ?? 0;
  if ((state & LOCKED) !== 0) return LOSS.locked;
  if ((state & HELD) !== 0) return LOSS.held;
  return (frames.pins[index] ?? 0) > 0 ? LOSS.pinned : LOSS.none;
}

/** Locks a page and makes its entry here say that it is on its way. */
function seize(m: Migration, space: Space, chunk: Chunk, index: number, i: number): LossReason {
  const frame = chunk.frames[index] ?? 0;
  const frames = m.core.memories.tableOf(frame);
  const reason = barrier(frames, frame - frames.base);
  if (reason !== LOSS.none) return reason;
  const compound = frames.is(frame - frames.base, HEAD | TAIL) && !m.takingHuge;
  if (compound && (hasExclusive(chunk) || !m.core.host.split(frame, false))) return LOSS.compound;
  if (((chunk.flags[index] ?? 0) & DUPLICATED) !== 0) dropDuplicates(space, chunk.first + index);
  frames.set(frame - frames.base, LOCKED);
  const flags = chunk.flags[index] ?? 0;
  chunk.flags[index] = (flags & ~KIND) | MOVING;
  m.sources[i] = frame;
  m.status[i] = MIGRATES | IS_SEIZED | ((flags & WRITE) === 0 ? 0 : IS_WRITABLE);
  return LOSS.none;
}

/** A huge page cannot be split while a device has a part of it for itself. */
function hasExclusive(chunk: Chunk): boolean {
  for (let index = 0; index < HUGE_PAGES; index++) {
    if (((chunk.flags[index] ?? 0) & KIND) === EXCLUSIVE) return true;
  }
  return false;
}

/** Makes a page read-only and marks it, so that a write meanwhile shows. */
function beginDuplicate(m: Migration, space: Space, chunk: Chunk, index: number, i: number): LossReason {
  const page = chunk.first + index;
  const frame = chunk.frames[index] ?? 0;
  const { memories } = m.core;
  const reason = barrier(memories.host, frame);
  if (reason !== LOSS.none) return reason;
  const there = space.duplicates.get(page) ?? [];
  if (there.some((duplicate) => memories.deviceOf(duplicate) === m.to)) return LOSS.already;
  if (there.length === DUPLICATES_PER_PAGE) return LOSS.limit;
  space.duplicates.set(page, there);
  memories.host.set(frame, LOCKED);
  chunk.flags[index] = ((chunk.flags[index] ?? 0) & ~WRITE) | DUPLICATED;
  m.sources[i] = frame;
  m.status[i] = MIGRATES;
  return LOSS.none;
}

/** Locks pages of a memory that something maps. Their entries are dealt with by `seizeElsewhere`. */
export function collectFrames(m: Migration, memory: DeviceMemory, index: number): void {
  const { frames } = memory;
  for (let i = 0; i < m.count; i++) {
    const at = index + i;
    if ((frames.mapCount[at] ?? 0) === 0 || frames.is(at, DUPLICATE)) continue;
    const reason = barrier(frames, at);
    if (reason === LOSS.none) {
      frames.set(at, LOCKED);
      m.sources[i] = memory.base + at;
      m.status[i] = MIGRATES | IS_SEIZED;
      if (at % HUGE_PAGES === 0 && i + HUGE_PAGES <= m.count && isHugeHead(m.core, frames, at))
        markHuge(m, i);
    }
    take(m, i, reason);
  }
  for (let i = 0; i < m.count; i++) {
    if (m.huge(i) && !allMoving(m, i)) m.status[i] = (m.status[i] ?? 0) & ~IS_HUGE;
  }
}

function isHugeHead(core: Core, frames: FrameTable, index: number): boolean {
  const page = frames.pageOf(index);
  return page % HUGE_PAGES === 0 && (core.space(frames.spaceOf(index)).table.at(page)?.order ?? 0) !== 0;
}

function allMoving(m: Migration, head: number): boolean {
  for (let i = head; i < head + HUGE_PAGES; i++) if (!m.moving(i)) return false;
  return true;
}

/**
 * Makes every other entry that maps a taken page say so too, in whatever space. Others may run meanwhile; a page that
 * someone pinned through another entry before it was dealt with goes back.
 */
export function seizeElsewhere(m: Migration): void {
  const { count, sources, status } = m;
  for (let i = 0; i < count; i++) {
    if (m.space !== null) i += onlyHere(m, i);
    if (i >= count) return;
    if (((status[i] ?? 0) & IS_SEIZED) === 0) continue;
    const frame = sources[i] ?? 0;
    const frames = m.core.memories.tableOf(frame);
    const index = frame - frames.base;
    if (m.space !== null && frames.mapCount[index] === 1) continue;
    seizeMappings(m.core, frames, index, frame);
    if ((frames.pins[index] ?? 0) === 0) continue;
    m.status[i] = 0;
    m.reasons[i] = LOSS.pinned;
    m.collected--;
    restoreMappings(m.core, frame);
    frames.clear(index, LOCKED);
    m.core.put(frame);
  }
}

/** How many pages from `i` on were taken, are in one memory, and are mapped by nobody else. */
function onlyHere(m: Migration, i: number): PageCount {
  const { count, sources, status } = m;
  if (((status[i] ?? 0) & IS_SEIZED) === 0) return 0;
  const { base, mapCount, pages } = m.core.memories.tableOf(sources[i] ?? 0);
  const begin = base | 0;
  let k = i;
  for (; k < count; k++) {
    const index = (((sources[k] ?? 0) | 0) - begin) | 0;
    if (((status[k] ?? 0) & IS_SEIZED) === 0 || index < 0 || index >= pages || mapCount[index] !== 1) break;
  }
  return k - i;
}

function seizeMappings(core: Core, frames: FrameTable, index: number, frame: FrameNumber): void {
  for (;;) {
    const mapping = unseized(core, frames, index);
    if (mapping === null) return;
    const space = core.space(mapping.space);
    const { page } = mapping;
    space.invalidate(page, page + 1, "clear");
    const chunk = space.table.at(page);
    const flags = chunk?.flags[page - chunk.first] ?? EMPTY;
    if (chunk !== null && refersToFrame(flags) && chunk.frames[page - chunk.first] === frame) {
      chunk.order = 0;
      if ((flags & DUPLICATED) !== 0) dropDuplicates(space, page);
      chunk.flags[page - chunk.first] = (flags & ~(KIND | DUPLICATED)) | MOVING;
    }
    space.invalidated(page, page + 1);
    core.host.sync(space, page, 1);
  }
}

/** A mapping of the page whose entry does not say yet that it is on its way. */
function unseized(core: Core, frames: FrameTable, index: number): { space: number; page: PageIndex } | null {
  if ((frames.mapCount[index] ?? 0) === 0) return null;
  const first = { space: frames.spaceOf(index), page: frames.pageOf(index) };
  if (!isMoving(core, first.space, first.page)) return first;
  for (const mapping of frames.further(index) ?? []) {
    if (!isMoving(core, mapping.space, mapping.page)) return { space: mapping.space, page: mapping.page };
  }
  return null;
}

function isMoving(core: Core, space: number, page: PageIndex): boolean {
  return (core.space(space).table.flagsAt(page) & KIND) === MOVING;
}
