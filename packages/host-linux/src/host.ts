import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import {
  type Around,
  type Cause,
  Core,
  type Device,
  type DeviceMemory,
  type Errno,
  FrameAllocator,
  type FrameNumber,
  HEAD,
  type Host,
  HUGE_PAGES,
  KEPT,
  type Nanoseconds,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Region,
  type Space,
  TAIL,
  type YieldPoint,
  ZERO_FRAME,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { Ahead } from "./ahead.ts";
import { DeviceBacking } from "./backing.ts";
import { budgetOf, defaultBudget, machinePages } from "./budget.ts";
import type { CachedFile } from "./cached-file.ts";
import { hostFault } from "./fault.ts";
import { type NodeChoice, type NodePlacer, newChoice } from "./nodes.ts";
import { Owners } from "./owners.ts";
import { type AddressBook, IN_WINDOW, Pages } from "./pages.ts";
import { Reclaim } from "./reclaim.ts";
import { LinuxRegion } from "./region.ts";
import { LinuxSpace, type LinuxSpaceOptions } from "./space.ts";
import { Swap } from "./swap.ts";
import { syncRange } from "./sync.ts";
import {
  UFFD_FEATURE_EVENT_REMAP,
  UFFD_FEATURE_EVENT_REMOVE,
  UFFD_FEATURE_EVENT_UNMAP,
  UFFD_FEATURE_MINOR_SHMEM,
  UFFD_FEATURE_MISSING_SHMEM,
  UFFD_FEATURE_MOVE,
  UFFD_FEATURE_PAGEFAULT_FLAG_WP,
  UFFD_FEATURE_POISON,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
  UFFD_FEATURE_WP_UNPOPULATED,
} from "./sys/abi.generated.ts";
import { SwapFile } from "./sys/disk.ts";
import { Mapping } from "./sys/memory.ts";
import { closePagemap, openPagemap } from "./sys/pagemap.ts";
import { NEEDED_FEATURES, probe, requireCapabilities } from "./sys/probe.ts";
import { Userfaultfd, type UserfaultfdOptions } from "./sys/uffd.ts";
import { DeviceWindow, type WindowOptions } from "./window.ts";

/** Addresses of the hidden area for each page of memory. */
const SLOTS_PER_PAGE = 4;
/** A fault brings in this share of the memory budget at most. */
const WINDOW_SHARE = 16;
const SWAP_PAGES_DEFAULT: PageCount = 1 << 24;

/** What the real host is made of. */
export interface LinuxHostOptions {
  /** Pages of host memory that may be resident, in bytes; default: 80 % of what the machine or the control group has. */
  readonly ramBytes?: number;
  /** What the budget may be exceeded to rather than lose a byte, in bytes; default: what the machine has. */
  readonly ramBytesMax?: number;
  /** Where the file for cold pages is made (it has no name); default: the directory for temporary files. */
  readonly swapDirectory?: string;
  /** How large that file may become; default 64 GiB. */
  readonly swapBytesMax?: number;
  /**
   * Whether memory that is read before it is written is the one page of zeros, as in the kernel, until it is written.
   * That saves memory, and costs a second fault. Default: it gets a page at once.
   */
  readonly zeroPages?: boolean;
  /** Told of what happens, for statistics and the event stream. */
  readonly trace?: Trace;
}

/** Where pages are that are not in memory: the file for cold pages, or the file that they are of. */
export type Disk = "swap" | "file";

/** What happens in the host, as it happens. Called in the kernel thread; must not fault, wait or throw. */
export interface Trace {
  /** A touch was answered: by the program, or by the device `who`. `count` pages were brought in; 0: it failed. */
  fault(
    by: "cpu" | "device",
    space: Space,
    page: PageIndex,
    count: PageCount,
    write: boolean,
    took: Nanoseconds,
    who: string,
  ): void;
  /** Pages left memory for a disk; not `written`: it had them already. */
  wentOut(disk: Disk, space: Space, page: PageIndex, count: PageCount, cause: Cause, written: boolean): void;
  /** Pages were read from a disk. */
  cameIn(disk: Disk, space: Space, page: PageIndex, count: PageCount, cause: Cause): void;
  /** The memory budget is exceeded. */
  overBudget(pages: PageCount, why: "disk full" | "pages pinned"): void;
}

/** Who answers faults of a range of addresses. */
export type Owner = LinuxRegion | DeviceWindow;

/** Counts since the start. */
export interface HostStatistics {
  cpuFaults: number;
  /** Nanoseconds that the kernel thread worked on them. */
  cpuFaultTime: Nanoseconds;
  deviceFaults: number;
  deviceFaultTime: Nanoseconds;
  /** Faults that only needed a wake-up: someone else had brought the page. */
  spurious: number;
  poisoned: number;
  /** Pages brought in by faults. */
  broughtIn: PageCount;
  hidden: PageCount;
  /** Pages written to the file for cold pages. */
  swappedOut: PageCount;
  /** Pages of file regions that were written to their file because memory was short. */
  writtenBack: PageCount;
  /** Pages that left memory without being written, since the file for cold pages had them already. */
  droppedClean: PageCount;
  /** Pages of file regions that left memory without being written, since their file has them. */
  droppedFile: PageCount;
  /** Pages read back from the file for cold pages. */
  swappedIn: PageCount;
  /** Pages brought into memory before they were touched. */
  readAhead: PageCount;
  /** Pages moved to where they would be touched, before they were. */
  movedAhead: PageCount;
  overBudget: PageCount;
}

/**
 * The real host: this process's own memory, page by page, through userfaultfd. It lives in one thread, which serves
 * the faults of all others (`KernelLoop`), and which never touches the addresses that it serves.
 */
export class LinuxHost implements Host, AddressBook, Disposable {
  readonly name = "linux";
  readonly framesCount: PageCount;
  readonly core: Core;
  readonly pages: Pages;
  readonly swap: Swap;
  readonly owners: Owners<Owner> = new Owners();
  readonly statistics: HostStatistics = emptyStatistics();
  readonly trace: Trace | null;
  /** The program's private regions. */
  readonly program: Userfaultfd;
  /** Shared and file regions, as the program maps them. */
  readonly cached: Userfaultfd;
  /** Slots and windows. */
  readonly hidden: Userfaultfd;
  /** Memory of the kernel thread's own for what goes to and comes from disk: 2 MiB. */
  readonly buffer: Mapping;
  readonly spaces: Set<LinuxSpace> = new Set();
  readonly windows: Set<DeviceWindow> = new Set();
  /** The swap slot that holds what a clean frame holds, and one; 0: none. */
  readonly cleanSlot: Uint32Array;
  /** While the kernel drops what is mapped by itself, because the program asked it to. */
  kernelDrops = false;
  /** Reads what the kernel has to tell while it refuses to work; set by the loop. */
  onBusy: (() => void) | null = null;
  /** The kernel has told that the program changed its addresses, which is not dealt with yet; set by the loop. */
  changing = false;
  /** Says that the kernel thread is alive, within what takes long; set by the loop. */
  onProgress: (() => void) | null = null;
  /** Whether a page that is only read is the page of zeros until it is written. */
  readonly zeroPages: boolean;
  /** The window of the CPU's touch that is being answered, or of what is read ahead; null when there is none. */
  window: Pick<Around, "first" | "count" | "cut"> | null = null;
  /** While a touch is answered the clock stands still at its beginning; 0: it goes. */
  stopped: Nanoseconds = 0;
  /** Touches wait for pages that devices have for themselves. */
  anyWaiting = false;
  /** Knows on which nodes pages should be; null: nobody has said so. */
  placer: NodePlacer | null = null;
  readonly #choice: NodeChoice = newChoice();
  /** So many of the next allocations fail, as if no memory were left; for tests. */
  refuseAllocations = 0;
  /** What was brought in was put where it was touched, and who waited there is awake. */
  answered = false;
  /** The kernel does not let the page that was touched be mapped right now: its answer has to wait. */
  refused = false;
  readonly ahead: Ahead = new Ahead(this);
  readonly #window = { first: 0, end: 0 };
  readonly #spaceOf = new Map<Space, LinuxSpace>();
  readonly #cacheOf = new Map<FrameNumber, CachedFile>();
  readonly #free: FrameAllocator;
  readonly #reclaim: Reclaim;
  readonly #file: SwapFile;
  #budget: PageCount;
  #mappings = 0;
  #closed = false;

  /**
   * Throws ENOSYS, EPERM, ENOTSUP when this machine does not allow it, NO_DESCRIPTOR, OUT_OF_MEMORY when a limit does
   * not, EINVAL for sizes that are none. Then nothing is left behind.
   */
  constructor(options: LinuxHostOptions = {}) {
    requireCapabilities(probe(), { features: NEEDED_FEATURES | UFFD_FEATURE_WP_ASYNC });
    const machine = machinePages();
    this.#budget = options.ramBytes === undefined ? defaultBudget() : budgetOf(options.ramBytes);
    // The budget may be exceeded rather than lose a byte.
    const most = options.ramBytesMax === undefined ? machine : Math.floor(options.ramBytesMax / PAGE_BYTES);
    this.framesCount = Math.max(most, this.#budget);
    this.zeroPages = options.zeroPages ?? false;
    this.trace = options.trace ?? null;
    // What was opened is closed again when something after it cannot be.
    using made = new DisposableStack();
    const open = (features: UserfaultfdOptions): Userfaultfd => made.use(Userfaultfd.open(features));
    this.program = open({
      features:
        UFFD_FEATURE_EVENT_REMOVE |
        UFFD_FEATURE_EVENT_UNMAP |
        UFFD_FEATURE_EVENT_REMAP |
        UFFD_FEATURE_PAGEFAULT_FLAG_WP |
        UFFD_FEATURE_MOVE |
        UFFD_FEATURE_THREAD_ID |
        UFFD_FEATURE_POISON,
    });
    this.cached = open({
      features:
        UFFD_FEATURE_MISSING_SHMEM |
        UFFD_FEATURE_MINOR_SHMEM |
        UFFD_FEATURE_PAGEFAULT_FLAG_WP |
        UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
        UFFD_FEATURE_WP_UNPOPULATED |
        UFFD_FEATURE_WP_ASYNC |
        UFFD_FEATURE_THREAD_ID |
        UFFD_FEATURE_POISON,
    });
    this.hidden = open({
      features:
        UFFD_FEATURE_MISSING_SHMEM |
        UFFD_FEATURE_MINOR_SHMEM |
        UFFD_FEATURE_PAGEFAULT_FLAG_WP |
        UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
        UFFD_FEATURE_MOVE |
        UFFD_FEATURE_THREAD_ID |
        UFFD_FEATURE_POISON,
    });
    this.pages = made.use(new Pages(this.framesCount, this.framesCount * SLOTS_PER_PAGE, this.hidden, this));
    this.buffer = made.use(Mapping.reserve(HUGE_PAGES * PAGE_BYTES, { name: "hms buffer" }));
    this.#file = made.use(new SwapFile(options.swapDirectory));
    made.defer(closePagemap);
    openPagemap();
    const swapPages = Math.floor((options.swapBytesMax ?? SWAP_PAGES_DEFAULT * PAGE_BYTES) / PAGE_BYTES);
    this.swap = new Swap(this.#file, swapPages);
    this.cleanSlot = new Uint32Array(this.framesCount);
    this.#free = new FrameAllocator(this.framesCount, 1);
    this.core = new Core(this);
    this.core.memories.host.set(ZERO_FRAME, KEPT);
    this.#reclaim = new Reclaim(this);
    made.move();
  }

  /** A space: regions of this process's addresses. */
  createSpace(options: LinuxSpaceOptions = {}): LinuxSpace {
    const space = new LinuxSpace(this, this.core.createSpace(options), options);
    this.spaces.add(space);
    this.#spaceOf.set(space.space, space);
    return space;
  }

  /** The space that is gone. */
  dropSpace(space: LinuxSpace): void {
    this.spaces.delete(space);
    this.#spaceOf.delete(space.space);
  }

  spaceOf(space: Space): LinuxSpace | null {
    return this.#spaceOf.get(space) ?? null;
  }

  /** The pages that the fault at `page` brings in: a part of the region around it. */
  windowIn(region: Region, page: PageIndex): { readonly first: PageIndex; readonly end: PageIndex } {
    const { window } = this;
    const inside = window !== null && page >= window.first && page < window.first + window.count;
    this.#window.first = inside ? Math.max(window.first, region.first) : page;
    this.#window.end = inside ? Math.min(window.first + window.count, region.end) : page + 1;
    return this.#window;
  }

  /** Whether only private memory of the program can have faults: nothing is shared, no device has a window. */
  get onlyPrivate(): boolean {
    return this.windows.size === 0 && this.pages.aliases.size === 0;
  }

  /** Keeps the bytes of a device's memory, which is memory of this machine. */
  back(memory: DeviceMemory): DeviceBacking {
    return new DeviceBacking(this, memory);
  }

  /** Opens a device's window onto a region. Throws EINVAL when the range is not in one region. */
  openWindow(options: WindowOptions): DeviceWindow {
    return new DeviceWindow(this, options);
  }

  /** Pages that one fault brings in at most. */
  get windowMost(): PageCount {
    return Math.max(1, Math.min(HUGE_PAGES, Math.floor(this.#budget / WINDOW_SHARE)));
  }

  /**
   * Counts mappings that a region or a window needs. Throws TOO_MANY_REGIONS (ENOMEM) when they come near to what the
   * kernel allows a process: beyond it nothing works any more, the program's own memory included.
   */
  countMappings(count: number): void {
    if (count > 0 && this.#mappings + count > MAPPINGS_MOST) {
      throw new HmsError(
        "TOO_MANY_REGIONS",
        "ENOMEM",
        `Making a region failed: regions and windows have ${this.#mappings} mappings, and the kernel allows the process ${MAPPINGS_ALLOWED} in all; use slices of larger regions, or raise vm.max_map_count.`,
      );
    }
    this.#mappings += count;
  }

  /** Pages of host memory in use. */
  get resident(): PageCount {
    return this.framesCount - 1 - this.#free.available;
  }

  /** The memory budget. */
  get budget(): PageCount {
    return this.#budget;
  }

  /** Changes the memory budget; what is above it goes to disk as memory is asked for. Throws EINVAL. */
  setBudget(bytes: number): void {
    this.#budget = budgetOf(bytes, this.framesCount);
  }

  /**
   * Sends up to so many of the coldest pages to disk. Returns how many went. Without `blocking` (default true) mirrors
   * may refuse to give theirs up.
   */
  reclaim(pages: PageCount, options: { readonly blocking?: boolean } = {}): PageCount {
    return this.#reclaim.free(pages, options.blocking ?? true);
  }

  /** Private pages of a range are the next to go to disk, unless they are touched before memory is short. */
  cool(space: Space, first: PageIndex, count: PageCount): void {
    this.#reclaim.cool(space, first, count);
  }

  // The host contract.

  now(): Nanoseconds {
    return this.stopped > 0 ? this.stopped : performance.now() * 1e6;
  }

  fault(space: Space, page: PageIndex, write: boolean, cause: Cause): Errno {
    return hostFault(this, space, page, write, cause);
  }

  allocate(_space: Space | null, huge: boolean): FrameNumber {
    if (this.#refuses()) return NO_FRAME;
    this.makeRoom(huge ? HUGE_PAGES : 1);
    if (huge) return this.#allocateHuge();
    const frame = this.#free.take();
    return frame < 0 ? NO_FRAME : frame;
  }

  allocateRun(_space: Space | null, count: PageCount, frames: Uint32Array, at: number): PageCount {
    if (this.refuseAllocations > 0) return 0;
    this.makeRoom(count);
    let done = 0;
    while (done < count) {
      const first = this.#free.takeRun(Math.min(count - done, HUGE_PAGES));
      if (first < 0) break;
      for (let k = 0; k < this.#free.got; k++) frames[at + done + k] = first + k;
      done += this.#free.got;
    }
    return done;
  }

  /** A frame without making room: `makeRoom` was called for several. */
  take(_space: Space | null): FrameNumber {
    if (this.#refuses()) return NO_FRAME;
    const frame = this.#free.take();
    return frame < 0 ? NO_FRAME : frame;
  }

  #refuses(): boolean {
    if (this.refuseAllocations === 0) return false;
    this.refuseAllocations--;
    return true;
  }

  #allocateHuge(): FrameNumber {
    const head = this.#free.takeHuge();
    if (head < 0) return NO_FRAME;
    const frames = this.core.memories.host;
    frames.set(head, HEAD);
    for (let i = 1; i < HUGE_PAGES; i++) frames.set(head + i, TAIL);
    return head;
  }

  /** Sends cold pages to disk when so many more would exceed the budget. */
  makeRoom(count: PageCount): void {
    this.#reclaim.keepWithin(this.#budget, count);
  }

  /** Does a little of what will be needed soon, while nobody waits: room, and what sequences touch next. Whether it did. */
  workAhead(): boolean {
    return this.#reclaim.refill(this.#budget) || this.ahead.step();
  }

  release(frame: FrameNumber): void {
    this.core.memories.host.state[frame] = 0;
    this.dropClean(frame);
    this.pages.free(frame, this.kernelDrops);
    this.#free.give(frame);
  }

  releaseRun(frame: FrameNumber, count: PageCount): void {
    this.core.memories.host.state.fill(0, frame, frame + count);
    for (let k = frame; k < frame + count; k++) if (this.cleanSlot[k] !== 0) this.dropClean(k);
    this.pages.freeRun(frame, count, this.kernelDrops);
    this.#free.giveRun(frame, count);
  }

  /** The file that a frame of the cache is of. */
  cacheOf(frame: FrameNumber): CachedFile | null {
    return this.#cacheOf.get(frame) ?? null;
  }

  cacheOwner(frame: FrameNumber, file: CachedFile | null): void {
    if (file === null) this.#cacheOf.delete(frame);
    else this.#cacheOf.set(frame, file);
  }

  /** An allocated frame that was not needed after all. */
  giveBack(frame: FrameNumber): void {
    if (this.core.memories.host.unused(frame)) this.release(frame);
  }

  /** What a frame holds is not on disk any more. */
  dropClean(frame: FrameNumber): void {
    const slot = this.cleanSlot[frame] ?? 0;
    if (slot === 0) return;
    this.cleanSlot[frame] = 0;
    this.swap.release(slot - 1);
  }

  split(frame: FrameNumber, _told: boolean): boolean {
    const head = frame - (frame % HUGE_PAGES);
    const frames = this.core.memories.host;
    for (let i = head; i < head + HUGE_PAGES; i++) if ((frames.pins[i] ?? 0) > 0) return false;
    for (let i = head; i < head + HUGE_PAGES; i++) frames.clear(i, HEAD | TAIL);
    return true;
  }

  read(frame: FrameNumber, offset: number, target: Uint8Array, _by: Device | null): void {
    for (let done = 0; done < target.length; ) {
      const at = offset + done;
      const bytes = this.pages.reach(frame + Math.floor(at / PAGE_BYTES));
      const part = Math.min(target.length - done, PAGE_BYTES - (at % PAGE_BYTES));
      target.set(bytes.subarray(at % PAGE_BYTES, (at % PAGE_BYTES) + part), done);
      done += part;
    }
  }

  write(frame: FrameNumber, offset: number, source: Uint8Array, _by: Device | null): void {
    if (frame === ZERO_FRAME) throw new Error("the page of zeros was to be written");
    for (let done = 0; done < source.length; ) {
      const at = offset + done;
      const here = frame + Math.floor(at / PAGE_BYTES);
      const part = Math.min(source.length - done, PAGE_BYTES - (at % PAGE_BYTES));
      this.dropClean(here);
      this.pages.reach(here).set(source.subarray(done, done + part), at % PAGE_BYTES);
      done += part;
    }
  }

  shareSwap(slot: number): void {
    this.swap.share(slot);
  }

  releaseSwap(slot: number): void {
    this.swap.release(slot);
  }

  sync(space: Space, first: PageIndex, count: PageCount): void {
    syncRange(this, space, first, count);
  }

  yield(_point: YieldPoint): void {
    // Others run in their own threads, and meet this one in page faults and messages only.
  }

  pause(_attempt: number): boolean {
    // Whatever is waited for is further up this thread's own stack.
    return false;
  }

  // The address book.

  uffdAt(page: PageIndex): Userfaultfd {
    if (this.pages.slots.holds(page)) return this.hidden;
    const owner = this.owners.at(page);
    if (owner === null) throw new Error(`nobody owns page ${page}`);
    return owner.uffd;
  }

  markAt(page: PageIndex): number {
    return this.owners.at(page) instanceof DeviceWindow ? IN_WINDOW : 0;
  }

  open(page: PageIndex, count: PageCount): (() => void) | null {
    const owner = this.owners.at(page);
    return owner instanceof LinuxRegion ? owner.open(page, count) : null;
  }

  alike(page: PageIndex): PageCount {
    const owner = this.owners.at(page);
    const region = owner instanceof LinuxRegion ? owner.space.regions.at(page) : null;
    return region === null ? HUGE_PAGES : region.end - page;
  }

  nodesAt(page: PageIndex, count: PageCount, here: boolean): NodeChoice | null {
    const { placer } = this;
    const owner = placer === null ? null : this.owners.at(page);
    if (placer === null || owner === null) return null;
    const choice = this.#choice;
    // What the kernel was told is of the program's addresses, not of windows.
    const said =
      owner instanceof DeviceWindow
        ? placer.choose(owner.space, owner.first + (page - owner.base), count, false, choice)
        : placer.choose(owner.space, page, count, here, choice);
    return said ? choice : null;
  }

  nodesOf(frame: FrameNumber): NodeChoice | null {
    const { placer } = this;
    if (placer === null) return null;
    const table = this.core.memories.tableOf(frame);
    const index = frame - table.base;
    if ((table.mapCount[index] ?? 0) === 0) return null;
    const choice = this.#choice;
    const space = this.core.space(table.spaceOf(index));
    return placer.choose(space, table.pageOf(index), 1, false, choice) ? choice : null;
  }

  busy(): void {
    this.onBusy?.();
  }

  /** Gives everything back. The program's regions must be gone: what is still there becomes ordinary memory. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const window of [...this.windows]) window.close();
    this.pages[Symbol.dispose]();
    this.buffer.close();
    this.#file.close();
    closePagemap();
    for (const uffd of [this.program, this.cached, this.hidden]) uffd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Mappings that the kernel allows a process. */
const MAPPINGS_ALLOWED: number = mappingsAllowed();
/** Those that regions and windows may have: changed protections split them, and the program needs some of its own. */
const MAPPINGS_MOST: number = Math.floor(MAPPINGS_ALLOWED / 2);

function mappingsAllowed(): number {
  try {
    return Number(readFileSync("/proc/sys/vm/max_map_count", "utf8"));
  } catch {
    return 65_530;
  }
}

function emptyStatistics(): HostStatistics {
  return {
    cpuFaults: 0,
    cpuFaultTime: 0,
    deviceFaults: 0,
    deviceFaultTime: 0,
    spurious: 0,
    poisoned: 0,
    broughtIn: 0,
    hidden: 0,
    swappedOut: 0,
    writtenBack: 0,
    droppedClean: 0,
    droppedFile: 0,
    swappedIn: 0,
    readAhead: 0,
    movedAhead: 0,
    overBudget: 0,
  };
}
