import {
  ANON,
  answerFault,
  CAUSE,
  type Cause,
  COHERENT,
  collapseDuplicates,
  DIRTY,
  DUPLICATED,
  EAGAIN,
  EIO,
  EMPTY,
  ENOMEM,
  type Errno,
  type FaultSteps,
  FILE_PLACE,
  HOST,
  HUGE_ORDER,
  HUGE_PAGES,
  KIND,
  NO_FRAME,
  NOWHERE,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Region,
  type Space,
  SWAP,
  SWAP_PLACE,
  WRITE,
  ZERO,
  ZERO_FRAME,
} from "@hms/hmm";
import { faultCached } from "./cached.ts";
import { CachedFile } from "./cached-file.ts";
import { FileSource } from "./file-source.ts";
import type { LinuxHost } from "./host.ts";
import { ZEROS } from "./pages.ts";

type Chunk = NonNullable<ReturnType<Space["table"]["at"]>>;

/** The frames of one window. */
const frames = new Uint32Array(HUGE_PAGES);

/**
 * One fault of the core's page table. For a CPU's touch the pages around are brought in too (`host.window`), and what
 * comes from disk is put in its place at once. OK: it is worth looking again.
 */
export function hostFault(
  host: LinuxHost,
  space: Space,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  return answerFault(host, steps, space, page, write, cause);
}

const steps: FaultSteps<LinuxHost> = { populate, swapIn, write: writeFault, bringHome };

/** A device has the page: it comes home, and for a CPU's touch those around it that the same device's driver lets go. */
function bringHome(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  _write: boolean,
  cause: Cause,
): Errno {
  const around = cause === CAUSE.cpuFault ? host.windowIn(region, page) : null;
  return host.core.bringHome(space, page, cause, around);
}

function populate(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  if (region.backing instanceof CachedFile) return faultCached(host, space, region, page, write, cause);
  if (region.backing instanceof FileSource)
    return populateFromFile(host, space, region, region.backing, page, write, cause);
  if (region.kind !== "anonymous") return EIO;
  if (region.huge === true && hugeFits(space, region, page)) {
    const errno = populateHuge(host, space, region, page, write, cause);
    if (errno !== ENOMEM) return errno;
  }
  if (!write && host.zeroPages) return populateZero(host, space, region, page, cause);
  return populatePages(host, space, region, page, cause);
}

/** Whether a fault may bring in a whole huge page: none of it is there yet, all of it is in the region. */
function hugeFits(space: Space, region: Region, page: PageIndex): boolean {
  const first = page - (page % HUGE_PAGES);
  if (first < region.first || first + HUGE_PAGES > region.end) return false;
  return (space.table.at(first)?.populated ?? 0) === 0;
}

/** Flags of a fresh page. Where nothing may be written, a page that may be could not be moved to its address again. */
function freshFlags(region: Region): number {
  return HOST | ANON | (region.writable ? WRITE | DIRTY : 0);
}

function populateHuge(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const first = page - (page % HUGE_PAGES);
  let frame = ZERO_FRAME;
  if (write || !host.zeroPages) {
    if (!space.mayGrow(HUGE_PAGES)) return ENOMEM;
    frame = host.allocate(space, true);
    if (frame === NO_FRAME) return ENOMEM;
  }
  const zero = frame === ZERO_FRAME;
  const chunk = space.table.ensure(first);
  const now = host.now();
  for (let index = 0; index < HUGE_PAGES; index++) {
    if (!zero) host.pages.set(frame + index, ZEROS, 0);
    space.table.fill(
      chunk,
      index,
      zero ? HOST | ANON | ZERO : freshFlags(region),
      frame + (zero ? 0 : index),
    );
    chunk.note(index, cause, NOWHERE, now);
  }
  chunk.order = HUGE_ORDER;
  return OK;
}

/** The page of zeros, for who only reads. */
function populateZero(host: LinuxHost, space: Space, region: Region, page: PageIndex, cause: Cause): Errno {
  const { first, end } = host.windowIn(region, page);
  for (let near = first; near < end; near++) {
    if (space.table.flagsAt(near) === EMPTY) space.install(near, HOST | ZERO | ANON, ZERO_FRAME, cause);
  }
  return OK;
}

function populatePages(host: LinuxHost, space: Space, region: Region, page: PageIndex, cause: Cause): Errno {
  const { first, end } = host.windowIn(region, page);
  if (populateRun(host, space, region, page, first, end - first, cause)) return OK;
  host.makeRoom(end - first);
  // The page itself first: there may be memory for it only.
  if (!populateOne(host, space, region, page, cause)) return ENOMEM;
  for (let near = first; near < end; near++) {
    if (space.table.flagsAt(near) !== EMPTY) continue;
    if (!populateOne(host, space, region, near, cause)) break;
  }
  return OK;
}

