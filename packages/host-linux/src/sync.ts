import {
  COHERENT,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  isPresent,
  KIND,
  LOST,
  type PageCount,
  type PageIndex,
  type Space,
  SWAP,
  WRITE,
  ZERO,
} from "@hms/hmm";
import type { LinuxHost } from "./host.ts";
import { IN_WINDOW, MAPPED, PROTECTED } from "./pages.ts";

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
    let column = host.pages.host;
    for (let index = from; index < to; index++) {
      const frame = chunk.frames[index] ?? 0;
      if (!column.holds(frame)) column = host.pages.columnOf(frame) ?? column;
      // What is in a slot, as most of what moves, is nowhere that it should not be.
      if (column.holds(frame) && ((column.place[frame - column.base] ?? 0) & 0x0f) !== MAPPED) continue;
      syncEntry(host, chunk.first + index, chunk.flags[index] ?? 0, frame);
    }
  }
  flushHiding(host);
  flushProtecting(host);
}

function syncEntry(host: LinuxHost, page: PageIndex, flags: number, frame: FrameNumber): void {
  const kind = flags & KIND;
  if (kind === 0 || kind === SWAP || kind === LOST || (flags & ZERO) !== 0) return;
  const column = host.pages.columnOf(frame);
  if (column === null) return;
  const index = frame - column.base;
  const place = column.place[index] ?? 0;
  if ((place & 0x0f) !== MAPPED || (place & IN_WINDOW) !== 0) return;
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
