import { HmsError } from "@hms/topology";
import { CAUSE, type Cause } from "./cause.ts";
import { dropDuplicates } from "./duplicates.ts";
import { ANON, COHERENT, DUPLICATED, EXCLUSIVE, HOST, KIND, NO_ACCESS, WRITE } from "./entry.ts";
import { EAGAIN, EBUSY, EFAULT, EINVAL, ENODEV, type Errno, OK } from "./errno.ts";
import { HEAD, LOCKED, TAIL } from "./frame-table.ts";
import { BATCH_PAGES_MAX, FAULTS_PER_PAGE_LIMIT } from "./limits.ts";
import { restoreMappings } from "./migration-commit.ts";
import type { Mirror } from "./mirror.ts";
import type { Space } from "./space.ts";
import { type FrameNumber, HUGE_PAGES, isRange, NO_FRAME, type PageCount, type PageIndex } from "./units.ts";

/**
 * Pages that a device gets for itself, for atomic operations (the kernel's make_device_exclusive_range), made once by
 * a driver and used again. `take` replaces the CPU's mapping and tells everyone else; until `release` the pages are
 * locked, so that the device's table can be filled: after that, a CPU's touch takes them back (event `exclusive`).
 *
 * @example
 * ```ts
 * import { ExclusiveRange } from "@hms/hmm";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const process = host.createProcess();
 * const first = process.mmap({ pages: 2 });
 * using mirror = host.core.addDevice("dev0").mirror(process.space, { invalidate: () => true });
 * const range = new ExclusiveRange(2);
 * console.log(range.take(mirror, first, 2), range.obtained); // 0 2
 * // Here the driver fills its table from range.frames.
 * range.release();
 * ```
 */
export class ExclusiveRange {
  readonly capacity: PageCount;
  first: PageIndex = 0;
  count: PageCount = 0;
  /** The frame of each page, NO_FRAME for those that were not obtained. */
  readonly frames: Uint32Array;
  /** Pages from the first on that could be faulted in for writing; `take` looks at none behind. */
  faulted: PageCount = 0;
  #space: Space | null = null;
  readonly #locked: Uint32Array;

  /** Throws EINVAL for a capacity that is not between 1 and 262144. */
  constructor(capacity: PageCount) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > BATCH_PAGES_MAX) {
      throw new HmsError(
        "BAD_CAPACITY",
        "EINVAL",
        `Making an exclusive range failed: its capacity must be 1 to ${BATCH_PAGES_MAX} pages, not ${capacity}.`,
      );
    }
    this.capacity = capacity;
    this.frames = new Uint32Array(capacity);
    this.#locked = new Uint32Array(capacity);
  }

  /**
   * Takes what it can: anonymous pages, 4 KiB ones or the first of a huge page, that nobody holds. OK when at least
   * the first page could be faulted in for writing; `obtained` tells how many were taken. EFAULT: it could not; EINVAL:
   * range; ENODEV: mirror closed; EBUSY: the space's regions are being changed, or an invalidation is going on.
   */
  take(mirror: Mirror, first: PageIndex, count: PageCount): Errno {
    if (this.#space !== null) {
      throw new HmsError(
        "RANGE_TAKEN",
        "EBUSY",
        "Taking pages failed: release those of the last take first.",
      );
    }
    if (!mirror.open) return ENODEV;
    if (!isRange(first, count) || count > this.capacity || first < mirror.first || first + count > mirror.end)
      return EINVAL;
    const { space } = mirror;
    if (space.closed) return EFAULT;
    if (!mirror.mayMap || !space.tryRead()) return EBUSY;
    this.first = first;
    this.count = count;
    this.frames.fill(NO_FRAME, 0, count);
    this.#locked.fill(NO_FRAME, 0, count);
    this.#space = space;
    try {
      const errno = this.#takePages(mirror, space);
      this.#forgetLost(space);
      if (errno !== OK) this.release();
      return errno;
    } finally {
      space.endRead();
    }
  }

  /** First every page is faulted in, then each is taken: taking the first of a huge page takes the others too. */
  #takePages(mirror: Mirror, space: Space): Errno {
    this.faulted = 0;
    while (this.faulted < this.count) {
      const errno = faultForWrite(space, this.first + this.faulted);
      if (errno !== OK && this.faulted === 0) return errno;
      if (errno !== OK) break;
      this.faulted++;
    }
    for (let i = 0; i < this.faulted; i++) {
      const frame = takePage(mirror, space, this.first + i);
      this.frames[i] = frame;
      this.#locked[i] = frame;
    }
    return OK;
  }

  /** Others ran while pages were taken: those that were unmapped meanwhile, or whose memory is gone, are not ours. */
  #forgetLost(space: Space): void {
    for (let i = 0; i < this.count; i++) {
      if (this.frames[i] === NO_FRAME) continue;
      const frame = this.frames[i] ?? NO_FRAME;
      const still =
        (space.table.flagsAt(this.first + i) & KIND) === EXCLUSIVE && space.table.maps(this.first + i, frame);
      if (!still || space.core.memories.deviceOf(frame)?.gone === true) this.frames[i] = NO_FRAME;
    }
  }

  /** How many pages were obtained. */
  get obtained(): PageCount {
    let pages = 0;
    for (let i = 0; i < this.count; i++) if (this.frames[i] !== NO_FRAME) pages++;
    return pages;
  }

  /** Unlocks the pages: they stay exclusive until someone touches them. */
  release(): void {
    const space = this.#space;
    if (space === null) return;
    this.#space = null;
    for (let i = 0; i < this.count; i++) {
      const frame = this.#locked[i] ?? NO_FRAME;
      if (frame === NO_FRAME) continue;
      const frames = space.core.memories.tableOf(frame);
      frames.clear(frame - frames.base, LOCKED);
      // Its memory may have disappeared while it was locked.
      if (space.core.memories.deviceOf(frame)?.gone === true) restoreMappings(space.core, frame);
      space.core.put(frame);
    }
  }
}

