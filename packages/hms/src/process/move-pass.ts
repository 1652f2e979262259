// One pass over the pages of a process: each batch is given its places, moved or only looked at, and counted.
import { constants } from "node:os";
import { freeOfNode, type ProcessPages, readLimits, STAY } from "@hms/host-linux/numa";
import type { Decision } from "@hms/policy";
import { formatSize, type IndexSet } from "@hms/topology";
import { type AssignablePages, Assigner, type Full } from "./assign.ts";
import { CLOSED, type CountablePages, MoveTally, NO_REASON, NO_ROOM, NOT_REACHED } from "./move-tally.ts";

const PAGE_BYTES = 4096;
const { EACCES, EINVAL, ENODEV, ENOMEM, ESRCH } = constants.errno;

/** What a pass does with the pages of a process. */
export type PassPages = AssignablePages &
  CountablePages &
  Pick<ProcessPages, "count" | "refusedNode" | "next" | "move" | "forecast">;

export interface PassOptions {
  readonly decision: Decision;
  /** Nodes whose pages count; null: all. */
  readonly from: IndexSet | null;
  readonly shared: boolean;
  readonly dryRun: boolean;
  /** Bytes that can be had of a node; asked of the kernel unless given. */
  readonly roomBytes?: (node: number) => number;
}

export class MovePass {
  readonly tally: MoveTally;
  readonly assigner: Assigner;
  readonly #pages: PassPages;
  readonly #options: PassOptions;
  /** Which pages of the batch count. */
  readonly #counts: Uint8Array;
  readonly #roomBytes: (node: number) => number;
  #roomKnown = false;

  constructor(pages: PassPages, options: PassOptions) {
    this.#pages = pages;
    this.#options = options;
    this.assigner = new Assigner(options.decision);
    this.tally = new MoveTally(this.assigner.places.length);
    this.#counts = new Uint8Array(pages.size.length);
    this.#roomBytes = options.roomBytes ?? kernelRoom();
  }

  /**
   * The next batch: 1; 0 at the end; or a negative errno, after which what was done is counted all the same.
   *
   * @param look only counts where the pages are
   */
  next(look: boolean): number {
    const got = this.#pages.next();
    if (got <= 0) return got;
    this.#choose();
    if (look) {
      this.#count(NOT_REACHED);
      return 1;
    }
    this.#assign();
    const done = this.#options.dryRun ? this.#forecast() : this.#move();
    this.#count(done < 0 ? NOT_REACHED : NO_REASON);
    return done < 0 ? done : 1;
  }

  #choose(): void {
    const { from } = this.#options;
    const { count } = this.#pages;
    for (let i = 0; i < count; i++) {
      this.#counts[i] = from === null || from.has(this.#pages.from[i] as number) ? 1 : 0;
    }
  }

  #assign(): void {
    const pages = this.#pages;
    this.#readRoom();
    for (let i = 0; i < pages.count; i++) {
      if (this.#counts[i] === 1) this.assigner.assign(pages, i);
    }
  }

  /** In a dry run what was given stays given. */
  #readRoom(): void {
    if (this.#options.dryRun && this.#roomKnown) return;
    this.#roomKnown = true;
    for (const place of this.assigner.places) {
      const bytes = this.#roomBytes(place.node);
      const short: Full = {
        by: "capacity",
        errno: "ENOMEM",
        why: `no more than ${formatSize(Math.max(0, bytes))} can be had there: the kernel keeps the rest of what is free`,
      };
      this.assigner.room(place, Math.floor(bytes / PAGE_BYTES), short);
    }
  }

  #forecast(): number {
    this.#pages.forecast(this.#options.shared);
    return 0;
  }

  /** Moves; what finds its node full goes on to the next that has room. */
  #move(): number {
    const pages = this.#pages;
    for (;;) {
      const done = pages.move(this.#options.shared);
      if (done < 0 && !this.#close(pages.refusedNode, -done)) return done;
      if (!this.#reassign(done < 0 ? pages.refusedNode : STAY)) return 0;
    }
  }

  /** A whole call was refused: for the node, then it takes no more; else it is the process, and false. */
  #close(node: number, errno: number): boolean {
    if (errno === ENODEV) {
      this.assigner.close(node, {
        by: "kernel",
        errno: "ENODEV",
        why: "the node has no memory any more: it went offline",
      });
      return true;
    }
    if (errno === EACCES) {
      this.assigner.close(node, {
        by: "cpuset",
        errno: "EACCES",
        why: "the cpuset of the process leaves the node out (since the moving began)",
      });
      return true;
    }
    return false;
  }

  /** Gives those another place that found theirs full or closed: whether there are any. */
  #reassign(closed: number): boolean {
    const pages = this.#pages;
    let again = false;
    for (let i = 0; i < pages.count; i++) {
      const to = pages.to[i] as number;
      if (this.#counts[i] === 0 || to === STAY || pages.now[i] === to) continue;
      if (pages.hindrance[i] === ENOMEM) this.#closeFull(to);
      else if (to !== closed && pages.hindrance[i] !== 0) {
        pages.to[i] = STAY; // it does not move, to wherever
        continue;
      } else if (to !== closed) {
        again = true; // its turn did not come, since another node was refused
        continue;
      }
      pages.hindrance[i] = 0;
      this.assigner.assign(pages, i);
      if (pages.to[i] !== STAY) again = true;
    }
    return again;
  }

  #closeFull(node: number): void {
    this.assigner.close(node, {
      by: "capacity",
      errno: "ENOMEM",
      why: "the kernel found no free page there",
    });
  }

  #count(otherwise: number): void {
    const pages = this.#pages;
    for (let i = 0; i < pages.count; i++) {
      if (this.#counts[i] === 0) continue;
      const at = this.assigner.placeOf(pages.now[i] as number);
      const wanted = this.assigner.wanted(pages, i);
      const reason =
        at === wanted ? NO_REASON : otherwise === NOT_REACHED ? otherwise : this.#reasonAt(wanted);
      this.tally.add(pages, i, wanted, at, reason);
    }
  }

  /** Why a page that nothing else kept away is not at a place. */
  #reasonAt(wanted: number): number {
    const closed = this.assigner.places[wanted]?.closed ?? null;
    return closed === null ? NO_ROOM : CLOSED;
  }
}

/** Room is what is free, and what the kernel gives up for it, above what it keeps. */
function kernelRoom(): (node: number) => number {
  const { nodes } = readLimits();
  return (node) => {
    const memory = freeOfNode(node);
    if (memory === null) return 0;
    return memory.freeBytes + memory.cacheBytes - (nodes.get(node)?.reserveBytes ?? 0);
  };
}

/** Whether an errno of a pass means that the process has ended. */
export function meansEnded(errno: number): boolean {
  return errno === EINVAL || errno === ESRCH;
}
