import ts from "typescript";
import type { WorkspaceFiles } from "./files.ts";
import type { Package } from "./packages.ts";

const CODE = /\.[cm]?[jt]sx?$/;
/** Files of a workspace stand below this in the program, so that nothing of the machine's disk is met. */
const ROOT = "/workspace/";

/** The code of a workspace, bound and resolved, without the library and without other people's packages. */
export interface Code {
  readonly checker: ts.TypeChecker;
  readonly sources: readonly { readonly path: string; readonly file: ts.SourceFile }[];
  source(path: string): ts.SourceFile | undefined;
  /** The file that a module name leads to from a file, below the root; undefined if it leads out of the workspace. */
  resolve(name: string, from: string): string | undefined;
  /** Path below the root. */
  pathOf(file: ts.SourceFile): string;
}

/** Makes a program of the files given, and what they import. */
export function codeOf(files: WorkspaceFiles, packages: readonly Package[], roots: readonly string[]): Code {
  const known = new Set(files.paths);
  const byName = new Map(packages.map((one) => [one.name, one]));
  const resolve = (name: string, from: string): string | undefined =>
    name.startsWith(".") ? besideOf(name, from, known) : packageFile(name, byName, known);
  const options: ts.CompilerOptions = {
    allowJs: true,
    checkJs: false,
    noLib: true,
    noEmit: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    jsx: ts.JsxEmit.Preserve,
  };
  const program = ts.createProgram({
    rootNames: roots.map((path) => ROOT + path),
    options,
    host: hostOf(files, known, resolve),
  });
  const sources = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(ROOT))
    .map((file) => ({ path: file.fileName.slice(ROOT.length), file }));
  return {
    checker: program.getTypeChecker(),
    sources,
    source: (path) => program.getSourceFile(ROOT + path),
    resolve,
    pathOf: (file) => file.fileName.slice(ROOT.length),
  };
}

/** Code files of a workspace. */
export function codePaths(files: WorkspaceFiles): readonly string[] {
  return files.paths.filter((path) => CODE.test(path) && !/\.min\.[cm]?js$/.test(path));
}

function hostOf(
  files: WorkspaceFiles,
  known: ReadonlySet<string>,
  resolve: (name: string, from: string) => string | undefined,
): ts.CompilerHost {
  const below = (name: string): string => (name.startsWith(ROOT) ? name.slice(ROOT.length) : name);
  return {
    fileExists: (name) => known.has(below(name)),
    readFile: (name) => files.text(below(name)),
    getSourceFile: (name, language) => {
      const text = files.text(below(name));
      return text === undefined ? undefined : ts.createSourceFile(name, text, language, true);
    },
    resolveModuleNameLiterals: (literals, from) =>
      literals.map(({ text }) => {
        const path = resolve(text, below(from));
        if (path === undefined) return { resolvedModule: undefined };
        const extension = path.slice(path.lastIndexOf(".")) as ts.Extension;
        return {
          resolvedModule: { resolvedFileName: ROOT + path, extension, isExternalLibraryImport: false },
        };
      }),
    getDefaultLibFileName: () => "lib.d.ts",
    writeFile: () => {},
    getCurrentDirectory: () => ROOT,
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
  };
}

function packageFile(
  name: string,
  packages: ReadonlyMap<string, Package>,
  known: ReadonlySet<string>,
): string | undefined {
  const parts = /^(@[^/]+\/[^/]+|[^/]+)(?:\/(.*))?$/.exec(name);
  const found = packages.get(parts?.[1] ?? "");
  if (found === undefined) return undefined;
  const subpath = parts?.[2] === undefined ? "." : `./${parts[2]}`;
  const entry = found.entries.find((one) => one.subpath === subpath)?.file;
  if (entry !== undefined) return entry ?? undefined;
  // Without `exports` any file may be named.
  return besideOf(subpath, found.folder === "" ? "x" : `${found.folder}/x`, known);
}

/** A relative name, as compilers and bundlers take it: with or without an end, `.js` for what is written in `.ts`. */
function besideOf(name: string, from: string, known: ReadonlySet<string>): string | undefined {
  const parts = from.split("/").slice(0, -1);
  for (const part of name.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "." && part !== "") parts.push(part);
  }
  const base = parts.join("/");
  if (known.has(base) && CODE.test(base)) return base;
  const stem = base.replace(/\.([cm]?)jsx?$/, "");
  const prefix = base === "" ? "" : `${base}/`;
  const tries = [
    ...(stem === base ? [] : [".ts", ".tsx", ".mts", ".cts", ".d.ts"].map((end) => stem + end)),
    ...[".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".d.ts"].map((end) => base + end),
    ...["index.ts", "index.tsx", "index.js", "index.mjs", "mod.ts"].map((file) => prefix + file),
  ];
  return tries.find((path) => known.has(path));
}
