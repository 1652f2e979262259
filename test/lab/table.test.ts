import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "./kernel-cases.ts";
import { MACHINES, nodesOf } from "./machine.ts";
import { type Answer, differencesOf, type Row, summary, tableText } from "./table.ts";

const PASSED: Answer = { result: "passed" };

function row(name: string, answers: Partial<Row["answers"]> = {}): Row {
  const file = `${name}.yaml`;
  return { name, file, id: null, answers: { model: PASSED, linux: PASSED, kernel: PASSED, ...answers } };
}

test("what is explained is told with its reason, what is not is told as that", () => {
  const rows = [
    row("same"),
    row("forks", { linux: { result: "skipped", missing: ["fork"] } }),
    row("odd", { kernel: { result: "failed", message: "expected 1, got 2" } }),
    row("lacks", { kernel: { result: "skipped", missing: ["teleport"] } }),
  ];
  const { differences } = differencesOf(rows);
  assert.deepEqual(
    differences.map(({ host, result, cases, why }) => [host, result, cases.join(), why === null]),
    [
      ["linux", "skipped", "forks", false],
      ["kernel", "failed", "odd", true],
      ["kernel", "skipped", "lacks", true],
    ],
  );
  const text = tableText(rows);
  assert.match(text, /^kernel: failed 1: NOT EXPLAINED\n {4}odd$/m);
  assert.match(text, /^kernel: odd: expected 1, got 2$/m);
});

test("an explanation that nothing needs is told, unless its host was not run", () => {
  const notRun: Answer = { result: "not run" };
  const { stale } = differencesOf([row("one", { linux: notRun })]);
  assert.ok(stale.some((one) => one === "kernel: map_over"));
  assert.ok(stale.every((one) => !one.startsWith("linux")));
});

test("cases of both kinds of device share a line where they agree", () => {
  const skipped: Answer = { result: "skipped", missing: ["fork"] };
  const text = tableText([
    row("a_coherent"),
    row("a_private"),
    row("b_coherent"),
    row("b_private", { linux: skipped }),
  ]);
  const lines = text.split("\n").map((line) => line.replace(/ +/g, " "));
  assert.deepEqual(lines.slice(1, 4), [
    "a (coherent, private) passed passed passed",
    "b (coherent) passed passed passed",
    "b (private) passed skipped passed",
  ]);
  assert.match(summary([row("a")]), /^1 cases: 1 pass on model, .*; 1 on all three; /);
});

test("lines of hms conform are read, others are not", () => {
  assert.deepEqual(answerOf("passed   a_case"), PASSED);
  assert.deepEqual(answerOf("skipped  a: needs fork, race"), {
    result: "skipped",
    missing: ["fork", "race"],
  });
  assert.deepEqual(answerOf("failed   a: step 3 (a.yaml:6): no"), {
    result: "failed",
    message: "a: step 3 (a.yaml:6): no",
  });
  assert.equal(answerOf("3 passed, 0 failed, 0 skipped"), null);
});

test("nodes are numbered as Linux does: CPUs, then initiators, then memory; a port is none", () => {
  const full = MACHINES.get("full");
  assert.ok(full !== undefined);
  assert.deepEqual(
    [...nodesOf(full)],
    [
      [0, 0],
      [1, 1],
      [5, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ],
  );
});
