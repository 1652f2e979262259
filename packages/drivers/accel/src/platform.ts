import type { DeviceMemory, Errno, FrameNumber, PageCount, PageIndex, Space } from "@hms/hmm";

/** Keeps the bytes of the device's memory. The linux host's `DeviceBacking` is one. */
export interface Backing extends Disposable {
  /** Page `index` takes over the bytes of a frame (NO_FRAME: zeros). False: it cannot be taken now. */
  adopt(index: number, source: FrameNumber): boolean;
  /** The same for pages from `index` on and frames from `from` on in `sources`: for how many it was done. */
  adoptRun(index: number, sources: Uint32Array, from: number, count: PageCount): PageCount;
  /** Page `index` gets a copy of the bytes of a frame. */
  copy(index: number, source: FrameNumber): void;
  /** The host's frame takes over the bytes of page `index`. False: they cannot be taken now. */
  giveHome(index: number, frame: FrameNumber): boolean;
  /** The same for pages with frames from `from` on in `sources`, and the host's frames from `frame` on: for how many. */
  giveHomeRun(sources: Uint32Array, from: number, count: PageCount, frame: FrameNumber): PageCount;
  /** Nobody needs pages that follow each other any more. */
  freeRun(index: number, count: PageCount): void;
  read(index: number, offset: number, target: Uint8Array): void;
  write(index: number, offset: number, source: Uint8Array): void;
}

/** What a window shows. */
export interface WindowOptions {
  readonly space: Space;
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** Address of the first byte inside of memory that exists already. */
  readonly at?: number;
  readonly name?: string;
  /** Name of the device that touches it. */
  readonly device?: string;
  onFault(page: PageIndex, write: boolean): Errno;
}

/** The device's own mapping of a region. The linux host's `DeviceWindow` is one. */
export interface Window {
  readonly address: number;
  readonly pages: PageCount;
  /** Where the host is not the linux one: the window's memory itself. */
  readonly buffer?: SharedArrayBuffer;
  map(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, writable: boolean): Errno;
  zap(first: PageIndex, count: PageCount): void;
  /**
   * Has pages brought by `bring`, which answers how many it brought or −1 to end it, while nobody waits for anything.
   * False: it will not. Absent: it never does.
   */
  ahead?(
    first: PageIndex,
    count: PageCount,
    bring: (first: PageIndex, count: PageCount) => PageCount,
  ): boolean;
  takeFailures(): number;
  close(): void;
}

/** What the driver needs of the host that it runs on, beside the core's contract. The linux host offers it. */
export interface Platform {
  back(memory: DeviceMemory): Backing;
  openWindow(options: WindowOptions): Window;
  /** Address of the first byte of a buffer; absent: no WebAssembly programs. */
  addressOf?(buffer: SharedArrayBuffer): number;
  /** Answers the faults that wait right now; absent: closing a device relies on none. */
  serve?(): void;
}
