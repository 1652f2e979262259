import {
  COHERENT,
  DUPLICATED,
  EMPTY,
  EXCLUSIVE,
  HOST,
  HUGE_PAGES,
  KIND,
  LOST,
  MOVING,
  NOWHERE,
  type PageCount,
  type PageIndex,
  PRIVATE,
  ZERO,
} from "@hms/hmm";
import type { CoreRegistry, Output, TypeValue } from "@hms/uabi";
import type { Kernel } from "./kernel.ts";
import type { RegionEntry } from "./objects.ts";

type Residency = TypeValue<CoreRegistry, "residency">;
type State = Residency["state"];

/** Where the pages of a range are, in runs: one look at each entry, nothing about why. */
export function residencyOf(
  kernel: Kernel,
  { space }: RegionEntry,
  first: PageIndex,
  count: PageCount,
  limit: number,
): Output<CoreRegistry, "region", "residency"> {
  const { table } = space.linux.space;
  const runs = new Runs(limit);
  const end = first + count;
  let page = first;
  while (page < end && !runs.full) {
    const chunk = table.next(page, end);
    const from = chunk === null ? end : Math.max(page, chunk.first);
    if (from > page) runs.add(page, from - page, NOWHERE, "empty");
    page = from;
    if (chunk === null) break;
    const stop = Math.min(end, chunk.first + HUGE_PAGES);
    for (; page < stop && !runs.full; page++) {
      const flags = chunk.flags[page - chunk.first] ?? EMPTY;
      const place =
        (flags & KIND) === EMPTY ? NOWHERE : table.placeOf(flags, chunk.frames[page - chunk.first] ?? 0);
      runs.add(page, 1, place, stateOf(flags));
    }
  }
  const { places } = kernel.open.core;
  const answer = runs.answer((place) => places.name(place));
  return runs.next === null ? answer : { ...answer, next: runs.next };
}

function stateOf(flags: number): State {
  switch (flags & KIND) {
    case EMPTY:
      return "empty";
    case HOST:
    case COHERENT:
    case PRIVATE:
      if ((flags & ZERO) !== 0) return "zero";
      return (flags & DUPLICATED) !== 0 ? "duplicated" : "mapped";
    case MOVING:
      return "moving";
    case EXCLUSIVE:
      return "exclusive";
    case LOST:
      return "lost";
    default:
      return "mapped";
  }
}

/** Pages that follow each other and are alike become one. */
class Runs {
  readonly #limit: number;
  readonly #runs: Residency[] = [];
  #first = 0;
  #count = 0;
  #place = 0;
  #state: State = "empty";
  /** The first page that there was no room for. */
  next: PageIndex | null = null;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get full(): boolean {
    return this.next !== null;
  }

  add(first: PageIndex, count: PageCount, place: number, state: State): void {
    if (this.#count > 0 && place === this.#place && state === this.#state) {
      this.#count += count;
      return;
    }
    this.#close();
    if (this.#runs.length === this.#limit) {
      this.next = first;
      this.#count = 0;
      return;
    }
    this.#first = first;
    this.#count = count;
    this.#place = place;
    this.#state = state;
  }

  #close(): void {
    if (this.#count === 0) return;
    this.#runs.push({ first: this.#first, count: this.#count, place: this.#place, state: this.#state });
  }

  answer(name: (place: number) => string): { runs: Residency[]; places: string[] } {
    if (this.next === null) this.#close();
    const numbers = [...new Set(this.#runs.map(({ place }) => place))];
    const index = new Map(numbers.map((place, i) => [place, i]));
    return {
      runs: this.#runs.map((run) => ({ ...run, place: index.get(run.place) ?? 0 })),
      places: numbers.map(name),
    };
  }
}
