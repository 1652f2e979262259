import {
  ANON,
  DIRTY,
  EAGAIN,
  EFAULT,
  EINVAL,
  EMPTY,
  ENOMEM,
  ENOSPC,
  type Errno,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  isRange,
  KEPT,
  KIND,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Region,
  type Space,
  WRITE,
  WRITTEN,
} from "@hms/hmm";
import type { ModelHost } from "./host.ts";

/** Where the bytes of a file are when they are in no page cache. */
export type FileKind =
  /** On a disk: dirty pages are written back. */
  | "disk"
  /** Nowhere: shared anonymous memory; its pages are swapped. */
  | "memory"
  /** The pages are the storage itself (persistent memory). */
  | "dax";

/** How often a page is dropped from mappings that bring it back, before the caller is to come again. */
const UNMAP_ATTEMPTS = 64;

/** A file of the simulated host. It has no name and lives until it is closed and nothing maps it. */
export class ModelFile {
  readonly host: ModelHost;
  readonly kind: FileKind;
  #pages: PageCount;
  /** Pages in the host's memory: the page cache, or the storage of a DAX file. */
  readonly #frames = new Map<PageIndex, FrameNumber>();
  /** A truncation or a hole is under way: another one has to wait. */
  #resizing = false;
  /** Pages written back to the disk; those that are in neither map are zeros. */
  readonly #disk = new Map<PageIndex, Uint8Array>();
  /** Swap slots of shared memory. */
  readonly #slots = new Map<PageIndex, number>();

  /** `ModelHost.createFile` makes them. */
  constructor(host: ModelHost, kind: FileKind, pages: PageCount) {
    this.host = host;
    this.kind = kind;
    this.#pages = pages;
  }

  /** Its size. */
  get pages(): PageCount {
    return this.#pages;
  }

  /** The frame that holds a page now; NO_FRAME when none does. */
  cached(page: PageIndex): FrameNumber {
    return this.#frames.get(page) ?? NO_FRAME;
  }

  /** Every frame the file has, with its page. */
  frames(): ReadonlyMap<PageIndex, FrameNumber> {
    return this.#frames;
  }

  /** The swap slots the file has. */
  slots(): ReadonlyMap<PageIndex, number> {
    return this.#slots;
  }

  /** The frame for a page, read in if need be. EFAULT beyond the end (SIGBUS); ENOMEM. Others may run meanwhile. */
  fetch(page: PageIndex, space: Space | null): { errno: Errno; frame: FrameNumber } {
    if (page >= this.#pages) return { errno: EFAULT, frame: NO_FRAME };
    const there = this.cached(page);
    if (there !== NO_FRAME) return { errno: OK, frame: there };
    const frame = this.host.allocate(space, false);
    if (frame === NO_FRAME) return { errno: ENOMEM, frame };
    const meanwhile = this.cached(page);
    if (meanwhile !== NO_FRAME || page >= this.#pages) {
      this.host.giveBack(frame);
      return { errno: meanwhile === NO_FRAME ? EFAULT : OK, frame: meanwhile };
    }
    this.#readIn(page, frame);
    this.#keep(page, frame);
    return { errno: OK, frame };
  }

  #readIn(page: PageIndex, frame: FrameNumber): void {
    const { ram, swap, clock, costs } = this.host;
    const slot = this.#slots.get(page);
    const disk = this.#disk.get(page);
    if (slot !== undefined) {
      swap.load(slot, this.host.scratch);
      ram.write(frame, 0, this.host.scratch);
      swap.release(slot);
      this.#slots.delete(page);
      clock.advance(costs.disk(PAGE_BYTES));
    } else if (disk !== undefined) {
      ram.write(frame, 0, disk);
      clock.advance(costs.disk(PAGE_BYTES));
    } else {
      ram.clear(frame, 1);
    }
  }

