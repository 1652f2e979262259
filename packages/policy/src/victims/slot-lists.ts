import type { Slot } from "./victim-policy.ts";

/**
 * Doubly linked lists of slots, each in at most one of them, in two arrays. List n has its head at place
 * `capacity + n`, between its last and its first.
 */
export class SlotLists {
  readonly next: Int32Array;
  readonly previous: Int32Array;
  readonly #capacity: number;

  constructor(capacity: number, lists: number) {
    this.#capacity = capacity;
    this.next = new Int32Array(capacity + lists).fill(-1);
    this.previous = new Int32Array(capacity + lists).fill(-1);
    for (let list = 0; list < lists; list++) {
      this.next[capacity + list] = capacity + list;
      this.previous[capacity + list] = capacity + list;
    }
  }

  has(slot: Slot): boolean {
    return slot < this.#capacity && (this.next[slot] ?? -1) >= 0;
  }

  /** The slot that has been in a list for longest; −1: it is empty. */
  last(list: number): Slot {
    const slot = this.previous[this.#capacity + list] as number;
    return slot < this.#capacity ? slot : -1;
  }

  /** Puts a slot that is in no list at the front of one. */
  push(list: number, slot: Slot): void {
    const { next, previous } = this;
    const head = this.#capacity + list;
    const first = next[head] as number;
    next[head] = slot;
    previous[slot] = head;
    next[slot] = first;
    previous[first] = slot;
  }

  /** Takes a slot out of the list that it is in. */
  take(slot: Slot): void {
    const { next, previous } = this;
    const before = previous[slot] as number;
    const after = next[slot] as number;
    next[before] = after;
    previous[after] = before;
    next[slot] = -1;
  }
}
