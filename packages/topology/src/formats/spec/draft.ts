import type { MemoryKind } from "../../model/facts.ts";
import { emptyFacts, type FactsDraft } from "../../model/facts-draft.ts";
import { IndexSet } from "../../model/index-set.ts";
import { OBJECT_VERSION } from "../../model/object-version.ts";
import type { Field, Fields } from "./field.ts";
import { Ids } from "./ids.ts";
import { MEMBERS_MAX } from "./limits.ts";
import { Numbers } from "./numbers.ts";
import { Pairs } from "./pairs.ts";
import { STATED_REASON } from "./words.ts";

/** A NUMA node while a spec is read. */
export interface NodeDraft {
  readonly field: Field;
  readonly index: number;
  readonly online: boolean;
  readonly cpus: IndexSet;
  /** CPUs near it, once that is known. */
  nearCpus: IndexSet;
  /** Nodes whose CPUs are near it, once that is known: itself when it has CPUs. */
  near: readonly NodeDraft[];
  /** Whether it holds memory that programs can be given (as the assembly decides it). */
  readonly isTarget: boolean;
  /** Whether something in it issues loads and stores. */
  readonly isInitiator: boolean;
}

/** What a spec has come to so far. */
export class Draft {
  readonly facts: FactsDraft = emptyFacts();
  readonly initiators: Ids = new Ids("initiator");
  readonly targets: Ids = new Ids("target");
  readonly links: Ids = new Ids("link");
  readonly bridges: Ids = new Ids("bridge");
  readonly pairs: Pairs = new Pairs();
  readonly nodes: Map<number, NodeDraft> = new Map();
  readonly numbers: Numbers;
  /** The source of numbers that name none, and stand in nothing that names one. */
  readonly source: string | null;
  /** Whether links follow from nodes and slots; a spec may state all of its links instead. */
  readonly implied: boolean;
  #members = 0;

  constructor(sources: ReadonlyMap<string, string>, source: string | null, implied: boolean) {
    this.numbers = new Numbers(sources);
    this.source = source;
    this.implied = implied;
  }

  /** Counts members of links: their number is bounded over the whole spec. */
  countMembers(field: Field, count: number): void {
    this.#members += count;
    if (this.#members > MEMBERS_MAX) {
      field.fail(`expected at most ${MEMBERS_MAX} members of all links together, but there are more`);
    }
  }

  /** Whether this is the id of what a node's CPUs (or its generic initiator) are. */
  isNodeInitiator(id: string): boolean {
    const digits = /^node(\d{1,6})$/.exec(id)?.[1];
    return digits !== undefined && this.nodes.get(Number(digits))?.isInitiator === true;
  }

  /** The node that a field names: `0` or `node0`. */
  node(field: Field): NodeDraft {
    const text = field.raw("a node such as 0 or node0");
    const digits = /^(?:node)?(\d{1,6})$/.exec(text)?.[1];
    if (digits === undefined)
      return field.fail(`expected a node such as 0 or node0, but got ${JSON.stringify(text)}`);
    const node = this.nodes.get(Number(digits));
    if (node !== undefined) return node;
    const there = IndexSet.of(this.nodes.keys()).toList();
    return field.fail(`there is no node ${digits}; there ${there === "" ? "are none" : `is ${there}`}`);
  }
}

/**
 * The instances of an entry: `count` of them, each with its number for `<i>`, or the one itself. `made` is how many
 * of the sort there are so far, `max` how many there may be.
 */
export function* instances(entry: Field, made: () => number, max: number, noun: string): Generator<Field> {
  const count = entry.peek("count")?.integer({ min: 1, max });
  if (made() + (count ?? 1) > max) entry.fail(`expected at most ${max} ${noun}, but there are more`);
  if (count === undefined) yield entry;
  else for (let index = 0; index < count; index++) yield entry.withInstance({ index, count });
}

/** The version of an object; of one with another version than ours nothing but its id is read. */
export function readVersion(entry: Field): number {
  return entry.peek("version")?.integer({ min: 1, max: 2 ** 31 - 1 }) ?? OBJECT_VERSION;
}

/** How a kind stated by a spec was concluded; the source of the size is kept in it. */
export function statedKind(
  fields: Fields,
  kind: MemoryKind,
  source: string | null,
): { kind: MemoryKind; reason: string } {
  const because = fields.get("because")?.prose();
  return { kind, reason: because ?? (source === null ? STATED_REASON : `${STATED_REASON}: ${source}`) };
}

/** Names and texts, as `info:` has them. */
export function readInfo(field: Field | undefined): Record<string, string> {
  return Object.fromEntries((field?.entries() ?? []).map(([name, value]) => [name, value.raw("text")]));
}
