import { nearest } from "@hms/topology";

/** The end of a sentence about a name that is not among the allowed ones: the nearest of them, and all of them. */
export function suggestion(given: string, allowed: readonly string[]): string {
  const [near] = nearest(given, allowed);
  const all = allowed.join(", ");
  return near === undefined ? `use one of ${all}` : `did you mean "${near}"? (allowed: ${all})`;
}
