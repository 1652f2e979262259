// lab: hmat
// Programs run with their memory placed, on real nodes: what the kernel says of the program counts.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { PlacementRequest } from "@hms/policy";
import { placeCommand, planCommand } from "hms/process";
import { nodeOf } from "./machine.ts";
import { share } from "./subject.ts";

const HMS = join(import.meta.dirname, "../../../packages/cli/bin/hms.js");
const SUBJECT = join(import.meta.dirname, "subject.ts");
const FAST = `node${nodeOf(2)}`;
const SLOW = `node${nodeOf(3)}`;
const MIB = 24;
const WEIGHTS = "/sys/kernel/mm/mempolicy/weighted_interleave";

interface Printed {
  readonly pid: number;
  readonly policy: string;
  readonly pages: Record<string, number>;
  readonly wrong: number;
}

async function printed(
  request: PlacementRequest,
  options = {},
): Promise<Printed & { notes: readonly string[] }> {
  const command = [process.execPath, SUBJECT, "print", String(MIB)];
  const { child, policy, ended } = placeCommand(command, request, {
    stdio: ["ignore", "pipe", "inherit"],
    ...options,
  });
  let text = "";
  child.stdout?.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const { code } = await ended;
  assert.equal(code, 0);
  return { ...(JSON.parse(text) as Printed), notes: policy.notes };
}

function hms(args: readonly string[], options: { uid?: number; through?: readonly string[] } = {}) {
  const [command = "", ...rest] = [...(options.through ?? []), process.execPath, HMS, ...args];
  return spawnSync(command, rest, {
    encoding: "utf8",
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  });
}

test("preferred: the memory is on the node, as its policy says", async () => {
  const { pages, policy, wrong } = await printed({ targets: [FAST] });
  assert.match(policy, new RegExp(`^prefer:${nodeOf(2)}\\b`));
  assert.deepEqual([share(pages, FAST), wrong], [1, 0]);
});

test("preferred without a list: the memory with the most bandwidth for the initiator", async () => {
  const { pages } = await printed({ for: ["node0"] });
  assert.equal(share(pages, FAST), 1);
});

