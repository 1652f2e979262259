// lab: hmat
// Moving pages of running programs that ends early, slows down, or may not be: interrupts, rights, cpusets, bounds.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PlacementError, type PlacementReport } from "@hms/policy";
import { moveProcess } from "hms/process";
import { nodeOf } from "./machine.ts";
import { NAME, Subject } from "./subject.ts";

const HMS = join(import.meta.dirname, "../../../packages/cli/bin/hms.js");
const PAGE = 4096;
const MIB = 2 ** 20;
const FAST = `node${nodeOf(2)}`;
const SLOW = `node${nodeOf(3)}`;
const OWN = { regions: `[anon:${NAME}]` } as const;

function placedOn(report: PlacementReport, target: string): number {
  return report.targets.find((one) => one.target === target)?.placed ?? 0;
}

test("a process that ends half way: an error with what was done until then", async () => {
  await using subject = await Subject.start(16);
  const batches: number[] = [];
  const moving = moveProcess(
    subject.pid,
    { targets: [SLOW] },
    {
      bytesPerSecond: 8 * MIB,
      onProgress: ({ movedPages }) => {
        if (batches.push(movedPages) === 3) subject.child.kill("SIGKILL");
      },
    },
  );
  await assert.rejects(moving, (error) => {
    assert.ok(error instanceof PlacementError);
    assert.deepEqual([error.code, error.errno], ["PROCESS_GONE", "ESRCH"]);
    assert.ok((error.report.targets[0]?.moved ?? 0) >= (batches[2] ?? 0), error.message);
    return true;
  });
});

test("Ctrl-C: the moving ends, the report is true and the program goes on", async () => {
  await using subject = await Subject.start(16);
  await moveProcess(subject.pid, { targets: ["node0"] }, OWN);
  const args = [
    "move",
    String(subject.pid),
    "--target",
    SLOW,
    "--regions",
    OWN.regions,
    "--rate",
    "2MiB",
    "--json",
  ];
  const child = spawn(process.execPath, [HMS, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  while ((subject.pages()[SLOW] ?? 0) === 0) {
    assert.equal(child.exitCode, null, "it moves on until it is interrupted");
    await new Promise((done) => setTimeout(done, 100));
  }
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  assert.equal(code, 130);
  const { interrupted, report, notReachedPages } = JSON.parse(text);
  const there = subject.pages()[SLOW] ?? 0;
  assert.ok(interrupted && there > 0, text);
  assert.equal(placedOn(report, SLOW), there);
  assert.equal(notReachedPages, report.pages - placedOn(report, SLOW));
  assert.equal(await subject.wrongPages(), 0);
});

test("the rate is kept", async () => {
  await using subject = await Subject.start(12);
  await moveProcess(subject.pid, { targets: ["node0"] }, OWN);
  const { seconds, movedPages } = await moveProcess(
    subject.pid,
    { targets: [SLOW] },
    { ...OWN, bytesPerSecond: 16 * MIB },
  );
  assert.ok(seconds >= ((movedPages * PAGE) / (16 * MIB)) * 0.95, `${seconds} s`);
});

test("the cpuset of the process counts, not that of who moves", async () => {
  await using subject = await Subject.start(8);
  writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
  const group = "/sys/fs/cgroup/no-fast";
  mkdirSync(group);
  try {
    writeFileSync(`${group}/cpuset.mems`, "0-1,3");
    writeFileSync(`${group}/cgroup.procs`, String(subject.pid));
    await assert.rejects(moveProcess(subject.pid, { targets: [FAST], mode: "strict" }), (error) => {
      assert.ok(error instanceof PlacementError);
      assert.match(error.message, /the cpuset of \/no-fast leaves node 2 out/);
      return true;
    });
    const { report } = await moveProcess(subject.pid, { targets: [FAST, SLOW] }, OWN);
    assert.deepEqual(
      report.refused.map(({ target, by }) => [target, by]),
      [[FAST, "cpuset"]],
    );
    assert.equal(placedOn(report, SLOW), report.pages);
  } finally {
    subject.child.kill("SIGKILL");
    await once(subject.child, "exit");
    rmdirSync(group);
  }
});

test("rights: one sentence with the remedy", async () => {
  await using subject = await Subject.start(1);
  const run = (args: readonly string[], uid: number) =>
    spawnSync(process.execPath, [HMS, "move", ...args], { encoding: "utf8", uid, gid: uid });
  const other = run([String(subject.pid), "--target", SLOW], 65534);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /^hms: .*belongs to user 0.*sudo.*CAP_SYS_PTRACE.*\n$/);
  const script = `exec "${process.execPath}" "${HMS}" move $$ --target ${SLOW} --shared`;
  const own = spawnSync("sh", ["-c", script], { encoding: "utf8", uid: 65534, gid: 65534 });
  assert.equal(own.status, 1);
  assert.match(own.stderr, /^hms: .*CAP_SYS_NICE.*sudo.*\n$/);
});

test("for people: a table with what moved, and why not the rest", async () => {
  await using subject = await Subject.start(4);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [HMS, "move", String(subject.pid), "--target", FAST],
    { encoding: "utf8" },
  );
  assert.deepEqual([status, stderr], [0, ""]);
  const text = stdout.replace(/\s+/g, " ");
  assert.match(text, /^Process \d+ \(\S+\): \S+ MiB of \S+ MiB moved in /);
  assert.match(
    text,
    /not on node2: other processes map them too; --shared moves such pages as well \(kernel, EACCES\)/,
  );
});
