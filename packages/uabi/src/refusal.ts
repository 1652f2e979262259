import { type ErrnoName, HmsError } from "@hms/topology";
import type { AttributesSpec } from "./spec.ts";
import { IGNORED_WORDS_MAX, INDEX_BIT, PATH_MAX } from "./wire.ts";

/** What the protocol itself puts into answers and failures, in a namespace of its own. */
export const REFUSAL: AttributesSpec = {
  "~ignored": {
    id: 0xff01,
    type: "array",
    item: { type: "u32" },
    maxCount: IGNORED_WORDS_MAX,
    doc: "Paths of the attributes that the service did not know and left aside: each its length, then its elements.",
  },
  "~ignoredCount": { id: 0xff02, type: "u32", doc: "How many it left aside." },
  "~code": { id: 0xff03, type: "string", maxBytes: 128, doc: "The failure's code." },
  "~errno": { id: 0xff04, type: "string", maxBytes: 32, doc: "The errno's name; absent when none fits." },
  "~message": { id: 0xff05, type: "string", maxBytes: 65536, doc: "The failure in one sentence." },
  "~path": {
    id: 0xff06,
    type: "array",
    item: { type: "u32" },
    maxCount: PATH_MAX,
    doc: "Where in the request: ids of attributes from the outside in; an index in an array has its highest bit set.",
  },
  "~offset": { id: 0xff07, type: "u32", doc: "Offset in the request of that attribute's header." },
  "~expected": { id: 0xff08, type: "string", maxBytes: 4096, doc: "What was expected there." },
};

/** What is said of an attribute that fails a request. */
export interface Place {
  /** Ids of attributes from the outside in; an index in an array has its highest bit set. */
  readonly path: readonly number[];
  /** Bytes from the start of the request to the attribute's header; null when a handler blamed it. */
  readonly offset: number | null;
  /** What was expected there. */
  readonly expected: string;
}

/**
 * A request that the service refused or could not carry out, as the client sees it. `code` and `errno` are the
 * service's; the rest says where in the request, when it was one attribute's fault.
 */
export class InterfaceError extends HmsError {
  /** The attribute: ids from the outside in; an index in an array has its highest bit set. Null: not one's fault. */
  readonly path: readonly number[] | null;
  /** Bytes from the start of the request to the attribute's header, or null. */
  readonly offset: number | null;
  /** What was expected there, or null. */
  readonly expected: string | null;
  /** Outputs that were written all the same, by name. */
  readonly outputs: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    errno: ErrnoName | null,
    message: string,
    place: Place | null,
    outputs: Readonly<Record<string, unknown>> = {},
  ) {
    super(code, errno, message);
    this.name = "InterfaceError";
    this.path = place?.path ?? null;
    this.offset = place?.offset ?? null;
    this.expected = place?.expected ?? null;
    this.outputs = outputs;
  }
}

/** A path in words: `range`, `devices[2].name`; an id without a name as `0x0107`. */
export function pathText(path: readonly number[], names: readonly (string | undefined)[] = []): string {
  let text = "";
  path.forEach((element, i) => {
    if (element >= INDEX_BIT) text += `[${element - INDEX_BIT}]`;
    else text += `${i === 0 ? "" : "."}${names[i] ?? `0x${element.toString(16).padStart(4, "0")}`}`;
  });
  return text;
}
