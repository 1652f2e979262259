import {
  ANON,
  CAUSE,
  DIRTY,
  DUPLICATED,
  dropDuplicates,
  EAGAIN,
  EINVAL,
  EMPTY,
  ENOMEM,
  type Errno,
  HOST,
  HUGE_ORDER,
  HUGE_PAGES,
  KIND,
  LOCKED,
  NO_FRAME,
  OK,
  type PageIndex,
  type Space,
  SWAP,
  WRITE,
  ZERO,
} from "@hms/hmm";
import type { ModelHost } from "./host.ts";

/** Joins the pages of 2 MiB to a huge page, as MADV_COLLAPSE does: pages of this process alone, in the host's memory. */
export function collapse(host: ModelHost, space: Space, first: PageIndex): Errno {
  const region = space.regions.at(first);
  if (region === null || !region.anonymous || region.end < first + HUGE_PAGES) return EINVAL;
  if (space.table.at(first)?.order === HUGE_ORDER) return OK;
  const swapped = bringIn(host, space, first);
  if (swapped !== OK) return swapped;
  if (!space.tryWrite()) return EAGAIN;
  const errno = collapseLocked(host, space, first, region.writable);
  space.endWrite();
  return errno;
}

/** What is swapped out comes back first. */
function bringIn(host: ModelHost, space: Space, first: PageIndex): Errno {
  for (let page = first; page < first + HUGE_PAGES; page++) {
    if ((space.table.flagsAt(page) & KIND) !== SWAP) continue;
    if (!space.tryRead()) return EAGAIN;
    const errno = host.fault(space, page, false, CAUSE.collapse);
    space.endRead();
    if (errno !== OK) return errno === ENOMEM ? ENOMEM : EINVAL;
  }
  return OK;
}

function collapseLocked(host: ModelHost, space: Space, first: PageIndex, writable: boolean): Errno {
  if (space.table.at(first) === null) return EINVAL;
  const head = host.allocate(space, true);
  if (head === NO_FRAME) return ENOMEM;
  space.invalidate(first, first + HUGE_PAGES, "clear");
  const errno = obstacle(host, space, first);
  if (errno === OK) join(host, space, first, head, writable);
  else host.giveBackHuge(head);
  space.invalidated(first, first + HUGE_PAGES);
  return errno;
}

/** Why the pages cannot be joined: EAGAIN for what may pass, EINVAL for what will not. */
function obstacle(host: ModelHost, space: Space, first: PageIndex): Errno {
  const frames = host.core.memories.host;
  for (let page = first; page < first + HUGE_PAGES; page++) {
    const flags = space.table.flagsAt(page);
    if ((flags & KIND) === EMPTY || (flags & ZERO) !== 0) continue;
    if ((flags & KIND) !== HOST || (flags & ANON) === 0) return EINVAL;
    const frame = space.table.frameAt(page);
    if (frames.mapCount[frame] !== 1 || (frames.pins[frame] ?? 0) > 0 || frames.is(frame, LOCKED))
      return EAGAIN;
  }
  return space.mayGrow(HUGE_PAGES) ? OK : ENOMEM;
}

function join(host: ModelHost, space: Space, first: PageIndex, head: number, writable: boolean): void {
  const chunk = space.table.ensure(first);
  chunk.order = 0;
  const flags = HOST | ANON | DIRTY | (writable ? WRITE : 0);
  for (let index = 0; index < HUGE_PAGES; index++) {
    const before = chunk.flags[index] ?? EMPTY;
    if ((before & DUPLICATED) !== 0) dropDuplicates(space, first + index);
    if ((before & KIND) === EMPTY || (before & ZERO) !== 0) host.clear(head + index, 1);
    else host.copy(chunk.frames[index] ?? 0, head + index);
    if ((before & KIND) === EMPTY) space.install(first + index, flags, head + index, CAUSE.collapse);
    else
      space.exchange(
        first + index,
        flags,
        head + index,
        CAUSE.collapse,
        space.table.placeOf(before, chunk.frames[index] ?? 0),
      );
  }
  chunk.order = HUGE_ORDER;
  host.sync(space, first, HUGE_PAGES);
}
