import type { CpuCache, CpuGroup, Processor } from "./facts.ts";
import type { IndexSet } from "./index-set.ts";
import type { IoObject, MemoryObject } from "./object-tree.ts";

/** What a draft stands for. */
export type DraftWhat =
  | { readonly type: "machine" }
  | { readonly type: CpuGroup["type"]; readonly group: CpuGroup | null }
  | { readonly type: "cache"; readonly cache: CpuCache }
  | { readonly type: "pu"; readonly processor: Processor };

/** An object that holds CPUs, while the tree is being built. */
export interface Draft {
  readonly what: DraftWhat;
  /** Its online CPUs: what it is placed by. */
  readonly placed: IndexSet;
  /** With the offline ones. */
  readonly complete: IndexSet;
  /** How many objects it is inside of. */
  depth: number;
  parent: Draft | null;
  children: Draft[];
  readonly memory: MemoryObject[];
  readonly io: IoObject[];
}

/** Objects one inside the other, at most; real machines have fewer than 16. What is deeper is left out. */
export const CPU_DEPTH_MAX = 64;
/** The same for caches, so that made-up levels of caches leave room for what is inside of them. */
export const CACHE_DEPTH_MAX = 32;
/** Sentences about objects that do not fit, at most. */
export const LEFT_OUT_MAX = 100;

/** Of objects with the same CPUs the one with the smaller number is outside (hwloc's order). */
function rank(what: DraftWhat): number {
  switch (what.type) {
    case "machine":
      return 0;
    case "drawer":
      return 1;
    case "book":
      return 2;
    case "group":
      return 3;
    case "package":
      return 4;
    case "die":
      return 5;
    case "cluster":
      return 6;
    case "cache":
      return 1000 - 10 * Math.min(what.cache.level, 50) + (what.cache.type === "instruction" ? 5 : 0);
    case "core":
      return 2000;
    case "pu":
      return 2001;
  }
}

/** What people call a draft: `package 0`, `L2 cache`, `CPU 5`. */
export function describe(what: DraftWhat): string {
  switch (what.type) {
    case "machine":
      return "machine";
    case "pu":
      return `CPU ${what.processor.index}`;
    case "cache": {
      const sort = what.cache.type === "instruction" ? "i" : what.cache.type === "data" ? "d" : "";
      return `L${what.cache.level}${sort} cache${what.cache.index === null ? "" : ` ${what.cache.index}`}`;
    }
    default:
      return `${what.type}${what.group?.index === null || what.group === null ? "" : ` ${what.group.index}`}`;
  }
}

/** Objects that hold CPUs, nested by the CPUs they hold. */
export class CpuTree {
  readonly root: Draft;
  /** Sentences about what did not fit, at most LEFT_OUT_MAX. */
  readonly leftOut: string[] = [];
  readonly #online: IndexSet;
  /** By CPU number: the innermost object that holds it. */
  readonly #innermost: (Draft | undefined)[] = [];

  constructor(all: IndexSet, online: IndexSet) {
    this.#online = online;
    this.root = draft({ type: "machine" }, { placed: online, complete: all, depth: 0 });
    for (const cpu of online) this.#innermost[cpu] = this.root;
  }

  /** Notes that something did not fit. */
  leave(sentence: string): void {
    if (this.leftOut.length < LEFT_OUT_MAX) this.leftOut.push(sentence);
  }

