import type { ErrnoName } from "@hms/topology";
import type { Advice, Command, DeviceKind, EventName, FaultName, Protection } from "./format/case.ts";

/** A value now, or a promise of it: the simulated host answers at once, a real one need not. */
export type Awaitable<T> = T | Promise<T>;

/** Pages of a process's address space that follow each other. */
export interface PageSpan {
  /** Number of the first page: its address divided by 4096. */
  readonly page: number;
  /** How many, at least 1. */
  readonly pages: number;
}

/**
 * What runs conformance cases: the simulated host with the test device, the real host, or the kernel's own test
 * device. A step of a case is one call. Calls fail by throwing an HmsError whose `errno` is the kernel's name; a CPU
 * access that the kernel would answer with a signal throws one whose `code` is `SIGSEGV` or `SIGBUS`.
 */
export interface CaseHost {
  readonly name: string;
  /** Names of what the host can do: those of the format and of its extensions. */
  readonly capabilities: ReadonlySet<string>;
  /** How many devices of each kind can be open at the same time. */
  readonly devices: Readonly<Record<DeviceKind, number>>;
  /** A fresh machine with one process, which nothing of an earlier case has touched. */
  start(): Awaitable<CaseMachine>;
  /** What is about to be done, for a host that watches that it ends; null: nothing. */
  begins?(what: string | null): void;
}

/** The machine of one case. */
export interface CaseMachine {
  readonly process: CaseProcess;
  /** What is wrong inside of the machine although no step noticed, if it can tell: one sentence, else null. */
  audit?(): Awaitable<string | null>;
  close(): Awaitable<void>;
}

/** What a `map` step asks for. */
export interface MapRequest {
  readonly pages: number;
  readonly protection: Protection;
  readonly share: "private" | "shared";
  readonly backing:
    | { readonly kind: "anonymous" | "hugetlb" }
    | { readonly kind: "file" | "dax"; readonly file: CaseFile }
    | { readonly kind: "device"; readonly device: CaseDevice };
  /** Aligned to 2 MiB and advised to use huge pages. */
  readonly huge: boolean;
  /** The page to map at, over whatever is there; null: anywhere. */
  readonly at: number | null;
}

/** A file that backs a mapping; it has no name, and lives as long as something uses it. */
export interface CaseFile {
  /** Reads the file itself, not a mapping of it, from a page on. */
  read(firstPage: number, into: Uint8Array): Awaitable<void>;
}

/** A process of the machine. */
export interface CaseProcess {
  /** Opens the device number `index` of a kind, counted from 0; the same number is the same device in every process. */
  openDevice(kind: DeviceKind, index: number): Awaitable<CaseDevice>;
  /** Makes a file. `sharing` is given for DAX files only: the new one shares the extents of that one. */
  createFile(kind: "file" | "dax", content: Uint8Array, sharing: CaseFile | null): Awaitable<CaseFile>;
  /** Returns the first page. */
  map(request: MapRequest): Awaitable<number>;
  unmap(span: PageSpan): Awaitable<void>;
  protect(span: PageSpan, protection: Protection): Awaitable<void>;
  /** Moves the range to a new place and returns its first page. */
  remap(span: PageSpan, keepOld: boolean): Awaitable<number>;
  advise(span: PageSpan, advice: Advice): Awaitable<void>;
  /** The CPU reads bytes from the start of a page on. */
  load(page: number, into: Uint8Array): Awaitable<void>;
  /** The CPU writes bytes from the start of a page on. */
  store(page: number, from: Uint8Array): Awaitable<void>;
  /** The CPU reads one word of each page. */
  touch(span: PageSpan): Awaitable<void>;
  /** A short pin is taken and given back at once; a long one is held until the process ends. */
  pin(span: PageSpan, kind: "short" | "long", write: boolean): Awaitable<void>;
  fork(): Awaitable<CaseProcess>;
  end(how: "exit" | "killed"): Awaitable<void>;
  /** What the extensions of the format need; a host without them leaves it out, and their capabilities too. */
  readonly extended?: ExtendedProcess;
}

/** What a second thread of a process does at one point: each call is one of the process's. */
export type RivalCall = (process: CaseProcess) => Awaitable<void>;

/** A second thread that is at work. */
export interface Rival {
  stop(): Awaitable<void>;
  abandon(): void;
}

/** Where pages that follow each other are, and why. */
export interface Explained {
  readonly pages: number;
  /** `system`, `file`, `swap`, `lost`, `nowhere`, or the device in whose memory they are. */
  readonly where: string | CaseDevice;
  /** Where they were before the last move; null when they never moved. */
  readonly from: string | CaseDevice | null;
  readonly cause: string;
  /** What the host or a driver made of the last wish for them, and who; null when it was as asked. */
  readonly override: { readonly what: string; readonly by: CaseDevice | null } | null;
}

/** The extensions of the format, for a process. */
export interface ExtendedProcess {
  /**
   * `race`: from now on another thread of the process does the calls, `times` times, at points of what this one does
   * where it could get in between. `stop` makes sure that they were done once, and throws if one failed; `abandon`
   * only ends it.
   */
  rival(calls: readonly RivalCall[], times: number): Rival;
  /** `faults` of the host. */
  inject(fault: FaultName, times: number): Awaitable<void>;
  /** `swap`: frees pages of memory; how many it was. */
  reclaim(pages: number, options: { readonly nonBlocking: boolean }): Awaitable<number>;
  /** `placement`: someone who is no driver asks for pages to be moved to a device, or home (null); how many moved. */
  migrate(span: PageSpan, to: CaseDevice | null, options: { readonly duplicate: boolean }): Awaitable<number>;
  /** `placement`: where pages are, and why, in order and without a gap. */
  explain(span: PageSpan): Awaitable<readonly Explained[]>;
}

/** One notification, as a device got it. */
export interface Notified {
  readonly event: EventName;
  readonly span: PageSpan;
  /** The device on whose behalf. */
  readonly owner: CaseDevice | null;
}

/** What a device command answers. */
export interface CommandResult {
  /** The kernel's name of the failure; null when the command succeeded. */
  readonly error: ErrnoName | null;
  /** Pages done; with an error, not looked at. */
  readonly pages: number;
  /** Rounds of miss, fault and resume; with an error, not looked at. */
  readonly faults: number;
}

/** A test device that a process has opened. */
export interface CaseDevice {
  /**
   * Runs one command. `buffer` is the program's buffer for it: data for `write`; room for what the device holds for
   * `read`, `migrate-to-device` and `exclusive`; room for a byte a page for `snapshot`. `span` is null for `release`
   * and `fail-next-allocation`.
   */
  run(command: Command, span: PageSpan | null, buffer: Uint8Array): Awaitable<CommandResult>;
  close(): Awaitable<void>;
  /** Extension `notifications`: what the device was told since it was opened, or since the last call, in order. */
  notifications?(): Awaitable<readonly Notified[]>;
  /** Extension `faults`. */
  inject?(fault: FaultName, times: number): Awaitable<void>;
}
