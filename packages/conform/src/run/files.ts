import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { HmsError } from "@hms/topology";

/** Case files that one run takes, and how deep folders may lie: a mistaken `/` ends in a sentence, not in a long wait. */
const FILES_MAX = 10_000;
const DEPTH_MAX = 16;

/**
 * The case files that paths name: a file is taken as it is, a folder with all `.yaml` and `.yml` files in and below
 * it, in natural order (`C2` before `C10`).
 *
 * @throws HmsError INPUT_NOT_FOUND (ENOENT): a path does not exist, or holds no case file.
 */
export function caseFiles(paths: readonly string[]): readonly string[] {
  const files: string[] = [];
  for (const path of paths) {
    const before = files.length;
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined) {
      throw new HmsError("INPUT_NOT_FOUND", "ENOENT", `Cannot run ${path}: there is no such file or folder.`);
    }
    if (status.isDirectory()) collect(path, files, 0);
    else files.push(path);
    if (files.length === before) {
      throw new HmsError(
        "INPUT_NOT_FOUND",
        "ENOENT",
        `Cannot run ${path}: no .yaml or .yml file is in or below it.`,
      );
    }
  }
  return files;
}

function collect(folder: string, into: string[], depth: number): void {
  if (depth > DEPTH_MAX) {
    throw new HmsError(
      "INPUT_TOO_LARGE",
      "EFBIG",
      `Cannot run ${folder}: it lies deeper than ${DEPTH_MAX} folders.`,
    );
  }
  const collator = new Intl.Collator("en", { numeric: true });
  const entries = readdirSync(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => collator.compare(a.name, b.name))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "node_modules" && !entry.name.startsWith(".")) collect(path, into, depth + 1);
    } else if (/\.ya?ml$/.test(entry.name)) {
      into.push(path);
      if (into.length > FILES_MAX) {
        throw new HmsError(
          "INPUT_TOO_LARGE",
          "EFBIG",
          `Cannot run ${folder}: there are more than ${FILES_MAX} case files.`,
        );
      }
    }
  }
}
