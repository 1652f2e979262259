import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { HmsError } from "@hms/topology";
import type { Architecture } from "./c/architecture.ts";
import type { HeaderSource } from "./c/preprocess.ts";

/** A header larger than any that people write: 8 MiB. */
const HEADER_BYTES_MAX = 8 << 20;
/** More headers than any release has. */
const HEADERS_MAX = 50_000;
/** What git may answer in one go. */
const GIT_BYTES_MAX = 1 << 30;

/** The headers of one release, as programs include them. */
export interface HeaderFiles extends HeaderSource {
  /** What it was opened as. */
  readonly label: string;
  /** Headers that are the interface, by their name in #include, in order. */
  readonly paths: readonly string[];
  /** Where a header stands, for messages: `include/uapi/linux/types.h`. */
  place(path: string): string;
  /** Where a name stands in the headers of other machines, null if nowhere. */
  onOtherMachines(name: string): string | null;
  /** What was left out, and why. */
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
}

/** Files by their path below a root. */
interface Files {
  readonly label: string;
  isFile(path: string): boolean;
  isFolder(path: string): boolean;
  /** Headers in and below a folder, sorted; relative to the root. Folders that `within` does not take are passed by. */
  headers(folder: string, within?: RegExp): readonly string[];
  read(path: string): Buffer | undefined;
}

/**
 * Opens the headers of a release: a kernel's source tree, its include/uapi, installed headers (`/usr/include`), any
 * folder of headers, one header, or a git revision of `repository` (`v6.12`, `v6.12:include/uapi`).
 *
 * @throws HmsError `INPUT_NOT_FOUND` if it is neither a path nor a revision, `NO_HEADERS` if no header is in it.
 */
export function openHeaders(where: string, machine: Architecture, repository: string = "."): HeaderFiles {
  const kind = kindOf(where);
  if (kind === "file")
    return setOf(new FolderFiles(dirname(resolve(where)), where), machine, basename(where));
  if (kind === "folder") {
    const inside = /^(.*)[/\\]include[/\\]uapi[/\\]?$/.exec(resolve(where));
    return setOf(new FolderFiles(inside?.[1] ?? resolve(where), where), machine);
  }
  return setOf(GitFiles.open(repository, where), machine);
}

function kindOf(path: string): "file" | "folder" | "nothing" {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return "nothing";
  return stats.isDirectory() ? "folder" : "file";
}

