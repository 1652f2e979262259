import { formatSize, type Target } from "@hms/topology";
import type { DecidedTarget, Decision } from "./decision.ts";
import type { Limits } from "./limits.ts";
import { PlacementError, type PlacementReport, ReportBuilder } from "./report.ts";
import { PAGE_BYTES, type PageCount, type PageIndex } from "./units.ts";

/** Pages of one turn over all targets: 1,024 targets with the largest weight. */
const TURN_MAX = 1024 * 255;

/** What pages of a range go to which target; of a decision, the room there is, and nothing else. */
export interface PagePlan {
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** The decision's targets and after them its overflow. */
  readonly targets: readonly Target[];
  /** Pages that each is to have by the request alone, as if all had room. Those of the overflow are 0. */
  readonly wanted: Float64Array;
  /** Pages that each gets. */
  readonly counts: Float64Array;
  /** Pages for which there is no room anywhere that the mode allows. */
  readonly unplaced: PageCount;
  /** The place in `targets` of the target that a page goes to; −1: none. */
  targetOf(page: PageIndex): number;
}

/** Pages from `start` on are dealt so: where the turn says target t, they go to `to[t]`. */
interface Stretch {
  readonly start: PageIndex;
  readonly to: Int32Array;
}

/**
 * Deals the pages of a range to the targets of a decision, as whoever carries it out is to do it:
 *
 * - preferred and strict: to the first target until it is full, then to the next;
 * - interleave and weighted: page n of the space is in place n mod (sum of the weights) of the turn, whatever the range
 *   begins with, and nodes take turns by their numbers, both as with the kernel; then come targets that are no nodes, as
 *   they are listed. A target that is full passes its pages on to the next in the list that is not.
 *
 * What finds no room goes to the overflow in its order, unless the mode is strict; the rest is not placed.
 *
 * @param range pages of the space
 * @param room pages that each target can take, by its place in the decision's targets and then its overflow; default:
 * what the decision says of them, unknown being without end
 */
export function planPages(
  decision: Decision,
  range: { readonly first: PageIndex; readonly count: PageCount },
  room: ArrayLike<PageCount> = roomOf(decision),
): PagePlan {
  const { first, count: pages } = range;
  const targets = [...decision.targets, ...decision.overflow].map(({ target }) => target);
  const turn = turnOf(decision);
  const counts = new Float64Array(targets.length);
  const left = Float64Array.from(targets, (_, t) => Math.max(0, Math.floor(room[t] ?? 0)));
  const stretches: Stretch[] = [];
  const end = first + pages;
  for (let page = first; page < end; ) {
    const to = substitutes(decision, left);
    stretches.push({ start: page, to });
    page += deal({ turn, to, left, counts }, page, end - page);
  }
  const placed = counts.reduce((sum, one) => sum + one, 0);
  return {
    first,
    pages,
    targets,
    wanted: wantedOf(turn, first, pages, targets.length),
    counts,
    unplaced: pages - placed,
    targetOf(page) {
      if (!(page >= first && page < end)) {
        throw new RangeError(
          `Look up a page of a plan: it is of ${pages} pages from ${first} on, but ${page} was asked for`,
        );
      }
      let low = 0;
      for (let high = stretches.length - 1; low < high; ) {
        const middle = (low + high + 1) >>> 1;
        if ((stretches[middle]?.start ?? 0) <= page) low = middle;
        else high = middle - 1;
      }
      return stretches[low]?.to[turn[page % turn.length] ?? 0] ?? -1;
    },
  };
}

function roomOf({ targets, overflow }: Decision): Float64Array {
  return Float64Array.from([...targets, ...overflow], ({ room }) =>
    room === null ? Number.POSITIVE_INFINITY : Math.floor(room / PAGE_BYTES),
  );
}

/** The targets of one turn, page by page. With an order instead of turns it is always the first one's. */
function turnOf({ mode, targets }: Decision): Uint16Array {
  if (targets.length === 0 || mode === "preferred" || mode === "strict") return new Uint16Array(1);
  const length = targets.reduce((sum, { weight }) => sum + weight, 0);
  if (length > TURN_MAX)
    throw new RangeError(`A turn has ${TURN_MAX} pages at most, but ${length} were asked for`);
  const turn = new Uint16Array(length);
  const order = [...targets.keys()].sort((a, b) => rankOf(targets[a]) - rankOf(targets[b]) || a - b);
  let at = 0;
  for (const t of order) {
    const weight = targets[t]?.weight ?? 0;
    turn.fill(t, at, at + weight);
    at += weight;
  }
  return turn;
}

/** Nodes by their numbers, then what is no node. */
function rankOf(one: DecidedTarget | undefined): number {
  return one?.target.numaNode ?? Number.MAX_SAFE_INTEGER;
}

/** For each target: itself while it has room, else the next of the targets that has, else the first of the overflow. */
function substitutes({ targets, overflow }: Decision, left: Float64Array): Int32Array {
  const count = targets.length;
  let spare = -1;
  for (let t = count; t < count + overflow.length && spare < 0; t++) if ((left[t] ?? 0) > 0) spare = t;
  // The turn of no targets at all is target 0's.
  const to = new Int32Array(Math.max(1, count)).fill(spare);
  // Twice round from the back: the last one's next is the first.
  let next = spare;
  for (let k = 2 * count - 1; k >= 0; k--) {
    const t = k % count;
    if ((left[t] ?? 0) > 0) next = t;
    to[t] = next;
  }
  return to;
}

