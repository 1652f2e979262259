import {
  type Core,
  type Device,
  type DeviceMemory,
  type DeviceMemoryOps,
  FIRST_DEVICE_FRAME,
  FrameAllocator,
  type FrameNumber,
  HUGE_PAGES,
  LOSS,
  type Migration,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
} from "@hms/hmm";
import type { VictimName } from "@hms/policy";
import { HmsError } from "@hms/topology";
import type { Refused } from "./layout.ts";
import type { DevicePlacer, MemoryShares } from "./placer.ts";
import type { Backing, Platform } from "./platform.ts";
import { type Stays, Victims } from "./victims.ts";
import { type Declared, SpaceView } from "./view.ts";

/** The least memory: one instruction can touch a few pages at once, and pages that were just used must not go for them. */
const MEMORY_PAGES_MIN: PageCount = 16;
/** The least memory of an accelerator, in bytes. */
export const MEMORY_BYTES_MIN: number = MEMORY_PAGES_MIN * PAGE_BYTES;
/** Pages that go home at once when there is no room: a part of the memory, at most this many. */
const EVICT_AT_ONCE: PageCount = 256;

/** A touch of the device that was answered with an error. */
export interface FailedFault {
  readonly region: number;
  /** Page in the region, and in the space. */
  readonly offset: PageCount;
  readonly page: PageIndex;
  readonly write: boolean;
  readonly why: Refused;
}

/** Told of device faults. */
export interface FaultWatch {
  faulted(space: Space): void;
  failedFault(failed: FailedFault): void;
}

/** The device's memory: private to it, memory of this machine really, so that pages move in and out without a copy. */
export class AccelMemory implements DeviceMemoryOps {
  readonly device: Device;
  readonly memory: DeviceMemory;
  readonly platform: Platform;
  readonly views: Map<Space, SpaceView> = new Map();
  readonly #core: Core;
  readonly #backing: Backing;
  readonly #free: FrameAllocator;
  readonly #victims: Victims;
  readonly #watch: FaultWatch;
  /** Knows where pages should be that the device touches; null: nobody does. */
  placer: DevicePlacer | null = null;
  #evicting = false;
  evicted = 0;

  constructor(
    core: Core,
    platform: Platform,
    name: string,
    bytes: number,
    watch: FaultWatch,
    victims?: VictimName,
  ) {
    const pages = Math.floor(bytes / PAGE_BYTES);
    if (!Number.isSafeInteger(bytes) || pages < MEMORY_PAGES_MIN) {
      throw new HmsError(
        "BAD_MEMORY_SIZE",
        "EINVAL",
        `Adding ${name} failed: its memory must be at least ${MEMORY_BYTES_MIN} bytes, not ${bytes}.`,
      );
    }
    this.#core = core;
    this.platform = platform;
    this.#watch = watch;
    this.device = core.addDevice(name);
    this.memory = this.device.addMemory({ name: `${name} memory`, kind: "private", pages, ops: this });
    this.#backing = platform.back(this.memory);
    this.#free = new FrameAllocator(pages);
    this.#victims = new Victims(this.memory, (index) => this.#forget(index), victims);
  }

  /** The device's view of a space, opened when it is first asked for. */
  view(space: Space, declared: Declared): SpaceView {
    let view = this.views.get(space);
    if (view === undefined) {
      view = new SpaceView(this, space, declared);
      this.views.set(space, view);
    }
    return view;
  }

  /** Nobody needs the view any more; its windows are closed. */
  closeView(view: SpaceView): void {
    if (this.views.get(view.space) === view) this.views.delete(view.space);
    view.mirror.close();
  }

  /** Pages that are not given out. */
  get available(): PageCount {
    return this.#free.available;
  }

  faulted(space: Space): void {
    this.#watch.faulted(space);
  }

  failedFault(failed: FailedFault): void {
    this.#watch.failedFault(failed);
  }

  /** Frames were put into the device's table. */
  used(frames: Uint32Array, from: number, count: PageCount): void {
    const { base, pages } = this.memory;
    for (let i = from; i < from + count; ) {
      const index = (frames[i] ?? 0) - base;
      let run = 1;
      if (index >= 0 && index < pages) {
        const most = Math.min(from + count - i, pages - index);
        while (run < most && frames[i + run] === base + index + run) run++;
        this.#victims.use(index, run);
      }
      i += run;
    }
  }

