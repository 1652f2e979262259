import { HmsError } from "@hms/topology";
import { PLACES_MAX } from "./limits.ts";

/** A number for each place that a page can be in; small, because each page remembers where it came from. */
export type PlaceId = number;

/** Nowhere: never populated, or a page of zeros. */
export const NOWHERE: PlaceId = 0;
/** Anonymous pages in the host's memory. */
export const HOST_PLACE: PlaceId = 1;
/** Pages of files in the host's memory. */
export const FILE_PLACE: PlaceId = 2;
/** The host's swap. */
export const SWAP_PLACE: PlaceId = 3;
/** Lost with a device. */
export const LOST_PLACE: PlaceId = 4;
/** Names of the places that are no device's memory, by their numbers. */
export const HOST_PLACES = ["nowhere", "host", "file", "swap", "lost"] as const;
/** The first device memory. */
export const FIRST_DEVICE_PLACE: PlaceId = 5;

/**
 * The places by number. A number is used again when its memory is gone and no other is left: pages that remember it
 * then show the new name.
 */
export class Places {
  readonly #names: string[] = [...HOST_PLACES];
  readonly #free: PlaceId[] = [];

  /** Throws ENOSPC when there are 250 places. */
  add(name: string): PlaceId {
    if (this.#names.length < PLACES_MAX) {
      this.#names.push(name);
      return this.#names.length - 1;
    }
    const reused = this.#free.shift();
    if (reused === undefined) {
      throw new HmsError(
        "TOO_MANY_MEMORIES",
        "ENOSPC",
        `Adding memory ${name} failed: at most ${PLACES_MAX} memories can be told apart. Close one first.`,
      );
    }
    this.#names[reused] = name;
    return reused;
  }

  remove(place: PlaceId): void {
    this.#free.push(place);
  }

  name(place: PlaceId): string {
    return this.#names[place] ?? "unknown";
  }
}
