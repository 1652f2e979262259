/**
 * An immutable set of small non-negative integers: CPU numbers (a cpuset) or NUMA node numbers (a nodeset).
 * Kept as 32-bit words, as the kernel's own masks are.
 *
 * @example
 * ```ts
 * import { IndexSet } from "@hms/topology";
 * const cpus = IndexSet.parseList("0-3,8");
 * cpus.size; // 5
 * cpus.toList(); // "0-3,8"
 * cpus.toMask(); // "0x0000010f"
 * ```
 */
export class IndexSet implements Iterable<number> {
  /** Largest index a set may hold; larger ones in an input are garbage (the kernel's limit is 8,192 CPUs). */
  static readonly INDEX_MAX: number = 65_535;
  static readonly EMPTY: IndexSet = new IndexSet(new Uint32Array(0));

  readonly #words: Uint32Array;
  #size = -1;

  private constructor(words: Uint32Array) {
    this.#words = words;
  }

  /** The set of the given indexes. Throws RangeError for one that is negative, fractional or above INDEX_MAX. */
  static of(indexes: Iterable<number>): IndexSet {
    const list: readonly number[] = Array.isArray(indexes) ? indexes : [...indexes];
    let last = -1;
    for (const index of list) {
      assertIndex(index);
      if (index > last) last = index;
    }
    if (last < 0) return IndexSet.EMPTY;
    const words = new Uint32Array((last >>> 5) + 1);
    for (const index of list) words[index >>> 5] = (words[index >>> 5] ?? 0) | (1 << (index & 31));
    return new IndexSet(words);
  }

  /** The set of first … last, both included; empty when last < first. Throws RangeError as `of` does. */
  static range(first: number, last: number): IndexSet {
    if (last < first) return IndexSet.EMPTY;
    assertIndex(first);
    assertIndex(last);
    const words = new Uint32Array((last >>> 5) + 1);
    fill(words, first, last);
    return new IndexSet(words);
  }

  /**
   * Parses the kernel's list form (`0-3,8`); undefined for anything else, such as an index above INDEX_MAX. Blank
   * text is the empty set. (The kernel also accepts `first-last:used/group`; sysfs never prints it.)
   */
  static tryParseList(text: string): IndexSet | undefined {
    const trimmed = text.trim();
    if (trimmed === "") return IndexSet.EMPTY;
    if (trimmed.length > LIST_LENGTH_MAX) return undefined;
    const bounds: number[] = [];
    let highest = -1;
    for (const part of trimmed.split(",")) {
      const match = LIST_PART.exec(part);
      if (match === null) return undefined;
      const first = Number(match[1]);
      const last = match[2] === undefined ? first : Number(match[2]);
      if (last < first || last > IndexSet.INDEX_MAX) return undefined;
      bounds.push(first, last);
      if (last > highest) highest = last;
    }
    const words = new Uint32Array((highest >>> 5) + 1);
    for (let i = 0; i < bounds.length; i += 2) fill(words, bounds[i] ?? 0, bounds[i + 1] ?? -1);
    return new IndexSet(words);
  }

  /** As tryParseList, but throws SyntaxError. */
  static parseList(text: string): IndexSet {
    const set = IndexSet.tryParseList(text);
    if (set === undefined) {
      throw new SyntaxError(
        `Read a list of indexes: expected the form "0-3,8", but got ${JSON.stringify(text.slice(0, 80))}`,
      );
    }
    return set;
  }

