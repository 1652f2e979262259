import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { memsAllowed } from "@hms/host-linux/numa";
import { PlacementError } from "@hms/policy";
import { moveProcess } from "./move.ts";

const allowed = memsAllowed();
const skip = typeof allowed === "number" && "needs a kernel with NUMA that lets this process ask for it";
const nodes = typeof allowed === "number" ? [] : [...allowed].map((node) => `node${node}`);
const PROGRAM =
  "const all = new Uint8Array(160 << 20).fill(1); process.send('ready'); process.on('disconnect', () => process.exit(all[0]))";

/** A process with 160 MiB of its own: more than one batch. */
async function program() {
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  await once(child, "message");
  return child;
}

test("all that there is in the targets already: nothing moves, and that is what was wanted", {
  skip,
}, async () => {
  const child = await program();
  try {
    const pid = child.pid ?? 0;
    const progress: number[] = [];
    const { report, movedPages, name, interrupted } = await moveProcess(
      pid,
      { targets: nodes },
      { onProgress: ({ donePages }) => progress.push(donePages) },
    );
    const resident = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 4;
    ok(Math.abs(report.pages - resident) < resident / 20, `${report.pages} pages, ${resident} resident`);
    deepEqual([report.satisfied, report.elsewhere, interrupted], [true, [], false]);
    if (nodes.length === 1) equal(movedPages, 0);
    ok(progress.length > 2, "in batches");
    ok(name.length > 0);
    const strict = await moveProcess(pid, { targets: nodes, mode: "strict" }, { dryRun: true });
    ok(strict.report.satisfied && strict.dryRun);
    await rejects(moveProcess(pid, { targets: nodes }, { regions: "no mapping has this name" }), {
      code: "REGION_UNKNOWN",
      errno: "ENOENT",
    });
    const heap = await moveProcess(pid, { targets: nodes }, { regions: "[heap]" });
    ok(heap.report.pages > 0 && heap.report.pages < report.pages);
  } finally {
    child.kill("SIGKILL");
  }
});

test("stopped before it began: nothing is moved, and it is no error", { skip }, async () => {
  const request = { targets: nodes, mode: "strict" } as const;
  const { movedPages, report } = await moveProcess(process.pid, request, { signal: AbortSignal.abort() });
  equal(movedPages, 0);
  ok(report.pages > 0);
});

test("a process that ends half way is an error that carries what was done", { skip }, async () => {
  const child = await program();
  const exited = once(child, "exit");
  const moving = moveProcess(
    child.pid ?? 0,
    { targets: nodes },
    {
      onProgress: () => {
        child.kill("SIGKILL");
        // It is gone when the kernel says so, not before.
        while (
          existsSync(`/proc/${child.pid}/maps`) &&
          readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.[0] !== "Z"
        );
      },
    },
  );
  await rejects(moving, (error) => {
    ok(error instanceof PlacementError);
    deepEqual([error.code, error.errno], ["PROCESS_GONE", "ESRCH"]);
    ok(error.report.pages > 0);
    match(error.message, /ended half way, after \d+ pages had moved/);
    return true;
  });
  await exited;
});

test("bad input is refused before anything is done", { skip }, async () => {
  const move = (pid: number, request: object, options = {}) => moveProcess(pid, request, options);
  const targets = [nodes[0] ?? ""];
  for (const pid of [0, -1, 1.5, Number.NaN])
    await rejects(move(pid, { targets }), { code: "BAD_OPTION", errno: "EINVAL" });
  await rejects(move(2 ** 22 + 5, { targets }), { code: "PROCESS_GONE", errno: "ESRCH" });
  await rejects(move(process.pid, { targets: ["nodee0"] }), { code: "TARGET_UNKNOWN", errno: "ENOENT" });
  await rejects(move(process.pid, { for: ["nodd0"] }), { code: "INITIATOR_UNKNOWN", errno: "ENOENT" });
  await rejects(move(process.pid, {}), { code: "PLACEMENT_EMPTY" });
  await rejects(move(process.pid, { targets }, { from: ["nodd0"] }), {
    code: "TARGET_UNKNOWN",
    message: /did you mean node0/,
  });
  await rejects(move(process.pid, { targets }, { from: [] }), { code: "TARGETS_EMPTY" });
  await rejects(move(process.pid, { targets }, { regions: "" }), { code: "BAD_OPTION" });
  for (const bytesPerSecond of [0, -5, Number.NaN, Number.POSITIVE_INFINITY])
    await rejects(move(process.pid, { targets }, { bytesPerSecond }), { code: "BAD_OPTION" });
});

test("threads of the kernel and processes that have ended have no memory", { skip }, async () => {
  const targets = [nodes[0] ?? ""];
  if (/^Name:\s+kthreadd$/m.test(existsSync("/proc/2/status") ? readFileSync("/proc/2/status", "utf8") : ""))
    await rejects(moveProcess(2, { targets }), { code: "PROCESS_NO_MEMORY", errno: "EINVAL" });
  // A shell that does not wait for its child leaves it as it ended.
  const shell = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 30"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [data] = await once(shell.stdout, "data");
    const pid = Number(String(data).trim());
    while (!/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8")))
      await new Promise((done) => setTimeout(done, 10));
    await rejects(moveProcess(pid, { targets }), { code: "PROCESS_NO_MEMORY", message: /has ended/ });
  } finally {
    shell.kill("SIGKILL");
  }
});
