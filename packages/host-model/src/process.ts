import {
  ANON,
  CAN_READ,
  CAN_WRITE,
  CAUSE,
  DIRTY,
  EAGAIN,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  ENOMEM,
  type Errno,
  errnoName,
  FAULTS_PER_PAGE_LIMIT,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  isDeviceFrame,
  isPresent,
  isRange,
  KIND,
  NO_ACCESS,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  PAGE_LIMIT,
  type PageCount,
  type PageIndex,
  type RegionOptions,
  type Space,
  WRITE,
  YOUNG,
  ZERO_FRAME,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { collapse } from "./collapse.ts";
import type { Advice, MapRequest, Pin, ProcessFace, Protection } from "./face.ts";
import { ModelFile } from "./file.ts";
import type { ModelHost } from "./host.ts";
import { HugetlbPages } from "./hugetlb.ts";
import { reclaimFrame } from "./reclaim.ts";

/** Where `mmap` begins to look for room: 4 GiB. */
const MMAP_FIRST: PageIndex = 2 ** 20;

/** Why a fork fails. */
const FORK_FAILURES: ReadonlyMap<Errno, string> = new Map([
  [EBUSY, "a device holds a page for itself right now; try again"],
  [EAGAIN, "the parent's regions are being changed; try again"],
  [ENOMEM, "no memory is left for the child's copies of pinned pages"],
  [EIO, "a pinned page cannot be copied, because its device does not answer"],
]);

/** A process of the simulated host; see `ProcessFace` for what its calls answer. */
export class ModelProcess implements ProcessFace {
  readonly host: ModelHost;
  readonly space: Space;
  readonly #pins = new Set<ModelPin>();

  /** `ModelHost.createProcess` and `fork` make them. */
  constructor(host: ModelHost, space: Space) {
    this.host = host;
    this.space = space;
  }

  mmap(request: MapRequest): PageIndex | Errno {
    const { pages, at } = request;
    const backing = request.backing ?? { kind: "anonymous" };
    this.#call();
    const alignment = request.huge === true || backing.kind === "hugetlb" ? HUGE_PAGES : 1;
    if (!Number.isSafeInteger(pages) || pages < 1 || (backing.kind === "hugetlb" && pages % HUGE_PAGES !== 0))
      return -EINVAL;
    if (at !== undefined && (!isRange(at, pages) || at % (backing.kind === "hugetlb" ? HUGE_PAGES : 1) !== 0))
      return -EINVAL;
    const first = at ?? this.space.regions.gap(MMAP_FIRST, pages, alignment);
    if (first === null) return -ENOMEM;
    if (at !== undefined) {
      const errno = this.munmap(at, pages);
      if (errno !== OK) return -errno;
    }
    const options = this.#regionOptions(request);
    if (options === null) return -EINVAL;
    const errno = this.space.map(first, pages, options);
    if (errno !== OK) {
      closeUnused(this.host, new Set([options.backing ?? this]));
      return -errno;
    }
    if (backing.kind !== "mixed") return first;
    const inserted = this.#insertPages(first, pages, options);
    return inserted === OK ? first : -inserted;
  }

  #regionOptions(request: MapRequest): RegionOptions | null {
    const backing = request.backing ?? { kind: "anonymous" };
    const shared = request.share === "shared";
    const access = accessOf(request.protection ?? "rw");
    const huge = request.huge === true ? true : null;
    switch (backing.kind) {
      case "anonymous": {
        if (!shared) return { kind: "anonymous", access, huge };
        const file = this.host.createFile({ pages: request.pages, kind: "memory" });
        return { kind: "file", access, shared, quiet: true, huge, backing: file, offset: 0 };
      }
      case "file": {
        const { file, offset = 0 } = backing;
        if (!Number.isSafeInteger(offset) || offset < 0) return null;
        const quiet = file.kind === "memory";
        return { kind: file.kind === "dax" ? "dax" : "file", access, shared, quiet, backing: file, offset };
      }
      case "hugetlb":
        return {
          kind: "hugetlb",
          access,
          shared,
          backing: shared ? new HugetlbPages(this.host) : null,
          offset: 0,
        };
      default:
        return { kind: backing.kind, access, shared };
    }
  }

  /** A driver of the host inserts a page of zeros everywhere; a private mapping may not write it. */
  #insertPages(first: PageIndex, pages: PageCount, options: RegionOptions): Errno {
    const write = options.shared === true && (options.access & CAN_WRITE) !== 0 ? WRITE | DIRTY : 0;
    for (let page = first; page < first + pages; page++) {
      const frame = this.host.allocate(this.space, false);
      if (frame === NO_FRAME) {
        this.munmap(first, pages);
        return ENOMEM;
      }
      this.host.clear(frame, 1);
      this.space.install(page, HOST | write, frame, CAUSE.none);
    }
    return OK;
  }

  munmap(first: PageIndex, count: PageCount): Errno {
    this.#call();
    if (!isRange(first, count) || !this.#alignedHugetlb(first, count)) return EINVAL;
    const backings = this.#backings(first, count);
    const errno = this.space.unmap(first, count);
    if (errno === OK) closeUnused(this.host, backings);
    return errno;
  }

  /** Ends of a range that lie in a hugetlb region must be on its pages. */
  #alignedHugetlb(first: PageIndex, count: PageCount): boolean {
    for (const page of [first, first + count]) {
      if (page % HUGE_PAGES === 0) continue;
      const region = this.space.regions.at(page);
      if (region?.kind === "hugetlb" && region.first < page) return false;
    }
    return true;
  }

  #backings(first: PageIndex, count: PageCount): Set<object> {
    const found = new Set<object>();
    for (const region of this.space.regions.within(first, first + count)) {
      if (region.backing !== null) found.add(region.backing);
    }
    return found;
  }

  mprotect(first: PageIndex, count: PageCount, protection: Protection): Errno {
    this.#call();
    if (!isRange(first, count) || !this.#alignedHugetlb(first, count)) return EINVAL;
    return this.space.protect(first, count, accessOf(protection));
  }

  mremap(
    first: PageIndex,
    count: PageCount,
    options: { to?: PageIndex; keepOld?: boolean } = {},
  ): PageIndex | Errno {
    this.#call();
    if (!isRange(first, count)) return -EINVAL;
    const region = this.space.regions.at(first);
    if (region === null || first + count > region.end) return -EFAULT;
    const keepOld = options.keepOld ?? false;
    if (keepOld && (region.kind === "mixed" || region.kind === "io" || region.kind === "hugetlb"))
      return -EINVAL;
    if (region.kind === "hugetlb" && !this.#alignedHugetlb(first, count)) return -EINVAL;
    const alignment = region.huge === true || region.kind === "hugetlb" ? HUGE_PAGES : 1;
    const { to } = options;
    if (to !== undefined) {
      if (!isRange(to, count) || (to < first + count && first < to + count)) return -EINVAL;
      const errno = this.munmap(to, count);
      if (errno !== OK) return -errno;
    }
    const target = to ?? this.space.regions.gap(MMAP_FIRST, count, alignment);
    if (target === null) return -ENOMEM;
    const errno = this.space.remap(first, count, target, keepOld);
    return errno === OK ? target : -errno;
  }

  madvise(first: PageIndex, count: PageCount, advice: Advice): Errno {
    this.#call();
    if (!isRange(first, count)) return EINVAL;
    const regions = this.space.regions.within(first, first + count);
    switch (advice) {
      case "dontneed":
        return this.#dontNeed(first, count);
      case "free": {
        if (regions.some((region) => !region.anonymous)) return EINVAL;
        return this.#free(first, count);
      }
      case "hugepage":
      case "nohugepage": {
        if (regions.some((region) => region.kind !== "anonymous" && region.kind !== "file")) return EINVAL;
        return this.space.advise(first, count, { huge: advice === "hugepage" });
      }
      case "collapse":
        return this.#collapse(first, count);
      case "pageout":
        return this.#pageOut(first, count);
    }
  }

  #dontNeed(first: PageIndex, count: PageCount): Errno {
    if (!this.#alignedHugetlb(first, count)) return EINVAL;
    let errno: Errno = OK;
    let page = first;
    for (const region of this.space.regions.within(first, first + count)) {
      if (region.kind === "io") return EINVAL;
      if (region.first > page) errno = ENOMEM;
      const from = Math.max(first, region.first);
      const to = Math.min(first + count, region.end);
      const dropped = this.space.discard(from, to - from);
      if (dropped !== OK) return dropped;
      page = to;
    }
    return page < first + count ? ENOMEM : errno;
  }

  /** What is freed lazily keeps its content for as long as memory lasts: here, until it is dropped for another reason. */
  #free(first: PageIndex, count: PageCount): Errno {
    if (!this.space.tryRead()) return EAGAIN;
    for (const region of this.space.regions.within(first, first + count)) {
      const from = Math.max(first, region.first);
      const to = Math.min(first + count, region.end);
      this.space.invalidate(from, to, "clear");
      this.space.invalidated(from, to);
    }
    this.space.endRead();
    return this.space.regions.covers(first, first + count) ? OK : ENOMEM;
  }

  #collapse(first: PageIndex, count: PageCount): Errno {
    if (!this.space.regions.covers(first, first + count)) return ENOMEM;
    const start = Math.ceil(first / HUGE_PAGES) * HUGE_PAGES;
    for (let page = start; page + HUGE_PAGES <= first + count; page += HUGE_PAGES) {
      const errno = collapse(this.host, this.space, page);
      if (errno !== OK) return errno;
    }
    return OK;
  }

  #pageOut(first: PageIndex, count: PageCount): Errno {
    if (!this.space.regions.covers(first, first + count)) return ENOMEM;
    const { host: frames } = this.host.core.memories;
    for (let page = first; page < first + count; page++) {
      const flags = this.space.table.flagsAt(page);
      const frame = this.space.table.frameAt(page);
      if ((flags & KIND) !== HOST || frame === ZERO_FRAME || isDeviceFrame(frame)) continue;
      if ((flags & ANON) === 0 || frames.mapCount[frame] === 1) reclaimFrame(this.host, frame, true);
    }
    return OK;
  }

  fork(): ModelProcess {
    this.#call();
    if (this.space.closed) {
      throw new HmsError("PROCESS_GONE", "ESRCH", "Forking failed: the process has ended.");
    }
    const limitPages = this.space.limitPages;
    const space = this.host.core.createSpace({ name: `${this.space.name}'s child`, limitPages });
    const child = new ModelProcess(this.host, space);
    const errno = this.space.forkTo(space, (page) => this.#copyPinned(space, page));
    if (errno !== OK) {
      child.exit();
      throw new HmsError(
        "FORK_FAILED",
        errnoName(errno),
        `Forking failed: ${FORK_FAILURES.get(errno) ?? "unknown"}.`,
      );
    }
    this.host.processes.add(child);
    return child;
  }

  /** A pinned page stays with the parent: the child gets its own copy at once. */
  #copyPinned(child: Space, page: PageIndex): Errno {
    const own = this.host.allocate(child, false);
    if (own === NO_FRAME) return ENOMEM;
    if (!this.host.copy(this.space.table.frameAt(page), own)) {
      this.host.giveBack(own);
      return EIO;
    }
    const writable = child.regions.at(page)?.writable === true ? WRITE : 0;
    const access = child.regions.at(page)?.readable === true ? 0 : this.space.table.flagsAt(page) & NO_ACCESS;
    child.install(page, HOST | ANON | DIRTY | writable | access, own, CAUSE.copyOnWrite);
    return OK;
  }

  exit(): Errno {
    const backings = this.space.closed ? new Set<object>() : this.#backings(0, PAGE_LIMIT);
    const errno = this.space.close();
    if (errno !== OK) return errno;
    for (const pin of [...this.#pins]) pin.release();
    this.host.processes.delete(this);
    closeUnused(this.host, backings);
    return OK;
  }

  read(page: PageIndex, offset: number, target: Uint8Array): Errno {
    return this.#access(page, offset, target, false);
  }

  write(page: PageIndex, offset: number, source: Uint8Array): Errno {
    return this.#access(page, offset, source, true);
  }

  #access(page: PageIndex, offset: number, bytes: Uint8Array, write: boolean): Errno {
    let at = page * PAGE_BYTES + offset;
    if (!Number.isSafeInteger(at) || at < 0 || at + bytes.length > PAGE_LIMIT * PAGE_BYTES) return EFAULT;
    for (let done = 0; done < bytes.length; ) {
      const here = Math.floor(at / PAGE_BYTES);
      const start = at % PAGE_BYTES;
      const length = Math.min(bytes.length - done, PAGE_BYTES - start);
      const errno = this.touch(here, write);
      if (errno !== OK) return errno;
      const part = length === bytes.length ? bytes : bytes.subarray(done, done + length);
      if (!this.#copy(this.space.table.frameAt(here), start, part, write)) return EIO;
      done += length;
      at += length;
    }
    return OK;
  }

  /** The CPU's load or store itself. False when a coherent page cannot be reached: its device is gone, or its driver fails. */
  #copy(frame: FrameNumber, offset: number, bytes: Uint8Array, write: boolean): boolean {
    const { host } = this;
    if (!isDeviceFrame(frame)) {
      if (write) host.write(frame, offset, bytes, null);
      else host.read(frame, offset, bytes, null);
      return true;
    }
    return host.reachDevice(frame, offset, bytes, write);
  }

  touch(page: PageIndex, write = false): Errno {
    const { table } = this.space;
    for (let attempt = 0; attempt < FAULTS_PER_PAGE_LIMIT; attempt++) {
      const chunk = table.at(page);
      if (chunk !== null) {
        const flags = chunk.flags[page - chunk.first] ?? 0;
        if (isPresent(flags) && (!write || (flags & WRITE) !== 0)) {
          chunk.flags[page - chunk.first] = flags | (write ? YOUNG | DIRTY : YOUNG);
          return OK;
        }
      }
      if (this.space.closed) return EFAULT;
      if (!this.space.tryRead()) return EAGAIN;
      const errno = this.host.fault(this.space, page, write, CAUSE.cpuFault);
      this.space.endRead();
      if (errno !== OK) return errno;
    }
    // Others are in the way; or nobody is, and memory is so short that the page was taken away each time it came.
    return this.host.scheduler.depth > 1 ? EAGAIN : ENOMEM;
  }

  pin(first: PageIndex, count: PageCount, options: { kind: "short" | "long"; write?: boolean }): Pin | Errno {
    this.#call();
    if (!isRange(first, count)) return EINVAL;
    if (this.space.closed) return EFAULT;
    if (!this.space.tryRead()) return EAGAIN;
    const frames: FrameNumber[] = [];
    const pin = new ModelPin(this, first, count, options.kind, frames);
    for (let page = first; page < first + count; page++) {
      const { errno, frame } = this.host.core.pin(this.space, page, {
        write: options.write ?? false,
        long: options.kind === "long",
      });
      if (errno !== OK) {
        pin.release();
        this.space.endRead();
        return errno;
      }
      frames.push(frame);
    }
    this.space.endRead();
    this.#pins.add(pin);
    return pin;
  }

  /** A pin was given back. */
  forget(pin: ModelPin): void {
    this.#pins.delete(pin);
  }

  #call(): void {
    this.host.clock.advance(this.host.costs.call);
  }
}

