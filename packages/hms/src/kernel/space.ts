import { CAUSE, HUGE_PAGES, KIND, OK, type PageCount, type PageIndex, SWAP } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers, Later, Output, TypeValue } from "@hms/uabi";
import { explain } from "./explain.ts";
import type { Kernel } from "./kernel.ts";
import { reasonName } from "./names.ts";
import type { Machine, RegionEntry, SpaceEntry } from "./objects.ts";
import { readCommand, readCommands } from "./placement/commands.ts";
import { placements } from "./placement/listing.ts";
import { placing } from "./placement/placing.ts";
import { Policies } from "./placement/policies.ts";
import { applyAdvice } from "./placing.ts";

type SpaceHandlers = NonNullable<Handlers<CoreRegistry>["space"]>;
type KeptValue = TypeValue<CoreRegistry, "kept">;

const RUNS_DEFAULT = 256;
/** Pages that move between two looks at faults. */
const MOVE_STEP: PageCount = 8 * HUGE_PAGES;
const KEPT_MAX = 4096;
const MIGRATE_DUPLICATE = 1;
/** Bits of `place-flags`. */
const DRY_RUN = 1;
const ONCE = 2;
const PLACEMENTS_DEFAULT = 256;

export function spaceHandlers(kernel: Kernel): SpaceHandlers {
  const get = (handle: Handle<"space">): SpaceEntry => kernel.handles.get("space", handle);
  return {
    create({ shares }) {
      const linux = kernel.open.createSpace({});
      const base = {
        linux,
        regions: new Set<RegionEntry>(),
        queues: new Set<never>(),
        policies: new Policies(),
      };
      const handle = kernel.handles.add("space", { ...base, handle: 0 as Handle<"space"> });
      const entry: SpaceEntry = Object.assign(get(handle), { handle });
      try {
        kernel.placements.shares.give(entry, shares ?? []);
      } catch (error) {
        linux.close();
        kernel.handles.delete("space", handle);
        throw error;
      }
      kernel.spaces.add(entry);
      kernel.watch.addSpace(linux.space, handle);
      kernel.placements.addSpace(entry);
      return { space: handle, pasid: linux.space.id + 1 };
    },

    destroy({ space: handle }) {
      const entry = get(handle);
      if (entry.queues.size > 0) {
        throw new HmsError(
          "SPACE_BUSY",
          "EBUSY",
          `Destroying a space failed: ${entry.queues.size} queues are bound to it. Close them first.`,
        );
      }
      for (const region of [...entry.regions]) kernel.destroyRegion(region);
      entry.linux.close();
      kernel.placements.removeSpace(entry);
      kernel.spaces.delete(entry);
      kernel.handles.delete("space", handle);
    },

    explain({ space: handle, range, limit, nodes }) {
      const entry = get(handle);
      kernel.expectRange("Explaining", entry.linux.space, range.first, range.count);
      return explain(kernel, entry, range, { limit: limit ?? RUNS_DEFAULT, nodes: nodes === true });
    },

    migrate({ space: handle, range, target, flags }, call) {
      const entry = get(handle);
      const machine = kernel.memory(target);
      kernel.expectRange("Migrating", entry.linux.space, range.first, range.count);
      const later = call.later();
      const duplicate = ((flags ?? 0) & MIGRATE_DUPLICATE) !== 0;
      if (duplicate && machine === null) {
        throw new HmsError(
          "BAD_TARGET",
          "EINVAL",
          "Duplicating failed: duplicates are in devices' memories, not in host.",
        );
      }
      kernel.tasks.add(migrating(kernel, entry, range.first, range.count, machine, duplicate, later));
      return later;
    },

    prefetch({ space: handle, range, target }, call) {
      const entry = get(handle);
      const machine = kernel.memory(target);
      kernel.expectRange("Prefetching", entry.linux.space, range.first, range.count);
      const later = call.later();
      const { first, count } = range;
      kernel.tasks.add(
        machine === null
          ? prefetchHome(kernel, entry, first, count, later)
          : prefetchTo(kernel, entry, first, count, machine, later),
      );
      return later;
    },

    advise({ space: handle, range, advice }) {
      const entry = get(handle);
      kernel.expectRange("Advising", entry.linux.space, range.first, range.count);
      for (const region of regionsIn(entry, range.first, range.count)) {
        if (advice === "cold") kernel.open.cool(entry.linux.space, range.first, range.count);
        else {
          expectWhole("Advising", region, range.first, range.count);
          region.advice = advice;
          applyAdvice(kernel, region);
        }
      }
    },

    bind({ space: handle, range, target }) {
      const entry = get(handle);
      const command = target === undefined ? { range, drop: true } : { range, targets: [target] };
      const { policy } = readCommand(kernel, entry, command);
      kernel.placements.apply(entry, range.first, range.count, policy);
    },

    place({ space: handle, commands, flags }, call) {
      const entry = get(handle);
      const read = readCommands(kernel, entry, commands);
      const later = call.later();
      const has = (flag: number): boolean => ((flags ?? 0) & flag) !== 0;
      kernel.tasks.add(placing(kernel, read, { dryRun: has(DRY_RUN), once: has(ONCE) }, later));
      return later;
    },

    placement({ space: handle, range, limit }, call) {
      const entry = get(handle);
      if (range !== undefined) kernel.expectRange("Looking at", entry.linux.space, range.first, range.count);
      const later = call.later();
      kernel.tasks.add(placements(kernel, entry, range ?? null, limit ?? PLACEMENTS_DEFAULT, later));
      return later;
    },

    shares({ space: handle }) {
      return { shares: kernel.placements.shares.of(get(handle)) };
    },

    statistics({ space: handle }) {
      const { linux, regions } = get(handle);
      const { host, file, devices, swapped } = linux.space.accounts();
      return {
        statistics: {
          regions: regions.size,
          mapped: [...regions].reduce((sum, { pages }) => sum + pages, 0),
          resident: host + file,
          device: [...devices.values()].reduce((sum, pages) => sum + pages, 0),
          swapped,
        },
      };
    },
  };
}

