import type { Cause } from "./cause.ts";
import type { Device } from "./device.ts";
import type { DeviceMemory } from "./device-memory.ts";
import type { DeviceTable } from "./device-table.ts";
import type { FaultRange } from "./fault-range.ts";
import type { Migration } from "./migration.ts";
import type { Space } from "./space.ts";
import type { FrameNumber, PageCount, PageIndex } from "./units.ts";

/**
 * Why the host tells mirrors to stop using a range (the kernel's mmu_notifier_event):
 * - `unmap`: the range goes away (munmap, exit, the old place of a mremap);
 * - `clear`: entries are dropped or replaced, the range stays (copy on write, reclaim, advice, huge pages split);
 * - `protection-range`: the protection of the range changes (mprotect);
 * - `protection-page`: pages become read-only (fork, writeback, read duplication);
 * - `migrate`: pages move; `owner` is the device that moves them;
 * - `exclusive`: pages become, or stop being, a device's alone; `owner` is that device, or null when it ends;
 * - `release`: the space is gone.
 */
export type InvalidationReason =
  | "unmap"
  | "clear"
  | "protection-range"
  | "protection-page"
  | "migrate"
  | "exclusive"
  | "release";

/** One invalidation, as a mirror sees it. Valid during the call only. */
export interface Invalidation {
  readonly space: Space;
  readonly reason: InvalidationReason;
  /** The device on whose behalf, for `migrate` and `exclusive`; a driver may skip a `migrate` of its own. */
  readonly owner: Device | null;
  /** First page, clipped to the mirror. */
  readonly first: PageIndex;
  /** The page after the last, clipped to the mirror. */
  readonly end: PageIndex;
  /** Whether the driver may wait. If not, it may refuse by returning false. */
  readonly blocking: boolean;
  /** The mirror's new sequence number (odd: an invalidation is going on). It is stored before this call. */
  readonly sequence: number;
}

/**
 * What a driver provides for each mirror: its side of one device's view of one space. All of it is called with the
 * mirror's lock held, and must not call back into anything that faults, migrates or invalidates.
 */
export interface MirrorOps {
  /**
   * Drop the device's translations of the range, and make sure that it uses none of them any more. Returning false
   * refuses, which only a non-blocking invalidation allows: the host then gets EAGAIN and leaves the pages alone.
   */
  invalidate(event: Invalidation): boolean;
  /** Put the pages of a range fault into the device's table. The result is not stale. `Mirror.populate` calls it. */
  map?(range: FaultRange): void;
  /** The device's table, if it is kept in one: then `checkInvariants` can see what the device maps. */
  readonly table?: DeviceTable;
}

/** What a driver is asked about by `DeviceMemoryOps.decide`. Valid during the call only. */
export interface Proposal {
  readonly direction: "in" | "out";
  readonly space: Space;
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly cause: Cause;
  /** The memory on the other side, null for the host's. */
  readonly other: DeviceMemory | null;
}

/** A driver's answer: null to agree; or refuse; or name another memory (null: the host's). Always with the reason. */
export type Verdict =
  | null
  | { readonly refuse: string }
  | { readonly redirect: DeviceMemory | null; readonly reason: string };

/**
 * What a driver provides for a memory of its device (the kernel's dev_pagemap_ops). Frames are named by their index in
 * the memory, from 0.
 */
export interface DeviceMemoryOps {
  /** The last reference to a page is gone: it may be handed out again. */
  free(index: number): void;
  /** The same for pages that follow each other. Absent: `free` for each. */
  freeRun?(index: number, count: PageCount): void;
  /**
   * The driver's step of a migration out of this memory (a CPU touched a private page, an eviction, a release): for
   * each page that is moving, give it a destination and copy its bytes there. `Migration.takeHostPages` and
   * `Migration.store` do it for host pages. A page left without a destination stays; a CPU that waits for it then
   * gets SIGBUS.
   */
  migrateToHost(migration: Migration): void;
  /**
   * The driver's step of a migration into this memory that someone else started: for each page that is moving,
   * allocate, copy, `setDestination`. Absent: only the driver itself moves pages in.
   */
  migrateToDevice?(migration: Migration): void;
  /**
   * After pages of a migration into this memory that someone else started have moved: map them, if wanted. Not called
   * for regions that allow no access.
   */
  moved?(migration: Migration): void;
  /** Reads bytes of a page: for the CPU (coherent memory) and for other devices that may. */
  read(index: number, offset: number, target: Uint8Array): void;
  /** Writes bytes of a page. */
  write(index: number, offset: number, source: Uint8Array): void;
  /** The driver's last word on moves in and out. Absent: it agrees to all. */
  decide?(proposal: Proposal): Verdict;
  /** Whether the device can copy directly from that memory. Both sides are asked. Absent: it cannot. */
  reaches?(other: DeviceMemory): boolean;
}

/** How a memory behaves for the CPU: `private` cannot be mapped (it looks swapped out), `coherent` can. */
export type DeviceMemoryKind = "private" | "coherent";

/** What a driver says about a memory when it adds it to its device. */
export interface DeviceMemoryOptions {
  /** Shown by `explain`. */
  readonly name: string;
  readonly kind: DeviceMemoryKind;
  /** Its size, fixed. The driver alone allocates from it. */
  readonly pages: PageCount;
  /** Whether it can hold 2 MiB pages as such; default false: huge pages are split on their way in. */
  readonly huge?: boolean;
  readonly ops: DeviceMemoryOps;
}

/** A page of device memory that has been given out and is mapped nowhere yet is the driver's own business. */
export type { FrameNumber };