class ModelPin implements Pin {
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly kind: "short" | "long";
  readonly #process: ModelProcess;
  readonly #frames: FrameNumber[];

  constructor(
    process: ModelProcess,
    first: PageIndex,
    count: PageCount,
    kind: "short" | "long",
    frames: FrameNumber[],
  ) {
    this.#process = process;
    this.first = first;
    this.count = count;
    this.kind = kind;
    this.#frames = frames;
  }

  release(): void {
    for (const frame of this.#frames) if (frame !== ZERO_FRAME) this.#process.host.core.unpin(frame);
    this.#frames.length = 0;
    this.#process.forget(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function accessOf(protection: Protection): number {
  if (protection === "none") return 0;
  return protection === "r" ? CAN_READ : CAN_READ | CAN_WRITE;
}

/** Shared memory goes when the last region that shows it is gone; files stay until they are closed. */
function closeUnused(host: ModelHost, backings: ReadonlySet<object>): void {
  for (const backing of backings) {
    if (backing instanceof ModelFile && backing.kind === "memory" && !backing.mapped) backing.close();
    if (backing instanceof HugetlbPages && !isMapped(host, backing)) backing.close();
  }
}

function isMapped(host: ModelHost, backing: object): boolean {
  return host.core.spaces().some((space) => space.regions.all().some((region) => region.backing === backing));
}
