import {
  Around,
  CAUSE,
  COHERENT,
  EAGAIN,
  EFAULT,
  EIO,
  ENOMEM,
  type Errno,
  FAULTS_PER_PAGE_LIMIT,
  HOST,
  HUGE_PAGES,
  isPresent,
  KIND,
  LOST,
  type Nanoseconds,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  PRIVATE,
  type Region,
  type Space,
  SWAP,
  WRITE,
  ZERO,
} from "@hms/hmm";
import { mapCached } from "./cached.ts";
import type { CachedFile } from "./cached-file.ts";
import { MAPPED, PLACE } from "./column.ts";
import { hostFault } from "./fault.ts";
import type { LinuxHost } from "./host.ts";
import { TOUCH_TRIES } from "./pages.ts";
import { PROT_NONE, PROT_READ, PROT_WRITE } from "./sys/abi.generated.ts";
import { dieLoudly, warn } from "./sys/fatal.ts";
import { mprotect } from "./sys/memory.ts";
import type { Userfaultfd } from "./sys/uffd.ts";

const frames = new Uint32Array(HUGE_PAGES);

/** How many of the pages that nobody can have are told of on standard error. */
const POISONED_TOLD = 8;
/** Why a page cannot be had, by the kind of its entry; what has none would have come from a file. */
const UNHAD: ReadonlyMap<number, string> = new Map([
  [LOST, "its bytes were lost with the memory of a device"],
  [SWAP, "the disk that it went to cannot be read"],
  [PRIVATE, "the driver of the device that has it does not give it back"],
  [COHERENT, "the driver of the device that has it does not give it back"],
]);

/** What is behind a region of the program: private pages, or a memfd that is shared or stands for a file. */
export type RegionBacking = "private" | "shared" | "file";

/** What `LinuxSpace.map` gives a region. */
export interface RegionInit {
  readonly id: number;
  readonly backing: RegionBacking;
  readonly name: string;
  readonly first: PageIndex;
  readonly pages: PageCount;
  readonly file: CachedFile | null;
}

/** A range of the program's addresses that the host answers for. */
export class LinuxRegion {
  readonly host: LinuxHost;
  readonly space: Space;
  /** Its number among the regions of the host; never used again. */
  readonly id: number;
  readonly backing: RegionBacking;
  readonly name: string;
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** Shared and file regions: the pages. */
  readonly file: CachedFile | null;
  readonly uffd: Userfaultfd;
  /** Windows of touches that found nothing, and of first writes to pages that are there. */
  readonly missing: Around = new Around();
  readonly writes: Around = new Around();
  /** The window of the touch that is being answered. */
  around: Around = this.missing;
  /** Touches that have to wait: of pages that a device has for itself right now. */
  readonly waiting: { page: PageIndex; write: boolean; protectedPage: boolean }[] = [];

  constructor(host: LinuxHost, space: Space, options: RegionInit) {
    this.host = host;
    this.space = space;
    this.id = options.id;
    this.backing = options.backing;
    this.name = options.name;
    this.first = options.first;
    this.pages = options.pages;
    this.file = options.file;
    this.uffd = options.backing === "private" ? host.program : host.cached;
  }

  get address(): number {
    return this.first * PAGE_BYTES;
  }

  /** How many pages a fault brings in: always so many (1 to 512), or 0: as the accesses suggest. */
  setWindow(pages: PageCount): void {
    this.missing.fixed = pages;
    this.writes.fixed = pages;
  }

  /**
   * Answers one touch, which was read at `begun`; `protectedPage`: the page was there, but write-protected. Every way out
   * wakes who waits, or leaves it in `waiting`.
   */
  serve(page: PageIndex, write: boolean, protectedPage: boolean, begun: Nanoseconds): void {
    const { host, space } = this;
    const region = space.regions.at(page);
    host.ahead.touched(this, page);
    this.around = protectedPage ? this.writes : this.missing;
    if (region !== null) this.#lookAround(region, page, write, protectedPage);
    host.window = region === null ? null : this.around;
    host.answered = false;
    host.refused = false;
    host.stopped = begun;
    const outcome = this.#answer(page, write);
    host.stopped = 0;
    host.window = null;
    if (outcome === EAGAIN) {
      this.waiting.push({ page, write, protectedPage });
      host.anyWaiting = true;
      return;
    }
    this.#finish(outcome, page, write, begun);
  }

  #lookAround(region: Region, page: PageIndex, write: boolean, protectedPage: boolean): void {
    // It came while the message of its touch was on the way.
    if (!protectedPage && this.#has(page, write)) this.around.one(page);
    else this.around.at(page, region.first, region.end, this.host.windowMost);
  }