  #keep(page: PageIndex, frame: FrameNumber): void {
    this.#frames.set(page, frame);
    this.host.core.memories.host.set(frame, KEPT);
    this.host.cacheOwner(frame, this, page);
  }

  /** The page leaves memory: what was written goes to the disk or to swap. False when there is no room for it. */
  writeBack(page: PageIndex, frame: FrameNumber, dirty: boolean): boolean {
    const { ram, swap, clock, costs, core } = this.host;
    if (this.kind === "memory") {
      ram.read(frame, 0, this.host.scratch);
      const slot = swap.store(this.host.scratch);
      if (slot < 0) return false;
      this.#slots.set(page, slot);
      clock.advance(costs.disk(PAGE_BYTES));
    } else if (dirty || core.memories.host.is(frame, WRITTEN)) {
      const bytes = this.#disk.get(page) ?? new Uint8Array(PAGE_BYTES);
      ram.read(frame, 0, bytes);
      this.#disk.set(page, bytes);
      clock.advance(costs.disk(PAGE_BYTES));
    }
    this.#drop(page, frame);
    return true;
  }

  #drop(page: PageIndex, frame: FrameNumber): void {
    this.#frames.delete(page);
    this.host.cacheOwner(frame, null, 0);
    if (this.host.extents.drop(frame)) return;
    this.host.core.memories.host.clear(frame, KEPT | WRITTEN);
    this.host.core.put(frame);
  }

  /** Bytes of a page from an offset on, wherever they are; nothing changes by looking. For tests. */
  peek(page: PageIndex, offset: number, target: Uint8Array): void {
    const { ram, swap } = this.host;
    const frame = this.cached(page);
    if (frame !== NO_FRAME) {
      ram.read(frame, offset, target);
      return;
    }
    const slot = this.#slots.get(page);
    if (slot !== undefined) {
      swap.peek(slot, offset, target);
      return;
    }
    const bytes = this.#disk.get(page);
    for (let i = 0; i < target.length; i++) target[i] = bytes === undefined ? 0 : (bytes[offset + i] ?? 0);
  }

  /**
   * Writes dirty pages to the disk, as `fsync` does. Mappings become read-only first (event `protection-page`), so that
   * the next write is noticed. Nothing to do for what is on no disk.
   */
  sync(): void {
    if (this.kind !== "disk") return;
    const { ram, clock, costs, core } = this.host;
    for (const [page, frame] of [...this.#frames]) {
      if (!core.memories.host.is(frame, WRITTEN)) continue;
      core.memories.host.clear(frame, WRITTEN);
      this.#forEachMapping(page, page + 1, protectMapping);
      if (this.cached(page) !== frame) continue;
      const bytes = this.#disk.get(page) ?? new Uint8Array(PAGE_BYTES);
      ram.read(frame, 0, bytes);
      this.#disk.set(page, bytes);
      clock.advance(costs.disk(PAGE_BYTES));
    }
  }

  /** Reads bytes of the file, as a system call. EINVAL beyond the end; ENOMEM; EAGAIN. */
  read(page: PageIndex, target: Uint8Array): Errno {
    return this.#transfer(page, target, false);
  }

  /** Writes bytes of the file, as a system call. A shared extent of a DAX file is copied first. */
  write(page: PageIndex, source: Uint8Array): Errno {
    return this.#transfer(page, source, true);
  }

  #transfer(page: PageIndex, bytes: Uint8Array, write: boolean): Errno {
    const count = Math.ceil(bytes.length / PAGE_BYTES);
    if (bytes.length > 0 && (!isRange(page, count) || page + count > this.#pages)) return EINVAL;
    this.host.clock.advance(this.host.costs.call);
    for (let i = 0; i < count; i++) {
      const { errno, frame } = write ? this.fetchToWrite(page + i, null) : this.fetch(page + i, null);
      if (errno !== OK) return errno;
      const part = bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES);
      if (write) {
        this.host.write(frame, 0, part, null);
        this.host.core.memories.host.set(frame, WRITTEN);
      } else {
        this.host.read(frame, 0, part, null);
      }
    }
    return OK;
  }

  /**
   * The frame for a page that is about to be written: of a DAX file's own, not of an extent that another file shares.
   * EFAULT when the sharing may not be broken (the host was made with `reflink: "refuse"`), ENOSPC without storage.
   */
  fetchToWrite(page: PageIndex, space: Space | null): { errno: Errno; frame: FrameNumber } {
    const found = this.fetch(page, space);
    if (found.errno !== OK || !this.host.extents.isShared(found.frame)) return found;
    if (this.host.reflink === "refuse") return { errno: EFAULT, frame: NO_FRAME };
    return this.#breakSharing(page, space);
  }

  /** Gives the file its own copy of a shared page: every mapping of this file's page is dropped first. */
  #breakSharing(page: PageIndex, space: Space | null): { errno: Errno; frame: FrameNumber } {
    if (!this.#reachable(page, page + 1)) return { errno: EAGAIN, frame: NO_FRAME };
    const own = this.host.allocate(space, false);
    if (own === NO_FRAME) return { errno: ENOSPC, frame: NO_FRAME };
    const unmapped = this.#unmapForGood(page);
    const shared = this.cached(page);
    if (!unmapped || !this.host.extents.isShared(shared)) {
      this.host.giveBack(own);
      // Someone else broke it, or the page was cut off meanwhile.
      return { errno: unmapped && shared !== NO_FRAME ? OK : EAGAIN, frame: shared };
    }
    this.host.ram.copy(shared, own);
    this.#drop(page, shared);
    this.#keep(page, own);
    return { errno: OK, frame: own };
  }

  /** A DAX file with the same content that shares every extent with this one until either is written. */
  reflink(): ModelFile {
    const twin = new ModelFile(this.host, this.kind, this.#pages);
    for (let page = 0; page < this.#pages; page++) this.fetch(page, null);
    for (const [page, frame] of this.#frames) {
      twin.#frames.set(page, frame);
      this.host.extents.share(frame);
    }
    this.host.files.add(twin);
    // Shared first: who makes a page writable again while mappings are told breaks the sharing.
    this.#forEachMapping(0, this.#pages, protectMapping);
    return twin;
  }

  /**
   * Makes the file shorter or longer. What is cut off leaves every mapping, copies that processes made of it too.
   * EAGAIN: regions that show it are being changed.
   */
  truncate(pages: PageCount): Errno {
    if (!Number.isSafeInteger(pages) || pages < 0) return EINVAL;
    const before = this.#pages;
    if (this.#resizing || (pages < before && !this.#reachable(pages, before))) return EAGAIN;
    this.#pages = pages;
    if (pages < before) {
      this.#resizing = true;
      this.#discardAll(pages, before);
      this.#remove(pages, before);
      this.#resizing = false;
    }
    return OK;
  }

  /**
   * Drops all that mappings have of a range. Others run while a mirror is told: a fork or a move may bring pages to
   * where they were dropped already, so it looks until none is left.
   */
  #discardAll(first: PageIndex, end: PageIndex): void {
    let left = true;
    for (let attempt = 0; attempt < UNMAP_ATTEMPTS && left; attempt++) {
      left = false;
      this.#forEachMapping(first, end, (space, from, to) => {
        if (attempt > 0 && isEmpty(space, from, to)) return;
        space.discard(from, to - from);
        left = true;
      });
    }
  }

  /** Makes a hole of zeros; it leaves every mapping, but for copies that processes made of it. EAGAIN as `truncate`. */
  punchHole(first: PageIndex, count: PageCount): Errno {
    if (!isRange(first, count) || first + count > this.#pages) return EINVAL;
    if (this.#resizing || !this.#reachable(first, first + count)) return EAGAIN;
    this.#resizing = true;
    let page = first;
    for (; page < first + count && this.#unmapForGood(page); page++) this.#remove(page, page + 1);
    this.#resizing = false;
    return page < first + count ? EAGAIN : OK;
  }

  /**
   * Drops the file's own page from every mapping, until none has it: others run while a mirror is told, and may bring
   * it back. False when it could not be.
   */
  #unmapForGood(page: PageIndex): boolean {
    for (let attempt = 0; attempt < UNMAP_ATTEMPTS; attempt++) {
      if (!this.#unmapFilePages(page, page + 1)) return false;
      if (!this.#isMapped(page)) return true;
    }
    return false;
  }

  #isMapped(page: PageIndex): boolean {
    let mapped = false;
    this.#forEachMapping(page, page + 1, (space, at) => {
      const flags = space.table.flagsAt(at);
      if ((flags & KIND) === HOST && (flags & ANON) === 0) mapped = true;
    });
    return mapped;
  }

  /** Whether every region that shows the range can be worked on now. */
  #reachable(first: PageIndex, end: PageIndex): boolean {
    let free = true;
    this.#forEachMapping(first, end, (space) => {
      if (space.tryRead()) space.endRead();
      else free = false;
    });
    return free;
  }

  /** Drops the file's own pages from every mapping, not copies that were made of them. False when one could not. */
  #unmapFilePages(first: PageIndex, end: PageIndex): boolean {
    let done = true;
    this.#forEachMapping(first, end, (space, from, to) => {
      for (let page = from; page < to; page++) {
        const flags = space.table.flagsAt(page);
        if ((flags & KIND) === HOST && (flags & ANON) === 0 && space.discard(page, 1) !== OK) done = false;
      }
    });
    return done;
  }

  #remove(first: PageIndex, end: PageIndex): void {
    for (const [page, frame] of [...this.#frames]) if (page >= first && page < end) this.#drop(page, frame);
    for (const page of [...this.#disk.keys()]) if (page >= first && page < end) this.#disk.delete(page);
    for (const [page, slot] of [...this.#slots]) {
      if (page < first || page >= end) continue;
      this.host.swap.release(slot);
      this.#slots.delete(page);
    }
  }

  /** Whether any region of any process shows the file. */
  get mapped(): boolean {
    let found = false;
    this.#forEachMapping(0, Number.MAX_SAFE_INTEGER, () => {
      found = true;
    });
    return found;
  }

  /** Gives up all that the file holds. Its mappings keep nothing of it. */
  close(): void {
    this.#unmapFilePages(0, this.#pages);
    this.#remove(0, Number.MAX_SAFE_INTEGER);
    this.#pages = 0;
    this.host.files.delete(this);
  }

  #forEachMapping(
    first: PageIndex,
    end: PageIndex,
    visit: (space: Space, first: PageIndex, end: PageIndex) => void,
  ): void {
    for (const space of this.host.core.spaces()) {
      for (const region of space.regions.all()) {
        if (region.backing !== this) continue;
        const from = Math.max(region.first, region.first + (first - region.offset));
        const to = Math.min(region.end, region.first + (end - region.offset));
        if (from < to) visit(space, from, to);
      }
    }
  }
}

