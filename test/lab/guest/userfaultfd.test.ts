// lab: hmat
// limit: 600
// The host of real memory on this kernel: its userfaultfd has what hms needs, the cases pass, and random work does too.
import { equal, match, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { probe } from "@hms/host-linux";

/** Cases that say most of the interface to the kernel: emulation is slow. */
const CASES = ["test/cases/contract", "test/cases/regressions"];
const SOAK_SECONDS = 5;

function run(args: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
  });
}

test("the kernel's userfaultfd serves all faults", () => {
  equal(probe().userfaultfd, "full");
});

test("conformance cases pass on this kernel's memory", () => {
  const { stdout, stderr, status } = run(["packages/cli/bin/hms.js", "conform", "--host", "linux", ...CASES]);
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  match(last, /^\d+ passed, 0 failed, \d+ skipped$/, `${stdout}${stderr}`);
  ok(Number.parseInt(last, 10) >= 15, last);
  equal(status, 0);
});

test(`random work for ${SOAK_SECONDS} s agrees with plain arrays`, () => {
  const soak = run(["--test-reporter=spec", "--test-name-pattern=little memory", "test/hms-soak.test.ts"], {
    HMS_SOAK_SECONDS: String(SOAK_SECONDS),
  });
  equal(soak.status, 0, `${soak.stdout}${soak.stderr}`);
  match(soak.stdout, /pass 1\b/);
  match(soak.stdout, /skipped 0\b/);
});
