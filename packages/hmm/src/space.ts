import { HmsError } from "@hms/topology";
import type { Cause } from "./cause.ts";
import type { Core } from "./core.ts";
import type { Device } from "./device.ts";
import type { InvalidationReason } from "./driver-contract.ts";
import { HOST, KIND, ZERO } from "./entry.ts";
import { EAGAIN, type Errno, OK } from "./errno.ts";
import { IntervalTree } from "./interval-tree.ts";
import type { Mirror } from "./mirror.ts";
import { PageTable } from "./page-table.ts";
import { FILE_PLACE, HOST_PLACE, LOST_PLACE, NOWHERE, type PlaceId, SWAP_PLACE } from "./places.ts";
import type { RegionOptions } from "./region.ts";
import { RegionStore } from "./region-store.ts";
import {
  adviseRange,
  closeSpace,
  discardRange,
  forkSpace,
  mapRange,
  protectRange,
  remapRange,
  unmapRange,
} from "./space-ranges.ts";
import { type FrameNumber, HUGE_ORDER, HUGE_PAGES, type PageCount, type PageIndex } from "./units.ts";

/** Mirrors of a space that are looked at one by one. */
const FEW_MIRRORS = 8;

/** What a space is made of. */
export interface SpaceOptions {
  /** Shown by `explain` and in records. */
  readonly name?: string;
  /** The most pages it may hold resident, device memory included; default: no limit. */
  readonly limitPages?: PageCount;
}

/** Pages of a space by where they are. */
export interface Accounts {
  /** Anonymous pages in the host's memory. */
  readonly host: PageCount;
  /** Pages of files in the host's memory. */
  readonly file: PageCount;
  readonly swapped: PageCount;
  readonly lost: PageCount;
  /** By name of the device memory; those with none are left out. */
  readonly devices: ReadonlyMap<string, PageCount>;
}

/**
 * A virtual address space: its regions, where each page is, and the mirrors that watch it. A host makes one for each
 * process (or for each context of a program).
 */
export class Space {
  readonly core: Core;
  /** Its number in the core; used again after it is closed. */
  readonly id: number;
  readonly name: string;
  readonly regions: RegionStore = new RegionStore();
  readonly table: PageTable;
  readonly limitPages: PageCount;
  /** Read-only duplicates of pages on devices, by page. */
  readonly duplicates: Map<PageIndex, FrameNumber[]> = new Map();
  readonly #mirrors = new IntervalTree<Mirror>();
  /** The same mirrors, while they are few: then looking at each is faster than the tree. */
  #few: readonly Mirror[] | null = [];
  #deferred: Mirror[] = [];
  #invalidations = 0;
  #readers = 0;
  #writer = false;
  /** Gone: nothing can be mapped, faulted or migrated any more. */
  closed = false;

  /** `Core.createSpace` makes them. */
  constructor(core: Core, id: number, options: SpaceOptions) {
    this.core = core;
    this.id = id;
    this.name = options.name ?? `space ${id}`;
    this.limitPages = options.limitPages ?? Number.POSITIVE_INFINITY;
    this.table = new PageTable(id, core.memories, core.chunks);
  }

  // The space's lock: regions change under the write side only; faults and migrations hold the read side. Nobody can
  // wait in a synchronous core, so taking it may fail, and then the caller answers EAGAIN or EBUSY.

