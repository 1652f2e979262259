import type { FileTree } from "../../tree/tree.ts";

/**
 * What hwloc's gathering tool notes in a capture that no file of the kernel says: `Architecture`, `PageSize`,
 * `FallbackNbProcessors`, `OSName`, … by name. Empty for a live machine.
 */
export function noFileInfo(tree: FileTree): ReadonlyMap<string, string> {
  const noted = new Map<string, string>();
  if (tree.live) return noted;
  for (const line of tree.readText("proc/hwloc-nofile-info")?.split("\n") ?? []) {
    const colon = line.indexOf(": ");
    if (colon > 0) noted.set(line.slice(0, colon), line.slice(colon + 2).trim());
  }
  return noted;
}
