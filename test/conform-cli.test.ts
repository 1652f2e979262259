import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hms } from "./support/hms.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-conform-"));
after(() => rmSync(scratch, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

const GOOD = `name: good
devices: {d0: private}
steps:
  - map: {as: b, pages: 2}
  - device: {on: d0, do: write, region: b, writes: index, expect: {pages: 2, faults: 1}}
  - check: {region: b, words: index}
`;
const good = file("good.yaml", GOOD);
const wrong = file(
  "wrong.yaml",
  GOOD.replace("good", "wrong").replace(
    "check: {region: b, words: index}",
    "check: {region: b, words: zero}",
  ),
);
const far = file("far.yaml", "name: far\nneeds: [teleport]\nsteps: [{beam: {up: true}}]\n");
const bad = file("bad.yaml", "name: bad\nsteps:\n  - mapp: {as: x}\n");

test("every case of the tree passes on the model host, and none is skipped", () => {
  const { code, out, err } = hms(["conform", "test/cases"]);
  assert.equal(code, 0, `${out}\n${err}`);
  const lines = out.trimEnd().split("\n");
  assert.match(lines.at(-1) ?? "", /^\d+ passed, 0 failed, 0 skipped$/);
  assert.equal(lines.length - 1, Number.parseInt(lines.at(-1) ?? "", 10));
  assert.ok(lines.slice(0, -1).every((line) => line.startsWith("passed ")));
});

test("there is a case for every row of the list of the kernel's own cases", (context) => {
  let rows: string[];
  try {
    rows = readFileSync(new URL("../../shared/spec/hmm-cases.tsv", import.meta.url), "utf8")
      .trimEnd()
      .split("\n");
  } catch {
    context.skip("../shared/spec/hmm-cases.tsv is absent");
    return;
  }
  const { out } = hms(["conform", "test/cases/kernel"]);
  for (const row of rows.slice(1)) {
    const [id, name] = row.split("\t");
    for (const kind of ["private", "coherent"])
      assert.match(out, new RegExp(`^passed +${id}_${name}_${kind}$`, "m"));
  }
});

test("passed, failed and skipped are told apart, line by line, and a failure is exit code 1", () => {
  const { code, out } = hms(["conform", good, wrong, far, bad]);
  assert.equal(code, 1);
  assert.deepEqual(out.trimEnd().split("\n"), [
    "passed   good",
    `failed   wrong: step 3 (${wrong}:6): the CPU reads word 1 (page 0) of b: expected 0, got 1`,
    "skipped  far: needs teleport",
    out.split("\n")[3],
    "1 passed, 2 failed, 1 skipped",
  ]);
  assert.match(out.split("\n")[3] ?? "", /^failed +.*bad\.yaml:3: unknown step "mapp": did you mean "map"\?/);
  assert.equal(hms(["conform", good, far]).code, 0);
});

test("--json says the same for programs", () => {
  const { code, out } = hms(["conform", "--json", good, wrong, far]);
  assert.equal(code, 1);
  const report = JSON.parse(out) as {
    passed: number;
    failed: number;
    skipped: number;
    cases: { result: string }[];
  };
  assert.deepEqual([report.passed, report.failed, report.skipped], [1, 1, 1]);
  assert.deepEqual(report.cases[1], {
    name: "wrong",
    file: wrong,
    result: "failed",
    step: "3",
    line: 6,
    message: "the CPU reads word 1 (page 0) of b: expected 0, got 1",
    expected: "0",
    actual: "1",
  });
  assert.deepEqual(report.cases[2], { name: "far", file: far, result: "skipped", missing: ["teleport"] });
});

test("what is not there, and wrong usage, end in one sentence", () => {
  const nothing = hms(["conform", join(scratch, "nothing")]);
  assert.deepEqual([nothing.code, nothing.out], [1, ""]);
  assert.match(nothing.err, /^hms: Cannot run .*nothing: there is no such file or folder\.\n$/);
  assert.match(hms(["conform", "docs/decisions"]).err, /no \.yaml or \.yml file is in or below it/);
  assert.equal(hms(["conform"]).code, 2);
  assert.equal(hms(["conform", "--host", "toaster", good]).code, 2);
});
