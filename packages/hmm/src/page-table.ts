import type { Cause } from "./cause.ts";
import { Chunk } from "./chunk.ts";
import { ChunkDirectory } from "./chunk-directory.ts";
import { ANON, DIRTY, DUPLICATED, EMPTY, KIND, LOST, SWAP, WRITE, ZERO } from "./entry.ts";
import { SPARE_CHUNKS } from "./limits.ts";
import type { Memories } from "./memories.ts";
import { FILE_PLACE, HOST_PLACE, LOST_PLACE, NOWHERE, type PlaceId, SWAP_PLACE } from "./places.ts";
import {
  FIRST_DEVICE_FRAME,
  type FrameNumber,
  HUGE_PAGES,
  type Nanoseconds,
  type PageCount,
  type PageIndex,
} from "./units.ts";

/** Empty chunks for reuse, shared by the spaces of a core. */
export class ChunkPool {
  readonly #spare: Chunk[] = [];

  take(first: PageIndex): Chunk {
    const chunk = this.#spare.pop();
    if (chunk === undefined) return new Chunk(first);
    chunk.first = first;
    return chunk;
  }

  give(chunk: Chunk): void {
    if (this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
  }
}

/**
 * Where each page of a space is: the one page table, which both the core and its host work on. It keeps the frames'
 * reverse map and the space's accounts in step with every change. It costs what is populated.
 */
export class PageTable {
  readonly space: number;
  /** Entries by the place where their page is. */
  readonly counts: Int32Array = new Int32Array(256);
  readonly #chunks = new ChunkDirectory<Chunk>();
  readonly #memories: Memories;
  readonly #pool: ChunkPool;
  /** Chunks in use. */
  chunks = 0;

  constructor(space: number, memories: Memories, pool: ChunkPool) {
    this.space = space;
    this.#memories = memories;
    this.#pool = pool;
  }

  /** The chunk that holds the page, or null when nothing around it is populated. */
  at(page: PageIndex): Chunk | null {
    return this.#chunks.at(page);
  }

  /** The first chunk with something populated that ends after `page` and begins below `end`, or null. */
  next(page: PageIndex, end: PageIndex): Chunk | null {
    return this.#chunks.next(page, end);
  }

  /** The chunk for the page, made if need be. */
  ensure(page: PageIndex): Chunk {
    const there = this.#chunks.at(page);
    if (there !== null) return there;
    const chunk = this.#pool.take(page - (page % HUGE_PAGES));
    this.#chunks.add(chunk);
    this.chunks++;
    return chunk;
  }

  /** Gives an empty chunk back. */
  trim(chunk: Chunk): void {
    if (chunk.populated > 0) return;
    chunk.order = 0;
    this.#chunks.delete(chunk);
    this.chunks--;
    this.#pool.give(chunk);
  }

  /** Flags of the page's entry; 0 when there is none. */
  flagsAt(page: PageIndex): number {
    const chunk = this.#chunks.at(page);
    return chunk === null ? EMPTY : (chunk.flags[page - chunk.first] ?? EMPTY);
  }

  /** Frame of the page's entry; meaningless when its flags are 0. */
  frameAt(page: PageIndex): FrameNumber {
    const chunk = this.#chunks.at(page);
    return chunk === null ? 0 : (chunk.frames[page - chunk.first] ?? 0);
  }

  /** Whether the page's entry refers to that frame. */
  maps(page: PageIndex, frame: FrameNumber): boolean {
    const chunk = this.#chunks.at(page);
    if (chunk === null) return false;
    const index = page - chunk.first;
    return refersToFrame(chunk.flags[index] ?? EMPTY) && chunk.frames[index] === frame;
  }

  /** The place that an entry is accounted to. */
  placeOf(flags: number, frame: FrameNumber): PlaceId {
    const kind = flags & KIND;
    if (kind === EMPTY || (flags & ZERO) !== 0) return NOWHERE;
    if (kind === SWAP) return SWAP_PLACE;
    if (kind === LOST) return LOST_PLACE;
    if (frame < FIRST_DEVICE_FRAME) return (flags & ANON) !== 0 ? HOST_PLACE : FILE_PLACE;
    return this.#memories.deviceOf(frame)?.place ?? LOST_PLACE;
  }

  /** Fills an empty entry. */
  fill(chunk: Chunk, index: number, flags: number, frame: FrameNumber): void {
    chunk.flags[index] = flags;
    chunk.frames[index] = frame;
    chunk.populated++;
    this.#count(flags, frame, 1);
    if (refersToFrame(flags)) this.#map(chunk.first + index, frame);
  }

  /**
   * Fills empty entries that follow each other, alike, with frames that follow each other and that nothing maps; not
   * with the page of zeros.
   */
  fillRun(chunk: Chunk, index: number, count: PageCount, flags: number, frame: FrameNumber): void {
    for (let k = 0; k < count; k++) {
      chunk.flags[index + k] = flags;
      chunk.frames[index + k] = frame + k;
    }
    chunk.populated += count;
    const place = this.placeOf(flags, frame);
    this.counts[place] = (this.counts[place] ?? 0) + count;
    const table = this.#memories.tableOf(frame);
    table.mapRun(frame - table.base, count, this.space, chunk.first + index);
  }

