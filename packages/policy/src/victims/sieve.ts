import { SlotLists } from "./slot-lists.ts";
import { checkedCapacity, impossible, type Slot, type VictimPolicy } from "./victim-policy.ts";

/**
 * SIEVE: pages stay in the order in which they came; a hand goes from the oldest to the newest, and what was not used
 * since it last came by leaves. Unlike with CLOCK new pages do not come in behind the hand: what is used once goes
 * soon, what is used again stays. 9 bytes a slot.
 */
export class Sieve implements VictimPolicy {
  readonly name = "sieve";
  readonly capacity: number;
  readonly #lists: SlotLists;
  readonly #used: Uint8Array;
  /** The slot that the hand is at; the list's head: it begins anew with the oldest. */
  #hand: number;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = checkedCapacity(capacity);
    this.#lists = new SlotLists(capacity, 1);
    this.#used = new Uint8Array(capacity);
    this.#hand = capacity;
  }

  get size(): number {
    return this.#size;
  }

  insert(slot: Slot, _key: number): void {
    if (this.#lists.has(slot)) throw impossible(this, "has a page already", slot);
    this.#lists.push(0, slot);
    this.#used[slot] = 0;
    this.#size++;
  }

  touch(slot: Slot): void {
    if (!this.#lists.has(slot)) throw impossible(this, "has no page", slot);
    this.#used[slot] = 1;
  }

  remove(slot: Slot): void {
    const lists = this.#lists;
    if (!lists.has(slot)) throw impossible(this, "has no page", slot);
    if (this.#hand === slot) this.#hand = lists.previous[slot] as number;
    lists.take(slot);
    this.#size--;
  }

  victim(): Slot {
    if (this.#size === 0) return -1;
    const { previous } = this.#lists;
    const used = this.#used;
    const head = this.capacity;
    let slot = this.#hand;
    for (;;) {
      if (slot === head) slot = previous[head] as number;
      if (used[slot] === 0) break;
      used[slot] = 0;
      slot = previous[slot] as number;
    }
    this.#hand = slot;
    this.remove(slot);
    return slot;
  }
}
