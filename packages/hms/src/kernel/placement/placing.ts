import { CAUSE, HUGE_PAGES, type PageCount, type PageIndex } from "@hms/hmm";
import { type PlacementReport, ReportBuilder } from "@hms/policy";
import type { CoreRegistry, Later, Output } from "@hms/uabi";
import type { Kernel } from "../kernel.ts";
import { CarryOut, type Deed } from "./carry-out.ts";
import type { Command } from "./commands.ts";
import { Mover } from "./mover.ts";
import type { Policy } from "./policy.ts";
import { failureOf, reportValue } from "./report-value.ts";
import { expectRoom, refused } from "./strict.ts";

type Place = Later<Output<CoreRegistry, "space", "place">>;

/** Runs of pages that a call remembers to move back, should it fail. */
const UNDO_MAX = 1 << 16;

/** How commands are carried out. */
export interface PlaceHow {
  readonly dryRun: boolean;
  /** Pages move, and policies stay as they are. */
  readonly once: boolean;
}

/** What was done, so that it can be undone. */
interface Done {
  readonly command: Command;
  /** Policies that were there, by range; null: none was. */
  readonly before: readonly {
    readonly first: PageIndex;
    readonly count: PageCount;
    readonly policy: Policy | null;
  }[];
  readonly default: Policy | null;
  readonly moved: { first: PageIndex; count: PageCount; readonly from: string }[];
}

/**
 * Carries commands out, that were all looked at: first what strict ones need is looked for, then policies are recorded
 * and pages moved, a piece between faults. When one cannot be met everything is as it was, and the answer carries the
 * report.
 */
export function* placing(
  kernel: Kernel,
  commands: readonly Command[],
  how: PlaceHow,
  later: Place,
): Generator<boolean, void> {
  while (kernel.placing) yield false;
  kernel.placing = true;
  const done: Done[] = [];
  try {
    kernel.placements.rooms.forget();
    for (const [i, command] of commands.entries())
      yield* foreseeing(kernel, command, how, where(i, commands));
    const reports: PlacementReport[] = [];
    for (const [i, command] of commands.entries())
      reports.push(yield* carrying(kernel, command, how, done, where(i, commands)));
    later.answer({ reports: reports.map(reportValue) });
  } catch (error) {
    undo(kernel, done);
    later.fail(failureOf(error, ""));
  } finally {
    kernel.placing = false;
  }
}

function where(i: number, commands: readonly Command[]): string {
  return commands.length === 1 ? "" : ` (command ${i + 1} of ${commands.length})`;
}

/** Looks whether a strict command could be met. Throws PLACEMENT_REFUSED with the report if not. */
function* foreseeing(
  kernel: Kernel,
  command: Command,
  how: PlaceHow,
  which: string,
): Generator<boolean, void> {
  const { policy, range, entry, migrate } = command;
  if (policy === null || range === null || !policy.strict || how.dryRun) return;
  const report = yield* walking(kernel, command, policy, migrate || how.once ? "pretend" : "look");
  if (!report.satisfied) throw refused(report, policy, which, migrate || how.once);
  if (how.once) return;
  // Pages that are still to be made need room, too.
  const stays = entry.linux.space.regions.at(range.first)?.shared === true;
  policy.needed = expectRoom(kernel, entry, policy, range.count, report, which, stays);
}

/** Goes over the pages of a range. */
function* walking(
  kernel: Kernel,
  { entry, range }: Command,
  policy: Policy,
  deed: Deed,
  done?: Done,
): Generator<boolean, PlacementReport> {
  const carry = new CarryOut(kernel, entry, policy, (page, count, from) => remember(done, page, count, from));
  const { first, count } = range ?? { first: 0, count: 0 };
  const { table } = entry.linux.space;
  for (let page = first; page < first + count; ) {
    // What the core has no entries for may still be in a file.
    const next = carry.inFile ? page : (table.next(page, first + count)?.first ?? first + count);
    page = Math.max(page, next);
    if (page >= first + count) break;
    page += carry.step(page, first + count, deed);
    yield true;
  }
  return carry.report();
}

function remember(done: Done | undefined, page: PageIndex, count: PageCount, from: string): void {
  if (done === undefined) return;
  const last = done.moved.at(-1);
  if (last !== undefined && last.from === from && last.first + last.count === page) last.count += count;
  else if (done.moved.length < UNDO_MAX) done.moved.push({ first: page, count, from });
}

function* carrying(
  kernel: Kernel,
  command: Command,
  { dryRun, once }: PlaceHow,
  all: Done[],
  which: string,
): Generator<boolean, PlacementReport> {
  const { entry, range, policy, migrate } = command;
  const moves = (migrate || once) && policy !== null;
  const deed: Deed = moves ? (dryRun ? "pretend" : "move") : "look";
  if (dryRun) return policy === null ? nothing() : yield* walking(kernel, command, policy, deed);
  const done: Done = { command, before: before(command), default: entry.policies.default, moved: [] };
  all.push(done);
  if (range === null) {
    entry.policies.default = policy;
    return policy === null ? nothing() : yield* walking(kernel, command, policy, "look");
  }
  if (!once) kernel.placements.apply(entry, range.first, range.count, policy);
  if (policy === null) return nothing();
  kernel.placements.nodes.promise(policy, policy.needed);
  const report = yield* walking(kernel, command, policy, deed, done);
  if (policy.strict && (!report.satisfied || policy.refusal !== null))
    throw refused(report, policy, which, moves);
  return report;
}

function nothing(): PlacementReport {
  return new ReportBuilder("preferred", 0).done();
}

/** Which policies the range of a command is under. */
function before({ entry, range }: Command): Done["before"] {
  if (range === null) return [];
  const found: { first: PageIndex; count: PageCount; policy: Policy | null }[] = [];
  const end = range.first + range.count;
  for (let page = range.first; page < end; ) {
    const count = entry.policies.runLength(page, end - page);
    found.push({ first: page, count, policy: entry.policies.at(page) });
    page += count;
  }
  return found;
}

/** Puts everything back, the last first. */
function undo(kernel: Kernel, all: readonly Done[]): void {
  for (const { command, before: ranges, default: was, moved } of [...all].reverse()) {
    const { entry, range } = command;
    if (!kernel.spaces.has(entry)) continue;
    if (range === null) entry.policies.default = was;
    for (const { first, count, policy } of ranges) {
      if (entry.linux.space.regions.at(first) !== null) kernel.placements.apply(entry, first, count, policy);
    }
    for (const { first, count, from } of moved.reverse()) moveBack(kernel, command, first, count, from);
  }
}

function moveBack(
  kernel: Kernel,
  { entry }: Command,
  first: PageIndex,
  count: PageCount,
  from: string,
): void {
  const node = /^node(\d+)$/.exec(from)?.[1];
  const machine = kernel.machines.find(({ accel }) => accel.deviceMemory.name === from);
  const place =
    machine !== undefined
      ? ({ kind: "device", name: from, machine } as const)
      : node !== undefined
        ? ({ kind: "node", name: from, node: Number(node) } as const)
        : ({ kind: "host", name: "host" } as const);
  const mover = new Mover(kernel, CAUSE.bind);
  for (let page = first; page < first + count; ) {
    const step = Math.min(HUGE_PAGES - (page % HUGE_PAGES), first + count - page);
    mover.move(entry.linux.space, page, step, place, () => {});
    page += step;
  }
}
