/** Identifiers longer than this are no name of C that a linker would take; they are passed over. */
export const NAME_BYTES_MAX = 255;

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The hash that {@link NameTable} looks bytes up by. The scanner computes the same while it reads. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  return hash;
}

/**
 * Numbers for names, looked up by their bytes without making a string. Number 0 is no name; the others count from 1 in
 * the order of their addition.
 */
export class NameTable {
  #slots: Int32Array;
  #hashes: Int32Array = new Int32Array(1024);
  #offsets: Int32Array = new Int32Array(1025);
  #bytes: Uint8Array = new Uint8Array(1 << 14);
  #count = 0;

  constructor(slots: number = 1 << 11) {
    this.#slots = new Int32Array(slots);
  }

  /** How many names there are; the last one's number. */
  get size(): number {
    return this.#count;
  }

  /** The number of a name by its bytes and their hash, 0 when it is none. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const hashes = this.#hashes;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] as number;
      if (id === 0) return 0;
      if (hashes[id] === hash && this.#same(id, bytes, start, end)) return id;
    }
  }

  /** The number of a name by its bytes; it is added when it is new. */
  intern(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const found = this.find(bytes, start, end, hash);
    if (found !== 0) return found;
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    const id = ++this.#count;
    const offset = this.#offsets[id] as number;
    const length = end - start;
    this.#bytes = withRoom(this.#bytes, offset + length);
    this.#hashes = withRoom(this.#hashes, id + 1);
    this.#offsets = withRoom(this.#offsets, id + 2);
    this.#bytes.set(bytes.subarray(start, end), offset);
    this.#hashes[id] = hash;
    this.#offsets[id + 1] = offset + length;
    this.#put(id, hash);
    return id;
  }

  add(name: string): number {
    const bytes = Buffer.from(name, "latin1");
    return this.intern(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length));
  }

  lookUp(name: string): number {
    const bytes = Buffer.from(name, "latin1");
    return this.find(bytes, 0, bytes.length, hashBytes(bytes, 0, bytes.length));
  }

  name(id: number): string {
    const offset = this.#offsets[id] as number;
    return Buffer.from(
      this.#bytes.buffer,
      this.#bytes.byteOffset + offset,
      (this.#offsets[id + 1] as number) - offset,
    ).toString("latin1");
  }

  /** Takes back the names that were added last, down to a size. */
  truncate(size: number): void {
    const mask = this.#slots.length - 1;
    for (; this.#count > size; this.#count--) {
      const hash = this.#hashes[this.#count] as number;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[slot] !== this.#count) slot = (slot + 1) & mask;
      this.#slots[slot] = 0;
    }
  }

  #same(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const offset = this.#offsets[id] as number;
    if ((this.#offsets[id + 1] as number) - offset !== end - start) return false;
    const own = this.#bytes;
    for (let i = start, j = offset; i < end; i++, j++) if (own[j] !== bytes[i]) return false;
    return true;
  }

  #put(id: number, hash: number): void {
    const mask = this.#slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = id;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let id = 1; id <= this.#count; id++) this.#put(id, this.#hashes[id] as number);
  }
}

/** The array itself, or a larger copy when it is shorter than `length`. */
export function withRoom<T extends Int32Array | Uint8Array>(array: T, length: number): T {
  if (array.length >= length) return array;
  let size = array.length;
  while (size < length) size *= 2;
  const grown = new (array.constructor as new (size: number) => T)(size);
  grown.set(array);
  return grown;
}

/** Whole numbers that grow at the end: rows of a table whose width its user knows. */
export class IntList {
  #items: Int32Array;
  length = 0;

  constructor(room = 256) {
    this.#items = new Int32Array(room);
  }

  push(a: number, b: number, c: number, d: number): void {
    const at = this.length;
    if (at + 4 > this.#items.length) this.#items = withRoom(this.#items, at + 4);
    const items = this.#items;
    items[at] = a;
    items[at + 1] = b;
    items[at + 2] = c;
    items[at + 3] = d;
    this.length = at + 4;
  }

  at(index: number): number {
    return this.#items[index] as number;
  }

  set(index: number, value: number): void {
    this.#items[index] = value;
  }

  /** A copy of what is in it. */
  toArray(): Int32Array {
    return this.#items.slice(0, this.length);
  }
}
