import {
  ANON,
  CAUSE,
  type Cause,
  Core,
  type Device,
  DUPLICATED,
  type Errno,
  FrameAllocator,
  type FrameNumber,
  HEAD,
  HOST,
  HOST_PLACE,
  type Host,
  HUGE_PAGES,
  isDeviceFrame,
  KEPT,
  KIND,
  LOCKED,
  type Nanoseconds,
  NO_ACCESS,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  TAIL,
  type YieldPoint,
  ZERO,
  ZERO_FRAME,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { type CostModel, simpleCosts } from "./costs.ts";
import type { ClockFace, ModelHostOptions, ProcessOptions } from "./face.ts";
import { handleFault } from "./fault.ts";
import { Extents, type FileKind, ModelFile } from "./file.ts";
import { HugetlbPool } from "./hugetlb.ts";
import { ModelProcess } from "./process.ts";
import { PageStore, Swap } from "./ram.ts";
import { reclaim } from "./reclaim.ts";
import { Scheduler } from "./scheduler.ts";

/** Pages that are freed at once when memory runs out: a 32nd of it, from 4 to 32. */
function reclaimBatch(pages: PageCount): PageCount {
  return Math.max(4, Math.min(32, Math.floor(pages / 32)));
}

/** Attempts that one nested step makes before it says that it is blocked. */
const NESTED_ATTEMPTS = 4;

class Clock implements ClockFace {
  #now: Nanoseconds = 0;

  get now(): Nanoseconds {
    return this.#now;
  }

  advance(by: Nanoseconds): void {
    this.#now += by;
  }
}

/**
 * The simulated host: processes with virtual memory as Linux has it, on a machine that exists only here.
 * Deterministic: the same calls in the same order give the same answers, and where order is chosen a seed chooses it.
 *
 * @example
 * ```ts
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const process = host.createProcess();
 * const page = process.mmap({ pages: 4 });
 * process.write(page, 0, new Uint8Array([1, 2, 3]));
 * console.log(process.space.accounts().host); // 1
 * ```
 */
export class ModelHost implements Host {
  readonly name = "model";
  readonly framesCount: PageCount;
  readonly core: Core;
  readonly clock: ClockFace = new Clock();
  readonly costs: CostModel;
  readonly scheduler: Scheduler;
  readonly ram: PageStore;
  readonly swap: Swap;
  readonly hugePages: "always" | "madvise" | "never";
  readonly reflink: "break" | "refuse";
  readonly extents: Extents = new Extents();
  readonly files: Set<ModelFile> = new Set();
  readonly processes: Set<ModelProcess> = new Set();
  /** A page of bytes for whoever copies one, with nothing else running meanwhile. */
  readonly scratch: Uint8Array = new Uint8Array(PAGE_BYTES);
  readonly #free: FrameAllocator;
  readonly #pool: HugetlbPool;
  readonly #cache = new Map<FrameNumber, { file: ModelFile; page: PageIndex }>();
  #hand: FrameNumber = 0;
  #failAllocations = 0;
  /** Called at every point where others may run, after the scheduler; for tests. */
  onYield: ((point: YieldPoint) => void) | null = null;

  /** Throws EINVAL for sizes that are none. */
  constructor(options: ModelHostOptions = {}) {
    this.framesCount = size("ramPages", options.ramPages ?? 65536, 2);
    this.ram = new PageStore(this.framesCount);
    this.swap = new Swap(size("swapPages", options.swapPages ?? 65536, 0));
    this.costs = options.costs ?? simpleCosts();
    this.hugePages = options.hugePages ?? "madvise";
    this.reflink = options.reflink ?? "break";
    this.scheduler = options.scheduler ?? new Scheduler(options.seed ?? 1);
    this.#free = new FrameAllocator(this.framesCount, 1);
    this.#pool = new HugetlbPool(this.#reserve(options.hugetlbPool ?? (this.framesCount >= 16384 ? 16 : 0)));
    this.core = new Core(this);
    this.core.memories.host.set(ZERO_FRAME, KEPT);
  }

  #reserve(pages: number): FrameNumber[] {
    const heads: FrameNumber[] = [];
    for (let i = 0; i < pages; i++) {
      const head = this.#free.takeHuge();
      if (head < 0) break;
      heads.push(head);
    }
    return heads;
  }

  /** A process with nothing mapped. */
  createProcess(options: ProcessOptions = {}): ModelProcess {
    const process = new ModelProcess(this, this.core.createSpace(options));
    this.processes.add(process);
    return process;
  }

  /** A file of zeros. DAX: its pages are the storage itself. */
  createFile(options: { pages: PageCount; kind?: FileKind }): ModelFile {
    const file = new ModelFile(this, options.kind ?? "disk", size("pages", options.pages, 0));
    this.files.add(file);
    return file;
  }

  /** The next so many allocations of host memory find nothing. */
  failNextAllocations(count: number): void {
    this.#failAllocations = count;
  }

  /** Swaps out or writes back up to so many pages; how many it was. Without `blocking`, mirrors may refuse. */
  reclaim(pages: PageCount, options: { blocking?: boolean } = {}): PageCount {
    return reclaim(this, pages, options.blocking ?? true);
  }

  /** Pages of host memory that nobody has. */
  get available(): PageCount {
    return this.#free.available;
  }

  /** 2 MiB pages left in the hugetlb pool. */
  get hugetlbAvailable(): number {
    return this.#pool.available;
  }

  // The host contract.

  now(): Nanoseconds {
    return this.clock.now;
  }

  fault(space: Space, page: PageIndex, write: boolean, cause: Cause): Errno {
    return handleFault(this, space, page, write, cause);
  }

  allocate(_space: Space | null, huge: boolean): FrameNumber {
    this.yield("allocate");
    if (this.#failAllocations > 0) {
      this.#failAllocations--;
      return NO_FRAME;
    }
    if (huge) return this.#allocateHuge();
    let frame = this.#free.take();
    if (frame < 0) {
      reclaim(this, reclaimBatch(this.framesCount), true);
      frame = this.#free.take();
    }
    return frame < 0 ? NO_FRAME : frame;
  }

  #allocateHuge(): FrameNumber {
    const head = this.#free.takeHuge();
    if (head < 0) return NO_FRAME;
    const frames = this.core.memories.host;
    frames.set(head, HEAD);
    for (let i = 1; i < HUGE_PAGES; i++) frames.set(head + i, TAIL);
    return head;
  }

  release(frame: FrameNumber): void {
    this.core.memories.host.state[frame] = 0;
    if (this.#pool.owns(frame)) this.#pool.give(frame);
    else this.#free.give(frame);
  }

  split(frame: FrameNumber, told: boolean): boolean {
    const head = frame - (frame % HUGE_PAGES);
    const frames = this.core.memories.host;
    for (let i = head; i < head + HUGE_PAGES; i++) if ((frames.pins[i] ?? 0) > 0) return false;
    for (let i = head; i < head + HUGE_PAGES; i++) frames.clear(i, HEAD | TAIL);
    if (told) for (let i = head; i < head + HUGE_PAGES; i++) this.#giveUpZeros(i);
    return true;
  }

  /** A page of zeros that one entry maps is given up for the page of zeros, as Linux 6.12 does when it splits. */
  #giveUpZeros(frame: FrameNumber): void {
    const frames = this.core.memories.host;
    if (frames.mapCount[frame] !== 1 || frames.is(frame, LOCKED) || !this.ram.isZero(frame)) return;
    const space = this.core.space(frames.spaceOf(frame));
    const page = frames.pageOf(frame);
    const flags = space.table.flagsAt(page);
    if ((flags & (KIND | ANON | DUPLICATED)) !== (HOST | ANON)) return;
    space.exchange(page, HOST | ZERO | ANON | (flags & NO_ACCESS), ZERO_FRAME, CAUSE.none, HOST_PLACE);
    this.sync(space, page, 1);
  }

  read(frame: FrameNumber, offset: number, target: Uint8Array, by: Device | null): void {
    this.clock.advance(this.costs.transfer(by?.name ?? null, "host", target.length, false));
    this.ram.read(frame, offset, target);
  }

  write(frame: FrameNumber, offset: number, source: Uint8Array, by: Device | null): void {
    if (frame === ZERO_FRAME) throw new Error("the page of zeros was to be written");
    this.clock.advance(this.costs.transfer(by?.name ?? null, "host", source.length, true));
    this.ram.write(frame, offset, source);
  }

  shareSwap(slot: number): void {
    this.swap.share(slot);
  }

  releaseSwap(slot: number): void {
    this.swap.release(slot);
  }

  sync(_space: Space, _first: PageIndex, _count: PageCount): void {
    // The CPUs of this host walk the core's own page table.
  }

  yield(point: YieldPoint): void {
    if (point === "invalidated") this.clock.advance(this.costs.invalidation);
    if (this.scheduler.active) this.scheduler.point(point);
    if (this.onYield !== null) this.onYield(point);
  }

  pause(attempt: number): boolean {
    this.clock.advance(this.costs.pause);
    if (this.scheduler.depth > 1) return attempt < NESTED_ATTEMPTS;
    this.yield("retry");
    return true;
  }

  // For the host's own files.

  /** An allocated frame that was not needed after all. */
  giveBack(frame: FrameNumber): void {
    if (this.core.memories.host.unused(frame)) this.release(frame);
  }

  giveBackHuge(head: FrameNumber): void {
    for (let i = head; i < head + HUGE_PAGES; i++) this.giveBack(i);
  }

  /** A 2 MiB page of the pool; NO_FRAME when it is empty. */
  takeHugetlb(): FrameNumber {
    return this.#pool.take();
  }

  isHugetlb(frame: FrameNumber): boolean {
    return this.#pool.owns(frame);
  }

  /** Fills pages with zeros. */
  clear(frame: FrameNumber, pages: PageCount): void {
    this.clock.advance(this.costs.transfer(null, "host", pages * PAGE_BYTES, true));
    this.ram.clear(frame, pages);
  }

  /** Copies a page (coherent device memory too) to a frame. False when it cannot be read any more. */
  copy(from: FrameNumber, to: FrameNumber): boolean {
    const bytes = PAGE_BYTES;
    this.clock.advance(this.costs.transfer(null, "host", bytes, true));
    if (!isDeviceFrame(from)) {
      this.ram.copy(from, to);
      return true;
    }
    if (!this.reachDevice(from, 0, this.scratch, false)) return false;
    this.ram.write(to, 0, this.scratch);
    return true;
  }

  /** A CPU's load or store of coherent device memory. False when it cannot be reached: gone, or its driver failed. */
  reachDevice(frame: FrameNumber, offset: number, bytes: Uint8Array, write: boolean): boolean {
    const memory = this.core.memories.deviceOf(frame);
    if (memory === null || memory.gone) return false;
    this.clock.advance(this.costs.transfer(null, memory.name, bytes.length, write));
    try {
      if (write) this.core.write(frame, offset, bytes, null);
      else this.core.read(frame, offset, bytes, null);
      return true;
    } catch (error) {
      if (HmsError.is(error)) return false;
      throw error;
    }
  }

  /** The reclaim hand moves on. */
  nextFrame(): FrameNumber {
    this.#hand = (this.#hand + 1) % this.framesCount;
    return this.#hand;
  }

  /** Which page of which file a frame of the page cache is; null when it is none. */
  cacheOf(frame: FrameNumber): { file: ModelFile; page: PageIndex } | null {
    return this.#cache.get(frame) ?? null;
  }

  cacheOwner(frame: FrameNumber, file: ModelFile | null, page: PageIndex): void {
    if (file === null) this.#cache.delete(frame);
    else this.#cache.set(frame, { file, page });
  }

  /** Frames that are given out although nothing refers to them, and the reverse; for tests. */
  leaks(): FrameNumber[] {
    const frames = this.core.memories.host;
    const found: FrameNumber[] = [];
    for (let frame = 1; frame < this.framesCount; frame++) {
      if (this.#pool.owns(frame)) continue;
      const used = !frames.unused(frame) || frames.is(frame, LOCKED);
      if (used !== this.#free.isTaken(frame)) found.push(frame);
    }
    return found;
  }
}

function size(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new HmsError(
    "BAD_SIZE",
    "EINVAL",
    `Making the simulated host failed: ${name} must be a whole number from ${least} on, not ${value}.`,
  );
}
