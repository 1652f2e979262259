import {
  ANON,
  CAUSE,
  DIRTY,
  DUPLICATED,
  dropDuplicates,
  type FrameNumber,
  HEAD,
  HOST,
  HOST_PLACE,
  HUGE_PAGES,
  KEPT,
  KIND,
  LOCKED,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  SWAP,
  TAIL,
} from "@hms/hmm";
import { evictCached, hideCached, isAfter, isCold } from "./cached.ts";
import type { CachedFile } from "./cached-file.ts";
import type { LinuxHost } from "./host.ts";
import { CACHE, MAPPED, SLOT } from "./pages.ts";

/** The share of resident pages that waits in slots to see whether someone still needs them. */
const WAITING_SHARE = 4;
/** Pages that are sent to disk together, at least: what one fault costs more, hundreds of others do not. */
const BATCH: PageCount = 512;
/** A batch is at most this share of the budget. */
const BATCH_SHARE = 16;

/** Room that is kept while memory is short: so many pages, or this share of the budget. */
const RESERVE: PageCount = 2 * HUGE_PAGES;
const RESERVE_SHARE = 16;
/** Pages of room that are made in one step while nobody waits. */
const REFILL: PageCount = 128;
/** How long memory counts as short after it was. Nanoseconds. */
const SHORT_FOR = 1e9;

const frames = new Uint32Array(HUGE_PAGES);

/**
 * Chooses what leaves memory. A hand goes round the frames: what it finds mapped moves to a slot and into the queue of
 * those that wait. A touch brings it back for the price of a fault. Whoever is still in its slot at the head of the
 * queue is cold, and goes to disk.
 */
export class Reclaim {
  readonly #host: LinuxHost;
  readonly #queue: Uint32Array;
  readonly #queued: Uint8Array;
  #head = 0;
  #length = 0;
  #hand: FrameNumber = 0;
  #busy = false;
  #blocking = true;
  /** Until when memory counts as short. */
  #shortUntil = Number.NEGATIVE_INFINITY;
  /** The last time that pages could not be written: nothing is tried again for a moment. */
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(host: LinuxHost) {
    this.#host = host;
    this.#queue = new Uint32Array(host.framesCount);
    this.#queued = new Uint8Array(host.framesCount);
  }

