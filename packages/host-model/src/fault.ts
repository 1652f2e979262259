import {
  ANON,
  answerFault,
  CAUSE,
  type Cause,
  collapseDuplicates,
  DAX,
  DIRTY,
  DUPLICATED,
  EFAULT,
  EIO,
  EMPTY,
  ENOMEM,
  type Errno,
  type FaultSteps,
  FILE_PLACE,
  HOST,
  HOST_PLACE,
  HUGE_ORDER,
  HUGE_PAGES,
  isPresent,
  KIND,
  NO_FRAME,
  NOWHERE,
  OK,
  PAGE_BYTES,
  type PageIndex,
  type Region,
  type Space,
  SWAP,
  SWAP_PLACE,
  WRITE,
  WRITTEN,
  YOUNG,
  ZERO,
  ZERO_FRAME,
} from "@hms/hmm";
import { ModelFile } from "./file.ts";
import type { ModelHost } from "./host.ts";
import { HugetlbPages } from "./hugetlb.ts";

/** One page fault, as the kernel handles it: OK means that it is worth looking again. */
export function handleFault(
  host: ModelHost,
  space: Space,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  host.clock.advance(host.costs.fault);
  host.yield("fault");
  return answerFault(host, steps, space, page, write, cause);
}

const steps: FaultSteps<ModelHost> = { populate, swapIn, write: writeFault };

function populate(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  switch (region.kind) {
    case "hugetlb":
      return populateHugetlb(host, space, region, page, write, cause);
    case "mixed":
    case "io":
      return EIO;
    case "anonymous":
      return populateAnonymous(host, space, region, page, write, cause);
    case "file":
    case "dax":
      return populateFile(host, space, region, page, write, cause);
  }
}

/** Whether a fault may bring in a whole huge page: none of it is there yet, all of it is in the region. */
function hugeFits(host: ModelHost, space: Space, region: Region, page: PageIndex): boolean {
  if (host.hugePages === "never" || region.huge === false) return false;
  if (host.hugePages === "madvise" && region.huge !== true) return false;
  const first = page - (page % HUGE_PAGES);
  if (first < region.first || first + HUGE_PAGES > region.end) return false;
  return (space.table.at(first)?.populated ?? 0) === 0;
}

function populateAnonymous(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const huge = hugeFits(host, space, region, page);
  const first = page - (page % HUGE_PAGES);
  if (!write) {
    if (huge) installHuge(space, first, HOST | ZERO | ANON, ZERO_FRAME, cause);
    else space.install(page, HOST | ZERO | ANON, ZERO_FRAME, cause);
    return OK;
  }
  if (huge && space.mayGrow(HUGE_PAGES)) {
    const frame = host.allocate(space, true);
    if (frame !== NO_FRAME) {
      if (!hugeFits(host, space, region, page) || space.closed) {
        host.giveBackHuge(frame);
        return OK;
      }
      host.clear(frame, HUGE_PAGES);
      installHuge(space, first, HOST | ANON | WRITE | DIRTY, frame, cause);
      return OK;
    }
  }
  return populatePage(host, space, page, cause);
}

function populatePage(host: ModelHost, space: Space, page: PageIndex, cause: Cause): Errno {
  if (!space.mayGrow(1)) return ENOMEM;
  const frame = host.allocate(space, false);
  if (frame === NO_FRAME) return ENOMEM;
  host.yield("faulted");
  if ((space.table.flagsAt(page) & KIND) !== EMPTY || space.closed) {
    host.giveBack(frame);
    return OK;
  }
  host.clear(frame, 1);
  space.install(page, HOST | ANON | WRITE | DIRTY, frame, cause);
  return OK;
}

/** Fills a whole empty chunk with one huge page. */
export function installHuge(
  space: Space,
  first: PageIndex,
  flags: number,
  frame: number,
  cause: Cause,
): void {
  const step = (flags & ZERO) === 0 ? 1 : 0;
  const chunk = space.table.ensure(first);
  const now = space.core.host.now();
  for (let index = 0; index < HUGE_PAGES; index++) {
    space.table.fill(chunk, index, flags, frame + index * step);
    chunk.note(index, cause, NOWHERE, now);
  }
  chunk.order = HUGE_ORDER;
}

function populateHugetlb(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const first = page - (page % HUGE_PAGES);
  const { backing } = region;
  const shared = backing instanceof HugetlbPages;
  const frame = shared
    ? backing.fetch((region.offset + (first - region.first)) / HUGE_PAGES)
    : host.takeHugetlb();
  if (frame === NO_FRAME) return EIO;
  if (!shared) host.clear(frame, HUGE_PAGES);
  const writable = region.writable && (write || shared) ? WRITE | DIRTY : 0;
  installHuge(space, first, HOST | (shared ? 0 : ANON) | writable, frame, cause);
  return OK;
}