/** Finds out what sort of tree it is, and which folders programs include from. */
function setOf(files: Files, machine: Architecture, only?: string): HeaderFiles {
  const kernel = files.isFolder("include/uapi");
  const main = kernel ? "include/uapi" : "";
  const own = [`arch/${machine.folder}/include/uapi`, `${machine.name}-linux-gnu`].filter((folder) =>
    files.isFolder(folder),
  );
  const roots = kernel || only !== undefined ? [main, ...own] : [...new Set([main, ...own])];
  const listed = new Map<string, string>();
  for (const root of roots)
    for (const path of files.headers(root)) {
      const name = root === "" ? path : path.slice(root.length + 1);
      if (only !== undefined && name !== only) continue;
      // Another machine's, in a folder of installed headers.
      if (root === "" && /^[\w]+-linux-gnu[\w]*\//.test(name)) continue;
      if (!listed.has(name)) listed.set(name, path);
    }
  if (listed.size === 0)
    throw new HmsError(
      "NO_HEADERS",
      "ENOENT",
      `Read headers of ${files.label}: no file that ends in .h is in it. Give a kernel's source tree, its include/uapi, or a folder of headers.`,
    );
  if (listed.size > HEADERS_MAX)
    throw new HmsError(
      "TOO_MANY_HEADERS",
      "EFBIG",
      `Read headers of ${files.label}: it holds ${listed.size}, and ${HEADERS_MAX} are read at most. Give its include/uapi.`,
    );
  return new Headers(files, listed, roots);
}

class Headers implements HeaderFiles {
  readonly label: string;
  readonly paths: readonly string[];
  readonly skipped: { path: string; why: string }[] = [];
  readonly #files: Files;
  readonly #listed: ReadonlyMap<string, string>;
  readonly #roots: readonly string[];
  readonly #texts = new Map<string, string | undefined>();
  #others: ReadonlyMap<string, string> | undefined;

  constructor(files: Files, listed: ReadonlyMap<string, string>, roots: readonly string[]) {
    this.label = files.label;
    this.#files = files;
    this.#listed = listed;
    this.#roots = roots;
    this.paths = [...listed.keys()].sort();
  }

  place(path: string): string {
    return this.#find(path) ?? path;
  }

  onOtherMachines(name: string): string | null {
    this.#others ??= this.#wordsOfOthers();
    return this.#others.get(name) ?? null;
  }

  /** Names that headers of all machines define or list, first place of each. */
  #wordsOfOthers(): ReadonlyMap<string, string> {
    const words = new Map<string, string>();
    if (!this.#files.isFolder("arch")) return words;
    const own = new Set(this.#listed.values());
    for (const path of this.#files.headers("arch", /^arch(\/[^/]+(\/include(\/uapi(\/|$)|$)|$)|$)/)) {
      if (own.has(path) || !path.includes("/include/uapi/")) continue;
      const text = this.#files.read(path)?.toString("latin1") ?? "";
      const names = text.matchAll(
        /#\s*define\s+(\w+)|^\s+([A-Z]\w+)\s*[,=]|^((?:struct|union)\s+\w+)\s*\{/gm,
      );
      for (const [, define, member, record] of names) {
        const name = define ?? member ?? record ?? "";
        if (!words.has(name)) words.set(name, path);
      }
    }
    return words;
  }

  text(path: string): string | undefined {
    if (!this.#texts.has(path)) this.#texts.set(path, this.#read(path));
    return this.#texts.get(path);
  }

  #find(path: string): string | undefined {
    const listed = this.#listed.get(path);
    if (listed !== undefined) return listed;
    for (const root of this.#roots) {
      const whole = root === "" ? path : `${root}/${path}`;
      if (this.#files.isFile(whole)) return whole;
    }
    // The kernel's build makes asm/x.h out of asm-generic/x.h where an architecture has none of its own.
    return path.startsWith("asm/") ? this.#find(path.replace(/^asm\//, "asm-generic/")) : undefined;
  }

  #read(path: string): string | undefined {
    const whole = this.#find(path);
    if (whole === undefined) return undefined;
    const bytes = this.#files.read(whole);
    if (bytes === undefined) return this.#skip(path, "it cannot be read, or leads out of the tree");
    if (bytes.length > HEADER_BYTES_MAX)
      return this.#skip(path, `it has ${bytes.length} bytes, and ${HEADER_BYTES_MAX} are read at most`);
    if (bytes.includes(0)) return this.#skip(path, "it is no text");
    // What is not UTF-8 stands in comments and texts; the rest is read all the same.
    return bytes.toString("utf8").replace(/^\uFEFF/, "");
  }

  #skip(path: string, why: string): undefined {
    this.skipped.push({ path, why });
    return undefined;
  }
}

class FolderFiles implements Files {
  readonly label: string;
  readonly #root: string;
  readonly #real: string;

  constructor(root: string, label: string) {
    this.#root = root;
    this.#real = realpathSync(root);
    this.label = label;
  }

  isFile(path: string): boolean {
    return statSync(join(this.#root, path), { throwIfNoEntry: false })?.isFile() ?? false;
  }

  isFolder(path: string): boolean {
    return statSync(join(this.#root, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
  }

  headers(folder: string, within: RegExp = /^/): readonly string[] {
    const found: string[] = [];
    const visit = (path: string): void => {
      let entries: ReturnType<typeof list>;
      try {
        entries = list(join(this.#root, path));
      } catch {
        // A folder that may not be read has nothing for programs either.
        return;
      }
      for (const entry of entries) {
        const whole = path === "" ? entry.name : `${path}/${entry.name}`;
        // Links to folders may go round; those to files are read as what they lead to.
        if (entry.isDirectory()) {
          if (within.test(whole)) visit(whole);
        } else if (entry.name.endsWith(".h")) found.push(whole);
      }
    };
    visit(folder);
    return found;
  }

  read(path: string): Buffer | undefined {
    try {
      const real = realpathSync(join(this.#root, path));
      if (real !== this.#real && !real.startsWith(this.#real + sep)) return undefined;
      // Neither a pipe nor a device, which might never end.
      return statSync(real).isFile() ? readFileSync(real) : undefined;
    } catch {
      return undefined;
    }
  }
}

function list(folder: string): import("node:fs").Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The headers of a revision, all read at once. */
class GitFiles implements Files {
  readonly label: string;
  readonly #blobs: ReadonlyMap<string, Buffer>;

  private constructor(label: string, blobs: ReadonlyMap<string, Buffer>) {
    this.label = label;
    this.#blobs = blobs;
  }

  static open(repository: string, revision: string): GitFiles {
    const [commit = "", folder = ""] = revision.split(":", 2);
    const known = git(repository, [
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${commit}^{tree}`,
    ]);
    if (known === undefined || commit === "")
      throw new HmsError(
        "INPUT_NOT_FOUND",
        "ENOENT",
        `Read headers of ${revision}: it is neither a path nor a revision of the git repository ${repository}. Give a folder, or name the repository with --repo.`,
      );
    // A folder of the revision is named as the path of a tree, so that include/uapi still finds arch/ beside it.
    const wide = folder === "" || /(^|\/)include\/uapi\/?$/.test(folder);
    const base = wide ? folder.replace(/\/?include\/uapi\/?$/, "") : folder.replace(/\/$/, "");
    const root = known.toString("latin1").trim();
    const tree = base === "" ? root : `${root}:${base}`;
    const listed = git(repository, ["ls-tree", "-r", "-z", tree])?.toString("utf8") ?? "";
    const entries = listed.split("\0").flatMap((line) => {
      const parts = /^(\d+) blob ([\da-f]+)\t(.*)$/s.exec(line);
      const path = parts?.[3] ?? "";
      return parts === null || parts[1] === "120000" || !path.endsWith(".h")
        ? []
        : [{ id: parts[2] ?? "", path }];
    });
    const uapi = entries.filter(({ path }) => /^(arch\/[^/]+\/)?include\/uapi\//.test(path));
    const chosen = uapi.length > 0 ? uapi : entries;
    return new GitFiles(revision, readBlobs(repository, chosen));
  }

  isFile(path: string): boolean {
    return this.#blobs.has(path);
  }

  isFolder(path: string): boolean {
    return this.headers(path).length > 0;
  }

  headers(folder: string): readonly string[] {
    const prefix = folder === "" ? "" : `${folder}/`;
    return [...this.#blobs.keys()].filter((path) => path.startsWith(prefix)).sort();
  }

  read(path: string): Buffer | undefined {
    return this.#blobs.get(path);
  }
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
): ReadonlyMap<string, Buffer> {
  const answer = git(repository, ["cat-file", "--batch"], `${entries.map(({ id }) => id).join("\n")}\n`);
  const blobs = new Map<string, Buffer>();
  let at = 0;
  for (const { path } of entries) {
    const end = answer?.indexOf("\n", at) ?? -1;
    if (answer === undefined || end < 0) break;
    const bytes = Number(/ blob (\d+)$/.exec(answer.toString("latin1", at, end))?.[1] ?? Number.NaN);
    if (Number.isNaN(bytes)) {
      at = end + 1;
      continue;
    }
    blobs.set(path, answer.subarray(end + 1, end + 1 + bytes));
    at = end + 1 + bytes + 1;
  }
  return blobs;
}
