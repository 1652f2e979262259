import type { VictimName } from "../victims/victim-policy.ts";

/** A way to choose victims as one would say it: pages by their keys, in lists. The oldest is the first. */
export interface PlainVictims {
  insert(key: number): void;
  touch(key: number): void;
  remove(key: number): void;
  victim(): number;
}

function without(list: readonly number[], key: number): number[] {
  return list.filter((one) => one !== key);
}

class PlainLru implements PlainVictims {
  #pages: number[] = [];

  insert(key: number): void {
    this.#pages.push(key);
  }

  touch(key: number): void {
    this.#pages = [...without(this.#pages, key), key];
  }

  remove(key: number): void {
    this.#pages = without(this.#pages, key);
  }

  victim(): number {
    return this.#pages.shift() ?? -1;
  }
}

/** Second chance as a queue: the oldest leaves, unless it was used; then it goes to the end. */
class PlainClock implements PlainVictims {
  #pages: number[] = [];
  readonly #used = new Set<number>();

  insert(key: number): void {
    this.#pages.push(key);
  }

  touch(key: number): void {
    this.#used.add(key);
  }

  remove(key: number): void {
    this.#pages = without(this.#pages, key);
    this.#used.delete(key);
  }

  victim(): number {
    for (;;) {
      const key = this.#pages.shift() ?? -1;
      if (key < 0 || !this.#used.delete(key)) return key;
      this.#pages.push(key);
    }
  }
}

class PlainSieve implements PlainVictims {
  #pages: number[] = [];
  readonly #used = new Set<number>();
  /** The page that the hand is at; −1: it begins anew. */
  #hand = -1;

  insert(key: number): void {
    this.#pages.push(key);
  }

  touch(key: number): void {
    this.#used.add(key);
  }

  remove(key: number): void {
    if (this.#hand === key) this.#hand = this.#pages[this.#pages.indexOf(key) + 1] ?? -1;
    this.#pages = without(this.#pages, key);
    this.#used.delete(key);
  }

  victim(): number {
    if (this.#pages.length === 0) return -1;
    let key = this.#hand < 0 ? (this.#pages[0] ?? -1) : this.#hand;
    while (this.#used.delete(key)) key = this.#pages[this.#pages.indexOf(key) + 1] ?? this.#pages[0] ?? -1;
    this.#hand = key;
    this.remove(key);
    return key;
  }
}

class PlainS3Fifo implements PlainVictims {
  #small: number[] = [];
  #main: number[] = [];
  /** The last that left; a hole where one came back. */
  #ghosts: (number | null)[] = [];
  readonly #uses = new Map<number, number>();
  readonly #mainMax: number;

  constructor(capacity: number) {
    this.#mainMax = capacity - Math.floor(capacity / 10);
  }

  insert(key: number): void {
    this.#uses.set(key, 0);
    const place = this.#ghosts.indexOf(key);
    if (place >= 0) {
      this.#ghosts[place] = null;
      this.#main.push(key);
    } else {
      this.#small.push(key);
    }
  }

  touch(key: number): void {
    this.#uses.set(key, Math.min(3, (this.#uses.get(key) ?? 0) + 1));
  }

  remove(key: number): void {
    this.#small = without(this.#small, key);
    this.#main = without(this.#main, key);
  }

  victim(): number {
    while (this.#small.length + this.#main.length > 0) {
      if (this.#small.length === 0 || this.#main.length > this.#mainMax) {
        const key = this.#main.shift() ?? -1;
        const uses = this.#uses.get(key) ?? 0;
        if (uses === 0) return key;
        this.#uses.set(key, uses - 1);
        this.#main.push(key);
        continue;
      }
      for (let key = this.#small.shift(); key !== undefined; key = this.#small.shift()) {
        if ((this.#uses.get(key) ?? 0) < 2) {
          this.#ghosts.push(key);
          if (this.#ghosts.length > this.#mainMax) this.#ghosts.shift();
          return key;
        }
        this.#uses.set(key, 0);
        this.#main.push(key);
      }
    }
    return -1;
  }
}

export function plainVictims(name: VictimName, capacity: number): PlainVictims {
  switch (name) {
    case "lru":
      return new PlainLru();
    case "clock":
      return new PlainClock();
    case "sieve":
      return new PlainSieve();
    case "s3-fifo":
      return new PlainS3Fifo(capacity);
  }
}
