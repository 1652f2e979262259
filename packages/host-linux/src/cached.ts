import {
  CAUSE,
  type Cause,
  EAGAIN,
  EEXIST,
  EIO,
  EMPTY,
  ENOMEM,
  type Errno,
  FILE_PLACE,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  KIND,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Region,
  type Space,
  WRITE,
  WRITTEN,
} from "@hms/hmm";
import { CachedFile } from "./cached-file.ts";
import type { LinuxHost } from "./host.ts";
import { CACHE, WAITING } from "./pages.ts";
import type { LinuxRegion } from "./region.ts";
import { UFFDIO_CONTINUE_MODE_DONTWAKE, UFFDIO_CONTINUE_MODE_WP } from "./sys/abi.generated.ts";

// Shared and file regions: their pages are in a memfd, and are mapped in place by whoever touches them.

/** How often mapping is tried again while the kernel says that the address space is changing. */
const BUSY_TRIES = 1000;

/** Entries of the core that are emptied while their pages leave. */
const entries = new Uint16Array(HUGE_PAGES);

/** An entry of a shared or file region is empty: brings the page, and those around it in the window, into memory. */
export function faultCached(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const file = region.backing;
  if (!(file instanceof CachedFile)) return EIO;
  const { first, end } = host.windowIn(region, page);
  const shift = region.offset - region.first;
  const got = file.fetch(page + shift, first + shift, end + shift, space);
  if (got < 0) return got === -ENOMEM ? ENOMEM : EIO;
  const flags = HOST | (region.writable ? WRITE : 0);
  const from = file.fetchedFirst - shift;
  for (let at = from; at < from + got; at++) {
    const frame = file.frameOf(at + shift);
    if (frame === NO_FRAME || (space.table.flagsAt(at) & KIND) !== EMPTY) continue;
    space.install(at, flags, frame, cause, FILE_PLACE);
  }
  noteFetched(host, file, space, from, got, cause);
  // A device's writes are not seen by the kernel's tracking of the program's.
  if (write) host.core.memories.host.set(file.frameOf(region.offset + (page - region.first)), WRITTEN);
  return OK;
}

/** Counts what a fault has read from a disk; what was in memory, or is fresh zeros, is not. */
function noteFetched(
  host: LinuxHost,
  { fetchedFrom }: CachedFile,
  space: Space,
  first: PageIndex,
  count: PageCount,
  cause: Cause,
): void {
  if (fetchedFrom === null) return;
  if (fetchedFrom === "swap") host.statistics.swappedIn += count;
  host.trace?.cameIn(fetchedFrom, space, first, count, cause);
}

/** The program touched a page that the core's entry allows: maps it, and what of the window is in memory. */
export function mapCached(host: LinuxHost, region: LinuxRegion, page: PageIndex, write: boolean): Errno {
  const { around, space } = region;
  const end = around.first + around.count;
  let first = page;
  while (first > around.first && isUnmapped(host, space, first - 1)) first--;
  let stop = page + 1;
  while (stop < end && isReady(space, stop)) stop++;
  let mapped = continueAt(region, first, stop - first);
  // What is before the page is mapped already, which nobody has told us.
  if (first < page && (mapped < 0 || first + mapped <= page)) {
    first = page;
    mapped = continueAt(region, page, stop - page);
  }
  if (mapped < 0 && mapped !== -EEXIST) return -mapped;
  if (mapped === -EEXIST) host.statistics.spurious++;
  else host.statistics.broughtIn += mapped;
  const used = Math.max(1, mapped);
  for (let k = 0; k < used; k++) host.pages.host.place[space.table.frameAt(first + k)] = CACHE;
  if (write) host.core.memories.host.set(space.table.frameAt(page), WRITTEN);
  around.cut(first + used, first);
  return OK;
}

