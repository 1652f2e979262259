/** The keys of the last so many pages that left: a ring, and a table of the places in it by key. */
export class Ghosts {
  readonly #keys: Float64Array;
  /** Place in the ring + 1, by the key's hash; what collides lies in the next free entry. */
  readonly #table: Int32Array;
  readonly #mask: number;
  #next = 0;

  /** @param capacity keys that are remembered, at least 1 */
  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity).fill(-1);
    const bits = Math.max(2, 33 - Math.clz32(capacity));
    this.#table = new Int32Array(1 << bits);
    this.#mask = (1 << bits) - 1;
  }

  /** Remembers a key that is not remembered yet, in place of the oldest. */
  add(key: number): void {
    const place = this.#next;
    this.#next = place + 1 === this.#keys.length ? 0 : place + 1;
    const oldest = this.#keys[place] as number;
    if (oldest >= 0) this.#delete(this.#entry(oldest));
    this.#keys[place] = key;
    const table = this.#table;
    let entry = hash(key) & this.#mask;
    while (table[entry] !== 0) entry = (entry + 1) & this.#mask;
    table[entry] = place + 1;
  }

  /** Whether a key is remembered; it is forgotten then. */
  take(key: number): boolean {
    const entry = this.#entry(key);
    if (entry < 0) return false;
    this.#keys[(this.#table[entry] as number) - 1] = -1;
    this.#delete(entry);
    return true;
  }

  /** The table's entry of a key; −1: none. */
  #entry(key: number): number {
    const table = this.#table;
    for (let entry = hash(key) & this.#mask; table[entry] !== 0; entry = (entry + 1) & this.#mask) {
      if (this.#keys[(table[entry] as number) - 1] === key) return entry;
    }
    return -1;
  }

  /** Takes an entry out, and moves those up that lie behind it because it was there. */
  #delete(entry: number): void {
    const table = this.#table;
    let hole = entry;
    for (let at = (hole + 1) & this.#mask; table[at] !== 0; at = (at + 1) & this.#mask) {
      const own = hash(this.#keys[(table[at] as number) - 1] as number) & this.#mask;
      if (((at - own) & this.#mask) < ((at - hole) & this.#mask)) continue;
      table[hole] = table[at] as number;
      hole = at;
    }
    table[hole] = 0;
  }
}

function hash(key: number): number {
  const mixed = Math.imul((key >>> 0) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
