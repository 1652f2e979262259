import { CAUSE } from "./cause.ts";
import type { Chunk } from "./chunk.ts";
import { COHERENT, DUPLICATED, EMPTY, HOST, KIND, LOST, MOVING, PRIVATE, WRITE } from "./entry.ts";
import { EAGAIN, EBUSY, EFAULT, EPERM, type Errno, OK } from "./errno.ts";
import { ERROR, type FaultRange, ORDER_SHIFT, REQUEST_FAULT, REQUEST_WRITE, VALID } from "./fault-range.ts";
import { FAULTS_PER_PAGE_LIMIT } from "./limits.ts";
import type { Mirror } from "./mirror.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, NO_FRAME, type PageIndex } from "./units.ts";

/** An entry's `WRITE` is a result's `WRITABLE`, so many bits to the right. */
const WRITE_TO_WRITABLE = 3;

/**
 * Walks the page table over a range, in order of address, and faults in what is asked for (the kernel's
 * hmm_range_fault). It never answers OK with something asked for missing.
 */
export function rangeFault(mirror: Mirror, range: FaultRange, sequence: number): Errno {
  const { space } = mirror;
  range.faults = 0;
  if (space.closed) return EFAULT;
  if (!space.tryRead()) return EBUSY;
  try {
    return walk(mirror, space, range, sequence);
  } finally {
    space.endRead();
  }
}

function walk(mirror: Mirror, space: Space, range: FaultRange, sequence: number): Errno {
  const end = range.first + range.count;
  let page = range.first;
  let faultedPage = -1;
  let faultsHere = 0;
  while (page < end) {
    if (mirror.readRetry(sequence)) return EBUSY;
    const region = space.regions.at(page);
    if (region === null || !region.mirrorable) {
      const stop = Math.min(end, region === null ? (space.regions.after(page)?.first ?? end) : region.end);
      if (!fillErrors(range, page, stop)) return EFAULT;
      page = stop;
      continue;
    }
    const stop = Math.min(end, region.end);
    page = scanRegion(mirror, space, range, page, stop);
    if (page >= stop) continue;
    const need = requestOf(range, page - range.first);
    const errno = faultIn(mirror, region, page, need);
    if (errno !== OK) return errno;
    range.faults++;
    space.core.statistics.deviceFaults++;
    faultsHere = page === faultedPage ? faultsHere + 1 : 1;
    faultedPage = page;
    if (faultsHere > FAULTS_PER_PAGE_LIMIT) return EBUSY;
  }
  return OK;
}

function requestOf(range: FaultRange, i: number): number {
  return ((range.requests[i] ?? 0) & range.requestMask) | range.defaultRequest;
}

/** Nothing there that a device could use. False when something was asked for. */
function fillErrors(range: FaultRange, from: PageIndex, to: PageIndex): boolean {
  for (let i = from - range.first; i < to - range.first; i++) {
    if ((requestOf(range, i) & REQUEST_FAULT) !== 0) return false;
    range.results[i] = ERROR;
    range.frames[i] = NO_FRAME;
  }
  return true;
}

/** One fault by the host; what it means for the device. */
function faultIn(mirror: Mirror, region: Region, page: PageIndex, need: number): Errno {
  const { space } = mirror;
  const kind = space.table.flagsAt(page) & KIND;
  if (kind === MOVING) return EBUSY;
  if (kind === LOST) return EFAULT;
  const write = (need & REQUEST_WRITE) !== 0;
  if (write && !region.writable) return isOwnPrivate(mirror, page) ? EFAULT : EPERM;
  if (kind === PRIVATE && upgrade(mirror, page)) return OK;
  const { host } = space.core;
  host.yield("range-fault");
  const errno = host.fault(space, page, write, CAUSE.deviceFault);
  if (errno === OK) return OK;
  return errno === EAGAIN ? EBUSY : EFAULT;
}

/**
 * Whether a page is in the device's own private memory. The kernel reports such a page as it is, also when a write is
 * asked for that its region does not allow; what the driver then cannot use it calls a fault that failed (EFAULT).
 */
function isOwnPrivate(mirror: Mirror, page: PageIndex): boolean {
  const { space } = mirror;
  const chunk = space.table.at(page);
  if (chunk === null || ((chunk.flags[page - chunk.first] ?? EMPTY) & KIND) !== PRIVATE) return false;
  return isOwn(mirror, space, chunk, page - chunk.first);
}

