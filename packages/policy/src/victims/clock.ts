import { checkedCapacity, impossible, type Slot, type VictimPolicy } from "./victim-policy.ts";

const EMPTY = 0;
const THERE = 1;
const USED = 2;

/**
 * Second chance: a hand goes round the slots; what was used since it last came by is passed over once, the next that
 * was not leaves. Its place is the next page's, so that the hand meets pages in the order in which they came. 1 byte a slot.
 */
export class Clock implements VictimPolicy {
  readonly name = "clock";
  readonly capacity: number;
  readonly #marks: Uint8Array;
  #hand = 0;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = checkedCapacity(capacity);
    this.#marks = new Uint8Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  insert(slot: Slot, _key: number): void {
    if (this.#marks[slot] !== EMPTY) throw impossible(this, "has a page already", slot);
    this.#marks[slot] = THERE;
    this.#size++;
  }

  touch(slot: Slot): void {
    if (this.#marks[slot] === EMPTY) throw impossible(this, "has no page", slot);
    this.#marks[slot] = USED;
  }

  remove(slot: Slot): void {
    if (!((this.#marks[slot] ?? EMPTY) > EMPTY)) throw impossible(this, "has no page", slot);
    this.#marks[slot] = EMPTY;
    this.#size--;
  }

  victim(): Slot {
    if (this.#size === 0) return -1;
    const marks = this.#marks;
    let hand = this.#hand;
    // Twice round at most: the first time all marks may only be taken away.
    for (;;) {
      const slot = hand;
      hand = hand + 1 === this.capacity ? 0 : hand + 1;
      if (marks[slot] === THERE) {
        this.#hand = hand;
        marks[slot] = EMPTY;
        this.#size--;
        return slot;
      }
      if (marks[slot] === USED) marks[slot] = THERE;
    }
  }
}
