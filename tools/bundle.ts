// Bundles the command line into one file, packages/cli/dist/hms.cjs: what a published package carries, and what
// bin/hms.js runs in the repository for as long as no source has changed since (docs/decisions/start-up.md).
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { build, type Plugin } from "esbuild";

const root = resolve(import.meta.dirname, "..");
const packages = join(root, "packages");
const dist = join(packages, "cli/dist");

/** Packages that run from their own files: large, with threads of their own, and not for everyone. */
const OUTSIDE = ["@hms/conform", "@hms/lint"];
/** Of the package for programs what commands hand a machine to: it must be the bundle's own. */
const INSIDE = ["hms/process"];

/**
 * Our own packages become part of the bundle; those of others stay where npm puts them, and so does what only the
 * makers of drivers run: the start of every other command would pay for it.
 */
const othersStayOutside: Plugin = {
  name: "others-stay-outside",
  setup(setup) {
    setup.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || INSIDE.includes(path) || (path.startsWith("@hms/") && !OUTSIDE.includes(path))
        ? undefined
        : { external: true },
    );
  },
};

/** In one file every module has the same address: each asks for its own, by its path below packages/. */
const ownAddresses: Plugin = {
  name: "own-addresses",
  setup(setup) {
    setup.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const address = JSON.stringify(relative(packages, path));
      const contents = readFileSync(path, "utf8").replaceAll("import.meta.url", `moduleUrl(${address})`);
      return { contents, loader: "ts" };
    });
  },
};

/** Writes the bundle, and beside it the files that it is made of with their size and time. */
export async function bundle(): Promise<void> {
  const built = await build({
    absWorkingDir: root,
    entryPoints: [join(packages, "cli/src/main.ts")],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node24",
    format: "cjs",
    charset: "ascii",
    // Names stay: they are what a fault's report is read by.
    minifySyntax: true,
    minifyWhitespace: true,
    supported: { "dynamic-import": false },
    plugins: [othersStayOutside, ownAddresses],
    logLevel: "silent",
  });
  const inputs = [...Object.keys(built.metafile.inputs), relative(root, import.meta.filename)].flatMap(
    (path) => {
      const { mtimeMs, size } = statSync(join(root, path));
      return [path, mtimeMs, size];
    },
  );
  mkdirSync(dist, { recursive: true });
  writeBeside("hms.cjs", built.outputFiles[0]?.text ?? "");
  writeBeside("hms.inputs.json", JSON.stringify(inputs));
}

/** Another run may be reading the file. */
function writeBeside(name: string, text: string): void {
  const path = join(dist, name);
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

if (import.meta.main) await bundle();
