import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { type ScratchFolder, scratchFolder } from "../testing/header-trees.ts";
import { examineExports } from "./examine.ts";
import type { ExportedSymbol, ExportReport } from "./report.ts";
import { EXPECTED, smallKernel } from "./testing/small-kernel.ts";

async function examined(change: (files: Record<string, string>) => void = () => {}): Promise<ExportReport> {
  const files = smallKernel();
  change(files);
  using folder = scratchFolder(files);
  return await examineExports(folder.path, { fresh: true });
}

function symbolOf(report: ExportReport, name: string): ExportedSymbol {
  const found = report.symbols.filter((one) => one.symbol === name);
  assert.equal(found.length, 1, `${name} is exported once`);
  return found[0] as ExportedSymbol;
}

test("every export of a small kernel has the class of its strongest consumer", async () => {
  const report = await examined();
  const found = Object.fromEntries(Object.keys(EXPECTED).map((name) => [name, symbolOf(report, name).class]));
  assert.deepEqual(found, EXPECTED);
});

test("exports are found in macros and assembler, not in comments; the one without a name is told", async () => {
  const report = await examined();
  const names = new Set(report.symbols.map((one) => one.symbol));
  for (const name of ["made_one", "made_two", "from_assembler", "widget_by_module_ns"])
    assert.ok(names.has(name), name);
  assert.ok(!names.has("in_a_comment"));
  assert.deepEqual(
    report.undetermined.map((one) => [one.file, one.text]),
    [["kernel/base.c", "(a b)"]],
  );
});

test("namespaces come from the export, from its macro, and from the Makefile", async () => {
  const report = await examined();
  assert.equal(symbolOf(report, "base").namespace, "BASE");
  assert.equal(symbolOf(report, "widget_by_module_ns").namespace, "WIDGET");
  assert.equal(symbolOf(report, "widget_by_module_ns").gpl, true);
  assert.equal(symbolOf(report, "widget_by_nobody").namespace, "WIDGETS");
  assert.equal(symbolOf(report, "mm_plain").namespace, null);
  assert.equal(report.release, "6.12");
});

test("evidence names the place, the module, and the way through headers", async () => {
  const report = await examined();
  const [use] = symbolOf(report, "widget_by_inline").consumers;
  assert.equal(use?.file, "drivers/gadget/gadget.c");
  assert.equal(use?.module, "drivers/gadget/gadget");
  assert.equal(use?.config, "GADGET");
  assert.deepEqual(
    use?.through.map((step) => step.replace(/ \(.*/, "")),
    ["inline widget_twice", "inline widget_inline"],
  );
  assert.match(symbolOf(report, "__sanitizer_cov_trace_widget").rule ?? "", /KCOV/);
});

test("what one architecture exports is used by no other one", async () => {
  const report = await examined();
  assert.equal(symbolOf(report, "arch_thing").class, "nobody");
});

/** Names of exports that nothing else in the tree has. */
function planted(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `planted_${i}_of_many`);
}

test("of 50 planted exports that nobody uses, all are found", async () => {
  const names = planted(50);
  const report = await examined((files) => {
    names.forEach((name, i) => {
      const path = `drivers/widget/planted_${i % 7}.c`;
      files[path] =
        `${files[path] ?? ""}int ${name}(int a)\n{\n\treturn ${name}(a - 1);\n}\nEXPORT_SYMBOL_GPL(${name});\n`;
      // Mentions that are no uses.
      files["drivers/gadget/gadget.c"] += `/* ${name}() */ extern int ${name}(int a);\n`;
      files["include/linux/widget.h"] += `int ${name}(int a);\n#define HAVE_${i} "${name}"\n`;
    });
  });
  for (const name of names) assert.equal(symbolOf(report, name).class, "nobody", name);
});

