import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { HmsError } from "@hms/topology";
import { type Place, readEach } from "./read.ts";
import { FILE_BYTES_MAX, type Listed, walk } from "./walk.ts";

/** A kernel tree: a folder, or a revision of a git repository. */
export interface Tree {
  readonly place: Place;
  /** As a person would name it. */
  readonly name: string;
  /** The same for the same tree, for the cache. */
  readonly id: string;
  readonly files: readonly Listed[];
  readonly warnings: readonly string[];
  /** The repository and revision that its history can be asked of, if there is one. */
  readonly history: { readonly repository: string; readonly revision: string } | null;
}

const LISTING_BYTES_MAX = 1 << 28;

/**
 * Opens a tree: a folder, or with `repository` a revision of it.
 *
 * Throws HmsError: LINT_TREE_NOT_FOUND, LINT_NO_KERNEL, LINT_REVISION_UNKNOWN.
 */
export function openTree(name: string, repository: string | null, wanted: (path: string) => boolean): Tree {
  return repository === null ? openFolder(name, wanted) : openRevision(name, repository, wanted);
}

function openFolder(name: string, wanted: (path: string) => boolean): Tree {
  const root = resolve(name);
  const stats = statSync(root, { throwIfNoEntry: false });
  if (stats === undefined)
    throw new HmsError(
      "LINT_TREE_NOT_FOUND",
      "ENOENT",
      `Open the tree ${name}: there is no such folder; name the folder of a kernel tree, or give --git REPOSITORY with a revision.`,
    );
  if (!stats.isDirectory())
    throw new HmsError(
      "LINT_TREE_NOT_FOUND",
      "ENOTDIR",
      `Open the tree ${name}: it is a file, and a folder is needed; unpack it first.`,
    );
  // A bare repository has no files of its own: its HEAD is meant.
  if (
    existsSync(join(root, "HEAD")) &&
    existsSync(join(root, "objects")) &&
    !existsSync(join(root, "Makefile"))
  )
    return openRevision("HEAD", root, wanted);
  const { files, warnings } = walk(root, wanted);
  return {
    place: { kind: "folder", root },
    name,
    id: `folder:${root}`,
    files,
    warnings: [...warnings, ...doubts(name, new Set(files.map((file) => file.path)))],
    history: existsSync(join(root, ".git")) ? { repository: root, revision: "HEAD" } : null,
  };
}

function openRevision(revision: string, repository: string, wanted: (path: string) => boolean): Tree {
  const tree = git(repository, ["rev-parse", "--verify", "--quiet", `${revision}^{tree}`]);
  if (tree === null)
    throw new HmsError(
      "LINT_REVISION_UNKNOWN",
      "ENOENT",
      `Open revision ${revision} of ${repository}: git knows no such revision there; \`git -C ${repository} tag\` lists the releases.`,
    );
  const listing = git(repository, ["ls-tree", "-r", "-z", "-l", "--full-tree", tree.trim()]) ?? "";
  const files: Listed[] = [];
  const warnings: string[] = [];
  let links = 0;
  for (const entry of listing.split("\0")) {
    const parsed = /^(\d+) blob ([0-9a-f]+)\s+(\d+)\t([\s\S]+)$/.exec(entry);
    if (parsed === null) continue;
    const [, mode = "", stamp = "", size = "", path = ""] = parsed;
    if (mode === "120000") {
      links++;
      continue;
    }
    if (!wantedWithFolders(path, wanted)) continue;
    if (Number(size) > FILE_BYTES_MAX)
      warnings.push(`${path}: ${size} bytes are more than ${FILE_BYTES_MAX}; left out`);
    else files.push({ path, size: Number(size), stamp });
  }
  if (links > 0) warnings.push(`${links} links are not followed`);
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const name = `${basename(resolve(repository))} ${revision}`;
  return {
    place: { kind: "git", repository: resolve(repository) },
    name,
    id: `git:${tree.trim()}`,
    files,
    warnings: [...warnings, ...doubts(name, new Set(files.map((file) => file.path)))],
    history: { repository: resolve(repository), revision },
  };
}

function wantedWithFolders(path: string, wanted: (path: string) => boolean): boolean {
  for (let cut = path.indexOf("/"); cut >= 0; cut = path.indexOf("/", cut + 1))
    if (!wanted(path.slice(0, cut + 1))) return false;
  return wanted(path);
}

/** What git writes, or null when it fails. */
export function git(repository: string, args: readonly string[]): string | null {
  const done = spawnSync("git", ["-C", repository, ...args], {
    encoding: "latin1",
    maxBuffer: LISTING_BYTES_MAX,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return done.status === 0 ? done.stdout : null;
}

/** Whether this is a kernel at all, and whether all of it is there. */
function doubts(name: string, paths: ReadonlySet<string>): string[] {
  const has = (folder: string): boolean => {
    for (const path of paths) if (path.startsWith(folder)) return true;
    return false;
  };
  if (!paths.has("Makefile") || !(paths.has("Kconfig") || has("include/linux/")))
    throw new HmsError(
      "LINT_NO_KERNEL",
      "EINVAL",
      `Open the tree ${name}: it has no Makefile with a Kconfig or include/linux beside it, so it is no kernel tree, or only a part of one; name the folder at its top.`,
    );
  const missing = ["include/linux/", "kernel/", "mm/", "fs/", "drivers/", "net/", "arch/"].filter(
    (folder) => !has(folder),
  );
  return missing.length === 0
    ? []
    : [`no ${missing.join(", ")}: half unpacked? What these would use counts as used by nobody`];
}

/** The texts of files, by their paths. */
export async function readTexts(
  tree: Tree,
  select: (path: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const files = tree.files
    .filter((file) => select(file.path))
    .map((file, index) => ({ index, path: file.path, blob: file.stamp }));
  await readEach(
    tree.place,
    files,
    (file, bytes) => texts.set(file.path, bytes.toString("latin1")),
    () => {},
  );
  return texts;
}

/** The release by the Makefile at the top: "6.12.117". */
export function releaseOf(makefile: string): string | null {
  const value = (name: string): string | null =>
    new RegExp(`^${name}[ \\t]*=[ \\t]*(\\S*)`, "m").exec(makefile)?.[1] ?? null;
  const version = value("VERSION");
  const patch = value("PATCHLEVEL");
  if (version === null || patch === null) return null;
  const sub = value("SUBLEVEL");
  return `${version}.${patch}${sub === null || sub === "" || sub === "0" ? "" : `.${sub}`}${value("EXTRAVERSION") ?? ""}`;
}
