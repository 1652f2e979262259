import {
  Around,
  CAUSE,
  DeviceTable,
  EFAULT,
  EMPTY,
  ENOMEM,
  type Errno,
  FaultRange,
  HOST,
  HUGE_PAGES,
  type Invalidation,
  KIND,
  MAY_READ,
  MAY_WRITE,
  type Migration,
  type Mirror,
  type MirrorOps,
  OK,
  type PageCount,
  type PageIndex,
  PRIVATE,
  REQUEST_FAULT,
  REQUEST_WRITE,
  type Region,
  type Space,
  type DeviceTable as Table,
  VALID,
  WRITABLE,
} from "@hms/hmm";
import { EIO } from "./code.ts";
import { ACCESS_READ, ACCESS_WRITE, REFUSED, type Refused } from "./layout.ts";
import type { AccelMemory } from "./memory.ts";
import { type DeviceChoice, newChoice } from "./placer.ts";
import type { Window } from "./platform.ts";
import { Sharing } from "./sharing.ts";

/** How the device gets the pages of a region: `Advice` of `AccelQueue.attach`. */
export type Advice =
  /** Reads duplicate what a CPU has used lately; all else moves to the device. */
  | "auto"
  /** Everything moves to the device. */
  | "move"
  /** What is read is duplicated, what is written moves. */
  | "duplicate"
  /** Pages stay in the host's memory, where the device uses them. */
  | "stay";

/** A page that a CPU brought home less than this before is the CPU's as much as the device's. Nanoseconds. */
const HOT_FOR = 50_000_000;
/** How often one touch may find its page gone again before it fails. */
const ATTEMPTS_MAX = 16;
/** What the first fault of a window brings in, in pages. */
const BEGIN: PageCount = 16;
/** Of the device's memory at most this part is brought in by one fault. */
const AROUND_PART = 8;

/** What a kernel that is running declared to do with a region: `ACCESS_READ`, `ACCESS_WRITE`; 0: nothing. */
export type Declared = (region: number) => number;

/** A window onto one region of a space. */
export class ViewWindow {
  readonly view: SpaceView;
  readonly region: number;
  readonly first: PageIndex;
  readonly pages: PageCount;
  readonly window: Window;
  readonly around: Around = new Around(BEGIN);
  /** Pages that one fault brings in at most. */
  readonly most: PageCount;
  /** Inside of a WebAssembly memory. */
  readonly placed: boolean;
  advice: Advice = "auto";
  /** Nobody has said that its pages are touched in no order. */
  inOrder = true;
  /** Attachments that use it. */
  users = 0;
  /** The region is gone: only waits for the device to let go. */
  closing = false;

  constructor(view: SpaceView, region: number, first: PageIndex, pages: PageCount, at?: number) {
    this.view = view;
    this.region = region;
    this.first = first;
    this.pages = pages;
    this.placed = at !== undefined;
    this.most = Math.max(1, Math.min(HUGE_PAGES, Math.floor(view.memory.memory.pages / AROUND_PART)));
    this.window = view.memory.platform.openWindow({
      space: view.space,
      first,
      pages,
      name: `${view.memory.device.name} region ${region}`,
      device: view.memory.device.name,
      ...(at === undefined ? {} : { at }),
      onFault: (page, write) => view.fault(this, page, write),
    });
  }

  get end(): PageIndex {
    return this.first + this.pages;
  }
}

/**
 * The device's view of one space: a mirror, the page table that it keeps true, and a window for each region. A window
 * is what the device's thread reaches; the table says what is in the windows.
 */
export class SpaceView implements MirrorOps {
  readonly memory: AccelMemory;
  readonly space: Space;
  readonly mirror: Mirror;
  readonly table: Table = new DeviceTable();
  readonly windows: Set<ViewWindow> = new Set();
  readonly #range = new FaultRange(HUGE_PAGES);
  readonly #declared: Declared;
  readonly #choice: DeviceChoice = newChoice();
  #sharing: Sharing | null = null;
  /** The window whose fault is being answered. */
  #faulting: ViewWindow | null = null;
  #mapErrno: Errno = OK;
  /** A region may have gone. */
  stale = false;

  constructor(memory: AccelMemory, space: Space, declared: Declared) {
    this.memory = memory;
    this.space = space;
    this.#declared = declared;
    this.mirror = memory.device.mirror(space, this);
  }

