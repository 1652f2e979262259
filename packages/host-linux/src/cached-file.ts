import {
  type Cause,
  type FrameNumber,
  HUGE_PAGES,
  KEPT,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  WRITTEN,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { readPages } from "./file-source.ts";
import type { Disk, LinuxHost } from "./host.ts";
import { onNode } from "./nodes.ts";
import { PageNumbers } from "./page-numbers.ts";
import { CACHE, NOWHERE, WAITING } from "./pages.ts";
import {
  EAGAIN,
  EDQUOT,
  EIO,
  ENOMEM,
  ENOSPC,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  MADV_DONTNEED,
} from "./sys/abi.generated.ts";
import { DataFile } from "./sys/disk.ts";
import { closeFd, fallocate, Mapping, madvise, memfdCreate } from "./sys/memory.ts";
import { mappedIn, markersIn, writtenIn } from "./sys/pagemap.ts";

/** Pages that are written back before it is waited for the disk. */
const FLUSH: PageCount = 16_384;

/** The answer of writing back to a file that became shorter. */
const SHRUNK: number = Number.NEGATIVE_INFINITY;

/** Pages of a run that were written. */
const written = new Uint8Array(HUGE_PAGES);

/**
 * The pages of a shared or file region: a memfd, which the program and every device map in place. For a file it is
 * what the page cache is for the kernel: pages are read when they are first needed, and written back.
 */
export class CachedFile {
  readonly host: LinuxHost;
  readonly name: string;
  readonly pages: PageCount;
  readonly fd: number;
  readonly #alias: Mapping;
  readonly #source: DataFile | null;
  readonly #sourceFirst: PageIndex;
  readonly #writable: boolean;
  /** Bytes of the file when it was opened: what others append is theirs. */
  readonly #sourceBytes: number;
  /** The frame of a page that is in memory; frame 0 is never one. */
  readonly #frames = new PageNumbers();
  /** Swap slot of a page, and one; 0: none. Only without a file behind it. */
  readonly #slots = new PageNumbers();
  /** The first page that `fetch` brought. */
  fetchedFirst: PageIndex = 0;
  /** The disk that `fetch` read them from; null: they were in memory, or are fresh zeros. */
  fetchedFrom: Disk | null = null;
  /** First page at which the program sees it. */
  #shownAt: PageIndex = 0;
  #shownIn: Space | null = null;
  #closed = false;

  /** Throws what opening the file answers, EINVAL for an offset that is not a multiple of a page, ENOMEM. */
  constructor(
    host: LinuxHost,
    name: string,
    pages: PageCount,
    file: { readonly path: string; readonly writable: boolean; readonly offset?: number } | null,
  ) {
    const offset = file?.offset ?? 0;
    expectOffset(offset);
    // What was opened is closed again when something after it cannot be.
    using made = new DisposableStack();
    this.host = host;
    this.name = name;
    this.pages = pages;
    this.#source =
      file === null ? null : made.use(DataFile.openRegular(file.path, { writable: file.writable }));
    this.#sourceFirst = offset / PAGE_BYTES;
    this.#sourceBytes = this.#source?.size ?? 0;
    this.#writable = file?.writable ?? false;
    if (this.#writable) this.#lock(offset);
    this.fd = made.adopt(memfdCreate(`hms ${name}`, pages * PAGE_BYTES), closeFd);
    this.#alias = made.use(Mapping.shared(this.fd, pages * PAGE_BYTES, {}));
    made.move();
    host.pages.aliases.add(this.#alias.address / PAGE_BYTES, pages, this.#alias);
  }

  /** Two that write the same part of a file would undo each other's work. */
  #lock(offset: number): void {
    const source = this.#source;
    if (source === null || source.lock(offset, this.pages * PAGE_BYTES) !== -EAGAIN) return;
    throw new HmsError(
      "FILE_IN_USE",
      "EBUSY",
      `Making a region of ${source.path} failed: another region, of this process or another, has that part of it for writing. Free that one first, or open the file for reading only.`,
    );
  }

  showAt(space: Space, first: PageIndex): void {
    this.#shownIn = space;
    this.#shownAt = first;
  }

  /** The frame of a page that is in memory, or NO_FRAME. */
  frameOf(page: PageIndex): FrameNumber {
    return this.#frames.at(page) || NO_FRAME;
  }

  /** The page that a frame of this file is. */
  pageOf(frame: FrameNumber): PageIndex {
    return this.host.pages.atOf(frame) - this.#alias.address / PAGE_BYTES;
  }

  /**
   * Brings a page into memory, and those around it between `first` and `end` that come from the same place and are not
   * there yet. How many are there now, from `fetchedFirst` on; or −errno.
   */
  fetch(page: PageIndex, first: PageIndex, end: PageIndex, space: Space): number {
    this.fetchedFirst = page;
    this.fetchedFrom = null;
    if (this.frameOf(page) !== NO_FRAME) return 1;
    const stop = Math.min(end, this.pages, first + HUGE_PAGES);
    let low = page;
    while (low > first && this.#comesWith(page, low - 1)) low--;
    let high = page + 1;
    while (high < stop && this.#comesWith(page, high)) high++;
    this.fetchedFirst = low;
    this.host.makeRoom(high - low);
    return this.#bringIn(low, high - low, space);
  }

  #bringIn(page: PageIndex, count: PageCount, space: Space): number {
    const address = this.#alias.address + page * PAGE_BYTES;
    const got = this.#load(page, count, address);
    if (got < 0) this.#punch(page, count);
    if (got < 0) return got;
    const table = this.host.core.memories.host;
    for (let k = 0; k < count; k++) {
      const frame = this.host.take(space);
      if (frame === NO_FRAME) {
        this.#punch(page + k, count - k);
        return k === 0 ? -ENOMEM : k;
      }
      table.set(frame, KEPT);
      // Nobody has it mapped yet.
      this.host.pages.set(frame, CACHE | WAITING, address / PAGE_BYTES + k);
      this.#frames.set(page + k, frame);
      this.host.cacheOwner(frame, this);
      this.#releaseSlot(page + k);
    }
    return count;
  }

  #releaseSlot(page: PageIndex): void {
    const slot = this.#slots.at(page);
    if (slot === 0) return;
    this.host.swap.release(slot - 1);
    this.#slots.set(page, 0);
  }

  /** Whether another page is not there either and comes with this one: from the file, fresh zeros, or the slot beside. */
  #comesWith(page: PageIndex, other: PageIndex): boolean {
    if (this.frameOf(other) !== NO_FRAME) return false;
    if (this.#source !== null) return true;
    const slot = this.#slots.at(page);
    const theirs = this.#slots.at(other);
    return slot === 0 ? theirs === 0 : theirs > 0 && theirs === slot + (other - page);
  }

  #load(page: PageIndex, count: PageCount, address: number): number {
    const source = this.#source;
    const hole =
      source !== null && !source.hasData((this.#sourceFirst + page) * PAGE_BYTES, count * PAGE_BYTES);
    if (source !== null && !hole) {
      this.fetchedFrom = "file";
      return this.#onNodes(page, count, (from, run) =>
        readPages(source, this.#sourceFirst + from, run, address + (from - page) * PAGE_BYTES),
      );
    }
    const slot = this.#slots.at(page);
    if (slot === 0) {
      // Fresh zeros: the kernel makes them when the memfd gets its pages.
      return this.#onNodes(page, count, (from, run) =>
        fallocate(this.fd, 0, from * PAGE_BYTES, run * PAGE_BYTES),
      );
    }
    this.fetchedFrom = "swap";
    return this.#onNodes(page, count, (from, run) =>
      this.host.swap.load(slot - 1 + (from - page), run, address + (from - page) * PAGE_BYTES),
    );
  }

  /** Does something that makes pages of the memfd, on the nodes where they should be. The last answer; < 0 ends it. */
  #onNodes(page: PageIndex, count: PageCount, make: (from: PageIndex, run: PageCount) => number): number {
    let got = 0;
    for (let done = 0; done < count && got >= 0; ) {
      const from = page + done;
      const choice = this.host.nodesAt(this.#shownAt + from, count - done, true);
      if (choice?.full === true) return -ENOMEM;
      const run = choice?.count ?? count - done;
      got = choice?.told === true ? make(from, run) : onNode(choice, () => make(from, run));
      done += run;
    }
    return got;
  }

  /** Unmaps up to 512 pages from the program and every window; what was written is noted. */
  unmap(page: PageIndex, count: PageCount): void {
    const address = (this.#shownAt + page) * PAGE_BYTES;
    const bytes = count * PAGE_BYTES;
    const table = this.host.core.memories.host;
    const note = (value: 0 | 1) => (from: number, length: number) =>
      written.fill(value, (from - address) / PAGE_BYTES, (from + length - address) / PAGE_BYTES);
    written.fill(0, 0, count);
    const mapped = mappedIn(address, bytes, note(1));
    madvise(address, bytes, MADV_DONTNEED);
    // The kernel leaves a mark where a page was not written since it was mapped.
    const marked = markersIn(address, bytes, note(0));
    const unknown = mapped < 0 || marked < 0;
    for (let k = 0; k < count; k++)
      if (unknown || written[k] === 1) table.set(this.frameOf(page + k), WRITTEN);
    this.hideFromWindows(page, count);
  }

  /** Devices have these pages no more. */
  hideFromWindows(page: PageIndex, count: PageCount): void {
    for (const window of this.host.windows) if (window.backing === this) window.zapFile(page, count);
  }

  /** Takes unmapped pages out of memory, written back first if need be. How many from the first on; −errno when none. */
  evict(page: PageIndex, count: PageCount, cause: Cause): number {
    let done = 0;
    let got = 0;
    while (done < count && got >= 0) {
      const [from, most] = [page + done, count - done];
      got = this.#source === null ? this.#swapOut(from, most, cause) : this.#writeOut(from, most, cause);
      done += Math.max(0, got);
    }
    // What the file has no room for any more stays in memory.
    if (done === 0) return got === SHRUNK ? 0 : got;
    for (let k = 0; k < done; k++) this.#forget(page + k, this.frameOf(page + k));
    this.#punch(page, done);
    return done;
  }

  /** Gives the memory of pages back. */
  #punch(page: PageIndex, count: PageCount): void {
    fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page * PAGE_BYTES, count * PAGE_BYTES);
  }

  #swapOut(page: PageIndex, count: PageCount, cause: Cause): number {
    const { swap } = this.host;
    const taken = swap.take(count);
    if (taken === null) return -ENOSPC;
    const errno = swap.write(taken.slot, taken.got, this.#alias.address + page * PAGE_BYTES);
    for (let k = 0; k < taken.got; k++) {
      if (errno < 0) swap.release(taken.slot + k);
      else this.#slots.set(page + k, taken.slot + k + 1);
    }
    if (errno < 0) return errno;
    this.host.statistics.swappedOut += taken.got;
    this.#noteGone("swap", page, taken.got, cause, true);
    return taken.got;
  }

  #noteGone(disk: Disk, page: PageIndex, count: PageCount, cause: Cause, written: boolean): void {
    const space = this.#shownIn;
    if (space !== null && count > 0)
      this.host.trace?.wentOut(disk, space, this.#shownAt + page, count, cause, written);
  }

  /** Those that follow each other and were written are; or those that were not. */
  #writeOut(page: PageIndex, count: PageCount, cause: Cause): number {
    const dirty = this.#writable && this.#isWritten(page);
    let run = 1;
    while (run < count && (this.#writable && this.#isWritten(page + run)) === dirty) run++;
    const { statistics } = this.host;
    if (!dirty) {
      statistics.droppedFile += run;
      this.#noteGone("file", page, run, cause, false);
      return run;
    }
    const done = this.#writeBack(page, run);
    statistics.writtenBack += Math.max(0, done);
    this.#noteGone("file", page, done, cause, true);
    return done;
  }

  #forget(page: PageIndex, frame: FrameNumber): void {
    const table = this.host.core.memories.host;
    this.#frames.set(page, 0);
    this.host.cacheOwner(frame, null);
    table.clear(frame, KEPT | WRITTEN);
    this.host.pages.set(frame, NOWHERE, 0);
    this.host.giveBack(frame);
  }

  /**
   * Writes pages to the file as it was when it was opened, not beyond. How many, −errno, or SHRUNK: someone else has
   * cut the file before this page's end.
   */
  #writeBack(page: PageIndex, count: PageCount): number {
    if (this.#source === null) return count;
    const offset = (this.#sourceFirst + page) * PAGE_BYTES;
    const ours = Math.max(0, Math.min(count * PAGE_BYTES, this.#sourceBytes - offset));
    const now = Math.max(0, Math.min(ours, this.#source.size - offset));
    const pages = now === ours ? count : Math.floor(now / PAGE_BYTES);
    if (pages === 0) return SHRUNK;
    const bytes = Math.min(ours, pages * PAGE_BYTES);
    if (bytes === 0) return pages;
    const errno = this.#source.pwrite(this.#alias.address + page * PAGE_BYTES, bytes, offset);
    return errno < 0 ? errno : pages;
  }

  /** Writes back what was written, in runs, and leaves it mapped. Throws ENOSPC, EIO. Returns pages written. */
  sync(): PageCount {
    if (this.#source === null || !this.#writable) return 0;
    const found = writtenIn(
      this.#shownAt * PAGE_BYTES,
      this.pages * PAGE_BYTES,
      (address, bytes) => this.#noteWritten(address / PAGE_BYTES - this.#shownAt, bytes / PAGE_BYTES),
      true,
    );
    let [written, kept, flushed] = [0, 0, 0];
    for (const first of this.#frames.firsts()) {
      // Without the kernel's help every page that is there counts as written.
      if (found < 0) this.#noteWritten(first, HUGE_PAGES);
      for (let page = first; page < first + HUGE_PAGES; ) {
        const count = this.#writtenRun(page, first + HUGE_PAGES);
        const done = count === 0 ? 0 : this.#writeBack(page, count);
        if (done === SHRUNK) kept++;
        else this.#expectWritten(done);
        for (let k = 0; k < done; k++) this.#clean(page + k);
        written += Math.max(0, done);
        page += Math.max(1, done);
      }
      if (written - flushed < FLUSH) continue;
      this.#flush();
      flushed = written;
    }
    if (written > flushed) this.#flush();
    this.#expectOnDisk(this.#source.fsync());
    if (kept > 0) throw this.#shrunk(kept);
    return written;
  }

  /** A slow disk may take minutes for all of it: in between the watchdog hears of us. */
  #flush(): void {
    const errno = this.#source?.flush(this.#sourceFirst * PAGE_BYTES, this.pages * PAGE_BYTES) ?? 0;
    this.host.onProgress?.();
    // The kernel tells of an error once: fsync would not any more. Any other errno says that there is no such call.
    if (errno === -EIO || errno === -ENOSPC || errno === -EDQUOT) this.#expectOnDisk(errno);
  }

  /** The disk did not keep what was written: all that is in memory has to be written again. */
  #expectOnDisk(result: number): void {
    if (result < 0) for (const first of this.#frames.firsts()) this.#noteWritten(first, HUGE_PAGES);
    this.#expectWritten(result);
  }

  #writtenRun(page: PageIndex, end: PageIndex): PageCount {
    let count = 0;
    while (page + count < end && this.#isWritten(page + count)) count++;
    return count;
  }

  #noteWritten(first: PageIndex, count: PageCount): void {
    for (let page = first; page < first + count; page++) {
      if (this.frameOf(page) !== NO_FRAME) this.host.core.memories.host.set(this.frameOf(page), WRITTEN);
    }
  }

  #isWritten(page: PageIndex): boolean {
    const frame = this.frameOf(page);
    return frame !== NO_FRAME && this.host.core.memories.host.is(frame, WRITTEN);
  }

  /** What a device may still write stays marked. */
  #clean(page: PageIndex): void {
    for (const window of this.host.windows) if (window.backing === this && window.mayWriteFile(page)) return;
    this.host.core.memories.host.clear(this.frameOf(page), WRITTEN);
  }

  #expectWritten(result: number): void {
    if (result >= 0) return;
    const full = result === -28;
    throw new HmsError(
      "WRITE_BACK_FAILED",
      full ? "ENOSPC" : "EIO",
      `Writing ${this.name} back failed: ${full ? "the disk is full; make room and try again" : `the file answers error ${-result}`}. Nothing is lost: the pages stay in memory.`,
    );
  }

  #shrunk(kept: PageCount): HmsError {
    const { path = "", size = 0 } = this.#source ?? {};
    return new HmsError(
      "FILE_SHRUNK",
      "EIO",
      `Writing ${this.name} back failed: someone else cut ${path} to ${size} bytes, and ${kept} pages beyond were written. They stay in memory; extend the file to ${this.#sourceBytes} bytes again and try once more.`,
    );
  }

  /** Writes back and lets go of everything. Its regions are gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const first of this.#frames.firsts()) this.#letGo(first);
    for (const first of this.#slots.firsts())
      for (let page = first; page < first + HUGE_PAGES; page++) this.#releaseSlot(page);
    this.host.pages.aliases.remove(this.#alias.address / PAGE_BYTES, this.pages);
    this.#alias.close();
    this.#source?.close();
    closeFd(this.fd);
  }

  #letGo(first: PageIndex): void {
    for (let page = first; page < first + HUGE_PAGES; ) {
      const count = this.#writable ? this.#writtenRun(page, first + HUGE_PAGES) : 0;
      if (count > 0) this.#writeBack(page, count);
      const end = page + Math.max(1, count);
      for (; page < end; page++) if (this.frameOf(page) !== NO_FRAME) this.#forget(page, this.frameOf(page));
    }
  }
}

/** Throws BAD_FILE_OFFSET (EINVAL): pages of a file begin at multiples of a page. */
export function expectOffset(offset: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset % PAGE_BYTES === 0) return;
  throw new HmsError(
    "BAD_FILE_OFFSET",
    "EINVAL",
    `Making a file region failed: its offset must be a multiple of ${PAGE_BYTES} bytes, not ${offset}.`,
  );
}
