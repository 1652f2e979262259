/**
 * Who uses an export of a package, best first: code of another package or of the workspace itself; only the signature of
 * something that is used; tests, benchmarks and examples only; nobody; or someone takes the whole module, and which of
 * its names cannot be told.
 */
export const PACKAGE_CLASSES = ["package", "signature", "tests", "undetermined", "nobody"] as const;
export type PackageClass = (typeof PACKAGE_CLASSES)[number];

/** A place that names an export. */
export interface Mention {
  readonly path: string;
  readonly line: number;
  readonly how: "code" | "test" | "example" | "whole module" | "signature";
  /** The export whose signature it is, of a signature. */
  readonly of: string | null;
}

export interface PackageExport {
  readonly package: string;
  /** `.` or `./lazy`. */
  readonly subpath: string;
  readonly name: string;
  readonly kind: "value" | "type";
  readonly path: string;
  readonly line: number;
  readonly class: PackageClass;
  readonly mentions: readonly Mention[];
  /** The tag that brought it, null if no release has it yet. */
  readonly born: string | null;
  /** Released, and unused for longer than the window: consume or revert. */
  readonly overdue: boolean;
}

export interface PackagesReport {
  readonly root: string;
  readonly packages: readonly { readonly name: string; readonly folder: string; readonly exports: number }[];
  readonly releases: readonly string[];
  readonly exports: readonly PackageExport[];
  /** What could not be followed, and why. */
  readonly notes: readonly string[];
}

export interface LintPackagesOptions {
  /** Releases after the one that brings an export in which it may stay unused: 1 when left out. */
  readonly window?: number;
  /** Whether to read the tags of the repository: true when left out. */
  readonly history?: boolean;
  readonly onProgress?: (text: string) => void;
}
