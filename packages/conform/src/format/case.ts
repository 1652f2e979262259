import type { ErrnoName } from "@hms/topology";
import type { Words } from "./words.ts";

/** What a host or device may or may not be able to do, by the names of the format. */
export const CAPABILITIES: readonly string[] = [
  "private",
  "coherent",
  "fork",
  "file",
  "shared",
  "hugetlb",
  "thp",
  "pin",
  "mixedmap",
  "exclusive",
  "remap",
  "inject",
];

/**
 * Capabilities of the extensions of the format (docs/reference/cases.md, "Extensions"): a case that uses the words of
 * one lists it in `needs`, and other hosts skip the case by that name.
 */
export const EXTENSIONS: readonly string[] = [
  "alternatives",
  "dax",
  "faults",
  "notifications",
  "placement",
  "race",
  "signals",
  "swap",
  "turns",
];

/** Protection of a mapping. */
export type Protection = "none" | "r" | "rw";
/** Kind of a device's memory. */
export type DeviceKind = "private" | "coherent";

/** A part of a region. */
export interface Part {
  readonly region: string;
  /** First page of the part, from the region's first page. */
  readonly first: number;
  /** Number of pages; null: to the region's end. */
  readonly pages: number | null;
}

/** What every step knows about its place in the file. */
export interface StepPlace {
  /** Number of the step as reports give it, from 1: `4`; inside a block `4.2`, in a round of a repeat `4[0].2`. */
  readonly label: string;
  /** Line in the file, from 1. */
  readonly line: number;
}

/** What backs a mapping. */
export type Backing =
  | { readonly kind: "anonymous" | "file" | "hugetlb" | "dax" }
  | { readonly kind: "device"; readonly device: string };

export interface MapStep extends StepPlace {
  readonly step: "map";
  readonly as: string;
  readonly pages: number | null;
  readonly protection: Protection;
  readonly share: "private" | "shared";
  readonly backing: Backing;
  readonly huge: boolean;
  readonly fileWords: Words | null;
  readonly at: { readonly region: string; readonly first: number } | null;
  /** Extension `dax`: the region whose file this one's shares its extents with. */
  readonly reflink: string | null;
}

export interface UnmapStep extends StepPlace {
  readonly step: "unmap";
  readonly part: Part;
}

export interface ProtectStep extends StepPlace {
  readonly step: "protect";
  readonly part: Part;
  readonly protection: Protection;
}

export interface RemapStep extends StepPlace {
  readonly step: "remap";
  readonly part: Part;
  readonly to: string;
  readonly keepOld: boolean;
}

/** Advice of the format itself; `pageout` is the extension `swap`. */
export type Advice = "dontneed" | "free" | "hugepage" | "nohugepage" | "collapse" | "pageout";

export interface AdviseStep extends StepPlace {
  readonly step: "advise";
  readonly part: Part;
  readonly advice: Advice;
  /** Extension `signals`: the error that the call must end with. */
  readonly error: ErrorName | null;
}

/** Signals that a CPU access may end with (extension `signals`), beside the errno names. */
export type ErrorName = ErrnoName | "SIGSEGV" | "SIGBUS";

export interface FillStep extends StepPlace {
  readonly step: "fill";
  readonly part: Part;
  readonly words: Words;
  readonly error: ErrorName | null;
}

export interface CheckStep extends StepPlace {
  readonly step: "check";
  readonly part: Part;
  readonly words: Words;
  readonly error: ErrorName | null;
}

export interface IncrementStep extends StepPlace {
  readonly step: "increment";
  readonly part: Part;
  readonly from: Words;
}

export interface TouchStep extends StepPlace {
  readonly step: "touch";
  readonly part: Part;
  readonly error: ErrorName | null;
}

export interface FileCheckStep extends StepPlace {
  readonly step: "file-check";
  readonly part: Part;
  readonly words: Words;
}

export interface PinStep extends StepPlace {
  readonly step: "pin";
  readonly part: Part;
  readonly kind: "short" | "long";
  readonly write: boolean;
  readonly error: ErrorName | null;
}

/** The nine commands of the test device. */
export const COMMANDS = [
  "read",
  "write",
  "migrate-to-device",
  "migrate-to-system",
  "snapshot",
  "exclusive",
  "check-exclusive",
  "release",
  "fail-next-allocation",
] as const;
export type Command = (typeof COMMANDS)[number];

/** What a device command must answer. */
export interface Expectation {
  /** Pages that the command did; null: not looked at. */
  readonly pages: number | null;
  /** Rounds of miss, fault and resume; null: not looked at. */
  readonly faults: number | null;
  /** The error it must end with; null: it must succeed. */
  readonly error: ErrnoName | null;
  /** Extension `alternatives`: errors that are as good as success. */
  readonly orErrors: readonly ErrnoName[];
}

