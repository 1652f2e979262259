import type { ByteCount } from "../sys/units.ts";
import { decimalAt, hexAt, LineReader, until } from "./proc-lines.ts";

/** Nodes that a mapping's pages are counted for: the most that Linux can be built for. */
export const NODES_MAX = 1024;

const SPACE = 0x20;
const EQUALS = 0x3d;
const LETTER_N = 0x4e;
const NINE = 0x39;
const KIB = 1024;
/** Of kernels that do not say (before 3.17) the page size is that of the mapping's sort. */
const PAGE_BYTES = 4096;

/** Words of `numa_maps`, followed by `=` and a number, that are of use here. */
const FIELDS = ["anon", "mapmax", "kernelpagesize_kB"] as const;
type Field = (typeof FIELDS)[number];
const FIELD_BYTES: readonly (readonly [Field, Buffer])[] = FIELDS.map((name) => [
  name,
  Buffer.from(`${name}=`),
]);

/** How many pages of a mapping are on which node. */
export interface PageCounts {
  /** As the kernel prints it: `default`, `bind:0-1`, `prefer (many):2`, `weighted interleave:0,2`; empty when it is not known. */
  readonly policy: string;
  /** A file's, or shared memory, which the kernel keeps as files. */
  readonly file: boolean;
  readonly huge: boolean;
  /**
   * Pages that are in memory, on whatever node; those of device memory, and of memory that no node has, are not among
   * them.
   */
  readonly pages: number;
  /** Of them, anonymous ones. */
  readonly anonymous: number;
  /** The most processes that map one of its pages; 1 where the kernel says nothing. */
  readonly sharers: number;
  /** Bytes of one page in these counts. */
  readonly pageBytes: ByteCount;
  /** Pages by node; only those of `nodes` count. */
  readonly pagesOf: Float64Array;
  /** The nodes that have some: the first `nodeCount` of them. */
  readonly nodes: Uint16Array;
  readonly nodeCount: number;
}

/**
 * The mappings of `/proc/PID/numa_maps`, lowest address first, one at a time: how many pages are on which node, and
 * the policy. After `next()` answered true the fields are those of one mapping, until the next call.
 *
 * The kernel walks the page table for each: it costs as much as the process has pages.
 */
export class NumaMapsReader implements PageCounts, Disposable {
  /** Address in bytes. */
  start = 0;
  policy = "";
  file = false;
  heap = false;
  stack = false;
  huge = false;
  pages = 0;
  anonymous = 0;
  sharers = 1;
  pageBytes: ByteCount = PAGE_BYTES;
  readonly pagesOf: Float64Array = new Float64Array(NODES_MAX);
  readonly nodes: Uint16Array = new Uint16Array(NODES_MAX);
  nodeCount = 0;
  readonly #lines: LineReader;

  constructor(path: string) {
    this.#lines = new LineReader(path);
  }

  /** Goes to the next mapping; false at the end. Lines that are none are passed over. */
  next(): boolean {
    while (this.#lines.next()) if (this.#parse()) return true;
    return false;
  }

  close(): void {
    this.#lines.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** `start policy [file=PATH] [heap] [stack] [huge] [anon=N] … [N0=N] … [kernelpagesize_kB=N]`. */
  #parse(): boolean {
    const { bytes, start, end } = this.#lines;
    const policy = until(bytes, SPACE, start, end) + 1;
    if (policy > end || policy - start < 2) return false;
    this.start = hexAt(bytes, start, policy);
    this.#clear();
    let at = this.#parsePolicy(policy, end);
    while (at < end) {
      const last = until(bytes, SPACE, at, end);
      this.#parseWord(at, last);
      at = last + 1;
    }
    return true;
  }

  #clear(): void {
    this.file = false;
    this.heap = false;
    this.stack = false;
    this.huge = false;
    this.pages = 0;
    this.anonymous = 0;
    this.sharers = 1;
    this.pageBytes = PAGE_BYTES;
    this.nodeCount = 0;
  }

  /** Two policies have a blank in their name. Returns where the next word starts. */
  #parsePolicy(start: number, end: number): number {
    const { bytes } = this.#lines;
    let last = until(bytes, SPACE, start, end);
    const [first, next] = [bytes[start], bytes[last + 1]];
    // `prefer (many):…` and `weighted interleave:…`.
    if ((next === 0x28 && first === 0x70) || (first === 0x77 && last - start === "weighted".length))
      last = until(bytes, SPACE, last + 1, end);
    if (!this.#isPolicy(start, last)) this.policy = bytes.toString("latin1", start, last);
    return last + 1;
  }

  /** Whether the policy is the one of the mapping before: mostly it is. */
  #isPolicy(start: number, end: number): boolean {
    const { bytes } = this.#lines;
    if (this.policy.length !== end - start) return false;
    for (let i = start; i < end; i++) if (bytes[i] !== this.policy.charCodeAt(i - start)) return false;
    return true;
  }

  #parseWord(start: number, end: number): void {
    const { bytes } = this.#lines;
    const first = bytes[start];
    if (first === LETTER_N && (bytes[start + 1] ?? 0) <= NINE) {
      this.#addNode(decimalAt(bytes, start + 1, end), valueAt(bytes, start, end));
      return;
    }
    switch (first) {
      case 0x66: // file=
        this.file = true;
        break;
      case 0x68: // heap, huge
        if (bytes[start + 1] === 0x75) this.huge = true;
        else this.heap = true;
        break;
      case 0x73: // stack, swapcache=
        if (bytes[start + 1] === 0x74) this.stack = true;
        break;
      case 0x61: // anon=, active=
      case 0x6b: // kernelpagesize_kB=
      case 0x6d: // mapped=, mapmax=
        this.#parseField(start, end);
        break;
      default: // dirty=, writeback=, and what later kernels may add
    }
  }

  #parseField(start: number, end: number): void {
    const { bytes } = this.#lines;
    for (const [name, word] of FIELD_BYTES) {
      if (end - start <= word.length || bytes.compare(word, 0, word.length, start, start + word.length) !== 0)
        continue;
      const value = decimalAt(bytes, start + word.length, end);
      if (name === "anon") this.anonymous = value;
      else if (name === "mapmax") this.sharers = value;
      else if (name === "kernelpagesize_kB" && value > 0) this.pageBytes = value * KIB;
      return;
    }
  }

  #addNode(node: number, pages: number): void {
    if (node >= NODES_MAX || pages === 0) return;
    // No kernel names a node twice.
    for (let i = 0; i < this.nodeCount; i++) if (this.nodes[i] === node) return;
    this.nodes[this.nodeCount++] = node;
    this.pagesOf[node] = pages;
    this.pages += pages;
  }
}

function valueAt(bytes: Uint8Array, start: number, end: number): number {
  return decimalAt(bytes, until(bytes, EQUALS, start, end) + 1, end);
}
