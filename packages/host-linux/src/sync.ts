import {
  type Chunk,
  COHERENT,
  type FrameNumber,
  following,
  HOST,
  HUGE_PAGES,
  isPresent,
  KIND,
  LOST,
  MOVING,
  type PageCount,
  type PageIndex,
  type Space,
  SWAP,
  WRITE,
  ZERO,
} from "@hms/hmm";
import { type Column, IN_WINDOW, MAPPED, PLACE, PROTECTED } from "./column.ts";
import type { LinuxHost } from "./host.ts";

const frames = new Uint32Array(HUGE_PAGES);

/** Pages that follow each other and need the same. */
interface Run {
  first: PageIndex;
  count: PageCount;
}

const hiding: Run = { first: 0, count: 0 };
const protecting: Run = { first: 0, count: 0 };

/**
 * Makes the addresses of a range agree with the core's entries: what the program may not reach any more is taken away,
 * what it may only read is write-protected. What it may reach now comes with its next touch.
 */
export function syncRange(host: LinuxHost, space: Space, first: PageIndex, count: PageCount): void {
  const end = first + count;
  host.spaceOf(space)?.dropZeros(first, end);
  const { table } = space;
  for (
    let chunk = table.next(first, end);
    chunk !== null;
    chunk = table.next(chunk.first + HUGE_PAGES, end)
  ) {
    const from = Math.max(0, first - chunk.first);
    const to = Math.min(HUGE_PAGES, end - chunk.first);
    let column: Column | null = host.pages.host;
    let stop = from;
    for (let index = from; index < to; ) {
      const frame = chunk.frames[index] ?? 0;
      if (!column?.holds(frame)) column = host.pages.columnOf(frame);
      if (column === null) {
        index++;
        continue;
      }
      // Up to there frames of the column follow each other.
      if (index >= stop)
        stop = index + following(chunk.frames, index, Math.min(to - index, column.end - frame));
      const own = frame - column.base;
      const most = stop - index;
      // What is in a slot or a window, as most of what moves, is nowhere that it should not be.
      const away = column.awayRun(own, most);
      if (away > 0) {
        index += away;
        continue;
      }
      const at = column.at[own] ?? 0;
      const leaving = column.runOf(own, movingRun(chunk, index, most), MAPPED, at, PLACE | IN_WINDOW);
      if (leaving > 1) {
        flushHiding(host);
        host.pages.hide(at, chunk.frames, index, leaving);
      } else {
        syncEntry(host, chunk.first + index, chunk.flags[index] ?? 0, frame);
      }
      index += Math.max(1, leaving);
    }
  }
  flushHiding(host);
  flushProtecting(host);
}

/** How many entries from `index` on are pages on their way elsewhere. */
function movingRun({ flags }: Chunk, index: number, most: PageCount): PageCount {
  let k = 0;
  while (k < most && ((flags[index + k] ?? 0) & (KIND | ZERO)) === MOVING) k++;
  return k;
}

function syncEntry(host: LinuxHost, page: PageIndex, flags: number, frame: FrameNumber): void {
  const kind = flags & KIND;
  if (kind === 0 || kind === SWAP || kind === LOST || (flags & ZERO) !== 0) return;
  const column = host.pages.columnOf(frame);
  if (column === null) return;
  const index = frame - column.base;
  const place = column.place[index] ?? 0;
  if ((place & (PLACE | IN_WINDOW)) !== MAPPED) return;
  const at = column.at[index] ?? 0;
  if (at !== page || !(kind === HOST || kind === COHERENT) || !isPresent(flags)) {
    if (hiding.count === HUGE_PAGES || hiding.first + hiding.count !== at) flushHiding(host);
    if (hiding.count === 0) hiding.first = at;
    frames[hiding.count++] = frame;
  } else if ((flags & WRITE) === 0 && (place & PROTECTED) === 0) {
    column.place[index] = place | PROTECTED;
    if (protecting.first + protecting.count !== page) flushProtecting(host);
    if (protecting.count === 0) protecting.first = page;
    protecting.count++;
  }
}

function flushHiding(host: LinuxHost): void {
  const { count } = hiding;
  if (count === 0) return;
  hiding.count = 0;
  host.pages.hide(hiding.first, frames, 0, count);
}

function flushProtecting(host: LinuxHost): void {
  const { count } = protecting;
  if (count === 0) return;
  protecting.count = 0;
  host.pages.protectRun(protecting.first, count, true);
}
