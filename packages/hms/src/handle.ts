import { HmsError } from "@hms/topology";
import { BYTES, type Meeting } from "./beside.ts";
import type { HmsHandle } from "./hms.ts";
import { kindOf } from "./options.ts";
import type { RegionHandle } from "./region.ts";

/**
 * Throws BAD_HANDLE (EINVAL) for what `handle()` did not give: what it says is used as it is, and memory that is none
 * ends the process.
 */
export function expectHandle(handle: unknown): asserts handle is HmsHandle | RegionHandle {
  const given = typeof handle === "object" && handle !== null ? (handle as Partial<RegionHandle>) : null;
  const kind = given?.hms as unknown;
  if (given === null || (kind !== "hms" && kind !== "region"))
    throw badHandle(`expected is what handle() of hms or of a region gave, not ${kindOf(handle)}`);
  if (!isMeeting(given.meeting))
    throw badHandle("its shared memory is missing: a handle has to be posted as it is, and cannot be text");
  const whole = kind === "hms" || (isCount(given.region) && isCount(given.length) && isText(given.name));
  if (!whole || !isCount(given.context) || !isCount(given.space))
    throw badHandle("it is not as handle() gave it; post it as it is");
}

/** Throws BAD_HANDLE (EINVAL) for a handle that says more than the region has. */
export function expectInside({ name, length, type }: RegionHandle, elementBytes: number, size: number): void {
  if (length * elementBytes <= size) return;
  throw new HmsError(
    "BAD_HANDLE",
    "EINVAL",
    `Attaching ${name} failed: its handle says ${length} elements of ${type}, which are ${length * elementBytes} bytes, and the region has ${size}. Use the handle as it was given.`,
  );
}

function isMeeting(meeting: Partial<Meeting> | undefined): boolean {
  if (typeof meeting !== "object" || meeting === null) return false;
  const { words, channel, wakeFd, wakePage } = meeting;
  return (
    words instanceof SharedArrayBuffer &&
    words.byteLength === BYTES &&
    isText(channel) &&
    Number.isInteger(wakeFd) &&
    isCount(wakePage?.address) &&
    wakePage?.words instanceof Int32Array
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function badHandle(why: string): HmsError {
  return new HmsError("BAD_HANDLE", "EINVAL", `Attaching failed: ${why}.`);
}
