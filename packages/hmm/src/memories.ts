import { HmsError } from "@hms/topology";
import type { DeviceMemory } from "./device-memory.ts";
import { FrameTable } from "./frame-table.ts";
import { DEVICE_PAGES_MAX, DEVICE_WINDOW_PAGES } from "./limits.ts";
import { FIRST_DEVICE_FRAME, type FrameNumber, type PageCount } from "./units.ts";

const WINDOWS = DEVICE_PAGES_MAX / DEVICE_WINDOW_PAGES;

/** The frames of the whole machine: which memory a number belongs to. */
export class Memories {
  /** The host's memory. */
  readonly host: FrameTable;
  /** For each window of device frame numbers the memory it belongs to, counted from 1; 0 for none. */
  readonly #windows = new Uint8Array(WINDOWS);
  readonly #devices: (DeviceMemory | null)[] = [null];

  constructor(hostPages: PageCount) {
    this.host = new FrameTable(0, hostPages);
  }

  /** The memory that a device frame belongs to; null for host frames and numbers that are not in use. */
  deviceOf(frame: FrameNumber): DeviceMemory | null {
    if (frame < FIRST_DEVICE_FRAME) return null;
    const window = Math.floor((frame - FIRST_DEVICE_FRAME) / DEVICE_WINDOW_PAGES);
    return this.#devices[this.#windows[window] ?? 0] ?? null;
  }

  /** The table that describes a frame that is in use. */
  tableOf(frame: FrameNumber): FrameTable {
    if (frame < FIRST_DEVICE_FRAME) return this.host;
    const memory = this.deviceOf(frame);
    if (memory === null) throw new Error(`frame ${frame} belongs to no memory`);
    return memory.frames;
  }

  /** Numbers for a memory of that many pages, the first free ones. Throws ENOSPC. */
  reserve(name: string, pages: PageCount): FrameNumber {
    const needed = Math.ceil(pages / DEVICE_WINDOW_PAGES);
    let run = 0;
    for (let window = 0; window < WINDOWS; window++) {
      run = this.#windows[window] === 0 ? run + 1 : 0;
      if (run === needed) return FIRST_DEVICE_FRAME + (window + 1 - needed) * DEVICE_WINDOW_PAGES;
    }
    throw new HmsError(
      "NO_FRAME_NUMBERS",
      "ENOSPC",
      `Adding memory ${name} of ${pages} pages failed: all device memories together may have ${DEVICE_PAGES_MAX} pages.`,
    );
  }

  add(memory: DeviceMemory): void {
    let slot = this.#devices.indexOf(null, 1);
    if (slot < 0) {
      slot = this.#devices.length;
      this.#devices.push(memory);
    } else {
      this.#devices[slot] = memory;
    }
    this.#fill(memory, slot);
  }

  remove(memory: DeviceMemory): void {
    const slot = this.#devices.indexOf(memory);
    if (slot < 1) return;
    this.#devices[slot] = null;
    this.#fill(memory, 0);
  }

  /** Every device memory. */
  devices(): DeviceMemory[] {
    return this.#devices.filter((memory) => memory !== null);
  }

  #fill(memory: DeviceMemory, slot: number): void {
    const first = (memory.frames.base - FIRST_DEVICE_FRAME) / DEVICE_WINDOW_PAGES;
    this.#windows.fill(slot, first, first + Math.ceil(memory.pages / DEVICE_WINDOW_PAGES));
  }
}
