import type { ErrnoName, Target } from "@hms/topology";
import type { RefusedBy } from "./report.ts";
import type { Mode, Prefer } from "./request.ts";
import type { ByteCount } from "./units.ts";

/** A target that pages are to go to. */
export interface DecidedTarget {
  readonly target: Target;
  /** Pages of a turn: 1 with mode interleave; with preferred and strict it says nothing and is 1. */
  readonly weight: number;
  /** Bytes/s that the initiators get from it, the worst of them; the target's own where none are named; null: unknown. */
  readonly bandwidth: number | null;
  /** Bytes that may be had there: free, or in all where that is not known; null when neither is. */
  readonly room: ByteCount | null;
  /** Why it is here, and at this place, as a person would say it. */
  readonly why: string;
}

/** A target that was asked for, or could have been, and cannot be used. */
export interface DecidedRefusal {
  readonly target: Target;
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  /** One sentence without a full stop. */
  readonly why: string;
}

/** What a request comes to on a machine, now. */
export interface Decision {
  readonly mode: Mode;
  readonly prefer: Prefer;
  readonly migrate: boolean;
  /** Room that was asked for, bytes; null: any. */
  readonly size: ByteCount | null;
  /** At least one, except with mode preferred when all that were listed are refused. The order counts. */
  readonly targets: readonly DecidedTarget[];
  /** Where pages go for which there is no room in `targets`, best first. Empty with mode strict. */
  readonly overflow: readonly DecidedTarget[];
  readonly refused: readonly DecidedRefusal[];
}