  #has(page: PageIndex, write: boolean): boolean {
    const { table } = this.space;
    const flags = table.flagsAt(page);
    if ((flags & (KIND | ZERO)) !== HOST || this.file !== null || (write && (flags & WRITE) === 0))
      return false;
    return this.host.pages.isMappedAt(table.frameAt(page), page);
  }

  #finish(outcome: Errno, page: PageIndex, write: boolean, begun: number): void {
    const { host, uffd } = this;
    const { statistics } = host;
    const count = this.around.count;
    // What was put at an address has woken who waited there.
    if (outcome === OK && !host.answered) uffd.wake(this.around.first * PAGE_BYTES, count * PAGE_BYTES);
    else if (outcome !== OK) this.#refuse(outcome, page);
    const took = host.now() - begun;
    statistics.cpuFaults++;
    statistics.cpuFaultTime += took;
    host.trace?.fault("cpu", this.space, page, outcome === OK ? count : 0, write, took, "");
    if (outcome !== OK || this.around !== this.missing) return;
    const region = this.space.regions.at(page);
    if (region === null || this.#homeAhead()) return;
    host.ahead.follow(region, this, page, this.around.first, this.around.count);
  }

  /**
   * What the touches come to next is in a device's memory, and comes home while nobody waits: as much as there is room
   * for.
   */
  #homeAhead(): boolean {
    const { host, missing, space } = this;
    const first = missing.first + missing.count;
    const room = host.budget - host.resident;
    const count = Math.min(missing.ahead, room - (room % HUGE_PAGES));
    if (count <= 0 || (space.table.flagsAt(first) & KIND) !== PRIVATE) return false;
    const sequence = missing.leadBy(count);
    const bring = (from: PageIndex, most: PageCount): PageCount => this.#bringAhead(from, most, sequence);
    if (!host.ahead.move(this, first, count, bring)) missing.leadBy(0);
    return true;
  }

  /** How many pages came; −1: there is no room, or they are not to come without a touch. */
  #bringAhead(first: PageIndex, count: PageCount, sequence: number): PageCount {
    const { host, space } = this;
    const end = first + count;
    const region = space.closed || host.owners.at(first) !== this ? null : space.regions.at(first);
    if (region === null || !region.readable || region.end < end || host.changing) return -1;
    if (host.resident + count > host.budget || host.placer?.said(space, first, count) === true) return -1;
    let page = first;
    while (page < end && (space.table.flagsAt(page) & KIND) !== PRIVATE) page++;
    if (page < end && host.core.bringHome(space, page, CAUSE.ahead, { first, end }) !== OK) return -1;
    let mapped = 0;
    for (let at = page; at < end; ) {
      const run = this.#ready(at, end, -1);
      if (run.count > 0) mapped += host.pages.map(at, frames, 0, run.count, run.writable, 0);
      at += Math.max(1, run.count);
    }
    this.missing.came(sequence, first, end);
    return mapped;
  }

  #refuse(outcome: Errno, page: PageIndex): void {
    const { host, uffd } = this;
    const address = page * PAGE_BYTES;
    if (outcome === EIO) {
      host.statistics.poisoned++;
      if (host.statistics.poisoned <= POISONED_TOLD) warn(this.#whyPoisoned(page));
      if (uffd.poison(address, PAGE_BYTES, 0) < 0) uffd.wake(address, PAGE_BYTES);
    } else if (outcome === EFAULT) {
      // Its region is gone or allows no such access: the kernel says so itself, when it looks again.
      uffd.wake(address, PAGE_BYTES);
    } else {
      const full =
        host.placer?.whyFull(this.space, page) ?? "no memory is left, neither within the budget nor on disk";
      const why = outcome === ENOMEM ? full : `error ${outcome}`;
      dieLoudly(`a touch of page ${page} of ${this.name} cannot be answered: ${why}`);
    }
  }

  /** What is said of a page that nobody can have: a program's own touch ends it, by a signal that says nothing. */
  #whyPoisoned(page: PageIndex): string {
    const why = UNHAD.get(this.space.table.flagsAt(page) & KIND) ?? "its file cannot be read there";
    return `page ${page - this.first} of ${this.name} cannot be had: ${why}. A touch of it is SIGBUS, a system call EHWPOISON.`;
  }

  #answer(page: PageIndex, write: boolean): Errno {
    const { host, space } = this;
    for (let attempt = 0; attempt < FAULTS_PER_PAGE_LIMIT; attempt++) {
      const flags = space.table.flagsAt(page);
      if (isPresent(flags) && (!write || (flags & WRITE) !== 0)) return this.#map(page, flags, write);
      const errno = hostFault(host, space, page, write, CAUSE.cpuFault);
      if (errno !== OK) return errno;
      if (host.answered) return OK;
      if (host.refused) return EAGAIN;
    }
    return EAGAIN;
  }

  /** The core's entry allows it: the processor shall find it. */
  #map(page: PageIndex, flags: number, write: boolean): Errno {
    const { host, space } = this;
    if (this.file !== null) return mapCached(host, this, page, write);
    if ((flags & ZERO) !== 0) return host.spaceOf(space)?.mapZeros(this.around) ?? EFAULT;
    const frame = space.table.frameAt(page);
    if (host.pages.isMappedAt(frame, page)) {
      if (host.pages.isProtected(frame) && (flags & WRITE) !== 0) this.#unprotect(page);
      else if (host.pages.present(page)) host.statistics.spurious++;
      return OK;
    }
    return this.#mapWindow(page);
  }

  /** Maps what of the window is ready, in runs; the page itself must be. */
  #mapWindow(page: PageIndex): Errno {
    const { first, count } = this.around;
    const { host } = this;
    let done = false;
    for (let at = first; at < first + count; ) {
      const run = this.#ready(at, first + count, page);
      if (run.count === 0) {
        at++;
        continue;
      }
      const mapped = host.pages.map(at, frames, 0, run.count, run.writable, TOUCH_TRIES);
      host.statistics.broughtIn += mapped;
      host.answered = true;
      if (page >= at && page < at + mapped) done = true;
      else if (page >= at && page < at + run.count) return host.pages.errno;
      at += run.count;
    }
    return done ? OK : EFAULT;
  }

  /** How many pages from `at` on could be mapped alike; their frames are in `frames`. */
  #ready(at: PageIndex, end: PageIndex, touched: PageIndex): { count: PageCount; writable: boolean } {
    const { host } = this;
    const { pages } = host;
    const chunk = this.space.table.at(at);
    let writable = false;
    let count = 0;
    let column = pages.host;
    // Within one chunk of the table; there is no frame beyond what the window has.
    const most = chunk === null ? 0 : Math.min(end - at, chunk.first + HUGE_PAGES - at);
    for (; chunk !== null && count < most; count++) {
      const flags = chunk.flags[at + count - chunk.first] ?? 0;
      const kind = flags & KIND;
      if (!isPresent(flags) || (flags & ZERO) !== 0 || (kind !== HOST && kind !== COHERENT)) break;
      const frame = chunk.frames[at + count - chunk.first] ?? 0;
      if (!column.holds(frame)) column = pages.columnOf(frame) ?? column;
      const known = column.holds(frame);
      // What others have mapped is left to them, but for the page that is wanted here.
      if (at + count !== touched && (!known || ((column.place[frame - column.base] ?? 0) & PLACE) === MAPPED))
        break;
      const may = (flags & WRITE) !== 0;
      if (count > 0 && may !== writable) break;
      writable = may;
      // It may be written without another fault from now on: what the disk has is not it any more.
      if (may && kind === HOST && host.cleanSlot[frame] !== 0) host.dropClean(frame);
      frames[count] = frame;
    }
    return { count, writable };
  }

  /** The page may be written now, and those after it in the window of which the same is true. */
  #unprotect(page: PageIndex): void {
    const { pages } = this.host;
    const end = this.around.first + this.around.count;
    let count = 0;
    for (; page + count < end; count++) {
      const flags = this.space.table.flagsAt(page + count);
      const frame = this.space.table.frameAt(page + count);
      if ((flags & (KIND | WRITE)) !== (HOST | WRITE) || (flags & ZERO) !== 0) break;
      if (!pages.isMappedAt(frame, page + count) || !pages.isProtected(frame)) break;
      this.host.dropClean(frame);
      frames[count] = frame;
    }
    if (count === 0) return;
    pages.protectRun(page, count, false);
    for (let k = 0; k < count; k++) pages.set(frames[k] ?? 0, MAPPED, page + k);
  }

  /** Answers those that had to wait, if they can be now. */
  retry(): void {
    if (this.waiting.length === 0) return;
    for (const { page, write, protectedPage } of this.waiting.splice(0))
      this.serve(page, write, protectedPage, this.host.now());
  }

  /** See `AddressBook.open`. */
  open(page: PageIndex, count: PageCount): (() => void) | null {
    const region = this.space.regions.at(page);
    if (region === null || this.backing !== "private" || region.writable) return null;
    const { host } = this;
    const address = page * PAGE_BYTES;
    const bytes = count * PAGE_BYTES;
    host.pages.protectRun(page, count, true);
    mprotect(address, bytes, PROT_READ | PROT_WRITE);
    return () => {
      mprotect(address, bytes, region.readable ? PROT_READ : PROT_NONE);
      host.pages.protectRun(page, count, false);
    };
  }
}
