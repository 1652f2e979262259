import {
  CAUSE,
  type Core,
  type Device,
  type DeviceMemory,
  type DeviceMemoryKind,
  type DeviceMemoryOps,
  type Disappearance,
  FrameAllocator,
  type FrameNumber,
  HUGE_PAGES,
  type Migration,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type Proposal,
  type Space,
  type Verdict,
} from "@hms/hmm";
import { TestHandle } from "./handle.ts";

/** A word or two is copied byte by byte: a view of it would cost more. */
const FEW_BYTES = 16;
/** Pages that are evicted at once when the device's memory is full. */
const EVICTION_BATCH: PageCount = 32;

/** What a test device is made of. */
export interface TestDeviceOptions {
  readonly name: string;
  readonly kind: DeviceMemoryKind;
  /** Its memory; default 65536 pages (256 MiB). */
  readonly pages?: PageCount;
  /** Whether it makes room by evicting, instead of leaving a page where it is; default false, as the kernel's. */
  readonly evicts?: boolean;
  /** Whether it copies directly to and from other test devices; default true. */
  readonly peers?: boolean;
  /** Who keeps the bytes of its memory, on a host where a CPU reaches them (`LinuxHost.back`); default: an array. */
  readonly store?: (memory: DeviceMemory) => DeviceStore;
}

/** Keeps the bytes of a device's memory, by page of the memory. */
export interface DeviceStore {
  read(index: number, offset: number, target: Uint8Array): void;
  write(index: number, offset: number, source: Uint8Array): void;
  /** The page takes over what a frame holds (NO_FRAME: zeros), until the migration fails. False: it cannot now. */
  adopt(index: number, source: FrameNumber): boolean;
  /** The page gets a copy of what a frame holds. */
  copy(index: number, source: FrameNumber): void;
  /** A frame of the host takes over what the page holds, until the migration fails. False: it cannot now. */
  giveHome(index: number, frame: FrameNumber): boolean;
  /** Nobody needs the page any more. */
  free(index: number): void;
}

/** Faults that tests put into a device. */
export interface Injections {
  /** The next allocation fails (the command `fail-next-allocation`). */
  failAllocation: boolean;
  /** So many pages are still copied, then copies fail with an exception; −1: all are. */
  copiesLeft: number;
  /** The driver's last word on moves; null: it agrees to all. */
  decide: ((proposal: Proposal) => Verdict) | null;
}

/**
 * The test device: a device whose memory is an array (or what `store` says), whose engine is this program, and which does what the kernel's
 * HMM test driver does. Each `open` is a file descriptor of it: a mirror of one space.
 *
 * @example
 * ```ts
 * import { TestDevice } from "@hms/driver-test";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const process = host.createProcess();
 * const page = process.mmap({ pages: 4 });
 * const device = new TestDevice(host.core, { name: "dev0", kind: "private" });
 * using handle = device.open(process.space);
 * console.log(handle.run("migrate-to-device", page, 4).pages); // 4
 * ```
 */
export class TestDevice implements DeviceMemoryOps, Disposable {
  readonly core: Core;
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly evicts: boolean;
  readonly peers: boolean;
  readonly inject: Injections = { failAllocation: false, copiesLeft: -1, decide: null };
  readonly handles: Set<TestHandle> = new Set();
  readonly #allocator: FrameAllocator;
  readonly #slabs: (Uint8Array | null)[];
  readonly #store: DeviceStore | null;
  #hand = 0;

  constructor(core: Core, options: TestDeviceOptions) {
    const { name, kind } = options;
    const pages = options.pages ?? 65536;
    this.core = core;
    this.evicts = options.evicts ?? false;
    this.peers = options.peers ?? true;
    this.device = core.addDevice(name);
    // The kernel's driver keeps huge pages whole in private memory only.
    this.memory = this.device.addMemory({
      name: `${name} memory`,
      kind,
      pages,
      huge: kind === "private",
      ops: this,
    });
    this.#allocator = new FrameAllocator(pages);
    this.#slabs = new Array<Uint8Array | null>(Math.ceil(pages / HUGE_PAGES)).fill(null);
    this.#store = options.store?.(this.memory) ?? null;
  }

