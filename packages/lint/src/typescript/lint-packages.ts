import ts from "typescript";
import { type Births, birthsOf } from "./births.ts";
import { folderFiles, type WorkspaceFiles } from "./files.ts";
import { type Package, packagesOf } from "./packages.ts";
import { type Code, codeOf, codePaths } from "./program.ts";
import type { LintPackagesOptions, Mention, PackageClass, PackageExport, PackagesReport } from "./report.ts";
import { resolved, signatureSymbols } from "./signatures.ts";
import { type Use, usesOf, usesOfExamples } from "./uses.ts";

const TEST_PATH =
  /(^|\/)(tests?|__tests__|examples?|demos?|bench(marks?)?|docs?|e2e|spec|fixtures|testing)\/|\.(test|spec|bench)\.[cm]?[jt]sx?$/;

/** As lintPackages() of ./lazy.ts. */
export function takeCensus(root: string, options: LintPackagesOptions): PackagesReport {
  const tell = options.onProgress ?? (() => {});
  tell(`Reading ${root}`);
  const files = folderFiles(root);
  const packages = packagesOf(files);
  tell(`Resolving ${files.paths.length} files`);
  const code = codeOf(files, packages, codePaths(files));
  const births = options.history === false ? null : birthsOf(root, (tag) => tell(`Reading release ${tag}`));
  return new Census(files, packages, code, births, options.window ?? 1).report(root);
}

interface Candidate {
  readonly owner: Package;
  readonly subpath: string;
  readonly name: string;
  readonly symbol: ts.Symbol;
  readonly mentions: Mention[];
}

class Census {
  readonly #files: WorkspaceFiles;
  readonly #packages: readonly Package[];
  readonly #code: Code;
  readonly #births: Births | null;
  readonly #window: number;
  readonly #notes: string[] = [];
  readonly #candidates: Candidate[] = [];
  /** By entry file and name. */
  readonly #byEntry = new Map<string, Candidate[]>();
  readonly #byFile = new Map<string, Candidate[]>();

  constructor(
    files: WorkspaceFiles,
    packages: readonly Package[],
    code: Code,
    births: Births | null,
    window: number,
  ) {
    this.#files = files;
    this.#packages = packages;
    this.#code = code;
    this.#births = births;
    this.#window = window;
  }

