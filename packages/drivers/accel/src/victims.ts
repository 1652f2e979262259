import { CAUSE, type DeviceMemory, type PageCount } from "@hms/hmm";
import { type VictimName, type VictimPolicy, victims } from "@hms/policy";

/** Pages that are looked at, and evicted, together: 256 KiB. */
const BLOCK: PageCount = 64;
/** How victims are chosen unless it is said: by measurement (docs/decisions/0124). */
export const VICTIMS_DEFAULT: VictimName = "sieve";

/** Takes the device's translations of pages away, so that their next use is a fault. */
export type Forget = (index: number) => void;

/** Whether the pages of a space, by its number, are not to leave. */
export type Stays = (space: number) => boolean;

/**
 * Chooses what leaves the device's memory, a block at a time. The device uses pages without telling: only what it has
 * no translation of is a fault. So a block that is chosen loses its translations first, if it was used since it last
 * had none, and stays; chosen again without having been used, it is evicted.
 */
export class Victims {
  readonly #memory: DeviceMemory;
  readonly #policy: VictimPolicy;
  /** Pages that the device may use without a fault. */
  readonly #used: Uint8Array;
  /** Blocks that the policy knows, and those of which something was used since they last lost their translations. */
  readonly #known: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #forget: Forget;
  #hand = 0;
  #ownHand = 0;

  constructor(memory: DeviceMemory, forget: Forget, name: VictimName = VICTIMS_DEFAULT) {
    const blocks = Math.ceil(memory.pages / BLOCK);
    this.#memory = memory;
    this.#policy = victims(blocks, name);
    this.#used = new Uint8Array(memory.pages);
    this.#known = new Uint8Array(blocks);
    this.#fresh = new Uint8Array(blocks);
    this.#forget = forget;
  }

  /** Pages that follow each other were put into the device's table. */
  use(index: number, count: PageCount = 1): void {
    this.#used.fill(1, index, index + count);
    const last = Math.floor((index + count - 1) / BLOCK);
    for (let block = Math.floor(index / BLOCK); block <= last; block++) this.#useBlock(block);
  }

  #useBlock(block: number): void {
    if (this.#fresh[block] === 1) return;
    this.#fresh[block] = 1;
    if (this.#known[block] === 1) this.#policy.touch(block);
    else this.#insert(block);
  }

  #insert(block: number): void {
    this.#known[block] = 1;
    this.#policy.insert(block, this.#keyOf(block));
  }

  /** Tells what is in a block from what was there before: its first page's number in its space. */
  #keyOf(block: number): number {
    const { frames, pages } = this.#memory;
    const end = Math.min(pages, (block + 1) * BLOCK);
    for (let index = block * BLOCK; index < end; index++) {
      if ((frames.mapCount[index] ?? 0) > 0)
        return (frames.spaceOf(index) & 0xffff) * 2 ** 30 + Math.floor(frames.pageOf(index) / BLOCK);
    }
    return 2 ** 48 + block;
  }

  free(index: number, count: PageCount = 1): void {
    this.#used.fill(0, index, index + count);
    const last = Math.floor((index + count - 1) / BLOCK);
    for (let block = Math.floor(index / BLOCK); block <= last; block++) {
      if (this.#known[block] === 0 || this.#holds(block)) continue;
      this.#known[block] = 0;
      this.#fresh[block] = 0;
      this.#policy.remove(block);
    }
  }

  /** Whether a page of a block is in use. */
  #holds(block: number): boolean {
    const { mapCount } = this.#memory.frames;
    const end = Math.min(this.#memory.pages, (block + 1) * BLOCK);
    for (let index = block * BLOCK; index < end; index++) if ((mapCount[index] ?? 0) > 0) return true;
    return false;
  }

  /**
   * Makes room for about `wanted` pages, not of those that stay. Returns how many went home; 0: nothing can (pinned, held,
   * no host memory).
   */
  evict(wanted: PageCount, stays: Stays | null = null): PageCount {
    const blocks = this.#known.length;
    let moved = 0;
    // Each block may lose its translations, be found pinned, and be looked at by the hand.
    for (let left = 3 * blocks; left > 0 && moved < wanted; left--) {
      const block = this.#next();
      if (block < 0) break;
      const first = block * BLOCK;
      const count = Math.min(BLOCK, this.#memory.pages - first);
      if (stays !== null) moved += this.#evictBut(stays, block, BLOCK);
      else if (!this.#spare(block, first, count))
        moved += this.#memory.evict(first, count, CAUSE.eviction).moved;
      if (this.#known[block] === 0 && this.#holds(block)) this.#insert(block);
    }
    return moved;
  }

  /**
   * Sends home about `wanted` pages of one space, in turns over the memory: those in blocks that were not used since the
   * last turn. What was chosen so far of all spaces' pages stays as it is.
   */
  evictOf(space: number, wanted: PageCount): PageCount {
    const blocks = this.#known.length;
    const stays: Stays = (other) => other !== space;
    let moved = 0;
    for (let left = 2 * blocks; left > 0 && moved < wanted; left--) {
      const block = this.#ownHand;
      this.#ownHand = (block + 1) % blocks;
      moved += this.#evictBut(stays, block, wanted - moved);
    }
    return moved;
  }

  /** Sends home pages of a block, at most so many, but for those of spaces that stay. */
  #evictBut(stays: Stays, block: number, most: PageCount): PageCount {
    const { frames, pages } = this.#memory;
    const first = block * BLOCK;
    const end = Math.min(pages, first + BLOCK);
    // Pages of a block are mostly of one space.
    let space = -1;
    let leave = false;
    const leaves = (index: number): boolean => {
      if ((frames.mapCount[index] ?? 0) === 0) return false;
      if (frames.spaceOf(index) !== space) {
        space = frames.spaceOf(index);
        leave = !stays(space);
      }
      return leave;
    };
    let moved = 0;
    let looked = false;
    for (let index = first; index < end && moved < most; ) {
      let run = 0;
      while (index + run < end && run < most - moved && leaves(index + run)) run++;
      if (run > 0) {
        // A block of which nothing may leave keeps its second chance.
        if (!looked && this.#spare(block, first, end - first)) return 0;
        looked = true;
        moved += this.#memory.evict(index, run, CAUSE.eviction).moved;
      }
      index += Math.max(1, run);
    }
    return moved;
  }

  /** The next block to look at: the policy's choice, or one that the device has never used; −1: there is none. */
  #next(): number {
    const block = this.#policy.victim();
    if (block >= 0) {
      this.#known[block] = 0;
      return block;
    }
    const blocks = this.#known.length;
    for (let looked = 0; looked < blocks; looked++) {
      const at = (this.#hand + looked) % blocks;
      if (!this.#holds(at)) continue;
      this.#hand = (at + 1) % blocks;
      return at;
    }
    return -1;
  }

  /** Whether something of a block was used since it last had no translations; they go now. */
  #spare(block: number, first: number, count: PageCount): boolean {
    if (this.#fresh[block] === 0) return false;
    this.#fresh[block] = 0;
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
