// What torture does, as numbers: a run is a list of operations that can be done again, and made shorter.

/** Operations. The fields after the code: actor (a process or a device), first, count, x, y; see each. */
export const OP = {
  /** Process, page; x: word; y: value. */
  cpuWrite: 0,
  /** Process, page; x: word. */
  cpuRead: 1,
  /** Process, range; x: what (see `MAP`) and protection; y: file and offset. */
  map: 2,
  unmap: 3,
  /** x: access. */
  protect: 4,
  /** x: to page; y: 1 keeps the old range. */
  remap: 5,
  discard: 6,
  pageOut: 7,
  fork: 8,
  exit: 9,
  /** Process, page; x: 1 long; y: 1 for writing. */
  pin: 10,
  /** x: which pin. */
  unpin: 11,
  /** The device behind a pin writes; x: which pin; y: value. */
  dma: 12,
  /** File, page; y: value. */
  fileWrite: 13,
  fileRead: 14,
  /** File; x: pages. */
  truncate: 15,
  /** File, range. */
  punch: 16,
  /** File; x: the file that becomes its twin. */
  reflink: 17,
  /** Device, page; x: word and process. */
  deviceRead: 18,
  /** y: value. */
  deviceWrite: 19,
  /** The commands of the test device: device, range; x: process; y: value. */
  commandRead: 20,
  commandWrite: 21,
  migrateToDevice: 22,
  migrateToSystem: 23,
  snapshot: 24,
  exclusive: 25,
  release: 26,
  /** Process, range; x: device plus 1, or 0 for home; y: 1 makes duplicates. */
  move: 27,
  /** x: pages; y: 1 without waiting. */
  reclaim: 28,
  /** Device. */
  failAllocation: 29,
  /** Device; x: after so many pages. */
  failCopy: 30,
  /** Device; x: see `REFUSE`. */
  refuse: 31,
  /** x: so many. */
  failHostAllocation: 32,
  /** Device; it disappears, and a new one comes in its place. */
  disappear: 33,
  /** Device; x: page of its memory; y: 1 holds, 0 lets go. */
  hold: 34,
  /** Device; first and count in its memory. */
  evict: 35,
  /** Process, range. */
  collapse: 36,
  /** x: 1 wanted. */
  adviseHuge: 37,
  /** Device; x: process. */
  close: 38,
  /** Process, range: every page's bytes through the CPU. */
  readAll: 39,
  /** A new process, if there is room. */
  spawn: 40,
} as const;

export type OpCode = (typeof OP)[keyof typeof OP];

/** What `map` maps, in the low bits of x; access is x >> 4. */
export const MAP = { anonymous: 0, shared: 1, filePrivate: 2, fileShared: 3, huge: 4 } as const;
/** What a device refuses, as bits. */
export const REFUSE = { nonBlocking: 1, in: 2, out: 4, redirect: 8 } as const;

const NAMES = new Map<number, string>(Object.entries(OP).map(([name, code]) => [code, name]));

export function opName(code: number): string {
  return NAMES.get(code) ?? `operation ${code}`;
}

/** Fields of one operation in a program. */
const STRIDE = 8;
/** The last fields: the operation that this one happens within (−1: none), and at which of its points. */
const CODE = 0;
const ACTOR = 1;
const FIRST = 2;
const COUNT = 3;
const X = 4;
const Y = 5;
const PARENT = 6;
const AT = 7;

/** An operation, written out. */
export interface Op {
  readonly code: number;
  readonly actor: number;
  readonly first: number;
  readonly count: number;
  readonly x: number;
  readonly y: number;
}

/** Operations in order; those that happen within another one follow it. */
export class Program {
  #fields: Int32Array = new Int32Array(1024 * STRIDE);
  /** Operations in it. */
  length = 0;

  add({ code, actor, first, count, x, y }: Op, parent = -1, at = 0): number {
    if ((this.length + 1) * STRIDE > this.#fields.length) {
      const bigger = new Int32Array(this.#fields.length * 2);
      bigger.set(this.#fields);
      this.#fields = bigger;
    }
    const base = this.length * STRIDE;
    const fields = this.#fields;
    fields[base + CODE] = code;
    fields[base + ACTOR] = actor;
    fields[base + FIRST] = first;
    fields[base + COUNT] = count;
    fields[base + X] = x;
    fields[base + Y] = y;
    fields[base + PARENT] = parent;
    fields[base + AT] = at;
    return this.length++;
  }

  code(i: number): number {
    return this.#fields[i * STRIDE + CODE] ?? 0;
  }
  actor(i: number): number {
    return this.#fields[i * STRIDE + ACTOR] ?? 0;
  }
  first(i: number): number {
    return this.#fields[i * STRIDE + FIRST] ?? 0;
  }
  count(i: number): number {
    return this.#fields[i * STRIDE + COUNT] ?? 0;
  }
  x(i: number): number {
    return this.#fields[i * STRIDE + X] ?? 0;
  }
  y(i: number): number {
    return this.#fields[i * STRIDE + Y] ?? 0;
  }
  /** The operation within which this one happens; −1: none. */
  parent(i: number): number {
    return this.#fields[i * STRIDE + PARENT] ?? -1;
  }
  /** At which point of its parent, from 1. */
  at(i: number): number {
    return this.#fields[i * STRIDE + AT] ?? 0;
  }

  /** The operation after the last one within `i`. */
  endOf(i: number): number {
    let end = i + 1;
    while (end < this.length && this.parent(end) >= 0) end++;
    return end;
  }

  op(i: number): Op {
    return {
      code: this.code(i),
      actor: this.actor(i),
      first: this.first(i),
      count: this.count(i),
      x: this.x(i),
      y: this.y(i),
    };
  }

  /** Forgets everything. */
  clear(): void {
    this.length = 0;
  }

  /** One line for a person. */
  describe(i: number): string {
    const { code, actor, first, count, x, y } = this.op(i);
    const within = this.parent(i) < 0 ? "" : ` (within, at point ${this.at(i)})`;
    return `${opName(code)} actor ${actor} first ${first} count ${count} x ${x} y ${y}${within}`;
  }
}
