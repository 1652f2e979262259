import { nearest } from "../../query/names.ts";

/** Names compared with a misspelt one, at most. */
const COMPARED_MAX = 4096;
/** Names listed when none is near, at most. */
const LISTED_MAX = 12;

/** The end of a sentence about a name that is not there: what was meant, or what there is. */
export function offer(word: string, names: Iterable<string>): string {
  const all = [...names];
  const near = nearest(word, all.slice(0, COMPARED_MAX));
  if (near.length > 0) return `; did you mean ${near.join(" or ")}?`;
  if (all.length === 0) return "; there are none";
  const listed = all.slice(0, LISTED_MAX).join(", ");
  return `; there ${all.length === 1 ? "is" : "are"} ${listed}${all.length > LISTED_MAX ? ", …" : ""}`;
}
