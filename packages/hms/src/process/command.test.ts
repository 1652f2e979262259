import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { memsAllowed } from "@hms/host-linux/numa";
import { HmsError } from "@hms/topology";
import { type CommandOptions, placeCommand, runPlanned } from "./command.ts";
import { planCommand } from "./plan.ts";

const allowed = memsAllowed();
const skip = typeof allowed === "number" && "needs a kernel with NUMA that lets this process ask for it";
const node = typeof allowed === "number" ? "node0" : `node${allowed.first}`;
const QUIET: CommandOptions = { stdio: ["ignore", "pipe", "ignore"] };

test("the process has the policy, and so has what it starts", { skip }, async () => {
  const script = "cat /proc/self/numa_maps; exit 3";
  const { child, ended, policy } = placeCommand(
    ["sh", "-c", script],
    { targets: [node], mode: "strict" },
    QUIET,
  );
  let text = "";
  child.stdout?.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const { code, signal, report } = await ended;
  deepEqual([code, signal, report, policy.name], [3, null, null, "bind"]);
  const lines = text.trim().split("\n");
  ok(lines.length > 5 && lines.every((line) => line.split(" ")[1] === `bind:${policy.nodes.toList()}`), text);
});

test("watched: where its memory was at its largest", { skip }, async () => {
  const program =
    "const all = new Uint8Array(64 << 20).fill(1); setTimeout(() => process.exit(all[5] - 1), 700)";
  const command = [process.execPath, "-e", program];
  const { ended } = placeCommand(command, { targets: [node], mode: "strict" }, { ...QUIET, watch: true });
  const { code, report, seen, seconds } = await ended;
  equal(code, 0);
  ok(report !== null && seen !== null);
  ok(report.pages >= (64 << 20) / 4096, JSON.stringify(report));
  deepEqual([report.satisfied, report.targets[0]?.placed], [true, report.pages]);
  ok(seen.looks > 1 && seen.atSeconds <= seconds && seen.processes === 1);
  ok(seen.filePages.length > 0, "the program's file");
});

test("ended before it could be looked at: no report, and it is said", { skip }, async () => {
  const { ended } = placeCommand(["true"], { targets: [node] }, { ...QUIET, watch: true });
  const { code, report, notes } = await ended;
  equal(code, 0);
  if (report === null) match(notes.join(), /ended before its memory could be looked at/);
});

test("a signal is told", { skip }, async () => {
  const { ended } = placeCommand(["sh", "-c", "kill -TERM $$"], { targets: [node] }, QUIET);
  const { code, signal } = await ended;
  deepEqual([code, signal], [null, "SIGTERM"]);
});

test("commands are looked up as a shell does it", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-command-"));
  try {
    writeFileSync(join(folder, "plain"), "#!/bin/sh\n");
    writeFileSync(join(folder, "runs"), "#!/bin/sh\nexit 9\n", { mode: 0o755 });
    const plan = planCommand({ targets: [node] });
    const run = (name: string, path: string) =>
      runPlanned([name], plan, { stdio: "ignore", env: { PATH: path }, cwd: folder });
    equal((await run("runs", `/nowhere:${folder}`).ended).code, 9);
    equal((await run("./runs", "").ended).code, 9);
    throws(() => run("plain", folder), { code: "COMMAND_DENIED", errno: "EACCES" });
    throws(() => run("nothing-of-that-name", folder), { code: "COMMAND_UNKNOWN", errno: "ENOENT" });
    throws(() => run("./nothing", folder), { code: "COMMAND_UNKNOWN" });
    throws(() => run("", folder), { code: "COMMAND_UNKNOWN" });
    throws(() => run(".", folder), { code: "COMMAND_UNKNOWN" }, "a folder is no program");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Runs what puts a command in place of its process, in a process of its own. */
function become(command: readonly string[]) {
  const program = `
    import { becomeCommand, planCommand } from "hms/process";
    try {
      becomeCommand(${JSON.stringify(command)}, planCommand({ targets: ["${node}"], mode: "strict" }));
    } catch (error) {
      console.log(error.code, error.errno);
    }`;
  const args = ["--input-type=module", "-e", program];
  return spawnSync(process.execPath, args, { encoding: "utf8", cwd: import.meta.dirname });
}

test("a command takes the place of the process: number, policy, signals", { skip }, () => {
  const script = "echo $$ $PPID $1; head -1 /proc/self/numa_maps; grep SigIgn /proc/self/status; exit 5";
  const { status, stdout, pid } = become(["sh", "-c", script, "sh", "ein Wort"]);
  const [ids, maps, ignored] = stdout.split("\n");
  deepEqual([status, ids], [5, `${pid} ${process.pid} ein Wort`]);
  match(maps ?? "", /^\S+ bind:/);
  match(ignored ?? "", /\t0+$/);
});

test("a script without a first line is the shell's, and what cannot be started is an error", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-command-"));
  try {
    const path = join(folder, "script");
    writeFileSync(path, "exit 6\n", { mode: 0o755 });
    equal(become([path]).status, 6);
    writeFileSync(path, "#!/nowhere/interpreter\n", { mode: 0o755 });
    equal(become([path]).stdout, "COMMAND_DENIED EACCES\n");
    equal(become(["no such command"]).stdout, "COMMAND_UNKNOWN ENOENT\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what cannot be started as a process of its own is an error too", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-command-"));
  try {
    const path = join(folder, "broken");
    writeFileSync(path, "#!/nowhere/interpreter\n", { mode: 0o755 });
    const failed = async () => await placeCommand([path], { targets: [node] }, QUIET).ended;
    await rejects(failed, (error) => HmsError.is(error) && error.code === "COMMAND_DENIED");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("bad requests run nothing", () => {
  const run = (request: object) => () => placeCommand(["true"], request, QUIET);
  throws(run({ targets: ["nod0"] }), {
    code: "TARGET_UNKNOWN",
    errno: "ENOENT",
    message: /did you mean node0/,
  });
  throws(run({ for: [] }), { code: "INITIATORS_EMPTY" });
  throws(run({ targets: [node], mode: "weighted", weights: [1, 2] }), { code: "WEIGHTS_INVALID" });
  throws(run({}), { code: "PLACEMENT_EMPTY" });
  throws(run({ targets: [node], mode: "strict", size: 2 ** 52 }), {
    code: "PLACEMENT_REFUSED",
    errno: "ENOMEM",
  });
});
