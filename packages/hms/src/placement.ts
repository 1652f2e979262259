import { PlacementError, type PlacementReport, type PlacementRequest, parseRequest } from "@hms/policy";
import { HmsError } from "@hms/topology";
import {
  type Answered,
  type CoreRegistry,
  type Handle,
  type Input,
  InterfaceError,
  type TypeValue,
} from "@hms/uabi";
import type { Link } from "./link.ts";
import { expectOptions, type Known } from "./options.ts";

const PAGE = 4096;
const DRY_RUN = 1;
const ONCE = 2;

type Range = TypeValue<CoreRegistry, "range">;
type Command = Input<CoreRegistry, "space", "place">["commands"][number];
type Reports = Answered<CoreRegistry, "space", "place">["reports"];
type PlacementAnswer = Answered<CoreRegistry, "space", "placement">["placements"][number];

/** Where memory should be: a request, or the name of one target. */
export type Bind = string | PlacementRequest;

/** How something is bound. */
export interface BindOptions {
  /** Nothing is done: the report says what would be. Default false. */
  readonly dryRun?: boolean;
}

const BIND: Known<BindOptions> = { dryRun: "boolean" };

/** A target of a policy, and why it is one. */
export interface PlacementChoice {
  readonly target: string;
  /** Pages of a turn; 1 but for the mode `weighted`. */
  readonly weight: number;
  readonly why: string;
}

/** What a part of a region is bound to, and where its pages are. */
export interface Placement {
  /** Bytes from the start of the region; null for the default of a space. */
  readonly offset: number | null;
  readonly bytes: number | null;
  readonly mode: PlacementReport["mode"];
  /** In order. */
  readonly choices: readonly PlacementChoice[];
  /** `bind`: it was bound; `default`: it was made while its space had a default. */
  readonly origin: "bind" | "default" | "unknown";
  /** Since when: milliseconds since 1970. */
  readonly since: number;
  /** The kernel's own policy of its memory, as `/proc/self/numa_maps` shows it; null: it has none. */
  readonly kernel: string | null;
  /** What of that is not as hms gave it; null: nothing. */
  readonly differs: string | null;
  /** Where its pages are; null for the default of a space. */
  readonly report: PlacementReport | null;
}

/** How much of a target a space may have, and has. */
export interface Share {
  readonly target: string;
  /** What it can have whenever it wants it: others leave it free. */
  readonly leastBytes: number;
  /** The most that it may have. */
  readonly mostBytes: number;
  readonly usedBytes: number;
}

/** A request as the interface says it. Throws what `parseRequest` does. */
export function commandOf(range: Range | null, bind: Bind): Command {
  const request = typeof bind === "string" ? parseRequest({ targets: [bind] }) : parseRequest(bind);
  return {
    ...(range === null ? {} : { range }),
    ...(request.for === undefined ? {} : { for: request.for }),
    ...(request.targets === undefined ? {} : { targets: request.targets }),
    ...(request.prefer === undefined ? {} : { prefer: request.prefer }),
    ...(request.mode === undefined ? {} : { mode: request.mode }),
    ...(request.weights === undefined ? {} : { weights: request.weights }),
    ...(request.migrate === undefined ? {} : { migrate: request.migrate }),
    ...(request.size === undefined ? {} : { size: request.size }),
  };
}

/** A command that drops what was recorded. */
export function dropping(range: Range | null): Command {
  return { ...(range === null ? {} : { range }), drop: true };
}

/** Whether a command is for a range without pages: as with mbind(2), nothing is to be done then. */
function isEmpty({ range }: Command): boolean {
  return range !== undefined && range.count === 0;
}

function reportOfNothing({ mode = "preferred" }: Command = {}): PlacementReport {
  return { mode, pages: 0, targets: [], refused: [], elsewhere: [], satisfied: true };
}

