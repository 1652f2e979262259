import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { ExportReport } from "./report.ts";
import type { Listed } from "./tree/walk.ts";

/** Trees that are kept; each is about ten megabytes. */
const TREES_MAX = 8;

/** What was found of a tree the last time. */
interface Kept {
  readonly paths: readonly string[];
  readonly sizes: readonly number[];
  readonly stamps: readonly string[];
  /** Of the content; "" where it was not read. */
  readonly hashes: readonly string[];
  readonly report: ExportReport;
}

/** Where results are kept, or null when there is no place. */
function folder(): string | null {
  const { XDG_CACHE_HOME, HOME } = process.env;
  const base = XDG_CACHE_HOME || (HOME ? `${HOME}/.cache` : "");
  return base.startsWith("/") ? `${base}/hms/lint` : null;
}

function place(treeId: string): string | null {
  const root = folder();
  if (root === null) return null;
  return join(root, `${createHash("sha1").update(`${treeId}\0${rulesId()}`).digest("hex")}.exports`);
}

let rules: string | undefined;
/** Changes with the code that judges, so that what older code found is not taken for its own. */
function rulesId(): string {
  if (rules !== undefined) return rules;
  const hash = createHash("sha1");
  const home = import.meta.dirname;
  for (const name of readdirSync(home, { recursive: true, encoding: "utf8" }).sort()) {
    if (!/\.[jt]s$/.test(name) || name.endsWith(".test.ts")) continue;
    const { size, mtimeMs } = statSync(join(home, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  rules = hash.digest("hex");
  return rules;
}

/**
 * What was found the last time, if the tree is still the same: by size, inode and time of every file, and where these
 * differ by the content, which `hashOf` reads.
 */
export function recall(
  treeId: string,
  files: readonly Listed[],
  hashOf: (path: string) => string,
): ExportReport | null {
  const path = place(treeId);
  if (path === null) return null;
  try {
    const kept = deserialize(readFileSync(path)) as Kept;
    if (kept.paths.length !== files.length) return null;
    for (const [i, file] of files.entries()) {
      if (kept.paths[i] !== file.path || kept.sizes[i] !== file.size) return null;
      if (kept.stamps[i] === file.stamp) continue;
      const hash = kept.hashes[i];
      if (hash === undefined || hash === "" || hashOf(file.path) !== hash) return null;
    }
    return kept.report;
  } catch {
    // Nothing is kept, or what is there is not what this version wrote.
    return null;
  }
}

export function hashOf(content: Uint8Array): string {
  return createHash("sha1").update(content).digest("base64");
}

/** Keeps what was found. Where that cannot be, the next run takes as long as this one. */
export function keep(
  treeId: string,
  files: readonly Listed[],
  hashes: readonly string[],
  report: ExportReport,
): void {
  const path = place(treeId);
  const root = folder();
  if (path === null || root === null) return;
  const kept: Kept = {
    paths: files.map((file) => file.path),
    sizes: files.map((file) => file.size),
    stamps: files.map((file) => file.stamp),
    hashes,
    report,
  };
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const beside = `${path}.${randomBytes(6).toString("hex")}`;
    writeFileSync(beside, serialize(kept), { mode: 0o600 });
    renameSync(beside, path);
    const others = readdirSync(root)
      .filter((name) => name.endsWith(".exports"))
      .map((name) => ({ name, time: statSync(join(root, name)).mtimeMs }))
      .sort((a, b) => b.time - a.time);
    for (const { name } of others.slice(TREES_MAX)) rmSync(join(root, name), { force: true });
  } catch {
    // As said above.
  }
}
