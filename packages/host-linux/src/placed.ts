import { readFileSync } from "node:fs";
import { ENOSYS, MADV_DONTNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE } from "./sys/abi.generated.ts";
import { addressOf, madvise } from "./sys/memory.ts";
import { MPOL_DEFAULT, MPOL_PREFERRED, mbind, PageBatch } from "./sys/numa.ts";
import { hugePagesIn } from "./sys/pagemap.ts";
import { type Address, type ByteCount, HUGE_BYTES, PAGE_BYTES } from "./sys/units.ts";

/** Pages that one question to the kernel is about. */
const BATCH_PAGES = 4096;

/** Where pages of a range are. */
export interface PagesFound {
  /** Pages by node. */
  readonly byNode: ReadonlyMap<number, number>;
  /** Pages that are not there, or of which the kernel did not say where they are. */
  readonly unknown: number;
}

/**
 * The pages of a buffer that the runtime made (that of a WebAssembly memory, which cannot be put over memory of one's
 * own), placed on a node. The buffer must not move, and must be mapped for itself, in whole pages.
 */
export class PlacedBuffer {
  /** Offset in the buffer of the first byte that begins a huge page. */
  readonly start: ByteCount;
  /** Bytes from there on, in whole pages. */
  readonly bytes: ByteCount;
  readonly #address: Address;
  /** Held, so that the memory stays. */
  readonly #buffer: ArrayBufferLike;

  constructor(buffer: ArrayBufferLike) {
    const address = addressOf(buffer);
    this.start = Math.ceil(address / HUGE_BYTES) * HUGE_BYTES - address;
    const bytes = Math.floor((buffer.byteLength - this.start) / PAGE_BYTES) * PAGE_BYTES;
    if (bytes < PAGE_BYTES) throw new RangeError(`A buffer to be placed has 2 MiB and a page at least.`);
    this.bytes = bytes;
    this.#buffer = buffer;
    this.#address = address + this.start;
  }

  /**
   * Forgets what is in the pages, and lets those that are touched from now on come from a node (null: from wherever the
   * kernel gives them), huge or small. 0 or a negative errno, as `mbind`; huge pages are no promise. The node is what the
   * kernel tries first: a full one is not emptied for it, and nobody killed. `pagesFound` says what came of it.
   */
  place(node: number | null, huge: boolean): number {
    if (this.#buffer.byteLength === 0)
      throw new RangeError("A buffer whose memory was taken away has no pages.");
    madvise(this.#address, this.bytes, MADV_DONTNEED);
    madvise(this.#address, this.bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    if (node !== null) return mbind(this.#address, this.bytes, MPOL_PREFERRED, [node], 0);
    const done = mbind(this.#address, this.bytes, MPOL_DEFAULT, [], 0);
    return done === -ENOSYS ? 0 : done;
  }

  /** Gives all pages back to the kernel, and their placement. */
  release(): void {
    this.place(null, false);
  }

  /**
   * Where the first `bytes` bytes are, page by page, without touching them. Where the kernel does not answer that (a filter
   * on move_pages), what its map of the process says of the buffer; a negative errno where there is none either.
   */
  pagesFound(bytes: ByteCount): PagesFound | number {
    const found = this.#asked(bytes);
    return typeof found === "number" ? (mappedPages(this.#address) ?? found) : found;
  }

  #asked(bytes: ByteCount): PagesFound | number {
    const pages = Math.min(bytes, this.bytes) / PAGE_BYTES;
    const byNode = new Map<number, number>();
    let unknown = 0;
    using batch = new PageBatch(BATCH_PAGES);
    for (let first = 0; first < pages; first += BATCH_PAGES) {
      const count = Math.min(BATCH_PAGES, pages - first);
      for (let i = 0; i < count; i++) batch.put(i, this.#address + (first + i) * PAGE_BYTES);
      const done = batch.query(0, count);
      if (done < 0) return done;
      for (let i = 0; i < count; i++) {
        const node = batch.status[i] as number;
        if (node < 0) unknown++;
        else byNode.set(node, (byNode.get(node) ?? 0) + 1);
      }
    }
    return { byNode, unknown };
  }

  /** The part of the first `bytes` bytes that is in huge pages, 0 to 1; null when the kernel does not say. */
  hugePart(bytes: ByteCount): number | null {
    const part = Math.min(bytes, this.bytes);
    const pages = hugePagesIn(this.#address, part);
    const huge = pages < 0 ? mappedHugeBytes(this.#address) : pages * PAGE_BYTES;
    return huge === null ? null : Math.min(1, huge / part);
  }
}

/** Pages by node of the mapping that holds an address, as `/proc/self/numa_maps` counts them; null: it cannot be read. */
export function mappedPages(address: Address): PagesFound | null {
  const text = readOrNull("/proc/self/numa_maps");
  if (text === null) return null;
  const starts = text.split("\n").map((line) => ({ line, start: Number.parseInt(line, 16) }));
  const holding = starts.findLast(({ start }) => start <= address);
  const byNode = new Map<number, number>();
  for (const [, node, pages] of holding?.line.matchAll(/ N(\d+)=(\d+)/g) ?? [])
    byNode.set(Number(node), Number(pages));
  return byNode.size === 0 ? null : { byNode, unknown: 0 };
}

/** Bytes in huge pages of the mapping that holds an address (before Linux 6.7, where no scan says it); null: unknown. */
export function mappedHugeBytes(address: Address): ByteCount | null {
  const text = readOrNull("/proc/self/smaps");
  if (text === null) return null;
  let inside = false;
  for (const line of text.split("\n")) {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
    if (start !== undefined && end !== undefined)
      inside = Number.parseInt(start, 16) <= address && address < Number.parseInt(end, 16);
    const kib = inside ? /^AnonHugePages:\s*(\d+) kB$/.exec(line)?.[1] : undefined;
    if (kib !== undefined) return Number(kib) * 1024;
  }
  return null;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
