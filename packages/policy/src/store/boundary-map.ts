import type { PageIndex } from "../units.ts";

/** Entries of a leaf: few enough that putting one in between is cheap, many enough that the directory stays short. */
const LEAF = 128;
const LEAF_SHIFT = 7;
/** A leaf that falls below this is joined with a neighbour that has room. */
const LEAF_LOW = 32;
/** Entries that the last leaf leaves behind when it is full: what is added at the end finds room in the next. */
const LEAF_FILLED = LEAF - 8;
/** Values are below this. An entry is boundary × VALUES + value, exact in a double: 36 and 16 bits. */
export const VALUES: number = 1 << 16;
/** Leaves that there is room for at first. */
const FIRST_LEAVES = 4;
/** Leaves whose memory is kept when one would do. */
const KEPT_LEAVES = 64;

/**
 * A function of the pages that is constant over ranges: where each begins (a boundary) and its value from there on.
 * Entries lie in sorted leaves of one pool, a boundary and its value in 8 bytes, under a directory of the leaves' first
 * boundaries: a B+ tree of two levels. Neighbours with the same value are never kept apart.
 */
export class BoundaryMap {
  /** Entries of leaf n: from n × LEAF on. */
  #entries: Float64Array;
  /** Entries that a leaf has. */
  #counts: Uint16Array;
  /** The directory: first boundary and number of each leaf, in order. */
  #firsts: Float64Array;
  #leaves: Uint32Array;
  #leafCount = 1;
  /** Leaves of the pool that are not in the directory. */
  #spare: number[] = [];
  #used = 1;
  #size = 1;
  /** Boundaries that have a value, by the value. */
  #uses = new Uint32Array(16);
  /** The last look-up: [from, to) has this value. */
  #lastFrom = 0;
  #lastTo = 0;
  #lastValue = 0;

  constructor() {
    this.#entries = new Float64Array(LEAF * FIRST_LEAVES);
    this.#counts = new Uint16Array(FIRST_LEAVES);
    this.#firsts = new Float64Array(FIRST_LEAVES);
    this.#leaves = new Uint32Array(FIRST_LEAVES);
    // Everything has the value 0 at first.
    this.#counts[0] = 1;
    this.#uses[0] = 1;
  }

  /** Boundaries, the one at page 0 included. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    return (
      this.#entries.byteLength +
      this.#counts.byteLength +
      this.#firsts.byteLength +
      this.#leaves.byteLength +
      this.#uses.byteLength
    );
  }

  /** How many ranges have a value. */
  uses(value: number): number {
    return this.#uses[value] ?? 0;
  }

