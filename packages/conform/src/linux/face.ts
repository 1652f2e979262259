import type { Advice, Command, DeviceKind, EventName, FaultName, Protection } from "../format/case.ts";
import type { CommandResult, PageSpan } from "../host.ts";

// What the program's threads ask the kernel thread for. Everything goes as JSON; bytes go through the carrier.

/** A mapping, as the kernel thread makes it. */
export interface MapAsked {
  readonly pages: number;
  readonly protection: Protection;
  readonly kind: "private" | "shared" | "file";
  /** The file behind it. */
  readonly path: string | null;
  readonly huge: boolean;
  readonly at: number | null;
}

/** A part of a range that is one mapping. */
export interface Piece extends PageSpan {
  readonly kind: "private" | "shared" | "file";
}

/** The first page of a range that cannot be accessed. */
export interface Barrier {
  readonly page: number;
  readonly signal: "SIGSEGV" | "SIGBUS" | "ENOMEM";
}

/** `Explained`, with devices by their numbers. */
export interface ExplainedPart {
  readonly pages: number;
  readonly where: string | number;
  readonly from: string | number | null;
  readonly cause: string;
  readonly override: { readonly what: string; readonly by: number | null } | null;
}

/** `Notified`, with devices by their numbers. */
export interface NotifiedPart {
  readonly event: EventName;
  readonly span: PageSpan;
  readonly owner: number | null;
}

/** The calls by name, in the order of what they take and answer. */
export interface Calls {
  open(): void;
  close(): void;
  end(): void;
  audit(): string | null;
  map(asked: MapAsked): number;
  pieces(span: PageSpan): readonly Piece[];
  unmap(span: PageSpan): void;
  discard(span: PageSpan): void;
  protect(span: PageSpan, protection: Protection): void;
  remap(span: PageSpan, keepOld: boolean): number;
  advise(span: PageSpan, advice: Advice): void;
  barrier(span: PageSpan, write: boolean): Barrier | null;
  writeBack(page: number): void;
  pin(span: PageSpan, kind: "short" | "long", write: boolean): void;
  openDevice(kind: DeviceKind, index: number): number;
  closeDevice(device: number): void;
  run(device: number, command: Command, span: PageSpan | null, bytes: number): CommandResult;
  notifications(device: number): readonly NotifiedPart[];
  injectDevice(device: number, fault: FaultName, times: number): void;
  inject(fault: FaultName, times: number): void;
  reclaim(pages: number, nonBlocking: boolean): number;
  migrate(span: PageSpan, to: number | null, duplicate: boolean): number;
  explain(span: PageSpan): readonly ExplainedPart[];
}
