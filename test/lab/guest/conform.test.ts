// lab: hmm
// limit: 600
// The conformance cases against the kernel's own HMM test device: what it answers is right. What it cannot do, and what
// it dies of, is explained in test/lab/explanations.ts.
import { deepEqual, equal, ok } from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename } from "node:path";
import { test } from "node:test";
import { DIFFERENT, LACKS } from "../explanations.ts";

/** The least that the kernel can answer. */
const PASSED_MIN = 100;

test("every case that the kernel can run passes, and what it cannot is explained", () => {
  execFileSync("sh", ["test/lab/guest/hmm.sh"], { stdio: "inherit" });
  const crashing = new Set(DIFFERENT.filter(({ result }) => result === "crashed").map(({ name }) => name));
  const files = globSync("test/cases/**/*.yaml")
    .sort()
    .filter((file) => !crashing.has(basename(file, ".yaml")));
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["packages/cli/bin/hms.js", "conform", "--host", "kernel", "--dax", "/mnt/dax", "--json", ...files],
    { encoding: "utf8", maxBuffer: 1 << 26 },
  );
  ok(stdout !== "", stderr);
  const { passed, failed, cases } = JSON.parse(stdout) as {
    readonly passed: number;
    readonly failed: number;
    readonly cases: readonly { name: string; result: string; message?: string; missing?: string[] }[];
  };
  deepEqual(
    cases.filter(({ result }) => result === "failed").map(({ name, message }) => `${name}: ${message}`),
    [],
  );
  equal(failed, 0);
  const unexplained = cases.flatMap(({ missing = [] }) => missing.filter((name) => !LACKS.kernel.has(name)));
  deepEqual([...new Set(unexplained)], []);
  ok(passed >= PASSED_MIN, `${passed} passed`);
  process.stdout.write(`${passed} cases passed on the kernel's own test device\n`);
});
