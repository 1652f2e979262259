/** Number of a place for one page in a target: from 0, below the capacity. */
export type Slot = number;

/**
 * Chooses which page leaves a target when another one needs its place. It is told what happens to the places (slots) of
 * the target, and keeps nothing but a few bytes for each: nothing is allocated after it is made.
 *
 * A victim that cannot leave (it is pinned, its driver holds it) is inserted again: it is as good as used.
 */
export interface VictimPolicy {
  readonly name: VictimName;
  /** How many slots there are. */
  readonly capacity: number;
  /** How many of them have a page. */
  readonly size: number;
  /**
   * A page came to a slot that had none.
   *
   * @param key tells the page from others when it comes back: a whole number from 0 below 2^53
   */
  insert(slot: Slot, key: number): void;
  /** The page in a slot was used. */
  touch(slot: Slot): void;
  /** The page in a slot went away by itself. */
  remove(slot: Slot): void;
  /** Chooses the slot whose page is to leave, and takes it out; −1: none has a page. */
  victim(): Slot;
}

/** The ways to choose. */
export const VICTIM_NAMES = ["lru", "clock", "s3-fifo", "sieve"] as const;
export type VictimName = (typeof VICTIM_NAMES)[number];

/** Slots of one policy. */
export const SLOTS_MAX: number = 2 ** 30;

/** The number of slots, if it can be one. */
export function checkedCapacity(capacity: number): number {
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= SLOTS_MAX) return capacity;
  throw new RangeError(
    `Choose victims: there must be from 1 to ${SLOTS_MAX} slots, but ${capacity} were asked for`,
  );
}

/** Something happened to a slot that cannot: a programmer's error. */
export function impossible(policy: VictimPolicy, what: string, slot: Slot): Error {
  return new Error(`Choose victims (${policy.name}): slot ${slot} of ${policy.capacity} ${what}.`);
}
