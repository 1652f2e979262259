import { DUPLICATED } from "./entry.ts";
import { DUPLICATE } from "./frame-table.ts";
import type { Space } from "./space.ts";
import type { FrameNumber, PageIndex } from "./units.ts";

/** A device holds a read-only duplicate of the page from now on. The entry says `DUPLICATED` already. */
export function addDuplicate(space: Space, page: PageIndex, frame: FrameNumber): void {
  const memory = space.core.present(frame);
  const index = frame - memory.base;
  memory.frames.map(index, space.id, page);
  memory.frames.set(index, DUPLICATE);
  space.table.counts[memory.place] = (space.table.counts[memory.place] ?? 0) + 1;
  const list = space.duplicates.get(page);
  if (list === undefined) space.duplicates.set(page, [frame]);
  else list.push(frame);
}

/** No device holds a duplicate of the page any more. The mirrors have been told, or are being told. */
export function dropDuplicates(space: Space, page: PageIndex): void {
  const list = space.duplicates.get(page);
  unmark(space, page);
  if (list === undefined) return;
  space.duplicates.delete(page);
  for (const frame of list) give(space, page, frame);
}

/** One duplicate goes: the mirrors have been told. */
export function dropDuplicate(space: Space, page: PageIndex, frame: FrameNumber): void {
  const list = space.duplicates.get(page);
  const at = list?.indexOf(frame) ?? -1;
  if (list === undefined || at < 0) return;
  list.splice(at, 1);
  if (list.length === 0) {
    space.duplicates.delete(page);
    unmark(space, page);
  }
  give(space, page, frame);
}

function unmark(space: Space, page: PageIndex): void {
  const chunk = space.table.at(page);
  if (chunk === null) return;
  const index = page - chunk.first;
  chunk.flags[index] = (chunk.flags[index] ?? 0) & ~DUPLICATED;
}

function give(space: Space, page: PageIndex, frame: FrameNumber): void {
  const { core, table } = space;
  const memory = core.memories.deviceOf(frame);
  if (memory === null) return;
  const index = frame - memory.base;
  memory.frames.unmap(index, space.id, page);
  memory.frames.clear(index, DUPLICATE);
  table.counts[memory.place] = (table.counts[memory.place] ?? 0) - 1;
  core.put(frame);
}

/**
 * A page with duplicates is about to be written, or to go: tells the mirrors and drops the duplicates. Others may run
 * before it returns.
 */
export function collapseDuplicates(space: Space, page: PageIndex): void {
  space.invalidate(page, page + 1, "clear");
  dropDuplicates(space, page);
  space.invalidated(page, page + 1);
}
