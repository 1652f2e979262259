import { HmsError } from "@hms/topology";
import type { PageCount } from "./units.ts";

/** Spaces that share one target. */
export const SHARERS_MAX = 4096;

/** What a space has of a target. */
export interface Share {
  /** Pages that it can have whenever it wants them: others leave them free. Default: 0. */
  readonly least?: PageCount;
  /** Pages that it never has more than. Default: all there are. */
  readonly most?: PageCount;
}

interface Sharer {
  least: PageCount;
  most: PageCount;
  used: PageCount;
}

/**
 * How several spaces share the pages of one target: each is sure of its least, none has more than its most, and what
 * nobody is sure of goes to whoever comes first. It counts; where the pages are others know.
 *
 * @typeParam S what stands for a space
 *
 * @example
 * ```ts
 * import { Shares } from "@hms/policy";
 * const shares = new Shares<string>(1000);
 * shares.set("solver", { least: 600 });
 * shares.set("logger", { most: 100 });
 * shares.take("logger", 500); // 100: its most
 * shares.take("viewer", 500); // 300: the solver is sure of 600
 * ```
 */
export class Shares<S> {
  readonly capacity: PageCount;
  readonly #sharers = new Map<S, Sharer>();
  /** Pages that all have together. */
  #used = 0;
  /** Pages that someone is sure of and does not have yet; those that someone is sure of. */
  #kept = 0;
  #sure = 0;

  /** @param capacity pages of the target */
  constructor(capacity: PageCount) {
    if (!Number.isSafeInteger(capacity) || capacity < 0) {
      throw new RangeError(`Share a target: its pages must be a whole number from 0, but are ${capacity}`);
    }
    this.capacity = capacity;
  }

  /** Pages that nobody has. */
  get free(): PageCount {
    return this.capacity - this.#used;
  }

  /**
   * Gives a space another share. What it has already it keeps, more than its most included, until it gives it back.
   *
   * @throws HmsError SHARE_INVALID (EINVAL); SHARES_FULL (ENOSPC): together they would be sure of more than there is, or
   * there would be more than `SHARERS_MAX` spaces. Nothing is changed then.
   */
  set(space: S, { least = 0, most = this.capacity }: Share): void {
    if (!Number.isSafeInteger(least) || !Number.isSafeInteger(most) || least < 0 || most < least) {
      throw new HmsError(
        "SHARE_INVALID",
        "EINVAL",
        `Set a share: whole numbers of pages with 0 ≤ least ≤ most are required, but least is ${least} and most is ${most}`,
      );
    }
    const known = this.#sharers.get(space);
    const sure = this.#sure - (known?.least ?? 0) + least;
    if (sure > this.capacity) {
      throw new HmsError(
        "SHARES_FULL",
        "ENOSPC",
        `Set a share: the target has ${this.capacity} pages, but the spaces would be sure of ${sure} together; lower a least`,
      );
    }
    const sharer = known ?? this.#join(space);
    this.#kept -= unfilled(sharer);
    this.#sure = sure;
    sharer.least = least;
    sharer.most = most;
    this.#kept += unfilled(sharer);
  }

  /** Pages that a space has. */
  used(space: S): PageCount {
    return this.#sharers.get(space)?.used ?? 0;
  }

  /** Pages that a space can take now. */
  room(space: S): PageCount {
    const own = this.#sharers.get(space);
    const sure = own === undefined ? 0 : unfilled(own);
    const free = this.capacity - this.#used - (this.#kept - sure);
    return Math.max(0, own === undefined ? free : Math.min(free, own.most - own.used));
  }

  /** Pages that a space can have in all, when others make room: its most, and nothing that others are sure of. */
  most(space: S): PageCount {
    const own = this.#sharers.get(space);
    return Math.min(own?.most ?? this.capacity, this.capacity - (this.#sure - (own?.least ?? 0)));
  }

  /** Whether pages of a space may be taken for others: it has more than it is sure of. */
  yields(space: S): boolean {
    const own = this.#sharers.get(space);
    return own !== undefined && own.used > own.least;
  }

  /** A space has so many pages, however it came by them: also more than its most, or than others leave it. */
  count(space: S, pages: PageCount): void {
    const known = this.#sharers.get(space);
    if ((known?.used ?? 0) === pages) return;
    const own = known ?? this.#join(space);
    this.#kept -= unfilled(own);
    this.#used += pages - own.used;
    own.used = pages;
    this.#kept += unfilled(own);
  }

  /** Takes pages for a space, as many of them as it can have. Returns how many. */
  take(space: S, pages: PageCount): PageCount {
    const taken = Math.min(pages, this.room(space));
    if (taken <= 0) return 0;
    const own = this.#sharers.get(space) ?? this.#join(space);
    this.#kept -= unfilled(own);
    own.used += taken;
    this.#used += taken;
    this.#kept += unfilled(own);
    return taken;
  }

  /** Gives pages of a space back. */
  give(space: S, pages: PageCount): void {
    const own = this.#sharers.get(space);
    if (own === undefined || pages > own.used) {
      throw new Error(`A space gave back ${pages} pages, but has ${own?.used ?? 0}.`);
    }
    this.#kept -= unfilled(own);
    own.used -= pages;
    this.#used -= pages;
    this.#kept += unfilled(own);
  }

  /** A space is gone, with all that it had. */
  drop(space: S): void {
    const own = this.#sharers.get(space);
    if (own === undefined) return;
    this.#kept -= unfilled(own);
    this.#sure -= own.least;
    this.#used -= own.used;
    this.#sharers.delete(space);
  }

  /**
   * Who has the most beyond what it is sure of: from whom to take pages first when someone else needs some that it is
   * sure of. Null: nobody has.
   */
  get mostOver(): S | null {
    let found: S | null = null;
    let most = 0;
    for (const [space, { used, least }] of this.#sharers) {
      if (used - least <= most) continue;
      most = used - least;
      found = space;
    }
    return found;
  }

  #join(space: S): Sharer {
    if (this.#sharers.size >= SHARERS_MAX) {
      throw new HmsError(
        "SHARES_FULL",
        "ENOSPC",
        `Share a target: it can be shared by ${SHARERS_MAX} spaces, and is; drop one first`,
      );
    }
    const made = { least: 0, most: this.capacity, used: 0 };
    this.#sharers.set(space, made);
    return made;
  }
}

function unfilled({ least, used }: Sharer): PageCount {
  return Math.max(0, least - used);
}
