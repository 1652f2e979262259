import type { FactsDraft } from "../model/facts-draft.ts";
import type { FileTree } from "../tree/tree.ts";

/** What a source works with. */
export interface Discovery {
  readonly tree: FileTree;
  /** What the sources before this one have found; a source adds to it. */
  readonly facts: FactsDraft;
  /** Notes something odd about a file, without stopping. */
  warn(path: string, message: string): void;
}

/**
 * A component that finds one sort of thing in the files of a machine. Sources run in the order of SOURCES
 * (sources/mod.ts); `after` names those whose facts it builds on, and a test holds the order to it.
 */
export interface Source {
  readonly name: string;
  readonly after: readonly string[];
  /** Adds what it finds to `discovery.facts`. Must not throw for anything that the files hold. */
  discover(discovery: Discovery): void;
}
