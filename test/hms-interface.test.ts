// Nothing is in the interface that the canonical userspace does not use, and all of it is carried out.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CORE, queryRegistry, type Registry } from "@hms/uabi";
import { open } from "hms";
import { root, skip } from "./support/hms-lab.ts";

const registry: Registry = CORE;
/** The library without the kernel thread, comments left out. */
const library = globSync("packages/hms/src/*.ts", { cwd: root })
  .map((path) => readFileSync(join(root, path), "utf8"))
  .join("\n")
  .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

const methods = Object.entries(registry.objects).flatMap(([object, spec]) =>
  Object.entries(spec.methods).map(([method, { inputs }]) => ({
    object,
    method,
    inputs: Object.keys(inputs),
  })),
);

describe("the interface", () => {
  test("has no method that the library does not call", () => {
    const called = new Set(
      [...library.matchAll(/\.(?:sync|async)\s*\.(\w+)\s*\.(\w+)\(/g)].map(
        ([, object, method]) => `${object}.${method}`,
      ),
    );
    const unused = methods
      .map(({ object, method }) => `${object}.${method}`)
      .filter((name) => !called.has(name));
    assert.deepEqual(unused, []);
  });

  test("has no input that the library does not know", () => {
    const unused = methods
      // What a program can be told a part of, it is told as a whole.
      .filter(({ object, method }) => `${object}.${method}` !== "context.query")
      .flatMap(({ object, method, inputs }) =>
        inputs.map((input) => ({ name: `${object}.${method}.${input}`, input })),
      )
      .filter(({ input }) => !new RegExp(`\\b${input}\\b`).test(library))
      .map(({ name }) => name);
    assert.deepEqual(unused, []);
  });

  test("is carried out as a whole", { skip }, async () => {
    using hms = await open({ ram: "8MiB" });
    const { objects, revision } = hms.interface();
    assert.equal(revision, registry.revision);
    assert.deepEqual(objects, JSON.parse(JSON.stringify(queryRegistry(registry).objects)));
  });
});
