import {
  CAUSE,
  type Device,
  type DeviceMemory,
  type DeviceTable,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  ENODEV,
  ENOENT,
  EPERM,
  type Errno,
  ExclusiveRange,
  errnoOf,
  FaultRange,
  HUGE_PAGES,
  isRange,
  MAY_ATOMIC,
  MAY_READ,
  MAY_WRITE,
  type Migration,
  type Mirror,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  REQUEST_FAULT,
  REQUEST_WRITE,
  RETRY_LIMIT,
  SELECT_COHERENT,
  SELECT_PRIVATE,
  SELECT_SYSTEM,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { CommandName, CommandResult } from "./face.ts";
import { snapshotCode } from "./snapshot.ts";

/** Pages that are faulted in, or taken exclusively, at once. */
const BATCH: PageCount = 64;

function failure(errno: Errno): CommandResult {
  return { errno, pages: 0, faults: 0 };
}

const NO_BYTES = new Uint8Array(0);

interface Work {
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly buffer: Uint8Array | null;
}

/**
 * What the nine commands need of a driver's view of a space. Whatever the driver, the suite of conformance cases runs
 * on it through them.
 */
export interface Commanded {
  readonly device: Device;
  readonly memory: DeviceMemory;
  /** Its `map` puts pages into `table`. */
  readonly mirror: Mirror;
  /** The device's page table. */
  readonly table: DeviceTable;
  /** The driver's next allocation (of its own or of host memory, for a migration) shall fail. */
  failNextAllocation(): void;
}

/** What one command works with; commands of two threads may be under way at the same time. */
class Kit {
  readonly range = new FaultRange(BATCH);
  readonly exclusive = new ExclusiveRange(BATCH);
  readonly migration: Migration;

  constructor(device: Device) {
    this.migration = device.migration(HUGE_PAGES);
  }
}

/** The nine commands of the kernel's HMM test driver, on any driver's view of a space. */
export class Commands {
  readonly #view: Commanded;
  readonly #kits: Kit[] = [];
  #migrations = 0;

  constructor(view: Commanded) {
    this.#view = view;
  }

  /**
   * Whether a migration is under way that was started here. Its invalidations a driver may pass over; those of another
   * handle of the same device it must obey.
   */
  get migrating(): boolean {
    return this.#migrations > 0;
  }

  /**
   * Runs one command as the kernel's driver does; throws nothing that a program can cause. Without a buffer nothing is
   * copied out, but everything else is done.
   */
  run(command: CommandName, first: PageIndex = 0, count: PageCount = 0, buffer?: Uint8Array): CommandResult {
    const { device, memory, mirror } = this.#view;
    if (device.gone || !mirror.open) return failure(ENODEV);
    if (command === "release") {
      return failure(memory.evict(0, memory.pages, CAUSE.release).remaining === 0 ? OK : EBUSY);
    }
    if (command === "fail-next-allocation") {
      this.#view.failNextAllocation();
      return failure(OK);
    }
    if (!isRange(first, count)) return failure(EINVAL);
    const bytes = command === "snapshot" ? count : command === "check-exclusive" ? 0 : count * PAGE_BYTES;
    const out = command !== "migrate-to-system" && buffer !== undefined;
    if (out && buffer.length < bytes) return failure(EFAULT);
    if (command === "write" && buffer === undefined) return failure(EFAULT);
    const kit = this.#kits.pop() ?? new Kit(device);
    try {
      return this.#dispatch(kit, command, { first, count, buffer: buffer ?? null });
    } catch (error) {
      // Another device that disappears under a page that this one maps: the page is lost, as the core is about to say.
      if (HmsError.is(error) && error.errno === "ENODEV" && !device.gone) return failure(EFAULT);
      if (HmsError.is(error)) return failure(errnoOf(error.errno));
      throw error;
    } finally {
      this.#kits.push(kit);
    }
  }

  #dispatch(kit: Kit, command: CommandName, { first, count, buffer }: Work): CommandResult {
    switch (command) {
      case "read":
        return this.#read(kit, first, count, buffer);
      case "write":
        return this.#write(kit, first, count, buffer ?? NO_BYTES);
      case "migrate-to-device":
        return this.#migration(() => this.#migrateToDevice(kit, first, count, buffer));
      case "migrate-to-system":
        return this.#migration(() => this.#migrateToSystem(kit, first, count));
      case "snapshot":
        return this.#snapshot(kit, first, count, buffer);
      case "exclusive":
        return this.#takeExclusive(kit, first, count, buffer);
      case "check-exclusive":
        return this.#checkExclusive(first, count);
      default:
        return failure(EINVAL);
    }
  }

  #read(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    if (this.#isMapped(first, count)) return this.#readBack(first, count, buffer);
    const bounce = buffer === null ? null : new Uint8Array(count * PAGE_BYTES);
    let faults = 0;
    for (let done = 0; ; ) {
      done = this.#readTable(first, done, count, bounce);
      if (done === count) break;
      const errno = this.#fault(kit, first + done, this.#window(faults, count - done), false);
      if (errno !== OK) return failure(errno);
      if (++faults > RETRY_LIMIT + count) return failure(EBUSY);
    }
    if (buffer !== null && bounce !== null) buffer.set(bounce);
    return { errno: OK, pages: count, faults };
  }

  /** All that is missing at first; less where memory is so small that what was faulted in is gone before it is used. */
  #window(faults: number, missing: PageCount): PageCount {
    return faults < 2 ? missing : Math.min(missing, faults < 4 ? BATCH : 1);
  }

  #write(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array): CommandResult {
    let faults = 0;
    for (let done = 0; ; ) {
      done = this.#writeTable(first, done, count, buffer);
      if (done === count) return { errno: OK, pages: count, faults };
      const errno = this.#fault(kit, first + done, this.#window(faults, count - done), true);
      if (errno !== OK) return failure(errno);
      if (++faults > RETRY_LIMIT + count) return failure(EBUSY);
    }
  }

  #isMapped(first: PageIndex, count: PageCount): boolean {
    for (let i = 0; i < count; i++) if (this.#view.table.right(first + i) === 0) return false;
    return true;
  }

  /** The device reads through its table from page `done` on; answers the first page that is not in it. */
  #readTable(first: PageIndex, done: PageCount, count: PageCount, bounce: Uint8Array | null): PageCount {
    for (let i = done; i < count; i++) {
      const frame = this.#view.table.frame(first + i);
      if (frame === NO_FRAME) return i;
      if (bounce === null) continue;
      this.#view.device.core.read(
        frame,
        0,
        bounce.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES),
        this.#view.device,
      );
    }
    return count;
  }

  #writeTable(first: PageIndex, done: PageCount, count: PageCount, buffer: Uint8Array): PageCount {
    for (let i = done; i < count; i++) {
      if (this.#view.table.right(first + i) !== MAY_WRITE) return i;
      const frame = this.#view.table.frame(first + i);
      this.#view.device.core.write(
        frame,
        0,
        buffer.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES),
        this.#view.device,
      );
    }
    return count;
  }

  /** Faults a range into the device's table, batch by batch. */
  #fault(kit: Kit, first: PageIndex, count: PageCount, write: boolean): Errno {
    const request = REQUEST_FAULT | (write ? REQUEST_WRITE : 0);
    for (let page = first; page < first + count; page += BATCH) {
      kit.range.set({ first: page, count: Math.min(BATCH, first + count - page), request });
      const errno = this.#view.mirror.populate(kit.range);
      if (errno !== OK) return errno;
    }
    return OK;
  }

  #migration(run: () => CommandResult): CommandResult {
    this.#migrations++;
    try {
      return run();
    } finally {
      this.#migrations--;
    }
  }

  #migrateToDevice(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    const { memory, mirror } = this.#view;
    const { space } = mirror;
    if (!this.#view.mirror.mayMap) return failure(EBUSY);
    const end = first + count;
    for (let page = first; page < end; ) {
      const region = space.regions.at(page);
      if (region === null || !region.readable) return failure(EINVAL);
      const next = Math.min(end, region.end, page - (page % HUGE_PAGES) + HUGE_PAGES);
      const { migration } = kit;
      const setup = { space, first: page, count: next - page, select: SELECT_SYSTEM, to: memory };
      const errno = migration.setup({ ...setup, cause: CAUSE.migrate });
      if (errno !== OK) return failure(errno);
      this.#dropMoving(migration);
      if (!this.#finish(migration, () => memory.ops.migrateToDevice?.(migration))) return failure(EIO);
      page = next;
    }
    return this.#readBack(first, count, buffer);
  }

  #migrateToSystem(kit: Kit, first: PageIndex, count: PageCount): CommandResult {
    const { memory, mirror } = this.#view;
    const { space } = mirror;
    const end = first + count;
    let pages = 0;
    for (let page = first; page < end; ) {
      const region = space.regions.at(page);
      if (region === null || !region.readable) return failure(EINVAL);
      const next = Math.min(end, region.end, page - (page % HUGE_PAGES) + HUGE_PAGES);
      const { migration } = kit;
      const select = SELECT_PRIVATE | SELECT_COHERENT;
      const errno = migration.setup({ space, first: page, count: next - page, select, to: null });
      if (errno !== OK) return failure(errno);
      this.#dropMoving(migration);
      if (!this.#finish(migration, () => memory.ops.migrateToHost(migration))) return failure(EIO);
      pages += migration.movedCount;
      page = next;
    }
    return { errno: OK, pages, faults: 0 };
  }

  /** The driver's step, then the others. False when the driver's step failed: then nothing has moved. */
  #finish(migration: Migration, step: () => void): boolean {
    try {
      step();
    } catch (error) {
      this.#view.device.failed("copy", error);
      migration.abort();
      return false;
    }
    migration.pages();
    if (migration.to !== null) this.mapMoved(migration);
    migration.finalize();
    return true;
  }

  /** This driver passes over the invalidations of its own migrations: what really moves is dropped here, before it is copied. */
  #dropMoving(migration: Migration): void {
    this.#view.mirror.lock();
    for (let i = 0; i < migration.count; i++)
      if (migration.moving(i)) this.#view.table.delete(migration.first + i);
    this.#view.mirror.unlock();
  }

  /** Puts the pages that moved into the device's table. A driver's `moved` can be this. */
  mapMoved(migration: Migration): void {
    if (!this.#view.mirror.mayMap) return;
    this.#view.mirror.lock();
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moved(i)) continue;
      const right = migration.writable(i) ? MAY_WRITE : MAY_READ;
      this.#view.table.set(migration.first + i, migration.destination(i), right);
    }
    this.#view.mirror.unlock();
  }

  /** Reads a range through the device's table; a page that is not in it is ENOENT. */
  #readBack(first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    if (!this.#isMapped(first, count)) return failure(ENOENT);
    this.#readTable(first, 0, count, buffer);
    return { errno: OK, pages: count, faults: 0 };
  }

  #snapshot(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    const codes = new Uint8Array(count);
    for (let done = 0; done < count; done += BATCH) {
      kit.range.set({ first: first + done, count: Math.min(BATCH, count - done), request: 0 });
      const errno = this.#view.mirror.snapshot(kit.range);
      if (errno !== OK) return failure(errno);
      for (let i = 0; i < kit.range.count; i++)
        codes[done + i] = snapshotCode(this.#view.memory, kit.range, i);
    }
    if (buffer !== null) buffer.set(codes);
    return { errno: OK, pages: count, faults: 0 };
  }

  #takeExclusive(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    for (let done = 0; done < count; done += BATCH) {
      const pages = Math.min(BATCH, count - done);
      const errno = kit.exclusive.take(this.#view.mirror, first + done, pages);
      // The kernel's driver has one answer for whatever was in the way.
      if (errno !== OK) return failure(errno === EFAULT ? EBUSY : errno);
      // As the kernel's driver: what was obtained is used only if all pages could be faulted in.
      const { faulted, frames, obtained } = kit.exclusive;
      this.#view.mirror.lock();
      for (let i = 0; faulted === pages && i < pages; i++) {
        const frame = frames[i] ?? NO_FRAME;
        if (frame !== NO_FRAME) this.#view.table.set(first + done + i, frame, MAY_ATOMIC);
      }
      this.#view.mirror.unlock();
      kit.exclusive.release();
      if (obtained < pages) return failure(EBUSY);
    }
    return this.#readBack(first, count, buffer);
  }

  #checkExclusive(first: PageIndex, count: PageCount): CommandResult {
    for (
      let page = this.#view.table.next(first, first + count);
      page >= 0;
      page = this.#view.table.next(page + 1, first + count)
    ) {
      if (this.#view.table.right(page) === MAY_ATOMIC) return failure(EPERM);
    }
    return failure(OK);
  }
}
