import { HmsError } from "@hms/topology";
import { CAUSE, type Cause } from "./cause.ts";
import type { Device } from "./device.ts";
import type { DeviceMemoryKind, DeviceMemoryOps, DeviceMemoryOptions } from "./driver-contract.ts";
import { type Eviction, evict } from "./evict.ts";
import { FrameTable, HELD } from "./frame-table.ts";
import { DEVICE_PAGES_MAX } from "./limits.ts";
import type { PlaceId } from "./places.ts";
import type { FrameNumber, PageCount } from "./units.ts";

/**
 * Memory of a device. The driver alone allocates from it; the core counts who uses each page, tells the driver when
 * nobody does any more (`free`), and accounts its pages to their spaces.
 */
export class DeviceMemory implements Disposable {
  readonly device: Device;
  readonly name: string;
  readonly kind: DeviceMemoryKind;
  readonly pages: PageCount;
  /** Whether 2 MiB pages stay whole in it. */
  readonly huge: boolean;
  readonly ops: DeviceMemoryOps;
  readonly frames: FrameTable;
  readonly place: PlaceId;
  readonly #reasons = new Map<number, string>();
  /** Its device disappeared. */
  gone = false;
  #closed = false;

  /** `Device.addMemory` makes them. */
  constructor(device: Device, options: DeviceMemoryOptions) {
    const { name, pages } = options;
    if (!Number.isSafeInteger(pages) || pages < 1 || pages > DEVICE_PAGES_MAX) {
      throw new HmsError(
        "BAD_MEMORY_SIZE",
        "EINVAL",
        `Adding memory ${name} failed: its size must be 1 to ${DEVICE_PAGES_MAX} pages, not ${pages}.`,
      );
    }
    const { memories, places } = device.core;
    const base = memories.reserve(name, pages);
    this.device = device;
    this.name = name;
    this.kind = options.kind;
    this.pages = pages;
    this.huge = options.huge ?? false;
    this.ops = options.ops;
    this.frames = new FrameTable(base, pages);
    this.place = places.add(name);
    memories.add(this);
  }

  /** Number of the first frame; the frame of page `index` is `base + index`. */
  get base(): FrameNumber {
    return this.frames.base;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether a frame number is one of this memory's. */
  holds(frame: FrameNumber): boolean {
    return Number.isInteger(frame) && frame >= this.base && frame < this.base + this.pages;
  }

  /** Holds a page where it is (a buffer that is scanned out): no migration takes it until `unhold`. */
  hold(index: number, reason: string): void {
    this.#expectIndex(index);
    this.frames.set(index, HELD);
    this.#reasons.set(index, reason);
  }

  unhold(index: number): void {
    this.#expectIndex(index);
    this.frames.clear(index, HELD);
    this.#reasons.delete(index);
  }

  /** Why the driver holds the page; null when it does not. */
  heldFor(index: number): string | null {
    return this.#reasons.get(index) ?? null;
  }

  /** Nobody uses the page any more: tells the driver. */
  freed(index: number): void {
    this.frames.state[index] = 0;
    this.#reasons.delete(index);
    if (this.gone) return;
    try {
      this.ops.free(index);
    } catch (error) {
      this.device.failed("free", error);
    }
  }

  /** The same for pages that follow each other. */
  freedRun(index: number, count: PageCount): void {
    const { ops } = this;
    if (ops.freeRun === undefined || this.gone) {
      for (let k = 0; k < count; k++) this.freed(index + k);
      return;
    }
    this.frames.state.fill(0, index, index + count);
    if (this.#reasons.size > 0) for (let k = 0; k < count; k++) this.#reasons.delete(index + k);
    try {
      ops.freeRun(index, count);
    } catch (error) {
      this.device.failed("free", error);
    }
  }

  /**
   * Moves pages of this memory home to the host, wherever they are mapped (the kernel's migrate_device_range). Best
   * effort: the answer says which stayed, and why.
   */
  evict(index: number, count: PageCount, cause: Cause = CAUSE.eviction): Eviction {
    this.#expectIndex(index);
    this.device.expectPresent(`Evicting from ${this.name}`);
    return evict(this, index, Math.min(count, this.pages - index), cause);
  }

  /** Moves everything home, without losing a byte. Throws EBUSY when something stayed. */
  empty(action: string): void {
    if (this.gone || this.#closed || this.frames.mapped === 0) return;
    const { remaining, reasons } = evict(this, 0, this.pages, CAUSE.release);
    if (remaining === 0) return;
    throw new HmsError(
      "MEMORY_IN_USE",
      "EBUSY",
      `${action} failed: ${remaining} pages of ${this.name} could not go home (${reasons.join(", ")}). Free host memory, or give back pins and holds.`,
    );
  }

  /** Takes the memory away; what is in it goes home first. Throws EBUSY when something cannot. Closing again does nothing. */
  close(): void {
    if (this.#closed) return;
    this.empty(`Closing ${this.name}`);
    if (this.frames.mapped > 0) {
      throw new HmsError(
        "MEMORY_IN_USE",
        "EBUSY",
        `Closing ${this.name} failed: ${this.frames.mapped} of its pages are being migrated. Try again when that is done.`,
      );
    }
    this.#closed = true;
    this.device.core.memories.remove(this);
    this.device.core.places.remove(this.place);
    this.device.dropMemory(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #expectIndex(index: number): void {
    if (Number.isInteger(index) && index >= 0 && index < this.pages) return;
    throw new HmsError(
      "NO_SUCH_PAGE",
      "EINVAL",
      `Naming a page of ${this.name} failed: its pages are 0 to ${this.pages - 1}, not ${index}.`,
    );
  }
}
