// What programs hand over for the arguments of kernels is checked before anything is done with it.
import { BIGINT_MAX, BIGINT_MIN } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import { ARGUMENTS_MAX } from "./beside.ts";
import { expectOurs } from "./expect-region.ts";
import type { Link } from "./link.ts";
import { kindOf, NAME_BYTES } from "./options.ts";
import type { Argument, Arguments } from "./program.ts";
import { Slice } from "./region.ts";

/** The error of a request that says what cannot be. */
export function badArgument(why: string): HmsError {
  return new HmsError("BAD_ARGUMENT", "EINVAL", `Running a kernel failed: ${why}.`);
}

/** The names of arguments. Throws BAD_ARGUMENT (EINVAL) for what has none: an array, a map, … */
export function namesOf(args: Arguments): string[] {
  // What is written out, or made by a class; not what keeps its values elsewhere than in properties.
  if (Object.prototype.toString.call(args) === "[object Object]") return Object.keys(args);
  throw badArgument(`its arguments must be an object with a property for each, not ${kindOf(args)}`);
}

/** Throws BAD_ARGUMENT (EINVAL) for names that a kernel cannot have for its arguments. */
export function expectNames(names: readonly string[]): void {
  if (names.length > ARGUMENTS_MAX)
    throw badArgument(`it has ${names.length} arguments, and a request can have ${ARGUMENTS_MAX} at most`);
  for (const name of names) {
    const fits = name !== "" && Buffer.byteLength(name) <= NAME_BYTES;
    // Kernels get an object: setting its __proto__ gives it no such property.
    if (fits && name.isWellFormed() && !name.includes("\0") && name !== "__proto__") continue;
    throw badArgument(
      `the name of an argument must have 1 to ${NAME_BYTES} bytes of UTF-8, no zero among them, and not be __proto__; ${kindOf(name)} is not such a name`,
    );
  }
}

/** Throws BAD_ARGUMENT (EINVAL) for what no kernel can be given, and what `expectOurs` throws. */
export function expectArgument(
  link: Link,
  name: string,
  argument: Argument | undefined,
): asserts argument is Argument {
  if (typeof argument === "number") return;
  if (typeof argument === "bigint") {
    if (argument >= BIGINT_MIN && argument <= BIGINT_MAX) return;
    throw badArgument(`argument ${name} must be a bigint from -2^63 to 2^63 - 1, not ${argument}`);
  }
  if (typeof argument !== "object" || argument === null || !("array" in argument))
    throw badArgument(
      `argument ${name} must be a number, or what read(), write() or update() of a region gives, not ${kindOf(argument)}`,
    );
  const { array } = argument;
  if (!(array instanceof Slice))
    throw badArgument(`argument ${name} must be of a region or a slice of one, not of ${kindOf(array)}`);
  expectOurs("Running a kernel on", link, array);
}
