import { HmsError } from "@hms/topology";
import { CAUSE, type Cause, LOSS, LOSS_NAMES, type LossReason } from "./cause.ts";
import type { Core } from "./core.ts";
import type { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { EBUSY, EFAULT, EINVAL, type Errno, OK } from "./errno.ts";
import { LOCKED } from "./frame-table.ts";
import { collectFrames, collectRange, seizeElsewhere, splitRange } from "./migration-collect.ts";
import { commit, settle } from "./migration-commit.ts";
import {
  HAS_MOVED,
  IS_COPIED,
  IS_HUGE,
  IS_WRITABLE,
  MIGRATES,
  SELECT_PEERS,
  WAS_HUGE,
} from "./migration-status.ts";
import type { Region } from "./region.ts";
import type { Space } from "./space.ts";
import {
  FIRST_DEVICE_FRAME,
  type FrameNumber,
  HUGE_PAGES,
  isRange,
  NO_FRAME,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
} from "./units.ts";
import { recordHeld, refusals } from "./verdict.ts";

/** What a migration is set up with. */
export interface MigrationSetup {
  readonly space: Space;
  readonly first: PageIndex;
  readonly count: PageCount;
  /** `SELECT_…`, or several of them. */
  readonly select: number;
  /** Where to; null: the host's memory. */
  readonly to: DeviceMemory | null;
  /** Whose memory `SELECT_PRIVATE` and `SELECT_COHERENT` mean; default: the device the migration was made for. */
  readonly owner?: Device;
  /** Only pages of this memory of the owner; default: of any of them. */
  readonly from?: DeviceMemory;
  /** Memories whose drivers let nothing out; default: those of other devices that refuse when asked. */
  readonly refusing?: readonly DeviceMemory[];
  /** What `explain` says of the pages that move; default `CAUSE.migrate`. */
  readonly cause?: Cause;
  /** Leave the pages where they are, read-only, and put duplicates of them at the destination. */
  readonly duplicate?: boolean;
}

const IDLE = 0;
const COLLECTED = 1;
const COMMITTED = 2;

/**
 * Moves pages, in the three steps of the kernel's migrate_vma: `setup` takes the selected pages out of every page
 * table; then the driver gives each page that is `moving` a destination and copies its bytes; `pages` puts those in
 * place; the driver maps what has `moved`; `finalize` puts the others back. Best effort throughout: `reason` says why
 * a page did not move. Others may run during `setup`, `load`, `store` and `takeHostPages`, not between `pages` and
 * `finalize`.
 *
 * Columns, made once: a migration is used again and again, and serves one range at a time.
 *
 * @example
 * ```ts
 * import { TestDevice } from "@hms/driver-test";
 * import { SELECT_SYSTEM } from "@hms/hmm";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const process = host.createProcess();
 * const first = process.mmap({ pages: 4 });
 * const driver = new TestDevice(host.core, { name: "dev0", kind: "coherent", pages: 64 });
 * const migration = driver.device.migration(4);
 * const errno = migration.setup({ space: process.space, first, count: 4, select: SELECT_SYSTEM, to: driver.memory });
 * if (errno === 0) {
 *   driver.fill(migration); // the driver's step: a destination and the bytes of each page that is moving
 *   migration.pages();
 *   console.log(migration.movedCount, migration.moved(3)); // 4 true
 *   migration.finalize();
 * }
 * ```
 */
export class Migration {
  readonly core: Core;
  /** The device whose driver runs it; null: the core. */
  readonly device: Device | null;
  readonly capacity: PageCount;
  /** Where each page is; NO_FRAME when nothing is there yet. */
  readonly sources: Uint32Array;
  readonly destinations: Uint32Array;
  readonly status: Uint8Array;
  readonly reasons: Uint8Array;
  /** The space of the range; null when pages are taken by frame (eviction). */
  space: Space | null = null;
  region: Region | null = null;
  first: PageIndex = 0;
  count: PageCount = 0;
  select = 0;
  to: DeviceMemory | null = null;
  owner: Device | null = null;
  from: DeviceMemory | null = null;
  /** Memories whose drivers let nothing out this time. */
  refusing: readonly DeviceMemory[] = [];
  cause: Cause = CAUSE.none;
  duplicate = false;
  /** While the pages of a huge page are taken together, its memory need not be split. */
  takingHuge = false;
  /** First pages of the 2 MiB pages that the set up split. */
  readonly splitHeads: PageIndex[] = [];
  /** Pages that `setup` took. */
  collected: PageCount = 0;
  /** Pages that moved. */
  movedCount: PageCount = 0;
  #stage = IDLE;

  /** `Device.migration` makes them. */
  constructor(core: Core, device: Device | null, capacity: PageCount) {
    this.core = core;
    this.device = device;
    this.capacity = capacity;
    this.sources = new Uint32Array(capacity);
    this.destinations = new Uint32Array(capacity);
    this.status = new Uint8Array(capacity);
    this.reasons = new Uint8Array(capacity);
  }

  /** Whether it is between `setup` and `finalize`. */
  get active(): boolean {
    return this.#stage !== IDLE;
  }

  /** Whether it is set up and waits for destinations. */
  get filling(): boolean {
    return this.#stage === COLLECTED;
  }

  /**
   * Step 1. OK even if nothing could be taken. EINVAL: the range is not inside one region, or has no pages, or more
   * than the capacity, or the region's pages do not migrate (hugetlb, DAX, inserted pages, registers); EFAULT: the
   * space is gone; EBUSY: its regions are being changed. After an error nothing is under way. Throws EBUSY while
   * another range is under way, ENODEV when the destination is gone.
   */
  setup(ask: MigrationSetup): Errno {
    this.#expectStage(IDLE, "Setting up a migration");
    const { space, first, count, to } = ask;
    if (!isRange(first, count) || count > this.capacity) return EINVAL;
    if (space.closed) return EFAULT;
    to?.device.expectPresent(`Migrating to ${to.name}`);
    if (!space.tryRead()) return EBUSY;
    const region = space.regions.at(first);
    if (region === null || first + count > region.end || !region.migratable) {
      space.endRead();
      return EINVAL;
    }
    this.#begin(count, to, ask.cause ?? CAUSE.migrate);
    this.space = space;
    this.region = region;
    this.first = first;
    this.select = ask.select;
    this.owner = ask.owner ?? this.device;
    this.from = ask.from ?? null;
    this.refusing = ask.refusing ?? this.#refusals(space, ask);
    this.duplicate = ask.duplicate ?? false;
    splitRange(this, space);
    const reason = this.duplicate ? "protection-page" : "migrate";
    space.invalidate(first, first + count, reason, this.duplicate ? null : this.device);
    collectRange(this, space, region);
    space.invalidated(first, first + count);
    seizeElsewhere(this);
    recordHeld(this, space);
    this.#collected();
    return OK;
  }

  /** Other devices' drivers are asked before their pages are taken. */
  #refusals(space: Space, ask: MigrationSetup): readonly DeviceMemory[] {
    if ((ask.select & SELECT_PEERS) === 0) return [];
    const { first, count, to } = ask;
    return refusals({ space, first, count, cause: this.cause, other: to }, this.owner);
  }

  /** Step 1 by pages of a memory instead of a range (the kernel's migrate_device_range). */
  setupFrames(memory: DeviceMemory, index: number, count: PageCount, cause: Cause): void {
    this.#expectStage(IDLE, "Setting up an eviction");
    this.#begin(Math.min(count, this.capacity), null, cause);
    this.space = null;
    this.region = null;
    this.first = index;
    this.owner = memory.device;
    this.from = memory;
    this.refusing = [];
    this.duplicate = false;
    collectFrames(this, memory, index);
    seizeElsewhere(this);
    this.#collected();
  }

  #begin(count: PageCount, to: DeviceMemory | null, cause: Cause): void {
    this.count = count;
    this.to = to;
    this.cause = cause;
    this.collected = 0;
    this.movedCount = 0;
    this.splitHeads.length = 0;
    this.sources.fill(NO_FRAME, 0, count);
    this.destinations.fill(NO_FRAME, 0, count);
    this.status.fill(0, 0, count);
    this.reasons.fill(LOSS.absent, 0, count);
    this.core.migrating++;
    this.#stage = COLLECTED;
  }

  #collected(): void {
    const { host } = this.core;
    if (this.space !== null) host.sync(this.space, this.first, this.count);
    host.yield("migrate-collected");
  }

  /** Whether page `i` of the range still moves. */
  moving(i: number): boolean {
    return ((this.status[i] ?? 0) & MIGRATES) !== 0;
  }

  /** Where page `i` is now; NO_FRAME when its bytes are zeros that are nowhere. */
  source(i: number): FrameNumber {
    return this.sources[i] ?? NO_FRAME;
  }

  destination(i: number): FrameNumber {
    return this.destinations[i] ?? NO_FRAME;
  }

  /** Whether page `i` may be written at its destination. */
  writable(i: number): boolean {
    return ((this.status[i] ?? 0) & IS_WRITABLE) !== 0;
  }

  /** Whether pages `i` to `i + 511` are one 2 MiB page, which 512 destinations that follow each other keep whole. */
  huge(i: number): boolean {
    return ((this.status[i] ?? 0) & IS_HUGE) !== 0;
  }

  /** Whether pages `i` to `i + 511` were one 2 MiB page, which was split because its destination cannot hold it whole. */
  wasHuge(i: number): boolean {
    return ((this.status[i] ?? 0) & WAS_HUGE) !== 0;
  }

  /** After `pages`: whether page `i` is at its destination. */
  moved(i: number): boolean {
    return ((this.status[i] ?? 0) & HAS_MOVED) !== 0 && this.reasons[i] === LOSS.none;
  }

  /** After `pages`: whether all of the range is at its destination. */
  get allMoved(): boolean {
    return this.movedCount === this.count;
  }

  /** How many pages from `i` on still move. */
  movingRun(i: number): PageCount {
    const { status, count } = this;
    let k = i;
    while (k < count && ((status[k] ?? 0) & MIGRATES) !== 0) k++;
    return k - i;
  }

  /** After `pages`: how many pages from `i` on are at their destinations, and may be written there, or not, as that one. */
  movedRun(i: number): PageCount {
    const { status, reasons, count } = this;
    const alike = HAS_MOVED | ((status[i] ?? 0) & IS_WRITABLE);
    let k = i;
    while (k < count && ((status[k] ?? 0) & (HAS_MOVED | IS_WRITABLE)) === alike && reasons[k] === LOSS.none)
      k++;
    return k - i;
  }

  /** Why page `i` did not move (`LOSS`); `LOSS.none` when it did or still may. */
  reason(i: number): LossReason {
    return this.reasons[i] ?? LOSS.absent;
  }

  /** The reason in words. */
  reasonName(i: number): string {
    return LOSS_NAMES[this.reason(i)] ?? "unknown";
  }

  /**
   * The destination of page `i` (and of `count − 1` that follow, in frames that follow), in the memory that the
   * migration goes to; its bytes are there. Throws EINVAL for a page that does not move or a frame of another memory,
   * EBUSY for a frame that is in use, ENODEV when the memory is gone.
   */
  setDestination(i: number, frame: FrameNumber, count: PageCount = 1): void {
    const { to } = this;
    if (to !== null) to.device.expectPresent(`Setting the destination of page ${i}`);
    const run = to === null ? 0 : this.#setDestinations(to, i, frame, count);
    for (let k = run; k < count; k++) this.#setDestination(to, i + k, frame + k);
  }

  /** The same for as many as nothing is wrong with. */
  #setDestinations(to: DeviceMemory, i: number, frame: FrameNumber, count: PageCount): PageCount {
    if (this.#stage !== COLLECTED || !to.holds(frame) || !to.holds(frame + count - 1)) return 0;
    const { destinations, status } = this;
    const { mapCount, pins, state } = to.frames;
    const index = frame - to.base;
    const begin = frame | 0;
    const most = Math.min(count, this.count - i);
    let k = 0;
    for (; k < most; k++) {
      const at = index + k;
      if (((status[i + k] ?? 0) & MIGRATES) === 0 || destinations[i + k] !== NO_FRAME) break;
      if (mapCount[at] !== 0 || pins[at] !== 0 || state[at] !== 0) break;
      state[at] = LOCKED;
      destinations[i + k] = (begin + k) | 0;
      status[i + k] = (status[i + k] ?? 0) | IS_COPIED;
    }
    return k;
  }

  #setDestination(to: DeviceMemory | null, i: number, frame: FrameNumber): void {
    this.#expectMoving(i);
    if (to?.holds(frame) !== true) foreignPage(to, i, frame);
    const index = frame - to.base;
    if (!to.frames.unused(index)) pageInUse(to, i, index);
    if (this.destinations[i] !== NO_FRAME)
      throw new HmsError("DESTINATION_SET", "EINVAL", `Page ${i} has a destination already.`);
    to.frames.set(index, LOCKED);
    this.destinations[i] = frame;
    this.status[i] = (this.status[i] ?? 0) | IS_COPIED;
  }

  /** The driver leaves pages from `i` on without a destination, and says why; what it says nothing of is `LOSS.driverLeft`. */
  leave(i: number, count: PageCount, why: LossReason): void {
    for (let k = i; k < i + count; k++)
      if (this.moving(k) && this.destinations[k] === NO_FRAME) this.reasons[k] = why;
  }

  /**
   * Takes host memory for each page that moves and has no destination: 2 MiB at once where the source is one page of
   * 2 MiB (unless `huge` is false). Returns for how many there was none.
   */
  takeHostPages(options?: { huge?: boolean }): PageCount {
    let missing = 0;
    for (let i = 0; i < this.count; i++) {
      if (!this.moving(i) || this.destination(i) !== NO_FRAME) continue;
      if (this.huge(i) && options?.huge !== false && this.takeHugeHostPage(i)) continue;
      const run = this.#takeHostRun(i);
      if (run > 0) i += run - 1;
      else if (!this.takeHostPage(i)) missing++;
    }
    return missing;
  }

  /** Host memory for page `i` and those after it that move too; for how many there was some at once. */
  #takeHostRun(i: number): PageCount {
    const { host, memories } = this.core;
    if (this.space === null || this.to !== null || host.allocateRun === undefined) return 0;
    const { destinations } = this;
    const { state } = memories.host;
    const most = this.movingRun(i);
    let count = 1;
    while (count < most && destinations[i + count] === NO_FRAME) count++;
    if (count === 1) return 0;
    const got = host.allocateRun(this.space, count, destinations, i);
    for (let k = i; k < i + got; k++) {
      const frame = destinations[k] ?? 0;
      state[frame] = (state[frame] ?? 0) | LOCKED;
    }
    return got;
  }

  /** Takes host memory for page `i`; false when there is none. */
  takeHostPage(i: number): boolean {
    this.#expectHome(i);
    const frame = this.core.host.allocate(this.#spaceOf(i), false);
    if (frame === NO_FRAME) {
      this.reasons[i] = LOSS.noMemory;
      return false;
    }
    this.core.memories.host.set(frame, LOCKED);
    this.destinations[i] = frame;
    return true;
  }

  /** Takes 2 MiB of host memory at once for pages `i` to `i + 511`, which are `huge`; false when there is none. */
  takeHugeHostPage(i: number): boolean {
    this.#expectHome(i);
    if (!this.huge(i))
      throw new HmsError("NOT_HUGE", "EINVAL", `Page ${i} of the migration does not begin a huge page.`);
    const frame = this.core.host.allocate(this.#spaceOf(i), true);
    if (frame === NO_FRAME) return false;
    for (let k = 0; k < HUGE_PAGES; k++) {
      this.core.memories.host.set(frame + k, LOCKED);
      this.destinations[i + k] = frame + k;
    }
    return true;
  }

  /** Whom the memory for page `i` is for; null when nobody maps it any more. */
  #spaceOf(i: number): Space | null {
    if (this.space !== null) return this.space;
    const frames = this.core.memories.tableOf(this.source(i));
    const index = this.source(i) - frames.base;
    return (frames.mapCount[index] ?? 0) > 0 ? this.core.space(frames.spaceOf(index)) : null;
  }

  /** Reads the bytes of page `i` (zeros for a fresh one); a longer `target` reads on while the sources follow each other. */
  load(i: number, target: Uint8Array): void {
    this.#expectRun(i, target.length, this.sources);
    const source = this.source(i);
    if (source === NO_FRAME) target.fill(0);
    else this.core.read(source, 0, target, this.device ?? this.to?.device ?? null);
    this.core.host.yield("migrate-copy");
  }

  /**
   * Writes the bytes of page `i` to the host page it goes to; a longer `source` while the destinations follow each
   * other. Throws ENODEV when the device they come from is gone.
   */
  store(i: number, source: Uint8Array): void {
    this.#expectRun(i, source.length, this.destinations);
    const frame = this.destination(i);
    // What a device says that has disappeared is not to be trusted.
    if (this.source(i) >= FIRST_DEVICE_FRAME && this.source(i) !== NO_FRAME)
      this.core.present(this.source(i));
    if (frame >= FIRST_DEVICE_FRAME) {
      throw new HmsError(
        "NO_HOST_PAGE",
        "EINVAL",
        `Storing page ${i} failed: it has no host page (takeHostPages).`,
      );
    }
    this.core.host.write(frame, 0, source, this.device ?? this.owner);
    for (let k = i; k < i + source.length / PAGE_BYTES; k++)
      this.status[k] = (this.status[k] ?? 0) | IS_COPIED;
    this.core.host.yield("migrate-copy");
  }

  /**
   * The bytes of page `i` (and of `count − 1` that follow) are at the host page it goes to, put there otherwise than by
   * `store` (a host that moves them without a copy). Throws ENODEV when the device they come from is gone.
   */
  adopted(i: number, count: PageCount = 1): void {
    const run = this.#adoptedRun(i, count);
    for (let k = i + run; k < i + count; k++) this.#adopted(k);
  }

  /** The same for as many as nothing is wrong with, of one memory. */
  #adoptedRun(i: number, count: PageCount): PageCount {
    const { sources, destinations, status } = this;
    const first = sources[i] ?? NO_FRAME;
    if (this.#stage !== COLLECTED || first === NO_FRAME) return 0;
    const from = this.core.memories.deviceOf(first);
    if (from === null || from.gone) return 0;
    const { base, pages } = from;
    const stop = Math.min(i + count, this.count);
    let k = i;
    for (; k < stop; k++) {
      const source = sources[k] ?? 0;
      if (((status[k] ?? 0) & MIGRATES) === 0 || source < base || source >= base + pages) break;
      if ((destinations[k] ?? 0) >= FIRST_DEVICE_FRAME) break;
      status[k] = (status[k] ?? 0) | IS_COPIED;
    }
    return k - i;
  }

  #adopted(i: number): void {
    this.#expectMoving(i);
    if (this.source(i) >= FIRST_DEVICE_FRAME && this.source(i) !== NO_FRAME)
      this.core.present(this.source(i));
    if (this.destination(i) >= FIRST_DEVICE_FRAME) {
      throw new HmsError(
        "NO_HOST_PAGE",
        "EINVAL",
        `Adopting page ${i} failed: it has no host page (takeHostPages).`,
      );
    }
    this.status[i] = (this.status[i] ?? 0) | IS_COPIED;
  }

  /** Step 3: puts the pages with a destination in its place. Best effort: ask `moved` and `reason`. */
  pages(): void {
    this.#expectStage(COLLECTED, "Committing a migration");
    this.core.host.yield("migrate-filled");
    this.#stage = COMMITTED;
    this.#commit();
  }

  /** What was nothing or the page of zeros was never taken away: whoever sees zeros there has to be told. */
  #commit(): void {
    const { space, first, count } = this;
    const tell = space !== null && this.#bringsFresh();
    if (tell) space.invalidate(first, first + count, "migrate", this.device);
    commit(this);
    if (tell) space.invalidated(first, first + count);
  }

  #bringsFresh(): boolean {
    const { count, destinations, sources, status } = this;
    for (let i = 0; i < count; i++) {
      if (sources[i] !== NO_FRAME || destinations[i] === NO_FRAME) continue;
      if (((status[i] ?? 0) & MIGRATES) !== 0) return true;
    }
    return false;
  }

  /** Step 5: puts back what did not move, gives up what moved away, and ends the migration. */
  finalize(): void {
    this.#expectStage(COMMITTED, "Finalizing a migration");
    if (this.core.onMoved !== null && this.movedCount > 0) this.core.onMoved(this);
    settle(this);
    this.#stage = IDLE;
    this.core.migrating--;
    this.space?.endRead();
    this.core.host.yield("migrated");
  }

  /** Gives the migration up from wherever it is: every page stays where it was. */
  abort(): void {
    if (this.#stage === IDLE) return;
    if (this.#stage === COLLECTED) {
      this.#stage = COMMITTED;
      for (let i = 0; i < this.count; i++) {
        if (!this.moving(i) || this.#mustKeep(i)) continue;
        this.status[i] = (this.status[i] ?? 0) & ~MIGRATES;
        this.reasons[i] = LOSS.aborted;
      }
      this.#commit();
    }
    this.finalize();
  }

  /** A page whose bytes are home already and whose old place is gone is kept, whatever else fails. */
  #mustKeep(i: number): boolean {
    const source = this.source(i);
    if (source === NO_FRAME || ((this.status[i] ?? 0) & IS_COPIED) === 0) return false;
    return this.core.memories.deviceOf(source)?.gone === true;
  }

  #expectStage(stage: number, action: string): void {
    if (this.#stage === stage) return;
    const is = ["idle", "set up", "committed"];
    throw new HmsError(
      "MIGRATION_STEP",
      "EBUSY",
      `${action} failed: it must be ${is[stage]}, but is ${is[this.#stage]}. The steps are setup, pages, finalize.`,
    );
  }

  #expectMoving(i: number): void {
    if (this.#stage === COLLECTED && this.moving(i)) return;
    throw new HmsError("NOT_MOVING", "EINVAL", `Page ${i} of the migration does not move, or not now.`);
  }

  #expectHome(i: number): void {
    this.#expectMoving(i);
    if (this.to === null) return;
    throw new HmsError(
      "WRONG_DIRECTION",
      "EINVAL",
      `Taking a host page for page ${i} failed: the migration goes to ${this.to.name} (setDestination).`,
    );
  }

  #expectRun(i: number, bytes: number, frames: Uint32Array): void {
    this.#expectMoving(i);
    const pages = bytes / PAGE_BYTES;
    let fits = Number.isInteger(pages) && pages >= 1 && i + pages <= this.count;
    const frame = frames[i] ?? NO_FRAME;
    for (let k = 1; fits && k < pages; k++) {
      fits = this.moving(i + k) && frames[i + k] === (frame === NO_FRAME ? NO_FRAME : frame + k);
    }
    if (fits) return;
    throw new HmsError(
      "BAD_COPY",
      "EINVAL",
      `Copying ${bytes} bytes from page ${i} on failed: whole pages that move and follow each other in memory are needed.`,
    );
  }
}

function foreignPage(to: DeviceMemory | null, i: number, frame: FrameNumber): never {
  throw new HmsError(
    "FOREIGN_PAGE",
    "EINVAL",
    `Setting the destination of page ${i} failed: frame ${frame} is not in ${to === null ? "a device's memory, but the pages go to the host (takeHostPages)" : to.name}.`,
  );
}

function pageInUse(to: DeviceMemory, i: number, index: number): never {
  throw new HmsError(
    "PAGE_IN_USE",
    "EBUSY",
    `Setting the destination of page ${i} failed: page ${index} of ${to.name} is in use. Take a free one.`,
  );
}
