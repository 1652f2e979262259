import type { Profile } from "./profile.ts";
import { type Op, Program } from "./program.ts";
import { type Failure, replay, SEED_LOOK_EVERY } from "./torture.ts";
import type { World } from "./world.ts";

/** Work that shrinking does at most, all attempts together: an operation is 1, about 5 µs. */
const WORK_MAX = 10_000_000;
/** What making a world, and looking at all of it, count as. */
const WORLD_WORK = 100;
const LOOK_WORK = 40;
/** Looks at everything of one attempt, about: more would take longer than the operations. */
const LOOKS = 256;
/** So few operations are looked at one by one, and their times shifted. */
const FEW = 40;
/** How far the point at which something happens within an operation is shifted, at most. */
const SHIFT_MAX = 12;

interface Entry {
  readonly op: Op;
  /** The entry within which it happens; null: none. */
  readonly parent: Entry | null;
  readonly at: number;
}

/** What shrinking came to. */
export interface Shrunk {
  readonly failure: Failure;
  /** Operations that are left. */
  readonly program: Program;
}

/** What shrinking tells while it goes on. */
export interface ShrinkOptions {
  /** Called with the world of each attempt, to break it on purpose. */
  readonly prepare?: ((world: World) => void) | undefined;
  /** Called after each attempt, with the operations that are left. */
  readonly onProgress?: ((operations: number) => void) | undefined;
}

/**
 * Leaves out operations for as long as the same thing fails (delta debugging). What fails is the same when its message
 * is, numbers aside. What is left keeps its interleaving: what runs within what, and when. Null: done again, the
 * program does not fail.
 */
export function shrink(failure: Failure, options: ShrinkOptions = {}): Shrunk | null {
  return new Shrinker(failure, options).run();
}

class Shrinker {
  readonly #profile: Profile;
  readonly #kinds: Set<string>;
  readonly #options: ShrinkOptions;
  #entries: Entry[];
  #work = 0;
  #last: Shrunk | null = null;

  constructor(failure: Failure, options: ShrinkOptions) {
    this.#profile = failure.profile;
    this.#options = options;
    this.#kinds = new Set([kindOf(failure)]);
    this.#entries = entriesOf(failure.program);
  }

  run(): Shrunk | null {
    // As the seed was run; only then with more looks, which may find it earlier, and in other words.
    if (!this.#fails(this.#entries, SEED_LOOK_EVERY)) return null;
    this.#cut();
    const sooner = this.#attempt(this.#entries, lookEvery(this.#entries.length));
    if (sooner !== null) this.#kinds.add(kindOf(sooner.failure));
    if (sooner !== null) this.#last = sooner;
    this.#cut();
    for (let before = -1; before !== this.#entries.length && this.#hasTime; ) {
      before = this.#entries.length;
      for (let size = before >> 1; size >= 1; size >>= 1) this.#pass(size);
      this.#flatten();
      this.#shift();
    }
    return this.#last;
  }

  get #hasTime(): boolean {
    return this.#work < WORK_MAX;
  }

