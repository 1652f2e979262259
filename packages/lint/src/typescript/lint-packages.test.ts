import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { scratchFolder } from "../testing/header-trees.ts";
import { compareWithBaseline, readBaseline } from "./baseline.ts";
import { takeCensus } from "./lint-packages.ts";
import type { LintPackagesOptions, PackagesReport } from "./report.ts";
import { packagesJson, packagesSarif, packagesText } from "./write.ts";

const manifest = (name: string, more: object = { exports: { ".": "./src/mod.ts" } }): string =>
  JSON.stringify({ name, ...more });
const ROOT = { "package.json": JSON.stringify({ name: "root", workspaces: ["packages/*"] }) };

function lint(files: Readonly<Record<string, string>>, options: LintPackagesOptions = {}): PackagesReport {
  using scratch = scratchFolder({ ...ROOT, ...files });
  return takeCensus(scratch.path, { history: false, ...options });
}

function classes(report: PackagesReport, of = "@x/a"): Record<string, string> {
  const own = report.exports.filter((one) => one.package === of);
  return Object.fromEntries(
    own.map((one) => [one.subpath === "." ? one.name : `${one.subpath} ${one.name}`, one.class]),
  );
}

const A = (
  source: string,
  more: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => ({
  "packages/a/package.json": manifest("@x/a"),
  "packages/a/src/mod.ts": source,
  "packages/b/package.json": manifest("@x/b"),
  ...more,
});
/** Uses of exports p, q and r of @x/a, and what they make of them. */
const USES: readonly (readonly [what: string, code: string, used: string])[] = [
  ["a named import", `import { p } from "@x/a"; p();`, "p"],
  ["a renamed import", `import { p as other } from "@x/a"; other();`, "p"],
  ["a type import", `import type { p } from "@x/a"; export type T = typeof p;`, "p"],
  ["a re-export", `export { q } from "@x/a";`, "q"],
  ["a re-export of all", `export * from "@x/a";`, "p q r"],
  ["a namespace", `import * as a from "@x/a"; a.p(); a["q"]();`, "p q"],
  [
    "a namespace beside a variable of its name",
    `import * as a from "@x/a"; { const a = { r: 1 }; a.r; } a.p();`,
    "p",
  ],
  ["a namespace in a type", `import type * as a from "@x/a"; export type T = typeof a.r;`, "r"],
  ["an import()", `const { p, q: z } = await import("@x/a"); p(z);`, "p q"],
  ["an import() with a member", `(await import("@x/a")).r();`, "r"],
  ["an import() in a variable", `const a = await import("@x/a"); a.q();`, "q"],
  [
    "an import() in variables of one name in two functions",
    `async function f() { const a = await import("@x/a"); a.p(); } async function g() { const a = await import("@x/a"); a.r(); } f(); g();`,
    "p r",
  ],
  ["an import() with then", `import("@x/a").then(({ p }) => p()); import("@x/a").then((m) => m.q());`, "p q"],
  ["an import type", `export type T = typeof import("@x/a").p; export type U = import("@x/a").q;`, "p q"],
  ["require()", `const { p } = require("@x/a"); require("@x/a").q();`, "p q"],
  ["import = require()", `import a = require("@x/a"); a.r();`, "r"],
  ["a path into the other package's entry", `import { p } from "../../a/src/mod.ts"; p();`, "p"],
  ["comments, texts and an import for its effects", `import "@x/a"; // p\nconst q = "r";`, ""],
  ["another module of that name", `import { p } from "@y/a"; p();`, ""],
];

for (const [what, code, used] of USES)
  test(`uses: ${what}`, () => {
    const source =
      "export function p(x?: unknown) {}\nexport const q = (): void => {};\nexport function r() {}\n";
    const found = classes(lint(A(source, { "packages/b/src/mod.ts": code })));
    const expected = Object.fromEntries(
      ["p", "q", "r"].map((name) => [name, used.split(" ").includes(name) ? "package" : "nobody"]),
    );
    // Taking all of a module in another package's name is a use of each.
    const seen = Object.fromEntries(
      Object.entries(found).map(([name, kind]) => [name, kind === "undetermined" ? "package" : kind]),
    );
    assert.deepEqual(seen, expected);
  });

test("a whole module handed on leaves undetermined what is used of it", () => {
  const found = classes(
    lint(A("export const p = 1;", { "packages/b/src/mod.ts": `import * as a from "@x/a"; console.log(a);` })),
  );
  assert.deepEqual(found, { p: "undetermined" });
});

test("re-exports are followed to the door, and each door is judged by itself", () => {
  const report = lint({
    "packages/a/package.json": manifest("@x/a", {
      exports: { ".": "./src/mod.ts", "./deep": { import: "./dist/deep.js" }, "./data.json": "./data.json" },
    }),
    "packages/a/src/mod.ts": `export * from "./one.ts";\nexport { inner as outer } from "./two.js";`,
    "packages/a/src/one.ts": "export const p = 1; export const q = 2;",
    "packages/a/src/two.ts": "export const inner = 3;",
    "packages/a/src/deep.ts": `export { p } from "./one.ts";`,
    "packages/b/package.json": manifest("@x/b"),
    "packages/b/src/mod.ts": `import { p } from "@x/a/deep"; import { outer } from "@x/a"; p; outer;`,
  });
  assert.deepEqual(classes(report), { p: "nobody", q: "nobody", outer: "package", "./deep p": "package" });
  assert.deepEqual(report.notes, []);
  const outer = report.exports.find((one) => one.name === "outer");
  assert.deepEqual([outer?.path, outer?.line], ["packages/a/src/two.ts", 1]);
});

test("tests, examples and documentation are no consumers; the workspace's own code is one", () => {
  const source =
    "export const t = 1; export const e = 2; export const d = 3; export const w = 4; export const own = 5;";
  const found = classes(
    lint(
      A(source, {
        "packages/b/src/x.test.ts": `import { t } from "@x/a"; t;`,
        "examples/one.ts": `import { e } from "@x/a"; e;`,
        "README.md": `# a\n\n\`\`\`ts\nimport { d } from "@x/a";\n\`\`\`\n`,
        "tools/make.ts": `import { w } from "@x/a"; w;`,
        "packages/a/src/other.ts": `import { own } from "./mod.ts"; own;`,
      }),
    ),
  );
  assert.deepEqual(found, { t: "tests", e: "tests", d: "tests", w: "package", own: "nobody" });
});

test("what the signature of something used names is used by that", () => {
  const source = `
export interface Options { readonly deep: Inside }
export interface Inside { readonly x: number }
interface Hidden { readonly y: Reached }
export interface Reached { readonly z: number }
export interface Body { readonly b: number }
export interface Secret { readonly s: number }
export class Used { #own: Secret | null = null; private also: Secret | null = null; make(options: Options): Hidden { const body: Body = { b: 1 }; return { y: { z: body.b } }; } }
export interface Alone { readonly a: number }
`;
  const report = lint(A(source, { "packages/b/src/mod.ts": `import { Used } from "@x/a"; new Used();` }));
  assert.deepEqual(classes(report), {
    Options: "signature",
    Inside: "signature",
    Reached: "signature",
    Body: "nobody",
    Secret: "nobody",
    Used: "package",
    Alone: "nobody",
  });
});

test("what a signature names is used at each door that exports it, whichever is looked at first", () => {
  const source = "export interface Found {}\nexport function find(): Found { return {}; }\n";
  const more = {
    "packages/a/package.json": manifest("@x/a", {
      exports: { ".": "./src/mod.ts", "./lazy": "./src/lazy.ts" },
    }),
    "packages/a/src/lazy.ts": `export type { Found } from "./mod.ts";\n`,
    "packages/b/src/mod.ts": `import { find } from "@x/a"; import type { Found } from "@x/a/lazy"; export const f = (): Found => find();\n`,
  };
  assert.deepEqual(classes(lint({ ...A(source), ...more })), {
    find: "package",
    Found: "signature",
    "./lazy Found": "package",
  });
});

test("births come from tags; what stays unused for longer than the window is overdue", {
  skip: spawnSync("git", ["--version"]).status === 0 ? false : "git is not here",
}, () => {
  using scratch = scratchFolder({ ...ROOT, ...A("export const old = 1;") });
  const git = (...args: string[]): void => {
    const done = spawnSync(
      "git",
      ["-c", "user.name=t", "-c", "user.email=t@example.org", "-C", scratch.path, ...args],
      { env: { ...process.env, GIT_COMMITTER_DATE: `2024-01-0${date++}T00:00:00Z` } },
    );
    assert.equal(done.status, 0, done.stderr.toString());
  };
  let date = 1;
  const release = (tag: string, source: string): void => {
    scratch.write({ "packages/a/src/mod.ts": source });
    git("add", ".");
    git("commit", "-qm", tag, "--allow-empty");
    git("tag", tag);
  };
  git("init", "-q");
  release("v1", "export const old = 1;");
  release("v2", "export const old = 1; export const newer = 2;");
  scratch.write({
    "packages/a/src/mod.ts": "export const old = 1; export const newer = 2; export const today = 3;",
  });
  const report = takeCensus(scratch.path, {});
  assert.deepEqual(report.releases, ["v1", "v2"]);
  assert.deepEqual(
    report.exports
      .filter(({ package: of }) => of === "@x/a")
      .map(({ name, born, overdue }) => [name, born, overdue]),
    [
      ["old", "v1", true],
      ["newer", "v2", false],
      ["today", null, false],
    ],
  );
  const patient = takeCensus(scratch.path, { window: 2 });
  assert.ok(patient.exports.every(({ overdue }) => !overdue));
  assert.match(
    packagesText(report, compareWithBaseline(report, []), { colour: false, why: null }),
    /old \(value, @x\/a, since v1, overdue: consume or revert\)/,
  );
});

test("a baseline holds back entries with a reason and an owner, and says which can go", () => {
  using scratch = scratchFolder({
    "good.json": JSON.stringify({
      format: "hms-exports-baseline-1",
      exports: [
        { package: "@x/a", subpath: ".", name: "p", reason: "used from the next package on", owner: "b" },
        { package: "@x/a", subpath: ".", name: "gone", reason: "x", owner: "b" },
      ],
    }),
    "bad.json": JSON.stringify({
      format: "hms-exports-baseline-1",
      exports: [{ package: "@x/a", subpath: ".", name: "p", reason: "", owner: "b" }],
    }),
  });
  const report = lint(A("export const p = 1; export const q = 1;"));
  const { violations, stale } = compareWithBaseline(report, readBaseline(join(scratch.path, "good.json")));
  assert.deepEqual(
    violations.map(({ name }) => name),
    ["q"],
  );
  assert.deepEqual(
    stale.map(({ name }) => name),
    ["gone"],
  );
  assert.throws(
    () => readBaseline(join(scratch.path, "bad.json")),
    (error) => HmsError.is(error) && error.code === "BASELINE_INVALID",
  );
  const json = JSON.parse(packagesJson(report, { violations, stale })) as {
    format: string;
    violations: unknown[];
  };
  assert.deepEqual([json.format, json.violations.length], ["hms-packages-1", 1]);
  assert.match(packagesSarif({ violations, stale }), /"ruleId": "export-without-user"/);
});

test("odd workspaces", () => {
  using nothing = scratchFolder({ "README.md": "" });
  assert.throws(
    () => takeCensus(nothing.path, {}),
    (error) => HmsError.is(error) && error.code === "NO_WORKSPACE",
  );
  assert.throws(
    () => takeCensus(join(nothing.path, "none"), {}),
    (error) => HmsError.is(error) && error.code === "INPUT_NOT_FOUND",
  );
  using outside = scratchFolder({ "secret.ts": "export const secret = 1;" });
  using scratch = scratchFolder({
    "package.json": JSON.stringify({
      name: "one",
      exports: { ".": "./mod.ts", "./gone": "./gone.ts", "./*": "./sub/*.ts" },
    }),
    "mod.ts": `export * from "./loop.ts";\nexport const caf\u00e9 = 1;\nexport { secret } from "./link.ts";\nexport {`,
    "loop.ts": `export * from "./mod.ts"; export const looped = 1;`,
    "sub/part.ts": "export const part = 1;",
    "packages/broken/package.json": "{",
  });
  symlinkSync(join(outside.path, "secret.ts"), join(scratch.path, "link.ts"));
  const report = takeCensus(scratch.path, { history: false });
  assert.deepEqual(report.exports.map(({ subpath, name }) => `${subpath} ${name}`).toSorted(), [
    ". café",
    ". looped",
    ". secret",
    "./part part",
  ]);
  assert.deepEqual(report.notes, ["one exports ./gone.ts as ./gone, and its source was not found."]);
});
