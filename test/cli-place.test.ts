// hms exec and hms move, as a person calls them: wrong usage, what is not there, rights, and what they write.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { memsAllowed } from "@hms/host-linux/numa";
import {
  __NR_get_mempolicy,
  __NR_move_pages,
  __NR_set_mempolicy,
} from "../packages/host-linux/src/sys/abi.generated.ts";

const HMS = join(import.meta.dirname, "../packages/cli/bin/hms.js");
const allowed = memsAllowed();
const skip = typeof allowed === "number" && "needs a kernel with NUMA that lets this process ask for it";
const node = typeof allowed === "number" ? "node0" : `node${allowed.first}`;
const root = process.getuid?.() === 0;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function hms(...args: readonly string[]): Ended {
  return spawnSync(process.execPath, [HMS, ...args], { encoding: "utf8" });
}

test("wrong usage is exit code 2 and one sentence", () => {
  for (const [args, words] of [
    [["exec", "--", "true"], "--for or --target is required"],
    [["exec", "--for", node], "COMMAND is missing"],
    [["exec", "--for", ",", "--", "true"], "names with commas between"],
    [["exec", "--for", node, "--mode", "hard", "--", "true"], "takes preferred, strict"],
    [["exec", "--target", node, "--prefer", "latency", "--", "true"], "goes with --for"],
    [["exec", "--target", node, "--weights", "1", "--", "true"], "goes with --mode weighted"],
    [["exec", "--target", node, "--mode", "weighted", "--weights", "1,x", "--", "true"], "whole numbers"],
    [["exec", "--target", node, "--mode", "weighted", "--weights", "1,2", "--", "true"], "for each --target"],
    [["exec", "--target", node, "--set-weights", "--", "true"], "goes with --mode weighted"],
    [["exec", "--target", node, "--size", "8G", "--", "true"], "write GiB"],
    [["exec", "--target", node, "--size", "0B", "--", "true"], "greater than 0"],
    [["move", "--for", node], "PID is missing"],
    [["move", "firefox", "--for", node], "find it by pgrep firefox"],
    [["move", "0", "--for", node], "PID takes the number"],
    [["move", "1", "2", "--for", node], "one too many"],
    [["move", "1"], "--for or --target is required"],
    [["move", "1", "--for", node, "--rate", "fast"], "--rate"],
    [["exec", "--for", node, "--measured", "a", "--no-measured", "--", "true"], "given both"],
    [["move", "1", "--for", node, "--measured", "a", "--no-measured"], "given both"],
  ] as const) {
    const { status, stdout, stderr } = hms(...args);
    deepEqual([status, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
    ok(stderr.includes(words) && stderr.trim().split("\n").length === 1, stderr);
  }
});

test("what is not there is exit code 1 and one sentence with what there is", { skip }, () => {
  for (const [args, words] of [
    [["exec", "--for", "nod0", "--", "true"], /did you mean node0/],
    [
      ["exec", "--target", "nodd0", "--", "true"],
      /no target of this machine has this name; did you mean node0/,
    ],
    [["exec", "--target", node, "--mode", "strict", "--size", "4PiB", "--", "true"], /4 PiB are required in/],
    [["exec", "--target", node, "--mode", "weighted", "--weights", "256", "--", "true"], /1 to 255/],
    [["move", "4194304", "--for", node], /no process of this number/],
    [["move", String(process.pid), "--target", node, "--from", "nodd0"], /did you mean node0/],
    [["move", String(process.pid), "--target", node, "--regions", "heap"], /did you mean \[heap\]/],
    [["move", String(process.pid), "--target", node, "--regions", "[heep]"], /did you mean \[heap\]/],
    [["move", String(process.pid), "--target", node, "--regions", "zzzz*"], /there are .*hms ps --regions/],
    [["exec", "--for", node, "--measured", "/no/such/file", "--", "true"], /\/no\/such\/file/],
    [["move", String(process.pid), "--target", node, "--measured", "/no/such/file"], /\/no\/such\/file/],
  ] as const) {
    const { status, stdout, stderr } = hms(...args);
    deepEqual([status, stdout], [1, ""], `${args.join(" ")}: ${stderr}`);
    match(stderr, words);
    equal(stderr.trim().split("\n").length, 1, stderr);
  }
});

test("exec: the command's own exit code, streams and arguments", { skip }, () => {
  const script = 'cat; echo "$@" >&2; exit 42';
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [HMS, "exec", "--for", node, "--", "sh", "-c", script, "sh", "--json", "a b"],
    { encoding: "utf8", input: "what comes in" },
  );
  deepEqual([status, stdout, stderr], [42, "what comes in", "--json a b\n"]);
  equal(hms("exec", "--for", node, "--", "no-such-command").status, 127);
  equal(hms("exec", "--for", node, "--", "/etc/passwd").status, 126);
});

test("exec --report: signals reach the command, and the report comes after", { skip }, async () => {
  const script = "trap 'echo caught; exit 5' TERM; echo up; while :; do sleep 0.05; done";
  const child = spawn(process.execPath, [HMS, "exec", "--for", node, "--report", "--", "sh", "-c", script]);
  let [out, err] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString();
    if (out === "up\n") setTimeout(() => child.kill("SIGTERM"), 300);
  });
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const [code] = await once(child, "close");
  deepEqual([code, out], [5, "up\ncaught\n"]);
  match(err, /^hms: Memory of sh \(at /);
  match(err, new RegExp(`${node}  .*100 %`));
  const killed = hms("exec", "--for", node, "--json", "--", "sh", "-c", "sleep 0.3; kill -KILL $$");
  equal(killed.status, 128 + 9);
  const told = JSON.parse(killed.stderr);
  deepEqual([told.code, told.signal, told.policy.name], [null, "SIGKILL", "prefer"]);
});

