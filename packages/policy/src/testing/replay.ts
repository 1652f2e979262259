import type { VictimPolicy } from "../victims/victim-policy.ts";

/** How often a memory of the policy's slots does not hold the page that is used, over a trace of pages. */
export function missesOf(policy: VictimPolicy, trace: Uint32Array): number {
  let pages = 0;
  for (const page of trace) if (page >= pages) pages = page + 1;
  const slotOf = new Int32Array(pages).fill(-1);
  const pageIn = new Uint32Array(policy.capacity);
  let misses = 0;
  for (let i = 0; i < trace.length; i++) {
    const page = trace[i] as number;
    const known = slotOf[page] as number;
    if (known >= 0) {
      policy.touch(known);
      continue;
    }
    misses++;
    let slot = policy.size;
    if (slot === policy.capacity) {
      slot = policy.victim();
      slotOf[pageIn[slot] as number] = -1;
    }
    policy.insert(slot, page);
    slotOf[page] = slot;
    pageIn[slot] = page;
  }
  return misses;
}