  /**
   * Parses a mask of comma-separated 32-bit hexadecimal words, most significant first: the kernel's form
   * (`ff,00000003`) or hwloc's (`0x000000ff,,0x3`, an empty word being 0). Undefined for anything else.
   */
  static tryParseMask(text: string): IndexSet | undefined {
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.length > MASK_LENGTH_MAX) return undefined;
    // A kernel built for 4,096 CPUs prints 128 words, nearly all of them 0: find those that matter first.
    const start = LEADING_ZERO_WORDS.exec(trimmed)?.[0].length ?? 0;
    const parts = trimmed.slice(start).split(",");
    if (parts.length > WORDS_MAX) return undefined;
    const words = new Uint32Array(parts.length);
    for (let i = 0; i < parts.length; i++) {
      const part = parts[parts.length - 1 - i] ?? "";
      if (part === "" && parts.length > 1) continue;
      if (!MASK_WORD.test(part)) return undefined;
      words[i] = Number.parseInt(part, 16);
    }
    return IndexSet.#trim(words);
  }

  static #trim(words: Uint32Array): IndexSet {
    let length = words.length;
    while (length > 0 && words[length - 1] === 0) length--;
    if (length === 0) return IndexSet.EMPTY;
    return new IndexSet(length === words.length ? words : words.slice(0, length));
  }

  /** How many indexes are in the set. */
  get size(): number {
    if (this.#size < 0) {
      let count = 0;
      for (let word of this.#words) {
        word -= (word >>> 1) & 0x55555555;
        word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
        count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
      }
      this.#size = count;
    }
    return this.#size;
  }

  get isEmpty(): boolean {
    return this.#words.length === 0;
  }

  /** The smallest index, or −1 when empty. */
  get first(): number {
    for (let i = 0; i < this.#words.length; i++) {
      const word = this.#words[i] ?? 0;
      if (word !== 0) return i * 32 + (31 - Math.clz32(word & -word));
    }
    return -1;
  }

  /** The largest index, or −1 when empty. */
  get last(): number {
    const top = this.#words.length - 1;
    return top < 0 ? -1 : top * 32 + 31 - Math.clz32(this.#words[top] ?? 0);
  }

  has(index: number): boolean {
    if (!(index >= 0 && index <= IndexSet.INDEX_MAX)) return false;
    return (((this.#words[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1;
  }

  equals(other: IndexSet): boolean {
    const a = this.#words;
    const b = other.#words;
    return a === b || (a.length === b.length && a.every((word, i) => word === b[i]));
  }

  includes(other: IndexSet): boolean {
    return other.#words.every((word, i) => (word & ~(this.#words[i] ?? 0)) === 0);
  }

  intersects(other: IndexSet): boolean {
    return other.#words.some((word, i) => (word & (this.#words[i] ?? 0)) !== 0);
  }

  or(other: IndexSet): IndexSet {
    if (other.isEmpty || other === this) return this;
    if (this.isEmpty) return other;
    const [long, short] =
      this.#words.length >= other.#words.length ? [this.#words, other.#words] : [other.#words, this.#words];
    const words = long.slice();
    for (let i = 0; i < short.length; i++) words[i] = (words[i] ?? 0) | (short[i] ?? 0);
    return IndexSet.#trim(words);
  }

  and(other: IndexSet): IndexSet {
    const words = this.#words.slice(0, other.#words.length);
    for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) & (other.#words[i] ?? 0);
    return IndexSet.#trim(words);
  }

  andNot(other: IndexSet): IndexSet {
    if (other.isEmpty) return this;
    const words = this.#words.slice();
    for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) & ~(other.#words[i] ?? 0);
    return IndexSet.#trim(words);
  }

  *[Symbol.iterator](): IterableIterator<number> {
    for (let i = 0; i < this.#words.length; i++) {
      let word = this.#words[i] ?? 0;
      while (word !== 0) {
        const low = word & -word;
        yield i * 32 + (31 - Math.clz32(low));
        word ^= low;
      }
    }
  }

  /** The kernel's list form: `0-3,8`; empty text for the empty set. */
  toList(): string {
    const parts: string[] = [];
    let start = -1;
    let previous = -2;
    const close = (): void => {
      if (start >= 0) parts.push(start === previous ? `${start}` : `${start}-${previous}`);
    };
    for (const index of this) {
      if (index !== previous + 1) {
        close();
        start = index;
      }
      previous = index;
    }
    close();
    return parts.join(",");
  }

  /** hwloc's form: 32-bit words, most significant first, `0x` before each that is not 0; `0x0` when empty. */
  toMask(): string {
    if (this.isEmpty) return "0x0";
    const parts: string[] = [];
    for (let i = this.#words.length - 1; i >= 0; i--) {
      const word = this.#words[i] ?? 0;
      parts.push(word === 0 ? (i === 0 ? "0x0" : "") : `0x${word.toString(16).padStart(8, "0")}`);
    }
    return parts.join(",");
  }

  /** In JSON a set is its list form. */
  toJSON(): string {
    return this.toList();
  }
}

/** Words of a set that holds INDEX_MAX. */
const WORDS_MAX = 2048;
/** Longer texts cannot be a list or mask of indexes up to INDEX_MAX without repeating themselves. */
const LIST_LENGTH_MAX = 262_144;
const MASK_LENGTH_MAX = WORDS_MAX * 12;
const LIST_PART = /^\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*$/;
const LEADING_ZERO_WORDS = /^(?:0{1,8},)+(?=[0-9a-fA-F])/;
const MASK_WORD = /^(?:0x)?[0-9a-fA-F]{1,8}$/;

function assertIndex(index: number): void {
  if (Number.isInteger(index) && index >= 0 && index <= IndexSet.INDEX_MAX) return;
  throw new RangeError(
    `Make a set of indexes: each must be an integer from 0 to ${IndexSet.INDEX_MAX}, but one is ${index}`,
  );
}

/** Sets first … last in words that are long enough. */
function fill(words: Uint32Array, first: number, last: number): void {
  const low = first >>> 5;
  const high = last >>> 5;
  for (let i = low; i <= high; i++) {
    let mask = 0xffffffff;
    if (i === low) mask &= 0xffffffff << (first & 31);
    if (i === high) mask &= 0xffffffff >>> (31 - (last & 31));
    words[i] = (words[i] ?? 0) | mask;
  }
}
