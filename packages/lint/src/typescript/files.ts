import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { HmsError } from "@hms/topology";

/** Code files of one workspace, more than any has. */
const FILES_MAX = 100_000;
/** A file larger than any that people write is generated, or no code: 4 MiB. */
const FILE_BYTES_MAX = 4 << 20;
const GIT_BYTES_MAX = 1 << 30;
const WANTED = /\.(?:[cm]?[jt]sx?|md|json|ya?ml)$/;
/** Folders that hold what others wrote, or what is made. */
const PASSED_BY: ReadonlySet<string> = new Set(["node_modules", ".git", "dist", "out", "coverage"]);

/** The files of a workspace, by their paths below its root. */
export interface WorkspaceFiles {
  readonly label: string;
  /** Sorted. */
  readonly paths: readonly string[];
  text(path: string): string | undefined;
}

/**
 * The files below a folder. Links are not followed out of it.
 *
 * @throws HmsError `INPUT_NOT_FOUND` if there is no such folder, `TOO_MANY_FILES`.
 */
export function folderFiles(root: string): WorkspaceFiles {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new HmsError(
      "INPUT_NOT_FOUND",
      "ENOENT",
      `Read the workspace ${root}: it is no folder. Name the folder that has its package.json.`,
    );
  const real = realpathSync(root);
  const paths: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!PASSED_BY.has(entry.name)) visit(path);
      } else if (WANTED.test(entry.name)) paths.push(path);
      if (paths.length > FILES_MAX) throw tooMany(root);
    }
  };
  visit("");
  return {
    label: root,
    paths: paths.sort(),
    text: (path) => {
      try {
        const file = realpathSync(resolve(root, path));
        const stats = statSync(file);
        if (!file.startsWith(real + sep) || !stats.isFile() || stats.size > FILE_BYTES_MAX) return undefined;
        return readFileSync(file, "utf8");
      } catch {
        return undefined;
      }
    },
  };
}

function tooMany(root: string): HmsError {
  return new HmsError(
    "TOO_MANY_FILES",
    "EFBIG",
    `Read the workspace ${root}: it has more than ${FILES_MAX} files of code. Name a smaller part of it.`,
  );
}

/** The files of a git revision, undefined if it cannot be read. */
export function revisionFiles(repository: string, revision: string): WorkspaceFiles | undefined {
  // The workspace may be a folder of the repository.
  const prefix = git(repository, ["rev-parse", "--show-prefix"])?.toString("utf8").trim() ?? "";
  const listed = git(repository, ["ls-tree", "-r", "-z", `${revision}^{commit}:${prefix}`]);
  if (listed === undefined) return undefined;
  const entries = listed
    .toString("utf8")
    .split("\0")
    .flatMap((line) => {
      const [, mode, id, path] = /^(\d+) blob ([\da-f]+)\t(.*)$/s.exec(line) ?? [];
      const wanted = id !== undefined && path !== undefined && mode !== "120000" && isWanted(path);
      return wanted ? [{ id, path }] : [];
    });
  if (entries.length > FILES_MAX) return undefined;
  const texts = readBlobs(repository, entries);
  return { label: revision, paths: [...texts.keys()].sort(), text: (path) => texts.get(path) };
}

function isWanted(path: string): boolean {
  return WANTED.test(path) && !path.split("/").some((part) => PASSED_BY.has(part));
}

/** Tags of a repository, oldest first, with when their commit was made. */
export function tagsOf(repository: string): readonly string[] {
  const listed = git(repository, [
    "for-each-ref",
    "--merged=HEAD",
    "--sort=creatordate",
    "--format=%(refname:strip=2)",
    "refs/tags",
  ]);
  return (
    listed
      ?.toString("utf8")
      .split("\n")
      .filter((line) => line !== "") ?? []
  );
}

function git(repository: string, args: readonly string[], input?: string): Buffer | undefined {
  const done = spawnSync("git", ["-C", repository, ...args], {
    input,
    maxBuffer: GIT_BYTES_MAX,
    stdio: ["pipe", "pipe", "ignore"],
  });
  return done.status === 0 ? done.stdout : undefined;
}

function readBlobs(
  repository: string,
  entries: readonly { readonly id: string; readonly path: string }[],
): ReadonlyMap<string, string> {
  const input = `${entries.map(({ id }) => id).join("\n")}\n`;
  const answer = entries.length === 0 ? undefined : git(repository, ["cat-file", "--batch"], input);
  const texts = new Map<string, string>();
  let at = 0;
  for (const { path } of entries) {
    const end = answer?.indexOf("\n", at) ?? -1;
    if (answer === undefined || end < 0) break;
    const size = / blob (\d+)$/.exec(answer.toString("latin1", at, end))?.[1];
    const bytes = size === undefined ? 0 : Number(size);
    if (size !== undefined) texts.set(path, answer.toString("utf8", end + 1, end + 1 + bytes));
    at = size === undefined ? end + 1 : end + bytes + 2;
  }
  return texts;
}
