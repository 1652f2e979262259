import { CAUSE, type DeviceMemory, type PageCount } from "@hms/hmm";

/** Pages that are looked at, and evicted, together: 256 KiB. */
const BLOCK: PageCount = 64;

/** Takes the device's translations of pages away, so that their next use is a fault. */
export type Forget = (index: number) => void;

/**
 * Second chance: a hand goes round the device's memory. What was used since it last came by loses its mark and its
 * translation (so that the next use can be seen, for the price of a fault and no copy); what was not used is evicted.
 */
export class Victims {
  readonly #memory: DeviceMemory;
  readonly #used: Uint8Array;
  readonly #forget: Forget;
  #hand = 0;

  constructor(memory: DeviceMemory, forget: Forget) {
    this.#memory = memory;
    this.#used = new Uint8Array(memory.pages);
    this.#forget = forget;
  }

  /** A page was put into the device's table. */
  use(index: number): void {
    this.#used[index] = 1;
  }

  free(index: number, count: PageCount = 1): void {
    this.#used.fill(0, index, index + count);
  }

  /** Makes room for about `wanted` pages. Returns how many went home; 0: nothing can (pinned, held, no host memory). */
  evict(wanted: PageCount): PageCount {
    const { pages } = this.#memory;
    const blocks = Math.ceil(pages / BLOCK);
    let moved = 0;
    // Twice round: the first time the marks may only be taken away.
    for (let left = 2 * blocks; left > 0 && moved < wanted; left--) {
      const first = this.#hand;
      const count = Math.min(BLOCK, pages - first);
      this.#hand = first + count >= pages ? 0 : first + count;
      if (!this.#spare(first, count)) moved += this.#memory.evict(first, count, CAUSE.eviction).moved;
    }
    return moved;
  }

  /** Whether something of a block was used; it loses its marks. */
  #spare(first: number, count: PageCount): boolean {
    const used = this.#used;
    let spared = false;
    for (let index = first; index < first + count; index++) {
      if (used[index] === 0) continue;
      used[index] = 0;
      this.#forget(index);
      spared = true;
    }
    return spared;
  }
}
