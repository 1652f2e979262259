import type { Chunk } from "./chunk.ts";
import {
  ANON,
  COHERENT,
  DIRTY,
  DUPLICATED,
  EMPTY,
  EXCLUSIVE,
  HOST,
  KIND,
  MOVING,
  NO_ACCESS,
  PRIVATE,
  WRITE,
} from "./entry.ts";
import { refersToFrame } from "./page-table.ts";
import { CAN_READ, CAN_WRITE, type Region } from "./region.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, type PageIndex } from "./units.ts";

/**
 * Makes the entries of a range fit a region's new protection. Pages that the CPU reaches become writable at once
 * where nobody shares them; device pages, pages on their way and exclusive ones become readable only, and writable
 * again by the next fault. Nothing else runs.
 */
export function protectEntries(
  space: Space,
  first: PageIndex,
  end: PageIndex,
  region: Region,
  access: number,
): void {
  const { table } = space;
  for (
    let chunk = table.next(first, end);
    chunk !== null;
    chunk = table.next(chunk.first + HUGE_PAGES, end)
  ) {
    const from = Math.max(0, first - chunk.first);
    const to = Math.min(HUGE_PAGES, end - chunk.first);
    if (chunk.order === 9 && to - from !== HUGE_PAGES) chunk.order = 0;
    const writable = (access & CAN_WRITE) !== 0;
    // A huge page becomes writable as a whole or not at all.
    const whole = chunk.order === 0 || (writable && allMayBecomeWritable(space, chunk, region));
    for (let index = from; index < to; index++) {
      const may = writable && whole && mayBecomeWritable(space, chunk, index, region);
      chunk.flags[index] = protectedFlags(chunk.flags[index] ?? EMPTY, access, may);
    }
  }
  space.core.host.sync(space, first, end - first);
}

function protectedFlags(flags: number, access: number, mayWrite: boolean): number {
  const kind = flags & KIND;
  if (kind === EMPTY) return flags;
  const reach = (access & CAN_READ) === 0 ? flags | NO_ACCESS : flags & ~NO_ACCESS;
  switch (kind) {
    case HOST:
    case COHERENT:
      if ((access & CAN_WRITE) === 0) return reach & ~WRITE;
      return mayWrite ? reach | WRITE : reach;
    case PRIVATE:
    case MOVING:
    case EXCLUSIVE:
      return reach & ~WRITE;
    default:
      return reach;
  }
}

function allMayBecomeWritable(space: Space, chunk: Chunk, region: Region): boolean {
  for (let index = 0; index < HUGE_PAGES; index++) {
    if (!mayBecomeWritable(space, chunk, index, region)) return false;
  }
  return true;
}

/** A private page that nobody shares; a page of a shared file if its first write needs no notice, or was noticed. */
function mayBecomeWritable(space: Space, chunk: Chunk, index: number, region: Region): boolean {
  const flags = chunk.flags[index] ?? EMPTY;
  if (!refersToFrame(flags) || (flags & DUPLICATED) !== 0) return false;
  if (region.shared) return region.quiet || (flags & DIRTY) !== 0;
  if ((flags & ANON) === 0) return false;
  const frame = chunk.frames[index] ?? 0;
  const frames = space.core.memories.tableOf(frame);
  return frames.mapCount[frame - frames.base] === 1;
}
