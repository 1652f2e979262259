import {
  type Cause,
  HUGE_PAGES,
  KIND,
  LOSS,
  type LossReason,
  OK,
  type PageCount,
  type PageIndex,
  type Space,
  SWAP,
} from "@hms/hmm";
import { NO_PAGE, NOT_HERE, sendToFile } from "@hms/host-linux";
import type { RefusedBy } from "@hms/policy";
import type { ErrnoName } from "@hms/topology";
import type { Kernel } from "../kernel.ts";
import type { Place } from "./place.ts";

/** Why a page did not get where it was wanted. */
export interface Reason {
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  readonly why: string;
}

const LEFT: Reason = { by: "kernel", errno: null, why: "the kernel left them where they were" };
const NO_MEMORY: Reason = { by: "capacity", errno: "ENOMEM", why: "no memory was left for them" };

/** Told why pages stayed. */
export type OnStay = (first: PageIndex, count: PageCount, reason: Reason) => void;

/** Brings pages to places, at most 512 at a time, and says why some stay. Nothing has to leave for them. */
export class Mover {
  readonly #kernel: Kernel;
  readonly #cause: Cause;
  readonly #to = new Int32Array(HUGE_PAGES);

  constructor(kernel: Kernel, cause: Cause) {
    this.#kernel = kernel;
    this.#cause = cause;
  }

  /** Pages of the host's memory go to the nodes in `to`; −1: this one stays. */
  spread(space: Space, first: PageIndex, count: PageCount, to: Int32Array, stay: OnStay): void {
    const wanted = this.#to;
    wanted.set(to.subarray(0, count));
    this.#kernel.residence.move(space, first, count, wanted);
    for (let k = 0; k < count; k++) {
      const got = wanted[k] ?? 0;
      const node = to[k] ?? -1;
      if (node === -1 || got === node || got === NO_PAGE || got === NOT_HERE) continue;
      stay(first + k, 1, got < 0 ? kernelReason(-got) : LEFT);
    }
  }

  /** Pages come to the host's memory, from devices and from disk. */
  fetch(space: Space, first: PageIndex, count: PageCount, stay: OnStay): void {
    this.#home(space, first, count, stay);
    this.#fetch(space, first, count, stay);
  }

  move(space: Space, first: PageIndex, count: PageCount, place: Place, stay: OnStay): void {
    switch (place.kind) {
      case "device":
        this.#fetch(space, first, count, stay);
        this.#toDevice(space, first, count, place.machine.accel, stay);
        break;
      case "host":
        this.fetch(space, first, count, stay);
        break;
      case "node": {
        this.fetch(space, first, count, stay);
        const to = new Int32Array(count).fill(place.node);
        this.spread(space, first, count, to, stay);
        break;
      }
      case "file":
        this.#toFile(space, first, count, stay);
    }
  }

  #toDevice(
    space: Space,
    first: PageIndex,
    count: PageCount,
    {
      memory,
      deviceMemory,
    }: {
      readonly memory: { readonly available: PageCount };
      readonly deviceMemory: Parameters<Kernel["open"]["core"]["migrate"]>[0]["to"];
    },
    stay: OnStay,
  ): void {
    const room = Math.min(count, memory.available);
    if (room < count)
      stay(first + room, count - room, { by: "capacity", errno: "ENOMEM", why: "it has no room left" });
    if (room === 0) return;
    const { core } = this.#kernel.open;
    const report = core.migrate({ space, first, count: room, to: deviceMemory, cause: this.#cause });
    for (const kept of report.kept) stay(kept.first, kept.count, reasonOf(kept.reason, kept.why));
  }

  /** From devices to the host's memory. */
  #home(space: Space, first: PageIndex, count: PageCount, stay: OnStay): void {
    const { core } = this.#kernel.open;
    const report = core.migrate({ space, first, count, to: null, cause: this.#cause });
    for (const kept of report.kept) {
      // Pages of shared and file regions are at home wherever they are.
      if (kept.reason !== LOSS.immovable) stay(kept.first, kept.count, reasonOf(kept.reason, kept.why));
    }
  }

  /** From the disk to the host's memory, as far as the budget goes. */
  #fetch(space: Space, first: PageIndex, count: PageCount, stay: OnStay): void {
    const host = this.#kernel.open;
    for (let page = first; page < first + count; page++) {
      if ((space.table.flagsAt(page) & KIND) !== SWAP) continue;
      if (host.resident >= host.budget)
        stay(page, 1, {
          by: "capacity",
          errno: "ENOMEM",
          why: "the memory budget (ram) leaves no room to fetch them from disk",
        });
      else if (host.fault(space, page, false, this.#cause) !== OK) stay(page, 1, NO_MEMORY);
    }
  }

  #toFile(space: Space, first: PageIndex, count: PageCount, stay: OnStay): void {
    const region = space.regions.at(first);
    sendToFile(this.#kernel.open, space, first, count, this.#cause);
    if (region?.backing == null)
      stay(first, count, { by: "kernel", errno: "EINVAL", why: "there is no file behind them" });
  }
}

/** Why pages of shared and file regions are in no device's memory. */
export const IMMOVABLE: Reason = {
  by: "driver",
  errno: "EOPNOTSUPP",
  why: "pages of shared and file regions stay in the host's memory, where devices use them in place",
};

/** What the core says of a page that stayed, as reports say it. */
export function reasonOf(reason: LossReason, why: string): Reason {
  switch (reason) {
    case LOSS.pinned:
      return { by: "pinned", errno: "EBUSY", why: "a system call or a device has them pinned" };
    case LOSS.refused:
    case LOSS.held:
    case LOSS.noPeer:
      return { by: "driver", errno: null, why: `the driver says: ${why}` };
    case LOSS.driverLeft:
      return {
        by: "driver",
        errno: "EBUSY",
        why: "the driver could not take them: they are pinned, or its memory is full",
      };
    case LOSS.noMemory:
      return NO_MEMORY;
    case LOSS.limit:
      return { by: "share", errno: "ENOMEM", why: "the space may hold no more pages" };
    case LOSS.immovable:
    case LOSS.file:
      return IMMOVABLE;
    case LOSS.lost:
      return { by: "kernel", errno: "EIO", why: "they were lost with their device" };
    default:
      return { by: "kernel", errno: "EBUSY", why: `they could not be moved now: ${why}` };
  }
}

const KERNEL_ERRNOS = new Map<number, { readonly errno: ErrnoName; readonly why: string }>([
  [1, { errno: "EPERM", why: "the process may not move pages (CAP_SYS_NICE, or seccomp)" }],
  [12, { errno: "ENOMEM", why: "the node has no free page" }],
  [13, { errno: "EACCES", why: "other processes map them too, or the cpuset leaves the node out" }],
  [14, { errno: "EFAULT", why: "nothing is mapped there" }],
  [16, { errno: "EBUSY", why: "the kernel has them in use (pinned, under I/O)" }],
  [19, { errno: "ENODEV", why: "the node is not online" }],
  [38, { errno: "ENOSYS", why: "the kernel is built without NUMA" }],
]);

/** What the kernel answered for a page. */
export function kernelReason(errno: number): Reason {
  const known = KERNEL_ERRNOS.get(errno);
  if (errno === 16) return { by: "pinned", errno: "EBUSY", why: known?.why ?? "" };
  return { by: "kernel", errno: known?.errno ?? null, why: known?.why ?? `move_pages says errno ${errno}` };
}
