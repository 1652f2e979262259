import { HmsError } from "@hms/topology";
import type { Answered, CoreRegistry } from "@hms/uabi";
import type { ListedKind } from "../region-kind.ts";

/** A region as the interface lists it. */
export type ListedRegion = Answered<CoreRegistry, "context", "regions">["regions"][number];
/** What the interface counts beside its structs. */
interface WrittenOrNot {
  /** Of the pages in `swappedOut`, those that were not written: the disk had them already. */
  readonly droppedClean: number;
}

/** Counts of a context; what each means is in the interface's reference. */
export type ContextStatistics = Answered<CoreRegistry, "context", "statistics">["statistics"] & WrittenOrNot;
/** Counts of a region. */
export type RegionTraffic = ListedRegion["traffic"] & WrittenOrNot;
/** What a context had done by a point of time. */
export type TimelineSample = Answered<CoreRegistry, "context", "timeline">["samples"][number];
export type MoveCause = NonNullable<ListedRegion["flows"]>[number]["cause"];

/** Pages that went the same way for the same reason. */
export interface Flow {
  /** Where they were: `host`, `swap`, a device memory's name. */
  readonly from: string;
  readonly to: string;
  readonly cause: MoveCause;
  /** They stayed where they were, and read-only duplicates were made. */
  readonly duplicate: boolean;
  readonly pages: number;
  /** Moves that this took. */
  readonly moves: number;
}

/** A region with all that happened to its pages. */
export interface RecordedRegion {
  readonly name: string;
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: ListedKind;
  /** It was freed before the end. */
  readonly gone: boolean;
  readonly traffic: RegionTraffic;
  readonly flows: readonly Flow[];
}

/** Where the pages of regions were at a point of time. */
export interface Snapshot {
  /** Nanoseconds, by the host's clock. */
  readonly when: number;
  /** Bytes in use of each device's memory, in the order of the devices. */
  readonly deviceBytes: readonly number[];
  /** Strips of regions: what is not here was not there. */
  readonly strips: readonly Strip[];
}

/** A region cut into pieces of equal size. */
export interface Strip {
  /** The region's place in `regions`. */
  readonly region: number;
  /** A letter a piece, for where most of its pages were: see `placeOf`. */
  readonly cells: string;
}

export interface RecordedDevice {
  readonly name: string;
  readonly driver: string;
  /** Bytes. */
  readonly memoryBytes: number;
  readonly usedBytesMax: number;
}

/** Something out of the ordinary. */
export interface RecordedEvent {
  /** Nanoseconds, by the host's clock. */
  readonly when: number;
  readonly kind: "override" | "loss" | "device";
  readonly text: string;
  /** How often: `when` is of the first time. */
  readonly count: number;
}

/** All that is kept of one open hms, from when it was opened to when it was closed. */
export interface Recording {
  readonly format: "hms-recording";
  readonly version: 1;
  readonly pid: number;
  /** By the host's clock, nanoseconds. */
  readonly opened: number;
  readonly ended: number;
  /** False: the process ended before the last look could be taken; everything is as of `ended`. */
  readonly complete: boolean;
  /** The bound on the host's memory, bytes; null: none. */
  readonly ramBytes: number | null;
  readonly devices: readonly RecordedDevice[];
  readonly statistics: ContextStatistics;
  readonly timeline: readonly TimelineSample[];
  /** Of all regions together, whether they are in `regions` or not. */
  readonly flows: readonly Flow[];
  /** Those with the most traffic first. */
  readonly regions: readonly RecordedRegion[];
  /** How many regions there have been, in `regions` or not. */
  readonly regionsTotal: number;
  /** Names of places that the letters of strips stand for. */
  readonly places: readonly string[];
  readonly snapshots: readonly Snapshot[];
  readonly events: readonly RecordedEvent[];
}

/** Pieces that a region is cut into at most. */
export const CELLS_MAX = 64;
/** The letter of pages that were never touched. */
export const UNTOUCHED = ".";
/** What the name of a place ends in when there are read-only duplicates elsewhere. */
export const WITH_COPIES = ", with copies elsewhere";
const FIRST_LETTER = 48;

/** The letter for the place with a number. */
export function letterOf(place: number): string {
  return String.fromCharCode(FIRST_LETTER + place);
}

/** The number of the place that a letter stands for; null for untouched. */
export function placeOf(letter: string): number | null {
  return letter === UNTOUCHED ? null : letter.charCodeAt(0) - FIRST_LETTER;
}

/** Reads a recording. Throws BAD_RECORDING (EINVAL) for what is none. */
export function parseRecording(text: string, what: string): Recording {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const recording = value as Partial<Recording> | null | undefined;
  if (recording?.format === "hms-recording" && recording.version === 1) return recording as Recording;
  throw new HmsError(
    "BAD_RECORDING",
    "EINVAL",
    `Reading ${what} failed: expected is a recording of version 1, as a program that runs under \`hms run\` writes it.`,
  );
}