  /** The device's translations of a page of its memory go; the page stays. */
  #forget(index: number): void {
    const { frames } = this.memory;
    if ((frames.mapCount[index] ?? 0) === 0) return;
    const page = frames.pageOf(index);
    const view = this.views.get(this.#core.space(frames.spaceOf(index)));
    if (view?.table.frame(page) === this.memory.base + index) view.forget(page, page + 1);
    for (const mapping of frames.further(index) ?? []) {
      this.views.get(this.#core.space(mapping.space))?.forget(mapping.page, mapping.page + 1);
    }
  }

  /** How spaces share this memory; null: nobody has a share of it. */
  get shares(): MemoryShares | null {
    return this.placer?.shares(this.memory) ?? null;
  }

  /** Up to `count` free pages that follow each other (`#free.got`); if there is none, others go home first. −1: none can. */
  #take(count: PageCount): number {
    const index = this.#free.takeRun(count);
    if (index >= 0 || this.#evicting) return index;
    this.#evict(null, null);
    return this.#free.takeRun(count);
  }

  /**
   * The same for a space where there are shares, and it has taken `taken` already. While it may have more, pages of spaces
   * go home that have more than they are sure of; then its own.
   */
  #takeShared(count: PageCount, shares: MemoryShares, space: Space, taken: PageCount): number {
    const take = (): number => {
      const most = Math.min(count, shares.room(space) - taken);
      return most < 1 ? -1 : this.#free.takeRun(most);
    };
    const index = take();
    if (index >= 0 || this.#evicting) return index;
    if (this.pagesOf(space) + taken >= shares.most(space)) this.#evict(null, space);
    else this.#evict((other) => other !== space.id && !shares.yields(this.#core.space(other)), null);
    return take();
  }

  /** Pages that a space has here. */
  pagesOf({ table }: Space): PageCount {
    return table.counts[this.memory.place] ?? 0;
  }

  /** Sends home what was not used lately, but for pages of spaces that stay; or of one space only. */
  #evict(stays: Stays | null, only: Space | null): void {
    const whole = only === null ? this.memory.pages : this.pagesOf(only);
    if (whole === 0) return;
    this.#evicting = true;
    try {
      const part = Math.max(1, Math.min(EVICT_AT_ONCE, whole >> 3));
      this.evicted += only === null ? this.#victims.evict(part, stays) : this.#victims.evictOf(only.id, part);
    } finally {
      this.#evicting = false;
    }
  }

  // What the core asks of the driver.

  migrateToDevice(migration: Migration): void {
    this.#dropMoving(migration);
    const { space } = migration;
    const shares = space === null ? null : this.shares;
    let taken = 0;
    for (let i = 0; i < migration.count; ) {
      let run = Math.min(HUGE_PAGES, migration.movingRun(i));
      if (run === 0) {
        i++;
        continue;
      }
      const index =
        shares === null || space === null ? this.#take(run) : this.#takeShared(run, shares, space, taken);
      if (index < 0) {
        if (shares !== null && space !== null && this.pagesOf(space) + taken >= shares.most(space))
          migration.leave(i, migration.count - i, LOSS.limit);
        return;
      }
      run = this.#free.got;
      this.#fillRun(migration, i, index, run);
      taken += run;
      i += run;
    }
  }

  /** As many pages together as lie in the host's memory; the others one by one. */
  #fillRun(migration: Migration, i: number, index: number, count: PageCount): void {
    let done = 0;
    try {
      while (done < count) {
        const run = migration.duplicate
          ? 0
          : this.#backing.adoptRun(index + done, migration.sources, i + done, count - done);
        if (run > 0) {
          migration.setDestination(i + done, this.memory.base + index + done, run);
          done += run;
          continue;
        }
        if (this.#fill(migration, i + done, index + done))
          migration.setDestination(i + done, this.memory.base + index + done);
        else this.free(index + done);
        done++;
      }
    } finally {
      // After something was thrown.
      if (done < count) this.freeRun(index + done, count - done);
    }
  }

  #dropMoving(migration: Migration): void {
    if (migration.device !== this.device || migration.space === null) return;
    this.views.get(migration.space)?.dropMoving(migration);
  }

  #fill(migration: Migration, i: number, index: number): boolean {
    const source = migration.source(i);
    if (migration.duplicate && source !== NO_FRAME) {
      this.#backing.copy(index, source);
      return true;
    }
    if (source === NO_FRAME || source < FIRST_DEVICE_FRAME || this.#isOfAccel(source))
      return this.#backing.adopt(index, source);
    migration.load(i, this.#scratch);
    this.#backing.write(index, 0, this.#scratch);
    return true;
  }

  readonly #scratch = new Uint8Array(PAGE_BYTES);

  #isOfAccel(frame: FrameNumber): boolean {
    return this.#core.present(frame).ops instanceof AccelMemory;
  }

  migrateToHost(migration: Migration): void {
    this.#dropMoving(migration);
    migration.takeHostPages({ huge: false });
    for (let i = 0; i < migration.count; ) {
      const frame = migration.destination(i);
      if (!migration.moving(i) || frame === NO_FRAME) {
        i++;
        continue;
      }
      const count = followers(migration, i);
      const run = this.#backing.giveHomeRun(migration.sources, i, count, frame);
      if (run > 0) migration.adopted(i, run);
      else if (this.#backing.giveHome(migration.source(i) - this.memory.base, frame)) migration.adopted(i);
      i += Math.max(1, run);
    }
  }

  moved(migration: Migration): void {
    if (migration.duplicate || migration.space === null) return;
    this.views.get(migration.space)?.moved(migration);
  }

  free(index: number): void {
    this.freeRun(index, 1);
  }

  freeRun(index: number, count: PageCount): void {
    this.#victims.free(index, count);
    this.#backing.freeRun(index, count);
    this.#free.giveRun(index, count);
  }

  read(index: number, offset: number, target: Uint8Array): void {
    this.#backing.read(index, offset, target);
  }

  write(index: number, offset: number, source: Uint8Array): void {
    this.#backing.write(index, offset, source);
  }

  reaches(other: DeviceMemory): boolean {
    return other.ops instanceof AccelMemory;
  }

  /** Takes the memory and the device away; what is in it goes home. Throws EBUSY when something cannot. */
  close(): void {
    this.device.close();
    this.views.clear();
    this.#backing[Symbol.dispose]();
  }
}

/** How many pages from `i` on move to frames that follow each other. */
function followers(migration: Migration, i: number): PageCount {
  const { destinations } = migration;
  const frame = destinations[i] ?? NO_FRAME;
  const most = migration.movingRun(i);
  let count = 1;
  while (count < most && destinations[i + count] === frame + count) count++;
  return count;
}
