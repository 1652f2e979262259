#!/usr/bin/env node
// Plain JavaScript that any Node can parse: a run under an old Node must end with one clear sentence.
const major = Number(process.versions.node.split(".")[0]);
if (!(major >= 24)) {
  process.stderr.write(
    `hms: needs Node 24 or newer, but this is Node ${process.versions.node}: run it as \`npx hms\` after \`npm install\`, which brings its own Node.\n`,
  );
  process.exit(2);
}

// Start is most of what a short command takes: one file instead of a hundred modules, and the code that V8 made of it
// the last time. docs/decisions/start-up.md has the numbers. Built-in modules are taken without `import`, which
// would load parts of Node that are not needed.
const fs = process.getBuiltinModule("node:fs");
/** The folder of this package. */
const home = import.meta.dirname.slice(0, -"/bin".length);
const bundlePath = `${home}/dist/hms.cjs`;

/** Cached code files that are kept; each is about half a megabyte. */
const CACHE_FILES_MAX = 32;

start(process.argv.slice(2)).then(
  // Everything is written by then; waiting for Node to tidy up would take longer.
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`hms: cannot start: ${String(error)}\n`);
    process.exit(1);
  },
);

async function start(args) {
  const inRepository = fs.existsSync(`${home}/src/main.ts`);
  if (!inRepository || bundleIsFresh()) return runBundle(args);
  const { main } = await import("../src/main.ts");
  const code = await main(args);
  // For the next run; where that cannot be, it will do without.
  await import("../../../tools/bundle.ts").then(({ bundle }) => bundle()).catch(() => {});
  return code;
}

/** Whether the bundle is made of the sources as they are now. */
function bundleIsFresh() {
  if (process.env.HMS_FROM_SOURCES) return false;
  try {
    const inputs = JSON.parse(fs.readFileSync(`${home}/dist/hms.inputs.json`, "utf8"));
    const root = home.slice(0, -"packages/cli".length);
    for (let i = 0; i < inputs.length; i += 3) {
      const stats = fs.statSync(root + inputs[i], { throwIfNoEntry: false });
      if (stats === undefined || stats.mtimeMs !== inputs[i + 1] || stats.size !== inputs[i + 2])
        return false;
    }
    return fs.existsSync(bundlePath);
  } catch {
    return false;
  }
}

async function runBundle(args) {
  const { Script } = process.getBuiltinModule("node:vm");
  const cachePath = cacheFile(args);
  let cachedData;
  try {
    cachedData = cachePath === undefined ? undefined : fs.readFileSync(cachePath);
  } catch {
    // The first run of its sort.
  }
  const source = `(function (exports, require, moduleUrl, module) {${fs.readFileSync(bundlePath, "latin1")}\n})`;
  const script = new Script(source, { filename: bundlePath, cachedData });
  const bundled = { exports: {} };
  script.runInThisContext()(bundled.exports, requireFromBundle, moduleUrl, bundled);
  const code = await bundled.exports.main(args);
  if (cachePath !== undefined && (cachedData === undefined || script.cachedDataRejected))
    keepCode(cachePath, script.createCachedData());
  return code;
}

/** Each command with its options has its own cached code: what others need would only take time to read. */
function cacheFile(args) {
  const folder = process.env.XDG_CACHE_HOME || (process.env.HOME ? `${process.env.HOME}/.cache` : "");
  if (!folder.startsWith("/")) return undefined;
  const words = args.filter((arg, i) => /^--?[a-z-]+$/.test(arg) || i === 0 || args[i - 1] === "--format");
  const name = words
    .join("")
    .replace(/[^a-z-]/g, "")
    .slice(0, 80);
  const { ino, mtimeMs, size } = fs.statSync(bundlePath);
  return `${folder}/hms/${name}-${process.version}-${process.arch}-${ino}-${mtimeMs}-${size}.code`;
}

function keepCode(path, code) {
  try {
    const folder = path.slice(0, path.lastIndexOf("/"));
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.writeFileSync(`${path}.${process.pid}`, code, { mode: 0o600 });
    fs.renameSync(`${path}.${process.pid}`, path);
    const ages = fs.readdirSync(folder).map((name) => [fs.statSync(`${folder}/${name}`).mtimeMs, name]);
    ages.sort(([a], [b]) => b - a);
    for (const [, name] of ages.slice(CACHE_FILES_MAX)) fs.rmSync(`${folder}/${name}`, { force: true });
  } catch {
    // No place to keep it: the next run takes a little longer.
  }
}

let requireHere;
/** What this package may require. */
function ownRequire() {
  requireHere ??= process.getBuiltinModule("node:module").createRequire(import.meta.url);
  return requireHere;
}

function requireFromBundle(id) {
  return process.getBuiltinModule(id) ?? ownRequire()(id);
}

/** The address that a module of the bundle had before, by its path below packages/: for the files beside it. */
function moduleUrl(path) {
  const [name, ...rest] = path.split("/");
  const folder =
    name === "cli"
      ? home
      : ownRequire().resolve(`@hms/${name}/package.json`).slice(0, -"/package.json".length);
  return process.getBuiltinModule("node:url").pathToFileURL(`${folder}/${rest.join("/")}`).href;
}