  /** Makes room for so many pages below the budget; what cannot be done is said, and exceeds it. */
  keepWithin(budget: PageCount, count: PageCount): void {
    const wanted = this.#host.resident + count - budget;
    if (wanted <= -reserveOf(budget) || this.#busy) return;
    const now = this.#host.now();
    if (wanted > 0 || now < this.#shortUntil) this.#shortUntil = now + SHORT_FOR;
    if (wanted <= 0) return;
    const batch = Math.max(1, Math.min(BATCH, Math.floor(budget / BATCH_SHARE)));
    const freed = this.free(Math.max(wanted, batch));
    if (freed < wanted) this.#exceeds(wanted - freed);
  }

  /**
   * While memory is short, makes a little room ahead of need; whether it did. A program that just fits into the budget
   * is left alone: nothing is asked for, so memory is not short.
   */
  refill(budget: PageCount): boolean {
    const host = this.#host;
    const wanted = host.resident + reserveOf(budget) - budget;
    if (wanted <= 0 || this.#busy || host.now() > this.#shortUntil) return false;
    if (this.free(Math.min(wanted, REFILL)) > 0) return true;
    this.#shortUntil = Number.NEGATIVE_INFINITY;
    return false;
  }

  /** Private pages of a range are the next to go to disk when memory is short, unless someone touches them first. */
  cool(space: Space, first: PageIndex, count: PageCount): void {
    if (this.#busy) return;
    this.#busy = true;
    const waiting = this.#length;
    for (let page = first; page < first + count; ) {
      const run = this.#coolRun(space, page, first + count);
      if (run > 0) this.#hide(run);
      page += Math.max(1, run);
    }
    this.#toFront(this.#length - waiting);
    this.#busy = false;
  }

  /** How many pages from `page` on lie together and may go; their frames are in `frames`. */
  #coolRun(space: Space, page: PageIndex, end: PageIndex): PageCount {
    const frame = space.table.frameAt(page);
    if (!this.#isPrivate(space.table.flagsAt(page), frame)) return 0;
    if (frame >= this.#queued.length || this.#queued[frame] === 1 || !this.#mayGo(frame)) return 0;
    let count = 0;
    do {
      frames[count] = space.table.frameAt(page + count);
      count++;
    } while (count < HUGE_PAGES && page + count < end && this.#isBeside(space, page + count, frame, count));
    return count;
  }

  /** The last so many of the queue become the first. */
  #toFront(count: number): void {
    const last = Uint32Array.from({ length: count }, (_, k) => this.#peek(this.#length - count + k));
    const { length } = this.#queue;
    this.#head = (this.#head - count + length) % length;
    for (const [k, frame] of last.entries()) this.#queue[(this.#head + k) % length] = frame;
  }

  #exceeds(pages: PageCount): void {
    const host = this.#host;
    host.statistics.overBudget = Math.max(host.statistics.overBudget, host.resident - host.budget);
    const full = host.swap.used >= host.swap.pages || host.now() - this.#failedAt < 1e9;
    host.trace?.overBudget(pages, full ? "disk full" : "pages pinned");
  }

  /** Sends up to so many pages to disk; not `blocking`: mirrors may refuse. Returns how many went. */
  free(wanted: PageCount, blocking = true): PageCount {
    if (this.#busy) return 0;
    this.#busy = true;
    this.#blocking = blocking;
    let freed = 0;
    // Twice round: the first makes wait, the second takes.
    let patience = 2 * this.#host.framesCount;
    while (freed < wanted && patience > 0) {
      const waiting = Math.floor(this.#host.resident / WAITING_SHARE);
      if (this.#length < Math.max(waiting, wanted - freed)) patience -= this.#hideMore(2 * HUGE_PAGES);
      if (this.#length === 0) continue;
      const got = this.#evictHead(Math.min(HUGE_PAGES, Math.max(64, wanted - freed)));
      if (got < 0) break;
      freed += got;
      patience--;
    }
    this.#host.pages.slots.flush();
    this.#busy = false;
    return freed;
  }

  // The hand.

  /** Moves mapped pages to slots and into the queue. Returns how many frames the hand passed. */
  #hideMore(most: PageCount): PageCount {
    const host = this.#host;
    const { framesCount } = host;
    let passed = 0;
    let hidden = 0;
    // Free frames cost little to pass.
    while (passed < framesCount && hidden < most) {
      const frame = this.#hand;
      const run = this.#candidates(frame, most - hidden);
      if (run > 0) {
        this.#hide(run);
        hidden += run;
      }
      passed++;
      this.#hand = frame + 1 >= framesCount ? 0 : frame + 1;
    }
    return passed;
  }

  /**
   * How many pages around this frame's could wait: those next to it at addresses, whatever their frames are. They move
   * together, and later to disk together.
   */
  #candidates(frame: FrameNumber, most: PageCount): PageCount {
    if (this.#queued[frame] === 1 || !this.#mayGo(frame)) return 0;
    frames[0] = frame;
    const { core, pages } = this.#host;
    if (((pages.host.place[frame] ?? 0) & 0x0f) === CACHE) return this.#cachedAround(frame, most);
    const space = core.space(core.memories.host.spaceOf(frame));
    const page = core.memories.host.pageOf(frame);
    const limit = Math.min(most, HUGE_PAGES);
    let before = 0;
    while (before + 1 < limit && this.#isBeside(space, page - before - 1, frame, -before - 1)) before++;
    let count = before + 1;
    while (count < limit && this.#isBeside(space, page - before + count, frame, count - before)) count++;
    for (let k = 0; k < count; k++) frames[k] = space.table.frameAt(page - before + k);
    return count;
  }

  /** The same for a page of a file: those next to it in the file. */
  #cachedAround(frame: FrameNumber, most: PageCount): PageCount {
    const file = this.#host.cacheOf(frame);
    if (file === null) return 0;
    const page = file.pageOf(frame);
    const limit = Math.min(most, HUGE_PAGES);
    let before = 0;
    while (before + 1 < limit && this.#isCached(file, page - before - 1)) before++;
    let count = before + 1;
    while (count < limit && this.#isCached(file, page - before + count)) count++;
    for (let k = 0; k < count; k++) frames[k] = file.frameOf(page - before + k);
    return count;
  }

  #isCached(file: CachedFile, page: PageIndex): boolean {
    const frame = file.frameOf(page);
    return frame !== NO_FRAME && this.#queued[frame] !== 1 && this.#mayGo(frame);
  }

  /** Whether a page could wait too, and is as far away at addresses as its number says. */
  #isBeside(space: Space, page: PageIndex, frame: FrameNumber, distance: number): boolean {
    const next = space.table.frameAt(page);
    if (!this.#isPrivate(space.table.flagsAt(page), next)) return false;
    if (next >= this.#queued.length || this.#queued[next] === 1 || !this.#mayGo(next)) return false;
    const { at, place } = this.#host.pages.host;
    return (
      ((place[next] ?? 0) & 0x4f) === ((place[frame] ?? 0) & 0x4f) && at[next] === (at[frame] ?? 0) + distance
    );
  }

  /** A page of a private region: one of its own, or of the file that it copies and has not written. */
  #isPrivate(flags: number, frame: FrameNumber): boolean {
    return (flags & KIND) === HOST && ((this.#host.pages.host.place[frame] ?? 0) & 0x0f) !== CACHE;
  }

  #mayGo(frame: FrameNumber): boolean {
    const { core, pages } = this.#host;
    const place = (pages.host.place[frame] ?? 0) & 0x0f;
    if (place !== MAPPED && place !== SLOT && place !== CACHE) return false;
    const table = core.memories.host;
    if (table.is(frame, LOCKED) || (table.pins[frame] ?? 0) > 0) return false;
    return place === CACHE ? table.is(frame, KEPT) : (table.mapCount[frame] ?? 0) === 1;
  }

  #hide(count: PageCount): void {
    const frame = frames[0] ?? 0;
    const { pages } = this.#host;
    const place = (pages.host.place[frame] ?? 0) & 0x0f;
    if (place === MAPPED) {
      pages.hide(pages.host.at[frames[0] ?? 0] ?? 0, frames, 0, count);
      this.#host.statistics.hidden += count;
    } else if (place === CACHE) {
      const file = this.#host.cacheOf(frame);
      if (file !== null) hideCached(this.#host, file, file.pageOf(frame), count);
    }
    for (let k = 0; k < count; k++) this.#enqueue(frames[k] ?? 0);
  }

  #enqueue(frame: FrameNumber): void {
    if (this.#length === this.#queue.length) return;
    this.#queue[(this.#head + this.#length++) % this.#queue.length] = frame;
    this.#queued[frame] = 1;
  }

  #peek(k: number): FrameNumber {
    return this.#queue[(this.#head + k) % this.#queue.length] ?? 0;
  }

  #drop(count: number): void {
    for (let k = 0; k < count; k++) this.#queued[this.#peek(k)] = 0;
    this.#head = (this.#head + count) % this.#queue.length;
    this.#length -= count;
  }

  // The queue.

  /** Sends the pages at the head of the queue to disk, as far as they are together; −1 when the disk takes no more. */
  #evictHead(most: PageCount): PageCount {
    const frame = this.#peek(0);
    const place = (this.#host.pages.host.place[frame] ?? 0) & 0x0f;
    if (place === CACHE) return this.#evictCachedHead(frame, most);
    if (place !== SLOT || !this.#mayGo(frame)) {
      this.#drop(1);
      return 0;
    }
    const table = this.#host.core.memories.host;
    const space = this.#host.core.space(table.spaceOf(frame));
    const first = table.pageOf(frame);
    const clean = this.#isClean(space, first, frame);
    let count = 1;
    frames[0] = frame;
    while (count < most && count < this.#length && this.#continues(space, first, count, clean)) {
      frames[count] = this.#peek(count);
      count++;
    }
    this.#drop(count);
    return this.#evict(space, first, count, clean);
  }

  #evictCachedHead(frame: FrameNumber, most: PageCount): PageCount {
    const host = this.#host;
    const file = host.cacheOf(frame);
    let count = 0;
    while (count < most && count < this.#length) {
      const next = this.#peek(count);
      if (!isCold(host, next) || host.cacheOf(next) !== file) break;
      if (count > 0 && !isAfter(host, frame, next, count)) break;
      count++;
    }
    this.#drop(Math.max(1, count));
    if (count === 0 || file === null) return 0;
    const gone = evictCached(host, file, file.pageOf(frame), count, CAUSE.reclaim, this.#blocking);
    if (gone < 0) this.#failedAt = host.now();
    return gone;
  }

  /** Whether the next one in the queue is the next page, in the next slot, and clean or not alike. */
  #continues(space: Space, first: PageIndex, count: PageCount, clean: boolean): boolean {
    const { pages, core } = this.#host;
    const next = this.#peek(count);
    const table = core.memories.host;
    if (((pages.host.place[next] ?? 0) & 0x0f) !== SLOT || !this.#mayGo(next)) return false;
    if (table.spaceOf(next) !== space.id || table.pageOf(next) !== first + count) return false;
    if (pages.host.at[next] !== (pages.host.at[frames[0] ?? 0] ?? 0) + count) return false;
    return this.#isClean(space, first + count, next) === clean;
  }

  #isClean(space: Space, page: PageIndex, frame: FrameNumber): boolean {
    return this.#host.cleanSlot[frame] !== 0 && (space.table.flagsAt(page) & DIRTY) === 0;
  }

  /** The mirrors are told, huge pages split, bytes written, entries changed: in this order nothing is lost anywhere. */
  #evict(space: Space, first: PageIndex, count: PageCount, clean: boolean): PageCount {
    const host = this.#host;
    const table = host.core.memories.host;
    for (let k = 0; k < count; k++) {
      if (table.is(frames[k] ?? 0, HEAD | TAIL)) space.splitHuge(first + k, true, true);
      if (table.is(frames[k] ?? 0, HEAD | TAIL) && !host.split(frames[k] ?? 0, false)) return 0;
    }
    if (space.invalidate(first, first + count, "clear", null, this.#blocking) !== OK) return 0;
    let done = 0;
    while (done < count && this.#isSame(space, first + done, frames[done] ?? 0)) done++;
    const gone = clean ? this.#dropClean(space, first, done) : this.#write(space, first, done);
    space.invalidated(first, first + count);
    return gone;
  }

  #isSame(space: Space, page: PageIndex, frame: FrameNumber): boolean {
    const flags = space.table.flagsAt(page);
    if (!this.#isPrivate(flags, frame) || space.table.frameAt(page) !== frame) return false;
    return this.#mayGo(frame) && ((this.#host.pages.host.place[frame] ?? 0) & 0x0f) === SLOT;
  }

  /** The disk has these pages already. */
  #dropClean(space: Space, first: PageIndex, count: PageCount): PageCount {
    const host = this.#host;
    for (let k = 0; k < count; k++) {
      const slot = (host.cleanSlot[frames[k] ?? 0] ?? 0) - 1;
      host.swap.share(slot);
      this.#swapped(space, first + k, slot);
    }
    host.statistics.droppedClean += count;
    if (count > 0) host.trace?.wentOut("swap", space, first, count, CAUSE.reclaim, false);
    return count;
  }

  #write(space: Space, first: PageIndex, count: PageCount): PageCount {
    const host = this.#host;
    let done = 0;
    while (done < count) {
      const taken = host.swap.take(count - done);
      if (taken === null) return done > 0 ? done : -1;
      const address = (host.pages.host.at[frames[done] ?? 0] ?? 0) * PAGE_BYTES;
      if (host.swap.write(taken.slot, taken.got, address) < 0) {
        for (let k = 0; k < taken.got; k++) host.swap.release(taken.slot + k);
        this.#failedAt = host.now();
        return done > 0 ? done : -1;
      }
      for (let k = 0; k < taken.got; k++) this.#swapped(space, first + done + k, taken.slot + k);
      host.statistics.swappedOut += taken.got;
      host.trace?.wentOut("swap", space, first + done, taken.got, CAUSE.reclaim, true);
      done += taken.got;
    }
    return done;
  }

  #swapped(space: Space, page: PageIndex, slot: number): void {
    if ((space.table.flagsAt(page) & DUPLICATED) !== 0) dropDuplicates(space, page);
    space.exchange(page, SWAP | ANON, slot, CAUSE.reclaim, HOST_PLACE);
  }
}

function reserveOf(budget: PageCount): PageCount {
  return Math.min(RESERVE, Math.floor(budget / RESERVE_SHARE));
}
