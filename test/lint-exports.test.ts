import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { examineExports } from "@hms/lint";
import { EXPECTED, smallKernel } from "../packages/lint/src/exports/testing/small-kernel.ts";
import { scratchFolder } from "../packages/lint/src/testing/header-trees.ts";

const HMS = join(import.meta.dirname, "../packages/cli/bin/hms.js");
const cache = mkdtempSync(join(tmpdir(), "hms-lint-cache-"));
after(() => rmSync(cache, { recursive: true }));

function hms(...args: string[]): {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
} {
  const done = spawnSync(process.execPath, [HMS, "lint", "exports", ...args], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cache, NO_COLOR: "1" },
  });
  return { code: done.status, out: done.stdout, err: done.stderr };
}

test("hms lint exports: a table, what breaks a rule, and exit code 1", () => {
  using tree = scratchFolder(smallKernel());
  const { code, out } = hms(tree.path);
  assert.equal(code, 1);
  assert.match(out, /Linux 6\.12\): \d+ exports in \d+ files/);
  assert.match(out, /drivers\/widget\/main\.c\n(.*\n)*.*widget_by_nobody/);
  assert.match(out, /widget_by_builtin: used only by what is built in, such as mm\/pages\.c/);
  assert.doesNotMatch(out, /widget_by_module\b/);
});

test("hms lint exports --format json holds every symbol; --subsystem narrows it by folder and by MAINTAINERS", () => {
  using tree = scratchFolder(smallKernel());
  const all = JSON.parse(hms(tree.path, "--format", "json").out);
  assert.equal(all.schema, "hms-lint-exports");
  const classes = Object.fromEntries(
    all.symbols.map((one: { symbol: string; class: string }) => [one.symbol, one.class]),
  );
  for (const [name, expected] of Object.entries(EXPECTED)) assert.equal(classes[name], expected, name);
  const files = (text: string): Set<string> =>
    new Set(JSON.parse(text).symbols.map((one: { file: string }) => one.file));
  assert.deepEqual(
    files(hms(tree.path, "--format", "json", "--subsystem", "mm").out),
    new Set(["mm/pages.c"]),
  );
  assert.deepEqual(
    files(hms(tree.path, "--format", "json", "--subsystem", "memory management,widget driver").out),
    new Set(["mm/pages.c", "drivers/widget/main.c"]),
  );
  const unknown = hms(tree.path, "--subsystem", "nothing");
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /Find the subsystem "nothing": it is no folder or file/);
});

test("hms lint exports --format sarif: version 2.1.0, a rule for each result, and what the baseline knows", () => {
  using tree = scratchFolder(smallKernel());
  const baseline = join(tree.path, "old.json");
  assert.equal(hms(tree.path, "--write-baseline", baseline).code, 0);
  assert.equal(hms(tree.path, "--baseline", baseline).code, 0);
  tree.write({ "kernel/base.c": "int fresh(void)\n{\n\treturn 0;\n}\nEXPORT_SYMBOL(fresh);\n" });
  const { code, out, err } = hms(tree.path, "--baseline", baseline, "--format", "sarif");
  assert.equal(code, 1);
  assert.match(err, /1 violations are new/);
  const log = JSON.parse(out);
  assert.equal(log.version, "2.1.0");
  const [run] = log.runs;
  for (const result of run.results) {
    assert.equal(run.tool.driver.rules[result.ruleIndex].id, result.ruleId);
    const [location] = result.locations;
    assert.ok(location.physicalLocation.region.startLine >= 1);
  }
  const fresh = run.results.filter((one: { baselineState: string }) => one.baselineState === "new");
  assert.equal(fresh.length, 1);
  assert.match(fresh[0].message.text, /^fresh: /);
  writeFileSync(baseline, "{}");
  assert.match(hms(tree.path, "--baseline", baseline).err, /hms-lint-baseline/);
});

test("hms lint exports --why shows every mention and how it was read", () => {
  using tree = scratchFolder(smallKernel());
  const { code, out } = hms(tree.path, "--why", "widget_by_member");
  assert.equal(code, 0);
  assert.match(out, /widget_by_member: nobody/);
  assert.match(out, / {3}drivers\/gadget\/gadget\.c:\d+: member of a structure: o->widget_by_member\(\);/);
  assert.match(
    hms(tree.path, "--why", "widget_by_inline").out,
    /through inline widget_inline \(include\/linux\/widget\.h:\d+\)/,
  );
  assert.equal(hms(tree.path, "--why", "no_such_symbol").code, 1);
});

test("hms lint exports --plan writes a letter to each maintainer, with evidence", () => {
  using tree = scratchFolder(smallKernel());
  const { code, out } = hms(tree.path, "--plan", "--subsystem", "drivers");
  assert.equal(code, 0);
  assert.match(out, /^To: B Person <b@example\.org>\nSubject: \[RFC\] WIDGET DRIVER: \d+ exports/);
  assert.match(
    out,
    /widget_by_builtin\n {6}drivers\/widget\/main\.c:\d+: EXPORT_SYMBOL\n {6}used in mm\/pages\.c:3 \(built-in\)/,
  );
});