/**
 * All of a window at once, where nothing is yet and there is memory for all of it; false when that is not so. What a
 * CPU's touch waits for is put at its address at once.
 */
function populateRun(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  first: PageIndex,
  count: PageCount,
  cause: Cause,
): boolean {
  if (count > HUGE_PAGES - (first % HUGE_PAGES) || !space.mayGrow(count)) return false;
  const chunk = space.table.at(first);
  if (chunk !== null && chunk.populated > 0) {
    const index = first - chunk.first;
    for (let k = index; k < index + count; k++) if ((chunk.flags[k] ?? EMPTY) !== EMPTY) return false;
  }
  const got = host.allocateRun(space, count, frames, 0);
  if (got < count) {
    for (let k = 0; k < got; k++) host.giveBack(frames[k] ?? 0);
    return false;
  }
  const wanted = cause === CAUSE.cpuFault && host.window !== null;
  const mapped = wanted ? host.pages.mapFresh(first, frames, count, region.writable) : 0;
  host.statistics.broughtIn += mapped;
  host.answered = page < first + mapped;
  host.refused = wanted && !host.answered && host.pages.errno === EAGAIN;
  for (let k = mapped; k < count; k++) host.pages.host.place[frames[k] ?? 0] = ZEROS;
  for (let done = 0; done < count; ) {
    const frame = frames[done] ?? 0;
    let run = 1;
    while (done + run < count && frames[done + run] === frame + run) run++;
    space.installRun(first + done, run, freshFlags(region), frame, cause);
    done += run;
  }
  return true;
}

function populateOne(host: LinuxHost, space: Space, region: Region, page: PageIndex, cause: Cause): boolean {
  if (!space.mayGrow(1)) return false;
  const frame = host.take(space);
  if (frame === NO_FRAME) return false;
  host.pages.host.place[frame] = ZEROS;
  space.install(page, freshFlags(region), frame, cause);
  return true;
}

/** A private copy of a file's pages: the file's until they are written, which is when they may migrate. */
function populateFromFile(
  host: LinuxHost,
  space: Space,
  region: Region,
  source: FileSource,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const window = host.windowIn(region, page);
  const first = page;
  let count = 0;
  host.makeRoom(window.end - first);
  while (first + count < window.end && space.table.flagsAt(first + count) === EMPTY) {
    const frame = space.mayGrow(count + 1) ? host.take(space) : NO_FRAME;
    if (frame === NO_FRAME) break;
    frames[count++] = frame;
  }
  if (count === 0) return ENOMEM;
  const got = source.read(region.offset + (first - region.first), count, host.buffer.address);
  if (got < 0) {
    for (let k = 0; k < count; k++) host.giveBack(frames[k] ?? 0);
    return EIO;
  }
  bringIn(host, first, count, cause, write);
  const flags = HOST | (write ? ANON | WRITE | DIRTY : 0);
  for (let k = 0; k < count; k++) space.install(first + k, flags, frames[k] ?? 0, cause, FILE_PLACE);
  host.trace?.cameIn("file", space, first, count, cause);
  return OK;
}

/** Bytes of the buffer go to where they were touched, or into slots when nobody waits for them at an address. */
function bringIn(host: LinuxHost, first: PageIndex, count: PageCount, cause: Cause, writable: boolean): void {
  const done =
    cause === CAUSE.cpuFault && host.window !== null
      ? host.pages.fill(first, frames, 0, count, host.buffer.address, writable)
      : 0;
  host.answered = done > 0;
  if (done < count)
    host.pages.store(first + done, frames, done, count - done, host.buffer.address + done * PAGE_BYTES);
}

/** Brings pages back from disk: the page that was touched, and those of the window that follow it on the disk too. */
function swapIn(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const { table } = space;
  const { end } = host.windowIn(region, page);
  const slot = table.frameAt(page);
  let count = 0;
  while (page + count < end && isSwapped(space, page + count, slot + count)) count++;
  host.makeRoom(count);
  // Making room may have changed what is where.
  let taken = 0;
  while (taken < count && isSwapped(space, page + taken, slot + taken)) {
    const frame = host.take(space);
    if (frame === NO_FRAME) break;
    frames[taken++] = frame;
  }
  if (taken === 0) return (table.flagsAt(page) & KIND) === SWAP ? ENOMEM : OK;
  if (host.swap.load(slot, taken, host.buffer.address) < 0) {
    for (let k = 0; k < taken; k++) host.giveBack(frames[k] ?? 0);
    return EIO;
  }
  host.window?.cut(page + taken);
  bringIn(host, page, taken, cause, write);
  for (let k = 0; k < taken; k++) {
    const frame = frames[k] ?? 0;
    if (!write) {
      // The disk still has it: it need not be written again before it is.
      host.swap.share(slot + k);
      host.cleanSlot[frame] = slot + k + 1;
    }
    space.exchange(page + k, HOST | ANON | (write ? WRITE | DIRTY : 0), frame, cause, SWAP_PLACE);
  }
  host.statistics.swappedIn += taken;
  host.trace?.cameIn("swap", space, page, taken, cause);
  return OK;
}

