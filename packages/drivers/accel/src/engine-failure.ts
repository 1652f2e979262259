import { PAGE_BYTES } from "@hms/hmm";
import type { Why } from "./code.ts";
import {
  E_REFUSED,
  E_REFUSED_ADDRESS,
  E_REFUSED_PAGE,
  E_REFUSED_REGION,
  E_REFUSED_WRITE,
  REFUSED,
  type Refused,
} from "./layout.ts";

/** A request that ends with an error. Made once a failure, thrown and caught within the engine. */
export class Failure extends Error {
  readonly code: number;
  readonly why: Why;

  constructor(code: number, why: Why, detail: string) {
    super(detail);
    this.name = "Failure";
    this.code = code;
    this.why = why;
  }
}

/** What a thrown thing says, whatever it is. */
export function describe(thrown: unknown): string {
  try {
    if (thrown instanceof Error) {
      const where = /\n\s+at (?:.*\()?(?:data:[^,]*,[^:]*|[^\s()]*?)([^/\\:()]*:\d+:\d+)\)?/.exec(
        thrown.stack ?? "",
      );
      // Functions, and programs that are text, have lines, but no file.
      const at = where?.[1]?.replace(/^:/, "line ");
      return `${thrown.name}: ${thrown.message}${at === undefined ? "" : ` (${at})`}`;
    }
    return String(thrown);
  } catch {
    return "something that cannot be shown was thrown";
  }
}

const REFUSALS: Readonly<Record<Refused, string>> = {
  [REFUSED.gone]: "which is not there any more",
  [REFUSED.unreadable]: "which may not be read",
  [REFUSED.readOnly]: "which may only be read",
  [REFUSED.noRoom]: "which has to be in the device's memory (strict), and found no room there",
  [REFUSED.failed]: "which could not be brought there",
};

/**
 * What the kernel says of the fault that it answered with an error, once.
 *
 * @param words the engine's words
 * @param namesOf names of the request's arguments that are of a region
 */
export function refusedFault(words: Int32Array, namesOf: (region: number) => string[]): string {
  const why = REFUSALS[Atomics.exchange(words, E_REFUSED, 0) as Refused];
  if (why === undefined) return "it touched memory that the device cannot have";
  const floats = new Float64Array(words.buffer, 0, words.length >> 1);
  const region = words[E_REFUSED_REGION] ?? 0;
  const first = (floats[E_REFUSED_PAGE >> 1] ?? 0) * PAGE_BYTES;
  const address = (floats[E_REFUSED_ADDRESS >> 1] ?? 0).toString(16);
  const names = namesOf(region).join(" and ");
  const of = names === "" ? `region ${region}` : `${names} (region ${region})`;
  const did = words[E_REFUSED_WRITE] === 1 ? "wrote to" : "read from";
  return `it ${did} ${of}, bytes ${first} to ${first + PAGE_BYTES - 1}, at 0x${address}, ${why}`;
}
