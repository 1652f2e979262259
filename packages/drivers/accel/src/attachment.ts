import type { PageCount, PageIndex } from "@hms/hmm";
import type { Advice, ViewWindow } from "./view.ts";

/** What a queue is to reach. */
export interface AttachOptions {
  /** The region's id: how requests name it. */
  readonly region: number;
  /** Where it is in the queue's space; all of it one region, of which parts may have rights of their own. */
  readonly first: PageIndex;
  readonly pages: PageCount;
  /** What requests may do; default: what the region allows. */
  readonly access?: "read" | "update";
  /** How the device gets its pages; default `auto`. */
  readonly advice?: Advice;
  /** Whether its pages may be touched in order, so that what comes next may come ahead; default true. */
  readonly inOrder?: boolean;
  /** A WebAssembly program in whose memory it is to be, in place of the device's address space. */
  readonly program?: number;
}

/** A region that a queue reaches. */
export interface Attachment {
  readonly region: number;
  /** 0: the device's address space; else a WebAssembly program's memory. */
  readonly program: number;
  readonly access: number;
  readonly window: ViewWindow;
  /** Where it begins in a WebAssembly memory; 0 otherwise. */
  readonly byteOffset: number;
}