/** Binds, and waits until it is done. Commands for ranges without pages are not sent. */
export function place(
  link: Link,
  space: Handle<"space">,
  commands: readonly Command[],
  options: BindOptions = {},
): PlacementReport[] {
  expectOptions("Binding", options, BIND);
  const flags = options.dryRun === true ? DRY_RUN : 0;
  const sent = commands.some(isEmpty) ? commands.filter((command) => !isEmpty(command)) : commands;
  if (sent.length === 0 && commands.length > 0) return commands.map((command) => reportOfNothing(command));
  const reports = withReport(() =>
    reportsOf(link.sync.space.place({ space, commands: sent, flags }).reports),
  );
  if (sent.length === commands.length) return reports;
  let next = 0;
  return commands.map((one) => (isEmpty(one) ? reportOfNothing(one) : onlyOf(reports.slice(next++))));
}

/** Binds a range, or takes that back. */
export function bindSlice(
  link: Link,
  space: Handle<"space">,
  range: Range,
  bind: Bind | null,
  options: BindOptions,
): PlacementReport {
  if (bind !== null)
    return asShorthand(bind, () => onlyOf(place(link, space, [commandOf(range, bind)], options)));
  if (options.dryRun === true) return onlyOf(place(link, space, [dropping(range)], options));
  if (range.count > 0) link.sync.space.bind({ space, range });
  return reportOfNothing();
}

/** Moves pages to where a request says, once. */
export async function moveOnce(
  link: Link,
  space: Handle<"space">,
  command: Command,
  options: BindOptions,
): Promise<PlacementReport> {
  if (isEmpty(command)) return reportOfNothing(command);
  const flags = ONCE | (options.dryRun === true ? DRY_RUN : 0);
  try {
    const { reports } = await link.async.space.place({ space, commands: [command], flags });
    return onlyOf(reportsOf(reports));
  } catch (error) {
    throw placementError(error);
  }
}

/** The report of the only command. */
export function onlyOf([report]: readonly PlacementReport[]): PlacementReport {
  if (report !== undefined) return report;
  throw new HmsError("BAD_ANSWER", "EIO", "Binding failed: the kernel thread answered without a report.");
}

/** What the interface answers; a newer service may know modes that this program does not. */
function reportsOf(reports: Reports): PlacementReport[] {
  return reports.map((report) => withNulls(report as PlacementReport));
}

/** An error with the report that came with it. */
function placementError(error: unknown): unknown {
  if (!(error instanceof InterfaceError)) return error;
  const { reports, report: only } = error.outputs;
  const [report = only] = (reports ?? []) as readonly PlacementReport[];
  if (report === undefined) return error;
  return new PlacementError(error.code, error.errno, error.message, withNulls(report as PlacementReport));
}

/** Has errors that come with a report carry it. */
export function withReport<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw placementError(error);
  }
}

/** What was not written is null in a report. */
function withNulls(report: PlacementReport): PlacementReport {
  return { ...report, refused: report.refused.map((one) => ({ ...one, errno: one.errno ?? null })) };
}

/** The shorthand's own code for a name that there is not. */
export function asShorthand<T>(bind: Bind, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (typeof bind !== "string" || !HmsError.is(error) || error.code !== "TARGET_UNKNOWN") throw error;
    throw new HmsError("NO_SUCH_TARGET", "ENOENT", error.message, { cause: error });
  }
}

/** What the interface answers about policies. */
export function placementOf(
  answer: PlacementAnswer,
  address: number,
  time: (ns: number) => number,
): Placement {
  const { range, origin, mode, choices, when, kernel, differs, report } = answer;
  return {
    offset: range === undefined ? null : range.first * PAGE - address,
    bytes: range === undefined ? null : range.count * PAGE,
    mode: mode as PlacementReport["mode"],
    choices,
    origin,
    since: time(when),
    kernel: kernel ?? null,
    differs: differs ?? null,
    report: report === undefined ? null : withNulls(report as PlacementReport),
  };
}
