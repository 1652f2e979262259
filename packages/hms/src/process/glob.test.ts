import { equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matchesGlob } from "./glob.ts";

test("stars and question marks, and all else for itself", () => {
  for (const [glob, name, matches] of [
    ["[heap]", "[heap]", true],
    ["[heap]", "h", false],
    ["*/libc*.so*", "/usr/lib/x86_64-linux-gnu/libc.so.6", true],
    ["[anon:*]", "[anon:pool 7]", true],
    ["*", "", true],
    ["?", "", false],
    ["a*b*c", "a-b-b-d", false],
    ["a*b*c", "a-b-b-c", true],
    ["", "", true],
    ["", "x", false],
  ] as const)
    equal(matchesGlob(glob, name), matches, `${glob} ${name}`);
});

test("it is what the regular expression of it is", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "["), maxLength: 12 });
  const glob = fc.string({ unit: fc.constantFrom("a", "b", ".", "[", "*", "?"), maxLength: 8 });
  fc.assert(
    fc.property(glob, text, (pattern, name) => {
      const source = pattern.replace(/[.[]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".");
      equal(matchesGlob(pattern, name), new RegExp(`^${source}$`, "s").test(name));
    }),
  );
});

test("many stars take no longer than the text is long times the pattern", () => {
  const started = performance.now();
  equal(matchesGlob(`${"*a".repeat(200)}b`, "a".repeat(4000)), false);
  equal(performance.now() - started < 1000, true);
});
