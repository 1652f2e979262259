// Rule 10: nothing is in the interface that the canonical userspace does not use.
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CORE, type Registry } from "@hms/uabi";
import { root } from "./support/hms.ts";

const folder = join(root, "packages/hms/src");
const skip = existsSync(folder) ? false : "packages/hms is absent";
/** `hms abi` is what queries services. */
const sources = globSync(["packages/hms/src/**/*.ts", "packages/cli/src/**/*.ts"], { cwd: root })
  .filter((path) => !path.endsWith(".test.ts"))
  .map((path) => readFileSync(join(root, path), "utf8"))
  .join("\n");

/** Methods that someone calls as `.object.method(`. */
function isCalled(object: string, method: string): boolean {
  return new RegExp(`\\.${object}\\s*\\.${method}\\(`).test(sources);
}

describe("rule 10: each method has a call in the canonical userspace", { skip }, () => {
  for (const [object, { methods }] of Object.entries(CORE.objects))
    for (const method of Object.keys(methods))
      test(`rule 10: ${object}.${method}`, () => {
        assert.ok(isCalled(object, method), `packages/hms never calls ${object}.${method}`);
      });
});

test("rule 10: each attribute is named there", { skip }, () => {
  for (const [object, { methods }] of Object.entries<Registry["objects"][string]>(CORE.objects))
    for (const [method, { inputs, outputs }] of Object.entries(methods))
      for (const name of [...Object.keys(inputs), ...Object.keys(outputs)])
        assert.match(sources, new RegExp(`\\b${name}\\b`), `${object}.${method}: ${name}`);
});

test("rule 10: there is no experimental part", () => {
  assert.doesNotMatch(JSON.stringify(CORE), /experimental|unstable|preview/i);
});
