// Apart from options.ts, which regions need themselves.
import type { TypedArray } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import type { Handle } from "@hms/uabi";
import { type Link, otherHms } from "./link.ts";
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

/**
 * Throws OTHER_SPACE (EINVAL) for a region of another hms: what its handle and its pages say means others here. Also
 * REGION_FREED (ENOENT), HMS_CLOSED (ENODEV). `action` goes before the region's name.
 */
export function expectOurs(action: string, link: Link, { region }: Slice<TypedArray>): void {
  region.expectHere(action);
  if (!region.isOf(link)) throw otherHms(`${action} ${region.name}`);
}

/** The same, and OTHER_SPACE (EINVAL) for a region of another space of this hms. */
export function expectIn(
  action: string,
  link: Link,
  space: Handle<"space">,
  { region }: Slice<TypedArray>,
): void {
  expectOurs(action, link, region);
  if (region.isIn(space)) return;
  throw new HmsError(
    "OTHER_SPACE",
    "EINVAL",
    `${action} ${region.name} failed: it is in another space of this hms. Ask the space that made it.`,
  );
}

function badRegion(action: string, expected: string, given: unknown): HmsError {
  return new HmsError(
    "BAD_REGION",
    "EINVAL",
    `${action} failed: expected is ${expected}, not ${kindOf(given)}.`,
  );
}
