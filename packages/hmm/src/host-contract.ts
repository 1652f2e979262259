import type { Cause } from "./cause.ts";
import type { Device } from "./device.ts";
import type { Errno } from "./errno.ts";
import type { Space } from "./space.ts";
import type { FrameNumber, Nanoseconds, PageCount, PageIndex } from "./units.ts";

/**
 * Places in the core where something else may run before it goes on, as it may in a kernel: another CPU, a device, an
 * invalidation. The core holds no reference into a page table across one.
 */
export const YIELD_POINTS = [
  "fault",
  "faulted",
  "range-fault",
  "populate",
  "invalidated",
  "migrate-collected",
  "migrate-copy",
  "migrate-filled",
  "migrated",
  "exclusive",
  "evict",
  "allocate",
  "reclaim",
  "retry",
] as const;
export type YieldPoint = (typeof YIELD_POINTS)[number];

/**
 * What the core asks of a host: the owner of the CPU's side of the spaces and of the host's memory. The simulated host
 * and the real one implement it; the core knows nothing else of them.
 *
 * The page tables and the regions are the core's (`Space`); the host fills them when the CPU or a device touches a page
 * (`fault`), and decides what its own memory is used for. A real host has a page table beneath that the CPU walks:
 * `sync` is where it brings that one in line.
 */
export interface Host {
  readonly name: string;
  /** Pages of the host's memory: its frames are 0 (the zero page) to this less one. Fixed. */
  readonly framesCount: PageCount;

  /** The host's clock. */
  now(): Nanoseconds;

  /**
   * Makes a page accessible as if the CPU had touched it: populates it, copies what is shared, brings it home. OK
   * means that it is worth looking again, not that the entry is as wished.
   * EFAULT: no region, or not this access; EIO: what the page holds is lost or cannot be had (SIGBUS); ENOMEM;
   * EAGAIN: would have to wait for something that is under way.
   */
  fault(space: Space, page: PageIndex, write: boolean, cause: Cause): Errno;

  /**
   * A frame, or 512 that follow each other from a multiple of 512 on (`HEAD` and `TAIL` set), not zeroed; `NO_FRAME`
   * when there is none. `space`: whom it is for, if known. Others may run meanwhile (reclaim).
   */
  allocate(space: Space | null, huge: boolean): FrameNumber;
  /**
   * Several single frames at once: puts up to `count` into `frames` from `at` on, those that follow each other as far as
   * there are such, and answers how many; the rest is asked for one by one. Absent: all are. As `allocate` else.
   */
  allocateRun?(space: Space | null, count: PageCount, frames: Uint32Array, at: number): PageCount;
  /** The last reference to a frame of host memory is gone. Nothing else runs. */
  release(frame: FrameNumber): void;
  /** The same for frames that follow each other. Absent: `release` for each. */
  releaseRun?(frame: FrameNumber, count: PageCount): void;
  /**
   * Makes separate pages of the huge page that a frame belongs to (`HEAD` and `TAIL` cleared). False when it cannot
   * now: one of them is pinned. With `told` the mirrors of all of it have been told, so that pages which hold zeros
   * only may be given up for the page of zeros. Nothing else runs.
   */
  split(frame: FrameNumber, told: boolean): boolean;

  /** Reads bytes of host memory on behalf of a device (null: a CPU). `target` may run on into frames that follow. */
  read(frame: FrameNumber, offset: number, target: Uint8Array, by: Device | null): void;
  /** Writes bytes of host memory. */
  write(frame: FrameNumber, offset: number, source: Uint8Array, by: Device | null): void;

  /** One more entry refers to a swap slot (fork). */
  shareSwap(slot: number): void;
  /** An entry that referred to a swap slot is gone. */
  releaseSwap(slot: number): void;

  /** Entries of the range changed: make the CPU's own page table agree. Nothing else runs. */
  sync(space: Space, first: PageIndex, count: PageCount): void;

  /** Others may run here. */
  yield(point: YieldPoint): void;
  /**
   * Wait a little before another attempt. False: waiting cannot help here (what is waited for is further up the
   * stack), so that the answer is EBUSY at once.
   */
  pause(attempt: number): boolean;
}