/** Deals pages until one of the targets is full, or none is left. Returns how many. */
function deal(
  {
    turn,
    to,
    left,
    counts,
  }: {
    readonly turn: Uint16Array;
    readonly to: Int32Array;
    readonly left: Float64Array;
    readonly counts: Float64Array;
  },
  first: PageIndex,
  pages: PageCount,
): PageCount {
  const each = new Float64Array(left.length);
  let open = false;
  for (const t of turn) {
    const target = to[t] as number;
    if (target < 0) continue;
    each[target] = (each[target] as number) + 1;
    open = true;
  }
  if (!open) return pages;
  let rounds = Math.floor(pages / turn.length);
  for (let t = 0; t < each.length; t++) {
    if ((each[t] as number) > 0)
      rounds = Math.min(rounds, Math.floor((left[t] as number) / (each[t] as number)));
  }
  for (let t = 0; t < each.length; t++) {
    counts[t] = (counts[t] as number) + rounds * (each[t] as number);
    left[t] = (left[t] as number) - rounds * (each[t] as number);
  }
  let dealt = rounds * turn.length;
  if (rounds > 0 && each.some((many, t) => many > 0 && left[t] === 0)) return dealt;
  for (; dealt < pages; dealt++) {
    const target = to[turn[(first + dealt) % turn.length] as number] as number;
    counts[target] = (counts[target] as number) + 1;
    left[target] = (left[target] as number) - 1;
    if (left[target] === 0) return dealt + 1;
  }
  return dealt;
}

/** What each target has of a range of pages when the turn alone counts. */
function wantedOf(turn: Uint16Array, first: PageIndex, pages: PageCount, targets: number): Float64Array {
  const wanted = new Float64Array(targets);
  if (targets === 0) return wanted;
  const rounds = Math.floor(pages / turn.length);
  for (const t of turn) wanted[t] = (wanted[t] as number) + rounds;
  for (let page = first + rounds * turn.length; page < first + pages; page++) {
    const t = turn[page % turn.length] as number;
    wanted[t] = (wanted[t] as number) + 1;
  }
  return wanted;
}

/**
 * The report of a dry run: where the pages of a range would go, as far as can be said beforehand. They count as placed
 * and none as moved.
 *
 * @param limits what the decision was made with
 * @throws PlacementError PLACEMENT_REFUSED (ENOMEM) with the report, where a strict request could not be met
 *
 * @example
 * ```ts
 * import { decide, dryRun, NO_LIMITS } from "@hms/policy";
 * import { discover } from "@hms/topology";
 * const machine = await discover("machine:xeon-max");
 * const decision = decide(machine, { targets: ["node2", "node3"], mode: "interleave" });
 * const report = dryRun(decision, { first: 0, count: 1000 }, NO_LIMITS);
 * report.targets; // [{ target: "node2", wanted: 500, placed: 500, moved: 0 }, { target: "node3", … }]
 * ```
 */
export function dryRun(
  decision: Decision,
  range: { readonly first: PageIndex; readonly count: PageCount },
  limits: Limits,
): PlacementReport {
  const plan = planPages(decision, range);
  const { mode, targets, overflow, refused } = decision;
  const builder = new ReportBuilder(mode, plan.pages);
  for (const { target } of targets) builder.target(target.id);
  // With a list they were asked for by name; without, they would have been taken.
  for (const { target, by, errno, why } of refused) builder.refused({ target: target.id, by, errno, why }, 0);
  const { counts, over } = withinGroup(plan, limits);
  targets.forEach(({ target, room }, t) => {
    builder.wanted(target.id, plan.wanted[t] ?? 0).placed(target.id, counts[t] ?? 0);
    const lacking = (plan.wanted[t] ?? 0) - (plan.counts[t] ?? 0);
    if (lacking <= 0) return;
    const why = `${formatSize(room)} are free in it`;
    builder.refused({ target: target.id, by: "capacity", errno: "ENOMEM", why }, lacking);
  });
  overflow.forEach(({ target }, i) => {
    builder.elsewhere(target.id, counts[targets.length + i] ?? 0);
  });
  over.forEach((pages, t) => {
    const target = plan.targets[t]?.id ?? "";
    const { group = "", leftBytes = 0 } = limits.memory ?? {};
    const why = `the memory limit of ${group} leaves ${formatSize(leftBytes)}`;
    if (pages > 0) builder.refused({ target, by: "cgroup", errno: "ENOMEM", why }, pages);
  });
  const nowhere = plan.unplaced + over.reduce((sum, pages) => sum + pages, 0);
  builder.elsewhere("nowhere", nowhere);
  const report = builder.done();
  if (mode !== "strict" || report.satisfied) return report;
  throw new PlacementError(
    "PLACEMENT_REFUSED",
    "ENOMEM",
    `Place memory: ${plan.pages} pages are required in ${targets.map(({ target }) => target.id).join(", ")}, but there is no room for ${nowhere} of them; ask for less, add targets, or use mode preferred`,
    report,
  );
}

/** What a control group's limit leaves of a plan: the last pages on nodes are what is over. */
function withinGroup(
  { targets, counts }: PagePlan,
  { memory }: Limits,
): { readonly counts: Float64Array; readonly over: Float64Array } {
  const kept = counts.slice();
  const over = new Float64Array(counts.length);
  if (memory === null) return { counts: kept, over };
  let excess = -Math.floor(memory.leftBytes / PAGE_BYTES);
  targets.forEach(({ numaNode }, t) => {
    if (numaNode !== null) excess += kept[t] ?? 0;
  });
  for (let t = targets.length - 1; t >= 0 && excess > 0; t--) {
    if (targets[t]?.numaNode === null) continue;
    const pages = Math.min(excess, kept[t] ?? 0);
    over[t] = pages;
    kept[t] = (kept[t] ?? 0) - pages;
    excess -= pages;
  }
  return { counts: kept, over };
}