/** Maps pages that are in memory: how many, or −errno. */
function continueAt(region: LinuxRegion, page: PageIndex, count: PageCount): number {
  // Write-protected in the kernel's asynchronous way: the first write of each page is noted there, without a fault.
  const mode = UFFDIO_CONTINUE_MODE_DONTWAKE | UFFDIO_CONTINUE_MODE_WP;
  let done = region.uffd.continueAt(page * PAGE_BYTES, count * PAGE_BYTES, mode);
  for (let tries = 0; done === -EAGAIN && tries < BUSY_TRIES; tries++)
    done = region.uffd.continueAt(page * PAGE_BYTES, PAGE_BYTES, mode);
  return done > 0 ? done / PAGE_BYTES : done;
}

function isReady(space: Space, page: PageIndex): boolean {
  return (space.table.flagsAt(page) & KIND) === HOST;
}

function isUnmapped(host: LinuxHost, space: Space, page: PageIndex): boolean {
  return isReady(space, page) && ((host.pages.host.place[space.table.frameAt(page)] ?? 0) & WAITING) !== 0;
}

/** Unmaps pages of the cache that follow each other in a file, to see whether someone still needs them. */
export function hideCached(host: LinuxHost, file: CachedFile, page: PageIndex, count: PageCount): void {
  file.unmap(page, count);
  for (let k = 0; k < count; k++) host.pages.host.place[file.frameOf(page + k)] = CACHE | WAITING;
}

/** Whether a page of the cache has been left alone since it was unmapped, and may leave memory. */
export function isCold(host: LinuxHost, frame: FrameNumber): boolean {
  const table = host.core.memories.host;
  if ((host.pages.host.place[frame] ?? 0) !== (CACHE | WAITING)) return false;
  return (table.pins[frame] ?? 0) === 0 && (table.mapCount[frame] ?? 0) <= 1;
}

/** Whether a page is that of a file and a space that comes so far after another one in both. */
export function isAfter(host: LinuxHost, frame: FrameNumber, other: FrameNumber, distance: number): boolean {
  const table = host.core.memories.host;
  if (host.pages.host.at[other] !== (host.pages.host.at[frame] ?? 0) + distance) return false;
  if (table.mapCount[other] !== table.mapCount[frame]) return false;
  if (table.mapCount[frame] === 0) return true;
  return (
    table.spaceOf(other) === table.spaceOf(frame) && table.pageOf(other) === table.pageOf(frame) + distance
  );
}

/** Takes cold pages that follow each other out of memory. How many from the first on; −1: the disk takes no more. */
export function evictCached(
  host: LinuxHost,
  file: CachedFile,
  first: PageIndex,
  count: PageCount,
  cause: Cause,
  blocking: boolean,
): number {
  const table = host.core.memories.host;
  const frame = file.frameOf(first);
  if (table.mapCount[frame] === 0) return Math.max(-1, file.evict(first, count, cause));
  const space = host.core.space(table.spaceOf(frame));
  const page = table.pageOf(frame);
  if (space.invalidate(page, page + count, "clear", null, blocking) !== OK) return 0;
  // Those whom it was told to may have touched some of them.
  let cold = 0;
  while (cold < count && isCold(host, file.frameOf(first + cold))) cold++;
  file.hideFromWindows(first, cold);
  const flags = emptied(space, page, cold);
  const gone = cold === 0 ? 0 : file.evict(first, cold, cause);
  for (let k = Math.max(0, gone); k < cold; k++)
    space.install(page + k, flags[k] ?? 0, file.frameOf(first + k), CAUSE.reclaim, FILE_PLACE);
  space.invalidated(page, page + count);
  return Math.max(-1, gone);
}

/** Empties the core's entries; what they were. */
function emptied(space: Space, page: PageIndex, count: PageCount): Uint16Array {
  const flags = entries;
  for (let k = 0; k < count; k++) {
    flags[k] = space.table.flagsAt(page + k);
    const chunk = space.table.at(page + k);
    if (chunk !== null) space.table.empty(chunk, page + k - chunk.first);
  }
  return flags;
}