function isSwapped(space: Space, page: PageIndex, slot: number): boolean {
  return (space.table.flagsAt(page) & KIND) === SWAP && space.table.frameAt(page) === slot;
}

/** A write to a page that is there but not writable: the page of zeros, duplicated, or as it is on disk. */
function writeFault(
  host: LinuxHost,
  space: Space,
  region: Region,
  page: PageIndex,
  _write: boolean,
  cause: Cause,
): Errno {
  const flags = space.table.flagsAt(page);
  if ((flags & DUPLICATED) !== 0) {
    collapseDuplicates(space, page);
    return OK;
  }
  if ((flags & ZERO) !== 0) return writeZero(host, space, page, cause);
  const chunk = space.table.at(page);
  if (chunk === null) return OK;
  if (chunk.order !== 0) {
    for (let index = 0; index < HUGE_PAGES; index++)
      chunk.flags[index] = (chunk.flags[index] ?? 0) | WRITE | DIRTY;
    return OK;
  }
  const { first, end } = host.windowIn(region, page);
  const own = region.shared ? 0 : ANON;
  for (let near = Math.max(first, chunk.first); near < Math.min(end, chunk.first + HUGE_PAGES); near++) {
    makeWritable(host, space, chunk, near - chunk.first, own);
  }
  return OK;
}

/** `own`: ANON for what is the process's own as soon as it is written, and accounted as such. */
function makeWritable(host: LinuxHost, space: Space, chunk: Chunk, index: number, own: number): void {
  const now = chunk.flags[index] ?? 0;
  const frame = chunk.frames[index] ?? 0;
  const kind = now & KIND;
  if ((kind !== HOST && kind !== COHERENT) || (now & (DUPLICATED | ZERO)) !== 0) return;
  if (kind === HOST) host.dropClean(frame);
  const flags = now | WRITE | DIRTY | own;
  if ((own & ~now) === 0) space.table.retag(chunk, index, flags);
  else space.table.replace(chunk, index, flags, frame);
}

/** The page of zeros is replaced by one of its own; or the huge one by a huge page. */
function writeZero(host: LinuxHost, space: Space, page: PageIndex, cause: Cause): Errno {
  const huge = (space.table.at(page)?.order ?? 0) !== 0;
  if (huge && writeHugeZero(host, space, page, cause)) return OK;
  if (huge) return space.splitHuge(page);
  if (!space.mayGrow(1)) return ENOMEM;
  const frame = host.allocate(space, false);
  if (frame === NO_FRAME) return ENOMEM;
  space.invalidate(page, page + 1, "clear");
  if ((space.table.flagsAt(page) & (KIND | ZERO)) === (HOST | ZERO)) {
    host.pages.set(frame, ZEROS, 0);
    host.spaceOf(space)?.adoptZero(page, frame);
    space.exchange(page, HOST | ANON | WRITE | DIRTY, frame, cause, NOWHERE);
  } else {
    host.giveBack(frame);
  }
  space.invalidated(page, page + 1);
  return OK;
}

function writeHugeZero(host: LinuxHost, space: Space, page: PageIndex, cause: Cause): boolean {
  if (!space.mayGrow(HUGE_PAGES)) return false;
  const frame = host.allocate(space, true);
  if (frame === NO_FRAME) return false;
  const first = page - (page % HUGE_PAGES);
  space.invalidate(first, first + HUGE_PAGES, "clear");
  for (let index = 0; index < HUGE_PAGES; index++) {
    host.pages.set(frame + index, ZEROS, 0);
    space.exchange(first + index, HOST | ANON | WRITE | DIRTY, frame + index, cause, NOWHERE);
  }
  const chunk = space.table.at(first);
  if (chunk !== null) chunk.order = HUGE_ORDER;
  host.sync(space, first, HUGE_PAGES);
  space.invalidated(first, first + HUGE_PAGES);
  return true;
}
