import { Ghosts } from "./ghosts.ts";
import { SlotLists } from "./slot-lists.ts";
import { checkedCapacity, impossible, type Slot, type VictimPolicy } from "./victim-policy.ts";

const SMALL = 0;
const MAIN = 1;
/** Uses are counted up to this. */
const USES_MAX = 3;
/** A page leaves the small queue for the main one if it was used so often in it. */
const USES_TO_STAY = 2;
/** One slot in so many is the small queue's. */
const SMALL_SHARE = 10;

/**
 * S3-FIFO: what is new goes through a small queue, and most of it leaves at its end; what was used there twice, or comes
 * back soon after it left, goes to the main queue, and round in it as long as it is used. 18 bytes a slot, and for each
 * remembered page (as many as the main queue has) 16 to 24.
 */
export class S3Fifo implements VictimPolicy {
  readonly name = "s3-fifo";
  readonly capacity: number;
  readonly #lists: SlotLists;
  readonly #uses: Uint8Array;
  readonly #inMain: Uint8Array;
  readonly #keys: Float64Array;
  readonly #ghosts: Ghosts;
  readonly #mainMax: number;
  #small = 0;
  #main = 0;

  constructor(capacity: number) {
    this.capacity = checkedCapacity(capacity);
    this.#lists = new SlotLists(capacity, 2);
    this.#uses = new Uint8Array(capacity);
    this.#inMain = new Uint8Array(capacity);
    this.#keys = new Float64Array(capacity);
    this.#mainMax = capacity - Math.floor(capacity / SMALL_SHARE);
    this.#ghosts = new Ghosts(this.#mainMax);
  }

  get size(): number {
    return this.#small + this.#main;
  }

  insert(slot: Slot, key: number): void {
    if (this.#lists.has(slot)) throw impossible(this, "has a page already", slot);
    this.#keys[slot] = key;
    this.#uses[slot] = 0;
    if (this.#ghosts.take(key)) {
      this.#push(MAIN, slot);
    } else {
      this.#push(SMALL, slot);
    }
  }

  touch(slot: Slot): void {
    if (!this.#lists.has(slot)) throw impossible(this, "has no page", slot);
    const uses = this.#uses[slot] as number;
    if (uses < USES_MAX) this.#uses[slot] = uses + 1;
  }

  remove(slot: Slot): void {
    if (!this.#lists.has(slot)) throw impossible(this, "has no page", slot);
    this.#take(slot);
  }

  victim(): Slot {
    if (this.#small + this.#main === 0) return -1;
    for (;;) {
      const slot = this.#small === 0 || this.#main > this.#mainMax ? this.#ofMain() : this.#ofSmall();
      if (slot >= 0) return slot;
    }
  }

  /** The end of the small queue: on to the main one, or out. */
  #ofSmall(): Slot {
    while (this.#small > 0) {
      const slot = this.#lists.last(SMALL);
      this.#take(slot);
      if ((this.#uses[slot] as number) < USES_TO_STAY) {
        this.#ghosts.add(this.#keys[slot] as number);
        return slot;
      }
      this.#uses[slot] = 0;
      this.#push(MAIN, slot);
    }
    return -1;
  }

  /** The end of the main queue: round once more, or out. */
  #ofMain(): Slot {
    for (;;) {
      const slot = this.#lists.last(MAIN);
      this.#take(slot);
      const uses = this.#uses[slot] as number;
      if (uses === 0) return slot;
      this.#uses[slot] = uses - 1;
      this.#push(MAIN, slot);
    }
  }

  #push(list: typeof SMALL | typeof MAIN, slot: Slot): void {
    this.#lists.push(list, slot);
    this.#inMain[slot] = list;
    if (list === MAIN) this.#main++;
    else this.#small++;
  }

  #take(slot: Slot): void {
    this.#lists.take(slot);
    if (this.#inMain[slot] === MAIN) this.#main--;
    else this.#small--;
  }
}
