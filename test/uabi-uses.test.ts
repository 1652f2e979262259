// Rule 10: nothing is in the interface that the canonical userspace does not use.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CORE } from "@hms/uabi";
import { readGolden } from "../packages/uabi/src/golden.ts";
import { goldenPath } from "../tools/abi.ts";
import { root } from "./support/hms.ts";

const folder = join(root, "packages/hms/src");
const skip = existsSync(folder) ? false : "packages/hms is absent";
/** Until the first release, what is missing is shown and does not fail: whatever is not used by then must go. */
const { released } = readGolden(readFileSync(goldenPath, "utf8"));
const todo = released === 0 ? "nothing is released yet" : false;

const sources = globSync("**/*.ts", { cwd: folder })
  .filter((path) => !path.endsWith(".test.ts"))
  .map((path) => readFileSync(join(folder, path), "utf8"))
  .join("\n");

/** Methods that someone calls as `.object.method(`. */
function isCalled(object: string, method: string): boolean {
  return new RegExp(`\\.${object}\\s*\\.${method}\\(`).test(sources);
}

describe("rule 10: each method has a call in the canonical userspace", { skip }, () => {
  for (const [object, { methods }] of Object.entries(CORE.objects))
    for (const method of Object.keys(methods))
      test(`rule 10: ${object}.${method}`, { todo }, () => {
        assert.ok(isCalled(object, method), `packages/hms never calls ${object}.${method}`);
      });
});

test("rule 10: there is no experimental part", () => {
  assert.doesNotMatch(JSON.stringify(CORE), /experimental|unstable|preview/i);
});