  /** The value of a page. */
  get(page: PageIndex): number {
    if (page >= this.#lastFrom && page < this.#lastTo) return this.#lastValue;
    return this.#find(page);
  }

  #find(page: PageIndex): number {
    const d = this.#leafOf(page);
    const leaf = this.#leaves[d] as number;
    const base = leaf << LEAF_SHIFT;
    const end = base + (this.#counts[leaf] as number);
    const i = lastInLeaf(this.#entries, base, end, (page + 1) * VALUES - 1);
    const entry = this.#entries[i] as number;
    this.#lastFrom = boundaryOf(entry);
    this.#lastTo =
      i + 1 < end
        ? boundaryOf(this.#entries[i + 1] as number)
        : d + 1 < this.#leafCount
          ? (this.#firsts[d + 1] as number)
          : Number.POSITIVE_INFINITY;
    this.#lastValue = valueIn(entry);
    return this.#lastValue;
  }

  /** The first boundary above a page; Infinity when there is none. */
  next(page: PageIndex): PageIndex {
    if (page < this.#lastFrom || page >= this.#lastTo) this.#find(page);
    return this.#lastTo;
  }

  /** Gives the pages [first, end) a value. */
  set(first: PageIndex, end: PageIndex, value: number): void {
    const before = first === 0 ? -1 : this.get(first - 1);
    const after = this.get(end);
    this.#lastTo = 0;
    this.#remove(first, end);
    if (before !== value) this.#insert(first, value);
    if (after !== value) this.#insert(end, after);
    if (this.#leafCount === 1 && this.#counts.length > KEPT_LEAVES) this.#shrink();
  }

  /** Gives the memory of many ranges back when one leaf holds those that are left. */
  #shrink(): void {
    const base = (this.#leaves[0] as number) << LEAF_SHIFT;
    const entries = new Float64Array(LEAF * FIRST_LEAVES);
    entries.set(this.#entries.subarray(base, base + LEAF));
    this.#entries = entries;
    this.#counts = new Uint16Array(FIRST_LEAVES);
    this.#counts[0] = this.#size;
    this.#firsts = this.#firsts.slice(0, FIRST_LEAVES);
    this.#leaves = new Uint32Array(FIRST_LEAVES);
    this.#spare = [];
    this.#used = 1;
  }

  /** A copy of its own. */
  copy(): BoundaryMap {
    const made = new BoundaryMap();
    made.#entries = this.#entries.slice();
    made.#counts = this.#counts.slice();
    made.#firsts = this.#firsts.slice();
    made.#leaves = this.#leaves.slice();
    made.#leafCount = this.#leafCount;
    made.#spare = this.#spare.slice();
    made.#used = this.#used;
    made.#size = this.#size;
    made.#uses = this.#uses.slice();
    return made;
  }

  /** Place in the directory of the leaf that a page falls into. */
  #leafOf(page: PageIndex): number {
    return lastNotAbove(this.#firsts, 0, this.#leafCount, page);
  }

  /** Takes out the boundaries in [first, end], both included. The one at page 0 may be among them. */
  #remove(first: PageIndex, end: PageIndex): void {
    const from = this.#leafOf(first);
    const to = this.#leafOf(end);
    let emptyFrom = -1;
    let emptyCount = 0;
    for (let d = from; d <= to; d++) {
      const leaf = this.#leaves[d] as number;
      const base = leaf << LEAF_SHIFT;
      const count = this.#counts[leaf] as number;
      const stop = base + count;
      const low = d === from ? firstNotBelow(this.#entries, base, stop, first * VALUES) : base;
      const high = d === to ? firstNotBelow(this.#entries, base, stop, (end + 1) * VALUES) : stop;
      if (high <= low) continue;
      for (let i = low; i < high; i++) this.#count(valueIn(this.#entries[i] as number), -1);
      this.#entries.copyWithin(low, high, stop);
      const left = count - (high - low);
      this.#counts[leaf] = left;
      this.#size -= high - low;
      if (left === 0) {
        if (emptyFrom < 0) emptyFrom = d;
        emptyCount++;
      } else if (low === base) {
        this.#firsts[d] = boundaryOf(this.#entries[base] as number);
      }
    }
    // Those that became empty are neighbours: all but the first and the last were emptied whole.
    if (emptyCount > 0) this.#drop(emptyFrom, emptyCount);
    this.#join(Math.max(0, from - 1));
  }

  /** Takes leaves out of the directory; one always stays. */
  #drop(from: number, count: number): void {
    for (let d = from; d < from + count; d++) this.#spare.push(this.#leaves[d] as number);
    this.#firsts.copyWithin(from, from + count, this.#leafCount);
    this.#leaves.copyWithin(from, from + count, this.#leafCount);
    this.#leafCount -= count;
    if (this.#leafCount > 0) return;
    this.#leafCount = 1;
    this.#leaves[0] = this.#spare.pop() as number;
    this.#firsts[0] = 0;
  }

  /** Joins leaves at and after a place in the directory that have become small. */
  #join(at: number): void {
    for (let d = at; d < at + 3 && d + 1 < this.#leafCount; ) {
      const left = this.#leaves[d] as number;
      const right = this.#leaves[d + 1] as number;
      const leftCount = this.#counts[left] as number;
      const rightCount = this.#counts[right] as number;
      if (Math.min(leftCount, rightCount) >= LEAF_LOW || leftCount + rightCount > LEAF - LEAF_LOW) {
        d++;
        continue;
      }
      const source = right << LEAF_SHIFT;
      const target = (left << LEAF_SHIFT) + leftCount;
      this.#entries.copyWithin(target, source, source + rightCount);
      this.#counts[left] = leftCount + rightCount;
      if (leftCount === 0) this.#firsts[d] = this.#firsts[d + 1] as number;
      this.#counts[right] = 0;
      this.#drop(d + 1, 1);
    }
  }

  /** Puts in a boundary that is not there. */
  #insert(page: PageIndex, value: number): void {
    let d = this.#leafOf(page);
    let leaf = this.#leaves[d] as number;
    if (this.#counts[leaf] === LEAF) {
      this.#split(d);
      if (page >= (this.#firsts[d + 1] as number)) d++;
      leaf = this.#leaves[d] as number;
    }
    const base = leaf << LEAF_SHIFT;
    const end = base + (this.#counts[leaf] as number);
    const at = firstNotBelow(this.#entries, base, end, page * VALUES);
    this.#entries.copyWithin(at + 1, at, end);
    this.#entries[at] = page * VALUES + value;
    this.#counts[leaf] = end - base + 1;
    this.#size++;
    this.#count(value, 1);
    if (at === base) this.#firsts[d] = page;
  }

  #count(value: number, change: 1 | -1): void {
    if (value >= this.#uses.length) {
      const uses = new Uint32Array(Math.max(value + 1, this.#uses.length * 2));
      uses.set(this.#uses);
      this.#uses = uses;
    }
    this.#uses[value] = (this.#uses[value] as number) + change;
  }

  /** Makes two leaves of a full one. What is added at the end only (a space that grows) leaves full leaves behind. */
  #split(d: number): void {
    const fresh = this.#freshLeaf();
    const leaf = this.#leaves[d] as number;
    const base = leaf << LEAF_SHIFT;
    const keep = d + 1 === this.#leafCount ? LEAF_FILLED : LEAF >> 1;
    const target = fresh << LEAF_SHIFT;
    this.#entries.copyWithin(target, base + keep, base + LEAF);
    this.#counts[leaf] = keep;
    this.#counts[fresh] = LEAF - keep;
    this.#firsts.copyWithin(d + 2, d + 1, this.#leafCount);
    this.#leaves.copyWithin(d + 2, d + 1, this.#leafCount);
    this.#firsts[d + 1] = boundaryOf(this.#entries[target] as number);
    this.#leaves[d + 1] = fresh;
    this.#leafCount++;
  }

  #freshLeaf(): number {
    const spare = this.#spare.pop();
    if (
      this.#leafCount === this.#firsts.length ||
      (spare === undefined && this.#used === this.#counts.length)
    ) {
      this.#grow();
    }
    return spare ?? this.#used++;
  }

  /** Room for half as many leaves again. */
  #grow(): void {
    const leaves = this.#counts.length + Math.max(4, this.#counts.length >> 1);
    const entries = new Float64Array(leaves * LEAF);
    entries.set(this.#entries);
    this.#entries = entries;
    const counts = new Uint16Array(leaves);
    counts.set(this.#counts);
    this.#counts = counts;
    const firsts = new Float64Array(leaves);
    firsts.set(this.#firsts);
    this.#firsts = firsts;
    const list = new Uint32Array(leaves);
    list.set(this.#leaves);
    this.#leaves = list;
  }
}

function boundaryOf(entry: number): PageIndex {
  return Math.floor(entry / VALUES);
}

/** A remainder of doubles would be ten times as slow. */
function valueIn(entry: number): number {
  return entry - Math.floor(entry / VALUES) * VALUES;
}

/** The last place in [from, end) whose key is not above; `from` when all are. */
function lastNotAbove(keys: Float64Array, from: number, end: number, key: number): number {
  let low = from;
  let length = end - from;
  while (length > 1) {
    const half = length >>> 1;
    // A number and no branch: which way it goes cannot be foreseen, and guessing wrong is most of what a search costs.
    low += half * Number((keys[low + half] as number) <= key);
    length -= half;
  }
  return low;
}

/**
 * The same in a leaf, which is most often in no cache: while the steps are wide it branches, for then the processor
 * guesses, and fetches early what it needs next if the guess was right.
 */
function lastInLeaf(keys: Float64Array, from: number, end: number, key: number): number {
  let low = from;
  let length = end - from;
  while (length > 16) {
    const half = length >>> 1;
    if ((keys[low + half] as number) <= key) low += half;
    length -= half;
  }
  return lastNotAbove(keys, low, low + length, key);
}

/** The first place in [from, end) whose key is not below; `end` when all are. */
function firstNotBelow(keys: Float64Array, from: number, end: number, key: number): number {
  let low = from;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as number) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
