import {
  CAUSE,
  type Cause,
  EEXIST,
  EIO,
  EMPTY,
  ENOMEM,
  type Errno,
  FILE_PLACE,
  type FrameNumber,
  HOST,
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

/** An entry of a shared or file region is empty: brings the page, and those after it in the window, into memory. */
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
  const { end } = host.windowIn(region, page);
  const got = file.fetch(region.offset + (page - region.first), end - page, space);
  if (got < 0) return got === -ENOMEM ? ENOMEM : EIO;
  const flags = HOST | (region.writable ? WRITE : 0);
  for (let k = 0; k < got; k++) {
    const frame = file.frameOf(region.offset + (page + k - region.first));
    if (frame === NO_FRAME || (space.table.flagsAt(page + k) & KIND) !== EMPTY) continue;
    space.install(page + k, flags, frame, cause, FILE_PLACE);
  }
  // A device's writes are not seen by the kernel's tracking of the program's.
  if (write) host.core.memories.host.set(file.frameOf(region.offset + (page - region.first)), WRITTEN);
  return OK;
}

/** The program touched a page that the core's entry allows: maps it, and what of the window is in memory. */
export function mapCached(host: LinuxHost, region: LinuxRegion, page: PageIndex, write: boolean): Errno {
  const { around, space } = region;
  const end = around.first + around.count;
  let count = 1;
  while (page + count < end && isReady(space, page + count)) count++;
  // Write-protected in the kernel's asynchronous way: the first write of each page is noted there, without a fault.
  const mode = UFFDIO_CONTINUE_MODE_DONTWAKE | UFFDIO_CONTINUE_MODE_WP;
  let done = region.uffd.continueAt(page * PAGE_BYTES, count * PAGE_BYTES, mode);
  for (let tries = 0; done === -11 && tries < 1000; tries++)
    done = region.uffd.continueAt(page * PAGE_BYTES, PAGE_BYTES, mode);
  if (done < 0 && done !== -EEXIST) return -done;
  if (done === -EEXIST) host.statistics.spurious++;
  else host.statistics.broughtIn += done / PAGE_BYTES;
  const used = done === -EEXIST ? 1 : done / PAGE_BYTES;
  for (let k = 0; k < used; k++) host.pages.host.place[space.table.frameAt(page + k)] = CACHE;
  if (write) host.core.memories.host.set(space.table.frameAt(page), WRITTEN);
  return OK;
}

function isReady(space: Space, page: PageIndex): boolean {
  return (space.table.flagsAt(page) & KIND) === HOST;
}

/** Unmaps pages of the cache, to see whether someone still needs them. */
export function hideCached(host: LinuxHost, frame: FrameNumber, count: PageCount): void {
  for (let k = 0; k < count; k++) {
    const file = host.cacheOf(frame + k);
    if (file === null) continue;
    file.unmap(file.pageOf(frame + k));
    host.pages.host.place[frame + k] = CACHE | WAITING;
  }
}

/** Takes a page of the cache out of memory. 1; 0: not now; −1: the disk takes no more. */
export function evictCached(host: LinuxHost, frame: FrameNumber): number {
  const file = host.cacheOf(frame);
  // Someone has touched it since it was unmapped.
  if (file === null || ((host.pages.host.place[frame] ?? 0) & WAITING) === 0) return 0;
  const table = host.core.memories.host;
  if ((table.pins[frame] ?? 0) > 0) return 0;
  const mapped = (table.mapCount[frame] ?? 0) > 0;
  const space = mapped ? host.core.space(table.spaceOf(frame)) : null;
  const page = mapped ? table.pageOf(frame) : 0;
  if (space !== null) space.invalidate(page, page + 1, "clear");
  const filePage = file.pageOf(frame);
  file.unmap(filePage);
  if (space !== null) {
    const chunk = space.table.at(page);
    if (chunk !== null) space.table.empty(chunk, page - chunk.first);
  }
  const errno = file.evict(filePage);
  if (errno < 0 && space !== null) space.install(page, HOST | WRITE, frame, CAUSE.reclaim, FILE_PLACE);
  space?.invalidated(page, page + 1);
  return errno < 0 ? -1 : 1;
}
