import type { Target } from "@hms/topology";
import type { Candidate } from "./candidate.ts";
import type { Mode } from "./request.ts";
import type { ByteCount } from "./units.ts";
import { unknownBandwidth, weightsFor } from "./weights.ts";

/** Which targets are wanted where none are listed. */
export function pick(usable: readonly Candidate[], mode: Mode, size: ByteCount): readonly Candidate[] {
  switch (mode) {
    case "interleave":
      return widest(usable);
    case "weighted": {
      const known = turnTakers(usable).filter((one) => one.bandwidth !== null);
      return known.length > 0 ? known : usable.slice(0, 1);
    }
    default:
      return roomiest(usable, size);
  }
}

/** As many of the best as have the room; the best one where none is asked for. */
function roomiest(usable: readonly Candidate[], size: ByteCount): readonly Candidate[] {
  let room = 0;
  for (let i = 0; i < usable.length; i++) {
    room += usable[i]?.room ?? 0;
    if (room >= size) return usable.slice(0, i + 1);
  }
  return usable;
}

/** What takes part when pages go round: system memory, and the best one, whatever it is. */
function turnTakers(usable: readonly Candidate[]): readonly Candidate[] {
  const [first] = usable;
  return usable.filter((one) => one === first || one.target.numaNode !== null);
}

/** As many of the widest as give most together: each gives as much as the slowest of them, for pages go round evenly. */
function widest(usable: readonly Candidate[]): readonly Candidate[] {
  const takers = turnTakers(usable);
  const [first] = takers;
  if (first === undefined) return [];
  const known = takers.filter((one) => one.bandwidth !== null);
  // Where nothing is known, what is of the best one's kind can be expected to be alike.
  if (known.length === 0) return takers.filter((one) => one.target.kind.kind === first.target.kind.kind);
  const byWidth = known.toSorted((a, b) => (b.bandwidth ?? 0) - (a.bandwidth ?? 0));
  let count = 1;
  let most = 0;
  byWidth.forEach(({ bandwidth }, i) => {
    const together = (bandwidth ?? 0) * (i + 1);
    if (together <= most) return;
    most = together;
    count = i + 1;
  });
  return byWidth.slice(0, count);
}

/** Pages of a turn for each wanted target: as given for the list, or from the bandwidths. */
export function weigh(
  wanted: readonly Candidate[],
  list: readonly Target[] | null,
  given: readonly number[] | undefined,
): readonly number[] {
  if (given !== undefined && list !== null) {
    return wanted.map(({ target }) => given[list.indexOf(target)] ?? 1);
  }
  if (wanted.length < 2) return wanted.map(() => 1);
  return weightsFor(
    wanted.map(({ target, bandwidth }) => {
      if (bandwidth === null) throw unknownBandwidth(target);
      return bandwidth;
    }),
  );
}