  tryRead(): boolean {
    if (this.#writer) return false;
    this.#readers++;
    return true;
  }

  endRead(): void {
    this.#readers--;
  }

  tryWrite(): boolean {
    if (this.#writer || this.#readers > 0) return false;
    this.#writer = true;
    return true;
  }

  /** From the write to the read side: the regions are as they shall be, faults elsewhere may go on. */
  downgrade(): void {
    this.#writer = false;
    this.#readers++;
  }

  endWrite(): void {
    this.#writer = false;
  }

  /** Whether someone is at work on the space, so that it cannot go away now. */
  get busy(): boolean {
    return this.#writer || this.#readers > 0;
  }

  /** Whether an invalidation is going on. */
  get invalidating(): boolean {
    return this.#invalidations > 0;
  }

  /** The mirrors, in order of their first page. */
  mirrors(): Mirror[] {
    return [...this.#mirrors.items(), ...this.#deferred];
  }

  /** Adds a mirror; at the end of the invalidations that are going on, if there are some. */
  subscribe(mirror: Mirror): void {
    if (this.#invalidations > 0) {
      this.#deferred.push(mirror);
      return;
    }
    this.#mirrors.add(mirror);
    this.#few = this.#mirrors.size <= FEW_MIRRORS ? this.#mirrors.items() : null;
    mirror.subscribed = true;
  }

  unsubscribe(mirror: Mirror): void {
    if (mirror.subscribed) {
      this.#mirrors.delete(mirror);
      this.#few = this.#mirrors.size <= FEW_MIRRORS ? this.#mirrors.items() : null;
      mirror.subscribed = false;
    } else {
      this.#deferred = this.#deferred.filter((other) => other !== mirror);
    }
  }

  /**
   * Tells the mirrors that the range is about to change, and waits until none uses it any more. Every call that
   * answers OK needs an `invalidated` of the same range. EAGAIN (only if not blocking): a driver refused; nothing may
   * change, and no `invalidated` follows. Others may run before it returns: look at the entries only afterwards.
   */
  invalidate(
    first: PageIndex,
    end: PageIndex,
    reason: InvalidationReason,
    owner: Device | null = null,
    blocking = true,
  ): Errno {
    this.#invalidations++;
    if (this.#mirrors.size > 0 && !this.#notify(first, end, reason, owner, blocking)) {
      this.core.statistics.refusals++;
      this.invalidated(first, end);
      return EAGAIN;
    }
    this.core.host.yield("invalidated");
    return OK;
  }

  #notify(
    first: PageIndex,
    end: PageIndex,
    reason: InvalidationReason,
    owner: Device | null,
    blocking: boolean,
  ): boolean {
    const { statistics } = this.core;
    let agreed = true;
    for (const mirror of this.#near(first, end)) {
      if (mirror.first >= end || mirror.end <= first) continue;
      agreed = mirror.begin(reason, owner, first, end, blocking) && agreed;
      statistics.invalidations++;
    }
    return agreed;
  }

  /** The mirrors that overlap the range, and perhaps others. */
  #near(first: PageIndex, end: PageIndex): readonly Mirror[] {
    if (this.#few !== null) return this.#few;
    const hit: Mirror[] = [];
    this.#mirrors.overlapping(first, end, hit);
    return hit;
  }

  /** The change that `invalidate` announced is done. */
  invalidated(first: PageIndex, end: PageIndex): void {
    if (this.#mirrors.size > 0) {
      for (const mirror of this.#near(first, end)) {
        if (mirror.first < end && mirror.end > first) mirror.finish();
      }
    }
    if (--this.#invalidations > 0 || this.#deferred.length === 0) return;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const mirror of deferred) this.subscribe(mirror);
  }

  /** Fills an empty entry; a host does it when it populates a page. `from` is where the page was before. */
  install(page: PageIndex, flags: number, frame: FrameNumber, cause: Cause, from: PlaceId = NOWHERE): void {
    const chunk = this.table.ensure(page);
    const index = page - chunk.first;
    this.table.fill(chunk, index, flags, frame);
    chunk.note(index, cause, from, this.core.host.now());
  }

  /** The same for entries within 2 MiB that follow each other, alike, and frames that do. */
  installRun(page: PageIndex, count: PageCount, flags: number, frame: FrameNumber, cause: Cause): void {
    const chunk = this.table.ensure(page);
    const index = page - chunk.first;
    this.table.fillRun(chunk, index, count, flags, frame);
    chunk.noteRun(index, count, cause, NOWHERE, this.core.host.now());
  }

  /** Replaces an entry by another page, and releases what it referred to. */
  exchange(page: PageIndex, flags: number, frame: FrameNumber, cause: Cause, from: PlaceId): void {
    const chunk = this.table.ensure(page);
    const index = page - chunk.first;
    const flagsBefore = chunk.flags[index] ?? 0;
    const frameBefore = chunk.frames[index] ?? 0;
    this.table.replace(chunk, index, flags, frame);
    chunk.note(index, cause, from, this.core.host.now());
    this.core.release(flagsBefore, frameBefore);
  }

  /**
   * Splits a huge mapping into 4 KiB ones, and with `memory` the huge page behind it too, if it can be. The mirrors of
   * all of it are told first (event `clear`), and others may run. EAGAIN: a mirror refused (only if not blocking).
   */
  splitHuge(page: PageIndex, blocking = true, memory = false): Errno {
    if (this.table.at(page)?.order !== HUGE_ORDER || this.regions.at(page)?.kind === "hugetlb") return OK;
    const first = page - (page % HUGE_PAGES);
    const errno = this.invalidate(first, first + HUGE_PAGES, "clear", null, blocking);
    if (errno !== OK) return errno;
    const chunk = this.table.at(page);
    if (chunk !== null && chunk.order === HUGE_ORDER) {
      chunk.order = 0;
      const flags = chunk.flags[0] ?? 0;
      if (memory && (flags & (KIND | ZERO)) === HOST) this.core.host.split(chunk.frames[0] ?? 0, true);
    }
    this.invalidated(first, first + HUGE_PAGES);
    return OK;
  }

  /** Whether the space may hold that many more pages. */
  mayGrow(pages: PageCount): boolean {
    return this.limitPages === Number.POSITIVE_INFINITY || this.residentPages + pages <= this.limitPages;
  }

  /** Pages in the host's memory or a device's, pages of zeros apart. */
  get residentPages(): PageCount {
    const { counts } = this.table;
    let pages = 0;
    for (let place = HOST_PLACE; place < counts.length; place++) {
      if (place !== SWAP_PLACE && place !== LOST_PLACE) pages += counts[place] ?? 0;
    }
    return pages;
  }

  /** Where the space's pages are. */
  accounts(): Accounts {
    const { counts } = this.table;
    const devices = new Map<string, PageCount>();
    for (const memory of this.core.memories.devices()) {
      const pages = counts[memory.place] ?? 0;
      if (pages > 0) devices.set(memory.name, (devices.get(memory.name) ?? 0) + pages);
    }
    return {
      host: counts[HOST_PLACE] ?? 0,
      file: counts[FILE_PLACE] ?? 0,
      swapped: counts[SWAP_PLACE] ?? 0,
      lost: counts[LOST_PLACE] ?? 0,
      devices,
    };
  }

  /** Throws ESRCH when the space is closed. */
  expectOpen(action: string): void {
    if (!this.closed) return;
    throw new HmsError("SPACE_CLOSED", "ESRCH", `${action} failed: ${this.name} is closed.`);
  }

  // What a host does to regions. Each takes the lock itself; EAGAIN: someone holds it further up the stack, so nothing
  // was done. Each tells the mirrors before anything changes.

  /** Adds a region. EINVAL: range; EEXIST: something is mapped there. */
  map(first: PageIndex, count: PageCount, options: RegionOptions): Errno {
    return mapRange(this, first, count, options);
  }

  /** Removes whatever regions are in the range, and their pages (event `unmap`). EINVAL: range. */
  unmap(first: PageIndex, count: PageCount): Errno {
    return unmapRange(this, first, count);
  }

  /**
   * Changes the protection (event `protection-range`). ENOMEM: there is a hole; regions before it are changed. EINVAL:
   * range.
   */
  protect(first: PageIndex, count: PageCount, access: number): Errno {
    return protectRange(this, first, count, access);
  }

  /** Changes what a host keeps of regions: wish for huge pages. ENOMEM: there is a hole. EINVAL: range. */
  advise(first: PageIndex, count: PageCount, change: { readonly huge: boolean | null }): Errno {
    return adviseRange(this, first, count, change);
  }

  /** Drops the pages of a range; the regions stay (event `clear`). EAGAIN when a mirror refuses and `blocking` is false. */
  discard(first: PageIndex, count: PageCount, blocking = true): Errno {
    return discardRange(this, first, count, blocking);
  }

  /**
   * Moves a range with its pages to a place where nothing is mapped (event `unmap` for the old range). `keepOld`: the
   * old region stays, empty. EFAULT: it is not inside one region; EINVAL: range, or the places overlap; EEXIST:
   * something is mapped there.
   */
  remap(first: PageIndex, count: PageCount, to: PageIndex, keepOld: boolean): Errno {
    return remapRange(this, first, count, to, keepOld);
  }

  /**
   * Copies regions and entries to a child that has none (event `protection-page` for what is copied on write). `copy`
   * makes the child's own copy of a page that is pinned. EBUSY: a driver holds an exclusive page; or what `copy`
   * answers. After an error the child is to be closed.
   */
  forkTo(child: Space, copy: (page: PageIndex) => Errno): Errno {
    return forkSpace(this, child, copy);
  }

  /** Ends the space: event `release` over everything, then `unmap`, then every page is given back. EAGAIN: in use. */
  close(): Errno {
    return closeSpace(this);
  }
}
