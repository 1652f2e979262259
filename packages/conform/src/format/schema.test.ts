import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { caseFiles } from "../run/files.ts";
import { caseSchema } from "./schema.ts";
import { STEPS, type StepSpec } from "./vocabulary.ts";

const published = new URL("../../schema/case.schema.json", import.meta.url);
const reference = new URL("../../../../docs/reference/cases.md", import.meta.url);
const cases = caseFiles([new URL("../../../../test/cases", import.meta.url).pathname]);

test("the published schema is the one that the parser's table makes", () => {
  const made = caseSchema();
  if (process.env.HMS_UPDATE_SCHEMA === "1") writeFileSync(published, `${JSON.stringify(made, null, 2)}\n`);
  assert.deepEqual(
    JSON.parse(readFileSync(published, "utf8")),
    made,
    "packages/conform/schema/case.schema.json is stale: run this test with HMS_UPDATE_SCHEMA=1",
  );
});

test("the schema accepts every case of the tree and refuses what the parser refuses of words", () => {
  const validate = new Ajv2020({ allowUnionTypes: true }).compile(caseSchema());
  for (const file of cases) {
    assert.ok(validate(parse(readFileSync(file, "utf8"))), `${file}: ${JSON.stringify(validate.errors)}`);
  }
  const step = (value: unknown): boolean => validate({ name: "x", steps: [value] });
  assert.equal(step({ map: { as: "b", pages: 1 } }), true);
  for (const bad of [
    { mapp: { as: "b", pages: 1 } },
    { map: { pages: 1 } },
    { map: { as: "b", pages: 0 } },
    { fill: { region: "b", words: "indx" } },
    { device: { on: "d", do: "reed" } },
    { device: { on: "d", do: "read", region: "b", expect: { error: "EFALT" } } },
    { device: { on: "d", do: "snapshot", region: "b", codes: ["WRIT"] } },
  ]) {
    assert.equal(step(bad), false, JSON.stringify(bad));
  }
});

test("the reference names every step, field and choice of the table", () => {
  const text = readFileSync(reference, "utf8");
  const missing: string[] = [];
  const look = (word: string): void => {
    if (!new RegExp(`\`[^\`\\n]*(?<![\\w-])${word}(?![\\w-])[^\`\\n]*\``).test(text)) missing.push(word);
  };
  for (const [name, { fields }] of Object.entries<StepSpec>(STEPS)) {
    look(name);
    for (const [field, spec] of Object.entries(fields)) {
      look(field);
      if (spec.type === "choice") spec.among.forEach(look);
      if (spec.type === "fields" || spec.type === "list") Object.keys(spec.fields).forEach(look);
    }
  }
  assert.deepEqual(missing, []);
});
