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
  ZERO,
} from "./entry.ts";
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
    for (let index = from; index < to; index++) {
      chunk.flags[index] = protectedFlags(space, chunk, index, region, access);
    }
  }
  space.core.host.sync(space, first, end - first);
}

function protectedFlags(space: Space, chunk: Chunk, index: number, region: Region, access: number): number {
  const flags = chunk.flags[index] ?? EMPTY;
  const kind = flags & KIND;
  if (kind === EMPTY) return flags;
  const reach = (access & CAN_READ) === 0 ? flags | NO_ACCESS : flags & ~NO_ACCESS;
  switch (kind) {
    case HOST:
    case COHERENT: {
      if ((access & CAN_WRITE) === 0) return reach & ~WRITE;
      return mayBecomeWritable(space, chunk, index, region) ? reach | WRITE : reach;
    }
    case PRIVATE:
    case MOVING:
    case EXCLUSIVE:
      return reach & ~WRITE;
    default:
      return reach;
  }
}

/** A private page that nobody shares, or a page of a shared file that is known to be dirty. */
function mayBecomeWritable(space: Space, chunk: Chunk, index: number, region: Region): boolean {
  const flags = chunk.flags[index] ?? EMPTY;
  if ((flags & (ZERO | DUPLICATED)) !== 0) return false;
  if (region.shared) return (flags & DIRTY) !== 0;
  if ((flags & ANON) === 0) return false;
  const frame = chunk.frames[index] ?? 0;
  const frames = space.core.memories.tableOf(frame);
  return frames.mapCount[frame - frames.base] === 1;
}
