import { HmsError } from "@hms/topology";
import type { Device } from "./device.ts";
import type { Invalidation, InvalidationReason, MirrorOps } from "./driver-contract.ts";
import { EBUSY, EFAULT, EINVAL, ENODEV, type Errno, OK } from "./errno.ts";
import type { FaultRange } from "./fault-range.ts";
import type { Interval } from "./interval-tree.ts";
import { RETRY_LIMIT, RETRY_LIMIT_PER_PAGE, RETRY_TIME_LIMIT } from "./limits.ts";
import { rangeFault } from "./range-fault.ts";
import type { Space } from "./space.ts";
import type { PageIndex } from "./units.ts";

let mirrors = 0;

class Event implements Invalidation {
  readonly space: Space;
  reason: InvalidationReason = "clear";
  owner: Device | null = null;
  first: PageIndex = 0;
  end: PageIndex = 0;
  blocking = true;
  sequence = 0;

  constructor(space: Space) {
    this.space = space;
  }
}

/**
 * One device's view of a range of one space. It hears of every change of the range before the change happens, and its
 * sequence number tells whether what a range fault found is still so:
 *
 * 1. `readBegin`; 2. `rangeFault`; 3. take the lock; 4. `readRetry`: if true drop the lock, back to 1; 5. put the pages
 * into the device's table; drop the lock.
 *
 * `populate` does all of it, with a bound. The sequence is even when nothing is going on, odd during an invalidation.
 *
 * @example
 * ```ts
 * import { DeviceTable, FaultRange, MAY_READ, REQUEST_FAULT } from "@hms/hmm";
 * import { ModelHost } from "@hms/host-model";
 * const host = new ModelHost();
 * const process = host.createProcess();
 * const first = process.mmap({ pages: 2 });
 * const table = new DeviceTable();
 * using mirror = host.core.addDevice("dev0").mirror(process.space, {
 *   invalidate: ({ first, end }) => {
 *     table.clear(first, end);
 *     return true;
 *   },
 *   map: (range) => {
 *     for (let i = 0; i < range.count; i++) table.set(range.first + i, range.frameOf(i), MAY_READ);
 *   },
 * });
 * const range = new FaultRange(2);
 * range.set({ first, count: 2, request: REQUEST_FAULT });
 * console.log(mirror.populate(range), table.size); // 0 2
 * process.munmap(first, 2);
 * console.log(table.size); // 0
 * ```
 */
export class Mirror implements Interval, Disposable {
  readonly device: Device;
  readonly space: Space;
  readonly first: PageIndex;
  readonly end: PageIndex;
  readonly order: number = ++mirrors;
  readonly ops: MirrorOps;
  #sequence = 0;
  #invalidations = 0;
  #locked = false;
  #event: Event;
  /** In the space's tree (not while an invalidation that began before it is going on). */
  subscribed = false;
  #open = true;

  /** `Device.mirror` makes them. */
  constructor(device: Device, space: Space, first: PageIndex, end: PageIndex, ops: MirrorOps) {
    this.device = device;
    this.space = space;
    this.first = first;
    this.end = end;
    this.ops = ops;
    this.#event = new Event(space);
  }

  /** False once it is closed, or its driver failed. */
  get open(): boolean {
    return this.#open;
  }

  /** The sequence number: odd while an invalidation of any part of the mirror is going on. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The number to give to `readRetry`. An odd one (or a mirror not yet subscribed) makes a range fault answer EBUSY. */
  readBegin(): number {
    return this.subscribed ? this.#sequence : 1;
  }

  /** Whether what was found since `readBegin` gave this number may be stale. */
  readRetry(sequence: number): boolean {
    return this.#sequence !== sequence || (sequence & 1) !== 0 || !this.subscribed;
  }

