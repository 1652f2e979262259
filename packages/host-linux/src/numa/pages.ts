// Pages of a process, a batch at a time: where they are, and to where they move.
import * as abi from "../sys/abi.generated.ts";
import { PageBatch, STATUS_NONE } from "../sys/numa.ts";
import { type Address, type ByteCount, PAGE_BYTES } from "../sys/units.ts";
import { PresentPages } from "./present.ts";

/** Pages (huge ones count once) that one call of the kernel is asked for. */
export const BATCH_PAGES = 16384;
/** Bytes that one call of the kernel moves, unless a smaller bound is given. */
export const BATCH_BYTES: ByteCount = 64 << 20;

/** Says of a page in `to`: leave it. */
export const STAY = -1;
/** Says of a page in `now`: it is not there any more. */
export const GONE = -1;

/** Why a page is not where it was to go. */
export const MOVED = 0;
/** The kernel answered with an errno (positive, as in `abi`): EACCES, EBUSY, ENOMEM, ENOENT, EFAULT. */
export type Hindrance = number;
/** It was taken off its place and could not be let go: someone holds it. */
export const HELD: Hindrance = -1;

/** Ranges of whole pages, one after the other, as the readers of `/proc/PID/maps` give them. */
export interface RangeSource {
  readonly start: Address;
  readonly end: Address;
  /** Goes to the next one; false when there is none. */
  next(): boolean;
}

const NO_MORE: RangeSource = { start: 0, end: 0, next: () => false };

/**
 * The pages of ranges of a process. `look()` at a range or `walk()` many, then `next()` and perhaps `move()` until there are no more.
 * The arrays hold one batch, and are reused.
 */
export class ProcessPages implements Disposable {
  /** Pages of the batch; huge ones count once. */
  count = 0;
  /** Base pages (4 KiB) that each one stands for. */
  readonly size: Int32Array<ArrayBuffer> = new Int32Array(BATCH_PAGES);
  /** The node that each one was on when the batch was made. */
  readonly from: Int32Array<ArrayBuffer> = new Int32Array(BATCH_PAGES);
  /** The node that each one is to go to, to be set before `move`; STAY after `next()`. */
  readonly to: Int32Array<ArrayBuffer> = new Int32Array(BATCH_PAGES);
  /** The node that each one is on; GONE. */
  readonly now: Int32Array<ArrayBuffer> = new Int32Array(BATCH_PAGES);
  /** After `move`: MOVED, HELD or an errno of those that had somewhere to go. */
  readonly hindrance: Int32Array<ArrayBuffer> = new Int32Array(BATCH_PAGES);
  /** The node that the last `move` was refused. */
  refusedNode: number = STAY;
  readonly #pid: number;
  readonly #present: PresentPages;
  readonly #address = new Float64Array(BATCH_PAGES);
  readonly #batch = new PageBatch(BATCH_PAGES);
  /** Which page of ours each place of the kernel's batch is. */
  readonly #index = new Int32Array(BATCH_PAGES);
  #ranges = NO_MORE;
  #bytesMax: ByteCount = BATCH_BYTES;

  /** Throws `NO_PAGEMAP` (EACCES, ENOENT), `OUT_OF_MEMORY`, `ABI_MISMATCH`. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#present = new PresentPages(pid);
  }

  /** Bounds the bytes of a batch: at least one page is taken. */
  set bytesMax(bytes: ByteCount) {
    this.#bytesMax = Math.min(bytes, BATCH_BYTES);
  }

  /** Turns to a range of whole pages. */
  look(start: Address, end: Address): void {
    this.#ranges = NO_MORE;
    this.#present.look(start, end);
  }

  /** Turns to all ranges of a source: a batch holds pages of as many as there is room for. */
  walk(ranges: RangeSource): void {
    this.#ranges = ranges;
    this.#present.look(0, 0);
  }

  /** Counts the base pages of a range that are there, without asking where: a number, or a negative errno. */
  countIn(start: Address, end: Address): number {
    const present = this.#present;
    present.look(start, end);
    let pages = 0;
    for (;;) {
      const got = present.next();
      if (got <= 0) return got < 0 ? got : pages;
      pages += present.bytes / PAGE_BYTES;
    }
  }

  /** The address of a page of the batch. */
  addressOf(i: number): Address {
    return this.#address[i] as Address;
  }

  /** Makes the next batch and asks where its pages are: how many, 0 at the end of the range, or a negative errno. */
  next(): number {
    for (;;) {
      const count = this.#gather();
      if (count <= 0) return count;
      const asked = this.#batch.query(this.#pid, count);
      if (asked < 0) return asked;
      this.#keepPresent(count);
      // All of these may have gone meanwhile, and there may be more after them.
      if (this.count > 0) return this.count;
    }
  }

