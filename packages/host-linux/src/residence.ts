import {
  COHERENT,
  EMPTY,
  EXCLUSIVE,
  FIRST_DEVICE_FRAME,
  type FrameNumber,
  HOST,
  HUGE_PAGES,
  KIND,
  PAGE_BYTES,
  type PageCount,
  type PageIndex,
  type Space,
  ZERO,
} from "@hms/hmm";
import type { LinuxHost } from "./host.ts";
import { CACHE, MAPPED, SLOT } from "./pages.ts";
import { MADV_POPULATE_READ, MPOL_MF_MOVE } from "./sys/abi.generated.ts";
import { madvise } from "./sys/memory.ts";
import { PageBatch, STATUS_NONE } from "./sys/numa.ts";
import { hugePagesIn } from "./sys/pagemap.ts";

/** What `look` says of a page that is on no node: there is none, or it is somewhere else than in the host's memory. */
export const NO_PAGE = -1;
export const NOT_HERE = -2;
/** It is in the host's memory, and the kernel does not say on which node. */
export const SOMEWHERE = -3;

const HUGE_BYTES = HUGE_PAGES * PAGE_BYTES;

/**
 * On which nodes of the machine the host's pages are, and how they get to others. Nothing here touches a page: the
 * kernel is asked about addresses, and moves what is behind them.
 */
export class Residence implements Disposable {
  /** Pages of one call. */
  readonly pagesMax: PageCount = HUGE_PAGES;
  readonly #host: LinuxHost;
  readonly #batch: PageBatch = new PageBatch(HUGE_PAGES);
  /** Which page of the call each page of the batch is. */
  readonly #of = new Uint16Array(HUGE_PAGES);

  constructor(host: LinuxHost) {
    this.#host = host;
  }

  /** Writes the node of each page, or what else is said of it, to `nodes`. */
  look(space: Space, first: PageIndex, count: PageCount, nodes: Int32Array): void {
    const asked = this.#gather(space, first, count, nodes);
    if (asked === 0) return;
    const { status } = this.#batch;
    const answer = this.#batch.query(0, asked);
    for (let i = 0; i < asked; i++) {
      const node = status[i] ?? STATUS_NONE;
      nodes[this.#of[i] ?? 0] = answer < 0 || node < 0 ? SOMEWHERE : node;
    }
  }

  /**
   * Moves pages of the host's memory to the nodes in `to` (−1: this one stays). Afterwards `to` has for each page that
   * was to move the node that it is on, or the kernel's negative errno.
   */
  move(space: Space, first: PageIndex, count: PageCount, to: Int32Array): void {
    const wanted = to.slice(0, count);
    this.#split(space, first, count, wanted);
    const asked = this.#gather(space, first, count, to, wanted);
    if (asked === 0) return;
    const { status, nodes } = this.#batch;
    for (let i = 0; i < asked; i++) nodes[i] = wanted[this.#of[i] ?? 0] ?? 0;
    const answer = this.#batch.move(0, asked, MPOL_MF_MOVE);
    const said = status.slice(0, asked);
    // Of a huge page the kernel moves all with the first, and then says of the others that they are busy.
    this.#batch.query(0, asked);
    for (let i = 0; i < asked; i++) {
      const page = this.#of[i] ?? 0;
      const node = status[i] ?? STATUS_NONE;
      const failed = said[i] ?? STATUS_NONE;
      if (node === wanted[page]) to[page] = node;
      else if (failed < 0 && failed !== STATUS_NONE) to[page] = failed;
      else to[page] = answer < 0 ? answer : node;
    }
  }

  /** The kernel moves a huge page as a whole: where its parts are to be apart it becomes small ones first. */
  #split(space: Space, first: PageIndex, count: PageCount, wanted: Int32Array): void {
    const { pages } = this.#host;
    const [node] = wanted;
    if (count === HUGE_PAGES && wanted.every((one) => one === node)) return;
    let small = -1;
    for (let k = 0; k < count; k++) {
      const flags = space.table.flagsAt(first + k);
      if (wanted[k] === -1 || (flags & (KIND | ZERO)) !== HOST) continue;
      const frame = space.table.frameAt(first + k);
      const place = pages.placeOf(frame);
      if (place !== MAPPED && place !== SLOT) continue;
      const block = Math.floor(pages.atOf(frame) / HUGE_PAGES);
      if (block === small) continue;
      if (hugePagesIn(block * HUGE_BYTES, HUGE_BYTES) > 0) pages.takeApart(frame);
      small = block;
    }
  }

  /** Puts the addresses of pages into the batch; `only`: those for which it has no −1. Says of the others why not. */
  #gather(space: Space, first: PageIndex, count: PageCount, said: Int32Array, only?: Int32Array): number {
    let asked = 0;
    for (let k = 0; k < count; k++) {
      if (only?.[k] === -1) continue;
      const flags = space.table.flagsAt(first + k);
      const kind = flags & KIND;
      if (kind === EMPTY || (flags & ZERO) !== 0) {
        said[k] = NO_PAGE;
        continue;
      }
      if (kind !== HOST && kind !== EXCLUSIVE && kind !== COHERENT) {
        said[k] = NOT_HERE;
        continue;
      }
      const frame = space.table.frameAt(first + k);
      const address = frame < FIRST_DEVICE_FRAME ? this.#addressOf(frame, only !== undefined) : -2;
      if (address <= 0) {
        said[k] = address === 0 ? NO_PAGE : NOT_HERE;
        continue;
      }
      this.#of[asked] = k;
      this.#batch.put(asked++, address);
    }
    return asked;
  }

  /** Where the kernel finds the page of a frame; 0: nowhere, it is still to be made. */
  #addressOf(frame: FrameNumber, alone: boolean): number {
    const { pages } = this.#host;
    const place = pages.placeOf(frame);
    const address = pages.atOf(frame) * PAGE_BYTES;
    if (place === MAPPED || place === SLOT) return address;
    if (place !== CACHE) return 0;
    // What several parties have mapped the kernel moves for the privileged only.
    const file = this.#host.cacheOf(frame);
    if (alone && file !== null) file.unmap(file.pageOf(frame), 1);
    madvise(address, PAGE_BYTES, MADV_POPULATE_READ);
    return address;
  }

  [Symbol.dispose](): void {
    this.#batch[Symbol.dispose]();
  }
}
