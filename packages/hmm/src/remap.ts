import { dropDuplicates } from "./duplicates.ts";
import { DUPLICATED, EMPTY, KIND } from "./entry.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, type PageIndex } from "./units.ts";

/**
 * Moves the entries of a range to another, empty one: every page keeps its place and its history. Huge pages stay
 * whole where both ends are aligned alike. The mirrors of the old range have been told. Nothing else runs.
 */
export function moveEntries(space: Space, first: PageIndex, end: PageIndex, to: PageIndex): void {
  const { table } = space;
  const shift = to - first;
  for (let chunk = table.next(first, end); chunk !== null; ) {
    const from = Math.max(0, first - chunk.first);
    const stop = Math.min(HUGE_PAGES, end - chunk.first);
    const order = chunk.order;
    const aligned = stop - from === HUGE_PAGES && shift % HUGE_PAGES === 0;
    chunk.order = 0;
    for (let index = from; index < stop; index++) {
      if (((chunk.flags[index] ?? EMPTY) & KIND) === EMPTY) continue;
      if (((chunk.flags[index] ?? EMPTY) & DUPLICATED) !== 0) dropDuplicates(space, chunk.first + index);
      const page = chunk.first + index + shift;
      const target = table.ensure(page);
      const at = page - target.first;
      target.copyNote(at, chunk, index);
      const flags = chunk.flags[index] ?? EMPTY;
      const frame = chunk.frames[index] ?? 0;
      table.empty(chunk, index);
      table.fill(target, at, flags, frame);
    }
    if (aligned && order !== 0) {
      const target = table.at(chunk.first + shift);
      if (target !== null) target.order = order;
    }
    const next = chunk.first + HUGE_PAGES;
    table.trim(chunk);
    chunk = table.next(next, end);
  }
  space.core.host.sync(space, first, end - first);
  space.core.host.sync(space, to, end - first);
}
