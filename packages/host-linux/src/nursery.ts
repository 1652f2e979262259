import { readFileSync } from "node:fs";
import { HUGE_PAGES, PAGE_BYTES, type PageIndex } from "@hms/hmm";
import { MADV_POPULATE_WRITE } from "./sys/abi.generated.ts";
import { Mapping, madvise } from "./sys/memory.ts";

const BLOCK_BYTES = HUGE_PAGES * PAGE_BYTES;

/** Where fresh pages come from: zeros to copy, and transparent huge pages of zeros to move into place. */
export class Nursery implements Disposable {
  readonly #zeros: Mapping;
  readonly #block: Mapping;
  #huge: boolean;

  constructor() {
    this.#zeros = Mapping.reserve(BLOCK_BYTES, { align: BLOCK_BYTES, name: "hms zeros" });
    this.#block = Mapping.reserve(BLOCK_BYTES, { align: BLOCK_BYTES, name: "hms nursery", huge: true });
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
    if (!this.#huge) return -1;
    if (madvise(this.#block.address, BLOCK_BYTES, MADV_POPULATE_WRITE) < 0) {
      this.#huge = false;
      return -1;
    }
    return this.#block.address / PAGE_BYTES;
  }

  [Symbol.dispose](): void {
    this.#zeros.close();
    this.#block.close();
  }
}

function hugePagesEnabled(): boolean {
  try {
    return !readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8").includes("[never]");
  } catch {
    return false;
  }
}
