import { HmsError } from "@hms/topology";
import { CAUSE_NAMES } from "./cause.ts";
import type { Chunk } from "./chunk.ts";
import type { Core } from "./core.ts";
import {
  COHERENT,
  DUPLICATED,
  EMPTY,
  EXCLUSIVE,
  HOST,
  KIND,
  LOST,
  MOVING,
  PRIVATE,
  WRITE,
  ZERO,
} from "./entry.ts";
import { NOWHERE } from "./places.ts";
import type { Override } from "./records.ts";
import type { Space } from "./space.ts";
import { HUGE_PAGES, isRange, type Nanoseconds, type PageCount, type PageIndex } from "./units.ts";

/** Where pages that follow each other are, and why. */
export interface Explanation {
  readonly first: PageIndex;
  readonly count: PageCount;
  /** Name of the place: `host`, `file`, `swap`, `lost`, a device memory's name, or `nowhere`. */
  readonly where: string;
  /** What is special about them: `mapped` (nothing), `zero`, `moving`, `exclusive`, `duplicated`, `empty`, `lost`, `unmapped`. */
  readonly state: string;
  readonly writable: boolean;
  /** Pages of one huge mapping. */
  readonly huge: boolean;
  /** Why the last move was made, in words: `cpu-fault`, `migrate`, `eviction`, … ; `none` when there was none. */
  readonly cause: string;
  /** Name of the place before the last move; null when there was none. */
  readonly from: string | null;
  /** When the last move was, to 64 ns: of the page that moved first; null when there was none. */
  readonly since: Nanoseconds | null;
  /** The same of the page that moved last. */
  readonly latest: Nanoseconds | null;
  /** Names of the device memories with read-only duplicates. */
  readonly duplicates: readonly string[];
  /** Why the driver holds them where they are; null when it does not. */
  readonly held: string | null;
  /** The newest record (of those kept) of a placement that was not allowed as asked; null when there is none. */
  readonly override: Override | null;
}

type Page = Omit<Explanation, "first" | "count">;

const NOTHING: Page = {
  where: "nowhere",
  state: "empty",
  writable: false,
  huge: false,
  cause: "none",
  from: null,
  since: null,
  latest: null,
  duplicates: [],
  held: null,
  override: null,
};

/** Where each page of a range is, since when and why, in runs of pages alike. Throws EINVAL for a range that is none. */
export function explain(core: Core, space: Space, first: PageIndex, count: PageCount): Explanation[] {
  if (!isRange(first, count)) {
    throw new HmsError(
      "BAD_RANGE",
      "EINVAL",
      `Explaining failed: the range must have at least one page and end by 2^36, not ${count} pages from ${first} on.`,
    );
  }
  const overrides = core.records.overrides.list().filter((override) => override.space === space.id);
  const runs: Explanation[] = [];
  const end = first + count;
  for (let page = first; page < end; ) {
    const region = space.regions.at(page);
    const stop = Math.min(end, region?.end ?? space.regions.after(page)?.first ?? end);
    if (region === null) append(runs, page, stop - page, { ...NOTHING, state: "unmapped" });
    else explainRegion(core, space, page, stop, overrides, runs);
    page = stop;
  }
  return runs;
}

function explainRegion(
  core: Core,
  space: Space,
  first: PageIndex,
  end: PageIndex,
  overrides: readonly Override[],
  runs: Explanation[],
): void {
  for (let page = first; page < end; ) {
    const chunk = space.table.next(page, end);
    const from = chunk === null ? end : Math.max(page, chunk.first);
    if (overrides.length === 0) {
      if (from > page) append(runs, page, from - page, NOTHING);
    } else {
      for (let empty = page; empty < from; empty++)
        append(runs, empty, 1, overridden(NOTHING, overrides, empty));
    }
    if (chunk === null) return;
    const stop = Math.min(end, chunk.first + HUGE_PAGES);
    for (page = from; page < stop; page++) {
      append(runs, page, 1, overridden(explainPage(core, space, chunk, page - chunk.first), overrides, page));
    }
  }
}

function overridden(page: Page, overrides: readonly Override[], index: PageIndex): Page {
  for (let i = overrides.length - 1; i >= 0; i--) {
    const override = overrides[i];
    if (override !== undefined && index >= override.first && index < override.first + override.count) {
      return { ...page, override };
    }
  }
  return page;
}

function explainPage(core: Core, space: Space, chunk: Chunk, index: number): Page {
  const flags = chunk.flags[index] ?? EMPTY;
  if ((flags & KIND) === EMPTY) return NOTHING;
  const frame = chunk.frames[index] ?? 0;
  const why = chunk.why[index] ?? 0;
  const cause = why & 0xff;
  const memory = (flags & KIND) === LOST ? null : core.memories.deviceOf(frame);
  const duplicates = (space.duplicates.get(chunk.first + index) ?? []).map(
    (duplicate) => core.memories.deviceOf(duplicate)?.name ?? "unknown",
  );
  const since = cause === 0 ? null : chunk.when(index, core.host.now());
  return {
    where: core.places.name(space.table.placeOf(flags, frame)),
    state: stateOf(flags),
    writable: (flags & WRITE) !== 0,
    huge: chunk.order !== 0,
    cause: CAUSE_NAMES[cause] ?? "unknown",
    from: cause === 0 ? null : core.places.name(why >> 8 || NOWHERE),
    since,
    latest: since,
    duplicates,
    held: memory === null ? null : memory.heldFor(frame - memory.base),
    override: null,
  };
}

function stateOf(flags: number): string {
  switch (flags & KIND) {
    case HOST:
    case COHERENT:
    case PRIVATE:
      if ((flags & ZERO) !== 0) return "zero";
      return (flags & DUPLICATED) !== 0 ? "duplicated" : "mapped";
    case MOVING:
      return "moving";
    case EXCLUSIVE:
      return "exclusive";
    case LOST:
      return "lost";
    default:
      return "mapped";
  }
}

function append(runs: Explanation[], first: PageIndex, count: PageCount, page: Page): void {
  const last = runs[runs.length - 1];
  if (last !== undefined && last.first + last.count === first && alike(last, page)) {
    const since = last.since === null || page.since === null ? null : Math.min(last.since, page.since);
    const latest = last.latest === null || page.latest === null ? null : Math.max(last.latest, page.latest);
    runs[runs.length - 1] = { ...last, count: last.count + count, since, latest };
  } else {
    runs.push({ first, count, ...page });
  }
}

function alike(a: Page, b: Page): boolean {
  return (
    a.where === b.where &&
    a.state === b.state &&
    a.writable === b.writable &&
    a.huge === b.huge &&
    a.cause === b.cause &&
    a.from === b.from &&
    a.held === b.held &&
    a.override === b.override &&
    a.duplicates.join() === b.duplicates.join()
  );
}
