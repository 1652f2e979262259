import { HmsError } from "@hms/topology";
import { type Maintained, MaintainerIndex, maintains, readMaintainers } from "./maintainers.ts";
import { readTexts, type Tree } from "./tree/open.ts";

/** The entries of a tree's MAINTAINERS; none when it has no such file. */
export async function maintainersOf(tree: Tree): Promise<readonly Maintained[]> {
  const texts = await readTexts(tree, (path) => path === "MAINTAINERS");
  return readMaintainers(texts.get("MAINTAINERS") ?? "");
}

export function indexMaintainers(entries: readonly Maintained[]): MaintainerIndex {
  return new MaintainerIndex(entries);
}

/**
 * Whether a file belongs to one of the parts that `names` lists with commas between: folders, files, or words of
 * titles in MAINTAINERS. Throws HmsError LINT_SUBSYSTEM_UNKNOWN.
 */
export function subsystemFilter(
  names: string,
  tree: Tree,
  entries: readonly Maintained[],
): (file: string) => boolean {
  const tests = names.split(",").map((part) => {
    const name = part.trim().replace(/^\.\//, "").replace(/\/+$/, "");
    if (name !== "" && tree.files.some((file) => file.path === name || file.path.startsWith(`${name}/`)))
      return (file: string) => file === name || file.startsWith(`${name}/`);
    const words = name.toLowerCase().split(/\s+/);
    const meant = entries.filter((entry) => {
      const title = entry.title.toLowerCase();
      return name !== "" && words.every((word) => title.includes(word));
    });
    if (meant.length === 0)
      throw new HmsError(
        "LINT_SUBSYSTEM_UNKNOWN",
        "ENOENT",
        `Find the subsystem ${JSON.stringify(part)}: it is no folder or file of ${tree.name}, and no title in its MAINTAINERS has these words; give a path such as mm or fs/ext4.`,
      );
    return (file: string) => meant.some((entry) => maintains(entry, file));
  });
  return (file) => tests.some((test) => test(file));
}
