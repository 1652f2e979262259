import { type ErrnoName, HmsError } from "@hms/topology";
import type { Mode } from "./request.ts";
import type { PageCount } from "./units.ts";

/**
 * Who refused pages: the kernel (with its errno), the device's driver, no room, a memory limit, the set of allowed
 * nodes, the space's share, pages that are pinned, or the topology (no way from an initiator to the target is known).
 */
export type RefusedBy =
  | "kernel"
  | "driver"
  | "capacity"
  | "cgroup"
  | "cpuset"
  | "share"
  | "pinned"
  | "topology";

/** So many pages at a place: a target's id, `host`, `file`, `swap`, … */
export interface PagesAt {
  readonly place: string;
  readonly pages: PageCount;
}

export interface ReportTarget {
  readonly target: string;
  /** Pages that the request wants there. */
  readonly wanted: PageCount;
  /** Pages of the range that are there now. */
  readonly placed: PageCount;
  /** Pages that were brought there by this call. */
  readonly moved: PageCount;
}

export interface ReportRefusal {
  readonly target: string;
  readonly pages: PageCount;
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  /** One sentence without a full stop. */
  readonly why: string;
  /** Where those pages are. */
  readonly now: readonly PagesAt[];
}

/** What came of a placement: the same for a bind, a migration, a command or another process, dry or done. */
export interface PlacementReport {
  readonly mode: Mode;
  /** Pages of the range that there are. */
  readonly pages: PageCount;
  readonly targets: readonly ReportTarget[];
  readonly refused: readonly ReportRefusal[];
  /** Pages that are in none of the targets. */
  readonly elsewhere: readonly PagesAt[];
  /**
   * Every page is in one of the targets; with modes interleave and weighted each target has what it should, too. Of no
   * pages at all: nothing was refused.
   */
  readonly satisfied: boolean;
}

/** Refusals that a report lists: more of them are counted with the last. */
export const REFUSALS_MAX = 1024;

interface Refusing {
  readonly target: string;
  readonly by: RefusedBy;
  readonly errno: ErrnoName | null;
  readonly why: string;
  readonly now: Map<string, PageCount>;
  pages: PageCount;
}

/**
 * Gathers a report. Counts may come in any order and in pieces: what is the same is added up.
 *
 * @example
 * ```ts
 * import { ReportBuilder } from "@hms/policy";
 * const report = new ReportBuilder("preferred", 512)
 *   .wanted("node2", 512)
 *   .placed("node2", 500)
 *   .moved("node2", 500)
 *   .refused({ target: "node2", by: "kernel", errno: "ENOMEM", why: "no free page", now: "node0" }, 12)
 *   .elsewhere("node0", 12)
 *   .done();
 * report.satisfied; // false
 * ```
 */
export class ReportBuilder {
  readonly #mode: Mode;
  readonly #pages: PageCount;
  readonly #targets = new Map<string, { wanted: PageCount; placed: PageCount; moved: PageCount }>();
  readonly #refused = new Map<string, Refusing>();
  readonly #elsewhere = new Map<string, PageCount>();

  /** @param pages pages of the range that there are */
  constructor(mode: Mode, pages: PageCount) {
    this.#mode = mode;
    this.#pages = count(pages);
  }

  /** Names a target, so that it is listed in this place. */
  target(target: string): this {
    this.#of(target);
    return this;
  }

  wanted(target: string, pages: PageCount): this {
    this.#of(target).wanted += count(pages);
    return this;
  }

  /** Pages of the range that are in the target now, brought there by this call or before. */
  placed(target: string, pages: PageCount): this {
    this.#of(target).placed += count(pages);
    return this;
  }

  /** Pages that this call brought to the target. They are among those that `placed` counts. */
  moved(target: string, pages: PageCount): this {
    this.#of(target).moved += count(pages);
    return this;
  }

  /** Pages that did not get to a target, who refused them and where they are instead. */
  refused(
    refusal: {
      readonly target: string;
      readonly by: RefusedBy;
      readonly errno?: ErrnoName | null;
      readonly why: string;
      readonly now?: string;
    },
    pages: PageCount,
  ): this {
    const { target, by, errno = null, why, now } = refusal;
    let key = JSON.stringify([target, by, errno, why]);
    if (!this.#refused.has(key) && this.#refused.size >= REFUSALS_MAX)
      key = [...this.#refused.keys()].at(-1) ?? key;
    let known = this.#refused.get(key);
    if (known === undefined) {
      known = { target, by, errno, why, now: new Map(), pages: 0 };
      this.#refused.set(key, known);
    }
    known.pages += count(pages);
    if (now !== undefined && pages > 0) add(known.now, now, pages);
    return this;
  }

  /** Pages that are in none of the targets. */
  elsewhere(place: string, pages: PageCount): this {
    if (count(pages) > 0) add(this.#elsewhere, place, pages);
    return this;
  }

  /** The report. The builder may go on to gather, and be asked again. */
  done(): PlacementReport {
    const targets = [...this.#targets].map(([target, counts]) => ({ target, ...counts }));
    const refused = [...this.#refused.values()].map(({ now, ...rest }) => ({ ...rest, now: listed(now) }));
    const placed = targets.reduce((sum, one) => sum + one.placed, 0);
    const inTurn = this.#mode === "interleave" || this.#mode === "weighted";
    return {
      mode: this.#mode,
      pages: this.#pages,
      targets,
      refused,
      elsewhere: listed(this.#elsewhere),
      satisfied:
        placed >= this.#pages &&
        (this.#pages > 0 || refused.length === 0) &&
        this.#elsewhere.size === 0 &&
        (!inTurn || targets.every((one) => one.placed >= one.wanted)),
    };
  }

  #of(target: string): { wanted: PageCount; placed: PageCount; moved: PageCount } {
    let counts = this.#targets.get(target);
    if (counts === undefined) {
      counts = { wanted: 0, placed: 0, moved: 0 };
      this.#targets.set(target, counts);
    }
    return counts;
  }
}

function count(pages: PageCount): PageCount {
  if (!Number.isSafeInteger(pages) || pages < 0) {
    throw new RangeError(`Gather a report: pages must be a whole number from 0, but are ${pages}`);
  }
  return pages;
}

function add(counts: Map<string, PageCount>, place: string, pages: PageCount): void {
  counts.set(place, (counts.get(place) ?? 0) + pages);
}

function listed(counts: ReadonlyMap<string, PageCount>): PagesAt[] {
  return [...counts].map(([place, pages]) => ({ place, pages }));
}

/** A placement that failed because it was strict (or nothing at all could be used): it carries the report. */
export class PlacementError extends HmsError {
  readonly report: PlacementReport;

  constructor(code: string, errno: ErrnoName | null, message: string, report: PlacementReport) {
    super(code, errno, message);
    this.report = report;
  }
}
