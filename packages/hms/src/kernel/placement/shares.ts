import { PAGE_BYTES, type PageCount } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { Kernel } from "../kernel.ts";
import type { SpaceEntry } from "../objects.ts";
import { HOST, type Place } from "./place.ts";

/** How much of some targets a space may have. */
export class SpaceShares {
  readonly #most: ReadonlyMap<string, PageCount>;

  constructor(most: ReadonlyMap<string, PageCount> = new Map()) {
    this.#most = most;
  }

  /** Names of targets and the most pages of each. */
  get all(): ReadonlyMap<string, PageCount> {
    return this.#most;
  }

  /** Pages that the space may still have of a place; no share: as many as there are. */
  left(kernel: Kernel, entry: SpaceEntry, place: Place): PageCount {
    if (this.#most.size === 0) return Number.POSITIVE_INFINITY;
    const most = this.#most.get(place.name);
    if (most === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(0, most - usedOf(kernel, entry, place.name));
  }
}

/** Pages that a space has of a target now. */
export function usedOf(kernel: Kernel, { linux }: SpaceEntry, name: string): PageCount {
  const node = /^node(\d+)$/.exec(name)?.[1];
  if (node !== undefined) return kernel.placements.pagesOn(linux.space, Number(node));
  const { host, file, devices } = linux.space.accounts();
  return name === "host" ? host + file : (devices.get(name) ?? 0);
}

/** What a program asks for. Throws NO_SUCH_TARGET (ENOENT), SHARE_TWICE (EINVAL). */
export function sharesOf(
  kernel: Kernel,
  shares: readonly { readonly target: string; readonly bytes: number }[],
): SpaceShares {
  const most = new Map<string, PageCount>();
  for (const { target, bytes } of shares) {
    const name = /^node\d+$/.test(target) ? expectNode(kernel, target) : memoryName(kernel, target);
    if (most.has(name)) {
      throw new HmsError(
        "SHARE_TWICE",
        "EINVAL",
        `Making a space failed: it is given two shares of ${name}.`,
      );
    }
    most.set(name, Math.floor(bytes / PAGE_BYTES));
  }
  return new SpaceShares(most);
}

function memoryName(kernel: Kernel, target: string): string {
  return kernel.memory(target)?.accel.deviceMemory.name ?? HOST;
}

function expectNode(kernel: Kernel, name: string): string {
  const { nodes } = kernel.placements.view.limits();
  if (nodes.has(Number(name.slice(4)))) return name;
  const there = [...nodes.keys()].map((node) => `node${node}`);
  throw new HmsError(
    "NO_SUCH_TARGET",
    "ENOENT",
    `Making a space failed: there is no memory ${name}; there are ${there.join(", ")}.`,
  );
}