function isEmpty(space: Space, first: PageIndex, end: PageIndex): boolean {
  for (let chunk = space.table.next(first, end); chunk !== null; ) {
    const to = Math.min(HUGE_PAGES, end - chunk.first);
    for (let index = Math.max(0, first - chunk.first); index < to; index++) {
      if (((chunk.flags[index] ?? EMPTY) & KIND) !== EMPTY) return false;
    }
    chunk = space.table.next(chunk.first + HUGE_PAGES, end);
  }
  return true;
}

/** Writes through the mapping must be seen from now on: its entries become read-only. */
function protectMapping(space: Space, first: PageIndex, end: PageIndex): void {
  space.invalidate(first, end, "protection-page");
  for (let page = first; page < end; page++) {
    const chunk = space.table.at(page);
    if (chunk === null) continue;
    const index = page - chunk.first;
    const region: Region | null = space.regions.at(page);
    // Not dirty either: what is known to be dirty may become writable without asking the file.
    if (region?.shared === true) chunk.flags[index] = (chunk.flags[index] ?? 0) & ~(WRITE | DIRTY);
  }
  space.invalidated(first, end);
  space.core.host.sync(space, first, end - first);
}

/** DAX pages that several files share, with how many files do beyond the first. */
export class Extents {
  readonly #sharers = new Map<FrameNumber, number>();

  isShared(frame: FrameNumber): boolean {
    return this.#sharers.has(frame);
  }

  share(frame: FrameNumber): void {
    this.#sharers.set(frame, (this.#sharers.get(frame) ?? 0) + 1);
  }

  /** One file gives the page up. True when another still has it. */
  drop(frame: FrameNumber): boolean {
    const others = this.#sharers.get(frame);
    if (others === undefined) return false;
    if (others === 1) this.#sharers.delete(frame);
    else this.#sharers.set(frame, others - 1);
    return true;
  }
}
