// `hms run` end to end: programs that use hms, each form of report, and each way to end.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Recording, Way } from "hms/report";
import { hms, launcher, root } from "./support/hms.ts";
import { skip } from "./support/hms-lab.ts";

// Below the repository, so that `hms` is found by name.
mkdirSync(join(root, "out"), { recursive: true });
const folder = mkdtempSync(join(root, "out", "run-"));
after(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const DOUBLE = `
import { open } from "hms";
using hms = await open();
const x = hms.space.alloc(Float32Array, 1 << 18, { name: "x" });
x.view.fill(1);
const [device] = hms.devices;
const queue = hms.device(device?.name ?? "accel0").queue();
function double({ x }: { x: Float32Array }, { first, end }: { first: number; end: number }) {
  for (let i = first; i < end; i++) x[i] = 2 * (x[i] ?? 0);
}
for (let round = 0; round < 4; round++) {
  await queue.run(double, { x: x.update() });
  let sum = 0;
  for (const value of x.view) sum += value;
  console.log("sum", sum);
}
console.log("arguments", ...process.argv.slice(2));
`;
const WORKER = `
import { Worker } from "node:worker_threads";
import { open } from "hms";
using hms = await open();
const x = hms.space.alloc(Int32Array, 1000);
const code = 'const { workerData } = require("node:worker_threads"); import("hms").then(({ attach }) => { const x = attach(workerData); x.view.fill(7); x.free(); });';
const worker = new Worker(code, { eval: true, workerData: x.handle() });
await new Promise((resolve) => worker.once("exit", resolve));
console.log(x.view[999]);
`;
const double = script("double.ts", DOUBLE);
const DEVICE = ["--device", "accel:memory=8MiB"] as const;

interface JsonReport {
  readonly format: string;
  readonly run: { readonly command: string; readonly code: number; readonly wallNs: number };
  readonly contexts: readonly {
    readonly ways: readonly Way[];
    readonly advice: readonly { readonly region: string; readonly what: string }[];
    readonly recording: Recording;
  }[];
}

function jsonOf(text: string): JsonReport {
  return JSON.parse(text) as JsonReport;
}

describe("hms run", { skip }, () => {
  test("reports as text what moved and why, after the program's own output", () => {
    const { code, out, err } = hms(["run", "--ram", "64MiB", ...DEVICE, double, "--size", "3", "-x"]);
    assert.equal(err, "");
    assert.equal(code, 0);
    const [program = "", report = ""] = out.split("\nMEMORY REPORT");
    assert.match(program, /^sum 524288\nsum 1048576\nsum 2097152\nsum 4194304\narguments --size 3 -x\n$/);
    assert.match(report, /MOVES\n {2}(host → accel0|accel0 → host) +[\d.]+ MiB/);
    assert.match(report, /a device touched them +4 MiB +1,024 pages/);
    assert.match(report, /a CPU touched them/);
    assert.match(report, /PEAKS.*\n {2}host +[\d.]+ [KM]iB +of 64 MiB/);
    assert.match(report, /accel0 +1 MiB +of 8 MiB/);
    assert.match(report, /x +1 MiB/);
    assert.match(report, /1\. x was brought home [\d,]+ times by CPU faults \(4 MiB, all of it 4 times\)/);
    for (const line of report.split("\n")) assert.ok([...line].length <= 100, line);
  });

  test("reports as JSON, alone on standard output; counts agree with each other", () => {
    const { code, out, err } = hms(["run", "--report", "json", ...DEVICE, double]);
    assert.equal(code, 0);
    assert.match(err, /^sum 524288\n/);
    const { format, run, contexts } = jsonOf(out);
    assert.equal(format, "hms-report");
    assert.equal(run.code, 0);
    const [context] = contexts;
    assert.ok(context !== undefined && contexts.length === 1);
    const { statistics, regions, timeline, snapshots, complete, devices } = context.recording;
    assert.equal(complete, true);
    assert.deepEqual(
      devices.map(({ name, memoryBytes }) => [name, memoryBytes]),
      [["accel0", 8 * 2 ** 20]],
    );
    const [x] = regions;
    assert.equal(x?.name, "x");
    const pages = (from: string, to: string): number =>
      (x?.flows ?? []).reduce(
        (sum, flow) => sum + (flow.from === from && flow.to === to ? flow.pages : 0),
        0,
      );
    assert.equal(pages("host", "accel0"), statistics.movedToDevice);
    assert.equal(pages("accel0", "host"), statistics.movedToHost);
    assert.equal(x?.traffic.toDevice, statistics.movedToDevice);
    assert.equal(statistics.movedToDevice, 1024);
    assert.equal(x?.kind, "private");
    assert.deepEqual(context.recording.flows, x?.flows);
    // Counts only grow, and end where the statistics are.
    timeline.reduce((before, sample) => {
      assert.ok(sample.when >= before.when && sample.cpuFaults >= before.cpuFaults);
      return sample;
    });
    assert.equal(timeline.at(-1)?.cpuFaults, statistics.cpuFaults);
    assert.ok(snapshots.length > 0);
    for (const { strips } of snapshots)
      for (const { region, cells } of strips) assert.ok(region === 0 && cells.length === 64, cells);
  });

  test("writes pages and files, several at once; a page needs nothing else", () => {
    const [page, json, text] = ["r.html", "r.json", "r.txt"].map((name) => join(folder, name));
    assert.ok(page !== undefined && json !== undefined && text !== undefined);
    const forms = [page, json, text].flatMap((path) => ["--report", path]);
    const { code, out, err } = hms(["run", ...forms, ...DEVICE, double]);
    assert.equal(code, 0, err);
    assert.doesNotMatch(out, /MEMORY REPORT/);
    assert.equal(err.split("\n").filter((line) => line.startsWith("hms: The report is in ")).length, 3);
    const html = readFileSync(page, "utf8");
    assert.match(html, /^<!doctype html>/);
    assert.doesNotMatch(html, /https?:|src=|@import|url\(/);
    assert.match(html, /<svg class="map" data-region="0"/);
    assert.match(html, /Memory in use/);
    assert.equal(jsonOf(readFileSync(json, "utf8")).contexts.length, 1);
    assert.match(readFileSync(text, "utf8"), /^MEMORY REPORT/);
  });

  test("RAM and devices count for programs that leave them open only", () => {
    const path = script(
      "own.ts",
      `import { open } from "hms";
       using hms = await open({ ram: "32MiB", devices: ["accel:name=mine"] });
       console.log(hms.devices.map(({ name }) => name).join());
       using other = await open();
       console.log(other.devices.map(({ name }) => name).join());`,
    );
    const report = join(folder, "own.json");
    const args = ["--device", "accel", "--device", "accel:memory=1MiB,name=small", "--report", report];
    const { code, out, err } = hms(["run", "--ram", "16MiB", ...args, path]);
    assert.equal(code, 0, err);
    assert.equal(out, "mine\naccel0,small\n");
    const { contexts } = jsonOf(readFileSync(report, "utf8"));
    assert.deepEqual(
      contexts.map(({ recording }) => recording.ramBytes),
      [32 * 2 ** 20, 16 * 2 ** 20],
    );
  });

  test("a program that lies where no hms is installed gets the one that runs it", () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "hms-elsewhere-"));
    try {
      writeFileSync(join(elsewhere, "double.ts"), DOUBLE);
      const { code, out, err } = hms(["run", ...DEVICE, "double.ts"], { cwd: elsewhere });
      assert.equal(code, 0, err);
      assert.match(out, /^sum 524288\n[\s\S]*\nMEMORY REPORT/);
      // So do threads whose program is text, what is required, and parts of the package.
      writeFileSync(join(elsewhere, "worker.ts"), WORKER);
      const worker = hms(["run", "worker.ts"], { cwd: elsewhere });
      assert.match(worker.out, /^7\n/, worker.err);
      writeFileSync(
        join(elsewhere, "required.cjs"),
        'const { open } = require("hms"); const { makeReport } = require("hms/report"); open().then((hms) => { console.log(typeof makeReport); hms.close(); });',
      );
      const required = hms(["run", "required.cjs"], { cwd: elsewhere });
      assert.match(required.out, /^function\n/, required.err);
      // One that finds its own keeps it.
      mkdirSync(join(elsewhere, "node_modules/hms"), { recursive: true });
      writeFileSync(
        join(elsewhere, "node_modules/hms/index.js"),
        'exports.open = () => { throw new Error("its own"); };',
      );
      const own = hms(["run", "double.ts"], { cwd: elsewhere });
      assert.equal(own.code, 1);
      assert.match(own.err, /its own/);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  test("what left RAM, was written and came back: statistics, regions, moves and the report agree", () => {
    const path = script(
      "larger.ts",
      `import { open } from "hms";
       using hms = await open({ ram: "8MiB" });
       const size = 16 << 20;
       const x = hms.space.alloc(Uint8Array, size, { name: "x" });
       const y = hms.space.alloc(Uint8Array, size, { name: "y", kind: "shared" });
       for (const { view } of [x, y]) {
         for (let i = 0; i < size; i += 4096) view[i] = i >> 12;
         for (let round = 0; round < 3; round++)
           for (let i = 0; i < size; i += 4096) if (view[i] !== ((i >> 12) & 255)) throw new Error("wrong");
       }
       // Room is made ahead of need for a second after memory was short.
       await new Promise((resolve) => setTimeout(resolve, 1200));
       const all = hms.statistics();
       const regions = hms.regions();
       const of = (name: string) => regions.find((region) => region.name === name);
       const space = hms.space.statistics();
       console.log(JSON.stringify({ all, x: of("x"), y: of("y"), space }));`,
    );
    const file = join(folder, "larger.json");
    const { code, out, err } = hms(["run", "--report", "text", "--report", file, path]);
    assert.equal(code, 0, err);
    interface Counts {
      readonly swappedOutBytes: number;
      readonly swappedInBytes: number;
      readonly droppedCleanBytes: number;
      readonly swapBytes: number;
    }
    const { all, x, y } = JSON.parse(out.split("\n")[0] ?? "") as Readonly<Record<"all" | "x" | "y", Counts>>;
    for (const key of ["swappedOutBytes", "swappedInBytes", "droppedCleanBytes"] as const)
      assert.equal(x[key] + y[key], all[key], key);
    // The private one was written once, and read three times.
    assert.ok(x.swappedOutBytes >= 3 * 2 ** 24 && x.droppedCleanBytes > 2 ** 24, JSON.stringify(x));
    assert.ok(x.swappedOutBytes - x.droppedCleanBytes <= 2 ** 24, JSON.stringify(x));
    assert.ok(y.swappedOutBytes > 2 ** 24 && y.swappedInBytes > 2 ** 24, JSON.stringify(y));
    const [context] = jsonOf(readFileSync(file, "utf8")).contexts;
    const pages = (from: string, to: string): number =>
      (context?.ways ?? []).find((way) => way.from === from && way.to === to)?.pages ?? 0;
    assert.equal(pages("host", "swap") * 4096, all.swappedOutBytes);
    assert.equal(pages("swap", "host") * 4096, all.swappedInBytes);
    assert.equal(context?.recording.timeline.at(-1)?.swappedOut, pages("host", "swap"));
    assert.match(
      out,
      /disk +[\d.]+ MiB +left RAM for it \([\d.]+ MiB had to be written\), [\d.]+ MiB came back/,
    );
    assert.doesNotMatch(out, /not recorded why/);
  });

  test("what moves between RAM and files is in the moves, and has advice", () => {
    const data = join(folder, "data");
    writeFileSync(data, new Uint8Array(2 ** 24).fill(1));
    const path = script(
      "file.ts",
      `import { open } from "hms";
       using hms = await open({ ram: "8MiB" });
       const x = hms.space.file(${JSON.stringify(data)}, Uint8Array);
       let sum = 0;
       for (let round = 0; round < 3; round++) for (let i = 0; i < x.length; i += 4096) sum += x.view[i] ?? 0;
       console.log(sum, hms.statistics().swappedOutBytes);`,
    );
    const { code, out, err } = hms(["run", path]);
    assert.equal(code, 0, err);
    assert.match(out, /^12288 0\n/);
    assert.match(out, /file → host +4[0-9](\.\d)? MiB/);
    assert.match(out, /host → file +[34]\d(\.\d)? MiB/);
    assert.match(out, /was read from its file [23](\.\d)? times over/);
    assert.doesNotMatch(out, /not recorded why/);
  });

  test("moves of regions that are gone or not listed are in the totals", () => {
    const path = script(
      "many.ts",
      `import { open } from "hms";
       using hms = await open();
       for (let i = 0; i < 1200; i++) {
         using x = hms.space.alloc(Uint8Array, 4096);
         x.view[0] = 1;
         await hms.space.migrate(x, "accel0");
       }`,
    );
    const file = join(folder, "many.json");
    const { code, out, err } = hms(["run", "--report", "text", "--report", file, ...DEVICE, path]);
    assert.equal(code, 0, err);
    const [context] = jsonOf(readFileSync(file, "utf8")).contexts;
    assert.equal(context?.recording.statistics.movedToDevice, 1200);
    assert.equal(context?.recording.regionsTotal, 1200);
    assert.match(out, /host → accel0 +4\.69 MiB +1,200 pages/);
    assert.match(out, /and 1,190 more regions not listed; what moved of them is in the moves above/);
    assert.doesNotMatch(out, /not recorded why/);
  });

  test("a bound on RAM that cannot hold is said once, with what to do", () => {
    const path = script(
      "full.ts",
      `import { open } from "hms";
       using hms = await open({ ram: "8MiB", swapMax: "1MiB" });
       hms.space.alloc(Uint8Array, 32 << 20).view.fill(1);`,
    );
    const { code, out, err } = hms(["run", path]);
    assert.equal(code, 0, err);
    assert.match(out, /disk +1 MiB +left RAM for it/);
    assert.match(out, /host → swap +1 MiB +256 pages/);
    assert.equal(out.match(/the memory budget is exceeded/g)?.length, 1);
    assert.match(out, /the disk takes no more pages \(\d+ times\)/);
    assert.match(out, /ADVICE\n {2}1\. The program had up to \d+ MiB of RAM, more than the 8 MiB/);
  });

  test("a program that throws is reported, and its exit code is passed on", () => {
    const path = script("throws.ts", `${DOUBLE}\nthrow new Error("on purpose");\n`);
    const { code, out, err } = hms(["run", ...DEVICE, path]);
    assert.equal(code, 1);
    assert.match(err, /on purpose/);
    assert.match(out, /MEMORY REPORT.*\(ended with exit code 1\)/);
    assert.match(out, /a device touched them +4 MiB/);
  });

  test("an exit code is passed on, also when hms is still open", () => {
    const path = script(
      "exits.ts",
      `import { open } from "hms";
       const hms = await open();
       hms.space.alloc(Uint8Array, 1 << 20, { name: "left" }).view.fill(1);
       process.exit(42);`,
    );
    const { code, out } = hms(["run", path]);
    assert.equal(code, 42);
    assert.match(out, /ended with exit code 42/);
    assert.match(out, /left +1 MiB/);
  });

  test("a program that is killed is reported as far as it was recorded", async () => {
    const path = script(
      "killed.ts",
      `import { open } from "hms";
       const hms = await open();
       hms.space.alloc(Uint8Array, 1 << 20, { name: "seen" }).view.fill(1);
       setTimeout(() => process.kill(process.pid, "SIGKILL"), 2500);`,
    );
    const { code, out } = hms(["run", path]);
    assert.equal(code, 128 + 9);
    assert.match(out, /\(killed by SIGKILL\)/);
    assert.match(out, /seen +1 MiB/);
    assert.match(out, /its last half second may be missing/);
  });

  test("a program that ends as soon as hms is open has opened it", () => {
    for (const [end, number] of [
      ["SIGKILL", 9],
      ["SIGSEGV", 11],
    ] as const) {
      const path = script(
        `${end}.ts`,
        `import { open } from "hms";
         const hms = await open();
         process.kill(process.pid, "${end}");
         await new Promise(() => setInterval(() => {}, 1000));`,
      );
      const { code, out, err } = hms(["run", path]);
      assert.equal(code, 128 + number);
      assert.doesNotMatch(err, /nothing to report/);
      assert.match(out, new RegExp(`MEMORY REPORT.*\\(killed by ${end}\\)`));
    }
  });

  test("a report that cannot be written goes to standard error, and the exit code says so", () => {
    const full = join(folder, "full.json");
    symlinkSync("/dev/full", full);
    const other = join(folder, "other.txt");
    const { code, out, err } = hms(["run", ...DEVICE, "--report", full, "--report", other, double]);
    assert.equal(code, 1);
    assert.match(out, /^sum 524288\n/);
    assert.doesNotMatch(out, /MEMORY REPORT/);
    assert.match(err, /Write .*full\.json: no space is left \(ENOSPC\)/);
    assert.match(err, /\nMEMORY REPORT/);
    assert.match(readFileSync(other, "utf8"), /^MEMORY REPORT/);
    const failing = hms([
      "run",
      ...DEVICE,
      "--report",
      full,
      script("fails.ts", `${DOUBLE}\nprocess.exitCode = 7;\n`),
    ]);
    assert.equal(failing.code, 7);
  });

  test("signals go to the program, and the report follows", async () => {
    const path = script(
      "waits.ts",
      `import { open } from "hms";
       const hms = await open();
       hms.space.alloc(Uint8Array, 1 << 20, { name: "w" }).view.fill(1);
       console.log("ready");
       setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [launcher, "run", path], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    while (!out.includes("ready")) await sleep(50);
    await sleep(1000);
    child.kill("SIGTERM");
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(code, 128 + 15);
    assert.match(out, /MEMORY REPORT/);
  });

  test("a program that does not open hms has nothing to report", () => {
    const { code, out, err } = hms(["run", script("none.ts", 'console.log("hello");')]);
    assert.equal(code, 0);
    assert.equal(out, "hello\n");
    assert.match(err, /none\.ts did not open hms: there is nothing to report\./);
  });

  test("names of regions cannot command a terminal or a page", () => {
    const path = script(
      "names.ts",
      `import { open } from "hms";
       using hms = await open();
       hms.space.alloc(Uint8Array, 4096, { name: "<img src=x>\\u001b[31m" }).view.fill(1);`,
    );
    const page = join(folder, "names.html");
    const { code, out, err } = hms(["run", "--report", "text", "--report", page, path]);
    assert.equal(code, 0, err);
    assert.ok(!out.includes("\u001b"));
    assert.match(out, /<img src=x>/);
    const html = readFileSync(page, "utf8");
    assert.ok(!html.includes("<img") && !html.includes("\u001b"));
  });
});

test("hms run refuses what is wrong before anything runs", () => {
  mkdirSync(join(folder, "folder.json"));
  const cases: [args: string[], code: number, message: RegExp][] = [
    [["run"], 2, /SCRIPT is missing/],
    [["run", "no-such-file.ts"], 1, /Run no-such-file\.ts: there is no such file/],
    [["run", root], 1, /it is a folder/],
    [["run", "--ram", "much", double], 2, /Option --ram/],
    [["run", "--ram", "4KiB", double], 2, /Option --ram: .* it must be 8 MiB to \d+ MiB/],
    [["run", "--device", "warp", double], 2, /Option --device: .* there is no driver warp/],
    [["run", "--device", "accel:memry=1MiB", double], 2, /no option memry \(did you mean memory\?\)/],
    [["run", "--device", "accel:memory=1", double], 2, /must be 64KiB to 8TiB, not 1\./],
    [["run", "--device", "accel:memory=9TiB", double], 2, /must be 64KiB to 8TiB, not 9TiB\./],
    [["run", "--device", "accel", "--device", "accel:name=accel0", double], 2, /the name accel0 is taken/],
    [["run", "--report", "report.pdf", double], 2, /Option --report takes/],
    [["run", "--report", "text", "--report", "json", double], 2, /one form only/],
    [["run", "--devices", "accel", double], 2, /did you mean --device/],
    [
      ["run", "--report", "/nonexistent/x.html", double],
      1,
      /Write \/nonexistent\/x\.html: there is no folder/,
    ],
    [["run", "--report", join(double, "x.html"), double], 1, /is no folder/],
    [["run", "--report", join(folder, "folder.json"), double], 1, /it is a folder/],
  ];
  for (const [args, code, message] of cases) {
    const done = hms(args);
    assert.equal(done.code, code, done.err);
    assert.match(done.err, message);
    assert.equal(done.out, "");
  }
});
