import {
  CAUSE,
  EMPTY,
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
import type { LinuxHost } from "./host.ts";

/** A window of so many pages is the sign of a sequence that goes on. */
const WINDOW_LEAST: PageCount = 64;
/** What is read ahead of one sequence is at most this share of the budget: there may be a dozen of them. */
const BUDGET_SHARE = 64;
/** Pages that are read in one step: a touch of something else waits no longer than for these. */
const STEP: PageCount = 128;
/** Sequences of which something is still to be read. */
const WANTED_MAX = 32;

/** Pages of a sequence that will be touched soon, in the order in which they are. */
interface Wanted {
  readonly space: Space;
  from: PageIndex;
  end: PageIndex;
  readonly backwards: boolean;
}

/**
 * Reads ahead: while the kernel thread has nothing to do, what follows the last window of a sequence is brought from
 * the disk into memory. It is not mapped, so that the sequence is seen when it gets there: one fault, without the disk.
 */
export class Ahead {
  readonly #host: LinuxHost;
  readonly #wanted: Wanted[] = [];
  readonly #window = { first: 0, count: 0, cut: (end: PageIndex): void => this.#cut(end) };

  constructor(host: LinuxHost) {
    this.#host = host;
  }

  /** A touch of `page` brought in, or mapped, `count` pages from `first` on: what is beyond them comes next. */
  follow(region: Region, space: Space, page: PageIndex, first: PageIndex, count: PageCount): void {
    if (count < WINDOW_LEAST || this.#wanted.length >= WANTED_MAX) return;
    const most = Math.min(count, Math.floor(this.#host.budget / BUDGET_SHARE));
    const end = first + count;
    if (page === first && isOnDisk(region, space, end))
      this.#wanted.push({ space, from: end, end: Math.min(end + most, region.end), backwards: false });
    else if (page === end - 1 && isOnDisk(region, space, first - 1))
      this.#wanted.push({ space, from: Math.max(first - most, region.first), end: first, backwards: true });
  }

  /** Reads a part of what is wanted, if there is room. Whether something was done. */
  step(): boolean {
    const wanted = this.#wanted[0];
    if (wanted === undefined) return false;
    const count = Math.min(STEP, wanted.end - wanted.from);
    const first = wanted.backwards ? wanted.end - count : wanted.from;
    if (
      count <= 0 ||
      this.#host.resident + count > this.#host.budget ||
      !this.#bring(wanted.space, first, count)
    ) {
      this.#wanted.shift();
      return count <= 0;
    }
    if (wanted.backwards) wanted.end = first;
    else wanted.from = first + count;
    return true;
  }

  /** False: it is not worth going on. */
  #bring(space: Space, first: PageIndex, count: PageCount): boolean {
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
      const errno = hostFault(host, space, page, false, CAUSE.prefetch);
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
