import type { ExportClass } from "./classes.ts";

/** A place in a tree that uses a symbol, and how the file is built. */
export interface Consumer {
  readonly file: string;
  readonly line: number;
  /** How the mention was read: "reference", "macro body", "assembler", … */
  readonly how: string;
  readonly built: "module" | "same-module" | "built-in" | "test" | "unknown";
  /** The module without .ko, when it is built as one. */
  readonly module: string | null;
  /** The configuration symbol that decides, without CONFIG_. */
  readonly config: string | null;
  /** The macros and inline functions of headers by which it gets to the symbol, nearest to the consumer first. */
  readonly through: readonly string[];
}

/** An exported symbol of one file: one that several files export (one an architecture) is judged for each. */
export interface ExportedSymbol {
  readonly symbol: string;
  readonly file: string;
  readonly line: number;
  readonly macro: string;
  readonly sort: string;
  readonly gpl: boolean;
  readonly namespace: string | null;
  /** What EXPORT_SYMBOL_FOR_MODULES restricts it to. */
  readonly modules: string | null;
  readonly class: ExportClass;
  /** Why, in a sentence. */
  readonly why: string;
  /** A rule by which something that the tree does not show uses it. */
  readonly rule: string | null;
  /** Files that mention it and could use it. */
  readonly mentionedIn: number;
  /** The first few, the strongest first. */
  readonly consumers: readonly Consumer[];
}

/** What was found in a tree. */
export interface ExportReport {
  readonly tree: string;
  /** The kernel's version by its Makefile, or null. */
  readonly release: string | null;
  readonly files: number;
  readonly symbols: readonly ExportedSymbol[];
  /** Exports whose name could not be made out, and other doubts. */
  readonly undetermined: readonly Undetermined[];
  readonly warnings: readonly string[];
}

export interface Undetermined {
  readonly file: string;
  readonly line: number;
  readonly macro: string;
  readonly text: string;
}