  /** Where programs say by commands to the device where pages of the space should be. */
  get sharing(): Sharing {
    this.#sharing ??= new Sharing(this);
    return this.#sharing;
  }

  open(region: number, first: PageIndex, pages: PageCount, at?: number): ViewWindow {
    const window = new ViewWindow(this, region, first, pages, at);
    this.windows.add(window);
    return window;
  }

  /** The device's thread uses it no more. */
  closeWindow(window: ViewWindow): void {
    this.windows.delete(window);
    // What it shows may be in no other window then.
    this.forget(window.first, window.end);
    window.window.close();
  }

  /** Drops the device's translations of a range. */
  forget(first: PageIndex, end: PageIndex): void {
    if (this.table.next(first, end) < 0) return;
    this.table.clear(first, end);
    for (const { window, first: from, pages } of this.windows) {
      const start = Math.max(first, from);
      const stop = Math.min(end, from + pages);
      if (start < stop) window.zap(start, stop - start);
    }
  }

  // What the core asks of a mirror.

  invalidate(event: Invalidation): boolean {
    // In a migration of its own the device keeps what does not move; `dropMoving` takes what does.
    if (event.reason === "migrate" && event.owner === this.memory.device) return true;
    this.forget(event.first, event.end);
    if (event.reason === "unmap") this.#sharing?.unmapped(event.first, event.end);
    if (event.reason === "unmap" || event.reason === "release") this.stale = true;
    return true;
  }

  map(range: FaultRange): void {
    for (let i = 0; i < range.count; ) {
      if (((range.results[i] ?? 0) & VALID) === 0) {
        i++;
        continue;
      }
      const writable = ((range.results[i] ?? 0) & WRITABLE) !== 0;
      let run = 1;
      while (i + run < range.count && sameRight(range.results[i + run] ?? 0, writable)) run++;
      const errno = this.#put(range.first + i, range.frames, i, run, writable);
      if (errno !== OK) this.#mapErrno = errno;
      i += run;
    }
  }