export interface DeviceStep extends StepPlace {
  readonly step: "device";
  readonly on: string;
  readonly command: Command;
  /** Null for `release` and `fail-next-allocation`. */
  readonly part: Part | null;
  readonly writes: Words | null;
  readonly expect: Expectation;
  readonly reads: Words | null;
  /** Codes of a snapshot, one a page, or a single one for all with `codesAll`. */
  readonly codes: readonly number[] | null;
  readonly codesAll: boolean;
}

export interface ForkStep extends StepPlace {
  readonly step: "fork";
  readonly child: readonly Step[];
  readonly parent: readonly Step[];
  readonly ends: "exit" | "killed";
}

export interface RepeatStep extends StepPlace {
  readonly step: "repeat";
  /** The steps of each round, `$n` replaced. */
  readonly rounds: readonly (readonly Step[])[];
}

/** Extension `race`: while the steps run, another thread of the process gets in between. */
export interface RaceStep extends StepPlace {
  readonly step: "race";
  readonly steps: readonly Step[];
  readonly rival: readonly RivalStep[];
  /** How often the rival does its steps: once at any point, or at so many points from the first on. */
  readonly times: number;
}

/** The steps that another thread can do. */
export type RivalStep = UnmapStep | ProtectStep | AdviseStep | FillStep | TouchStep;

/** What mirrors are told, by the kernel's names. */
export const EVENTS = [
  "UNMAP",
  "CLEAR",
  "PROTECTION_VMA",
  "PROTECTION_PAGE",
  "RELEASE",
  "MIGRATE",
  "EXCLUSIVE",
] as const;
export type EventName = (typeof EVENTS)[number];

/** Extension `notifications`: what the device was told since the last such step, in order, and nothing else. */
export interface NotificationsStep extends StepPlace {
  readonly step: "notifications";
  readonly on: string;
  readonly are: readonly {
    readonly event: EventName;
    /** Null: any range. */
    readonly part: Part | null;
    /** The device on whose behalf; null: not looked at. */
    readonly owner: string | null;
  }[];
}

/** Faults of the extension `faults`. */
export const FAULTS = [
  "none",
  "refuse-invalidation",
  "refuse-moves-in",
  "refuse-moves-out",
  "redirect-moves-in",
  "copy-fails",
  "device-lost",
  "no-memory",
] as const;
export type FaultName = (typeof FAULTS)[number];

export interface InjectStep extends StepPlace {
  readonly step: "inject";
  readonly fault: FaultName;
  /** Null: the host. */
  readonly on: string | null;
  /** `copy-fails`: after so many pages; `no-memory`: so many times. */
  readonly times: number;
}

/** Extension `swap`: the host frees pages of its memory. */
export interface ReclaimStep extends StepPlace {
  readonly step: "reclaim";
  readonly pages: number;
  readonly nonBlocking: boolean;
  readonly expectPages: number | null;
}

/** Extension `placement`: someone who is no driver asks for pages to be moved. */
export interface MigrateStep extends StepPlace {
  readonly step: "migrate";
  readonly part: Part;
  /** A device's name, or `system`. */
  readonly to: string;
  /** Read-only duplicates instead of a move. */
  readonly duplicate: boolean;
  readonly expectPages: number | null;
}

/** Why a page was moved, by the names that `explain` uses. */
export const CAUSES = [
  "none",
  "cpu-fault",
  "device-fault",
  "bind",
  "migrate",
  "eviction",
  "override",
  "release",
  "reclaim",
  "pin",
  "exclusive",
  "copy-on-write",
  "lost",
  "collapse",
  "prefetch",
  "ahead",
] as const;

/** Extension `placement`: what the system says about where every page of a part is, and why. */
export interface ExplainStep extends StepPlace {
  readonly step: "explain";
  readonly part: Part;
  /** A device's name, `system`, `file`, `swap`, `lost` or `nowhere`; null: not looked at. */
  readonly where: string | null;
  readonly from: string | null;
  readonly cause: string | null;
  readonly override: "refused" | "redirected" | "held" | "none" | null;
  readonly by: string | null;
}

export type Step =
  | MapStep
  | UnmapStep
  | ProtectStep
  | RemapStep
  | AdviseStep
  | FillStep
  | CheckStep
  | IncrementStep
  | TouchStep
  | FileCheckStep
  | PinStep
  | DeviceStep
  | ForkStep
  | RepeatStep
  | RaceStep
  | NotificationsStep
  | InjectStep
  | ReclaimStep
  | MigrateStep
  | ExplainStep;

/** A case as its file states it. */
export interface TestCase {
  readonly name: string;
  /** The file it was read from, as it was named. */
  readonly file: string;
  /** What the case says that it needs. */
  readonly needs: readonly string[];
  readonly devices: ReadonlyMap<string, DeviceKind>;
  readonly steps: readonly Step[];
}

/**
 * A case that needs something this version of the format does not know: its steps may use words that cannot be read
 * here, so it can only be skipped by name.
 */
export interface ForeignCase {
  readonly name: string;
  readonly file: string;
  readonly foreign: readonly string[];
}
