// A driver of hms from nothing: the "scratchpad", a device with memory of its own and a page table.
// docs/guides/writing-a-driver.md walks through it; test/hmm/example-driver.test.ts runs the conformance cases on it.
import {
  type Core,
  type Device,
  type DeviceMemory,
  type DeviceMemoryKind,
  type DeviceMemoryOps,
  DeviceTable,
  EBUSY,
  type Errno,
  FaultRange,
  FrameAllocator,
  type Invalidation,
  MAY_READ,
  MAY_WRITE,
  type Migration,
  type Mirror,
  type MirrorOps,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  REQUEST_FAULT,
  REQUEST_WRITE,
  type Space,
  WRITABLE,
} from "@hms/hmm";

/** How often a page may be taken away before it is used. */
const ATTEMPTS_MAX = 100;

/** The device: its memory, which it alone allocates, and what the core asks of it. */
export class Scratchpad implements DeviceMemoryOps {
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly views = new Set<ScratchpadView>();
  readonly #bytes: Uint8Array;
  readonly #free: FrameAllocator;
  /** The next allocation fails, as allocations do when a device is full. */
  failOnce = false;

  constructor(core: Core, name: string, kind: DeviceMemoryKind, pages: number) {
    this.#bytes = new Uint8Array(pages * PAGE_BYTES);
    this.#free = new FrameAllocator(pages);
    this.device = core.addDevice(name);
    this.memory = this.device.addMemory({ name: `${name} memory`, kind, pages, ops: this });
  }

  // Pages come in: memory for each, its bytes, and then the core is told where it is.
  migrateToDevice(migration: Migration): void {
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moving(i)) continue;
      const index = this.#allocate(migration.wasHuge(i));
      if (index < 0) continue;
      migration.load(i, this.#page(index));
      migration.setDestination(i, this.memory.base + index);
    }
  }

  // Pages go home: host memory for each, and its bytes.
  migrateToHost(migration: Migration): void {
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moving(i) || this.#fails() || !migration.takeHostPage(i)) continue;
      migration.store(i, this.#page(migration.source(i) - this.memory.base));
    }
  }

  // Someone else moved pages in: whoever watches that space may as well have them in its table.
  moved(migration: Migration): void {
    for (const view of this.views) if (view.mirror.space === migration.space) view.add(migration);
  }

  // Nobody needs the page any more.
  free(index: number): void {
    this.#free.give(index);
  }

  // A CPU reads and writes the page where it is (coherent memory), or another device does.
  read(index: number, offset: number, target: Uint8Array): void {
    target.set(this.#page(index).subarray(offset, offset + target.length));
  }

  write(index: number, offset: number, source: Uint8Array): void {
    this.#page(index).set(source, offset);
  }

  #page(index: number): Uint8Array {
    return this.#bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
  }

  /** A free page, −1 when there is none. What was to be one block of 2 MiB becomes single pages when that fails. */
  #allocate(wasHuge: boolean): number {
    return this.#fails() && !wasHuge ? -1 : this.#free.take();
  }

  #fails(): boolean {
    const fails = this.failOnce;
    this.failOnce = false;
    return fails;
  }
}

/** The device's view of one space: a page table that the core's invalidations keep true. */
export class ScratchpadView implements MirrorOps {
  readonly pad: Scratchpad;
  readonly table = new DeviceTable();
  readonly mirror: Mirror;

  constructor(pad: Scratchpad, space: Space) {
    this.pad = pad;
    this.mirror = pad.device.mirror(space, this);
    pad.views.add(this);
  }

  // Something is about to change: forget it. (What our own migrations take is dropped where they are made.)
  invalidate(event: Invalidation): boolean {
    const own = event.reason === "migrate" && event.owner === this.pad.device;
    if (!own) this.table.clear(event.first, event.end);
    return true;
  }

  // What we asked for is there.
  map(range: FaultRange): void {
    for (let i = 0; i < range.count; i++) {
      const frame = range.frameOf(i);
      const writable = ((range.results[i] ?? 0) & WRITABLE) !== 0;
      if (frame !== NO_FRAME) this.table.set(range.first + i, frame, writable ? MAY_WRITE : MAY_READ);
    }
  }

  // Pages that moved into our memory.
  add(migration: Migration): void {
    if (!this.mirror.mayMap) return;
    for (let i = 0; i < migration.count; i++) {
      const right = migration.writable(i) ? MAY_WRITE : MAY_READ;
      if (migration.moved(i)) this.table.set(migration.first + i, migration.destination(i), right);
    }
  }

  /** The device adds `value` to every byte of a page, as a kernel that runs on it would. */
  increase(page: number, value: number): Errno {
    const { core } = this.pad.device;
    const bytes = new Uint8Array(PAGE_BYTES);
    for (let attempt = 0; this.table.right(page) !== MAY_WRITE; attempt++) {
      const errno = attempt === ATTEMPTS_MAX ? EBUSY : this.#fault(page);
      if (errno !== OK) return errno;
    }
    const frame = this.table.frame(page);
    core.read(frame, 0, bytes, this.pad.device);
    for (let i = 0; i < PAGE_BYTES; i++) bytes[i] = (bytes[i] ?? 0) + value;
    core.write(frame, 0, bytes, this.pad.device);
    return OK;
  }

  /** A page that the table does not have, or not with the right that is needed. */
  #fault(page: number): Errno {
    const range = new FaultRange(1);
    range.set({ first: page, count: 1, request: REQUEST_FAULT | REQUEST_WRITE });
    return this.mirror.populate(range);
  }

  close(): void {
    this.pad.views.delete(this);
    this.mirror.close();
    this.table.clear(0, NO_FRAME);
  }
}
