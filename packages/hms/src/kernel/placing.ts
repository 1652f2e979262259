import type { Advice as AccelAdvice } from "@hms/driver-accel";
import type { Kernel } from "./kernel.ts";
import type { RegionEntry } from "./objects.ts";

/** Pages that one touch brings in: as many as fit where they are used in order, one where they are not. */
const IN_ORDER = 512;
const IN_NO_ORDER = 1;
const AS_IT_GOES = 0;

/** What a device does with the pages of a region that it touches. */
export function deviceAdvice(region: RegionEntry): AccelAdvice {
  return region.advice === "read-mostly" ? "duplicate" : "auto";
}

/** Whether devices may touch its pages in order, for all that was said. */
export function isInOrder({ advice }: RegionEntry): boolean {
  return advice !== "random";
}

/** Lets host and devices know what was said about a region. */
export function applyAdvice(kernel: Kernel, region: RegionEntry): void {
  const { advice, linux } = region;
  linux.setWindow(advice === "sequential" ? IN_ORDER : advice === "random" ? IN_NO_ORDER : AS_IT_GOES);
  for (const [, { queue }] of kernel.handles.entries("queue")) {
    const wanted = deviceAdvice(region);
    for (const window of queue.view.windows) {
      if (window.region !== linux.id) continue;
      window.inOrder = isInOrder(region);
      if (window.advice === wanted) continue;
      window.advice = wanted;
      // What it has now came by what was said before.
      queue.view.forget(window.first, window.end);
    }
  }
}
