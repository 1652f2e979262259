import type { Cause, PageCount, PageIndex, Space } from "@hms/hmm";
import { NO_FRAME } from "@hms/hmm";
import { evictCached, hideCached, isAfter } from "./cached.ts";
import { CachedFile } from "./cached-file.ts";
import type { LinuxHost } from "./host.ts";

/**
 * Sends pages of file regions that are in memory back to their file, what was written first. Returns how many went:
 * what the disk does not take, or what is pinned, stays.
 */
export function sendToFile(
  host: LinuxHost,
  space: Space,
  first: PageIndex,
  count: PageCount,
  cause: Cause,
): PageCount {
  let gone = 0;
  for (let page = first; page < first + count; ) {
    const region = space.regions.at(page);
    if (region === null || !(region.backing instanceof CachedFile)) return gone;
    const file = region.backing;
    const at = region.offset + (page - region.first);
    const run = together(host, file, at, Math.min(first + count, region.end) - page);
    if (run > 0) {
      hideCached(host, file, at, run);
      const done = evictCached(host, file, at, run, cause, true);
      if (done < 0) return gone;
      gone += done;
    }
    page += Math.max(1, run);
  }
  return gone;
}

/** How many pages of a file from one on are in memory, and mapped alike. */
function together(host: LinuxHost, file: CachedFile, first: PageIndex, most: PageCount): PageCount {
  const frame = file.frameOf(first);
  if (frame === NO_FRAME) return 0;
  let count = 1;
  while (count < most) {
    const other = file.frameOf(first + count);
    if (other === NO_FRAME || !isAfter(host, frame, other, count)) break;
    count++;
  }
  return count;
}
