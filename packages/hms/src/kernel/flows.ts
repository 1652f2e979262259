import type { PageCount } from "@hms/hmm";
import type { Cause } from "./journal.ts";

/** Ways and reasons that are told apart for a region; what comes after is counted with the last. */
export const FLOWS_MAX = 64;

/** Pages that went the same way for the same reason. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly cause: Cause;
  readonly duplicate: boolean;
  pages: PageCount;
  moves: number;
}

/** Where the pages of a region came from and went to, and why. */
export class Flows {
  readonly list: Flow[] = [];

  /** There are few: looking through them is cheaper than making a key. */
  add(from: string, to: string, cause: Cause, duplicate: boolean, pages: PageCount, moves: number): void {
    const { list } = this;
    for (let i = 0; i < list.length; i++) {
      const flow = list[i];
      if (flow === undefined) break;
      const same =
        flow.cause === cause && flow.from === from && flow.to === to && flow.duplicate === duplicate;
      if (!same && i < FLOWS_MAX - 1) continue;
      flow.pages += pages;
      flow.moves += moves;
      return;
    }
    list.push({ from, to, cause, duplicate, pages, moves });
  }
}
