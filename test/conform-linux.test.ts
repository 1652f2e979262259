// The cases on real memory: page faults of this machine, answered by the core.
import { equal, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { probe } from "@hms/host-linux";

const root = new URL("..", import.meta.url).pathname;
/** What a case may lack on this host, and nothing else: docs/decisions/0022-cases-on-real-memory.md. */
const LACKS = new Set(["fork", "hugetlb", "dax", "mixedmap", "turns"]);
const TIMEOUT_MS = 300_000;

const { userfaultfd } = probe();

test("every case passes on real memory, or is skipped by the name of what a process cannot do", {
  skip: userfaultfd === "full" ? false : `needs userfaultfd for all faults, and here it is ${userfaultfd}`,
}, () => {
  const run = spawnSync(
    process.execPath,
    ["packages/cli/bin/hms.js", "conform", "--host", "linux", "test/cases"],
    { cwd: root, encoding: "utf8", timeout: TIMEOUT_MS, killSignal: "SIGKILL" },
  );
  const lines = run.stdout.trim().split("\n");
  const totals = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(lines.at(-1) ?? "");
  ok(totals !== null, `${run.stdout}${run.stderr}`);
  equal(totals[2], "0", lines.filter((line) => line.startsWith("failed")).join("\n"));
  ok(Number(totals[1]) >= 100, lines.at(-1));
  for (const line of lines.filter((line) => line.startsWith("skipped"))) {
    const lacks = /needs (.*)$/.exec(line)?.[1]?.split(", ") ?? [];
    ok(lacks.length > 0 && lacks.every((name) => LACKS.has(name)), line);
  }
  equal(run.status, 0);
});