/** As a write by the CPU would: until the entry is writable. */
function faultForWrite(space: Space, page: PageIndex): Errno {
  for (let attempt = 0; attempt < FAULTS_PER_PAGE_LIMIT; attempt++) {
    const region = space.regions.at(page);
    if (region === null || !region.mirrorable || !region.writable) return EFAULT;
    space.splitHuge(page);
    const flags = space.table.flagsAt(page);
    const kind = flags & KIND;
    if ((kind === HOST || kind === COHERENT) && (flags & (WRITE | NO_ACCESS)) === WRITE) return OK;
    const errno = space.core.host.fault(space, page, true, CAUSE.exclusive);
    if (errno !== OK) return errno === EAGAIN ? EBUSY : EFAULT;
  }
  return EBUSY;
}

/**
 * Takes one page that is writable; NO_FRAME when it is not of the kind, or someone has it. The first page of a huge one
 * takes the CPU's mappings of all the others with it, as the kernel's reverse map walk does; a CPU's touch gives each
 * of them back.
 */
function takePage(mirror: Mirror, space: Space, page: PageIndex): number {
  const { core, table } = space;
  const region = space.regions.at(page);
  const anonymous = (table.flagsAt(page) & ANON) !== 0 && region !== null && region.kind !== "hugetlb";
  if (!anonymous || !isPlain(table.flagsAt(page))) return NO_FRAME;
  const frame = table.frameAt(page);
  const frames = core.memories.tableOf(frame);
  const index = frame - frames.base;
  if (frames.is(index, TAIL | LOCKED) || frames.mapCount[index] !== 1) return NO_FRAME;
  const count = frames.is(index, HEAD) ? Math.min(region.end - page, HUGE_PAGES) : 1;
  frames.set(index, LOCKED);
  space.invalidate(page, page + count, "exclusive", mirror.device);
  const still = table.maps(page, frame) && isPlain(table.flagsAt(page));
  if (still) for (let k = 0; k < count; k++) makeExclusive(space, page + k, frame + k);
  space.invalidated(page, page + count);
  core.host.sync(space, page, count);
  core.host.yield("exclusive");
  if (still) return frame;
  frames.clear(index, LOCKED);
  core.put(frame);
  return NO_FRAME;
}

function makeExclusive(space: Space, page: PageIndex, frame: FrameNumber): void {
  const { core, table } = space;
  const chunk = table.at(page);
  const kind = table.flagsAt(page) & KIND;
  if (chunk === null || !table.maps(page, frame) || (kind !== HOST && kind !== COHERENT)) return;
  const flags = chunk.flags[page - chunk.first] ?? 0;
  if ((flags & DUPLICATED) !== 0) dropDuplicates(space, page);
  chunk.flags[page - chunk.first] = (flags & ~(KIND | DUPLICATED)) | EXCLUSIVE;
  chunk.note(page - chunk.first, CAUSE.exclusive, table.placeOf(flags, frame), core.host.now());
}

function isPlain(flags: number): boolean {
  const kind = flags & KIND;
  return (kind === HOST || kind === COHERENT) && (flags & (WRITE | DUPLICATED)) === WRITE;
}

/** A CPU touches a page that a device has for itself: everyone is told, and the mapping is as it was. */
export function restoreExclusive(space: Space, page: PageIndex, cause: Cause): Errno {
  const { core, table } = space;
  if ((table.flagsAt(page) & KIND) !== EXCLUSIVE) return OK;
  const frame = table.frameAt(page);
  const frames = core.memories.tableOf(frame);
  if (frames.is(frame - frames.base, LOCKED)) return EAGAIN;
  space.invalidate(page, page + 1, "exclusive");
  const chunk = table.at(page);
  const flags = chunk?.flags[page - chunk.first] ?? 0;
  if (chunk !== null && (flags & KIND) === EXCLUSIVE && chunk.frames[page - chunk.first] === frame) {
    chunk.flags[page - chunk.first] = (flags & ~KIND) | core.kindOf(frame);
    chunk.note(page - chunk.first, cause, table.placeOf(flags, frame), core.host.now());
    core.host.sync(space, page, 1);
  }
  space.invalidated(page, page + 1);
  return OK;
}
