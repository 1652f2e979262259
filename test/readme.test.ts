import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { withRealOutput } from "../tools/readme.ts";
import { root } from "./support/hms.ts";

test("the README shows what its commands really write (node tools/readme.ts)", () => {
  const text = readFileSync(join(root, "README.md"), "utf8");
  assert.ok(text.includes("npm install && npm run demo\n") && text.includes("npm install && npm test\n"));
  assert.equal(withRealOutput(text), text);
});

test("links between documents lead somewhere", () => {
  for (const document of ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/README.md"]) {
    const text = readFileSync(join(root, document), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
      assert.ok(existsSync(join(root, dirname(document), target)), `${document}: ${target}`);
  }
});