/**
 * A page in the device's own memory that is read-only although its region is not (after mprotect, or after the other
 * side of a fork is gone) becomes writable where it is, if nobody shares it. Else the fault takes it home and copies.
 */
function upgrade(mirror: Mirror, page: PageIndex): boolean {
  const { table, core } = mirror.space;
  const chunk = table.at(page);
  if (chunk === null) return false;
  const index = page - chunk.first;
  if (!isOwn(mirror, mirror.space, chunk, index)) return false;
  const frame = chunk.frames[index] ?? NO_FRAME;
  const frames = core.memories.tableOf(frame);
  if (frames.mapCount[frame - frames.base] !== 1) return false;
  chunk.flags[index] = (chunk.flags[index] ?? EMPTY) | WRITE;
  return true;
}

/** Answers pages until one needs a fault: that page, or `stop`. */
function scanRegion(
  mirror: Mirror,
  space: Space,
  range: FaultRange,
  from: PageIndex,
  stop: PageIndex,
): PageIndex {
  let page = from;
  while (page < stop) {
    const chunk = space.table.at(page);
    const chunkEnd = Math.min(stop, page - (page % HUGE_PAGES) + HUGE_PAGES);
    const reached =
      chunk === null
        ? scanNothing(range, page, chunkEnd)
        : scanChunk(mirror, space, chunk, range, page, chunkEnd);
    if (reached < chunkEnd) return reached;
    page = reached;
  }
  return page;
}

function scanNothing(range: FaultRange, from: PageIndex, to: PageIndex): PageIndex {
  const { results, first } = range;
  for (let page = from; page < to; page++) {
    if ((requestOf(range, page - first) & REQUEST_FAULT) !== 0) return page;
    results[page - first] = 0;
  }
  return to;
}

function scanChunk(
  mirror: Mirror,
  space: Space,
  chunk: Chunk,
  range: FaultRange,
  from: PageIndex,
  to: PageIndex,
): PageIndex {
  const { results, frames, requests, requestMask, defaultRequest, first } = range;
  const { flags } = chunk;
  const order = chunk.order << ORDER_SHIFT;
  const shift = chunk.first - first;
  const stop = to - chunk.first;
  const chunkFrames = chunk.frames;
  for (let index = from - chunk.first; index < stop; index++) {
    const i = index + shift;
    const request = requestMask === 0 ? defaultRequest : ((requests[i] ?? 0) & requestMask) | defaultRequest;
    const entry = flags[index] ?? EMPTY;
    let result = 0;
    if ((entry & (KIND | DUPLICATED)) === HOST) {
      result = VALID | ((entry & WRITE) >> WRITE_TO_WRITABLE);
      frames[i] = chunkFrames[index] ?? NO_FRAME;
    } else if (isValid(mirror, space, chunk, index)) {
      result = VALID | ((entry & WRITE) >> WRITE_TO_WRITABLE);
      frames[i] = nearest(mirror, space, chunk, index);
    }
    if ((request & REQUEST_FAULT) !== 0 && (request & ~result) !== 0) return chunk.first + index;
    results[i] = result === 0 ? 0 : result | order;
  }
  return to;
}

/** Whether the device can use a page as it is, for those that are not plain pages of the host. */
function isValid(mirror: Mirror, space: Space, chunk: Chunk, index: number): boolean {
  const kind = (chunk.flags[index] ?? EMPTY) & KIND;
  return kind === HOST || kind === COHERENT || (kind === PRIVATE && isOwn(mirror, space, chunk, index));
}

/** Whether a private page is in the mirror's own device, which then need not fault it home. */
function isOwn(mirror: Mirror, space: Space, chunk: Chunk, index: number): boolean {
  const memory = space.core.memories.deviceOf(chunk.frames[index] ?? NO_FRAME);
  return memory !== null && memory.device === mirror.device;
}

/** The device's own duplicate of a page, or else the page itself. */
function nearest(mirror: Mirror, space: Space, chunk: Chunk, index: number): number {
  const duplicates = space.duplicates.get(chunk.first + index);
  if (duplicates !== undefined) {
    for (const frame of duplicates) {
      if (space.core.memories.deviceOf(frame)?.device === mirror.device) return frame;
    }
  }
  return chunk.frames[index] ?? NO_FRAME;
}
