import { type Advice, advise } from "./advice.ts";
import { printable } from "./clean.ts";
import type {
  ContextStatistics,
  Flow,
  MoveCause,
  RecordedDevice,
  RecordedEvent,
  RecordedRegion,
  Recording,
  RegionTraffic,
} from "./recording.ts";

/** How the program that was run went. */
export interface RunInfo {
  /** What was run, as it was called. */
  readonly command: string;
  /** From its start to its end, nanoseconds. */
  readonly wallNs: number;
  /** Its exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** What went from one place to another, and why. */
export interface Way {
  readonly from: string;
  readonly to: string;
  readonly pages: number;
  readonly moves: number;
  /** The most pages first. */
  readonly causes: readonly WayCause[];
}

export interface WayCause {
  readonly cause: MoveCause;
  readonly duplicate: boolean;
  readonly pages: number;
  readonly moves: number;
}

/** The most that was in use of a memory. */
export interface Peak {
  readonly target: string;
  readonly bytes: number;
  /** What it may have; null: as much as there is. */
  readonly limitBytes: number | null;
}

/** What the memory of one open hms did. */
export interface Report {
  /** From open to close, nanoseconds. */
  readonly openNs: number;
  /** CPUs waited so long for pages, nanoseconds. */
  readonly cpuWaitNs: number;
  /** Devices did. */
  readonly deviceWaitNs: number;
  readonly statistics: ContextStatistics;
  readonly ways: readonly Way[];
  /** Pages whose reason was not recorded. */
  readonly unexplainedPages: number;
  readonly peaks: readonly Peak[];
  readonly devices: readonly RecordedDevice[];
  readonly regions: readonly RecordedRegion[];
  readonly events: readonly RecordedEvent[];
  readonly advice: readonly Advice[];
  readonly recording: Recording;
}

/** Pages of a region that moved, whichever way. */
export function movedPages(traffic: RegionTraffic): number {
  const { toDevice, toHost, duplicated, swappedOut, swappedIn } = traffic;
  return toDevice + toHost + duplicated + swappedOut + swappedIn;
}

/**
 * What a recording says.
 *
 * @example
 * ```ts
 * import { mkdtempSync } from "node:fs";
 * import { makeReport, readRecordings, renderReportText } from "hms/report";
 * import { open } from "hms";
 * process.env.HMS_REPORT = mkdtempSync("recordings-");
 * {
 *   using hms = await open({ ram: "64MiB" });
 *   hms.space.alloc(Float32Array, 1 << 20, { name: "x" }).view.fill(1);
 * }
 * const run = { command: "this", wallNs: 1e9, code: 0, signal: null };
 * for (const recording of readRecordings(process.env.HMS_REPORT))
 *   console.log(renderReportText(makeReport(recording), run));
 * ```
 */
export function makeReport(recorded: Recording): Report {
  const recording = cleaned(recorded);
  const { statistics, timeline, devices } = recording;
  const last = timeline.at(-1);
  const ways = waysOf(recording.flows);
  // What comes from files and goes to them has no count beside these.
  const explained = ways.reduce(
    (sum, { from, to, pages }) => (from === "file" || to === "file" ? sum : sum + pages),
    0,
  );
  const { movedToDevice, movedToHost, movedBetweenDevices, duplicated, swappedOut, swappedIn } = statistics;
  const moved = movedToDevice + movedToHost + movedBetweenDevices + duplicated + swappedOut + swappedIn;
  return {
    openNs: recording.ended - recording.opened,
    cpuWaitNs: statistics.faultNs,
    deviceWaitNs: Math.max(0, (last?.faultNs ?? 0) - statistics.faultNs),
    statistics,
    ways,
    unexplainedPages: Math.max(0, moved - explained),
    peaks: [
      { target: "host", bytes: statistics.residentBytesMax, limitBytes: recording.ramBytes },
      ...devices.map(({ name, usedBytesMax, memoryBytes }) => ({
        target: name,
        bytes: usedBytesMax,
        limitBytes: memoryBytes,
      })),
    ],
    devices,
    regions: recording.regions,
    events: recording.events,
    advice: advise(recording),
    recording,
  };
}

function cleaned(recording: Recording): Recording {
  return {
    ...recording,
    regions: recording.regions.map((region) => ({ ...region, name: printable(region.name) })),
    events: recording.events.map((event) => ({ ...event, text: printable(event.text) })),
  };
}

/** Flows by where they went, the most pages first. */
export function waysOf(flows: readonly Flow[]): Way[] {
  const ways = new Map<string, { from: string; to: string; causes: Map<string, WayCause> }>();
  for (const { from: place, to, cause, duplicate, pages, moves } of flows) {
    const from = place === "nowhere" ? "first touch" : place;
    const key = `${from}\n${to}`;
    const way = ways.get(key) ?? { from, to, causes: new Map<string, WayCause>() };
    ways.set(key, way);
    const why = `${cause} ${duplicate}`;
    const before = way.causes.get(why);
    way.causes.set(why, {
      cause,
      duplicate,
      pages: (before?.pages ?? 0) + pages,
      moves: (before?.moves ?? 0) + moves,
    });
  }
  return [...ways.values()]
    .map(({ from, to, causes }) => {
      const list = [...causes.values()].sort((a, b) => b.pages - a.pages);
      const sum = (of: (cause: WayCause) => number): number => list.reduce((all, one) => all + of(one), 0);
      return { from, to, causes: list, pages: sum((one) => one.pages), moves: sum((one) => one.moves) };
    })
    .sort((a, b) => b.pages - a.pages);
}

const CAUSES: Readonly<Record<MoveCause, string>> = {
  none: "for no reason that is known",
  "cpu-fault": "a CPU touched them",
  "device-fault": "a device touched them",
  bind: "their range is bound there",
  migrate: "the program asked for it",
  eviction: "the device needed room",
  override: "the host or a driver placed them",
  release: "the device gave its memory back",
  reclaim: "RAM was short",
  pin: "a pin needed them at home",
  exclusive: "a device asked for exclusive access",
  "copy-on-write": "they were written while shared",
  lost: "their device disappeared",
  collapse: "small pages were joined",
  prefetch: "they were fetched ahead of use",
  ahead: "touches in order came to them next",
  unknown: "for a reason that is not known here",
};

/** Why pages went a way, in words. */
export function causeText({ cause, duplicate }: Pick<WayCause, "cause" | "duplicate">): string {
  return duplicate ? `${CAUSES[cause]}: read-only duplicates` : CAUSES[cause];
}
