import type { PageCount } from "./units.ts";

/**
 * How many of the numbers from `from` on, at most `most`, follow each other; at least 1. Frames' numbers need all 32
 * bits: loops over many of them calculate with `| 0`, in whole numbers of 32 bits, which costs a fraction.
 */
export function following(frames: Uint32Array, from: number, most: PageCount): PageCount {
  const end = from + most;
  let next = ((frames[from] ?? 0) + 1) | 0;
  let k = from + 1;
  for (; k < end && ((frames[k] ?? 0) | 0) === next; k++) next = (next + 1) | 0;
  return k - from;
}