  /**
   * Whether pages may enter the device's table outside of `populate` (those that a migration or an `ExclusiveRange`
   * just brought): not while an invalidation is going on, which has told this mirror already and will not do so again.
   */
  get mayMap(): boolean {
    return this.subscribed && (this.#sequence & 1) === 0;
  }

  /** Takes the driver's lock. Nothing that faults, migrates or invalidates may be called until `unlock`. */
  lock(): void {
    if (this.#locked) {
      throw new HmsError(
        "MIRROR_LOCKED",
        "EBUSY",
        `Locking the mirror of ${this.device.name} failed: it is locked already. Do not fault, migrate or invalidate from within its callbacks.`,
      );
    }
    this.#locked = true;
  }

  unlock(): void {
    this.#locked = false;
  }

  /**
   * One range fault, steps 1 and 2 of the protocol: OK with the results in `range`; EBUSY (stale, or a page is on its
   * way: try again); EPERM (write to a region without write permission); EFAULT (hole, no read permission, device
   * registers, lost page, or the fault failed; or the space is gone); EINVAL (range outside of the mirror); ENODEV
   * (mirror closed).
   */
  rangeFault(range: FaultRange, sequence: number): Errno {
    if (!this.#open) return ENODEV;
    if (range.count < 1 || range.first < this.first || range.first + range.count > this.end) return EINVAL;
    if (!Number.isInteger(range.first) || !Number.isInteger(range.count) || range.count > range.capacity)
      return EINVAL;
    if (this.readRetry(sequence)) return EBUSY;
    return rangeFault(this, range, sequence);
  }

  /**
   * The whole protocol: faults the range in (as its requests say) and hands it to `MirrorOps.map` under the lock, once
   * it is not stale. Tries again while others get in the way, for 1000 ms of the host's clock or 1000 attempts in a row
   * without progress; then EBUSY. Other outcomes as for `rangeFault`.
   */
  populate(range: FaultRange): Errno {
    return this.#attempt(range, true);
  }

  /** As `populate`, but nothing is faulted in and nothing handed over: `range` says what is there. */
  snapshot(range: FaultRange): Errno {
    range.defaultRequest = 0;
    range.requestMask = 0;
    return this.#attempt(range, false);
  }

  #attempt(range: FaultRange, map: boolean): Errno {
    const { host, statistics } = this.space.core;
    if (!Number.isInteger(range.count)) return EINVAL;
    const attemptsMax = RETRY_LIMIT + RETRY_LIMIT_PER_PAGE * range.count;
    let idle = 0;
    let progressAt = host.now();
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const sequence = this.readBegin();
      const errno = this.rangeFault(range, sequence);
      if (errno !== OK && errno !== EBUSY) return errno;
      if (errno === OK) {
        host.yield("populate");
        if (!this.readRetry(sequence)) return map ? this.#map(range) : OK;
      }
      statistics.retries++;
      if (range.faults > 0) {
        idle = 0;
        progressAt = host.now();
        continue;
      }
      idle++;
      if (idle >= RETRY_LIMIT || host.now() - progressAt > RETRY_TIME_LIMIT || !host.pause(attempt))
        return EBUSY;
      if (this.space.closed) return EFAULT;
    }
    return EBUSY;
  }

  #map(range: FaultRange): Errno {
    if (this.ops.map === undefined) return OK;
    this.lock();
    try {
      this.ops.map(range);
      return OK;
    } catch (error) {
      throw this.device.failed("map", error);
    } finally {
      this.unlock();
    }
  }

  /** The space begins an invalidation. False: the driver refuses. */
  begin(
    reason: InvalidationReason,
    owner: Device | null,
    first: PageIndex,
    end: PageIndex,
    blocking: boolean,
  ): boolean {
    if (this.#invalidations++ === 0) this.#sequence++;
    const event = this.#event;
    event.reason = reason;
    event.owner = owner;
    event.first = Math.max(first, this.first);
    event.end = Math.min(end, this.end);
    event.blocking = blocking;
    event.sequence = this.#sequence;
    this.lock();
    try {
      return this.ops.invalidate(event) || this.#mayNotRefuse(blocking);
    } catch (error) {
      this.device.failed("invalidate", error);
      this.#abandon();
      return true;
    } finally {
      this.unlock();
    }
  }

  /** The invalidation is over. */
  finish(): void {
    if (--this.#invalidations === 0) this.#sequence++;
  }

  #mayNotRefuse(blocking: boolean): boolean {
    if (!blocking) return false;
    this.device.failed("invalidate", new Error("it refused an invalidation that can wait, which it may not"));
    this.#abandon();
    return true;
  }

  /** A driver that did not obey an invalidation gets no pages any more through this mirror. */
  #abandon(): void {
    this.#open = false;
  }

  /** Ends the subscription. The device must not use the range any more. Closing again does nothing. */
  close(): void {
    this.#open = false;
    this.space.unsubscribe(this);
    this.device.forget(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
