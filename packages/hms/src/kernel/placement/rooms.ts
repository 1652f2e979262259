import { closeSync, openSync, readSync } from "node:fs";
import { type Nanoseconds, PAGE_BYTES, type PageCount } from "@hms/hmm";
import { readLimits } from "@hms/host-linux/numa";

/** What was read is believed for so long, and for so many pages. */
const FRESH_FOR: Nanoseconds = 100e6;
const FRESH_PAGES: PageCount = 2048;
/** What a node must have beyond the kernel's reserve before it counts as having room: 1 MiB. */
const MARGIN: PageCount = 256;
/** What is left besides when pages are promised: page tables, pages on their way, and what others take meanwhile: 12 MiB. */
const PROMISE_MARGIN: PageCount = 3072;

interface Room {
  readonly fd: number;
  /** What the kernel keeps for itself. */
  readonly reserve: PageCount;
  pages: PageCount;
  readAt: Nanoseconds;
  left: PageCount;
}

/**
 * How much room nodes have, as far as a fault needs to know: the kernel is asked from time to time, and in between what
 * was made is counted.
 */
export class Rooms implements Disposable {
  readonly #rooms = new Map<number, Room>();
  readonly #promised = new Map<number, PageCount>();
  readonly #now: () => Nanoseconds;
  readonly #buffer = Buffer.alloc(4096);

  constructor(now: () => Nanoseconds) {
    this.#now = now;
  }

  /** Pages that a node can still give; 0 when it is not there. */
  of(node: number): PageCount {
    const room = this.#rooms.get(node) ?? this.#open(node);
    if (room === null) return 0;
    if (room.left <= 0 || this.#now() - room.readAt > FRESH_FOR) this.#read(node, room);
    return Math.max(0, room.pages - MARGIN);
  }

  /** Pages that can be promised on a node beyond those that are promised already. */
  toPromise(node: number): PageCount {
    return Math.max(0, this.of(node) - PROMISE_MARGIN - (this.#promised.get(node) ?? 0));
  }

  /** More or fewer pages are promised to someone on a node. */
  promise(node: number, pages: PageCount): void {
    this.#promised.set(node, Math.max(0, (this.#promised.get(node) ?? 0) + pages));
  }

  /** Pages were made there. */
  took(node: number, pages: PageCount): void {
    const room = this.#rooms.get(node);
    if (room === undefined) return;
    room.pages -= pages;
    room.left -= pages;
  }

  /** What was read counts no more. */
  forget(): void {
    for (const room of this.#rooms.values()) room.left = 0;
  }

  #open(node: number): Room | null {
    try {
      const fd = openSync(`/sys/devices/system/node/node${node}/meminfo`, "r");
      const reserve = readLimits().nodes.get(node)?.reserveBytes ?? 0;
      const room = { fd, reserve: Math.ceil(reserve / PAGE_BYTES), pages: 0, readAt: 0, left: 0 };
      this.#rooms.set(node, room);
      return room;
    } catch {
      return null;
    }
  }

  #read(node: number, room: Room): void {
    room.readAt = this.#now();
    room.left = FRESH_PAGES;
    try {
      const length = readSync(room.fd, this.#buffer, 0, this.#buffer.length, 0);
      const kib = /\bMemFree:\s*(\d+) kB/.exec(this.#buffer.toString("latin1", 0, length))?.[1];
      room.pages = Math.floor((Number(kib ?? 0) * 1024) / PAGE_BYTES) - room.reserve;
    } catch {
      // It went offline.
      room.pages = 0;
      closeSync(room.fd);
      this.#rooms.delete(node);
    }
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#rooms.values()) closeSync(fd);
    this.#rooms.clear();
  }
}
