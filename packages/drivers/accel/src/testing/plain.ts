// A platform for tests without real faults: windows are shared buffers, and touching a page is a call.
import {
  type Core,
  type DeviceMemory,
  EFAULT,
  type Errno,
  type FrameNumber,
  HUGE_PAGES,
  NO_FRAME,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
} from "@hms/hmm";
import { ModelHost } from "@hms/host-model";
import type { Backing, Platform, Window, WindowOptions } from "../platform.ts";

/** Buffers are at made-up addresses, so far from each other. */
const BUFFER_ADDRESSES = 2 ** 33;

class PlainBacking implements Backing {
  readonly #core: Core;
  readonly #bytes: Uint8Array;

  constructor(memory: DeviceMemory) {
    this.#core = memory.device.core;
    this.#bytes = new Uint8Array(memory.pages * PAGE_BYTES);
  }

  #page(index: number): Uint8Array {
    return this.#bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
  }

  adopt(index: number, source: FrameNumber): boolean {
    this.copy(index, source);
    return true;
  }

  copy(index: number, source: FrameNumber): void {
    if (source === NO_FRAME) this.#page(index).fill(0);
    else this.#core.read(source, 0, this.#page(index), null);
  }

  giveHome(index: number, frame: FrameNumber): boolean {
    this.#core.host.write(frame, 0, this.#page(index), null);
    return true;
  }

  adoptRun(): PageCount {
    // One by one.
    return 0;
  }

  giveHomeRun(): PageCount {
    return 0;
  }

  freeRun(index: number, count: PageCount): void {
    // What is read after this is a mistake: make it show.
    for (let k = 0; k < count; k++) this.#page(index + k).fill(0xdd);
  }

  read(index: number, offset: number, target: Uint8Array): void {
    target.set(this.#page(index).subarray(offset, offset + target.length));
  }

  write(index: number, offset: number, source: Uint8Array): void {
    this.#page(index).set(source, offset);
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0xdd);
  }
}

/** What a window has asked to be brought while nobody waits. */
interface Wanted {
  from: PageIndex;
  readonly end: PageIndex;
  readonly bring: (first: PageIndex, count: PageCount) => PageCount;
}

/** A window whose pages are copied in and, when they are taken away, copied out again. */
export class PlainWindow implements Window {
  readonly address = 0;
  readonly pages: PageCount;
  readonly first: PageIndex;
  readonly buffer: SharedArrayBuffer;
  /** Where it begins in the buffer. */
  readonly byteOffset: number;
  readonly #core: Core;
  readonly #options: WindowOptions;
  readonly #bytes: Uint8Array;
  readonly #shown = new Map<PageIndex, { frame: FrameNumber; writable: boolean }>();
  readonly #all: Set<PlainWindow>;
  failures = 0;
  open = true;
  #wanted: Wanted | null = null;
  /** Pages that came before they were touched. */
  cameAhead: PageCount = 0;

  constructor(core: Core, options: WindowOptions, all: Set<PlainWindow>, inside: SharedArrayBuffer | null) {
    this.#core = core;
    this.#options = options;
    this.#all = all;
    this.first = options.first;
    this.pages = options.pages;
    this.buffer = inside ?? new SharedArrayBuffer(options.pages * PAGE_BYTES);
    this.byteOffset = inside === null ? 0 : (options.at ?? 0) % BUFFER_ADDRESSES;
    this.#bytes = new Uint8Array(this.buffer, this.byteOffset, options.pages * PAGE_BYTES);
    all.add(this);
  }

