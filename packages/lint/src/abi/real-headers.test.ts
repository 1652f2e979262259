// Real headers: those that are installed here, and two kernel trees that HMS_KERNEL_TREES names (OLD:NEW).
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { VERDICTS } from "./finding.ts";
import { lintAbi } from "./lint-abi.ts";

const INSTALLED = "/usr/include/linux";
const [old = "", now = ""] = (process.env.HMS_KERNEL_TREES ?? "").split(":");

test("installed headers differ in nothing from themselves", {
  skip: existsSync(`${INSTALLED}/types.h`) ? false : "the kernel's headers are not installed here",
}, async () => {
  const { findings, headers } = await lintAbi(INSTALLED, INSTALLED);
  assert.ok(headers[0] > 100, `${headers[0]} headers`);
  assert.deepEqual(
    [...new Set(findings.map(({ verdict }) => verdict))].filter((one) => one !== "not judged"),
    [],
  );
});

const trees = old !== "" && now !== "" ? false : "HMS_KERNEL_TREES=OLD:NEW names no two kernel trees";

test("a kernel tree differs in nothing from itself", { skip: trees }, async () => {
  const { findings } = await lintAbi(now, now);
  assert.deepEqual(
    [...new Set(findings.map(({ verdict }) => verdict))].filter((one) => one !== "not judged"),
    [],
  );
  assert.ok(findings.length < 100, `${findings.length} are not judged`);
});

test("two kernel trees: what is found has its lines, and both ways say the same of what is gone", {
  skip: trees,
}, async () => {
  const forth = await lintAbi(old, now);
  const back = await lintAbi(now, old);
  assert.ok(forth.findings.length > 0);
  for (const { verdict, old: before, new: after } of forth.findings) {
    assert.ok(VERDICTS.includes(verdict));
    assert.ok(((before ?? after)?.line ?? 0) > 0);
  }
  // What was added on the way there is gone on the way back.
  const gone = new Set(
    back.findings.filter(({ rule }) => /-(removed|renamed)$/.test(rule)).map(({ name }) => name),
  );
  const headers = new Set(
    back.findings.filter(({ rule }) => /^header-/.test(rule)).map((one) => one.old?.path),
  );
  const added = forth.findings.filter((one) => one.rule === "added" && !headers.has(one.new?.path));
  const missing = added.filter(({ name }) => !gone.has(name)).map(({ name }) => name);
  assert.ok(
    missing.length < added.length * 0.02,
    `${missing.length} of ${added.length}: ${missing.slice(0, 20).join(", ")}`,
  );
});
