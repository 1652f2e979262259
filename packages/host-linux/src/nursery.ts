import { readFileSync } from "node:fs";
import { HUGE_PAGES, PAGE_BYTES, type PageIndex } from "@hms/hmm";
import { MADV_POPULATE_WRITE } from "./sys/abi.generated.ts";
import { Mapping, madvise } from "./sys/memory.ts";
import { hugePagesIn } from "./sys/pagemap.ts";

/** After so many blocks in a row that were not huge, the pauses do not become longer: 2^8 calls. */
const MISSES_MAX = 8;
const BLOCK_BYTES = HUGE_PAGES * PAGE_BYTES;

/** Where fresh pages come from: zeros to copy, and transparent huge pages of zeros to move into place. */
export class Nursery implements Disposable {
  readonly #zeros: Mapping;
  #block: Mapping;
  readonly #stale: Mapping[] = [];
  /** Blocks in a row that were not huge, and calls to let pass before the next. */
  #misses = 0;
  #pause = 0;
  #huge: boolean;

  constructor() {
    this.#zeros = Mapping.reserve(BLOCK_BYTES, { align: BLOCK_BYTES, name: "hms zeros" });
    this.#block = newBlock();
    this.#huge = hugePagesEnabled();
  }

  /** Address of 2 MiB of zeros, for copying. Only ever read: the kernel keeps one page of zeros behind it. */
  get zeros(): number {
    return this.#zeros.address;
  }

  /** Whether huge pages can be had. */
  get huge(): boolean {
    return this.#huge;
  }

  /** Page number of 2 MiB of fresh zeros, to be moved away before the next call; −1 when huge pages cannot be had. */
  take(): PageIndex {
    if (!this.#huge || this.#pause > 0) {
      this.#pause--;
      return -1;
    }
    const { address } = this.#block;
    if (madvise(address, BLOCK_BYTES, MADV_POPULATE_WRITE) < 0) {
      this.#huge = false;
      return -1;
    }
    if (hugePagesIn(address, BLOCK_BYTES) === 0) this.#renew();
    else this.#misses = 0;
    return address / PAGE_BYTES;
  }

  /**
   * The kernel made small pages. The page table that it made for them stays, and would be filled with small ones for
   * ever: so the block is used this once, and then mapped anew; after a while, if huge pages have become rare.
   */
  #renew(): void {
    this.#stale.push(this.#block);
    this.#block = newBlock();
    this.#misses = Math.min(this.#misses + 1, MISSES_MAX);
    this.#pause = 2 ** this.#misses - 2;
    // The one before the last is empty by now.
    if (this.#stale.length > 1) this.#stale.shift()?.close();
  }

  [Symbol.dispose](): void {
    this.#zeros.close();
    this.#block.close();
    for (const block of this.#stale) block.close();
  }
}

function newBlock(): Mapping {
  return Mapping.reserve(BLOCK_BYTES, { align: BLOCK_BYTES, name: "hms nursery", huge: true });
}

function hugePagesEnabled(): boolean {
  try {
    return !readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8").includes("[never]");
  } catch {
    return false;
  }
}
