// What became of the pages of a process, gathered page by page without making anything, and told at the end.
import { constants } from "node:os";
import { GONE, HELD, MOVED, type ProcessPages } from "@hms/host-linux/numa";
import { type Decision, type PlacementReport, type RefusedBy, ReportBuilder } from "@hms/policy";
import type { ErrnoName, Machine } from "@hms/topology";
import type { Assigner, Place } from "./assign.ts";

/** Why a page is in none of the places that it was to go to. */
export const NO_REASON = 0;
/** There was no room that was known of. */
export const NO_ROOM = 1;
/** The kernel refused a whole call for the place. */
export const CLOSED = 2;
/** The work was interrupted before its turn came. */
export const NOT_REACHED = 3;
/** `HELD` and errnos come after these. */
const HINDRANCES = 8;
const REASONS = 256;
const NODES = 1024;

const { EACCES, EBUSY, EFAULT, ENOENT, ENOMEM } = constants.errno;

interface Reason {
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  readonly why: string;
}

/** By number, for what the kernel says of single pages. */
const OF_PAGES: ReadonlyMap<number, Reason> = new Map<number, Reason>([
  [
    HELD,
    {
      by: "pinned",
      errno: "EBUSY",
      why: "something holds them in place: a device or I/O that has pinned them, or a file system that cannot move its pages",
    },
  ],
  [
    EBUSY,
    {
      by: "kernel",
      errno: "EBUSY",
      why: "the kernel was busy with them (on their way elsewhere, or being written out); moving again may do",
    },
  ],
  [
    EACCES,
    { by: "kernel", errno: "EACCES", why: "other processes map them too; --shared moves such pages as well" },
  ],
  [ENOMEM, { by: "capacity", errno: "ENOMEM", why: "the kernel found no free page there" }],
  [EFAULT, { by: "kernel", errno: "EFAULT", why: "they are in a mapping whose pages do not move" }],
  [
    ENOENT,
    {
      by: "kernel",
      errno: "ENOENT",
      why: "the memory is a device's, which the kernel does not move by this way",
    },
  ],
]);
const UNKNOWN: Reason = { by: "kernel", errno: null, why: "the kernel did not move them and gave no reason" };

/** What of a batch is counted. */
export type CountablePages = Pick<ProcessPages, "from" | "now" | "size" | "hindrance">;

export class MoveTally {
  pages = 0;
  moved = 0;
  notReached = 0;
  readonly #wanted: Float64Array;
  readonly #placed: Float64Array;
  readonly #moved: Float64Array;
  readonly #elsewhere = new Float64Array(NODES);
  /** Where all of them were before. */
  readonly #before = new Float64Array(NODES);
  /** Pages by place, reason and the node that they are on. */
  readonly #refused = new Map<number, number>();

  constructor(places: number) {
    this.#wanted = new Float64Array(places);
    this.#placed = new Float64Array(places);
    this.#moved = new Float64Array(places);
  }

  /** Counts one page of a batch, and its `reason` when it is not where it was wanted. */
  add(pages: CountablePages, i: number, wanted: number, at: number, reason: number): void {
    const now = pages.now[i] as number;
    const size = pages.size[i] as number;
    if (now === GONE) return;
    this.pages += size;
    const from = pages.from[i] as number;
    this.#before[from] = (this.#before[from] as number) + size;
    this.#wanted[wanted] = (this.#wanted[wanted] ?? 0) + size;
    if (at >= 0) {
      this.#placed[at] = (this.#placed[at] ?? 0) + size;
      if (now !== from) {
        this.#moved[at] = (this.#moved[at] ?? 0) + size;
        this.moved += size;
      }
    } else this.#elsewhere[now] = (this.#elsewhere[now] as number) + size;
    const hindrance = pages.hindrance[i] as number;
    const why = hindrance === MOVED ? reason : HINDRANCES + (hindrance === HELD ? 0 : hindrance);
    if (why === NO_REASON) return;
    if (why === NOT_REACHED) this.notReached += size;
    const key = (wanted * REASONS + why) * NODES + now;
    this.#refused.set(key, (this.#refused.get(key) ?? 0) + size);
  }

  /**
   * The report of what was gathered.
   *
   * @param nothingMoved tells of the pages where they were before: what was gathered is a forecast that is not made true
   */
  report(
    { targets }: Machine,
    decision: Decision,
    { places }: Assigner,
    nothingMoved: boolean,
  ): PlacementReport {
    const builder = new ReportBuilder(decision.mode, this.pages);
    const names = new Map(
      targets.flatMap((one) => (one.numaNode === null ? [] : [[one.numaNode, one.id] as const])),
    );
    const nameOf = (node: number): string => names.get(node) ?? `node${node}`;
    places.forEach(({ node }, i) => {
      const placed = nothingMoved ? this.#before[node] : this.#placed[i];
      builder
        .wanted(nameOf(node), this.#wanted[i] ?? 0)
        .placed(nameOf(node), placed ?? 0)
        .moved(nameOf(node), nothingMoved ? 0 : (this.#moved[i] ?? 0));
    });
    for (const { target, by, errno, why } of decision.refused)
      builder.refused({ target: target.id, by, errno, why }, 0);
    for (const [key, count] of this.#refused) {
      const place = places[Math.floor(key / NODES / REASONS)];
      const reason = place === undefined ? null : reasonOf(Math.floor(key / NODES) % REASONS, place);
      if (place === undefined || reason === null) continue;
      builder.refused({ target: nameOf(place.node), ...reason, now: nameOf(key % NODES) }, count);
    }
    const outside = nothingMoved ? this.#before : this.#elsewhere;
    for (let node = 0; node < NODES; node++) {
      const count = outside[node] as number;
      if (count > 0 && !places.some((one) => one.node === node)) builder.elsewhere(nameOf(node), count);
    }
    return builder.done();
  }
}

function reasonOf(why: number, { closed, short }: Place): Reason | null {
  switch (why) {
    case NOT_REACHED:
      return null;
    case CLOSED:
      return closed;
    case NO_ROOM:
      return short ?? closed;
    default:
      return OF_PAGES.get(why === HINDRANCES ? HELD : why - HINDRANCES) ?? UNKNOWN;
  }
}
