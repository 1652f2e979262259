import type { DeviceMemory, PageCount, PageIndex, Space } from "@hms/hmm";

/** What is to become of pages that the device touched; filled by a `DevicePlacer`. */
export interface DeviceChoice {
  /**
   * `unsaid`: as the window is advised; `move`: into the device's memory, where others make room; `room`: into it, as
   * far as there is room; `stay`: where they are, used in place if that can be.
   */
  way: "unsaid" | "move" | "room" | "stay";
  /** Pages from the one that was asked about on, of which this is true. At least 1. */
  count: PageCount;
  /** They are to be in the device's memory, or the touch fails. */
  strict: boolean;
}

/** Knows where pages that devices touch should be. The driver knows no policy itself. */
export interface DevicePlacer {
  /**
   * Says in `choice` what is to become of pages from `page` on, which the device of a memory touches, and of how many
   * of `count` that is true. False: nobody has said anything about any of them.
   */
  choose(
    space: Space,
    page: PageIndex,
    count: PageCount,
    memory: DeviceMemory,
    choice: DeviceChoice,
  ): boolean;

  /** How spaces share a device's memory; null: nobody has a share of it, and it belongs to whoever comes. */
  shares(memory: DeviceMemory): MemoryShares | null;
}

/** How much of a device's memory spaces may have. Asked only where someone has a share of it. */
export interface MemoryShares {
  /** Pages that a space may take of those that are free. */
  room(space: Space): PageCount;
  /** Pages that it may have in all, when others make room. */
  most(space: Space): PageCount;
  /** Whether pages of a space may leave for those of others. */
  yields(space: Space): boolean;
}

/** A choice to be filled. */
export function newChoice(): DeviceChoice {
  return { way: "unsaid", count: 1, strict: false };
}
