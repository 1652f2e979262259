import { SlotLists } from "./slot-lists.ts";
import { checkedCapacity, impossible, type Slot, type VictimPolicy } from "./victim-policy.ts";

/** Least recently used: what was not used for longest leaves. 8 bytes a slot. */
export class Lru implements VictimPolicy {
  readonly name = "lru";
  readonly capacity: number;
  readonly #lists: SlotLists;
  #size = 0;

  constructor(capacity: number) {
    this.capacity = checkedCapacity(capacity);
    this.#lists = new SlotLists(capacity, 1);
  }

  get size(): number {
    return this.#size;
  }

  insert(slot: Slot, _key: number): void {
    if (this.#lists.has(slot)) throw impossible(this, "has a page already", slot);
    this.#lists.push(0, slot);
    this.#size++;
  }

  touch(slot: Slot): void {
    const lists = this.#lists;
    if (lists.next[this.capacity] === slot) return;
    if (!lists.has(slot)) throw impossible(this, "has no page", slot);
    lists.take(slot);
    lists.push(0, slot);
  }

  remove(slot: Slot): void {
    if (!this.#lists.has(slot)) throw impossible(this, "has no page", slot);
    this.#lists.take(slot);
    this.#size--;
  }

  victim(): Slot {
    const slot = this.#lists.last(0);
    if (slot >= 0) this.remove(slot);
    return slot;
  }
}
