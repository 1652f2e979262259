import type { Core } from "./core.ts";
import type { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { dropDuplicate } from "./duplicates.ts";
import { DUPLICATE, LOCKED } from "./frame-table.ts";
import { markLost } from "./migration-commit.ts";
import type { Loss } from "./records.ts";

/** What went with a device that disappeared. */
export interface Disappearance {
  /** Ranges of pages that are lost, by space. A page that a fork shared is listed once for each space. */
  readonly lost: readonly Loss[];
  /** Read-only duplicates that went with it: their pages are where they were. */
  readonly duplicates: number;
  /** Pages that a migration had under way: when it ends, each is either at its destination or lost (and recorded). */
  readonly moving: number;
}

/** A device is gone: what only it held is lost, everything else stays as it is. */
export function disappear(device: Device): Disappearance {
  if (device.gone) return { lost: [], duplicates: 0, moving: 0 };
  device.gone = true;
  for (const memory of device.memories) memory.gone = true;
  for (const mirror of [...device.mirrors]) mirror.close();
  const when = device.core.host.now();
  const pages: Loss[] = [];
  let duplicates = 0;
  let moving = 0;
  for (const memory of device.memories) {
    for (let index = 0; index < memory.pages; index++) {
      if ((memory.frames.mapCount[index] ?? 0) === 0) continue;
      if (memory.frames.is(index, LOCKED)) moving++;
      else if (memory.frames.is(index, DUPLICATE)) duplicates += loseDuplicate(device.core, memory, index);
      else loseMappings(device.core, memory, index, when, pages);
    }
  }
  const lost = joined(pages);
  for (const loss of lost) device.core.records.lose(loss);
  return { lost, duplicates, moving };
}

/** Pages that follow each other in one space, as ranges. */
function joined(pages: Loss[]): Loss[] {
  pages.sort((a, b) => a.space - b.space || a.first - b.first);
  const ranges: Loss[] = [];
  for (const page of pages) {
    const last = ranges[ranges.length - 1];
    const follows =
      last !== undefined &&
      last.space === page.space &&
      last.memory === page.memory &&
      last.first + last.count === page.first;
    if (follows) ranges[ranges.length - 1] = { ...last, count: last.count + 1 };
    else ranges.push(page);
  }
  return ranges;
}

function loseDuplicate(core: Core, memory: DeviceMemory, index: number): number {
  const space = core.space(memory.frames.spaceOf(index));
  const page = memory.frames.pageOf(index);
  space.invalidate(page, page + 1, "clear");
  dropDuplicate(space, page, memory.base + index);
  space.invalidated(page, page + 1);
  return 1;
}

/** Other devices may map the page too (coherent memory): they are told first. Others may run meanwhile. */
function loseMappings(core: Core, memory: DeviceMemory, index: number, when: number, lost: Loss[]): void {
  const { frames } = memory;
  while ((frames.mapCount[index] ?? 0) > 0 && !frames.is(index, LOCKED)) {
    const space = core.space(frames.spaceOf(index));
    const first = frames.pageOf(index);
    space.invalidate(first, first + 1, "clear");
    if (space.table.maps(first, memory.base + index)) {
      markLost(core, space, first);
      lost.push({ when, memory: memory.name, space: space.id, first, count: 1 });
    }
    space.invalidated(first, first + 1);
  }
}