function populateFile(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const file = region.backing;
  if (!(file instanceof ModelFile)) return EIO;
  const filePage = region.offset + (page - region.first);
  const forWrite = write && region.shared;
  const { errno, frame } = forWrite ? file.fetchToWrite(filePage, space) : file.fetch(filePage, space);
  if (errno !== OK) return errno === EFAULT ? EIO : errno;
  host.yield("faulted");
  const still = space.regions.at(page)?.backing === file && (space.table.flagsAt(page) & KIND) === EMPTY;
  if (!still || file.cached(filePage) !== frame || (forWrite && host.extents.isShared(frame))) return OK;
  const dax = file.kind === "dax" ? DAX : 0;
  // Shared memory needs no notice of the first write; other files do, for what is to be written back.
  const atOnce = forWrite || (region.shared && region.writable && region.quiet);
  if (forWrite || atOnce) host.core.memories.host.set(frame, WRITTEN);
  const flags = HOST | YOUNG | dax | (atOnce ? WRITE : 0) | (forWrite ? DIRTY : 0);
  space.install(page, flags, frame, cause, FILE_PLACE);
  if (!write && file.kind !== "dax") faultAround(space, region, file, page, cause);
  return OK;
}

/** Pages of a file that one read fault maps, where they are in the page cache already (fault_around_bytes). */
const FAULT_AROUND: number = 16;

/** Maps what the page cache holds of the pages around, in the aligned window of FAULT_AROUND pages. */
function faultAround(space: Space, region: Region, file: ModelFile, page: PageIndex, cause: Cause): void {
  const start = page - (page % FAULT_AROUND);
  const first = Math.max(start, region.first);
  const end = Math.min(start + FAULT_AROUND, region.end);
  const write = region.shared && region.writable && region.quiet ? WRITE : 0;
  for (let near = first; near < end; near++) {
    const frame = file.cached(region.offset + (near - region.first));
    if (frame === NO_FRAME || (space.table.flagsAt(near) & KIND) !== EMPTY) continue;
    if (write !== 0) space.core.memories.host.set(frame, WRITTEN);
    space.install(near, HOST | write, frame, cause, FILE_PLACE);
  }
}

function swapIn(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  write: boolean,
  cause: Cause,
): Errno {
  const slot = space.table.frameAt(page);
  const frame = host.allocate(space, false);
  if (frame === NO_FRAME) return ENOMEM;
  host.yield("faulted");
  if ((space.table.flagsAt(page) & KIND) !== SWAP || space.table.frameAt(page) !== slot) {
    host.giveBack(frame);
    return OK;
  }
  const bytes = host.scratch;
  host.swap.load(slot, bytes);
  host.ram.write(frame, 0, bytes);
  host.clock.advance(host.costs.disk(PAGE_BYTES));
  const alone = host.swap.references(slot) === 1;
  const writable = region.writable && (alone || write) ? WRITE : 0;
  space.exchange(page, HOST | ANON | DIRTY | writable, frame, cause, SWAP_PLACE);
  return OK;
}

/** A write to a page that is there but not writable: shared by a fork, a file's, the page of zeros, or duplicated. */
function writeFault(
  host: ModelHost,
  space: Space,
  region: Region,
  page: PageIndex,
  _write: boolean,
  cause: Cause,
): Errno {
  const flags = space.table.flagsAt(page);
  const frame = space.table.frameAt(page);
  if ((flags & DUPLICATED) !== 0) {
    collapseDuplicates(space, page);
    return OK;
  }
  if ((flags & ZERO) !== 0) {
    return writeHugeZero(host, space, page, cause) ? OK : copyOnWrite(host, space, region, page, cause);
  }
  if (region.shared) return writeShared(host, space, region, page);
  const frames = host.core.memories.tableOf(frame);
  const alone = frames.mapCount[frame - frames.base] === 1;
  if ((flags & ANON) === 0 || !alone) return copyOnWrite(host, space, region, page, cause);
  reuse(space, page);
  return OK;
}

/** A write to the huge page of zeros gets a huge page of its own, if there is one; false when not. */
function writeHugeZero(host: ModelHost, space: Space, page: PageIndex, cause: Cause): boolean {
  if ((space.table.at(page)?.order ?? 0) === 0 || !space.mayGrow(HUGE_PAGES)) return false;
  const frame = host.allocate(space, true);
  if (frame === NO_FRAME) return false;
  const first = page - (page % HUGE_PAGES);
  space.invalidate(first, first + HUGE_PAGES, "clear");
  // Others ran meanwhile: the chunk may be another one, or serve other pages.
  const chunk = space.table.at(page);
  const still = chunk !== null && chunk.order !== 0 && ((chunk.flags[0] ?? 0) & ZERO) !== 0;
  if (still) {
    host.clear(frame, HUGE_PAGES);
    for (let index = 0; index < HUGE_PAGES; index++) {
      space.exchange(first + index, HOST | ANON | WRITE | DIRTY, frame + index, cause, NOWHERE);
    }
    chunk.order = HUGE_ORDER;
    host.sync(space, first, HUGE_PAGES);
  } else {
    host.giveBackHuge(frame);
  }
  space.invalidated(first, first + HUGE_PAGES);
  return still;
}