  /** Opens the device for a space: a mirror of all of it. Throws ENODEV, ESRCH. */
  open(space: Space): TestHandle {
    const handle = new TestHandle(this, space);
    this.handles.add(handle);
    return handle;
  }

  /** Pages that are not given out. */
  get available(): PageCount {
    return this.#allocator.available;
  }

  /** Moves everything home. True when nothing is left. */
  evictAll(): boolean {
    return this.device.gone || this.memory.evict(0, this.memory.pages, CAUSE.release).remaining === 0;
  }

  /** The device is gone without a warning. */
  disappear(): Disappearance {
    return this.device.disappear();
  }

  /** Closes every handle and takes the device away. Throws EBUSY when pages cannot go home. */
  close(): void {
    this.device.close();
    for (const handle of [...this.handles]) handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Gives the destinations their bytes: the driver's step of a migration into the device. */
  fill(migration: Migration): void {
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moving(i)) continue;
      const huge = migration.huge(i) || migration.wasHuge(i);
      const fails = this.#fails();
      if (migration.huge(i) && !fails && this.#fillHuge(migration, i)) {
        i += HUGE_PAGES - 1;
      } else if (migration.huge(i)) {
        // A huge allocation that fails falls back to single pages.
        this.#fillTwo(migration, i++);
      } else if (huge || !fails) {
        this.#fillPage(migration, i);
      }
    }
  }

  #fillHuge(migration: Migration, i: number): boolean {
    const index = this.#allocator.takeHuge();
    if (index < 0) return false;
    try {
      for (let k = 0; k < HUGE_PAGES; k++) this.#copied();
      this.#load(migration, i, index, HUGE_PAGES);
    } catch (error) {
      // What was allocated is given back if the copy fails.
      for (let k = 0; k < HUGE_PAGES; k++) this.#allocator.give(index + k);
      throw error;
    }
    for (let k = 0; k < HUGE_PAGES; k++) migration.setDestination(i + k, this.memory.base + index + k);
    return true;
  }

  /** Crosswise, so that single pages are never taken for a huge one because they happen to follow each other. */
  #fillTwo(migration: Migration, i: number): void {
    const first = this.#take();
    const second = this.#take();
    if (second < 0) {
      if (first >= 0) this.#fillWith(migration, i, first);
      return;
    }
    try {
      this.#fillWith(migration, i, second);
    } catch (error) {
      this.#allocator.give(first);
      throw error;
    }
    this.#fillWith(migration, i + 1, first);
  }

  #fillPage(migration: Migration, i: number): void {
    const index = this.#take();
    if (index >= 0) this.#fillWith(migration, i, index);
  }

  #fillWith(migration: Migration, i: number, index: number): void {
    try {
      this.#copied();
      if (!this.#load(migration, i, index, 1)) {
        this.#allocator.give(index);
        return;
      }
    } catch (error) {
      this.#allocator.give(index);
      throw error;
    }
    migration.setDestination(i, this.memory.base + index);
  }

  /** Pages of this memory get what the sources from `i` on hold. False: not now. */
  #load(migration: Migration, i: number, index: number, pages: PageCount): boolean {
    const source = migration.source(i);
    const store = this.#store;
    if (store === null) {
      const bytes = this.bytes(index, pages);
      if (source === NO_FRAME && pages > 1) bytes.fill(0);
      else migration.load(i, bytes);
      return true;
    }
    for (let k = 0; k < pages; k++) {
      const from = source === NO_FRAME ? NO_FRAME : source + k;
      if (migration.duplicate && from !== NO_FRAME) store.copy(index + k, from);
      else if (!store.adopt(index + k, from)) {
        for (let done = 0; done < k; done++) store.free(index + done);
        return false;
      }
    }
    return true;
  }

  #take(): number {
    const index = this.#allocator.take();
    if (index >= 0 || !this.evicts) return index;
    for (let tries = Math.ceil(this.memory.pages / EVICTION_BATCH); tries > 0; tries--) {
      const from = this.#hand;
      this.#hand = from + EVICTION_BATCH >= this.memory.pages ? 0 : from + EVICTION_BATCH;
      if (this.memory.evict(from, EVICTION_BATCH, CAUSE.eviction).moved > 0) break;
    }
    return this.#allocator.take();
  }

  /** Whether an allocation is to fail; once. */
  #fails(): boolean {
    const fails = this.inject.failAllocation;
    this.inject.failAllocation = false;
    return fails;
  }

  /** A page is copied; throws when that is to fail. */
  #copied(): void {
    const { inject } = this;
    if (inject.copiesLeft < 0) return;
    if (inject.copiesLeft === 0) {
      inject.copiesLeft = -1;
      throw new Error("the copy engine failed");
    }
    inject.copiesLeft--;
  }

  /** The bytes of pages that follow each other within 2 MiB. */
  bytes(index: number, pages: PageCount): Uint8Array {
    const start = (index % HUGE_PAGES) * PAGE_BYTES;
    return this.#slab(index).subarray(start, start + pages * PAGE_BYTES);
  }

  /** The 2 MiB that a page is in. */
  #slab(index: number): Uint8Array {
    const number = (index / HUGE_PAGES) | 0;
    let slab = this.#slabs[number] ?? null;
    if (slab === null) {
      // The last one may be shorter.
      slab = new Uint8Array(Math.min(HUGE_PAGES, this.memory.pages - number * HUGE_PAGES) * PAGE_BYTES);
      this.#slabs[number] = slab;
    }
    return slab;
  }

  // What the core asks of the driver.

  free(index: number): void {
    this.#store?.free(index);
    this.#allocator.give(index);
  }

  migrateToHost(migration: Migration): void {
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moving(i) || migration.destination(i) !== NO_FRAME) continue;
      const fails = this.#fails();
      if (migration.huge(i) && !fails && migration.takeHugeHostPage(i)) continue;
      if (migration.huge(i) || !fails) migration.takeHostPage(i);
    }
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moving(i) || migration.destination(i) === NO_FRAME) continue;
      this.#copied();
      const index = migration.source(i) - this.memory.base;
      if (this.#store === null) migration.store(i, this.bytes(index, 1));
      else if (this.#store.giveHome(index, migration.destination(i))) migration.adopted(i);
    }
  }

  migrateToDevice(migration: Migration): void {
    this.fill(migration);
  }

  moved(migration: Migration): void {
    if (migration.duplicate) return;
    for (const handle of this.handles) if (handle.space === migration.space) handle.mapMoved(migration);
  }

  read(index: number, offset: number, target: Uint8Array): void {
    if (this.#store !== null) {
      this.#store.read(index, offset, target);
      return;
    }
    const slab = this.#slab(index);
    const start = (index % HUGE_PAGES) * PAGE_BYTES + offset;
    if (target.length > FEW_BYTES) target.set(slab.subarray(start, start + target.length));
    else for (let i = 0; i < target.length; i++) target[i] = slab[start + i] ?? 0;
  }

  write(index: number, offset: number, source: Uint8Array): void {
    if (this.#store !== null) {
      this.#store.write(index, offset, source);
      return;
    }
    const slab = this.#slab(index);
    const start = (index % HUGE_PAGES) * PAGE_BYTES + offset;
    if (source.length > FEW_BYTES) slab.set(source, start);
    else for (let i = 0; i < source.length; i++) slab[start + i] = source[i] ?? 0;
  }

  decide(proposal: Proposal): Verdict {
    return this.inject.decide === null ? null : this.inject.decide(proposal);
  }

  reaches(other: DeviceMemory): boolean {
    return this.peers && other.ops instanceof TestDevice;
  }
}
