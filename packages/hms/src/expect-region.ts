// Apart from options.ts, which regions need themselves.
import { HmsError } from "@hms/topology";
import { kindOf } from "./options.ts";
import { Shared, Slice } from "./region.ts";

/** Throws BAD_REGION (EINVAL) for what is no region nor a part of one. */
export function expectSlice(action: string, of: unknown): void {
  if (of instanceof Slice) return;
  throw badRegion(action, "a region or a slice of one, as alloc, file and slice give them", of);
}

/** The same for what has to be all of a region. */
export function expectRegion(action: string, of: unknown): void {
  if (of instanceof Shared) return;
  throw badRegion(action, "a whole region, as alloc and file give it", of);
}

function badRegion(action: string, expected: string, given: unknown): HmsError {
  return new HmsError(
    "BAD_REGION",
    "EINVAL",
    `${action} failed: expected is ${expected}, not ${kindOf(given)}.`,
  );
}