test("an order that the kernel does not follow is told, and the first of the list comes first", async () => {
  const { pages, policy, notes } = await printed({ targets: [FAST, "node1"] });
  assert.match(policy, new RegExp(`^prefer:${nodeOf(2)}\\b`));
  assert.equal(share(pages, FAST), 1);
  assert.match(notes.join(), /several in the kernel's order/);
});

test("strict: nowhere else", async () => {
  const { pages, policy } = await printed({ targets: [SLOW], mode: "strict" });
  assert.match(policy, new RegExp(`^bind:${nodeOf(3)}\\b`));
  assert.equal(share(pages, SLOW), 1);
});

test("interleave: all of them in equal parts", async () => {
  const targets = ["node0", "node1", FAST, SLOW];
  const { pages, policy } = await printed({ targets, mode: "interleave" });
  assert.match(policy, /^interleave:0-3\b/);
  for (const node of targets) assert.ok(Math.abs(share(pages, node) - 0.25) < 0.02, JSON.stringify(pages));
});

test("weighted: by the system's weights, which other weights do not silently become", async () => {
  const request: PlacementRequest = { targets: ["node0", FAST], mode: "weighted", weights: [1, 3] };
  assert.throws(() => planCommand(request), { code: "WEIGHTS_SYSTEM" });
  const plan = planCommand({ targets: ["node0", FAST], mode: "weighted" });
  assert.match(plan.policy.notes.join(), /A process has the system's weights: node0 1/);
  planCommand(request, { setWeights: true });
  assert.equal(readFileSync(`${WEIGHTS}/${FAST}`, "utf8").trim(), "1", "a plan sets nothing");
  try {
    const { pages, policy } = await printed(request, { setWeights: true });
    assert.match(policy, /^weighted interleave:0,2/);
    assert.ok(Math.abs(share(pages, FAST) - 0.75) < 0.02, JSON.stringify(pages));
  } finally {
    for (const node of ["node0", FAST]) writeFileSync(`${WEIGHTS}/${node}`, "1");
  }
});

test("this process keeps the policy that it had", () => {
  const [line = ""] = readFileSync("/proc/self/numa_maps", "utf8").split("\n");
  assert.match(line, /^\S+ default /);
});

test("the command takes hms's place: its process, its exit code, and what it starts inherits the policy", () => {
  const script =
    'echo $$ $PPID; (grep -o "bind:[0-9]*" /proc/self/numa_maps | sort -u); grep SigIgn /proc/self/status; exit 7';
  const { status, stdout, stderr } = hms([
    "exec",
    "--target",
    FAST,
    "--mode",
    "strict",
    "--",
    "sh",
    "-c",
    script,
  ]);
  const [ids = "", policies, ignored] = stdout.split("\n");
  assert.deepEqual([status, policies, stderr], [7, `bind:${nodeOf(2)}`, ""]);
  assert.equal(Number(ids.split(" ")[1]), process.pid, "no process is between");
  assert.match(ignored ?? "", /SigIgn:\t0+$/);
});

test("no rights are needed", () => {
  const { status, stdout } = hms(["exec", "--target", SLOW, "--", "cat", "/proc/self/numa_maps"], {
    uid: 65534,
  });
  assert.equal(status, 0);
  assert.match(stdout, new RegExp(`^\\S+ prefer:${nodeOf(3)} `));
});

test("a report tells where the memory was, on standard error", () => {
  const command = ["--", process.execPath, SUBJECT, "print", "32", "1500"];
  const { status, stdout, stderr } = hms([
    "exec",
    "--target",
    FAST,
    "--mode",
    "strict",
    "--json",
    ...command,
  ]);
  assert.equal(status, 0, stderr);
  assert.equal(share((JSON.parse(stdout) as Printed).pages, FAST), 1);
  const { report, seen } = JSON.parse(stderr);
  assert.ok(seen.looks > 0 && report.pages > (32 << 20) / 4096, stderr);
  assert.deepEqual([report.satisfied, report.targets[0].placed], [true, report.pages], stderr);
  assert.ok(seen.filePages.length > 0);
});

test("preferred where there is no room: it goes elsewhere, and the report says how much and why", () => {
  const command = ["--", process.execPath, SUBJECT, "print", "300", "3000"];
  const { status, stderr } = hms(["exec", "--target", FAST, "--report", ...command]);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /which is no target/);
  assert.match(
    stderr.replace(/\s+/g, " "),
    /not on node2: there was no room when they were made; .* are free there now \(capacity, ENOMEM\)/,
  );
});

test("strict where there is no room: what is asked for is refused, what is not ends with the reason", () => {
  const asked = hms(["exec", "--target", FAST, "--mode", "strict", "--size", "1GiB", "--", "true"]);
  assert.equal(asked.status, 1);
  assert.match(asked.stderr, /1 GiB are required in node2, but .* free there/);
  const command = ["--", process.execPath, SUBJECT, "print", "400", "0"];
  const { status, stderr } = hms(["exec", "--target", FAST, "--mode", "strict", "--report", ...command]);
  assert.equal(status, 128 + 9, stderr);
  assert.match(
    stderr,
    /killed while the kernel was out of memory: with mode strict there is nothing but node 2/,
  );
});

test("a cpuset that leaves the node out is named", () => {
  writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
  const group = "/sys/fs/cgroup/dram-only";
  mkdirSync(group);
  try {
    writeFileSync(`${group}/cpuset.mems`, "0-1");
    const through = ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"];
    const strict = hms(["exec", "--target", FAST, "--mode", "strict", "--", "true"], { through });
    assert.equal(strict.status, 1);
    assert.match(strict.stderr, /the cpuset of \/dram-only leaves node 2 out \(it allows 0-1\)/);
    const preferred = hms(["exec", "--target", `${FAST},node1`, "--", "cat", "/proc/self/numa_maps"], {
      through,
    });
    assert.match(preferred.stderr, /node2 is not used: the cpuset of \/dram-only/);
    assert.match(preferred.stdout, /^\S+ prefer:1 /);
  } finally {
    rmdirSync(group);
  }
});

test("a node without memory is refused by name", () => {
  const { status, stderr } = hms(["exec", "--target", `node${nodeOf(4)}`, "--mode", "strict", "--", "true"]);
  assert.equal(status, 1);
  assert.match(stderr, /has no memory|no target of .* has this name/);
});
