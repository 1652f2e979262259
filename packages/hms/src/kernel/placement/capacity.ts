import { PAGE_BYTES, type PageCount } from "@hms/hmm";
import type { RefusedBy } from "@hms/policy";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import type { Place } from "./place.ts";
import type { Policy } from "./policy.ts";

/** Why a target takes no more pages. */
export interface Shortage {
  readonly by: RefusedBy;
  readonly errno: "ENOMEM";
  readonly why: string;
}

/** What is left of the targets of a policy for one space, as pages are given to them. */
export class Capacity {
  readonly #left: Float64Array;
  readonly #policy: Policy;
  readonly #why: Shortage[] = [];
  #next = 0;

  /** `later`: for pages that are still to be made. */
  constructor(kernel: Kernel, entry: SpaceEntry, policy: Policy, later = false) {
    this.#policy = policy;
    const group = kernel.placements.group();
    this.#left = Float64Array.from(policy.targets, ({ place }, i) => {
      const room = roomOf(kernel, place, later);
      const share = kernel.placements.shares.left(entry, place);
      const limit =
        place.kind === "node" ? (group?.leftPages ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
      const least = Math.min(room, share, limit);
      this.#why[i] = shortage(place, { room, share, limit }, group?.name ?? "");
      return least;
    });
  }

  /** Pages that a target can still take. */
  left(target: number): PageCount {
    return this.#left[target] ?? 0;
  }

  /** Gives pages to a target. */
  take(target: number, pages: PageCount): void {
    this.#left[target] = (this.#left[target] ?? 0) - pages;
  }

  /** The first target in order that has room; −1: none. */
  get first(): number {
    while (this.#next < this.#policy.targets.length && this.left(this.#next) < 1) this.#next++;
    return this.#next < this.#policy.targets.length ? this.#next : -1;
  }

  /** Why a target takes no more. */
  why(target: number): Shortage {
    return this.#why[target] ?? { by: "capacity", errno: "ENOMEM", why: "it has no room" };
  }
}

/** Pages that a place can take before something has to leave it. */
function roomOf(kernel: Kernel, place: Place, later: boolean): PageCount {
  switch (place.kind) {
    case "device":
      return place.machine.accel.memory.available;
    case "node":
      return later ? kernel.placements.rooms.toPromise(place.node) : kernel.placements.rooms.of(place.node);
    default:
      return Number.POSITIVE_INFINITY;
  }
}

function shortage(
  place: Place,
  { room, share, limit }: { readonly room: PageCount; readonly share: PageCount; readonly limit: PageCount },
  group: string,
): Shortage {
  const size = (pages: PageCount): string => `${Math.max(0, pages)} pages of ${PAGE_BYTES / 1024} KiB`;
  if (share <= room && share <= limit)
    return { by: "share", errno: "ENOMEM", why: `the space's share of it leaves ${size(share)}` };
  if (limit < room)
    return { by: "cgroup", errno: "ENOMEM", why: `the memory limit of ${group} leaves ${size(limit)}` };
  const what = place.kind === "node" ? "are free in it beyond what the kernel keeps" : "are free in it";
  return { by: "capacity", errno: "ENOMEM", why: `${size(room)} ${what}` };
}
