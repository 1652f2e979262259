import { type DeviceMemory, type FrameNumber, NO_FRAME, type PageCount } from "@hms/hmm";
import type { LinuxHost } from "./host.ts";
import { Column, ZEROS } from "./pages.ts";

/**
 * Keeps the bytes of a device's memory that is memory of this machine. Pages move to it and back without being copied:
 * the frame of the one takes over the bytes of the other. `LinuxHost.back` makes them; a driver calls its methods from
 * its own `DeviceMemoryOps`.
 */
export class DeviceBacking implements Disposable {
  readonly #host: LinuxHost;
  readonly #base: FrameNumber;
  readonly #column: Column;

  constructor(host: LinuxHost, memory: DeviceMemory) {
    this.#host = host;
    this.#base = memory.base;
    this.#column = new Column(memory.base, memory.pages);
    host.pages.addColumn(this.#column);
  }

  /**
   * In a migration to the device: page `index` takes over the bytes of `source`, a frame of the host or of another
   * device that is kept here; NO_FRAME: zeros. If the page does not move after all they go back. False: the page
   * cannot be taken now (the kernel has it pinned): leave it out of the migration.
   */
  adopt(index: number, source: FrameNumber): boolean {
    if (source === NO_FRAME) {
      this.#host.pages.set(this.#base + index, ZEROS, 0);
      return true;
    }
    return this.#host.pages.lend(source, this.#base + index);
  }

  /**
   * The same for the pages from `index` on and as many frames from `from` on in `sources`. Answers for how many it was
   * done; the one after those is to be tried by itself.
   */
  adoptRun(index: number, sources: Uint32Array, from: number, count: PageCount): PageCount {
    return this.#host.pages.lendRun(sources, from, count, this.#base + index);
  }

  /** Page `index` gets a copy of the bytes of `source` (a read-only duplicate). Throws ENOMEM, EBUSY. */
  copy(index: number, source: FrameNumber): void {
    this.#host.pages.duplicate(source, this.#base + index);
  }

  /**
   * In a migration home: the host's frame takes over the bytes of page `index`; then `Migration.adopted`. False: it
   * cannot be taken now.
   */
  giveHome(index: number, frame: FrameNumber): boolean {
    return this.#host.pages.lend(this.#base + index, frame);
  }

  /** The same for pages whose numbers in the memory's frames are from `from` on in `sources`, and frames from `frame` on. */
  giveHomeRun(sources: Uint32Array, from: number, count: PageCount, frame: FrameNumber): PageCount {
    return this.#host.pages.lendRun(sources, from, count, frame);
  }

  /** From `DeviceMemoryOps.free`: nobody needs the page any more. */
  free(index: number): void {
    this.freeRun(index, 1);
  }

  /** From `DeviceMemoryOps.freeRun`. */
  freeRun(index: number, count: PageCount): void {
    this.#host.pages.freeRun(this.#base + index, count, false);
  }

  /** Reads bytes within page `index`. */
  read(index: number, offset: number, target: Uint8Array): void {
    target.set(this.#host.pages.reach(this.#base + index).subarray(offset, offset + target.length));
  }

  /** Writes bytes within page `index`. */
  write(index: number, offset: number, source: Uint8Array): void {
    this.#host.pages.reach(this.#base + index).set(source, offset);
  }

  /** Its pages are gone. */
  [Symbol.dispose](): void {
    this.#host.pages.removeColumn(this.#column);
  }
}