test("hms lint exports --format html is one page with every symbol in it", () => {
  using tree = scratchFolder(smallKernel());
  const { out } = hms(tree.path, "--format", "html");
  const data = /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(out)?.[1];
  const symbols = new Set(JSON.parse(data ?? "{}").rows.map((row: readonly unknown[]) => row[0]));
  for (const name of Object.keys(EXPECTED)) assert.ok(symbols.has(name), name);
  assert.doesNotMatch(out, /(src|href)=["']?http/);
});

/** Two releases in a repository: what came, went, changed and stayed without a consumer. */
function releases(folder: { readonly path: string; write(files: Record<string, string>): void }): void {
  const git = (...args: string[]): void => {
    const done = spawnSync("git", [
      "-C",
      folder.path,
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.org",
      ...args,
    ]);
    assert.equal(done.status, 0, String(done.stderr));
  };
  const exports = (...lines: string[]): string =>
    lines.map((line) => `int ${line.replace(/.*\(|\W*\)$/g, "")}(void)\n{\n}\n${line};\n`).join("");
  git("init", "-q");
  folder.write({
    ...smallKernel(),
    Makefile: "VERSION = 6\nPATCHLEVEL = 11\n",
    "kernel/base.c": exports(
      "EXPORT_SYMBOL(stays_unused)",
      "EXPORT_SYMBOL(gets_used)",
      "EXPORT_SYMBOL(gets_gpl)",
      "EXPORT_SYMBOL(goes_away)",
    ),
  });
  git("add", ".");
  git("commit", "-q", "-m", "first");
  git("tag", "v6.11");
  folder.write({
    Makefile: "VERSION = 6\nPATCHLEVEL = 12\n",
    "kernel/base.c": exports(
      "EXPORT_SYMBOL(stays_unused)",
      "EXPORT_SYMBOL(gets_used)",
      "EXPORT_SYMBOL_GPL(gets_gpl)",
      "EXPORT_SYMBOL(born_used)",
    ),
    "drivers/gadget/part.c": "int p(void)\n{\n\treturn gets_used() + born_used();\n}\n",
  });
  git("add", ".");
  git("commit", "-q", "-m", "base: export born_used\n\nThe gadget driver needs it.");
  folder.write({
    "kernel/more.c": exports("EXPORT_SYMBOL(born_unused)"),
    "kernel/Makefile": "obj-y := base.o user.o more.o\n",
  });
  git("add", ".");
  git("commit", "-q", "-m", "base: export born_unused\n\nThere is no reason not to.");
  git("tag", "v6.12");
}

const noGit = spawnSync("git", ["--version"]).status === 0 ? false : "git is not installed";

test("hms lint exports --from --to: born, consumed, overdue, changed, removed, frozen, and why", {
  skip: noGit,
}, () => {
  using tree = scratchFolder();
  releases(tree);
  const args = ["--git", tree.path, "--from", "v6.11", "--to", "v6.12", "--subsystem", "kernel"];
  const { code, out } = hms(...args, "--format", "json");
  assert.equal(code, 1);
  const found = JSON.parse(out);
  const names = (list: readonly { symbol: string }[]): string[] => list.map((one) => one.symbol).sort();
  assert.equal(found.releases, 1);
  assert.deepEqual(names(found.born), ["born_unused", "born_used"]);
  assert.deepEqual(names(found.pending), ["born_unused"]);
  assert.deepEqual(names(found.consumed), ["gets_used"]);
  assert.deepEqual(names(found.overdue), ["gets_gpl", "stays_unused"]);
  assert.deepEqual(names(found.removed), ["goes_away"]);
  assert.deepEqual(
    found.changed.map((one: { symbol: string; what: string[] }) => [one.symbol, one.what]),
    [["gets_gpl", ["any module → GPL only"]]],
  );
  const rules = (rule: string): string[] =>
    names(found.violations.filter((one: { rule: string }) => one.rule === rule));
  assert.deepEqual(rules("freeze"), ["born_unused", "born_used"]);
  assert.deepEqual(rules("no-motivation"), ["born_unused"]);
  assert.deepEqual(
    found.motivations.map((one: { symbol: string; names: string | null }) => [one.symbol, one.names]).sort(),
    [
      ["born_unused", null],
      ["born_used", "gadget"],
    ],
  );
  const later = JSON.parse(hms(...args, "--format", "json", "--window", "2").out);
  assert.deepEqual(later.overdue, []);
  assert.match(hms(...args).out, /2 {2}born, of which 1 have no consumer/);
});

test("wrong usage and bad trees are one sentence", () => {
  assert.equal(hms().code, 2);
  const absent = hms("/no/such/tree");
  assert.equal(absent.code, 1);
  assert.match(absent.err, /^hms: Open the tree \/no\/such\/tree: there is no such folder.*\n$/);
  using empty = scratchFolder({ "a.txt": "" });
  assert.match(hms(empty.path).err, /it is no kernel tree, or only a part of one/);
});

const kernel = process.env.HMS_KERNEL_TREE;
const noKernel =
  kernel !== undefined && existsSync(join(kernel, "Kconfig"))
    ? false
    : "HMS_KERNEL_TREE names no unpacked kernel tree";

test("a whole kernel: well-known symbols have the class that their users give them", {
  skip: noKernel,
  timeout: 600_000,
}, async () => {
  const { symbols } = await examineExports(kernel ?? "");
  const classes = new Map<string, Set<string>>();
  for (const one of symbols) classes.set(one.symbol, (classes.get(one.symbol) ?? new Set()).add(one.class));
  for (const name of [
    "kfree",
    "__stack_chk_fail",
    "mutex_lock",
    "param_ops_int",
    "_printk",
    "__kmalloc_noprof",
    "jiffies",
  ]) {
    if (classes.has(name)) assert.ok(classes.get(name)?.has("module"), name);
  }
  assert.ok(symbols.length > 20_000);
});
