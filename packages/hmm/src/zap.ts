import type { Chunk } from "./chunk.ts";
import { dropDuplicates } from "./duplicates.ts";
import { DUPLICATED, EMPTY, KIND } from "./entry.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, type PageIndex } from "./units.ts";

/**
 * Empties the entries of a range and releases what they referred to: host frames and swap go back to the host, device
 * pages to their drivers. The mirrors have been told. Nothing else runs.
 */
export function zap(space: Space, first: PageIndex, end: PageIndex): void {
  const { table } = space;
  for (let chunk = table.next(first, end); chunk !== null; ) {
    const from = Math.max(0, first - chunk.first);
    const to = Math.min(HUGE_PAGES, end - chunk.first);
    if (chunk.order !== 0 && to - from !== HUGE_PAGES) chunk.order = 0;
    zapChunk(space, chunk, from, to);
    const next = chunk.first + HUGE_PAGES;
    table.trim(chunk);
    chunk = table.next(next, end);
  }
  space.core.host.sync(space, first, end - first);
}

function zapChunk(space: Space, chunk: Chunk, from: number, to: number): void {
  for (let index = from; index < to; index++) {
    const flags = chunk.flags[index] ?? EMPTY;
    if ((flags & KIND) === EMPTY) continue;
    const frame = chunk.frames[index] ?? 0;
    if ((flags & DUPLICATED) !== 0) dropDuplicates(space, chunk.first + index);
    space.table.empty(chunk, index);
    space.core.release(flags, frame);
  }
}
