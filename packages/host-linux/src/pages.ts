import {
  FIRST_DEVICE_FRAME,
  type FrameNumber,
  following,
  HUGE_PAGES,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { CACHE, Column, LENT, MAPPED, NOWHERE, PLACE, PROTECTED, SLOT, ZEROS } from "./column.ts";
import { type NodeChoice, onNode } from "./nodes.ts";
import { Nursery } from "./nursery.ts";
import { Owners } from "./owners.ts";
import { Slots } from "./slots.ts";
import {
  EAGAIN,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOMEM,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from "./sys/abi.generated.ts";
import type { Mapping } from "./sys/memory.ts";
import { emptyFrom, occupiedFrom } from "./sys/pagemap.ts";
import type { Userfaultfd } from "./sys/uffd.ts";

export {
  CACHE,
  Column,
  IN_WINDOW,
  LENT,
  MAPPED,
  NOWHERE,
  PROTECTED,
  SLOT,
  WAITING,
  ZEROS,
} from "./column.ts";

/** How often an operation is tried again while the kernel says that the address space is changing. */
const BUSY_TRIES = 10_000;
/** The same where a touch waits, which is answered later just as well: whoever changes it may need this processor. */
export const TOUCH_TRIES = 64;

/** What `Pages` needs to know of addresses. */
export interface AddressBook {
  /** The userfaultfd that an address is registered with. */
  uffdAt(page: PageIndex): Userfaultfd;
  /** IN_WINDOW for an address in a device's window, else 0. */
  markAt(page: PageIndex): number;
  /**
   * Makes a range that its program may not write writable for a moment, and answers how to undo it; null when it is
   * writable anyway. Nothing can be written meanwhile: the pages are write-protected, and faults wait for us.
   */
  open(page: PageIndex, count: PageCount): (() => void) | null;
  /** How many pages from `page` on the program may do the same with: what `open` is asked for lies within. */
  alike(page: PageIndex): PageCount;
  /**
   * On which node of the machine pages that are made for addresses from `page` on, at most `count`, should be; null:
   * nobody has said so. `here`: they are made at those addresses, where the kernel may do it by itself. Good until the
   * next call.
   */
  nodesAt(page: PageIndex, count: PageCount, here: boolean): NodeChoice | null;
  /** The same for a page that a frame is, wherever that is. */
  nodesOf(frame: FrameNumber): NodeChoice | null;
  /** The kernel says that the address space is changing: reads what it has to tell. */
  busy(): void;
  /** What it told is not dealt with yet: what is mapped for the program now may be what it has just dropped. */
  readonly changing: boolean;
}

/** Counts of what was done, since the start. */
export interface PageCounters {
  moved: number;
  /** Of those, the ones that the kernel did not count. */
  untold: number;
  copied: number;
  zeroed: number;
  hugeZeroed: number;
  protected: number;
}

/** Moves pages between slots and addresses. Nothing here knows of spaces, regions or the core's page table. */
export class Pages implements Disposable {
  readonly slots: Slots;
  readonly nursery: Nursery = new Nursery();
  readonly host: Column;
  readonly counters: PageCounters = {
    moved: 0,
    untold: 0,
    copied: 0,
    zeroed: 0,
    hugeZeroed: 0,
    protected: 0,
  };
  /** The kernel thread's own mappings of memfds. */
  readonly aliases: Owners<Mapping> = new Owners();
  readonly #columns: Column[] = [];
  readonly #hidden: Userfaultfd;
  readonly #book: AddressBook;
  readonly #one = new Uint32Array(1);
  /** The errno of the last operation that stopped. */
  errno = 0;

  constructor(framesCount: PageCount, slotsCount: PageCount, hidden: Userfaultfd, book: AddressBook) {
    this.host = new Column(0, framesCount);
    this.slots = new Slots(slotsCount);
    this.#hidden = hidden;
    this.#book = book;
    hidden.register(
      this.slots.mapping.address,
      this.slots.mapping.bytes,
      UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
    );
  }

  /** Adds the frames of a device's memory. */
  addColumn(column: Column): void {
    this.#columns.push(column);
  }

  removeColumn(column: Column): void {
    const at = this.#columns.indexOf(column);
    if (at >= 0) this.#columns.splice(at, 1);
  }

  /** The column of a frame; null for a device's memory that is not kept here. */
  columnOf(frame: FrameNumber): Column | null {
    if (frame < FIRST_DEVICE_FRAME) return this.host;
    for (const column of this.#columns) {
      if (frame >= column.base && frame < column.base + column.place.length) return column;
    }
    return null;
  }

  /** The column of a frame; throws for a device's memory that is not kept here. */
  column(frame: FrameNumber): Column {
    const column = this.columnOf(frame);
    if (column !== null) return column;
    throw new HmsError(
      "FOREIGN_MEMORY",
      "EINVAL",
      `Reaching frame ${frame} failed: its memory is not one that this host keeps (LinuxHost.back).`,
    );
  }

  placeOf(frame: FrameNumber): number {
    const column = this.column(frame);
    return (column.place[frame - column.base] ?? 0) & PLACE;
  }

  atOf(frame: FrameNumber): number {
    const column = this.column(frame);
    return column.at[frame - column.base] ?? 0;
  }

  isMappedAt(frame: FrameNumber, page: PageIndex): boolean {
    const column = this.column(frame);
    const index = frame - column.base;
    return ((column.place[index] ?? 0) & PLACE) === MAPPED && column.at[index] === page;
  }

  isProtected(frame: FrameNumber): boolean {
    const column = this.column(frame);
    return ((column.place[frame - column.base] ?? 0) & PROTECTED) !== 0;
  }

  set(frame: FrameNumber, place: number, at: number): void {
    const column = this.column(frame);
    column.place[frame - column.base] = place;
    column.at[frame - column.base] = at;
  }

  /** The same for several frames: they are at places that follow each other. */
  #setRun(frames: Uint32Array, from: number, count: PageCount, place: number, at: number): void {
    let column = this.host;
    for (let k = 0; k < count; ) {
      const frame = frames[from + k] ?? 0;
      if (!column.holds(frame)) column = this.column(frame);
      const run = following(frames, from + k, Math.min(count - k, column.end - frame));
      column.setRun(frame - column.base, run, place, at + k);
      k += run;
    }
  }

  /** How many of the frames are at places that follow each other, from slot (or mapped page) `at` on. */
  runOf(frames: Uint32Array, from: number, most: PageCount, place: number, at: number): PageCount {
    let column: Column | null = this.host;
    for (let k = 0; k < most; ) {
      const frame = frames[from + k] ?? NO_FRAME;
      if (!column.holds(frame)) column = this.columnOf(frame);
      if (column === null) return k;
      const run = following(frames, from + k, Math.min(most - k, column.end - frame));
      const alike = column.runOf(frame - column.base, run, place, at + k);
      k += alike;
      if (alike < run) return k;
    }
    return most;
  }

  // Away from addresses.

  /**
   * Takes frames that are mapped at pages `first`… (one by one) away from there, into slots. What the program dropped
   * meanwhile becomes zeros. What cannot be taken (pinned by the kernel) stays; returns how many were taken.
   */
  hide(first: PageIndex, frames: Uint32Array, from: number, count: PageCount): PageCount {
    let taken = 0;
    for (let done = 0; done < count; ) {
      const run = Math.min(count - done, HUGE_PAGES, this.#book.alike(first + done));
      taken += this.#hideRun(first + done, frames, from + done, run);
      done += run;
    }
    return taken;
  }

  /** The same for one frame, wherever it is mapped. */
  hideOne(frame: FrameNumber): boolean {
    if (this.placeOf(frame) !== MAPPED) return true;
    this.#one[0] = frame;
    return this.hide(this.atOf(frame), this.#one, 0, 1) === 1;
  }

  /** Makes small pages of the huge one that a frame's page is a part of: that page is moved out of it. */
  takeApart(frame: FrameNumber): void {
    if (this.placeOf(frame) === MAPPED) this.hideOne(frame);
    if (this.placeOf(frame) !== SLOT) return;
    const at = this.atOf(frame);
    const slot = this.#takeSlots(1);
    if (this.#move(this.#hidden, slot, at, 1) === 1) {
      this.slots.give(at, 1);
      this.set(frame, SLOT, slot);
    } else {
      this.slots.give(slot, 1);
    }
  }

  #hideRun(first: PageIndex, frames: Uint32Array, from: number, count: PageCount): PageCount {
    const slot = this.#takeSlots(count);
    let taken = 0;
    const undo = this.#book.open(first, count);
    for (let done = 0; done < count; ) {
      const to = slot + done;
      const take = (most: PageCount): PageCount => this.#move(this.#hidden, to, first + (to - slot), most);
      const moved = take(count - done) || this.#alone(count - done, take);
      if (moved > 0) {
        this.#setRun(frames, from + done, moved, SLOT, to);
        taken += moved;
        done += moved;
        // What ended it, if something did, is said by the next call only.
        continue;
      }
      if (this.errno === ENOENT) {
        this.set(frames[from + done] ?? 0, ZEROS, 0);
        taken++;
      }
      this.slots.give(slot + done, 1);
      done++;
    }
    undo?.();
    return taken;
  }

  #takeSlots(count: PageCount): PageIndex {
    const slot = this.slots.take(count);
    if (slot >= 0) return slot;
    throw new HmsError(
      "NO_SLOTS",
      "ENOMEM",
      `Taking ${count} pages away failed: the hidden area is full, which its size rules out.`,
    );
  }

  /** How many pages moved; `errno` says why not more. */
  #move(
    uffd: Userfaultfd,
    to: PageIndex,
    from: PageIndex,
    count: PageCount,
    most: number = BUSY_TRIES,
  ): PageCount {
    for (let tries = 0; this.#mayMap(uffd); tries++) {
      const done = uffd.move(to * PAGE_BYTES, from * PAGE_BYTES, count * PAGE_BYTES, 0);
      if (done > 0) {
        const moved = done / PAGE_BYTES;
        this.counters.moved += moved;
        return moved === count
          ? moved
          : moved + this.#movedUntold(uffd, to + moved, from + moved, count - moved);
      }
      this.errno = -done;
      const gone = this.errno === ENOENT && !this.slots.holds(to);
      if (this.errno === EEXIST || gone) return this.#movedUntold(uffd, to, from, count);
      if (this.errno !== EAGAIN || tries >= most) return 0;
      this.#book.busy();
    }
    return 0;
  }

  /** Nothing is mapped for the program before it is known what it has dropped. */
  #mayMap(uffd: Userfaultfd): boolean {
    if (uffd === this.#hidden || !this.#book.changing) return true;
    this.errno = EAGAIN;
    return false;
  }

  /**
   * How many pages were moved although the kernel says that something is in the way, or nothing is there: what it means
   * is what it has just moved, which the program may even have dropped since. After it had to wait for a page (of which
   * it makes a copy elsewhere, to have room for huge pages), Linux 6.18 moves that and those after it twice, and does not
   * count them.
   */
  #movedUntold(uffd: Userfaultfd, to: PageIndex, from: PageIndex, count: PageCount): PageCount {
    const bytes = count * PAGE_BYTES;
    // There was nothing in the slots that it went to, and something where it came from that is no program's.
    const moved = this.slots.holds(to)
      ? occupiedFrom(to * PAGE_BYTES, bytes)
      : emptyFrom(from * PAGE_BYTES, bytes);
    if (moved <= 0) return 0;
    uffd.wake(to * PAGE_BYTES, moved * PAGE_BYTES);
    this.counters.moved += moved;
    this.counters.untold += moved;
    return moved;
  }

  /** Whatever is at an address that should be empty is dropped. */
  clear(page: PageIndex, count: PageCount): void {
    const slot = this.#takeSlots(count);
    const undo = this.#book.open(page, count);
    for (let done = 0; done < count; ) {
      const moved = this.#move(this.#hidden, slot + done, page + done, count - done);
      if (moved > 0) this.slots.drop(slot + done, moved);
      else this.slots.give(slot + done, 1);
      done += Math.max(1, moved);
    }
    undo?.();
    this.slots.flush();
  }

  // To addresses.

  /**
   * Maps frames at pages `first`…, writable or not, and wakes who waits there. Frames that are mapped elsewhere are taken from
   * there. Returns how many were done; `errno` says why not more.
   */
  map(
    first: PageIndex,
    frames: Uint32Array,
    from: number,
    count: PageCount,
    writable: boolean,
    tries: number = BUSY_TRIES,
  ): PageCount {
    const uffd = this.#book.uffdAt(first);
    for (let done = 0; done < count; ) {
      const frame = frames[from + done] ?? NO_FRAME;
      const place = this.placeOf(frame);
      let run = 1;
      if (place === SLOT) {
        run = this.runOf(frames, from + done, Math.min(count - done, HUGE_PAGES), SLOT, this.atOf(frame));
        const slots = (most: PageCount): PageCount =>
          this.#mapSlots(uffd, first + done, frames, from + done, most, writable, tries);
        run = slots(run) || this.#alone(run, slots);
      } else if (place === ZEROS || place === NOWHERE) {
        run = this.#zerosFrom(frames, from + done, Math.min(count - done, HUGE_PAGES));
        const zeros = (most: PageCount): PageCount =>
          this.#mapZeros(uffd, first + done, frames, from + done, most, writable, tries);
        run = zeros(run) || this.#alone(run, zeros);
      } else if (place === MAPPED) {
        run = this.#remap(uffd, first + done, frame, writable) ? 1 : 0;
      } else {
        run = 0;
      }
      if (run === 0) return done;
      done += run;
    }
    return count;
  }

  /**
   * The same for the first page only, where the kernel does not do `run` of them at once: it keeps as two ranges what
   * had different rights for a while, and does nothing across.
   */
  #alone(run: PageCount, map: (most: PageCount) => PageCount): PageCount {
    return run > 1 && (this.errno === ENOENT || this.errno === EINVAL) ? map(1) : 0;
  }

  /**
   * Maps frames of this machine's memory that were just given out, writable or not, at pages `first`…, as zeros, for a touch.
   * Returns how many were done; `errno` says why not more.
   */
  mapFresh(first: PageIndex, frames: Uint32Array, count: PageCount, writable: boolean): PageCount {
    const uffd = this.#book.uffdAt(first);
    let done = 0;
    while (done < count) {
      const run = this.#mapZeros(uffd, first + done, frames, done, count - done, writable, TOUCH_TRIES);
      // Whatever it is, `map` knows what to do.
      if (run === 0) break;
      done += run;
    }
    return done;
  }

  /** How many of the frames have no bytes yet. */
  #zerosFrom(frames: Uint32Array, from: number, most: PageCount): PageCount {
    let column = this.host;
    let k = 0;
    for (; k < most; k++) {
      const frame = frames[from + k] ?? NO_FRAME;
      if (!column.holds(frame)) column = this.column(frame);
      if (((column.place[frame - column.base] ?? 0) & PLACE) > ZEROS) break;
    }
    return k;
  }

  #mapSlots(
    uffd: Userfaultfd,
    first: PageIndex,
    frames: Uint32Array,
    from: number,
    count: PageCount,
    writable: boolean,
    tries: number,
  ): PageCount {
    const slot = this.atOf(frames[from] ?? 0);
    let done = 0;
    if (writable) {
      done = this.#into(first, () => this.#move(uffd, first, slot, count, tries));
      if (done > 0) this.slots.give(slot, done);
    } else {
      const choice = this.#book.nodesAt(first, count, true);
      const run = choice?.count ?? count;
      const copy = (): PageCount =>
        this.#copy(uffd, first, slot * PAGE_BYTES, run, UFFDIO_COPY_MODE_WP, tries);
      done = this.#into(first, () => (choice?.told === true ? copy() : onNode(choice, copy)));
      if (done > 0) this.slots.drop(slot, done);
    }
    this.#mark(first, frames, from, done, writable);
    return done;
  }

  #mapZeros(
    uffd: Userfaultfd,
    first: PageIndex,
    frames: Uint32Array,
    from: number,
    wanted: PageCount,
    writable: boolean,
    tries: number = BUSY_TRIES,
  ): PageCount {
    const choice = this.#book.nodesAt(first, wanted, true);
    const count = choice?.count ?? wanted;
    if (choice?.full === true) {
      this.errno = ENOMEM;
      return 0;
    }
    let done = 0;
    // Pages that take turns on nodes are small ones.
    const whole = choice === null || choice.node >= 0 || !choice.told;
    if (writable && whole && count === HUGE_PAGES && first % HUGE_PAGES === 0) {
      const block = onNode(choice, () => this.nursery.take());
      if (block >= 0) done = this.#into(first, () => this.#move(uffd, first, block, count, tries));
      if (done > 0) this.counters.hugeZeroed++;
    }
    const mode = writable ? 0 : UFFDIO_COPY_MODE_WP;
    if (done === 0 && choice === null) {
      // As most touches are: without a closure.
      done = this.#copy(uffd, first, this.nursery.zeros, count, mode, tries);
      if (done === 0 && this.errno === EEXIST) {
        this.clear(first, 1);
        done = this.#into(first, () => this.#copy(uffd, first, this.nursery.zeros, count, mode, tries));
      }
    } else if (done === 0) {
      const copy = (): PageCount => this.#copy(uffd, first, this.nursery.zeros, count, mode, tries);
      done = this.#into(first, () => (choice?.told === true ? copy() : onNode(choice, copy)));
    }
    this.counters.zeroed += done;
    this.#mark(first, frames, from, done, writable);
    return done;
  }

  #mark(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, writable: boolean): void {
    const place = MAPPED | (writable ? 0 : PROTECTED) | (count > 0 ? this.#book.markAt(first) : 0);
    this.#setRun(frames, from, count, place, first);
  }

  /** Copies bytes of the kernel thread's own memory in, for frames that have none yet. Returns how many pages. */
  fill(
    first: PageIndex,
    frames: Uint32Array,
    from: number,
    count: PageCount,
    source: number,
    writable: boolean,
  ): PageCount {
    const uffd = this.#book.uffdAt(first);
    const mode = writable ? 0 : UFFDIO_COPY_MODE_WP;
    let done = 0;
    while (done < count) {
      const page = first + done;
      const choice = this.#book.nodesAt(page, count - done, true);
      const run = choice?.count ?? count - done;
      const copy = (): PageCount => this.#copy(uffd, page, source + (page - first) * PAGE_BYTES, run, mode);
      const copied = this.#into(page, () => (choice?.told === true ? copy() : onNode(choice, copy)));
      done += copied;
      if (copied < run) break;
    }
    this.#mark(first, frames, from, done, writable);
    return done;
  }

  /** Puts bytes of the kernel thread's own memory into slots, for frames of pages `first`… that have none yet. */
  store(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, source: number): void {
    const slot = this.#takeSlots(count);
    for (let done = 0; done < count; ) {
      const choice = this.#book.nodesAt(first + done, count - done, false);
      const to = slot + done;
      const at = source + done * PAGE_BYTES;
      const run = choice?.count ?? count - done;
      const copied = onNode(choice, () => this.#copy(this.#hidden, to, at, run, UFFDIO_COPY_MODE_DONTWAKE));
      if (copied === 0) throw outOfMemory(this.errno);
      this.#setRun(frames, from + done, copied, SLOT, slot + done);
      done += copied;
    }
  }

  /** Does it again without what is in the way: the program dropped pages there, but the kernel has not done so yet. */
  #into(first: PageIndex, action: () => PageCount): PageCount {
    let done = action();
    for (let tries = 0; done === 0 && this.errno === EEXIST && tries < 2; tries++) {
      this.clear(first, 1);
      done = action();
    }
    return done;
  }

  #copy(
    uffd: Userfaultfd,
    to: PageIndex,
    source: number,
    count: PageCount,
    mode: number,
    most: number = BUSY_TRIES,
  ): PageCount {
    for (let tries = 0; this.#mayMap(uffd); tries++) {
      const done = uffd.copy(to * PAGE_BYTES, source, count * PAGE_BYTES, mode);
      if (done > 0) {
        this.counters.copied += done / PAGE_BYTES;
        return done / PAGE_BYTES;
      }
      this.errno = -done;
      if (this.errno !== EAGAIN || tries >= most) return 0;
      this.#book.busy();
    }
    return 0;
  }

  /** A frame that is mapped somewhere: is it right as it is? Else it is taken from there. */
  #remap(uffd: Userfaultfd, page: PageIndex, frame: FrameNumber, writable: boolean): boolean {
    if (this.isMappedAt(frame, page)) {
      this.protect(page, frame, !writable);
      return true;
    }
    if (!this.hideOne(frame)) return false;
    this.#one[0] = frame;
    const frames = this.#one.slice();
    return this.placeOf(frame) === SLOT
      ? this.#mapSlots(uffd, page, frames, 0, 1, writable, BUSY_TRIES) === 1
      : this.#mapZeros(uffd, page, frames, 0, 1, writable) === 1;
  }

  /** Write-protects a mapped frame, or makes it writable. */
  protect(page: PageIndex, frame: FrameNumber, on: boolean): void {
    const column = this.column(frame);
    const index = frame - column.base;
    const place = column.place[index] ?? 0;
    if ((place & PLACE) !== MAPPED || ((place & PROTECTED) !== 0) === on) return;
    this.protectRun(page, 1, on);
    column.place[index] = on ? place | PROTECTED : place & ~PROTECTED;
  }

  /** Write-protects addresses, or makes them writable; the columns are the caller's. */
  protectRun(page: PageIndex, count: PageCount, on: boolean): void {
    const uffd = this.#book.uffdAt(page);
    this.counters.protected += count;
    for (let tries = 0; tries < BUSY_TRIES; tries++) {
      const mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0;
      if (uffd.writeProtect(page * PAGE_BYTES, count * PAGE_BYTES, mode) !== -EAGAIN) return;
      this.#book.busy();
    }
  }

  /** Whether the processor finds something at an address: true when it does. Nothing there: zeros are put there. */
  present(page: PageIndex): boolean {
    const uffd = this.#book.uffdAt(page);
    return (
      this.#copy(uffd, page, this.nursery.zeros, 1, UFFDIO_COPY_MODE_DONTWAKE) === 0 && this.errno === EEXIST
    );
  }

  // Bytes, for the kernel thread.

  /** Where the kernel thread can read and write a frame's bytes. Throws EBUSY for a page that the kernel has pinned. */
  reach(frame: FrameNumber): Uint8Array {
    let place = this.placeOf(frame);
    if (place === LENT) return this.reach(this.atOf(frame));
    if (place === MAPPED) {
      if (!this.hideOne(frame)) {
        throw new HmsError(
          "PAGE_PINNED",
          "EBUSY",
          `Reaching the bytes of frame ${frame} failed: a system call or a device has the page pinned. Try again when it is done.`,
        );
      }
      place = this.placeOf(frame);
    }
    if (place === ZEROS || place === NOWHERE) this.#materialize(frame);
    if (place === CACHE) return this.#alias(this.atOf(frame));
    return this.slots.bytes(this.atOf(frame), 0, PAGE_BYTES);
  }

  #alias(page: PageIndex): Uint8Array {
    const range = this.aliases.rangeAt(page);
    if (range === null) throw new Error(`no file has page ${page}`);
    const start = page * PAGE_BYTES - range.owner.address;
    return range.owner.view().subarray(start, start + PAGE_BYTES);
  }

  /** Zeros become a page in a slot. */
  #materialize(frame: FrameNumber): void {
    const slot = this.#takeSlots(1);
    const { zeros } = this.nursery;
    const choice = this.#book.nodesOf(frame);
    if (onNode(choice, () => this.#copy(this.#hidden, slot, zeros, 1, UFFDIO_COPY_MODE_DONTWAKE)) === 1) {
      this.set(frame, SLOT, slot);
      return;
    }
    this.slots.give(slot, 1);
    throw outOfMemory(this.errno);
  }

  // From frame to frame.

  /** `to` takes over the bytes of `source` until `settled` or `free`. False: the source cannot be taken now. */
  lend(source: FrameNumber, to: FrameNumber): boolean {
    if (!this.hideOne(source)) return false;
    const place = this.placeOf(source);
    if (place === LENT || place === CACHE) return false;
    this.set(to, place === SLOT ? SLOT : ZEROS, this.atOf(source));
    this.set(source, LENT, to);
    this.#lent(to, source);
    return true;
  }

  /**
   * The same for frames from `from` on in `sources`, which are in slots: `to` and the frames after it take over their
   * bytes. Returns how many, which is less where one is elsewhere.
   */
  lendRun(sources: Uint32Array, from: number, count: PageCount, to: FrameNumber): PageCount {
    const borrower = this.column(to);
    let lender: Column | null = this.host;
    for (let k = 0; k < count; ) {
      const source = sources[from + k] ?? NO_FRAME;
      if (!lender.holds(source)) lender = this.columnOf(source);
      if (lender === null) return k;
      const run = following(sources, from + k, Math.min(count - k, lender.end - source));
      const lent = lender.alike(source - lender.base, run, SLOT);
      if (lent > 0) borrower.borrow(to + k - borrower.base, lender, source - lender.base, lent);
      k += lent;
      if (lent < run) return k;
    }
    return count;
  }

  #lent(to: FrameNumber, source: FrameNumber): void {
    const column = this.column(to);
    column.lender[to - column.base] = source;
  }

  /** A separate copy of the bytes of `source`. */
  duplicate(source: FrameNumber, to: FrameNumber): void {
    const bytes = this.reach(source);
    const slot = this.#takeSlots(1);
    const address = this.#addressOf(source, bytes);
    if (this.#copy(this.#hidden, slot, address, 1, UFFDIO_COPY_MODE_DONTWAKE) !== 1) {
      this.slots.give(slot, 1);
      throw outOfMemory(this.errno);
    }
    this.set(to, SLOT, slot);
  }

  #addressOf(frame: FrameNumber, bytes: Uint8Array): number {
    const place = this.placeOf(frame);
    if (place === SLOT || place === CACHE) return this.atOf(frame) * PAGE_BYTES;
    if (place === LENT) return this.#addressOf(this.atOf(frame), bytes);
    throw new Error(`frame ${frame} has no address`);
  }

  /**
   * Nobody needs the frame any more. If it had taken over bytes in a migration that did not happen, they go back; if
   * its own bytes were taken over, that is final now. `dropped`: whatever is mapped is dropped by the kernel itself.
   */
  free(frame: FrameNumber, dropped: boolean): void {
    const column = this.column(frame);
    const index = frame - column.base;
    const place = (column.place[index] ?? 0) & PLACE;
    const at = column.at[index] ?? 0;
    if (place === LENT) {
      this.#lent(at, 0);
    } else {
      const lender = column.lender[index] ?? 0;
      if (lender !== 0) {
        this.#giveBack(frame, lender);
      } else if (place === SLOT) {
        this.slots.drop(at, 1);
      } else if (place === MAPPED && !dropped && this.hideOne(frame) && this.placeOf(frame) === SLOT) {
        this.slots.drop(this.atOf(frame), 1);
      }
    }
    column.place[index] = NOWHERE;
  }

  /** The same for frames that follow each other. */
  freeRun(first: FrameNumber, count: PageCount, dropped: boolean): void {
    const column = this.column(first);
    const end = first - column.base + count;
    let borrower = column;
    for (let k = end - count; k < end; ) {
      if (((column.place[k] ?? 0) & PLACE) !== LENT) {
        this.free(column.base + k, dropped);
        k++;
        continue;
      }
      const to = column.at[k] ?? 0;
      if (!borrower.holds(to)) borrower = this.column(to);
      const lent = column.runOf(k, Math.min(end - k, borrower.end - to), LENT, to);
      borrower.lender.fill(0, to - borrower.base, to - borrower.base + lent);
      column.place.fill(NOWHERE, k, k + lent);
      k += lent;
    }
  }

  #giveBack(frame: FrameNumber, lender: FrameNumber): void {
    this.#lent(frame, 0);
    this.hideOne(frame);
    this.set(lender, this.placeOf(frame), this.atOf(frame));
  }

  [Symbol.dispose](): void {
    this.slots[Symbol.dispose]();
    this.nursery[Symbol.dispose]();
  }
}

function outOfMemory(errno: number): HmsError {
  return new HmsError(
    "OUT_OF_MEMORY",
    "ENOMEM",
    `Getting a page from the kernel failed (errno ${errno === 0 ? ENOMEM : errno}): free memory, or lower the memory budget.`,
  );
}
