import {
  CAUSE,
  EMPTY,
  HUGE_PAGES,
  KIND,
  OK,
  type PageCount,
  type PageIndex,
  type Region,
  type Space,
  SWAP,
} from "@hms/hmm";
import { CachedFile } from "./cached-file.ts";
import { hostFault } from "./fault.ts";
import { FileSource } from "./file-source.ts";
import type { LinuxHost, Owner } from "./host.ts";

/** A window of so many pages is the sign of a sequence that goes on. */
const WINDOW_LEAST: PageCount = 64;
/** What is read ahead of one sequence is at most this share of the budget: there may be a dozen of them. */
const BUDGET_SHARE = 64;
/** Pages that are read in one step: a touch of something else waits no longer than for these. */
const STEP: PageCount = 128;
/** Sequences of which something is still to come. */
const WANTED_MAX = 32;

/** Brings pages of a space to where they will be touched, and answers how many; −1: it is not worth going on. */
export type Bring = (first: PageIndex, count: PageCount) => PageCount;

/** Pages of a sequence that will be touched soon, in the order in which they are. */
interface Wanted {
  /** Through which they will be touched: the program's region, or a device's window. */
  readonly by: Owner;
  readonly space: Space;
  from: PageIndex;
  end: PageIndex;
  readonly backwards: boolean;
  /** How they move there; null: they are read from the disk. */
  readonly bring: Bring | null;
}

/**
 * Works ahead of sequences of touches, while the kernel thread has nothing else to do. What follows the last window is
 * brought from the disk into memory, where it is not mapped, so that the sequence is seen when it gets there: one
 * fault, without the disk. What follows it in another memory moves, 2 MiB at a time, to where it will be touched: no
 * fault until the sequence is beyond that.
 */
export class Ahead {
  readonly #host: LinuxHost;
  readonly #wanted: Wanted[] = [];
  readonly #window = { first: 0, count: 0, cut: (end: PageIndex): void => this.#cut(end) };

  constructor(host: LinuxHost) {
    this.#host = host;
  }

  /** A touch of `page` brought in `count` pages from `first` on: what is beyond them on the disk comes next. */
  follow(region: Region, by: Owner, page: PageIndex, first: PageIndex, count: PageCount): void {
    if (count < WINDOW_LEAST || this.#wanted.length >= WANTED_MAX) return;
    const { space } = by;
    const most = Math.min(count, Math.floor(this.#host.budget / BUDGET_SHARE));
    const end = first + count;
    const ahead = { by, space, bring: null };
    if (page === first && isOnDisk(region, space, end))
      this.#wanted.push({ ...ahead, from: end, end: Math.min(end + most, region.end), backwards: false });
    else if (page === end - 1 && isOnDisk(region, space, first - 1))
      this.#wanted.push({
        ...ahead,
        from: Math.max(first - most, region.first),
        end: first,
        backwards: true,
      });
  }

  /**
   * Moves pages to where they will be touched, in order; of the same sequence what is still to come is forgotten. False:
   * there are too many sequences.
   */
  move(by: Owner, first: PageIndex, count: PageCount, bring: Bring): boolean {
    this.#drop((one) => one.by === by && first < one.end && first + count > one.from);
    if (this.#wanted.length >= WANTED_MAX) return false;
    const { space } = by;
    this.#wanted.push({ by, space, from: first, end: first + count, backwards: false, bring });
    return true;
  }

  /** Whether there are pages to move. */
  get moves(): boolean {
    return this.#wanted[0]?.bring != null;
  }

  /** A page was touched through `by`: who else was to have it gets neither it nor what follows. */
  touched(by: Owner, page: PageIndex): void {
    if (this.#wanted.length > 0)
      this.#drop((one) => one.by !== by && one.space === by.space && page >= one.from && page < one.end);
  }

  #drop(which: (one: Wanted) => boolean): void {
    const wanted = this.#wanted;
    for (let i = wanted.length - 1; i >= 0; i--) {
      const one = wanted[i];
      if (one !== undefined && one.bring !== null && which(one)) wanted.splice(i, 1);
    }
  }

  /** Brings a part of what is wanted, if there is room. Whether something was done. */
  step(): boolean {
    const wanted = this.#wanted[0];
    if (wanted === undefined) return false;
    const { from, end, backwards, bring } = wanted;
    // What moves ends with a whole huge page.
    const most = bring === null ? STEP : HUGE_PAGES - (from % HUGE_PAGES);
    const count = Math.min(most, end - from);
    const first = backwards ? end - count : from;
    if (count <= 0 || !this.#bring(wanted, first, count)) {
      this.#wanted.shift();
      return count <= 0;
    }
    if (backwards) wanted.end = first;
    else wanted.from = first + count;
    return true;
  }

  #bring({ space, bring }: Wanted, first: PageIndex, count: PageCount): boolean {
    if (bring === null)
      return this.#host.resident + count <= this.#host.budget && this.#read(space, first, count);
    const moved = bring(first, count);
    if (moved > 0) this.#host.statistics.movedAhead += moved;
    return moved >= 0;
  }

  /** False: it is not worth going on. */
  #read(space: Space, first: PageIndex, count: PageCount): boolean {
    const host = this.#host;
    const region = space.closed ? null : space.regions.at(first);
    if (region === null || first + count > region.end) return false;
    const window = this.#window;
    for (let page = first; page < first + count; ) {
      if (!isOnDisk(region, space, page)) {
        page++;
        continue;
      }
      window.first = page;
      window.count = first + count - page;
      host.window = window;
      const errno = hostFault(host, space, page, false, CAUSE.ahead);
      host.window = null;
      if (errno !== OK) return false;
      host.statistics.readAhead += window.count;
      page += Math.max(1, window.count);
    }
    return true;
  }

  /** Fewer could be brought. */
  #cut(end: PageIndex): void {
    const window = this.#window;
    if (end > window.first && end < window.first + window.count) window.count = end - window.first;
  }
}

function isOnDisk(region: Region, space: Space, page: PageIndex): boolean {
  if (page < region.first || page >= region.end) return false;
  const kind = space.table.flagsAt(page) & KIND;
  if (kind === SWAP) return true;
  return kind === EMPTY && (region.backing instanceof CachedFile || region.backing instanceof FileSource);
}
