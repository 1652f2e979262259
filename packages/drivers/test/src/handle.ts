import {
  type Address,
  CAUSE,
  DeviceTable,
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
  type Invalidation,
  isRange,
  MAY_ATOMIC,
  MAY_READ,
  MAY_WRITE,
  type Migration,
  type Mirror,
  type MirrorOps,
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
  type Space,
  WRITABLE,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { TestDevice } from "./device.ts";
import { COMMANDS, type CommandName, type CommandRequest, type CommandResult } from "./face.ts";
import { snapshotCode } from "./snapshot.ts";

/** Pages that the driver faults in, or takes exclusively, at once. */
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

/** What one command works with; commands of two threads may be under way at the same time. */
class Kit {
  readonly range = new FaultRange(BATCH);
  readonly exclusive = new ExclusiveRange(BATCH);
  readonly migration: Migration;

  constructor(device: TestDevice) {
    this.migration = device.device.migration(HUGE_PAGES);
  }
}

/** An open test device: its view of one space, and the nine commands. */
export class TestHandle implements MirrorOps, Disposable {
  readonly device: TestDevice;
  readonly space: Space;
  readonly mirror: Mirror;
  readonly table = new DeviceTable();
  /** Refuse every invalidation that may be refused. */
  refuseNonBlocking = false;
  /** Called for each invalidation before it is obeyed; for tests. */
  onInvalidate: ((event: Invalidation) => void) | null = null;
  readonly #kits: Kit[] = [];

  /** `TestDevice.open` makes them. */
  constructor(device: TestDevice, space: Space) {
    this.device = device;
    this.space = space;
    this.mirror = device.device.mirror(space, this);
  }

  /** Runs one command as the kernel's driver does; never throws for what a program can get wrong. */
  command(request: CommandRequest): CommandResult {
    if (!COMMANDS.includes(request.command)) return failure(EINVAL);
    if (request.command === "release" || request.command === "fail-next-allocation")
      return this.run(request.command);
    const address: Address = request.address ?? 0n;
    if (address < 0n || address % BigInt(PAGE_BYTES) !== 0n) return failure(EINVAL);
    return this.run(
      request.command,
      Number(address / BigInt(PAGE_BYTES)),
      request.pages ?? 0,
      request.buffer,
    );
  }

  /** As `command`, by page number. Without a buffer nothing is copied out, but everything else is done. */
  run(command: CommandName, first: PageIndex = 0, count: PageCount = 0, buffer?: Uint8Array): CommandResult {
    if (this.device.device.gone || !this.mirror.open) return failure(ENODEV);
    if (command === "release") return failure(this.device.evictAll() ? OK : EBUSY);
    if (command === "fail-next-allocation") {
      this.device.inject.failAllocation = true;
      return failure(OK);
    }
    if (!isRange(first, count)) return failure(EINVAL);
    const bytes = command === "snapshot" ? count : command === "check-exclusive" ? 0 : count * PAGE_BYTES;
    const out = command !== "migrate-to-system" && buffer !== undefined;
    if (out && buffer.length < bytes) return failure(EFAULT);
    if (command === "write" && buffer === undefined) return failure(EFAULT);
    const kit = this.#kits.pop() ?? new Kit(this.device);
    try {
      return this.#dispatch(kit, command, { first, count, buffer: buffer ?? null });
    } catch (error) {
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
        return this.#migrateToDevice(kit, first, count, buffer);
      case "migrate-to-system":
        return this.#migrateToSystem(kit, first, count);
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
    for (let i = 0; i < count; i++) if (this.table.right(first + i) === 0) return false;
    return true;
  }

  /** The device reads through its table from page `done` on; answers the first page that is not in it. */
  #readTable(first: PageIndex, done: PageCount, count: PageCount, bounce: Uint8Array | null): PageCount {
    for (let i = done; i < count; i++) {
      const frame = this.table.frame(first + i);
      if (frame === NO_FRAME) return i;
      if (bounce === null) continue;
      this.device.core.read(
        frame,
        0,
        bounce.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES),
        this.device.device,
      );
    }
    return count;
  }

  #writeTable(first: PageIndex, done: PageCount, count: PageCount, buffer: Uint8Array): PageCount {
    for (let i = done; i < count; i++) {
      if (this.table.right(first + i) !== MAY_WRITE) return i;
      const frame = this.table.frame(first + i);
      this.device.core.write(
        frame,
        0,
        buffer.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES),
        this.device.device,
      );
    }
    return count;
  }

  /** Faults a range into the device's table, batch by batch. */
  #fault(kit: Kit, first: PageIndex, count: PageCount, write: boolean): Errno {
    const request = REQUEST_FAULT | (write ? REQUEST_WRITE : 0);
    for (let page = first; page < first + count; page += BATCH) {
      kit.range.set({ first: page, count: Math.min(BATCH, first + count - page), request });
      const errno = this.mirror.populate(kit.range);
      if (errno !== OK) return errno;
    }
    return OK;
  }

  #migrateToDevice(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    const { space, device } = this;
    if (!this.mirror.mayMap) return failure(EBUSY);
    const end = first + count;
    for (let page = first; page < end; ) {
      const region = space.regions.at(page);
      if (region === null || !region.readable) return failure(EINVAL);
      const next = Math.min(end, region.end, page - (page % HUGE_PAGES) + HUGE_PAGES);
      const { migration } = kit;
      const setup = { space, first: page, count: next - page, select: SELECT_SYSTEM, to: device.memory };
      const errno = migration.setup({ ...setup, cause: CAUSE.migrate });
      if (errno !== OK) return failure(errno);
      this.#dropMoving(migration);
      if (!this.#finish(migration, () => device.fill(migration))) return failure(EIO);
      page = next;
    }
    return this.#readBack(first, count, buffer);
  }

  #migrateToSystem(kit: Kit, first: PageIndex, count: PageCount): CommandResult {
    const { space, device } = this;
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
      if (!this.#finish(migration, () => device.migrateToHost(migration))) return failure(EIO);
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
      this.device.device.failed("copy", error);
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
    this.mirror.lock();
    for (let i = 0; i < migration.count; i++) if (migration.moving(i)) this.table.delete(migration.first + i);
    this.mirror.unlock();
  }

  /** Puts the pages that moved into the device's table. */
  mapMoved(migration: Migration): void {
    if (!this.mirror.mayMap) return;
    this.mirror.lock();
    for (let i = 0; i < migration.count; i++) {
      if (!migration.moved(i)) continue;
      const right = migration.writable(i) ? MAY_WRITE : MAY_READ;
      this.table.set(migration.first + i, migration.destination(i), right);
    }
    this.mirror.unlock();
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
      const errno = this.mirror.snapshot(kit.range);
      if (errno !== OK) return failure(errno);
      for (let i = 0; i < kit.range.count; i++) codes[done + i] = snapshotCode(this.device, kit.range, i);
    }
    if (buffer !== null) buffer.set(codes);
    return { errno: OK, pages: count, faults: 0 };
  }

  #takeExclusive(kit: Kit, first: PageIndex, count: PageCount, buffer: Uint8Array | null): CommandResult {
    for (let done = 0; done < count; done += BATCH) {
      const pages = Math.min(BATCH, count - done);
      const errno = kit.exclusive.take(this.mirror, first + done, pages);
      // The kernel's driver has one answer for whatever was in the way.
      if (errno !== OK) return failure(errno === EFAULT ? EBUSY : errno);
      // As the kernel's driver: what was obtained is used only if all pages could be faulted in.
      const { faulted, frames, obtained } = kit.exclusive;
      this.mirror.lock();
      for (let i = 0; faulted === pages && i < pages; i++) {
        const frame = frames[i] ?? NO_FRAME;
        if (frame !== NO_FRAME) this.table.set(first + done + i, frame, MAY_ATOMIC);
      }
      this.mirror.unlock();
      kit.exclusive.release();
      if (obtained < pages) return failure(EBUSY);
    }
    return this.#readBack(first, count, buffer);
  }

  #checkExclusive(first: PageIndex, count: PageCount): CommandResult {
    for (
      let page = this.table.next(first, first + count);
      page >= 0;
      page = this.table.next(page + 1, first + count)
    ) {
      if (this.table.right(page) === MAY_ATOMIC) return failure(EPERM);
    }
    return failure(OK);
  }

  // What the core asks of the driver.

  invalidate(event: Invalidation): boolean {
    if (!event.blocking && this.refuseNonBlocking) return false;
    if (this.onInvalidate !== null) this.onInvalidate(event);
    // In a migration of its own the device keeps what does not move; `#dropMoving` takes what does.
    if (event.reason === "migrate" && event.owner === this.device.device) return true;
    // The kernel's driver also drops the page behind the range (its loop includes the end). So does this one: more
    // is dropped than need be, and the counts of faults agree.
    this.table.clear(event.first, event.reason === "migrate" ? event.end : event.end + 1);
    return true;
  }

  map(range: FaultRange): void {
    for (let i = 0; i < range.count; i++) {
      const right = ((range.results[i] ?? 0) & WRITABLE) === 0 ? MAY_READ : MAY_WRITE;
      this.table.set(range.first + i, range.frames[i] ?? NO_FRAME, right);
    }
  }

  /** Ends the mirror and moves home everything that is in the device's memory, everyone's. */
  close(): void {
    if (!this.device.handles.delete(this)) return;
    this.mirror.close();
    this.table.clear(0, Number.MAX_SAFE_INTEGER);
    this.device.evictAll();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
