import {
  ANON,
  CAUSE,
  DIRTY,
  DUPLICATED,
  dropDuplicates,
  type FrameNumber,
  type FrameTable,
  HEAD,
  HOST,
  HOST_PLACE,
  isDeviceFrame,
  KEPT,
  KIND,
  LOCKED,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  SWAP,
  TAIL,
  WRITTEN,
  YOUNG,
} from "@hms/hmm";
import type { ModelFile } from "./file.ts";
import type { ModelHost } from "./host.ts";

interface Place {
  readonly space: Space;
  readonly page: PageIndex;
}

/**
 * Frees up to so many pages of the host's memory: the hand goes round the frames and takes those that were not used
 * since it last came by. Anonymous pages are swapped out, pages of files written back and dropped. The mirrors are
 * told first; without `blocking` they may refuse, and the page stays.
 */
export function reclaim(host: ModelHost, wanted: PageCount, blocking: boolean): PageCount {
  const frames = host.core.memories.host;
  let freed = 0;
  for (let looked = 0; looked < 2 * frames.pages && freed < wanted; looked++) {
    const frame = host.nextFrame();
    if (!isCandidate(host, frames, frame)) continue;
    if (looked < frames.pages && wasUsed(host, frames, frame)) continue;
    if (reclaimFrame(host, frame, blocking)) freed++;
  }
  return freed;
}

/** Whether the page could leave memory at all, so that it is worth telling the mirrors. */
function isCandidate(host: ModelHost, frames: FrameTable, frame: FrameNumber): boolean {
  if (frame === 0 || frames.is(frame, LOCKED) || (frames.pins[frame] ?? 0) > 0) return false;
  if (host.isHugetlb(frame)) return false;
  if (frames.is(frame, KEPT)) {
    const kind = host.cacheOf(frame)?.file.kind;
    return kind === "disk" || (kind === "memory" && host.swap.available > 0);
  }
  if ((frames.mapCount[frame] ?? 0) === 0 || host.swap.available === 0) return false;
  const flags = host.core.space(frames.spaceOf(frame)).table.flagsAt(frames.pageOf(frame));
  return (flags & (KIND | ANON)) === (HOST | ANON);
}

/** Whether any entry used the page since the last look; forgets it. */
function wasUsed(host: ModelHost, frames: FrameTable, frame: FrameNumber): boolean {
  if ((frames.mapCount[frame] ?? 0) === 0) return false;
  let used = forgetUse(host, frames.spaceOf(frame), frames.pageOf(frame));
  const further = frames.further(frame);
  if (further === null) return used;
  for (const { space, page } of further) used = forgetUse(host, space, page) || used;
  return used;
}

function forgetUse(host: ModelHost, space: number, page: PageIndex): boolean {
  const chunk = host.core.space(space).table.at(page);
  if (chunk === null) return false;
  const flags = chunk.flags[page - chunk.first] ?? 0;
  chunk.flags[page - chunk.first] = flags & ~YOUNG;
  return (flags & YOUNG) !== 0;
}

function placesOf(host: ModelHost, frames: FrameTable, frame: FrameNumber): Place[] {
  const places: Place[] = [];
  if ((frames.mapCount[frame] ?? 0) === 0) return places;
  places.push({ space: host.core.space(frames.spaceOf(frame)), page: frames.pageOf(frame) });
  for (const more of frames.further(frame) ?? []) {
    places.push({ space: host.core.space(more.space), page: more.page });
  }
  return places;
}

/**
 * Takes one page out of the host's memory. Every mirror is told before anything changes, and cannot come back until
 * the last entry is changed: in between the CPUs may still use the page, and what they write is in what is saved.
 */
export function reclaimFrame(host: ModelHost, frame: FrameNumber, blocking: boolean): boolean {
  const frames = host.core.memories.host;
  if (isDeviceFrame(frame) || !isCandidate(host, frames, frame) || !splits(host, frames, frame)) return false;
  frames.set(frame, LOCKED);
  host.yield("reclaim");
  const told = placesOf(host, frames, frame);
  let agreed = 0;
  while (agreed < told.length) {
    const { space, page } = told[agreed] as Place;
    if (space.invalidate(page, page + 1, "clear", null, blocking) !== OK) break;
    agreed++;
  }
  const same = agreed === told.length && sameMappings(frames, frame, told);
  told.length = agreed;
  const done = same && (frames.pins[frame] ?? 0) === 0 && takeOut(host, frames, frame, told);
  frames.clear(frame, LOCKED);
  for (const { space, page } of told) space.invalidated(page, page + 1);
  host.core.put(frame);
  return done;
}

/** A part of a huge page needs the huge page split, in memory and wherever it is mapped. */
function splits(host: ModelHost, frames: FrameTable, frame: FrameNumber): boolean {
  if (!frames.is(frame, HEAD | TAIL)) return true;
  for (const { space, page } of placesOf(host, frames, frame)) space.splitHuge(page, true, true);
  if (frames.is(frame, HEAD | TAIL) && !host.split(frame, false)) return false;
  // Others ran while the mirrors were told.
  return isCandidate(host, frames, frame);
}

/** Whether the page is mapped where it was when the mirrors were told, and nowhere else, in a plain way. */
function sameMappings(frames: FrameTable, frame: FrameNumber, told: readonly Place[]): boolean {
  if (frames.mapCount[frame] !== told.length) return false;
  for (const { space, page } of told) {
    if (!space.table.maps(page, frame) || (space.table.flagsAt(page) & KIND) !== HOST) return false;
    if ((space.table.at(page)?.order ?? 1) !== 0) return false;
  }
  return true;
}

function takeOut(host: ModelHost, frames: FrameTable, frame: FrameNumber, places: readonly Place[]): boolean {
  const owner = host.cacheOf(frame);
  return owner === null ? swapOut(host, frame, places) : dropCached(host, frames, frame, owner, places);
}

function swapOut(host: ModelHost, frame: FrameNumber, places: readonly Place[]): boolean {
  const anonymous = places.every(({ space, page }) => (space.table.flagsAt(page) & ANON) !== 0);
  if (!anonymous || places.length === 0) return false;
  host.ram.read(frame, 0, host.scratch);
  const slot = host.swap.store(host.scratch);
  if (slot < 0) return false;
  host.clock.advance(host.costs.disk(PAGE_BYTES));
  for (const { space, page } of places) {
    if ((space.table.flagsAt(page) & DUPLICATED) !== 0) dropDuplicates(space, page);
    host.swap.share(slot);
    space.exchange(page, SWAP | ANON, slot, CAUSE.reclaim, HOST_PLACE);
    host.sync(space, page, 1);
  }
  host.swap.release(slot);
  return true;
}

function dropCached(
  host: ModelHost,
  frames: FrameTable,
  frame: FrameNumber,
  owner: { file: ModelFile; page: PageIndex },
  places: readonly Place[],
): boolean {
  if (owner.file.kind === "dax") return false;
  const dirty =
    frames.is(frame, WRITTEN) || places.some(({ space, page }) => (space.table.flagsAt(page) & DIRTY) !== 0);
  if (!owner.file.writeBack(owner.page, frame, dirty)) return false;
  for (const { space, page } of places) {
    const chunk = space.table.at(page);
    if (chunk !== null) space.table.empty(chunk, page - chunk.first);
    host.sync(space, page, 1);
  }
  return true;
}
