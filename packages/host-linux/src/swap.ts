import { PAGE_BYTES, type PageCount } from "@hms/hmm";
import { Runs } from "./runs.ts";
import type { SwapFile } from "./sys/disk.ts";

/** Pages on disk: which slots are in use, by how many entries and clean copies in memory. */
export class Swap {
  readonly #file: SwapFile;
  readonly #runs: Runs;
  readonly #references: Uint8Array;
  /** Pages written and read, since the start. */
  written = 0;
  read = 0;

  constructor(file: SwapFile, pages: PageCount) {
    this.#file = file;
    this.#runs = new Runs(pages);
    this.#references = new Uint8Array(pages);
  }

  get used(): PageCount {
    return this.#runs.used;
  }

  get pages(): PageCount {
    return this.#runs.pages;
  }

  /** Slots that follow each other, as many as there are up to `count`: answers how many by `got`; −1 when there is none. */
  take(count: PageCount): { slot: number; got: PageCount } | null {
    const slot = this.#runs.take(count);
    if (slot === null) return null;
    for (let k = 0; k < slot.got; k++) this.#references[slot.slot + k] = 1;
    return slot;
  }

  /** Writes pages from an address to slots. 0, or −errno (ENOSPC, EIO): nothing of it counts. */
  write(slot: number, count: PageCount, address: number): number {
    const done = this.#file.pwrite(address, count * PAGE_BYTES, slot * PAGE_BYTES);
    if (done < 0) return done;
    this.written += count;
    return 0;
  }

  /** Reads pages from slots to an address. 0, or −errno. */
  load(slot: number, count: PageCount, address: number): number {
    const done = this.#file.pread(address, count * PAGE_BYTES, slot * PAGE_BYTES);
    if (done < 0) return done;
    this.read += count;
    return 0;
  }

  share(slot: number): void {
    this.#references[slot] = (this.#references[slot] ?? 0) + 1;
  }

  release(slot: number): void {
    const left = (this.#references[slot] ?? 0) - 1;
    if (left < 0) throw new Error(`swap slot ${slot} was given back twice`);
    this.#references[slot] = left;
    if (left === 0) this.#runs.give(slot, 1);
  }

  references(slot: number): number {
    return this.#references[slot] ?? 0;
  }
}
