/** What an interval tree holds: half-open ranges of pages. `order` makes items with the same `first` distinct. */
export interface Interval {
  readonly first: number;
  readonly end: number;
  /** Unique within a tree. */
  readonly order: number;
}

interface Node<T extends Interval> {
  readonly item: T;
  left: Node<T> | null;
  right: Node<T> | null;
  height: number;
  /** The largest `end` below here. */
  reach: number;
}

/**
 * Intervals that may overlap, in a balanced tree: adding, removing and finding cost the logarithm of their number.
 * An item's bounds must not change while it is in the tree.
 */
export class IntervalTree<T extends Interval> {
  #root: Node<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    this.#root = insert(this.#root, item);
    this.#size++;
  }

  /** Removes an item that is in the tree. */
  delete(item: T): void {
    this.#root = remove(this.#root, item);
    this.#size--;
  }

  clear(): void {
    this.#root = null;
    this.#size = 0;
  }

  /** The item with the largest `first` that is not above `page`; null if there is none. */
  before(page: number): T | null {
    let found: T | null = null;
    for (let node = this.#root; node !== null; ) {
      if (node.item.first <= page) {
        found = node.item;
        node = node.right;
      } else {
        node = node.left;
      }
    }
    return found;
  }

  /** The item with the smallest `first` that is at or above `page`; null if there is none. */
  after(page: number): T | null {
    let found: T | null = null;
    for (let node = this.#root; node !== null; ) {
      if (node.item.first >= page) {
        found = node.item;
        node = node.left;
      } else {
        node = node.right;
      }
    }
    return found;
  }

  /** Appends the items that overlap [first, end) to `into`, in order. */
  overlapping(first: number, end: number, into: T[]): void {
    collect(this.#root, first, end, into);
  }

  /** All items, in order. */
  items(): T[] {
    const all: T[] = [];
    collect(this.#root, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, all);
    return all;
  }
}

function collect<T extends Interval>(node: Node<T> | null, first: number, end: number, into: T[]): void {
  if (node === null || node.reach <= first) return;
  collect(node.left, first, end, into);
  const { item } = node;
  if (item.first >= end) return;
  if (item.end > first) into.push(item);
  collect(node.right, first, end, into);
}

function precedes<T extends Interval>(a: T, b: T): boolean {
  return a.first < b.first || (a.first === b.first && a.order < b.order);
}

function heightOf<T extends Interval>(node: Node<T> | null): number {
  return node === null ? 0 : node.height;
}

function update<T extends Interval>(node: Node<T>): void {
  const { left, right } = node;
  node.height = Math.max(heightOf(left), heightOf(right)) + 1;
  let reach = node.item.end;
  if (left !== null && left.reach > reach) reach = left.reach;
  if (right !== null && right.reach > reach) reach = right.reach;
  node.reach = reach;
}

function rotateRight<T extends Interval>(node: Node<T>, left: Node<T>): Node<T> {
  node.left = left.right;
  left.right = node;
  update(node);
  update(left);
  return left;
}

function rotateLeft<T extends Interval>(node: Node<T>, right: Node<T>): Node<T> {
  node.right = right.left;
  right.left = node;
  update(node);
  update(right);
  return right;
}

function balance<T extends Interval>(node: Node<T>): Node<T> {
  update(node);
  const { left, right } = node;
  const lean = heightOf(left) - heightOf(right);
  if (lean > 1 && left !== null) {
    if (heightOf(left.left) < heightOf(left.right) && left.right !== null) {
      node.left = rotateLeft(left, left.right);
    }
    return node.left === null ? node : rotateRight(node, node.left);
  }
  if (lean < -1 && right !== null) {
    if (heightOf(right.right) < heightOf(right.left) && right.left !== null) {
      node.right = rotateRight(right, right.left);
    }
    return node.right === null ? node : rotateLeft(node, node.right);
  }
  return node;
}

function insert<T extends Interval>(node: Node<T> | null, item: T): Node<T> {
  if (node === null) return { item, left: null, right: null, height: 1, reach: item.end };
  if (precedes(item, node.item)) node.left = insert(node.left, item);
  else node.right = insert(node.right, item);
  return balance(node);
}

function remove<T extends Interval>(node: Node<T> | null, item: T): Node<T> | null {
  if (node === null) throw new Error("the interval to remove is not in the tree");
  if (node.item !== item) {
    if (precedes(item, node.item)) node.left = remove(node.left, item);
    else node.right = remove(node.right, item);
    return balance(node);
  }
  if (node.left === null) return node.right;
  if (node.right === null) return node.left;
  let least = node.right;
  while (least.left !== null) least = least.left;
  const right = remove(node.right, least.item);
  return balance({ item: least.item, left: node.left, right, height: 1, reach: 0 });
}
