import type { Profile } from "./profile.ts";
import { type Op, Program } from "./program.ts";
import { type Failure, replay } from "./torture.ts";
import type { World } from "./world.ts";

/** Operations that shrinking does at most, all attempts together. */
const WORK_MAX = 4_000_000;

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

/**
 * Leaves out operations for as long as the same thing fails (delta debugging). What fails is the same when its message
 * is, numbers aside. Null: done again, the program does not fail.
 */
export function shrink(failure: Failure, prepare?: (world: World) => void): Shrunk | null {
  return new Shrinker(failure, prepare).run();
}

class Shrinker {
  readonly #profile: Profile;
  readonly #kind: string;
  readonly #prepare: ((world: World) => void) | undefined;
  #entries: Entry[];
  #work = 0;
  #last: Shrunk | null = null;

  constructor(failure: Failure, prepare?: (world: World) => void) {
    this.#profile = failure.profile;
    this.#kind = kindOf(failure);
    this.#prepare = prepare;
    this.#entries = entriesOf(failure.program);
  }

  run(): Shrunk | null {
    if (!this.#fails(this.#entries)) return null;
    // A look at everything after each step finds it earlier: what comes later is not needed.
    const steps = this.#last?.failure.step ?? 0;
    const cut = cutAfter(this.#entries, steps);
    if (cut.length < this.#entries.length && this.#fails(cut)) this.#entries = cut;
    for (let before = -1; before !== this.#entries.length && this.#work < WORK_MAX; ) {
      before = this.#entries.length;
      for (let size = before >> 1; size >= 1; size >>= 1) this.#pass(size);
      this.#flatten();
    }
    this.#fails(this.#entries);
    return this.#last;
  }

  /** Leaves out each run of so many operations that is not needed. */
  #pass(size: number): void {
    for (let at = this.#entries.length - size; at > -size && this.#work < WORK_MAX; at -= size) {
      const from = Math.max(0, at);
      const without = withoutOrphans(this.#entries.filter((_, i) => i < from || i >= from + size));
      if (without.length < this.#entries.length && this.#fails(without)) this.#entries = without;
      if (at > this.#entries.length) at = this.#entries.length;
    }
  }

  /** An operation within another one that can as well come before it. */
  #flatten(): void {
    for (let i = 0; i < this.#entries.length && this.#work < WORK_MAX; i++) {
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

  #fails(entries: readonly Entry[]): boolean {
    this.#work += entries.length;
    const program = programOf(entries);
    const failure = replay(program, this.#profile, this.#prepare);
    if (failure === null || kindOf(failure) !== this.#kind) return false;
    this.#last = { failure, program };
    return true;
  }
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

function cutAfter(entries: readonly Entry[], step: number): Entry[] {
  let end = step;
  while (end < entries.length && entries[end]?.parent !== null) end++;
  return entries.slice(0, end);
}
