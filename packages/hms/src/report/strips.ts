import type { CoreRegistry, TypeValue } from "@hms/uabi";
import type { Link } from "../link.ts";
import { CELLS_MAX, type ListedRegion, letterOf, UNTOUCHED, WITH_COPIES } from "./recording.ts";

type Run = ReturnType<Link["sync"]["region"]["residency"]>["runs"][number];

const PAGE_BYTES = 4096;
const RUNS_A_CALL = 4096;
/** Calls for one region; what lies beyond is not looked at. */
const CALLS_MAX = 16;
/** Places that are told apart; the rest is counted as the last. */
const PLACES_MAX = 64;

/** Regions cut into pieces, with a letter each for where most of a piece's pages are. */
export class Strips {
  readonly places: string[] = [];
  readonly #link: Link;
  readonly #devices: readonly string[];

  constructor(link: Link, devices: readonly string[]) {
    this.#link = link;
    this.#devices = devices;
  }

  /** The letters of a region; null when it is gone. */
  of({ region, address, size }: ListedRegion): string | null {
    if (region === undefined) return null;
    const pages = Math.max(1, Math.ceil(size / PAGE_BYTES));
    const start = address / PAGE_BYTES;
    const cells = Math.min(CELLS_MAX, pages);
    const counts = new Float64Array(cells * PLACES_MAX);
    let first = start;
    for (let call = 0; call < CALLS_MAX && first < start + pages; call++) {
      const range = { first, count: start + pages - first };
      const answer = this.#residency(region, range);
      if (answer === null) return null;
      const numbers = answer.places.map((name) => this.#number(name));
      for (const run of answer.runs) {
        const untouched = run.state === "empty" || run.state === "unmapped";
        const place = this.#placeOf(run, answer.places, numbers);
        if (!untouched) spread(counts, run.first - start, run.count, pages / cells, place);
      }
      if (answer.next === undefined) break;
      first = answer.next;
    }
    return letters(counts, cells, pages / cells);
  }

  #residency(
    region: NonNullable<ListedRegion["region"]>,
    range: TypeValue<CoreRegistry, "range">,
  ): ReturnType<Link["sync"]["region"]["residency"]> | null {
    try {
      return this.#link.sync.region.residency({ region, range, limit: RUNS_A_CALL });
    } catch (error) {
      // It was freed since it was listed.
      if (this.#link.over) throw error;
      return null;
    }
  }

  #placeOf({ state, place }: Run, names: readonly string[], numbers: readonly number[]): number {
    if (state === "lost") return this.#number("lost");
    if (state === "duplicated") return this.#number(`${names[place] ?? ""}${WITH_COPIES}`);
    return numbers[place] ?? 0;
  }

  #number(name: string): number {
    const short = placeName(name, this.#devices);
    const known = this.places.indexOf(short);
    if (known >= 0) return known;
    if (this.places.length === PLACES_MAX) return PLACES_MAX - 1;
    return this.places.push(short) - 1;
  }
}

/** The memory of a device is called as the device. */
export function placeName(name: string, devices: readonly string[]): string {
  return devices.find((device) => name === `${device} memory`) ?? name;
}

/** Adds the pages of a run to the pieces that they are in. */
function spread(counts: Float64Array, first: number, count: number, pagesACell: number, place: number): void {
  let page = first;
  const end = first + count;
  while (page < end) {
    const cell = Math.floor(page / pagesACell + 1e-9);
    const stop = Math.min(end, (cell + 1) * pagesACell);
    const at = cell * PLACES_MAX + place;
    counts[at] = (counts[at] ?? 0) + Math.max(stop - page, 0);
    if (stop <= page) break;
    page = stop;
  }
}

function letters(counts: Float64Array, cells: number, pagesACell: number): string {
  let text = "";
  for (let cell = 0; cell < cells; cell++) {
    let best = -1;
    let most = 0;
    let touched = 0;
    for (let place = 0; place < PLACES_MAX; place++) {
      const pages = counts[cell * PLACES_MAX + place] ?? 0;
      touched += pages;
      if (pages > most) {
        most = pages;
        best = place;
      }
    }
    text += best < 0 || pagesACell - touched > most ? UNTOUCHED : letterOf(best);
  }
  return text;
}
