import type { Why } from "./code.ts";

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
      return `${thrown.name}: ${thrown.message}${where === null ? "" : ` (${where[1]})`}`;
    }
    return String(thrown);
  } catch {
    return "something that cannot be shown was thrown";
  }
}
