import { FrameAllocator, HUGE_PAGES, PAGE_BYTES, type PageCount } from "@hms/hmm";

const SLAB_BYTES = HUGE_PAGES * PAGE_BYTES;
/** A word or two is copied byte by byte: a view of it would cost more. */
const FEW_BYTES = 16;

/** The bytes of pages: 2 MiB at a time, made when something is first written there; what was never written is zeros. */
export class PageStore {
  readonly #slabs: (Uint8Array | null)[];
  readonly #bytes: number;

  constructor(pages: PageCount) {
    this.#bytes = pages * PAGE_BYTES;
    this.#slabs = new Array<Uint8Array | null>(Math.ceil(pages / HUGE_PAGES)).fill(null);
  }

  /** Copies bytes out; within one 2 MiB block, or it goes on into the next. */
  read(page: number, offset: number, target: Uint8Array): void {
    let at = page * PAGE_BYTES + offset;
    if (target.length <= FEW_BYTES && (at % SLAB_BYTES) + target.length <= SLAB_BYTES) {
      const slab = this.#slabs[Math.floor(at / SLAB_BYTES)] ?? null;
      const start = at % SLAB_BYTES;
      for (let i = 0; i < target.length; i++) target[i] = slab === null ? 0 : (slab[start + i] ?? 0);
      return;
    }
    for (let done = 0; done < target.length; ) {
      const slab = this.#slabs[Math.floor(at / SLAB_BYTES)] ?? null;
      const start = at % SLAB_BYTES;
      const length = Math.min(target.length - done, SLAB_BYTES - start);
      if (slab === null) target.fill(0, done, done + length);
      else target.set(slab.subarray(start, start + length), done);
      done += length;
      at += length;
    }
  }

  /** Copies bytes in. */
  write(page: number, offset: number, source: Uint8Array): void {
    let at = page * PAGE_BYTES + offset;
    if (source.length <= FEW_BYTES && (at % SLAB_BYTES) + source.length <= SLAB_BYTES) {
      const slab = this.#slab(Math.floor(at / SLAB_BYTES));
      const start = at % SLAB_BYTES;
      for (let i = 0; i < source.length; i++) slab[start + i] = source[i] ?? 0;
      return;
    }
    for (let done = 0; done < source.length; ) {
      const slab = this.#slab(Math.floor(at / SLAB_BYTES));
      const start = at % SLAB_BYTES;
      const length = Math.min(source.length - done, SLAB_BYTES - start);
      slab.set(length === source.length ? source : source.subarray(done, done + length), start);
      done += length;
      at += length;
    }
  }

  /** Makes pages zeros. */
  clear(page: number, pages: PageCount): void {
    for (let i = page; i < page + pages; ) {
      const slab = this.#slabs[Math.floor(i / HUGE_PAGES)] ?? null;
      const stop = Math.min(page + pages, i - (i % HUGE_PAGES) + HUGE_PAGES);
      const start = (i % HUGE_PAGES) * PAGE_BYTES;
      slab?.fill(0, start, start + (stop - i) * PAGE_BYTES);
      i = stop;
    }
  }

  /** Whether a page holds zeros only. */
  isZero(page: number): boolean {
    const slab = this.#slabs[Math.floor(page / HUGE_PAGES)] ?? null;
    if (slab === null) return true;
    const words = new Int32Array(slab.buffer, (page % HUGE_PAGES) * PAGE_BYTES, PAGE_BYTES / 4);
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
    return true;
  }

  /** Copies one page to another of this store. */
  copy(from: number, to: number): void {
    const source = this.#slabs[Math.floor(from / HUGE_PAGES)] ?? null;
    const start = (from % HUGE_PAGES) * PAGE_BYTES;
    if (source === null) this.clear(to, 1);
    else this.write(to, 0, source.subarray(start, start + PAGE_BYTES));
  }

  #slab(index: number): Uint8Array {
    let slab = this.#slabs[index] ?? null;
    if (slab === null) {
      // The last one may be shorter: small machines are made by the thousand.
      slab = new Uint8Array(Math.min(SLAB_BYTES, this.#bytes - index * SLAB_BYTES));
      this.#slabs[index] = slab;
    }
    return slab;
  }
}

/** Swap: slots that hold a page each, shared by as many entries as refer to them. */
export class Swap {
  readonly pages: PageCount;
  readonly #store: PageStore;
  readonly #free: FrameAllocator;
  readonly #references: Uint32Array;

  constructor(pages: PageCount) {
    this.pages = pages;
    this.#store = new PageStore(pages);
    this.#free = new FrameAllocator(pages);
    this.#references = new Uint32Array(pages);
  }

  get available(): PageCount {
    return this.pages === 0 ? 0 : this.#free.available;
  }

  /** A slot with one reference that holds these bytes; −1 when there is none. */
  store(bytes: Uint8Array): number {
    const slot = this.pages === 0 ? -1 : this.#free.take();
    if (slot < 0) return -1;
    this.#references[slot] = 1;
    this.#store.write(slot, 0, bytes);
    return slot;
  }

  load(slot: number, target: Uint8Array): void {
    this.#store.read(slot, 0, target);
  }

  /** Bytes of a slot from an offset on. */
  peek(slot: number, offset: number, target: Uint8Array): void {
    this.#store.read(slot, offset, target);
  }

  references(slot: number): number {
    return this.#references[slot] ?? 0;
  }

  share(slot: number): void {
    this.#references[slot] = this.references(slot) + 1;
  }

  release(slot: number): void {
    const left = this.references(slot) - 1;
    this.#references[slot] = left;
    if (left === 0) this.#free.give(slot);
  }
}
