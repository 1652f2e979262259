import { HmsError } from "@hms/topology";
import { parse } from "yaml";
import type { WorkspaceFiles } from "./files.ts";

/** A package of a workspace. */
export interface Package {
  readonly name: string;
  /** Below the root, without a slash at its end; empty of the root itself. */
  readonly folder: string;
  readonly isPrivate: boolean;
  /** What others may import, and the source file it leads to. */
  readonly entries: readonly Entry[];
}

export interface Entry {
  /** As it stands after the package's name: `.`, `./lazy`. */
  readonly subpath: string;
  /** The source file; null if it cannot be told, or is no code. */
  readonly file: string | null;
  /** What package.json names. */
  readonly target: string;
}

const CODE = /\.[cm]?[jt]sx?$/;
/** Ends of source files, in the order in which they are looked for. */
const SOURCES = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs"] as const;

type Json = { readonly [key: string]: unknown };

/**
 * The packages of a workspace: those that `workspaces` of package.json or `packages` of pnpm-workspace.yaml name, or the
 * one package of the root.
 *
 * @throws HmsError `NO_WORKSPACE` if there is no package.json, or it cannot be read.
 */
export function packagesOf(files: WorkspaceFiles): readonly Package[] {
  const root = readJson(files, "package.json");
  if (root === undefined)
    throw new HmsError(
      "NO_WORKSPACE",
      "ENOENT",
      `Read the workspace ${files.label}: it has no package.json that is JSON. Name the folder that has it.`,
    );
  const patterns = patternsOf(files, root);
  const takes = matcher(patterns);
  const folders = files.paths.flatMap((path) => {
    const folder = /^(.*)\/package\.json$/.exec(path)?.[1];
    return folder !== undefined && takes(folder) ? [folder] : [];
  });
  const all = patterns.length === 0 ? [""] : folders;
  return all.flatMap((folder) => {
    const manifest = readJson(files, folder === "" ? "package.json" : `${folder}/package.json`);
    const name = manifest?.name;
    if (manifest === undefined || typeof name !== "string") return [];
    return [
      { name, folder, isPrivate: manifest.private === true, entries: entriesOf(files, folder, manifest) },
    ];
  });
}

function patternsOf(files: WorkspaceFiles, root: Json): readonly string[] {
  const { workspaces } = root;
  const listed = Array.isArray(workspaces) ? workspaces : (workspaces as Json | undefined)?.packages;
  if (Array.isArray(listed)) return listed.filter((one) => typeof one === "string");
  const pnpm = files.text("pnpm-workspace.yaml");
  if (pnpm === undefined) return [];
  try {
    const packages: unknown = (parse(pnpm) as Json | null)?.packages;
    return Array.isArray(packages) ? packages.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** Takes the folders that the patterns name: `packages/*`, `libs/**`, `!libs/old`. */
function matcher(patterns: readonly string[]): (folder: string) => boolean {
  const compiled = patterns.map((pattern) => {
    const not = pattern.startsWith("!");
    const plain = pattern.replace(/^!|^\.\/|\/$/g, "").replace(/^\.\//, "");
    const source = plain
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*\*\/?/g, "\0")
      .replace(/\*/g, "[^/]+")
      .replaceAll("\0", ".*");
    return { not, expression: new RegExp(`^${source}$`) };
  });
  return (folder) => {
    let taken = false;
    for (const { not, expression } of compiled) if (expression.test(folder)) taken = !not;
    return taken;
  };
}

function readJson(files: Pick<WorkspaceFiles, "text">, path: string): Json | undefined {
  const text = files.text(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    return typeof value === "object" && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** What `exports` leads to, or `main`, or the index of before both. */
function entriesOf(files: WorkspaceFiles, folder: string, manifest: Json): readonly Entry[] {
  const { exports, types, module, main } = manifest;
  const entries: Entry[] = [];
  const add = (subpath: string, target: string): void => {
    if (target.includes("*")) entries.push(...expanded(files, folder, subpath, target));
    else entries.push({ subpath, target, file: sourceOf(files, folder, target) });
  };
  if (exports !== undefined && exports !== null) {
    const bySubpath =
      typeof exports === "object" && Object.keys(exports).some((key) => key.startsWith("."))
        ? (exports as Json)
        : { ".": exports };
    for (const [subpath, value] of Object.entries(bySubpath)) {
      const target = targetOf(value);
      if (target !== undefined) add(subpath, target);
    }
    return entries;
  }
  const target = [types, module, main].find((one) => typeof one === "string");
  add(".", typeof target === "string" ? target : "./index.js");
  return entries;
}

/** Of conditions the one that leads nearest to the source. */
function targetOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(targetOf).find((one) => one !== undefined);
  if (typeof value !== "object" || value === null) return undefined;
  const conditions = value as Json;
  const order = ["source", "development", "types", "import", "node", "module", "require", "default"];
  for (const key of [...order, ...Object.keys(conditions)]) {
    const target = targetOf(conditions[key]);
    if (target !== undefined) return target;
  }
  return undefined;
}

/** `"./*": "./src/*.ts"`: an entry for each file that fits. */
function expanded(files: WorkspaceFiles, folder: string, subpath: string, target: string): readonly Entry[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const [before = "", after = ""] = target.replace(/^\.\//, "").split("*", 2);
  return files.paths.flatMap((path) => {
    if (!path.startsWith(prefix + before) || !path.endsWith(after) || !CODE.test(path)) return [];
    const inside = path.slice(prefix.length + before.length, path.length - after.length);
    if (/\.(test|spec)\.|\.d$/.test(inside)) return [];
    return [{ subpath: subpath.replace("*", inside), target: `./${path.slice(prefix.length)}`, file: path }];
  });
}

/** The source of what package.json names: itself, or what it is built from. */
function sourceOf(files: WorkspaceFiles, folder: string, target: string): string | null {
  const plain = target.replace(/^\.\//, "");
  if (!CODE.test(plain)) return null;
  const whole = folder === "" ? plain : `${folder}/${plain}`;
  const known = new Set(files.paths);
  if (known.has(whole) && !/\.d\.[cm]?ts$/.test(whole)) return whole;
  const stem = plain.replace(/(\.d)?\.[cm]?[jt]sx?$/, "");
  const outside = stem.replace(/^(dist|lib|build|out)\/(?:(?:esm|cjs|types|src)\/)?/, "");
  for (const base of [stem, `src/${outside}`, outside, `lib/${outside}`])
    for (const end of SOURCES) {
      const path = folder === "" ? `${base}${end}` : `${folder}/${base}${end}`;
      if (known.has(path)) return path;
    }
  return known.has(whole) ? whole : null;
}