  #gather(): number {
    const present = this.#present;
    let count = 0;
    for (let bytes = 0; count < BATCH_PAGES && bytes < this.#bytesMax; ) {
      const got = present.next();
      if (got < 0) return got;
      if (got === 0) {
        if (!this.#ranges.next()) break;
        present.look(this.#ranges.start, this.#ranges.end);
        continue;
      }
      this.#address[count] = present.address;
      this.#batch.put(count, present.address);
      this.size[count] = present.bytes / PAGE_BYTES;
      bytes += present.bytes;
      count++;
    }
    return count;
  }

  /** Leaves out what the kernel says is not there (any more), or is none of its pages. */
  #keepPresent(count: number): void {
    const { status } = this.#batch;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const node = status[i] as number;
      if (node < 0) continue;
      this.#address[kept] = this.#address[i] as number;
      this.size[kept] = this.size[i] as number;
      this.from[kept] = node;
      this.now[kept] = node;
      this.to[kept] = STAY;
      this.hindrance[kept] = MOVED;
      kept++;
    }
    this.count = kept;
  }

  /**
   * Moves the pages of the batch to their `to`, and says in `now` and `hindrance` what came of it. 0, or a negative
   * errno when the kernel refused all that were to go to `refusedNode` (and those that were to go on to others were not
   * tried): ESRCH and EINVAL (the process ended), EPERM, EACCES (its cpuset leaves the node out), ENODEV (a node without
   * memory). What was moved before stays moved, and is in `now`. It may be called again with another `to`.
   *
   * @param all also pages that other processes map: needs CAP_SYS_NICE
   */
  move(all: boolean): number {
    const flags = all ? abi.MPOL_MF_MOVE_ALL : abi.MPOL_MF_MOVE;
    let refused = 0;
    for (let node = this.#nextNode(-1); node >= 0 && refused === 0; node = this.#nextNode(node)) {
      refused = this.#moveTo(node, flags);
      if (refused < 0) this.refusedNode = node;
    }
    return refused;
  }

  /**
   * Says in `now` and `hindrance` what would come of `move`, as far as it can be seen beforehand: EACCES for pages that
   * other processes map too.
   */
  forecast(all: boolean): void {
    for (let i = 0; i < this.count; i++) {
      const to = this.to[i] as number;
      if (to === STAY || to === this.now[i]) continue;
      const shared = !all && this.#present.shared(this.#address[i] as number);
      if (shared) this.hindrance[i] = abi.EACCES;
      else this.now[i] = to;
    }
  }

  /** The smallest node above the given one that a page is still to go to; −1: none. */
  #nextNode(after: number): number {
    let next = -1;
    for (let i = 0; i < this.count; i++) {
      const to = this.to[i] as number;
      if (to > after && to !== this.now[i] && (next < 0 || to < next)) next = to;
    }
    return next;
  }

  #moveTo(node: number, flags: number): number {
    let left = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.to[i] === node && this.now[i] !== node) this.#index[left++] = i;
    }
    // Each turn settles at least one page.
    while (left > 0) {
      this.#load(left, node);
      const done = this.#batch.move(this.#pid, left, flags);
      if (done < 0 && done !== -abi.ENOMEM) return done;
      const tried = done > 0 ? this.#tried(left, done) : left;
      this.#settle(tried, done === -abi.ENOMEM ? abi.ENOMEM : HELD);
      const looked = this.#lookAgain(tried);
      if (looked < 0) return looked;
      this.#index.copyWithin(0, tried, left);
      left -= tried;
    }
    return 0;
  }

  #load(count: number, node: number): void {
    this.#batch.nodes.fill(node, 0, count);
    for (let k = 0; k < count; k++) {
      this.#batch.put(k, this.#address[this.#index[k] as number] as number);
    }
  }

  /**
   * How many of a batch the kernel tried when it answered that so many were left. It gathers pages until one cannot be
   * taken, whose status it writes, and then moves what it gathered; when that fails in part it stops there. What is left
   * is the failed ones and those after the last status; fewer than those means that it came to the end.
   */
  #tried(count: number, left: number): number {
    const { status } = this.#batch;
    let last = count - 1;
    while (last >= 0 && status[last] === STATUS_NONE) last--;
    const after = count - 1 - last;
    return last >= 0 && left > after ? last + 1 : count;
  }

  /** Takes over the statuses; pages of which the kernel says nothing were taken and not let go: `otherwise`. */
  #settle(count: number, otherwise: Hindrance): void {
    const { status, nodes } = this.#batch;
    for (let k = 0; k < count; k++) {
      const i = this.#index[k] as number;
      const said = status[k] as number;
      if (said === nodes[k]) {
        this.now[i] = said;
        this.hindrance[i] = MOVED;
      } else this.hindrance[i] = said === STATUS_NONE ? otherwise : -said;
    }
  }

  /**
   * Asks where those are that are not known to have moved. A part of a larger page cannot be taken when the first part
   * has been taken already, and moves with it all the same.
   */
  #lookAgain(count: number): number {
    const unsure = this.#unsure(count);
    if (unsure === 0) return 0;
    const asked = this.#batch.query(this.#pid, unsure);
    if (asked < 0) return asked;
    const { status } = this.#batch;
    for (let k = 0, place = 0; k < count; k++) {
      const i = this.#index[k] as number;
      if (this.hindrance[i] === MOVED) continue;
      const where = status[place++] as number;
      this.now[i] = where < 0 ? GONE : where;
      if (where === this.to[i]) this.hindrance[i] = MOVED;
    }
    return 0;
  }

  /** Puts those into the kernel's batch that did not move: how many. */
  #unsure(count: number): number {
    let unsure = 0;
    for (let k = 0; k < count; k++) {
      const i = this.#index[k] as number;
      if (this.hindrance[i] !== MOVED) this.#batch.put(unsure++, this.#address[i] as number);
    }
    return unsure;
  }

  [Symbol.dispose](): void {
    this.#present[Symbol.dispose]();
    this.#batch[Symbol.dispose]();
  }
}