/** Nobody else has it: it becomes writable where it is, a huge page as a whole if that is so of all of it. */
function reuse(space: Space, page: PageIndex): void {
  const chunk = space.table.at(page);
  if (chunk === null) return;
  if (chunk.order === 0) {
    chunk.flags[page - chunk.first] = (chunk.flags[page - chunk.first] ?? 0) | WRITE | DIRTY;
  } else if (isAlone(space, chunk)) {
    for (let index = 0; index < HUGE_PAGES; index++) {
      chunk.flags[index] = (chunk.flags[index] ?? 0) | WRITE | DIRTY;
    }
  } else {
    space.splitHuge(page);
  }
  space.core.host.sync(space, page, 1);
}

/** Whether no part of a huge page is mapped elsewhere. */
function isAlone(space: Space, chunk: NonNullable<ReturnType<Space["table"]["at"]>>): boolean {
  for (let index = 0; index < HUGE_PAGES; index++) {
    const frame = chunk.frames[index] ?? 0;
    const frames = space.core.memories.tableOf(frame);
    if (frames.mapCount[frame - frames.base] !== 1) return false;
  }
  return true;
}

/** The first write to a page of a shared file: it will have to be written back. A shared extent is copied first. */
function writeShared(host: ModelHost, space: Space, region: Region, page: PageIndex): Errno {
  const file = region.backing;
  if (!(file instanceof ModelFile)) {
    reuse(space, page);
    return OK;
  }
  const { errno, frame } = file.fetchToWrite(region.offset + (page - region.first), space);
  if (errno !== OK) return errno === EFAULT ? EIO : errno;
  const flags = space.table.flagsAt(page);
  if ((flags & KIND) !== HOST || space.table.frameAt(page) !== frame || host.extents.isShared(frame))
    return OK;
  host.core.memories.host.set(frame, WRITTEN);
  const chunk = space.table.ensure(page);
  chunk.flags[page - chunk.first] = flags | WRITE | DIRTY;
  return OK;
}

/** Gives the space its own copy of a page, in the host's memory. */
function copyOnWrite(host: ModelHost, space: Space, region: Region, page: PageIndex, cause: Cause): Errno {
  if (region.kind === "hugetlb") return copyHugetlb(host, space, page, cause);
  if (space.table.at(page)?.order === HUGE_ORDER) return space.splitHuge(page);
  const flags = space.table.flagsAt(page);
  const frame = space.table.frameAt(page);
  // Others ran while a huge page was tried: the page may be gone, and then there is nothing to copy.
  if (!isPresent(flags)) return OK;
  if ((flags & ZERO) !== 0 && !space.mayGrow(1)) return ENOMEM;
  const own = host.allocate(space, false);
  if (own === NO_FRAME) return ENOMEM;
  space.invalidate(page, page + 1, "clear");
  const unchanged = ((space.table.flagsAt(page) ^ flags) & ~(YOUNG | DIRTY)) === 0 && !space.closed;
  if (unchanged && space.table.frameAt(page) === frame && host.copy(frame, own)) {
    const from = (flags & ZERO) !== 0 ? NOWHERE : space.table.placeOf(flags, frame);
    const why = (flags & ZERO) !== 0 ? cause : CAUSE.copyOnWrite;
    space.exchange(page, HOST | ANON | WRITE | DIRTY, own, why, from);
    host.sync(space, page, 1);
  } else {
    host.giveBack(own);
  }
  space.invalidated(page, page + 1);
  return OK;
}

function copyHugetlb(host: ModelHost, space: Space, page: PageIndex, cause: Cause): Errno {
  const first = page - (page % HUGE_PAGES);
  const before = space.table.frameAt(first);
  const own = host.takeHugetlb();
  if (own === NO_FRAME) return EIO;
  space.invalidate(first, first + HUGE_PAGES, "clear");
  const chunk = space.table.at(first);
  if (chunk !== null && chunk.populated === HUGE_PAGES && chunk.frames[0] === before) {
    const writable = chunk.flags[0] ?? 0;
    for (let index = 0; index < HUGE_PAGES; index++) {
      host.copy(before + index, own + index);
      space.exchange(
        first + index,
        (writable & ~KIND) | HOST | WRITE | DIRTY,
        own + index,
        cause,
        HOST_PLACE,
      );
    }
  } else {
    host.giveBackHuge(own);
  }
  space.invalidated(first, first + HUGE_PAGES);
  return OK;
}
