import { EAGAIN, EEXIST, EFAULT, EINVAL, ENOMEM, type Errno, OK } from "./errno.ts";
import { forkRegion } from "./fork.ts";
import { protectEntries } from "./protect.ts";
import type { RegionOptions } from "./region.ts";
import { moveEntries } from "./remap.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, isRange, PAGE_LIMIT, type PageCount, type PageIndex } from "./units.ts";
import { zap } from "./zap.ts";

// The operations on ranges of a space, for its methods of the same names.

function isFree(space: Space, first: PageIndex, end: PageIndex): boolean {
  const next = space.regions.after(first);
  return space.regions.at(first) === null && (next === null || next.first >= end);
}

export function mapRange(space: Space, first: PageIndex, count: PageCount, options: RegionOptions): Errno {
  if (!isRange(first, count)) return EINVAL;
  if (space.closed) return EFAULT;
  if (!isFree(space, first, first + count)) return EEXIST;
  if (!space.tryWrite()) return EAGAIN;
  space.regions.add(first, first + count, options);
  space.endWrite();
  return OK;
}

/** Huge mappings that reach over an end of the range are split first. EAGAIN: a mirror refused (only if not blocking). */
function splitEnds(space: Space, first: PageIndex, end: PageIndex, blocking = true): Errno {
  const errno = first % HUGE_PAGES === 0 ? OK : space.splitHuge(first, blocking);
  return errno === OK && end % HUGE_PAGES !== 0 ? space.splitHuge(end, blocking) : errno;
}

/** Huge mappings that move to a place where they cannot be huge. */
function splitAll(space: Space, first: PageIndex, end: PageIndex): void {
  for (let page = first; page < end; page += HUGE_PAGES) space.splitHuge(page);
  space.splitHuge(end - 1);
}

export function unmapRange(space: Space, first: PageIndex, count: PageCount): Errno {
  if (!isRange(first, count)) return EINVAL;
  if (space.closed) return EFAULT;
  const end = first + count;
  if (isFree(space, first, end)) return OK;
  if (!space.tryWrite()) return EAGAIN;
  splitEnds(space, first, end);
  space.regions.remove(first, end);
  space.downgrade();
  space.invalidate(first, end, "unmap");
  zap(space, first, end);
  space.invalidated(first, end);
  space.endRead();
  return OK;
}

export function protectRange(space: Space, first: PageIndex, count: PageCount, access: number): Errno {
  if (!isRange(first, count)) return EINVAL;
  if (space.closed) return EFAULT;
  if (!space.tryWrite()) return EAGAIN;
  const end = first + count;
  let page = first;
  for (const region of space.regions.within(first, end)) {
    if (region.first > page) break;
    const from = Math.max(first, region.first);
    const to = Math.min(end, region.end);
    page = to;
    if (region.access === access) continue;
    splitEnds(space, from, to);
    space.regions.change(from, to, { access });
    space.invalidate(from, to, "protection-range");
    protectEntries(space, from, to, region, access);
    space.invalidated(from, to);
  }
  space.endWrite();
  return page < end ? ENOMEM : OK;
}

export function adviseRange(
  space: Space,
  first: PageIndex,
  count: PageCount,
  change: { readonly huge: boolean | null },
): Errno {
  if (!isRange(first, count)) return EINVAL;
  if (space.closed) return EFAULT;
  if (!space.tryWrite()) return EAGAIN;
  const complete = space.regions.covers(first, first + count);
  splitEnds(space, first, first + count);
  space.regions.change(first, first + count, change);
  space.endWrite();
  return complete ? OK : ENOMEM;
}

export function discardRange(space: Space, first: PageIndex, count: PageCount, blocking: boolean): Errno {
  if (!isRange(first, count)) return EINVAL;
  if (space.closed) return EFAULT;
  if (!space.tryRead()) return EAGAIN;
  const end = first + count;
  let errno = splitEnds(space, first, end, blocking);
  if (errno === OK) errno = space.invalidate(first, end, "clear", null, blocking);
  if (errno === OK) {
    zap(space, first, end);
    space.invalidated(first, end);
  }
  space.endRead();
  return errno;
}

export function remapRange(
  space: Space,
  first: PageIndex,
  count: PageCount,
  to: PageIndex,
  keepOld: boolean,
): Errno {
  if (!isRange(first, count) || !isRange(to, count)) return EINVAL;
  const end = first + count;
  if (to < end && first < to + count) return EINVAL;
  if (space.closed) return EFAULT;
  const region = space.regions.at(first);
  if (region === null || region.end < end) return EFAULT;
  if (!isFree(space, to, to + count)) return EEXIST;
  if (!space.tryWrite()) return EAGAIN;
  if ((to - first) % HUGE_PAGES === 0) splitEnds(space, first, end);
  else splitAll(space, first, end);
  const moved = region.with(first, end);
  space.regions.add(to, to + count, { ...moved, order: moved.hugeOrder, offset: moved.offset });
  space.invalidate(first, end, "unmap");
  moveEntries(space, first, end, to);
  if (!keepOld) space.regions.remove(first, end);
  space.invalidated(first, end);
  space.endWrite();
  return OK;
}

export function forkSpace(parent: Space, child: Space, copy: (page: PageIndex) => Errno): Errno {
  if (parent.closed || child.closed) return EFAULT;
  if (!parent.tryWrite()) return EAGAIN;
  let errno: Errno = OK;
  for (const region of parent.regions.all()) {
    child.regions.add(region.first, region.end, { ...region, order: region.hugeOrder });
    errno = forkRegion(parent, child, region, copy);
    if (errno !== OK) break;
  }
  parent.endWrite();
  return errno;
}

export function closeSpace(space: Space): Errno {
  if (space.closed) return OK;
  if (space.busy || space.invalidating) return EAGAIN;
  space.closed = true;
  space.invalidate(0, PAGE_LIMIT, "release");
  space.invalidated(0, PAGE_LIMIT);
  space.invalidate(0, PAGE_LIMIT, "unmap");
  zap(space, 0, PAGE_LIMIT);
  space.regions.remove(0, PAGE_LIMIT);
  space.invalidated(0, PAGE_LIMIT);
  space.core.dropSpace(space);
  return OK;
}
