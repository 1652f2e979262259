import {
  type Errno,
  type FrameNumber,
  HUGE_PAGES,
  isDeviceFrame,
  type Nanoseconds,
  OK,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  WRITTEN,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { Bring } from "./ahead.ts";
import { CachedFile } from "./cached-file.ts";
import type { LinuxHost } from "./host.ts";
import { CACHE, MAPPED } from "./pages.ts";
import {
  EEXIST,
  MADV_DONTNEED,
  UFFDIO_CONTINUE_MODE_DONTWAKE,
  UFFDIO_CONTINUE_MODE_WP,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_REGISTER_MODE_MINOR,
  UFFDIO_REGISTER_MODE_MISSING,
  UFFDIO_REGISTER_MODE_WP,
} from "./sys/abi.generated.ts";
import { Mapping, madvise } from "./sys/memory.ts";
import type { Userfaultfd } from "./sys/uffd.ts";

/** No frame of a window's page. */
const NONE = 0xffff_ffff;

/** What a window shows, and who answers its faults. */
export interface WindowOptions {
  readonly space: Space;
  /** First page, in the space. */
  readonly first: PageIndex;
  /** Pages, all of one region; parts of it may have rights of their own, which `onFault` minds. */
  readonly pages: PageCount;
  /** Address of the first byte inside of memory that exists already (a WebAssembly memory); a multiple of 4096. */
  readonly at?: number;
  /** Shown in `/proc/self/maps`. */
  readonly name?: string;
  /** Name of the device that touches it, as the trace is told. */
  readonly device?: string;
  /**
   * The device touched a page of the space that its window does not have. Called in the kernel thread. Put it in and
   * answer OK. An errno: the touch is answered with a page of zeros that is thrown away, and counted as a failure.
   */
  onFault(page: PageIndex, write: boolean): Errno;
}

/**
 * A device's own mapping of a region: its page table is the processor's, and touching a page that is not in it is a
 * real fault, which the driver answers. Private pages are in one place at a time, so mapping one takes it from
 * wherever it was mapped.
 */
export class DeviceWindow implements Disposable {
  readonly host: LinuxHost;
  readonly space: Space;
  /** First page, in the space. */
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** Number of the window's own first page. */
  readonly base: PageIndex;
  readonly uffd: Userfaultfd;
  readonly #device: string;
  readonly #mapping: Mapping | null;
  readonly #onFault: (page: PageIndex, write: boolean) => Errno;
  /** The frame that each page of the window shows; NONE where it has none. */
  readonly #frames: Uint32Array;
  /** Shared and file regions are mapped in place, in any number of windows. */
  readonly backing: CachedFile | null;
  /** First page of the file that it shows. */
  readonly #fileFirst: PageIndex;
  /** Pages of a file that the device may write right now. */
  readonly #mayWrite = new Set<PageIndex>();
  /** Pages of zeros that answer failed touches. */
  readonly #thrownAway = new Set<PageIndex>();
  /** Zeros are mapped over a window of a file, whose pages nothing else can take the place of. */
  #covered = false;
  #failures = 0;
  #open = true;

  /** `LinuxHost.openWindow` makes them. */
  constructor(host: LinuxHost, options: WindowOptions) {
    const { space, first, pages } = options;
    const [region] = space.regions.piece(first, first + pages);
    if (region === undefined) {
      throw new HmsError(
        "BAD_WINDOW",
        "EINVAL",
        `Opening a window failed: pages ${first} to ${first + pages - 1} must be in one region.`,
      );
    }
    this.host = host;
    this.space = space;
    this.first = first;
    this.pages = pages;
    this.uffd = host.hidden;
    this.#device = options.device ?? "";
    this.#onFault = options.onFault;
    this.#frames = new Uint32Array(pages).fill(NONE);
    const { backing } = region;
    this.backing = backing instanceof CachedFile ? backing : null;
    this.#fileFirst = region.offset + (first - region.first);
    const name = `hms ${options.name ?? "window"}`;
    if (this.backing !== null) {
      this.#mapping = Mapping.shared(this.backing.fd, pages * PAGE_BYTES, {
        align: HUGE_PAGES * PAGE_BYTES,
        offset: this.#fileFirst * PAGE_BYTES,
      });
    } else {
      this.#mapping =
        options.at === undefined
          ? Mapping.reserve(pages * PAGE_BYTES, {
              align: HUGE_PAGES * PAGE_BYTES,
              name,
              huge: true,
              noReserve: true,
            })
          : null;
    }
    const address = this.#mapping?.address ?? options.at ?? 0;
    this.base = address / PAGE_BYTES;
    this.#register();
    host.owners.add(this.base, pages, this);
    host.windows.add(this);
    host.countMappings(1);
  }

  #register(): void {
    const minor = this.backing !== null ? UFFDIO_REGISTER_MODE_MINOR : 0;
    const modes = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP | minor;
    this.uffd.register(this.address, this.pages * PAGE_BYTES, modes);
  }

  /** Address of the first byte. */
  get address(): number {
    return this.base * PAGE_BYTES;
  }

  get open(): boolean {
    return this.#open;
  }

  /** Answers one touch of the device, which was read at `begun`. */
  serve(own: PageIndex, write: boolean, _protectedPage: boolean, begun: Nanoseconds): void {
    const page = this.first + (own - this.base);
    this.host.ahead.touched(this, page);
    const errno = this.#onFault(page, write);
    if (errno !== OK) this.#fail(own);
    this.uffd.wake(own * PAGE_BYTES, PAGE_BYTES);
    const took = this.host.now() - begun;
    this.host.statistics.deviceFaults++;
    this.host.statistics.deviceFaultTime += took;
    this.host.trace?.fault("device", this.space, page, errno === OK ? 1 : 0, write, took, this.#device);
  }

  /** Resume with an error: what it reads are zeros, what it writes is thrown away. */
  #fail(own: PageIndex): void {
    this.#failures++;
    if (this.backing !== null) {
      this.#cover();
      return;
    }
    const { nursery } = this.host.pages;
    this.zap(this.first + (own - this.base), 1);
    if (this.uffd.copy(own * PAGE_BYTES, nursery.zeros, PAGE_BYTES, UFFDIO_COPY_MODE_DONTWAKE) > 0)
      this.#thrownAway.add(own);
  }

  /** Until the failures are taken the device has zeros in place of the file: one mapping, however many touches fail. */
  #cover(): void {
    if (this.#covered) return;
    this.#covered = true;
    Mapping.reserve(this.pages * PAGE_BYTES, { at: this.address, noReserve: true });
  }

  #uncover(file: CachedFile): void {
    this.#covered = false;
    Mapping.shared(file.fd, this.pages * PAGE_BYTES, {
      at: this.address,
      offset: this.#fileFirst * PAGE_BYTES,
    });
    this.#register();
    this.#frames.fill(NONE);
    this.#mayWrite.clear();
  }

  /**
   * How many touches were answered with an error since last asked. What they were answered with is gone then, and so
   * may be what else the window showed: its owner forgets that.
   */
  takeFailures(): number {
    const failures = this.#failures;
    this.#failures = 0;
    if (failures === 0) return 0;
    for (const own of this.#thrownAway) madvise(own * PAGE_BYTES, PAGE_BYTES, MADV_DONTNEED);
    this.#thrownAway.clear();
    if (this.#covered && this.backing !== null) this.#uncover(this.backing);
    return failures;
  }

  /**
   * Has pages brought here, 2 MiB at a time, while the host has nothing else to do: until `bring`, which answers how many
   * came, answers −1, or the program touches one of those to come. False: it will not.
   */
  ahead(first: PageIndex, count: PageCount, bring: Bring): boolean {
    return this.host.ahead.move(this, first, count, (from, most) => (this.#open ? bring(from, most) : -1));
  }

  /**
   * Maps frames as pages `first`… of the space, taking them away from wherever they are mapped. OK, or the errno of
   * what stopped it (EBUSY: pinned by the kernel, ENOMEM).
   */
  map(first: PageIndex, of: Uint32Array, from: number, count: PageCount, writable: boolean): Errno {
    for (let done = 0; done < count; ) {
      const run = Math.min(count - done, HUGE_PAGES);
      const errno = this.#mapRun(first + done, of, from + done, run, writable);
      if (errno !== OK) return errno;
      done += run;
    }
    return OK;
  }

  #mapRun(first: PageIndex, of: Uint32Array, from: number, count: PageCount, writable: boolean): Errno {
    const own = this.base + (first - this.first);
    if (this.backing !== null) return this.#mapCached(own, of, from, count, writable);
    const { pages } = this.host;
    for (let k = 0; k < count; k++) {
      const frame = of[from + k] ?? NONE;
      this.#displace(own + k, frame);
      if (writable && !isDeviceFrame(frame)) this.host.dropClean(frame);
    }
    const done = pages.map(own, of, from, count, writable);
    this.#frames.set(of.subarray(from, from + done), own - this.base);
    return done === count ? OK : pages.errno;
  }

  #mapCached(own: PageIndex, of: Uint32Array, from: number, count: PageCount, writable: boolean): Errno {
    const mode = UFFDIO_CONTINUE_MODE_DONTWAKE | (writable ? 0 : UFFDIO_CONTINUE_MODE_WP);
    for (let k = 0; k < count; k++) {
      const frame = of[from + k] ?? NONE;
      if (this.host.pages.placeOf(frame) !== CACHE) return this.host.pages.errno;
      const done = this.uffd.continueAt((own + k) * PAGE_BYTES, PAGE_BYTES, mode);
      if (done < 0 && done !== -EEXIST) return -done;
      if (done === -EEXIST) this.host.pages.protectRun(own + k, 1, !writable);
      this.#frames[own - this.base + k] = frame;
      this.host.pages.host.place[frame] = CACHE;
      if (!writable) continue;
      this.#mayWrite.add(own - this.base + k);
      this.host.core.memories.host.set(frame, WRITTEN);
    }
    return OK;
  }

  /** Another frame was shown here. */
  #displace(own: PageIndex, frame: FrameNumber): void {
    const before = this.#frames[own - this.base] ?? NONE;
    if (before === NONE || before === frame) return;
    this.zap(this.first + (own - this.base), 1);
  }

  /** Whether the window shows a page of the space right now. */
  shows(page: PageIndex): boolean {
    const own = this.base + (page - this.first);
    const frame = this.#frames[page - this.first] ?? NONE;
    return frame !== NONE && (this.backing !== null || this.host.pages.isMappedAt(frame, own));
  }

  /**
   * Drops the device's translations of pages of the space: afterwards its next touch is a fault. Pages go to slots.
   * Never waits for the device.
   */
  zap(first: PageIndex, count: PageCount): void {
    const from = Math.max(0, first - this.first);
    const to = Math.min(this.pages, first + count - this.first);
    if (this.backing !== null) this.#zapCached(from, to);
    else this.#zapPrivate(from, to);
  }

  #zapCached(from: number, to: number): void {
    if (to <= from) return;
    madvise((this.base + from) * PAGE_BYTES, (to - from) * PAGE_BYTES, MADV_DONTNEED);
    this.#frames.fill(NONE, from, to);
    for (const index of this.#mayWrite) if (index >= from && index < to) this.#mayWrite.delete(index);
  }

  /** Whether the device may write a page of the file right now. */
  mayWriteFile(page: PageIndex): boolean {
    return this.#mayWrite.has(page - this.#fileFirst);
  }

  /** Drops pages of the file. */
  zapFile(page: PageIndex, count: PageCount): void {
    const from = Math.max(0, page - this.#fileFirst);
    const to = Math.min(this.pages, page + count - this.#fileFirst);
    let shown = from;
    while (shown < to && this.#frames[shown] === NONE) shown++;
    this.#zapCached(shown, to);
  }

  #zapPrivate(from: number, to: number): void {
    const { pages } = this.host;
    for (let index = from; index < to; ) {
      if (this.#frames[index] === NONE) {
        index++;
        continue;
      }
      const most = Math.min(to - index, HUGE_PAGES);
      const run = pages.runOf(this.#frames, index, most, MAPPED, this.base + index);
      if (run > 0) pages.hide(this.base + index, this.#frames, index, run);
      index += Math.max(1, run);
    }
    this.#frames.fill(NONE, from, to);
  }

  /** Takes the window away. Its pages go to slots. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.zap(this.first, this.pages);
    this.takeFailures();
    this.uffd.unregister(this.address, this.pages * PAGE_BYTES);
    this.host.owners.remove(this.base, this.pages);
    this.host.windows.delete(this);
    this.host.countMappings(-1);
    this.#mapping?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
