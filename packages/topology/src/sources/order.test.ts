import assert from "node:assert/strict";
import { test } from "node:test";
import { SOURCES } from "./mod.ts";

test("each source runs after those whose facts it builds on", () => {
  const done = new Set<string>();
  for (const { name, after } of SOURCES) {
    for (const earlier of after)
      assert.ok(done.has(earlier), `${name} builds on ${earlier}, which has not run before it`);
    assert.ok(!done.has(name), `two sources are named ${name}`);
    done.add(name);
  }
  assert.ok(done.size > 0);
});