test("exec: room that is not there is told, and the command runs all the same", { skip }, () => {
  const { status, stdout, stderr } = hms("exec", "--target", node, "--size", "4PiB", "--", "echo", "it ran");
  deepEqual([status, stdout], [0, "it ran\n"]);
  match(
    stderr,
    new RegExp(`^hms: Room for 4 PiB was asked for, but ${node} has [\\d.]+ .?i?B free; .+\\.\n$`),
  );
  equal(hms("exec", "--target", node, "--size", "4KiB", "--", "true").stderr, "");
  const dry = hms("exec", "--target", node, "--size", "4PiB", "--dry-run");
  match(dry.stdout, /^Room for 4 PiB was asked for, but /m);
  const json = JSON.parse(hms("exec", "--target", node, "--size", "4PiB", "--dry-run", "--json").stdout);
  match(json.policy.notes.join(" "), /Room for 4 PiB was asked for/);
});

test("exec: its help says that it places no CPUs, and what does", () => {
  match(hms("help", "exec").stdout.replaceAll(/\s+/g, " "), /not CPUs.*taskset.*numactl --cpunodebind=0/);
});

test("exec --dry-run runs nothing", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-exec-"));
  try {
    const mark = join(folder, "mark");
    const text = hms("exec", "--for", node, "--dry-run", "--", "touch", mark);
    equal(text.status, 0, text.stderr);
    match(text.stdout, /Nothing was run\./);
    const json = JSON.parse(hms("exec", "--target", node, "--mode", "strict", "--dry-run", "--json").stdout);
    deepEqual([json.policy.name, json.decision.targets[0].id], ["bind", node]);
    equal(spawnSync("test", ["-e", mark]).status, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("move: text and JSON of what is right already", { skip }, async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  try {
    await once(child, "spawn");
    const pid = String(child.pid);
    const targets = typeof allowed === "number" ? node : [...allowed].map((one) => `node${one}`).join(",");
    const text = hms("move", pid, "--target", targets);
    deepEqual([text.status, text.stderr], [0, ""]);
    match(text.stdout, new RegExp(`^Process ${pid} \\(sleep\\): `));
    const { report, dryRun, name } = JSON.parse(
      hms("move", pid, "--target", targets, "--dry-run", "--json").stdout,
    );
    deepEqual([dryRun, name, report.elsewhere, report.satisfied], [true, "sleep", [], true]);
    const size = "[\\d.]+ .iB";
    match(
      text.stdout,
      new RegExp(`^Process ${pid} \\(sleep\\): all ${size} are in place already; nothing was moved\n`),
    );
    match(
      hms("move", pid, "--target", targets, "--dry-run").stdout,
      /all .* are in place already; nothing would move/,
    );
    const short = hms("move", pid, "--target", node, "--size", "4PiB", "--dry-run");
    match(
      short.stdout,
      /^Room for 4 PiB was asked for, but .* free; what does not fit stays where it is\.$/m,
    );
    const refused = hms("move", pid, "--target", node, "--size", "4PiB", "--mode", "strict");
    deepEqual(
      [refused.status, refused.stdout],
      [1, ""],
      "nothing was looked at, so no line says where pages are",
    );
    match(refused.stderr, /4 PiB are required in .*, but .* free there/);
    const asJson = hms("move", pid, "--target", node, "--size", "4PiB", "--mode", "strict", "--json");
    equal(JSON.parse(asJson.stdout).report, null);
  } finally {
    child.kill();
  }
});

test("move: a program is called as hms ps calls it, whatever its main thread is called", {
  skip,
}, async () => {
  const program = "setInterval(() => {}, 1000); console.log(1)";
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    await once(child.stdout, "data");
    const pid = String(child.pid);
    const { stdout } = hms("move", pid, "--target", node, "--dry-run");
    ok(stdout.startsWith(`Process ${pid} (${basename(process.execPath)}): `), stdout);
    match(hms("ps").stdout, new RegExp(`^ *${pid} .* ${basename(process.execPath)} -e `, "m"));
  } finally {
    child.kill();
  }
});

test("other users' processes: one sentence with the remedy", {
  skip: skip || (!root && "needs root to become another user"),
}, () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-move-"));
  chmodSync(folder, 0o755);
  try {
    writeFileSync(join(folder, "run.sh"), `exec "${process.execPath}" "${HMS}" "$@"\n`);
    const { status, stderr } = spawnSync(
      "sh",
      [join(folder, "run.sh"), "move", String(process.pid), "--for", node],
      {
        encoding: "utf8",
        uid: 65534,
        gid: 65534,
      },
    );
    equal(status, 1);
    match(stderr, /^hms: .*belongs to user 0.*sudo.*\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const noPython = spawnSync("python3", ["--version"]).error !== undefined && "python3 is not installed";

test("a seccomp filter, as of a container: one sentence with the remedy", { skip: skip || noPython }, () => {
  const calls = [__NR_set_mempolicy, __NR_get_mempolicy, __NR_move_pages].join(",");
  const filtered = join(import.meta.dirname, "support/filtered.py");
  const run = (...args: readonly string[]) =>
    spawnSync("python3", [filtered, calls, process.execPath, HMS, ...args], { encoding: "utf8" });
  const placed = run("exec", "--for", node, "--", "echo", "it ran");
  deepEqual([placed.status, placed.stdout], [1, ""], "not without the policy");
  match(placed.stderr, /^hms: Set the policy prefer:\d+: a seccomp filter .*--cap-add SYS_NICE.*\n$/);
  const moved = run("move", String(process.pid), "--target", node);
  equal(moved.status, 1);
  match(moved.stderr, /^hms: Move pages of process \d+ \(.*\): a seccomp filter .*--cap-add SYS_NICE.*\n$/);
});

test("the program of the guide runs", { skip }, () => {
  const guide = readFileSync(join(import.meta.dirname, "../docs/guides/placing-programs.md"), "utf8");
  const program = /```ts\n(.*?)```/s.exec(guide)?.[1] ?? "";
  const ran = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", program], {
    encoding: "utf8",
    cwd: import.meta.dirname,
  });
  deepEqual([ran.status, ran.stderr], [0, ""]);
  match(ran.stdout, /^\S+ \[ 'node\d+'.*\]\n0\ntrue (true|false)\n$/);
});