  /** What comes after the operation that failed is not needed. */
  #cut(): void {
    const cut = cutAfter(this.#entries, this.#last?.failure.step ?? 0);
    if (cut.length < this.#entries.length && this.#fails(cut)) this.#entries = cut;
  }

  /** Leaves out each run of so many operations that is not needed. */
  #pass(size: number): void {
    for (let at = this.#entries.length - size; at > -size && this.#hasTime; at -= size) {
      const from = Math.max(0, at);
      const without = withoutOrphans(this.#entries.filter((_, i) => i < from || i >= from + size));
      if (without.length < this.#entries.length && this.#fails(without)) this.#entries = without;
      if (at > this.#entries.length) at = this.#entries.length;
    }
  }

  /** An operation within another one that can as well come before it. */
  #flatten(): void {
    for (let i = 0; i < this.#entries.length && this.#hasTime; i++) {
      const entry = this.#entries[i];
      if (entry?.parent === null || entry === undefined) continue;
      const alone: Entry = { ...entry, parent: null, at: 0 };
      const others = this.#entries.filter((other) => other !== entry && other.parent !== entry);
      let outermost: Entry = entry;
      while (outermost.parent !== null) outermost = outermost.parent;
      const place = others.indexOf(outermost);
      const flat = [...others.slice(0, place), alone, ...others.slice(place)];
      if (this.#fails(flat)) this.#entries = flat;
    }
  }

  /**
   * Leaves out one operation, and lets what happens within others happen a little sooner: without that operation fewer
   * points may come before the one that matters.
   */
  #shift(): void {
    if (this.#entries.length > FEW || this.#entries.every((entry) => entry.parent === null)) return;
    for (let i = this.#entries.length - 1; i >= 0 && this.#hasTime; i--) {
      const without = withoutOrphans(this.#entries.filter((_, k) => k !== i));
      for (let by = 1; by <= SHIFT_MAX && this.#hasTime; by++) {
        const sooner = shifted(without, by);
        if (sooner === null) break;
        if (!this.#fails(sooner)) continue;
        this.#entries = sooner;
        break;
      }
      i = Math.min(i, this.#entries.length);
    }
  }

  #fails(entries: readonly Entry[], every = lookEvery(entries.length)): boolean {
    const found = this.#attempt(entries, every);
    if (found === null || !this.#kinds.has(kindOf(found.failure))) return false;
    this.#last = found;
    return true;
  }

  #attempt(entries: readonly Entry[], every: number): Shrunk | null {
    this.#work += entries.length + WORLD_WORK + Math.ceil(entries.length / every) * LOOK_WORK;
    const { prepare, onProgress } = this.#options;
    const program = programOf(entries);
    const failure = replay(program, this.#profile, { lookEvery: every, prepare });
    onProgress?.(this.#entries.length);
    return failure === null ? null : { failure, program };
  }
}

function lookEvery(operations: number): number {
  return Math.max(1, Math.floor(operations / LOOKS));
}

function kindOf({ message }: Failure): string {
  return (message.split("\n", 1)[0] ?? "").replace(/-?\d+/g, "N");
}

function entriesOf(program: Program): Entry[] {
  const entries: Entry[] = [];
  for (let i = 0; i < program.length; i++) {
    const parent = program.parent(i);
    entries.push({
      op: program.op(i),
      parent: parent < 0 ? null : (entries[parent] ?? null),
      at: program.at(i),
    });
  }
  return entries;
}

function programOf(entries: readonly Entry[]): Program {
  const program = new Program();
  const places = new Map<Entry, number>();
  for (const entry of entries) {
    const parent = entry.parent === null ? -1 : (places.get(entry.parent) ?? -1);
    places.set(entry, program.add(entry.op, parent, entry.at));
  }
  return program;
}

/** Operations within one that is left out go with it. */
function withoutOrphans(entries: readonly Entry[]): Entry[] {
  const kept = new Set<Entry>();
  for (const entry of entries) if (entry.parent === null || kept.has(entry.parent)) kept.add(entry);
  return [...kept];
}

/** What happens within others happens so many points sooner; null: nothing can. */
function shifted(entries: readonly Entry[], by: number): Entry[] | null {
  const copies = new Map<Entry, Entry>();
  let changed = false;
  for (const entry of entries) {
    const parent = entry.parent === null ? null : (copies.get(entry.parent) ?? null);
    const at = parent === null ? 0 : Math.max(1, entry.at - by);
    changed ||= at !== entry.at;
    copies.set(entry, { op: entry.op, parent, at });
  }
  return changed ? [...copies.values()] : null;
}

function cutAfter(entries: readonly Entry[], step: number): Entry[] {
  let end = step;
  while (end < entries.length && entries[end]?.parent !== null) end++;
  return entries.slice(0, end);
}
