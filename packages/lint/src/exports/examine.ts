import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hashOf, keep, recall } from "./cache.ts";
import { gather, isRead, type OnProgress } from "./gather.ts";
import { Judge } from "./judge.ts";
import { isKconfig, isMakefile } from "./kbuild/kbuild.ts";
import type { ExportReport } from "./report.ts";
import { isOutside } from "./tree/files.ts";
import { openTree, readTexts, releaseOf, type Tree } from "./tree/open.ts";

export interface ExamineOptions {
  /** A git repository; the tree is then one of its revisions. */
  readonly repository?: string;
  /** Neither takes nor keeps what was found before. */
  readonly fresh?: boolean;
  readonly onProgress?: OnProgress;
}

/** What of a tree is looked at: sources, and what builds them. */
function isWanted(path: string): boolean {
  return !isOutside(path) && (path.endsWith("/") || isRead(path) || isBuild(path) || path === "MAINTAINERS");
}

function isBuild(path: string): boolean {
  return isMakefile(path) || isKconfig(path);
}

/** Opens a kernel tree for the linter. Throws what `examineExports` throws. */
export function openKernel(tree: string, repository: string | null): Tree {
  return openTree(tree, repository, isWanted);
}

/**
 * Finds the exported symbols of a kernel tree, who uses each, and what class that makes it.
 *
 * `tree` is a folder, a bare git repository (its HEAD), or with `options.repository` a revision. What is found is kept
 * in the user's cache folder and taken from there while the tree is the same.
 *
 * Throws HmsError: LINT_TREE_NOT_FOUND, LINT_NO_KERNEL, LINT_REVISION_UNKNOWN. What cannot be read is a warning.
 *
 * @example
 * ```ts no-run
 * import { examineExports } from "@hms/lint";
 * const { symbols } = await examineExports("/usr/src/linux");
 * for (const { symbol, file, class: found } of symbols) if (found === "nobody") console.log(symbol, file);
 * ```
 */
export async function examineExports(tree: string, options: ExamineOptions = {}): Promise<ExportReport> {
  const { onProgress = () => {}, fresh = false } = options;
  onProgress("listing files", 0, 1);
  const opened = openKernel(tree, options.repository ?? null);
  return await examineOpened(opened, fresh, onProgress);
}

export async function examineOpened(
  opened: Tree,
  fresh: boolean,
  onProgress: OnProgress,
): Promise<ExportReport> {
  const { place, files } = opened;
  if (!fresh) {
    const before = recall(opened.id, files, (path) =>
      place.kind === "folder" ? hashOf(readFileSync(join(place.root, path))) : "",
    );
    if (before !== null) return { ...before, tree: opened.name };
  }
  const wanted = files
    .filter((file) => isRead(file.path))
    .map((file, index) => ({ index, path: file.path, blob: file.stamp }));
  let builds: ReadonlyMap<string, string> = new Map();
  const gathered = await gather(
    place,
    wanted,
    async () => {
      builds = await readTexts(opened, isBuild);
      return builds;
    },
    onProgress,
  );
  onProgress("judging", 0, 1);
  const judge = new Judge(gathered);
  const report: ExportReport = {
    tree: opened.name,
    release: releaseOf(builds.get("Makefile") ?? ""),
    files: wanted.length,
    symbols: judge.all(),
    undetermined: judge.undetermined(),
    warnings: [...opened.warnings, ...gathered.warnings],
  };
  const hashes = new Map(wanted.map((file) => [file.path, gathered.hashes.get(file.index) ?? ""]));
  keep(
    opened.id,
    files,
    files.map((file) => {
      const text = builds.get(file.path);
      return hashes.get(file.path) ?? (text === undefined ? "" : hashOf(Buffer.from(text, "latin1")));
    }),
    report,
  );
  return report;
}
