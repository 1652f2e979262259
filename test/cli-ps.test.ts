import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { hms } from "./support/hms.ts";

const root = join(import.meta.dirname, "..");
const HMS = join(root, "packages/cli/bin/hms.js");
const schema: object = JSON.parse(
  readFileSync(join(root, "packages/hms/schema/processes-1.schema.json"), "utf8"),
);
const PROGRAM = `kept = Buffer.alloc(48 << 20, 1); console.log(1); process.stdin.resume()`;

let child: ChildProcess;
before(async () => {
  child = spawn(process.execPath, ["-e", PROGRAM, "\x1b[31modd\nname"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no output of the child");
  await once(child.stdout, "data");
});
after(() => child.stdin?.end());

describe("hms ps", () => {
  test("tells of one process: where it runs, what it has, of what kind", () => {
    const { code, out, err } = hms(["ps", String(child.pid)]);
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^${child.pid}  .*-e kept = Buffer.alloc`));
    assert.match(out, /^ {2}runs on +\S/m);
    assert.match(out, /^ {2}memory +[\d.]+ MiB in \d+ mappings/m);
    assert.match(out, /^ {2}anonymous +[\d.]+ MiB/m);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    assert.doesNotMatch(out, /\x1b/, "a program's arguments are no commands to the terminal");
  });

  test("lists its regions with names, the largest first, as many as asked for", () => {
    const { code, out, err } = hms(["ps", "--regions", "--count", "3", String(child.pid)]);
    assert.equal(code, 0, err);
    const lines = out.slice(out.indexOf("ADDRESS")).trimEnd().split("\n").slice(1);
    assert.equal(lines.length, 4);
    assert.match(lines[0] ?? "", /48(\.\d+)? MiB/);
    assert.match(lines[3] ?? "", /and [\d,]+ smaller regions with [\d.]+ MiB: --count shows more/);
  });

  test("lists processes, those with the most memory first, and no line is wider than the terminal", () => {
    const env = { ...process.env, COLUMNS: "70" };
    const { stdout, status, stderr } = spawnSync(process.execPath, [HMS, "ps"], { encoding: "utf8", env });
    assert.equal(status, 0, stderr);
    const table = stdout.split("\n\n").find((part) => part.includes("MEMORY")) ?? "";
    assert.match(table, new RegExp(`^ *${child.pid} `, "m"));
    for (const line of table.split("\n")) assert.ok(line.length <= 70, line);
  });

  test("sorts by number when asked", () => {
    const { out } = hms(["ps", "--sort", "pid", "--count", "1000"]);
    const pids = [...out.matchAll(/^ *(\d+) +\S+ +[\d.]+ (?:B|KiB|MiB|GiB)/gm)].map(([, pid]) => Number(pid));
    assert.deepEqual(
      pids,
      [...pids].sort((a, b) => a - b),
    );
  });

  test("writes JSON that follows its schema: a list, and a process with regions", () => {
    const validate = new Ajv2020({ allErrors: true }).compile(schema);
    for (const args of [[], ["--regions", String(child.pid)], [String(child.pid), String(process.pid)]]) {
      const { code, out, err } = hms(["ps", "--json", ...args]);
      assert.equal(code, 0, err);
      const document: { readonly processes: readonly { readonly pid: number }[] } = JSON.parse(out);
      assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 3)));
      assert.ok(document.processes.some(({ pid }) => pid === child.pid));
    }
  });

  test("tells of those that are there when others are not, and fails", () => {
    const { code, out, err } = hms(["ps", String(child.pid), "4194000"]);
    assert.equal(code, 1);
    assert.match(out, new RegExp(`^ *${child.pid} `, "m"));
    assert.match(
      err,
      /^hms: Look at process 4194000: there is no process of this number; name one that runs\.$/m,
    );
    const json = hms(["ps", "--json", "4194000"]);
    assert.equal(json.code, 1);
    const document: { readonly missing: readonly { readonly pid: number; readonly code: string }[] } =
      JSON.parse(json.out);
    assert.deepEqual(
      document.missing.map(({ pid, code: why }) => [pid, why]),
      [[4194000, "PROCESS_GONE"]],
    );
  });

  test("takes the measurements that are named, or none", () => {
    const { code, err } = hms(["ps", "--measured", "/no/such/file"]);
    assert.equal(code, 1);
    assert.match(err, /\/no\/such\/file/);
    assert.equal(hms(["ps", "--no-measured", String(child.pid)]).code, 0);
  });

  test("refuses wrong usage with a sentence that says what to do", () => {
    const refused: readonly (readonly [readonly string[], RegExp])[] = [
      [["0"], /PID takes the number of a process/],
      [["postgres"], /but got "postgres"; find it by pgrep postgres/],
      [["99999999999999"], /PID takes/],
      [["1.5"], /PID takes/],
      [["--regions"], /--regions needs a process/],
      [["--all", "1"], /--all is for the list/],
      [["--count", "0"], /--count takes a whole number from 1/],
      [["--interval", "x"], /--interval takes a whole number from 1/],
      [["--measured", "a", "--no-measured"], /given both/],
      [["--sort", "memroy"], /did you mean memory\?/],
      [["--prefer", "capacity"], /--prefer takes bandwidth, latency/],
    ];
    for (const [args, message] of refused) {
      const { code, err } = hms(["ps", ...args]);
      assert.equal(code, 2, args.join(" "));
      assert.match(err, message);
    }
  });

  test("a thread's number is its process's; a kernel thread has no memory", {
    skip: kernelThread() === null ? "no kernel thread is to be seen here" : false,
  }, () => {
    const { code, err } = hms(["ps", String(kernelThread())]);
    assert.equal(code, 1);
    assert.match(err, /it has none, as it is a thread of the kernel/);
  });

  test("watches until the process ends, or who reads goes away", async () => {
    const watching = spawn(process.execPath, [HMS, "ps", "--interval", "1", "--json", String(child.pid)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    for await (const piece of watching.stdout) {
      text += piece;
      if (text.split("\n").length > 2) break;
    }
    const [first = "", second = ""] = text.split("\n");
    for (const line of [first, second]) assert.equal(JSON.parse(line).processes[0].pid, child.pid);
    // Leaving the loop closed the pipe: the next look finds nobody.
    if (watching.exitCode === null) await once(watching, "exit");
    assert.equal(watching.exitCode, 0);
  });
});

/** A process without memory: number 2 where the kernel's are to be seen. */
function kernelThread(): number | null {
  try {
    return /^Kthread:\s+1$|^Name:\s+kthreadd$/m.test(readFileSync("/proc/2/status", "utf8")) ? 2 : null;
  } catch {
    return null;
  }
}
