import { CAUSE } from "./cause.ts";
import type { Chunk } from "./chunk.ts";
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
import { EAGAIN, EBUSY, type Errno, OK } from "./errno.ts";
import { restoreExclusive } from "./exclusive.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import { HUGE_ORDER, HUGE_PAGES, type PageIndex } from "./units.ts";

/**
 * Copies the entries of one region to a child's space: what is private becomes read-only on both sides and shared
 * until someone writes. Device pages are shared in place; exclusive pages are restored first. `copy` makes the child's
 * own copy of a pinned page, so that the parent's stays where the pin expects it. EBUSY: a driver holds an exclusive
 * page right now; EAGAIN: something is under way; or what `copy` answers. The child is then to be thrown away.
 */
export function forkRegion(
  parent: Space,
  child: Space,
  region: Region,
  copy: (page: PageIndex) => Errno,
): Errno {
  if (!inherits(region)) return OK;
  const restored = restoreAll(parent, region);
  if (restored !== OK) return restored;
  if (region.copyOnWrite) parent.invalidate(region.first, region.end, "protection-page");
  const errno = forkEntries(parent, child, region, copy);
  if (region.copyOnWrite) parent.invalidated(region.first, region.end);
  return errno;
}

/** Pages of shared files are found again by a fault; only what a fault could not find is copied. */
function inherits(region: Region): boolean {
  return region.kind !== "io" && (region.copyOnWrite || region.kind === "mixed");
}

function restoreAll(parent: Space, region: Region): Errno {
  const { table } = parent;
  for (let chunk = table.next(region.first, region.end); chunk !== null; ) {
    const { first } = chunk;
    const to = Math.min(HUGE_PAGES, region.end - first);
    for (let index = Math.max(0, region.first - first); index < to; index++) {
      if ((table.flagsAt(first + index) & KIND) !== EXCLUSIVE) continue;
      const errno = restoreExclusive(parent, first + index, CAUSE.cpuFault);
      if (errno !== OK) return errno === EAGAIN ? EBUSY : errno;
    }
    chunk = table.next(first + HUGE_PAGES, region.end);
  }
  return OK;
}

function forkEntries(parent: Space, child: Space, region: Region, copy: (page: PageIndex) => Errno): Errno {
  const { table } = parent;
  for (let chunk = table.next(region.first, region.end); chunk !== null; ) {
    const { first } = chunk;
    const from = Math.max(0, region.first - first);
    const to = Math.min(HUGE_PAGES, region.end - first);
    const order = chunk.order;
    let whole = to - from === HUGE_PAGES;
    for (let index = from; index < to; index++) {
      const now = table.at(first + index);
      if (now === null) break;
      const errno = forkEntry(parent, child, region, now, index, copy);
      if (errno === EAGAIN) whole = false;
      else if (errno !== OK) return errno;
    }
    const copied = child.table.at(first);
    if (copied !== null && whole) copied.order = order;
    else splitQuietly(parent, first, order);
    chunk = table.next(first + HUGE_PAGES, region.end);
  }
  parent.core.host.sync(parent, region.first, region.end - region.first);
  return OK;
}

/** The range is being told of already: a mapping of which the child has a part as a copy is not one any more. */
function splitQuietly(parent: Space, first: PageIndex, order: number): void {
  const chunk = parent.table.at(first);
  if (chunk !== null && order === HUGE_ORDER) chunk.order = 0;
}

/** EAGAIN from here only says that the child's page is a copy of its own, apart from the others. */
function forkEntry(
  parent: Space,
  child: Space,
  region: Region,
  chunk: Chunk,
  index: number,
  copy: (page: PageIndex) => Errno,
): Errno {
  const flags = chunk.flags[index] ?? EMPTY;
  const frame = chunk.frames[index] ?? 0;
  const page = chunk.first + index;
  switch (flags & KIND) {
    case SWAP:
      parent.core.host.shareSwap(frame);
      break;
    case HOST:
    case COHERENT: {
      if ((flags & ZERO) !== 0 || !region.copyOnWrite) break;
      if ((flags & ANON) === 0 && region.kind === "file") return OK;
      const frames = parent.core.memories.tableOf(frame);
      if ((frames.pins[frame - frames.base] ?? 0) > 0) {
        const errno = copy(page);
        return errno === OK ? EAGAIN : errno;
      }
      chunk.flags[index] = flags & ~WRITE;
      break;
    }
    case PRIVATE:
    case MOVING:
      chunk.flags[index] = flags & ~WRITE;
      break;
    case LOST:
      break;
    default:
      return OK;
  }
  const own = child.table.ensure(page);
  const shared = region.copyOnWrite ? flags & ~(WRITE | DUPLICATED) : flags & ~DUPLICATED;
  child.table.fill(own, index, shared, frame);
  own.copyNote(index, chunk, index);
  return OK;
}
