import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { expectSame, openProcess } from "./proc-open.ts";
import { parseStat, parseStatus, processNumbers, threadPlaces } from "./proc-status.ts";

const fixtures = join(import.meta.dirname, "../../fixtures/proc");

test("a status that was recorded", () => {
  const found = openProcess(103, join(fixtures, "linux-6.12"));
  assert.equal(found.name, "zoo");
  assert.deepEqual(found.command, ["./zoo", "4"]);
  assert.equal(found.user, 0);
  assert.equal(found.cpusAllowed?.toList(), "0-1");
  assert.equal(found.nodesAllowed?.toList(), "0-3");
  assert.equal(found.hugetlb, 4 * 2 ** 20);
  assert.equal(found.cpu, 1);
  assert.ok((found.anonymous ?? 0) > 2 ** 20);
});

test("a name that looks like fields does not shift them", () => {
  const stat = readFileSync(join(fixtures, "linux-6.12/103/stat"), "utf8");
  const odd = stat.replace("(zoo)", "(a) R 1 2) (x y)");
  assert.notEqual(odd, stat);
  assert.deepEqual(parseStat(odd), parseStat(stat));
});

test("a kernel thread and an old kernel leave out what they do not have", () => {
  const status = parseStatus(
    "Name:\tkthreadd\nState:\tS (sleeping)\nTgid:\t2\nPid:\t2\nUid:\t0\t0\t0\t0\nThreads:\t1\n",
  );
  assert.equal(status.resident, null);
  assert.equal(status.shmem, null);
  assert.equal(status.cpusAllowed, null);
  assert.deepEqual([status.pid, status.state, status.threads], [2, "S", 1]);
  assert.doesNotThrow(() => parseStat(""));
  assert.equal(parseStatus("").name, "");
});

test("this process is among those that there are, with its threads", () => {
  assert.ok(processNumbers("/proc").includes(process.pid));
  const threads = threadPlaces("/proc", process.pid);
  assert.ok(threads.length > 1);
  assert.ok(threads.some(({ cpuTicks }) => cpuTicks > 0));
  assert.deepEqual(threadPlaces("/proc", 2 ** 30), []);
});

test("a process that is not there, or ended, or whose number is another's", async () => {
  const refused = (error: unknown): boolean =>
    HmsError.is(error) && error.code === "PROCESS_GONE" && error.errno === "ESRCH";
  assert.throws(() => openProcess(2 ** 30), refused);
  const child: ChildProcess = spawn("sleep", ["100"]);
  await once(child, "spawn");
  const found = openProcess(child.pid ?? 0);
  assert.doesNotThrow(() => expectSame(found, "Read it"));
  assert.throws(() => expectSame({ ...found, startTicks: found.startTicks - 1 }, "Read it"), refused);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.throws(() => expectSame(found, "Read it"), refused);
});