  #page(page: PageIndex): Uint8Array {
    const start = (page - this.first) * PAGE_BYTES;
    return this.#bytes.subarray(start, start + PAGE_BYTES);
  }

  map(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, writable: boolean): Errno {
    for (let i = 0; i < count; i++) {
      const frame = frames[from + i] ?? NO_FRAME;
      for (const window of this.#all) window.hide(frame);
      const bytes = new Uint8Array(PAGE_BYTES);
      this.#core.read(frame, 0, bytes, null);
      this.#page(first + i).set(bytes);
      this.#shown.set(first + i, { frame, writable });
    }
    return OK;
  }

  /** A frame is mapped in one place at a time. */
  hide(frame: FrameNumber): void {
    for (const [page, shown] of this.#shown) if (shown.frame === frame) this.zap(page, 1);
  }

  zap(first: PageIndex, count: PageCount): void {
    for (let page = first; page < first + count; page++) {
      const shown = this.#shown.get(page);
      if (shown === undefined) continue;
      this.#shown.delete(page);
      if (shown.writable) this.#core.write(shown.frame, 0, this.#page(page).slice(), null);
      this.#page(page).fill(0xee);
    }
  }

  ahead(first: PageIndex, count: PageCount, bring: Wanted["bring"]): boolean {
    this.#wanted = { from: first, end: first + count, bring };
    return true;
  }

  /** Brings some of what is wanted, as the host does when it has nothing else to do. Whether there was something. */
  work(): boolean {
    const wanted = this.#wanted;
    if (wanted === null || wanted.from >= wanted.end) return false;
    const count = Math.min(HUGE_PAGES - (wanted.from % HUGE_PAGES), wanted.end - wanted.from);
    const came = this.open ? wanted.bring(wanted.from, count) : -1;
    wanted.from += count;
    if (came < 0) this.#wanted = null;
    else this.cameAhead += came;
    return came >= 0;
  }

  /** What a device's touch does: a fault if the page is not there, or not with that right. */
  touch(page: PageIndex, write: boolean): Errno {
    for (let attempt = 0; attempt < 4; attempt++) {
      const shown = this.#shown.get(page);
      if (shown !== undefined && (!write || shown.writable)) return OK;
      const errno = this.#options.onFault(page, write);
      if (errno !== OK) {
        this.failures++;
        return errno;
      }
    }
    return EFAULT;
  }

  /** Reads or writes as the device does, touching first. */
  load(page: PageIndex): Uint8Array {
    this.touch(page, false);
    return this.#page(page).slice();
  }

  store(page: PageIndex, value: number): Errno {
    const errno = this.touch(page, true);
    if (errno === OK) this.#page(page).fill(value);
    return errno;
  }

  takeFailures(): number {
    const { failures } = this;
    this.failures = 0;
    return failures;
  }

  close(): void {
    this.zap(this.first, this.pages);
    this.open = false;
    this.#all.delete(this);
  }
}

/** The simulated host with plain windows. */
export class PlainMachine implements Platform {
  readonly host: ModelHost;
  readonly core: Core;
  readonly windows: Set<PlainWindow> = new Set();
  readonly #buffers: SharedArrayBuffer[] = [];

  constructor(host: ModelHost = new ModelHost()) {
    this.host = host;
    this.core = host.core;
  }

  back(memory: DeviceMemory): Backing {
    return new PlainBacking(memory);
  }

  openWindow(options: WindowOptions): Window {
    const inside = options.at === undefined ? null : this.#buffers[Math.floor(options.at / BUFFER_ADDRESSES)];
    return new PlainWindow(this.core, options, this.windows, inside ?? null);
  }

  addressOf(buffer: SharedArrayBuffer): number {
    // A memory that has grown has another buffer object, at the same place.
    const bytes = new Uint8Array(buffer, 0, 8);
    let index = this.#buffers.findIndex((known) => new Uint8Array(known, 0, 8)[7] === bytes[7]);
    if (index < 0) {
      index = this.#buffers.length;
      bytes[7] = index + 1;
    }
    this.#buffers[index] = buffer;
    return index * BUFFER_ADDRESSES;
  }

  /** The device's translations go everywhere: frames have the bytes. */
  settle(): void {
    for (const window of this.windows) window.zap(window.first, window.pages);
  }
}