  /** Places objects, the larger ones first, so that each is put into the innermost one that holds it. */
  placeAll(objects: readonly { readonly what: DraftWhat; readonly cpus: IndexSet }[]): void {
    const sorted = objects
      .map(({ what, cpus }) => {
        const placed = cpus.and(this.#online);
        return { what, complete: cpus, placed, size: placed.size, rank: rank(what), first: placed.first };
      })
      .sort((a, b) => b.size - a.size || a.rank - b.rank || a.first - b.first);
    for (const object of sorted) this.#place(object);
  }

  #place(object: { what: DraftWhat; placed: IndexSet; complete: IndexSet }): void {
    const { what, placed, complete } = object;
    // All of its CPUs are offline: it is not there for now.
    if (placed.isEmpty) return;
    const parent = this.#innermost[placed.first] ?? this.root;
    for (const cpu of placed) {
      if (this.#innermost[cpu] !== parent) {
        this.leave(`${describe(what)} (CPUs ${placed.toList()}) crosses ${describe(parent.what)}.`);
        return;
      }
    }
    if (parent.placed.equals(placed) && describe(parent.what) === describe(what)) {
      this.leave(`${describe(what)} (CPUs ${placed.toList()}) is stated twice.`);
      return;
    }
    const depthMax = what.type === "cache" ? CACHE_DEPTH_MAX : CPU_DEPTH_MAX;
    if (parent.depth + 1 > depthMax) {
      this.leave(`${describe(what)} is more than ${depthMax} objects deep.`);
      return;
    }
    const child = draft(what, { placed, complete, depth: parent.depth + 1 });
    child.parent = parent;
    parent.children.push(child);
    for (const cpu of placed) this.#innermost[cpu] = child;
  }

  /**
   * The outermost object with exactly these CPUs, PUs excepted, made when there is none (`make` says as what);
   * undefined when such an object would cross another. The whole machine's CPUs give its only part where that
   * has all of them (`preferPart`, the place of memory), else the machine.
   */
  at(cpus: IndexSet, make: DraftWhat, preferPart: boolean): Draft | undefined {
    const placed = cpus.and(this.#online);
    if (placed.isEmpty) return this.root;
    let cover: Draft = this.#innermost[placed.first] ?? this.root;
    let exact: Draft | undefined;
    for (let up: Draft | null = cover; up !== null; up = up.parent) {
      cover = up;
      if (!up.placed.includes(placed)) continue;
      if (!up.placed.equals(placed)) break;
      if (up.what.type === "pu") continue;
      if (up !== this.root || !preferPart || exact === undefined) exact = up;
    }
    if (exact !== undefined) return exact;
    return this.#insert(cover, { what: make, placed, complete: cpus });
  }

  /** Puts a new object between `parent` and those of its children that are inside the new one. */
  #insert(
    parent: Draft,
    object: { what: DraftWhat; placed: IndexSet; complete: IndexSet },
  ): Draft | undefined {
    const inside = new Set<Draft>();
    for (const cpu of object.placed) {
      const child = this.#childOf(parent, cpu);
      if (child === undefined || inside.has(child)) continue;
      if (!object.placed.includes(child.placed)) {
        this.leave(
          `${describe(object.what)} (CPUs ${object.placed.toList()}) crosses ${describe(child.what)}.`,
        );
        return undefined;
      }
      inside.add(child);
    }
    const deepest = [...inside].reduce((depth, child) => Math.max(depth, deepestIn(child)), parent.depth);
    if (deepest + 1 > CPU_DEPTH_MAX) {
      this.leave(
        `${describe(object.what)} (CPUs ${object.placed.toList()}) is more than ${CPU_DEPTH_MAX} objects deep.`,
      );
      return undefined;
    }
    const created = draft(object.what, { ...object, depth: parent.depth + 1 });
    created.parent = parent;
    created.children = [...inside];
    for (const child of inside) {
      child.parent = created;
      sink(child);
    }
    parent.children = [...parent.children.filter((child) => !inside.has(child)), created];
    for (const cpu of created.placed) if (this.#innermost[cpu] === parent) this.#innermost[cpu] = created;
    return created;
  }

  /** The object directly inside `parent` that holds a CPU of its; undefined when the CPU is in none. */
  #childOf(parent: Draft, cpu: number): Draft | undefined {
    let object = this.#innermost[cpu];
    if (object === parent) return undefined;
    while (object !== undefined && object.parent !== null && object.parent !== parent) object = object.parent;
    return object;
  }
}

function draft(
  what: DraftWhat,
  sets: { readonly placed: IndexSet; readonly complete: IndexSet; readonly depth: number },
): Draft {
  const { placed, complete, depth } = sets;
  return { what, placed, complete, depth, parent: null, children: [], memory: [], io: [] };
}

function deepestIn(top: Draft): number {
  return top.children.reduce((deepest, child) => Math.max(deepest, deepestIn(child)), top.depth);
}

/** An object and what is inside it is one deeper now. */
function sink(top: Draft): void {
  top.depth += 1;
  for (const child of top.children) sink(child);
}
