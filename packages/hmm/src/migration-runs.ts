import { LOSS } from "./cause.ts";
import type { Chunk } from "./chunk.ts";
import type { Core } from "./core.ts";
import { ANON, DUPLICATED, EMPTY, KIND, MOVING, WRITE, ZERO } from "./entry.ts";
import { type FrameTable, LOCKED } from "./frame-table.ts";
import type { Migration } from "./migration.ts";
import { HAS_MOVED, IS_COPIED, IS_FRESH, IS_SEIZED, IS_WRITABLE, MIGRATES } from "./migration-status.ts";
import type { Space } from "./space.ts";
import { FIRST_DEVICE_FRAME, type FrameNumber, NO_FRAME, type PageCount } from "./units.ts";

// What a migration does page by page, done for pages that follow each other and have nothing special about them: one
// entry refers to each, in the space of the migration. Most pages are like that, and 2 MiB of them cost a fraction. Each
// function answers for how many pages from the first on it did its work; the others are done one by one.

/** A page that a run is taken of: its entries alike, its frames in one table. */
const ALIKE = KIND | ANON | ZERO | DUPLICATED;

/**
 * Takes entries like the one at `index` out of the page table, as `seize` does: pages that nobody else maps, nor has
 * pinned, locked, held, or as a huge page.
 */
export function seizeRun(m: Migration, chunk: Chunk, index: number, stop: number, i: number): PageCount {
  const { flags, frames } = chunk;
  const { sources, status, reasons } = m;
  const alike = (flags[index] ?? EMPTY) & ALIKE;
  const table = m.core.memories.tableOf(frames[index] ?? 0);
  const { base, pages, state, pins, mapCount } = table;
  const begin = base | 0;
  let k = 0;
  for (; index + k < stop; k++) {
    const entry = flags[index + k] ?? EMPTY;
    const frame = (frames[index + k] ?? 0) | 0;
    const at = (frame - begin) | 0;
    if ((entry & ALIKE) !== alike || at < 0 || at >= pages) break;
    if (state[at] !== 0 || pins[at] !== 0 || mapCount[at] !== 1) break;
    state[at] = LOCKED;
    flags[index + k] = (entry & ~KIND) | MOVING;
    sources[i + k] = frame;
    status[i + k] = MIGRATES | IS_SEIZED | ((entry & WRITE) === 0 ? 0 : IS_WRITABLE);
  }
  reasons.fill(LOSS.none, i, i + k);
  m.collected += k;
  return k;
}

/** Puts pages with their destinations in place, as far as frames on both sides follow each other. */
export function commitRun(m: Migration, space: Space, i: number, now: number): PageCount {
  const source = m.sources[i] ?? NO_FRAME;
  const destination = m.destinations[i] ?? NO_FRAME;
  if (source === NO_FRAME || destination === NO_FRAME || m.duplicate || m.to?.gone === true) return 0;
  const page = m.first + i;
  const chunk = space.table.at(page);
  if (chunk === null) return 0;
  const index = page - chunk.first;
  const from = m.core.memories.tableOf(source);
  const to = m.core.memories.tableOf(destination);
  const count = runToCommit(m, chunk, index, i, from, to);
  if (count <= 1) return 0;
  const kind = m.core.kindOf(destination);
  const before = space.table.moveRun(chunk, index, count, kind, destination);
  chunk.noteRun(index, count, m.cause, before, now);
  const { status } = m;
  for (let k = i; k < i + count; k++) status[k] = (status[k] ?? 0) | HAS_MOVED;
  m.reasons.fill(LOSS.none, i, i + count);
  m.movedCount += count;
  const { statistics } = m.core;
  if (destination < FIRST_DEVICE_FRAME) statistics.movedToHost += count;
  else if (source >= FIRST_DEVICE_FRAME) statistics.movedBetweenDevices += count;
  else statistics.movedToDevice += count;
  return count;
}

function runToCommit(
  m: Migration,
  chunk: Chunk,
  index: number,
  i: number,
  from: FrameTable,
  to: FrameTable,
): PageCount {
  const { flags, frames } = chunk;
  const { sources, destinations, status } = m;
  const source = sources[i] ?? 0;
  const destination = destinations[i] ?? 0;
  const alike = (flags[index] ?? EMPTY) & (KIND | ANON);
  if ((alike & KIND) !== MOVING) return 0;
  const most = Math.min(
    m.count - i,
    flags.length - index,
    from.base + from.pages - source,
    to.base + to.pages - destination,
  );
  const { mapCount: oldMaps } = from;
  const { mapCount: newMaps } = to;
  const first = source | 0;
  const then = destination | 0;
  const old = source - from.base;
  const now = destination - to.base;
  let k = 0;
  for (; k < most; k++) {
    if (((status[i + k] ?? 0) & (MIGRATES | IS_COPIED | IS_FRESH)) !== (MIGRATES | IS_COPIED)) break;
    if (((sources[i + k] ?? 0) | 0) !== ((first + k) | 0)) break;
    if (((destinations[i + k] ?? 0) | 0) !== ((then + k) | 0)) break;
    if (((flags[index + k] ?? 0) & (KIND | ANON | ZERO | DUPLICATED)) !== alike) break;
    if (((frames[index + k] ?? 0) | 0) !== ((first + k) | 0)) break;
    if (oldMaps[old + k] !== 1 || newMaps[now + k] !== 0) break;
  }
  return k;
}

/** Gives up what moved away and unlocks where it went. */
export function settleRun(m: Migration, i: number): PageCount {
  const source = m.sources[i] ?? NO_FRAME;
  const destination = m.destinations[i] ?? NO_FRAME;
  if (source === NO_FRAME || destination === NO_FRAME || m.duplicate) return 0;
  const from = m.core.memories.tableOf(source);
  const to = m.core.memories.tableOf(destination);
  const { sources, destinations, status } = m;
  const { mapCount: oldMaps, pins: oldPins, state: oldState } = from;
  const { mapCount: newMaps, state: newState } = to;
  const most = Math.min(m.count - i, from.base + from.pages - source, to.base + to.pages - destination);
  const first = source | 0;
  const then = destination | 0;
  const old = source - from.base;
  const now = destination - to.base;
  let count = 0;
  for (; count < most; count++) {
    if (((status[i + count] ?? 0) & (IS_SEIZED | HAS_MOVED)) !== (IS_SEIZED | HAS_MOVED)) break;
    if (((sources[i + count] ?? 0) | 0) !== ((first + count) | 0)) break;
    if (((destinations[i + count] ?? 0) | 0) !== ((then + count) | 0)) break;
    if (oldState[old + count] !== LOCKED || oldMaps[old + count] !== 0 || oldPins[old + count] !== 0) break;
    if (newState[now + count] !== LOCKED || newMaps[now + count] === 0) break;
  }
  if (count <= 1) return 0;
  oldState.fill(0, old, old + count);
  newState.fill(0, now, now + count);
  releaseRun(m.core, source, count);
  return count;
}

/** Gives frames of one memory that nothing refers to back to their owner. */
function releaseRun(core: Core, first: FrameNumber, count: PageCount): void {
  if (first >= FIRST_DEVICE_FRAME) {
    const memory = core.memories.deviceOf(first);
    memory?.freedRun(first - memory.base, count);
    return;
  }
  const { host } = core;
  if (host.releaseRun !== undefined) host.releaseRun(first, count);
  else for (let k = 0; k < count; k++) host.release(first + k);
}
