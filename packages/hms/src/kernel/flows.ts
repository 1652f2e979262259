import type { PageCount } from "@hms/hmm";
import type { Cause } from "./journal.ts";

/** Ways and reasons that are told apart for a region; what comes after is counted with the last. */
const FLOWS_MAX = 64;
/** The same for all regions together. */
export const TOTALS_MAX = 1024;

/** Pages that went the same way for the same reason. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly cause: Cause;
  readonly duplicate: boolean;
  pages: PageCount;
  moves: number;
}

/** Where the pages of a region, or of all, came from and went to, and why. */
export class Flows {
  readonly list: Flow[] = [];
  readonly #most: number;

  constructor(most: number = FLOWS_MAX) {
    this.#most = most;
  }

  /** There are few: looking through them is cheaper than making a key. */
  add(from: string, to: string, cause: Cause, duplicate: boolean, pages: PageCount, moves: number): void {
    const { list } = this;
    for (let i = 0; i < list.length; i++) {
      const flow = list[i];
      if (flow === undefined) break;
      const same =
        flow.cause === cause && flow.from === from && flow.to === to && flow.duplicate === duplicate;
      if (!same && i < this.#most - 1) continue;
      flow.pages += pages;
      flow.moves += moves;
      return;
    }
    list.push({ from, to, cause, duplicate, pages, moves });
  }

  /** Adds those of a region to these. */
  addAll({ list }: Flows): void {
    for (const { from, to, cause, duplicate, pages, moves } of list)
      this.add(from, to, cause, duplicate, pages, moves);
  }
}
