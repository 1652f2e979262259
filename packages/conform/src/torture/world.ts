import { TestDevice, type TestHandle } from "@hms/driver-test";
import { type Errno, FaultRange, PAGE_BYTES, type PageIndex } from "@hms/hmm";
import { type ModelFile, ModelHost, type ModelProcess, type Pin } from "@hms/host-model";
import { PlannedScheduler } from "./plan.ts";
import type { Profile } from "./profile.ts";
import { FILE_PRIVATE, FILE_SHARED, FileShadow, SpaceShadow, WORDS } from "./shadow.ts";

/** Processes at most. */
export const SPACES = 4;
/** Files at most, shared anonymous memory among them. */
export const FILES = 12;
/** The first of them are files of their own: two on disk, two on DAX. */
export const NAMED_FILES = 4;
/** Pages of a file at most. */
export const FILE_PAGES = 24;
/** Pins that are held at the same time, at most. */
export const PINS = 6;
/** Where the window of every process begins: near the end of a chunk, so that small ranges cross it. */
export const BASE: PageIndex = 2 ** 20 + 512 - 32;
/** For huge pages it begins at one. */
export const HUGE_BASE: PageIndex = 2 ** 20;

/** Ends a run: something is not as it must be. */
export class TortureFailure extends Error {
  override readonly name = "TortureFailure";
}

export interface File {
  readonly file: ModelFile;
  readonly shadow: FileShadow;
}

export interface HeldPin {
  readonly pin: Pin;
  readonly space: number;
  /** In the window. */
  readonly page: number;
  readonly write: boolean;
}

/** The machine that is tortured, and what it must look like. */
export class World {
  readonly profile: Profile;
  readonly host: ModelHost;
  readonly plan: PlannedScheduler = new PlannedScheduler();
  readonly base: PageIndex;
  readonly processes: (ModelProcess | null)[] = new Array(SPACES).fill(null);
  readonly shadows: SpaceShadow[] = [];
  readonly devices: TestDevice[] = [];
  /** The open handle of a device for a process, at device * SPACES + process. */
  readonly handles: (TestHandle | null)[] = [];
  readonly files: (File | null)[] = new Array(FILES).fill(null);
  readonly pins: (HeldPin | null)[] = new Array(PINS).fill(null);
  /** Pages of device memory that a driver holds where they are, by device. */
  readonly holds: Set<number>[] = [];
  readonly refusing: Uint8Array;
  /** Places of files that an operation under way is about to fill. */
  readonly reserved: Uint8Array = new Uint8Array(FILES);
  /** Host memory is made to run out during this operation. */
  starved = false;
  readonly ranges: readonly FaultRange[] = Array.from({ length: 8 }, () => new FaultRange(16));
  readonly buffer: Uint8Array;
  readonly word = new Uint8Array(4);
  readonly wordView: DataView = new DataView(this.word.buffer);
  /** Where `locate` found the words of a page. */
  slot: Int32Array = new Int32Array(0);
  slotAt = 0;
  #named = 0;

  constructor(profile: Profile) {
    this.profile = profile;
    this.base = profile.huge ? HUGE_BASE : BASE;
    this.host = new ModelHost({
      ramPages: profile.ramPages,
      swapPages: profile.swapPages,
      hugetlbPool: 0,
      hugePages: "madvise",
      reflink: profile.reflink,
      scheduler: this.plan,
    });
    this.buffer = new Uint8Array((profile.huge ? 700 : 32) * PAGE_BYTES);
    this.refusing = new Uint8Array(profile.devices.length);
    for (let i = 0; i < SPACES; i++) this.shadows.push(new SpaceShadow(profile.windowPages));
    for (let i = 0; i < profile.devices.length; i++) this.plug(i);
    for (let i = 0; i < NAMED_FILES; i++) this.addFile(i, i < 2 ? "disk" : "dax", 12);
    this.spawn(0);
    this.spawn(1);
  }

  /** A new device in a place that has none. */
  plug(index: number): void {
    const profile = this.profile.devices[index];
    if (profile === undefined) return;
    this.devices[index] = new TestDevice(this.host.core, { name: `d${index}.${this.#named++}`, ...profile });
    this.holds[index] = new Set();
    this.refusing[index] = 0;
    for (let space = 0; space < SPACES; space++) this.handles[index * SPACES + space] = null;
  }

  addFile(index: number, kind: "disk" | "dax", pages: number): void {
    const file = this.host.createFile({ pages, kind });
    this.files[index] = { file, shadow: new FileShadow(kind, pages, FILE_PAGES) };
  }

  spawn(index: number): void {
    const { limitPages } = this.profile;
    this.adopt(index, this.host.createProcess(limitPages === null ? {} : { limitPages }));
    const shadow = this.shadows[index];
    if (shadow === undefined) return;
    shadow.access.fill(0);
    for (let page = 0; page < shadow.pages; page++) shadow.clear(page);
  }

  adopt(index: number, process: ModelProcess): void {
    this.processes[index] = process;
  }

  /** The process and its shadow; null when there is none with that number. */
  process(index: number): ModelProcess | null {
    return this.processes[index] ?? null;
  }

  shadow(index: number): SpaceShadow {
    const shadow = this.shadows[index];
    if (shadow === undefined) throw new Error(`there is no process ${index}`);
    return shadow;
  }

  device(index: number): TestDevice {
    const device = this.devices[index];
    if (device === undefined) throw new Error(`there is no device ${index}`);
    return device;
  }

  /** The device's handle for a process, opened if need be; null when there is no such process. */
  handle(device: number, space: number): TestHandle | null {
    const process = this.processes[space] ?? null;
    // A process may be ending further up the stack, or its device be gone.
    if (process === null || process.space.closed || this.device(device).device.gone) return null;
    const at = device * SPACES + space;
    const open = this.handles[at] ?? null;
    if (open !== null) return open;
    const handle = this.device(device).open(process.space);
    handle.refuseNonBlocking = (this.refusing[device] ?? 0) % 2 === 1;
    this.handles[at] = handle;
    return handle;
  }

  /** Finds the words of a page: `slot` from `slotAt` on. False: beyond the end of its file. */
  locate(shadow: SpaceShadow, page: number): boolean {
    const flavour = shadow.flavour[page];
    if (flavour === FILE_SHARED || (flavour === FILE_PRIVATE && shadow.copied[page] === 0)) {
      const file = this.files[shadow.file[page] ?? 0]?.shadow;
      const filePage = shadow.filePage[page] ?? 0;
      if (file === undefined || filePage >= file.pages) return false;
      this.slot = file.words;
      this.slotAt = filePage * WORDS;
      return true;
    }
    this.slot = shadow.words;
    this.slotAt = page * WORDS;
    return true;
  }

  /** Whether memory may be short, so that an operation may fail for want of it. */
  get strained(): boolean {
    const { host } = this;
    return this.starved || host.available < 4 || this.profile.limitPages !== null;
  }

  fail(message: string): never {
    throw new TortureFailure(message);
  }

  /** Complains about an outcome. */
  failErrno(what: string, errno: Errno, expected: string): never {
    throw new TortureFailure(`${what} answered ${errno}, expected ${expected}`);
  }
}