function regionsIn({ regions }: SpaceEntry, first: PageIndex, count: PageCount): RegionEntry[] {
  return [...regions].filter((region) => region.first < first + count && first < region.first + region.pages);
}

/** Throws EOPNOTSUPP for a part of a region. */
function expectWhole(action: string, region: RegionEntry, first: PageIndex, count: PageCount): void {
  if (first <= region.first && first + count >= region.first + region.pages) return;
  throw new HmsError(
    "PART_OF_A_REGION",
    "EOPNOTSUPP",
    `${action} failed: it is possible for whole regions only, and ${count} pages from page ${first} on are a part of ${region.name}.`,
  );
}

/** Works in steps between which faults are served; what goes wrong answers the request. */
function* migrating(
  kernel: Kernel,
  entry: SpaceEntry,
  first: PageIndex,
  count: PageCount,
  machine: Machine | null,
  duplicate: boolean,
  later: Later<Output<CoreRegistry, "space", "migrate">>,
): Generator<boolean, void> {
  let moved = 0;
  let left = 0;
  const kept: KeptValue[] = [];
  try {
    const { space } = entry.linux;
    const to = machine?.accel.deviceMemory ?? null;
    const share = to === null ? Number.POSITIVE_INFINITY : kernel.placements.shares.most(entry, to);
    // What does not fit would only drive out what has just come.
    const most = Math.min(to?.pages ?? Number.POSITIVE_INFINITY, share);
    let there = 0;
    for (let page = first; page < first + count; ) {
      const room = most - there;
      if (room === 0) {
        left += first + count - page;
        const reason = share < (to?.pages ?? 0) ? "limit" : "no-memory";
        keep(kept, { first: page, count: first + count - page, reason });
        break;
      }
      const step = Math.min(MOVE_STEP - (page % HUGE_PAGES), first + count - page, room);
      const report = kernel.open.core.migrate({ space, first: page, count: step, to, duplicate });
      moved += report.moved;
      there += step;
      for (const run of report.kept) {
        left += run.count;
        there -= run.count;
        keep(kept, { first: run.first, count: run.count, reason: reasonName(run.reason) });
      }
      page += step;
      yield true;
    }
    later.answer({ moved, left, kept });
  } catch (error) {
    later.fail(error);
  }
}

function keep(kept: KeptValue[], run: KeptValue): void {
  const last = kept.at(-1);
  if (last !== undefined && last.reason === run.reason && last.first + last.count === run.first)
    kept[kept.length - 1] = { ...last, count: last.count + run.count };
  else if (kept.length < KEPT_MAX) kept.push(run);
}

type Prefetched = Later<Output<CoreRegistry, "space", "prefetch">>;

/** As much as there is room for in the device's memory, and the space's share of it leaves. */
function* prefetchTo(
  kernel: Kernel,
  entry: SpaceEntry,
  first: PageIndex,
  count: PageCount,
  { accel }: Machine,
  later: Prefetched,
): Generator<boolean, void> {
  let moved = 0;
  try {
    const { space } = entry.linux;
    const to = accel.deviceMemory;
    for (let page = first; page < first + count; ) {
      const room = Math.min(accel.memory.available, kernel.placements.shares.left(entry, to));
      const step = Math.min(HUGE_PAGES - (page % HUGE_PAGES), first + count - page, room);
      if (step === 0) break;
      moved += kernel.open.core.migrate({ space, first: page, count: step, to, cause: CAUSE.prefetch }).moved;
      page += step;
      yield true;
    }
    later.answer({ moved });
  } catch (error) {
    later.fail(error);
  }
}

/** What is in devices' memories or on disk comes home, as far as the budget allows. */
function* prefetchHome(
  kernel: Kernel,
  { linux: { space } }: SpaceEntry,
  first: PageIndex,
  count: PageCount,
  later: Prefetched,
): Generator<boolean, void> {
  let moved = 0;
  try {
    const end = first + count;
    for (let page = first; page < end && roomOf(kernel) > 0; ) {
      const step = Math.min(HUGE_PAGES - (page % HUGE_PAGES), end - page, roomOf(kernel));
      moved += kernel.open.core.migrate({
        space,
        first: page,
        count: step,
        to: null,
        cause: CAUSE.prefetch,
      }).moved;
      moved += fetchFromDisk(kernel, space, page, page + step);
      page += step;
      yield true;
    }
    later.answer({ moved });
  } catch (error) {
    later.fail(error);
  }
}

function roomOf(kernel: Kernel): PageCount {
  return Math.max(0, kernel.open.budget - kernel.open.resident);
}

function fetchFromDisk(
  kernel: Kernel,
  space: SpaceEntry["linux"]["space"],
  first: PageIndex,
  end: PageIndex,
): PageCount {
  let fetched = 0;
  for (let page = first; page < end && roomOf(kernel) > 0; page++) {
    const file = space.regions.at(page)?.backing != null;
    const kind = space.table.flagsAt(page) & KIND;
    if (kind !== SWAP && !(file && kind === 0)) continue;
    if (kernel.open.fault(space, page, false, CAUSE.prefetch) === OK) fetched++;
  }
  return fetched;
}