  report(root: string): PackagesReport {
    for (const owner of this.#packages) this.#exportsOf(owner);
    for (const { path, file } of this.#code.sources)
      this.#usesIn(path, usesOf(file, this.#code.checker), "code");
    for (const path of this.#files.paths) {
      const text = /\.md$|\.[cm]?tsx?$/.test(path) ? this.#files.text(path) : undefined;
      if (text?.includes("```") === true) this.#usesIn(path, usesOfExamples(text), "example");
    }
    const classes = this.#classes();
    const counts = this.#packages.map(({ name, folder }) => ({
      name,
      folder,
      exports: this.#candidates.filter(({ owner }) => owner.name === name).length,
    }));
    return {
      root,
      packages: counts,
      releases: this.#births?.releases ?? [],
      exports: this.#candidates.map((one) => this.#result(one, classes.get(one) ?? "nobody")),
      notes: this.#notes,
    };
  }

  #exportsOf(owner: Package): void {
    const { checker } = this.#code;
    for (const { subpath, file, target } of owner.entries) {
      if (file === null) {
        if (/\.[cm]?[jt]sx?$/.test(target))
          this.#notes.push(`${owner.name} exports ${target} as ${subpath}, and its source was not found.`);
        continue;
      }
      const source = this.#code.source(file);
      const module = source === undefined ? undefined : checker.getSymbolAtLocation(source);
      if (module === undefined) {
        this.#notes.push(`${file} (${owner.name}, ${subpath}) is no module: it exports nothing.`);
        continue;
      }
      const found = checker.getExportsOfModule(module).map(
        (symbol): Candidate => ({
          owner,
          subpath,
          name: symbol.name,
          symbol: resolved(symbol, checker),
          mentions: [],
        }),
      );
      this.#candidates.push(...found);
      push(this.#byFile, file, found);
      for (const one of found) push(this.#byEntry, `${file}\0${one.name}`, [one]);
    }
  }

  #ownerOf(path: string): Package | undefined {
    let best: Package | undefined;
    for (const one of this.#packages)
      if (
        (one.folder === "" || path.startsWith(`${one.folder}/`)) &&
        one.folder.length >= (best?.folder.length ?? 0)
      )
        best = one;
    return best;
  }

  #usesIn(path: string, uses: readonly Use[], from: "code" | "example"): void {
    const here = this.#ownerOf(path);
    const test = TEST_PATH.test(path);
    for (const { module, name, line } of uses) {
      const file = this.#code.resolve(module, path);
      if (file === undefined) continue;
      const whole = name === "*";
      const candidates = whole ? this.#byFile.get(file) : this.#byEntry.get(`${file}\0${name}`);
      for (const one of candidates ?? []) {
        const inside = one.owner === here;
        // Its own code does not need the door; its own tests and examples may well go through it by name.
        if (inside && !test && from === "code") continue;
        if (inside && module.startsWith(".")) continue;
        const how = from === "example" ? "example" : test ? "test" : whole ? "whole module" : "code";
        one.mentions.push({ path, line, how, of: null });
      }
    }
  }

  #classes(): ReadonlyMap<Candidate, PackageClass> {
    const classes = new Map<Candidate, PackageClass>();
    for (const one of this.#candidates) {
      const hows = new Set(one.mentions.map(({ how }) => how));
      if (hows.has("code")) classes.set(one, "package");
      else if (hows.has("whole module")) classes.set(one, "undetermined");
      else if (hows.has("test") || hows.has("example")) classes.set(one, "tests");
    }
    this.#signatures(classes);
    return classes;
  }

  /**
   * What is reached from what is used, by signatures, also over types that are not exported. What only tests use makes
   * what its signature names tests' too.
   */
  #signatures(classes: Map<Candidate, PackageClass>): void {
    const bySymbol = new Map<ts.Symbol, Candidate[]>();
    for (const one of this.#candidates) push(bySymbol, one.symbol, [one]);
    this.#reach(classes, bySymbol, "package", "signature", ["tests", undefined]);
    this.#reach(classes, bySymbol, "tests", "tests", [undefined]);
  }

  #reach(
    classes: Map<Candidate, PackageClass>,
    bySymbol: ReadonlyMap<ts.Symbol, readonly Candidate[]>,
    from: PackageClass,
    to: PackageClass,
    over: readonly (PackageClass | undefined)[],
  ): void {
    const seen = new Set<ts.Symbol>();
    const work = this.#candidates
      .filter((one) => classes.get(one) === from)
      .map((one) => ({ symbol: one.symbol, of: one }));
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      const { symbol, of } = next;
      if (seen.has(symbol)) continue;
      seen.add(symbol);
      for (const named of signatureSymbols(symbol, this.#code.checker)) {
        // Each door's export of it is marked, whether or not its own signature was followed before.
        for (const one of bySymbol.get(named) ?? []) {
          if (!over.includes(classes.get(one))) continue;
          classes.set(one, to);
          const { path, line } = this.#placeOf(of.symbol);
          one.mentions.push({ path, line, how: "signature", of: of.name });
        }
        work.push({ symbol: named, of: bySymbol.get(named)?.[0] ?? of });
      }
    }
  }

  #placeOf(symbol: ts.Symbol): { readonly path: string; readonly line: number } {
    const declaration = symbol.declarations?.[0];
    if (declaration === undefined) return { path: "", line: 1 };
    const file = declaration.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(declaration.getStart(file));
    return { path: this.#code.pathOf(file), line: line + 1 };
  }

  #result(one: Candidate, found: PackageClass): PackageExport {
    const { owner, subpath, name, symbol, mentions } = one;
    const born = this.#births?.bornIn(owner.name, subpath, name) ?? null;
    const releases = this.#births?.releases ?? [];
    const after = born === null ? 0 : releases.length - 1 - releases.indexOf(born);
    const unused = found === "nobody" || found === "tests";
    return {
      package: owner.name,
      subpath,
      name,
      kind: (symbol.flags & ts.SymbolFlags.Value) === 0 ? "type" : "value",
      ...this.#placeOf(symbol),
      class: found,
      mentions,
      born,
      overdue: unused && born !== null && after >= this.#window,
    };
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, values: readonly V[]): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [...values]);
  else list.push(...values);
}
