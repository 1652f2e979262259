// Makes the packages as they are published, in out/: built files instead of sources, and exports that lead to them.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
/** The command line is one file with all that it needs of the other packages; these are published beside it. */
const LIBRARIES = ["topology", "uabi", "policy", "hmm", "host-linux", "drivers/accel", "hms"];
const COMMAND_LINE = "cli";

type Json = Record<string, unknown>;

/** Packs what is published into a folder; returns the paths of the .tgz files. */
export function packAll(out: string): string[] {
  const built = spawnSync(
    process.execPath,
    [join(root, "tools/build.ts"), ...LIBRARIES.map((name) => join("packages", name))],
    { cwd: root, encoding: "utf8" },
  );
  if (built.status !== 0) throw new Error(`The build failed: ${built.stdout}${built.stderr}`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  return [...LIBRARIES, COMMAND_LINE].map((name) => pack(name, out));
}

function pack(name: string, out: string): string {
  const source = join(root, "packages", name);
  const staged = join(out, name.replace("/", "-"));
  mkdirSync(staged);
  const manifest = JSON.parse(readFileSync(join(source, "package.json"), "utf8")) as Json;
  for (const part of ["bin", "dist", "machines", "schema"])
    if (existsSync(join(source, part)))
      cpSync(join(source, part), join(staged, part), {
        recursive: true,
        filter: (path) => isPublished(name, path),
      });
  cpSync(join(root, "LICENSE"), join(staged, "LICENSE"));
  cpSync(join(root, "CHANGELOG.md"), join(staged, "CHANGELOG.md"));
  const published = publishedManifest(
    name === COMMAND_LINE ? { ...manifest, dependencies: bundledNeeds() } : manifest,
  );
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
  const packed = spawnSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", out], {
    cwd: staged,
    encoding: "utf8",
  });
  if (packed.status !== 0) throw new Error(`npm pack ${name}: ${packed.stderr}`);
  return join(out, packed.stdout.trim().split("\n").at(-1) ?? "");
}

/** The command line is one file; of the other packages all is published but what tsc keeps for itself. */
function isPublished(name: string, path: string): boolean {
  if (path.endsWith(".tsbuildinfo") || path.endsWith(".inputs.json")) return false;
  if (/\/dist\/(?:.*\/)?testing(?:\/|$)/.test(path)) return false;
  return name !== COMMAND_LINE || !/\/dist\/.*\.(js|ts)$|\/dist\/commands$/.test(path);
}

/** What the bundle needs beside it: the libraries for their files, and what others made of each package that is in it. */
function bundledNeeds(): Record<string, string> {
  const inputs = JSON.parse(
    readFileSync(join(root, "packages/cli/dist/hms.inputs.json"), "utf8"),
  ) as readonly (string | number)[];
  const paths = inputs.filter((one) => typeof one === "string");
  const folders = new Set(paths.map((path) => /^(packages\/.*?)\/src\//.exec(path)?.[1] ?? "packages/cli"));
  const needs: Record<string, string> = {};
  for (const folder of folders) {
    const {
      name,
      version,
      dependencies = {},
    } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
      readonly name: string;
      readonly version: string;
      readonly dependencies?: Record<string, string>;
    };
    if (LIBRARIES.some((library) => folder === `packages/${library}`)) needs[name] = `^${version}`;
    for (const [other, range] of Object.entries(dependencies))
      if (!other.startsWith("@hms/")) needs[other] = range;
  }
  return needs;
}

/** `./src/mod.ts` becomes `./dist/mod.js`, with its types. */
function publishedManifest(manifest: Json): Json {
  const exports = Object.entries((manifest.exports ?? {}) as Record<string, string>).map(
    ([entry, target]) => {
      if (!target.startsWith("./src/")) return [entry, target];
      const built = target.replace("./src/", "./dist/").replace(/\.ts$/, "");
      return [entry, { types: `${built}.d.ts`, default: `${built}.js` }];
    },
  );
  return { ...manifest, exports: Object.fromEntries(exports) as Json };
}

if (import.meta.main) {
  for (const path of packAll(join(root, "out"))) process.stdout.write(`${path}\n`);
}