test("of 50 exports whose only consumers are taken away, all are found", async () => {
  const names = planted(50);
  const plant = (files: Record<string, string>, used: boolean): void => {
    names.forEach((name, i) => {
      files["drivers/widget/planted.c"] =
        `${files["drivers/widget/planted.c"] ?? ""}int ${name}(int a)\n{\n\treturn a;\n}\nEXPORT_SYMBOL(${name});\n`;
      const body = [`${name}(1);`, `h = ${name};`, `call(&o, ${name});`, `if (!${name}(2)) return;`][i % 4];
      files["drivers/gadget/gadget.c"] += `void u${i}(void)\n{\n\t${used ? body : ";"}\n}\n`;
    });
  };
  const before = await examined((files) => plant(files, true));
  const after = await examined((files) => plant(files, false));
  for (const name of names) {
    assert.equal(symbolOf(before, name).class, "module", name);
    assert.equal(symbolOf(after, name).class, "nobody", name);
  }
});

test("a git revision is judged as the same files in a folder are", { skip: noGit() }, async () => {
  using folder = scratchFolder(smallKernel());
  repository(folder);
  const fromFolder = await examineExports(folder.path, { fresh: true });
  const fromGit = await examineExports("HEAD", { fresh: true, repository: folder.path });
  assert.deepEqual(fromGit.symbols, fromFolder.symbols);
  await assert.rejects(examineExports("v9", { repository: folder.path }), hasCode("LINT_REVISION_UNKNOWN"));
});

test("what is kept is taken while the tree is the same, by its content, and not after a change", async () => {
  using cache = scratchFolder();
  using folder = scratchFolder(smallKernel());
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = cache.path;
  try {
    let read = 0;
    const onProgress = (what: string): void => {
      if (what !== "listing files") read++;
    };
    const first = await examineExports(folder.path, { onProgress });
    assert.ok(read > 0);
    read = 0;
    assert.deepEqual(await examineExports(folder.path, { onProgress }), first);
    assert.equal(read, 0);
    // A new time and the same content.
    utimesSync(join(folder.path, "mm/pages.c"), 1, 1);
    assert.deepEqual(await examineExports(folder.path, { onProgress }), first);
    assert.equal(read, 0);
    const gadget = join(folder.path, "drivers/gadget/gadget.c");
    writeFileSync(
      gadget,
      (smallKernel()["drivers/gadget/gadget.c"] ?? "").replace("widget_by_module();", "widget_by_nobody();"),
    );
    const changed = await examineExports(folder.path, { onProgress });
    assert.equal(symbolOf(changed, "widget_by_module").class, "nobody");
    assert.equal(symbolOf(changed, "widget_by_nobody").class, "module");
  } finally {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  }
});

test("bad trees: none, a file, no kernel, half of one; links and odd bytes", async () => {
  using folder = scratchFolder({ "a.c": "int a;\n" });
  await assert.rejects(examineExports(join(folder.path, "no")), hasCode("LINT_TREE_NOT_FOUND"));
  await assert.rejects(examineExports(join(folder.path, "a.c")), hasCode("LINT_TREE_NOT_FOUND"));
  await assert.rejects(examineExports(folder.path), hasCode("LINT_NO_KERNEL"));
  const files = smallKernel();
  for (const path of Object.keys(files)) if (path.startsWith("mm/")) delete files[path];
  using half = scratchFolder(files);
  symlinkSync("/", join(half.path, "drivers/out"));
  mkdirSync(join(half.path, "drivers/empty.c"));
  half.write({ "drivers/odd.c": new Uint8Array([0xff, 0xfe, 0, 34, 47, 42]) });
  const report = await examineExports(half.path, { fresh: true });
  assert.ok(report.warnings.some((one) => /half unpacked/.test(one)));
  assert.ok(report.warnings.some((one) => one === "1 links are not followed"));
  assert.equal(symbolOf(report, "widget_by_module").class, "module");
});

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => HmsError.is(error) && error.code === code;
}

function noGit(): string | false {
  return spawnSync("git", ["--version"]).status === 0 ? false : "git is not installed";
}

function repository(folder: ScratchFolder): void {
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
  git("init", "-q");
  git("add", ".");
  git("commit", "-q", "-m", "all");
}
