import type { Answered, CoreRegistry } from "@hms/uabi";

const PAGE = 4096;
type Run = Answered<CoreRegistry, "space", "explain">["runs"][number];
type ResidencyAnswer = Answered<CoreRegistry, "region", "residency">;

/** Why a page was moved to where it is. */
export type Cause = Run["cause"];
/** What is special about pages; `mapped`: nothing. */
export type PageState = Run["state"];
/** Why a page stayed where it was. */
export type StayReason = Answered<CoreRegistry, "space", "migrate">["kept"][number]["reason"];

/** A placement that the host or a driver did not allow as asked. */
export interface Override {
  readonly who: string;
  readonly what: "refused" | "redirected" | "held" | "unknown";
  readonly why: string;
  /** The memory that was asked for, and the one that it became; null: it stayed. */
  readonly asked: string;
  readonly became: string | null;
  /** Milliseconds since 1970. */
  readonly when: number;
}

/** The policy that pages are under. */
export interface ExplainedPolicy {
  readonly mode: "preferred" | "strict" | "interleave" | "weighted" | "unknown";
  /** Names of the targets, in order. */
  readonly targets: readonly string[];
  /** `bind`, or `default`: that of their space when they were made. */
  readonly origin: "bind" | "default" | "unknown";
  /** Since when: milliseconds since 1970. */
  readonly since: number;
}

/** Where pages that follow each other and are alike are, since when and why. */
export interface Explanation {
  /** Bytes from the start of the region. */
  readonly offset: number;
  readonly bytes: number;
  /** `host`, `file`, `swap`, `lost`, the name of a device's memory, or `nowhere`. */
  readonly place: string;
  readonly state: PageState;
  /** Whether they may be written to as they are. */
  readonly writable: boolean;
  /** Whether they are of one huge mapping. */
  readonly huge: boolean;
  /** Why the last move was made; `none` when there was none. */
  readonly cause: Cause;
  /** Where they were before; null when they never moved. */
  readonly from: string | null;
  /** When the last move was, in milliseconds since 1970: of the page that moved first, and of the one that moved last. */
  readonly since: number | null;
  readonly latest: number | null;
  /** Memories with read-only duplicates. */
  readonly duplicates: readonly string[];
  /** Why their driver holds them there; null when it does not. */
  readonly held: string | null;
  /** The newest placement of them that was not allowed as asked. */
  readonly override: Override | null;
  /** The policy that they are under; null: none. */
  readonly policy: ExplainedPolicy | null;
  /** The node of the machine that they are on; null: it was not asked for, or they are on none. */
  readonly node: number | null;
}

/** Where pages are. */
export type Residency = Pick<Explanation, "offset" | "bytes" | "place" | "state">;

/** Pages that a migration left where they were. */
export interface Kept {
  /** Bytes from the start of the region. */
  readonly offset: number;
  readonly bytes: number;
  readonly reason: StayReason;
}

/** What became of a migration. */
export interface MoveReport {
  readonly movedBytes: number;
  /** What stayed; what was there already does not count. */
  readonly keptBytes: number;
  /** Which, and why; the first 4096 runs. */
  readonly kept: readonly Kept[];
}

/** What the interface answers, as it is told; runs that messages have cut are joined. */
export function explanationsOf(
  runs: readonly Run[],
  address: number,
  time: (ns: number) => number,
): Explanation[] {
  const all: Explanation[] = [];
  for (const run of runs) {
    const explanation = explanationOf(run, address, time);
    const last = all.at(-1);
    if (last !== undefined && continues(last, explanation)) all[all.length - 1] = join(last, explanation);
    else all.push(explanation);
  }
  return all;
}

function explanationOf(run: Run, address: number, time: (ns: number) => number): Explanation {
  const { override, policy } = run;
  return {
    offset: run.first * PAGE - address,
    bytes: run.count * PAGE,
    place: run.place,
    state: run.state,
    writable: run.writable,
    huge: run.huge,
    cause: run.cause,
    from: run.from ?? null,
    since: run.since === undefined ? null : time(run.since),
    latest: run.latest === undefined ? null : time(run.latest),
    duplicates: run.duplicates ?? [],
    held: run.held ?? null,
    override:
      override === undefined
        ? null
        : {
            who: override.who,
            what: override.what,
            why: override.why,
            asked: override.asked,
            became: override.became ?? null,
            when: time(override.when),
          },
    policy:
      policy === undefined
        ? null
        : { mode: policy.mode, targets: policy.targets, origin: policy.origin, since: time(policy.when) },
    node: run.node ?? null,
  };
}

function continues(a: Explanation, b: Explanation): boolean {
  return (
    a.offset + a.bytes === b.offset &&
    a.place === b.place &&
    a.state === b.state &&
    a.writable === b.writable &&
    a.huge === b.huge &&
    a.cause === b.cause &&
    a.from === b.from &&
    a.held === b.held &&
    a.override?.when === b.override?.when &&
    a.node === b.node &&
    a.policy?.since === b.policy?.since &&
    a.policy?.targets.join() === b.policy?.targets.join() &&
    a.duplicates.join() === b.duplicates.join()
  );
}

function join(a: Explanation, b: Explanation): Explanation {
  const since = a.since === null || b.since === null ? null : Math.min(a.since, b.since);
  const latest = a.latest === null || b.latest === null ? null : Math.max(a.latest, b.latest);
  return { ...a, bytes: a.bytes + b.bytes, since, latest };
}

/** The same for `region.residency`. */
export function residencyOf({ runs, places }: ResidencyAnswer, address: number): Residency[] {
  return runs.map(({ first, count, place, state }) => ({
    offset: first * PAGE - address,
    bytes: count * PAGE,
    place: places[place] ?? "unknown",
    state,
  }));
}
