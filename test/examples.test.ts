// Every example in a documentation comment runs, as a program of its own in an empty folder.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { after, describe, test } from "node:test";

const root = join(import.meta.dirname, "..");
// Below the repository, so that its packages are found by name.
mkdirSync(join(root, "out"), { recursive: true });
const folder = mkdtempSync(join(root, "out", "examples-"));
after(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly name: string;
  readonly code: string;
}

/** The ts blocks of a file's documentation comments. */
function examplesOf(path: string): Example[] {
  const found: Example[] = [];
  const text = readFileSync(path, "utf8");
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    for (const block of comment[0].matchAll(/^\s*\* ```ts\n([\s\S]*?)^\s*\* ```/gm)) {
      const line = text.slice(0, comment.index).split("\n").length;
      const code = (block[1] ?? "").replace(/^\s*\* ?/gm, "");
      found.push({ name: `${relative(root, path)}:${line}`, code });
    }
  }
  return found;
}

function run(file: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (output += String(part)));
    child.on("close", (code) => resolve({ code, output }));
  });
}

const examples = globSync("packages/**/src/**/*.ts", { cwd: root })
  .filter((path) => !/\.test\.ts$|node_modules|\/testing\//.test(path))
  .sort()
  .flatMap((path) => examplesOf(join(root, path)));

describe("examples in documentation comments", { concurrency: 2 }, () => {
  test("are there", () => assert.ok(examples.length > 5, `only ${examples.length} were found`));
  examples.forEach(({ name, code }, i) => {
    test(name, async () => {
      const file = join(folder, `example-${i}.ts`);
      writeFileSync(file, code);
      const { code: status, output } = await run(file);
      assert.equal(status, 0, output);
    });
  });
});