  /** Puts frames into the table, and into the window that wants them. */
  #put(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, writable: boolean): Errno {
    const target = this.#windowFor(first);
    // What no window shows yet is in the table all the same.
    const inside = target === null ? count : Math.min(count, target.end - first);
    const errno = target?.window.map(first, frames, from, inside, writable) ?? OK;
    if (errno !== OK) {
      this.forget(first, first + inside);
      return errno;
    }
    this.table.setRun(first, frames, from, inside, writable ? MAY_WRITE : MAY_READ);
    this.memory.used(frames, from, inside);
    return inside === count ? OK : this.#put(first + inside, frames, from + inside, count - inside, writable);
  }

  #windowFor(page: PageIndex): ViewWindow | null {
    const faulting = this.#faulting;
    if (faulting !== null && page >= faulting.first && page < faulting.end) return faulting;
    for (const window of this.windows)
      if (!window.closing && page >= window.first && page < window.end) return window;
    return null;
  }

  /** Pages of a migration into the device's memory have moved: they go where they will be touched. */
  moved(migration: Migration): void {
    if (!this.mirror.mayMap) return;
    const { first, destinations } = migration;
    for (let i = 0; i < migration.count; ) {
      const run = migration.movedRun(i);
      if (run > 0) this.#put(first + i, destinations, i, run, migration.writable(i));
      i += Math.max(1, run);
    }
  }

  /** Before the bytes of a migration of the device's own are taken: it uses what moves no more. */
  dropMoving(migration: Migration): void {
    for (let i = 0; i < migration.count; ) {
      const run = migration.movingRun(i);
      if (run > 0) this.forget(migration.first + i, migration.first + i + run);
      i += Math.max(1, run);
    }
  }

  // A device fault.

  /** The device touched a page that this window does not have, or not with that right. */
  fault(target: ViewWindow, page: PageIndex, write: boolean): Errno {
    this.memory.faulted(this.space);
    this.#faulting = target;
    try {
      const errno = this.#answer(target, page, write);
      if (errno === OK) this.#lead(target, write);
      else this.#refused(target, page, write, errno);
      return errno;
    } catch (error) {
      // A driver of another device, or a machine without memory: the request fails, nothing else.
      this.memory.device.failed("fault", error);
      this.#refused(target, page, write, EIO);
      return EIO;
    } finally {
      this.#faulting = null;
    }
  }

  /** Says which touch was answered with an error, and why. */
  #refused(target: ViewWindow, page: PageIndex, write: boolean, errno: Errno): void {
    const region = target.closing ? null : this.space.regions.at(page);
    let why: Refused = errno === ENOMEM ? REFUSED.noRoom : REFUSED.failed;
    if (region === null) why = REFUSED.gone;
    else if (!region.readable) why = REFUSED.unreadable;
    else if (write && !region.writable) why = REFUSED.readOnly;
    this.memory.failedFault({ region: target.region, offset: page - target.first, page, write, why });
  }

  #answer(target: ViewWindow, page: PageIndex, write: boolean): Errno {
    if (target.closing) return EFAULT;
    const region = this.space.regions.at(page);
    if (region === null || !region.readable || (write && !region.writable)) return EFAULT;
    const from = Math.max(target.first, region.first);
    // It came while the message of its touch was on the way.
    if (this.table.right(page) >= (write ? MAY_WRITE : MAY_READ)) target.around.one(page);
    else target.around.at(page, from, Math.min(target.end, region.end), target.most);
    const { first } = target.around;
    const count = this.#missing(page, first, target.around.count);
    const declared = this.#declared(target.region);
    const writes = write || (declared & ACCESS_WRITE) !== 0;
    const had = this.table.right(page);
    const brought = this.#bring(target, region, page, first, count, writes, declared);
    if (brought !== OK) return brought;
    // What moved just now is in this window already.
    if (had === 0 && this.table.right(page) >= (write ? MAY_WRITE : MAY_READ)) return OK;
    return this.#populate(target, page, first, count, write, writes && region.writable);
  }

  /** What the touches come to next is in the host's memory, and comes while nobody waits, as far as there is room. */
  #lead(target: ViewWindow, write: boolean): void {
    const { window, around } = target;
    const { available } = this.memory;
    const first = around.first + around.count;
    const count = Math.min(around.ahead, available - (available % HUGE_PAGES));
    if (count <= 0 || !target.inOrder || (this.space.table.flagsAt(first) & KIND) !== HOST) return;
    const sequence = around.leadBy(count);
    const bring = (from: PageIndex, most: PageCount): PageCount => {
      const moved = this.#mayLead(target, from, most, write) ? this.#bringAhead(target, from, most) : -1;
      if (moved >= 0) around.came(sequence, from, from + most);
      return moved;
    };
    if (window.ahead?.(first, count, bring) !== true) around.leadBy(0);
  }

  /** Whether pages may come that nobody has touched yet: the work goes on, there is room, and nobody has said otherwise. */
  #mayLead(target: ViewWindow, first: PageIndex, count: PageCount, write: boolean): boolean {
    const { memory, space } = this;
    const declared = this.#declared(target.region);
    const region = target.closing ? null : space.regions.at(first);
    if (declared === 0 || region === null || region.end < first + count) return false;
    if (!region.readable || (write && !region.writable) || !this.#mayMove(target, region)) return false;
    if (memory.available < count || memory.shares !== null) return false;
    const choice = this.#choose(first, count);
    if (choice.way !== "unsaid" || choice.count < count) return false;
    return !this.#duplicates(target, first, write || (declared & ACCESS_WRITE) !== 0, declared);
  }

  /** How many pages came; −1: the driver of another device failed, or there is nothing that was ever touched. */
  #bringAhead(target: ViewWindow, first: PageIndex, count: PageCount): PageCount {
    const { core, table } = this.space;
    let had = 0;
    while (had < count && (table.flagsAt(first + had) & KIND) !== EMPTY) had++;
    if (had === 0) return -1;
    this.#faulting = target;
    try {
      return core.migrate({
        space: this.space,
        first,
        count: had,
        to: this.memory.memory,
        cause: CAUSE.ahead,
      }).moved;
    } catch (error) {
      this.memory.device.failed("ahead", error);
      return -1;
    } finally {
      this.#faulting = null;
    }
  }

  /** What the device has already is left alone: so many pages up to there. */
  #missing(page: PageIndex, first: PageIndex, count: PageCount): PageCount {
    const next = this.table.next(page + 1, first + count);
    return next < 0 ? count : next - first;
  }

  /** Gets pages into the device's memory, as far as that is wanted and possible. ENOMEM: as it had to be, and is not. */
  #bring(
    target: ViewWindow,
    region: Region,
    page: PageIndex,
    first: PageIndex,
    count: PageCount,
    writes: boolean,
    declared: number,
  ): Errno {
    if (!this.#mayMove(target, region)) return OK;
    for (let at = first; at < first + count; ) {
      const left = first + count - at;
      const choice = this.#choose(at, left);
      const run = Math.min(left, choice.count);
      if (choice.way === "unsaid") this.#bringRun(target, page, at, run, writes, declared);
      else if (!this.#place(choice, page, at, run)) return ENOMEM;
      at += run;
    }
    return OK;
  }

  /** What was said of pages from `page` on: by who places the space's pages, or else by commands to the device. */
  #choose(page: PageIndex, count: PageCount): DeviceChoice {
    const { placer, memory } = this.memory;
    const choice = this.#choice;
    if (placer === null || !placer.choose(this.space, page, count, memory, choice)) {
      choice.way = "unsaid";
      choice.count = count;
      choice.strict = false;
    }
    if (choice.way === "unsaid") this.#sharing?.choose(page, choice);
    return choice;
  }

  /** Does with pages what was said of them. False: the one that was touched had to be here, and is not. */
  #place({ way, strict }: DeviceChoice, page: PageIndex, first: PageIndex, run: PageCount): boolean {
    if (way === "stay") return true;
    const { core, table } = this.space;
    const { memory: to } = this.memory;
    const count = way === "room" ? Math.min(run, this.memory.available) : run;
    if (count > 0) core.migrate({ space: this.space, first, count, to, cause: CAUSE.deviceFault });
    if (!strict || page < first || page >= first + run) return true;
    return (table.flagsAt(page) & KIND) === PRIVATE && to.holds(table.frameAt(page));
  }

  #bringRun(
    target: ViewWindow,
    page: PageIndex,
    first: PageIndex,
    count: PageCount,
    writes: boolean,
    declared: number,
  ): void {
    const { core } = this.space;
    const { shares } = this.memory;
    if (shares !== null) {
      // As of the whole memory, one fault brings in a part of the share, if there is any; the rest is used where it is.
      const most = shares.most(this.space);
      if (most < 1) return;
      const part = Math.min(count, Math.max(1, Math.floor(most / AROUND_PART)));
      first = Math.max(first, Math.min(page, first + count - part));
      count = part;
    }
    core.migrate({
      space: this.space,
      first,
      count,
      to: this.memory.memory,
      cause: CAUSE.deviceFault,
      duplicate: this.#duplicates(target, page, writes, declared),
    });
  }

  #mayMove({ advice }: ViewWindow, region: Region): boolean {
    return region.anonymous && advice !== "stay";
  }

  /** Whether what is around a page is duplicated, not moved. */
  #duplicates({ advice }: ViewWindow, page: PageIndex, writes: boolean, declared: number): boolean {
    if (writes || (declared !== ACCESS_READ && declared !== 0)) return false;
    return advice === "duplicate" || (advice === "auto" && this.#isHot(page));
  }

  /** Whether a CPU brought a page home from here a moment ago: it would want it back soon. */
  #isHot(page: PageIndex): boolean {
    const chunk = this.space.table.at(page);
    if (chunk === null) return false;
    const index = page - chunk.first;
    const why = chunk.why[index] ?? 0;
    const cause = why & 0xff;
    if ((cause !== CAUSE.cpuFault && cause !== CAUSE.ahead) || why >> 8 !== this.memory.memory.place)
      return false;
    const now = this.space.core.host.now();
    return now - chunk.when(index, now) < HOT_FOR;
  }

  /** Whatever is where now goes into the window: in the device's memory, duplicated, or in place. */
  #populate(
    target: ViewWindow,
    page: PageIndex,
    first: PageIndex,
    count: PageCount,
    write: boolean,
    writes: boolean,
  ): Errno {
    const range = this.#range;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      // Around the page only what is there; the page itself as it is needed.
      range.set({ first, count, request: 0 });
      range.requestMask = 0xff;
      range.requests.fill(0, 0, count);
      range.requests[page - first] = write || writes ? REQUEST_FAULT | REQUEST_WRITE : REQUEST_FAULT;
      this.#mapErrno = OK;
      const errno = this.mirror.populate(range);
      if (errno !== OK) return errno;
      if (this.#mapErrno !== OK) return this.#mapErrno;
      if (target.closing) return EFAULT;
      if (this.table.right(page) >= (write ? MAY_WRITE : MAY_READ)) return OK;
    }
    return EFAULT;
  }
}

function sameRight(result: number, writable: boolean): boolean {
  return (result & VALID) !== 0 && ((result & WRITABLE) !== 0) === writable;
}
