import { revisionFiles, tagsOf } from "./files.ts";
import { packagesOf } from "./packages.ts";
import { codeOf } from "./program.ts";

/** Releases that are looked at, newest first: what is older than all of them was born before. */
const RELEASES_MAX = 60;

/** Since when there are exports, by tags. */
export interface Births {
  /** Oldest first. */
  readonly releases: readonly string[];
  /** The release that brought an export, undefined if none has it yet. */
  bornIn(packageName: string, subpath: string, name: string): string | undefined;
}

/** Reads the exports of every release of a repository. Without git or tags there are none. */
export function birthsOf(repository: string, onRelease: (tag: string) => void = () => {}): Births {
  const releases = tagsOf(repository).slice(-RELEASES_MAX);
  const born = new Map<string, string>();
  let before: ReadonlySet<string> = new Set();
  for (const tag of releases) {
    onRelease(tag);
    const exports = exportsAt(repository, tag);
    if (exports === undefined) continue;
    // What was gone in between is born again.
    for (const key of exports) if (!before.has(key)) born.set(key, tag);
    for (const key of before) if (!exports.has(key)) born.delete(key);
    before = exports;
  }
  return {
    releases,
    bornIn: (packageName, subpath, name) => born.get(keyOf(packageName, subpath, name)),
  };
}

function keyOf(packageName: string, subpath: string, name: string): string {
  return `${packageName}\0${subpath}\0${name}`;
}

function exportsAt(repository: string, tag: string): ReadonlySet<string> | undefined {
  const files = revisionFiles(repository, tag);
  if (files === undefined || files.text("package.json") === undefined) return undefined;
  const packages = packagesOf(files);
  const entries = packages.flatMap((one) => one.entries.map((entry) => ({ name: one.name, ...entry })));
  const roots = entries.flatMap(({ file }) => (file === null ? [] : [file]));
  const code = codeOf(files, packages, roots);
  const keys = new Set<string>();
  for (const { name, subpath, file } of entries) {
    const source = file === null ? undefined : code.source(file);
    const module = source === undefined ? undefined : code.checker.getSymbolAtLocation(source);
    if (module === undefined) continue;
    for (const symbol of code.checker.getExportsOfModule(module)) keys.add(keyOf(name, subpath, symbol.name));
  }
  return keys;
}