  /** Empties an entry. What it referred to is the caller's to release. */
  empty(chunk: Chunk, index: number): void {
    const flags = chunk.flags[index] ?? 0;
    const frame = chunk.frames[index] ?? 0;
    this.#count(flags, frame, -1);
    if (refersToFrame(flags)) this.#unmap(chunk.first + index, frame);
    chunk.flags[index] = EMPTY;
    chunk.why[index] = 0;
    chunk.populated--;
  }

  /** Replaces an entry by another. What it referred to is the caller's to release. */
  replace(chunk: Chunk, index: number, flags: number, frame: FrameNumber): void {
    const flagsBefore = chunk.flags[index] ?? 0;
    const frameBefore = chunk.frames[index] ?? 0;
    if ((flagsBefore & KIND) === EMPTY)
      throw new Error(`page ${chunk.first + index} is empty: nothing to replace`);
    this.#count(flagsBefore, frameBefore, -1);
    if (refersToFrame(flagsBefore)) this.#unmap(chunk.first + index, frameBefore);
    chunk.flags[index] = flags;
    chunk.frames[index] = frame;
    this.#count(flags, frame, 1);
    if (refersToFrame(flags)) this.#map(chunk.first + index, frame);
  }

  /**
   * Entries that follow each other, alike in what they are accounted to, whose frames follow each other and are mapped
   * by nobody else, refer to other frames that follow each other and that nothing maps: `kind` is theirs. Returns the
   * place where they were.
   */
  moveRun(chunk: Chunk, index: number, count: PageCount, kind: number, frame: FrameNumber): PlaceId {
    const { flags, frames } = chunk;
    const before = frames[index] ?? 0;
    const from = this.placeOf(flags[index] ?? 0, before);
    const fromTable = this.#memories.tableOf(before);
    fromTable.unmapRun(before - fromTable.base, count);
    const begin = (frame - index) | 0;
    for (let k = index; k < index + count; k++) {
      flags[k] = ((flags[k] ?? 0) & ~KIND) | kind | DIRTY;
      frames[k] = (begin + k) | 0;
    }
    const toTable = this.#memories.tableOf(frame);
    toTable.mapRun(frame - toTable.base, count, this.space, chunk.first + index);
    const to = this.placeOf(flags[index] ?? 0, frame);
    this.counts[from] = (this.counts[from] ?? 0) - count;
    this.counts[to] = (this.counts[to] ?? 0) + count;
    return from;
  }

  /** Changes flags of an entry that keeps its frame and its place (kind among HOST, MOVING, EXCLUSIVE…). */
  retag(chunk: Chunk, index: number, flags: number): void {
    chunk.flags[index] = flags;
  }

  /** Records the last move of the page. */
  note(page: PageIndex, cause: Cause, from: PlaceId, now: Nanoseconds): void {
    const chunk = this.#chunks.at(page);
    if (chunk !== null) chunk.note(page - chunk.first, cause, from, now);
  }

  /**
   * Whether the 512 entries of the chunk are alike and their frames follow each other from a multiple of 512 on, so
   * that they may be one huge page.
   */
  uniform(chunk: Chunk): boolean {
    if (chunk.populated !== HUGE_PAGES) return false;
    const frame = chunk.frames[0] ?? 0;
    const flags = chunk.flags[0] ?? 0;
    const step = (flags & ZERO) !== 0 ? 0 : 1;
    if (frame % HUGE_PAGES !== 0 || (flags & DUPLICATED) !== 0) return false;
    for (let i = 1; i < HUGE_PAGES; i++) {
      if (((chunk.flags[i] ?? 0) ^ flags) & (KIND | WRITE | ANON | ZERO | DUPLICATED)) return false;
      if (chunk.frames[i] !== frame + i * step) return false;
    }
    return true;
  }

  #count(flags: number, frame: FrameNumber, by: number): void {
    const place = this.placeOf(flags, frame);
    this.counts[place] = (this.counts[place] ?? 0) + by;
  }

  #map(page: PageIndex, frame: FrameNumber): void {
    const table = this.#memories.tableOf(frame);
    table.map(frame - table.base, this.space, page);
  }

  #unmap(page: PageIndex, frame: FrameNumber): void {
    const table = this.#memories.tableOf(frame);
    table.unmap(frame - table.base, this.space, page);
  }
}

/** Whether an entry with these flags refers to a frame of some memory (and is in its reverse map). */
export function refersToFrame(flags: number): boolean {
  const kind = flags & KIND;
  return kind !== EMPTY && kind !== SWAP && kind !== LOST && (flags & ZERO) === 0;
}
