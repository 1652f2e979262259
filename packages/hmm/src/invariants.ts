import type { Chunk } from "./chunk.ts";
import type { Core } from "./core.ts";
import { MAY_ATOMIC, MAY_READ } from "./device-table.ts";
import {
  ANON,
  COHERENT,
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
import { DUPLICATE, type FrameTable, LOCKED } from "./frame-table.ts";
import type { Mirror } from "./mirror.ts";
import { refersToFrame } from "./page-table.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import { type FrameNumber, HUGE_PAGES, PAGE_LIMIT, type PageIndex, ZERO_FRAME } from "./units.ts";

/** Names of the kinds, for messages. */
const KIND_NAMES: readonly string[] = [
  "empty",
  "host",
  "swap",
  "private",
  "coherent",
  "moving",
  "exclusive",
  "lost",
];

/** Problems that are named at most; one is enough to look. */
const PROBLEMS_MAX = 16;

/** Room for counting references, one column for each frame table, kept from check to check. */
const counted = new WeakMap<FrameTable, Uint32Array>();

class Check {
  readonly core: Core;
  readonly problems: string[] = [];
  readonly places = new Int32Array(256);

  constructor(core: Core) {
    this.core = core;
  }

  say(problem: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(problem);
  }

  count(frame: FrameNumber): void {
    const table = this.core.memories.tableOf(frame);
    const counts = countsOf(table);
    counts[frame - table.base] = (counts[frame - table.base] ?? 0) + 1;
  }
}

function countsOf(table: FrameTable): Uint32Array {
  let counts = counted.get(table);
  if (counts === undefined) {
    counts = new Uint32Array(table.pages);
    counted.set(table, counts);
  }
  return counts;
}

/**
 * Looks at everything a core knows and says what contradicts itself, in sentences; none when all is well: each page
 * has exactly one owner or is duplicated read-only, the reverse map and the accounts add up, and no mirror (whose
 * driver shows its table) maps what it may not. For tests and torture: it costs what is populated.
 */
export function checkInvariants(core: Core): string[] {
  const check = new Check(core);
  const tables = [core.memories.host, ...core.memories.devices().map((memory) => memory.frames)];
  for (const table of tables) countsOf(table).fill(0);
  for (const space of core.spaces()) checkSpace(check, space);
  for (const table of tables) checkFrames(check, table);
  for (const device of core.devices) for (const mirror of device.mirrors) checkMirror(check, mirror);
  return check.problems;
}

function checkSpace(check: Check, space: Space): void {
  check.places.fill(0);
  let inRegions = 0;
  for (const region of space.regions.all()) inRegions += checkRegion(check, space, region);
  let populated = 0;
  for (let chunk = space.table.next(0, PAGE_LIMIT); chunk !== null; ) {
    populated += chunk.populated;
    if (chunk.order !== 0 && !space.table.uniform(chunk)) {
      check.say(`${space.name}: the huge page at ${chunk.first} is not one`);
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, PAGE_LIMIT);
  }
  if (populated !== inRegions) {
    check.say(`${space.name}: ${populated} entries are populated, ${inRegions} of them in regions`);
  }
  for (const [page, list] of space.duplicates) checkDuplicates(check, space, page, list);
  for (let place = 1; place < check.places.length; place++) {
    if (check.places[place] === space.table.counts[place]) continue;
    const name = check.core.places.name(place);
    check.say(
      `${space.name}: ${check.places[place]} pages are in ${name}, accounted are ${space.table.counts[place]}`,
    );
  }
}

function checkRegion(check: Check, space: Space, region: Region): number {
  let populated = 0;
  for (let chunk = space.table.next(region.first, region.end); chunk !== null; ) {
    const stop = Math.min(HUGE_PAGES, region.end - chunk.first);
    for (let index = Math.max(0, region.first - chunk.first); index < stop; index++) {
      const flags = chunk.flags[index] ?? EMPTY;
      if ((flags & KIND) === EMPTY) continue;
      populated++;
      checkEntry(check, space, region, chunk, index, flags);
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, region.end);
  }
  return populated;
}

function checkEntry(
  check: Check,
  space: Space,
  region: Region,
  chunk: Chunk,
  index: number,
  flags: number,
): void {
  const frame = chunk.frames[index] ?? 0;
  const place = space.table.placeOf(flags, frame);
  check.places[place] = (check.places[place] ?? 0) + 1;
  if (refersToFrame(flags)) check.count(frame);
  const problem = entryProblem(check, region, flags, frame);
  if (problem !== null) {
    check.say(`${space.name}: page ${chunk.first + index} (${KIND_NAMES[flags & KIND]} ${frame}) ${problem}`);
  }
  if ((flags & DUPLICATED) !== 0 && !space.duplicates.has(chunk.first + index)) {
    check.say(
      `${space.name}: page ${chunk.first + index} says it is duplicated, but no device has a duplicate`,
    );
  }
}

function entryProblem(check: Check, region: Region, flags: number, frame: FrameNumber): string | null {
  const kind = flags & KIND;
  const { core } = check;
  const writable = (flags & WRITE) !== 0;
  if (writable && !region.writable) return "is writable, its region is not";
  if (writable && (flags & (ZERO | DUPLICATED)) !== 0) return "is writable although it is shared";
  if (kind === MOVING && core.migrating === 0) return "is on its way, but no migration is";
  if (kind === PRIVATE || kind === COHERENT) {
    const memory = core.memories.deviceOf(frame);
    if (memory === null || memory.gone) return "is in a memory that is gone";
    if ((memory.kind === "private") !== (kind === PRIVATE)) return `is not in ${memory.kind} memory`;
  }
  if (writable && region.copyOnWrite && (flags & ANON) !== 0 && refersToFrame(flags)) {
    const table = core.memories.tableOf(frame);
    if (table.mapCount[frame - table.base] !== 1) return "is writable although others map it";
  }
  return null;
}

function checkDuplicates(check: Check, space: Space, page: PageIndex, list: readonly FrameNumber[]): void {
  if ((space.table.flagsAt(page) & DUPLICATED) === 0) {
    check.say(`${space.name}: page ${page} has duplicates but does not say so`);
  }
  if (list.length === 0 && check.core.migrating === 0)
    check.say(`${space.name}: page ${page} has no duplicates left`);
  for (const frame of list) {
    check.count(frame);
    const memory = check.core.memories.deviceOf(frame);
    if (memory === null || !memory.frames.is(frame - memory.base, DUPLICATE)) {
      check.say(`${space.name}: frame ${frame} is no duplicate of page ${page}`);
    } else {
      check.places[memory.place] = (check.places[memory.place] ?? 0) + 1;
    }
  }
}

function checkFrames(check: Check, table: FrameTable): void {
  const counts = countsOf(table);
  let mapped = 0;
  for (let index = 0; index < table.pages; index++) {
    const count = table.mapCount[index] ?? 0;
    if (count !== counts[index]) {
      check.say(`frame ${table.base + index} is mapped ${counts[index]} times, counted are ${count}`);
    }
    if (count > 0) {
      mapped++;
      checkReverse(check, table, index);
    }
    if (table.is(index, LOCKED) && check.core.migrating === 0) checkLock(check, table, index);
  }
  if (mapped !== table.mapped)
    check.say(`${mapped} frames from ${table.base} on are mapped, counted are ${table.mapped}`);
}

/** Exclusive pages are locked while their driver fills its table, and only then. */
function checkLock(check: Check, table: FrameTable, index: number): void {
  if ((table.mapCount[index] ?? 0) === 0) return;
  const space = check.core.space(table.spaceOf(index));
  if ((space.table.flagsAt(table.pageOf(index)) & KIND) !== EXCLUSIVE) {
    check.say(`frame ${table.base + index} is locked, but nothing is under way with it`);
  }
}

function checkReverse(check: Check, table: FrameTable, index: number): void {
  const mappings = [
    { space: table.spaceOf(index), page: table.pageOf(index) },
    ...(table.further(index) ?? []),
  ];
  const frame = table.base + index;
  for (const { space: id, page } of mappings) {
    const space = check.core.space(id);
    if (!space.table.maps(page, frame) && space.duplicates.get(page)?.includes(frame) !== true) {
      check.say(`frame ${frame} thinks that page ${page} of ${space.name} maps it`);
    }
  }
}

function checkMirror(check: Check, mirror: Mirror): void {
  const { space, ops } = mirror;
  if (mirror.sequence % 2 !== 0 && !space.invalidating)
    check.say(`a mirror of ${space.name} waits for nothing`);
  const { table } = ops;
  if (table === undefined || !mirror.open || space.invalidating) return;
  if (space.closed) {
    if (table.size > 0)
      check.say(`${mirror.device.name} maps ${table.size} pages of ${space.name}, which is gone`);
    return;
  }
  for (let page = table.next(0, PAGE_LIMIT); page >= 0; page = table.next(page + 1, PAGE_LIMIT)) {
    const problem = mappingProblem(mirror, page, table.frame(page), table.right(page));
    if (problem !== null)
      check.say(`${mirror.device.name} maps page ${page} of ${space.name}, which ${problem}`);
  }
}

function mappingProblem(mirror: Mirror, page: PageIndex, frame: FrameNumber, right: number): string | null {
  const { space, device } = mirror;
  const flags = space.table.flagsAt(page);
  const kind = flags & KIND;
  if (kind === EMPTY) return "is not there";
  if ((flags & NO_ACCESS) !== 0) return "allows no access";
  if (right === MAY_READ && space.duplicates.get(page)?.includes(frame) === true) return null;
  if ((flags & ZERO) !== 0) return frame === ZERO_FRAME && right === MAY_READ ? null : "is the page of zeros";
  if (space.table.frameAt(page) !== frame) return `is frame ${space.table.frameAt(page)}, not ${frame}`;
  if (kind === EXCLUSIVE) return right === MAY_ATOMIC ? null : "someone has for itself";
  if (right === MAY_ATOMIC) return "is not exclusive";
  if (kind === PRIVATE && space.core.memories.deviceOf(frame)?.device !== device)
    return "is another device's";
  if (kind !== HOST && kind !== COHERENT && kind !== PRIVATE) return `is ${KIND_NAMES[kind]}`;
  return right !== MAY_READ && (flags & WRITE) === 0 ? "is read-only" : null;
}
