import { HmsError } from "@hms/topology";
import type { Core } from "./core.ts";
import { DeviceMemory } from "./device-memory.ts";
import { type Disappearance, disappear } from "./disappear.ts";
import type { DeviceMemoryOptions, MirrorOps } from "./driver-contract.ts";
import { BATCH_PAGES_MAX } from "./limits.ts";
import { Migration } from "./migration.ts";
import { Mirror } from "./mirror.ts";
import type { Space } from "./space.ts";
import { PAGE_LIMIT, type PageCount, type PageIndex } from "./units.ts";

/**
 * A device, as its driver holds it: where the driver adds memory, opens mirrors and migrations. It is also the owner
 * that `migrate` and `exclusive` events name.
 */
export class Device implements Disposable {
  readonly core: Core;
  readonly name: string;
  readonly #memories: DeviceMemory[] = [];
  readonly #mirrors = new Set<Mirror>();
  /** It disappeared, or was closed. */
  gone = false;

  /** `Core.addDevice` makes them. */
  constructor(core: Core, name: string) {
    this.core = core;
    this.name = name;
  }

  get memories(): readonly DeviceMemory[] {
    return this.#memories;
  }

  get mirrors(): ReadonlySet<Mirror> {
    return this.#mirrors;
  }

  /** Adds a memory. Throws EINVAL (size), ENOSPC (too many), ENODEV (device gone). */
  addMemory(options: DeviceMemoryOptions): DeviceMemory {
    this.expectPresent(`Adding memory ${options.name}`);
    const memory = new DeviceMemory(this, options);
    this.#memories.push(memory);
    return memory;
  }

  /** The memory is closed. */
  dropMemory(memory: DeviceMemory): void {
    const at = this.#memories.indexOf(memory);
    if (at >= 0) this.#memories.splice(at, 1);
  }

  /**
   * Subscribes to a range of a space (default: all of it). Throws EOVERFLOW for no pages or pages beyond the end,
   * EINVAL for a first page that is none, ESRCH when the space is closed, ENODEV when the device is gone.
   */
  mirror(space: Space, ops: MirrorOps, range?: { first: PageIndex; count: PageCount }): Mirror {
    this.expectPresent(`Opening a mirror of ${space.name}`);
    space.expectOpen(`Opening a mirror for ${this.name}`);
    const { first, count } = range ?? { first: 0, count: PAGE_LIMIT };
    if (!Number.isSafeInteger(first) || first < 0 || !Number.isSafeInteger(count)) {
      throw new HmsError(
        "BAD_RANGE",
        "EINVAL",
        `Opening a mirror for ${this.name} failed: first page and count must be whole numbers from 0 on, not ${first} and ${count}.`,
      );
    }
    if (count < 1 || first + count > PAGE_LIMIT) {
      throw new HmsError(
        "RANGE_OVERFLOW",
        "EOVERFLOW",
        `Opening a mirror for ${this.name} failed: the range must have at least one page and end by page ${PAGE_LIMIT}, not ${count} pages from ${first} on.`,
      );
    }
    const mirror = new Mirror(this, space, first, first + count, ops);
    this.#mirrors.add(mirror);
    space.subscribe(mirror);
    return mirror;
  }

  forget(mirror: Mirror): void {
    this.#mirrors.delete(mirror);
  }

  /** A migration for that many pages at most, to be used again and again. Throws EINVAL for a bad capacity. */
  migration(capacity: PageCount): Migration {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > BATCH_PAGES_MAX) {
      throw new HmsError(
        "BAD_CAPACITY",
        "EINVAL",
        `Making a migration for ${this.name} failed: its capacity must be 1 to ${BATCH_PAGES_MAX} pages, not ${capacity}.`,
      );
    }
    return new Migration(this.core, this, capacity);
  }

  /**
   * The device is gone without a warning (unplugged, crashed). Pages that only it held are lost: each is reported, and
   * reading it fails from now on. Nothing else changes.
   */
  disappear(): Disappearance {
    return disappear(this);
  }

  /** Records a failure of the driver and returns it as an error to throw where that is possible. */
  failed(callback: string, cause: unknown): HmsError {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.core.records.driverFaults.add({ when: this.core.host.now(), device: this.name, callback, message });
    if (HmsError.is(cause)) return cause;
    return new HmsError(
      "DRIVER_FAILED",
      "EIO",
      `${callback} of the driver of ${this.name} failed: ${message}.`,
      cause instanceof Error ? { cause } : undefined,
    );
  }

  expectPresent(action: string): void {
    if (!this.gone) return;
    throw new HmsError("DEVICE_GONE", "ENODEV", `${action} failed: device ${this.name} is gone.`);
  }

  /**
   * Closes mirrors and memories; what is in the memories goes home first. Throws EBUSY and leaves the device open when
   * something cannot (no memory left, pinned, held).
   */
  close(): void {
    if (!this.gone) for (const memory of this.#memories) memory.empty("closing the device");
    for (const memory of [...this.#memories]) memory.close();
    for (const mirror of [...this.#mirrors]) mirror.close();
    this.gone = true;
    this.core.devices.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
