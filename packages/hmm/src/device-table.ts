import { ChunkDirectory } from "./chunk-directory.ts";
import { type FrameNumber, HUGE_PAGES, NO_FRAME, type PageCount, type PageIndex } from "./units.ts";

/** What a device may do with a page that is in its table. */
export const MAY_READ = 1;
export const MAY_WRITE = 2;
/** Exclusive: no CPU and no other device reaches the page. */
export const MAY_ATOMIC = 3;

class TableChunk {
  first: PageIndex;
  readonly frames = new Uint32Array(HUGE_PAGES);
  readonly rights = new Uint8Array(HUGE_PAGES);
  used = 0;

  constructor(first: PageIndex) {
    this.first = first;
  }
}

/** Empty chunks for reuse: their rights are all 0. */
const spare: TableChunk[] = [];
const SPARE_TABLE_CHUNKS = 64;

function takeChunk(first: PageIndex): TableChunk {
  const chunk = spare.pop();
  if (chunk === undefined) return new TableChunk(first);
  chunk.first = first;
  return chunk;
}

function giveChunk(chunk: TableChunk): void {
  if (spare.length < SPARE_TABLE_CHUNKS) spare.push(chunk);
}

/**
 * A device's page table for one space, for drivers whose hardware has none of its own: page → frame and right. It
 * costs what is in it, and dropping a range costs what is in the range.
 */
export class DeviceTable {
  readonly #chunks = new ChunkDirectory<TableChunk>();
  #size = 0;

  /** Pages in the table. */
  get size(): number {
    return this.#size;
  }

  /** The frame, or NO_FRAME. */
  frame(page: PageIndex): FrameNumber {
    const chunk = this.#chunks.at(page);
    if (chunk === null || chunk.rights[page - chunk.first] === 0) return NO_FRAME;
    return chunk.frames[page - chunk.first] ?? NO_FRAME;
  }

  /** `MAY_READ`, `MAY_WRITE`, `MAY_ATOMIC`, or 0 when the page is not in the table. */
  right(page: PageIndex): number {
    const chunk = this.#chunks.at(page);
    return chunk === null ? 0 : (chunk.rights[page - chunk.first] ?? 0);
  }

  set(page: PageIndex, frame: FrameNumber, right: number): void {
    const chunk = this.#ensure(page);
    const index = page - chunk.first;
    if (chunk.rights[index] === 0) {
      chunk.used++;
      this.#size++;
    }
    chunk.frames[index] = frame;
    chunk.rights[index] = right;
  }

  #ensure(page: PageIndex): TableChunk {
    const there = this.#chunks.at(page);
    if (there !== null) return there;
    const chunk = takeChunk(page - (page % HUGE_PAGES));
    this.#chunks.add(chunk);
    return chunk;
  }

  /** Sets pages that follow each other, with the frames from `from` on. */
  setRun(first: PageIndex, frames: Uint32Array, from: number, count: PageCount, right: number): void {
    for (let done = 0; done < count; ) {
      const page = first + done;
      const chunk = this.#ensure(page);
      const index = page - chunk.first;
      const run = Math.min(count - done, HUGE_PAGES - index);
      let added = 0;
      for (let k = 0; k < run; k++) {
        if (chunk.rights[index + k] === 0) added++;
        chunk.frames[index + k] = frames[from + done + k] ?? NO_FRAME;
      }
      chunk.rights.fill(right, index, index + run);
      chunk.used += added;
      this.#size += added;
      done += run;
    }
  }

  delete(page: PageIndex): void {
    const chunk = this.#chunks.at(page);
    if (chunk === null || chunk.rights[page - chunk.first] === 0) return;
    chunk.rights[page - chunk.first] = 0;
    this.#size--;
    if (--chunk.used === 0) this.#drop(chunk);
  }

  /** Drops every page from `first` to `end` whose frame is in [from, to) (default: whatever frame). */
  clear(first: PageIndex, end: PageIndex, from: FrameNumber = 0, to: FrameNumber = NO_FRAME): void {
    for (let chunk = this.#chunks.next(first, end); chunk !== null; ) {
      const stop = Math.min(HUGE_PAGES, end - chunk.first);
      for (let i = Math.max(0, first - chunk.first); i < stop; i++) {
        const frame = chunk.frames[i] ?? 0;
        if (chunk.rights[i] === 0 || frame < from || frame >= to) continue;
        chunk.rights[i] = 0;
        chunk.used--;
        this.#size--;
      }
      const next = chunk.first + HUGE_PAGES;
      if (chunk.used === 0) this.#drop(chunk);
      chunk = this.#chunks.next(next, end);
    }
  }

  #drop(chunk: TableChunk): void {
    this.#chunks.delete(chunk);
    giveChunk(chunk);
  }

  /** The first page in the table at or after `page` and below `end`; −1 when there is none. */
  next(page: PageIndex, end: PageIndex): PageIndex {
    for (let chunk = this.#chunks.next(page, end); chunk !== null; ) {
      const stop = Math.min(HUGE_PAGES, end - chunk.first);
      for (let i = Math.max(0, page - chunk.first); i < stop; i++) {
        if (chunk.rights[i] !== 0) return chunk.first + i;
      }
      chunk = this.#chunks.next(chunk.first + HUGE_PAGES, end);
    }
    return -1;
  }
}
