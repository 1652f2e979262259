// Which page of a process goes to which node.
import { type ProcessPages, STAY } from "@hms/host-linux/numa";
import type { Decision } from "@hms/policy";

/** No more pages fit into a node, and why. */
export interface Full {
  readonly by: "capacity" | "kernel" | "cpuset";
  readonly errno: "ENOMEM" | "ENODEV" | "EACCES";
  readonly why: string;
}

/** What of a batch is looked at and written. */
export type AssignablePages = Pick<ProcessPages, "addressOf" | "size" | "now" | "to">;

/** A target, as the assigner sees it. */
export interface Place {
  readonly node: number;
  /** Pages of a turn, with modes interleave and weighted. */
  readonly weight: number;
  /** Base pages that there is room for, and why there is not more. */
  room: number;
  short: Full | null;
  /** The kernel takes no more pages there, whatever room there seems to be. */
  closed: Full | null;
}

/**
 * Gives the pages of each batch their nodes. With modes preferred and strict a page goes to the first target with room,
 * and one on an earlier target stays; with interleave and weighted its number says whose turn it is.
 */
export class Assigner {
  readonly places: readonly Place[];
  /** Whether targets take turns, page by page. */
  readonly inTurn: boolean;
  readonly #turn: number;
  /** The place of each number in a turn. */
  readonly #turns: Uint16Array;

  constructor(decision: Decision) {
    this.inTurn = decision.mode === "interleave" || decision.mode === "weighted";
    this.places = decision.targets.flatMap(({ target, weight }) =>
      target.numaNode === null ? [] : [{ node: target.numaNode, weight, room: 0, short: null, closed: null }],
    );
    this.#turn = this.places.reduce((sum, { weight }) => sum + weight, 0);
    this.#turns = new Uint16Array(this.#turn);
    let at = 0;
    this.places.forEach(({ weight }, place) => {
      this.#turns.fill(place, at, at + weight);
      at += weight;
    });
  }

  /** Says how much room a place has, in base pages, and why not more. */
  room(place: Place, pages: number, short: Full): void {
    place.room = Math.max(0, pages);
    place.short = short;
  }

  /** A node turned out to take no more. */
  close(node: number, why: Full): void {
    const place = this.places[this.placeOf(node)];
    if (place !== undefined) place.closed ??= why;
  }

  /** The place of a node among the targets; −1 when it is none. */
  placeOf(node: number): number {
    for (let i = 0; i < this.places.length; i++) if ((this.places[i] as Place).node === node) return i;
    return -1;
  }

  /** The place that a page is wanted at, whatever room there is. */
  wanted(pages: AssignablePages, i: number): number {
    if (!this.inTurn) return 0;
    const number = Math.floor(pages.addressOf(i) / (4096 * (pages.size[i] as number)));
    return this.#turns[number % this.#turn] as number;
  }

  /** Sets `to` of a page; what was there before is not looked at. */
  assign(pages: AssignablePages, i: number): void {
    const size = pages.size[i] as number;
    const now = pages.now[i] as number;
    pages.to[i] = STAY;
    if (this.inTurn) {
      const place = this.places[this.wanted(pages, i)];
      if (place === undefined || place.node === now || !this.#take(place, size)) return;
      pages.to[i] = place.node;
      return;
    }
    for (const place of this.places) {
      if (place.node === now) return;
      if (!this.#take(place, size)) continue;
      pages.to[i] = place.node;
      return;
    }
  }

  #take(place: Place, size: number): boolean {
    if (place.closed !== null || place.room < size) return false;
    place.room -= size;
    return true;
  }
}
