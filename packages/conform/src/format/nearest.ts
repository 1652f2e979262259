/**
 * The allowed name that a mistyped one most probably meant: the one at the smallest edit distance, if that is at most
 * a third of the name's length (at least 1); null when none is near.
 */
export function nearestName(given: string, allowed: readonly string[]): string | null {
  const limit = Math.max(1, Math.floor(given.length / 3));
  let best: string | null = null;
  let bestDistance = limit + 1;
  for (const name of allowed) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase(), bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, removals, replacements and swaps of neighbours between two words; `bound` or more counts as `bound`. */
function editDistance(a: string, b: string, bound: number): number {
  if (Math.abs(a.length - b.length) >= bound) return bound;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(bound, last[b.length] ?? bound);
}

/** `"mapp" …` with the nearest name, if there is one, and all that is allowed: the end of a sentence about it. */
export function suggestion(given: string, allowed: readonly string[]): string {
  const near = nearestName(given, allowed);
  const all = allowed.join(", ");
  return near === null ? `use one of ${all}` : `did you mean "${near}"? (allowed: ${all})`;
}
