import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { HmsError, units } from "@hms/topology/lazy";
import type { Report, RunInfo } from "hms/report";
import { type Command, type Console, Failure, type Options, UsageError } from "../command.ts";
import { expectWritable, writeWhole } from "../output.ts";
import { printable } from "../printable.ts";

type Rendering = typeof import("hms/report");

/** Milliseconds before the first progress line, and between two. */
const PROGRESS_AFTER_MS = 2000;
const PROGRESS_MS = 500;
/** What shells add to the number of the signal that ended a process. */
const SIGNAL_CODE = 128;

export const run: Command = {
  operands: ["SCRIPT", "ARGS…"],
  passesOn: true,
  options: [
    {
      name: "ram",
      value: "SIZE",
      help: "the most of this machine's memory that the program may have resident, such as 512MiB; the rest goes to disk",
    },
    {
      name: "device",
      value: "SPEC",
      repeats: true,
      help: "a device for the program, such as accel:memory=64MiB; may be given more than once",
    },
    {
      name: "report",
      value: "FORM",
      repeats: true,
      help: "text (default), after the program's own output; json, alone on standard output (what the program writes there goes to standard error); or the name of a file that ends in .html, .json or .txt; may be given more than once",
    },
  ],
  notes: [
    "SCRIPT is a TypeScript or JavaScript program that opens hms; ARGS are its own. Where it says itself what memory and devices it wants, that counts; --ram and --device are for what it leaves open. It learns of them by HMS_RAM and HMS_DEVICES in its environment. Where it lies no package hms needs to be installed: it gets this one unless it finds its own.",
    "The exit code is the program's; 128 and the signal's number if a signal ended it; 1 if it is 0 and a report could not be written: that one goes to standard error, as text.",
  ],
  examples: [
    ["hms run --device accel:memory=64MiB program.ts", "what moved between CPU and accelerator, and why"],
    ["hms run --ram 512MiB --report report.html program.ts --size 2GiB", "as a page with a timeline"],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const [script, ...args] = operands;
    if (script === undefined) throw new UsageError("SCRIPT is missing: name the program to run");
    const forms = options.all("report").map(formOf);
    if (forms.length === 0) forms.push({ kind: "text", path: null });
    if (forms.filter(({ path }) => path === null).length > 1)
      throw new UsageError("Option --report can give one form only to standard output: text or json");
    const { expectBudget, FIND_HMS, findsHms, readDeviceSpecs } = await import("hms/run");
    const size = await readSize(options.get("ram"));
    if (size !== undefined) expectOption("ram", () => expectBudget(size));
    expectOption("device", () => readDeviceSpecs(options.all("device")));
    expectFile(script);
    for (const { path } of forms) if (path !== null) expectWritable(path);
    const preloads = findsHms(script) ? [] : ["--require", FIND_HMS];
    const rendering = await import("hms/report");
    const folder = mkdtempSync(join(tmpdir(), "hms-run-"));
    try {
      const stdout = forms.some(({ kind, path }) => kind === "json" && path === null) ? 2 : "inherit";
      const info = await runProgram({ script, args, preloads, folder, stdout, options }, rendering, console);
      console.progress("");
      const reports = rendering.readRecordings(folder).map((one) => rendering.makeReport(one));
      if (reports.length === 0) console.note(`hms: ${printable(script)} ${nothingOf(info)}`);
      const delivered = deliverAll(forms, reports, info, rendering, console);
      const code = info.code ?? SIGNAL_CODE + signalNumber(info.signal);
      return code === 0 && !delivered ? 1 : code;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Form {
  readonly kind: "text" | "json" | "html";
  /** Null: standard output. */
  readonly path: string | null;
}

function formOf(text: string): Form {
  if (text === "text" || text === "json") return { kind: text, path: null };
  const ending = /\.(html|json|txt)$/.exec(text)?.[1];
  if (ending === undefined)
    throw new UsageError(
      `Option --report takes text, json, or the name of a file that ends in .html, .json or .txt, but got ${JSON.stringify(text)}`,
    );
  return { kind: ending === "txt" ? "text" : (ending as "html" | "json"), path: text };
}

async function readSize(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { tryParseSize } = await units();
  const size = tryParseSize(text);
  if (typeof size === "string") throw new UsageError(`Option --ram: ${size}`);
  return size;
}

function nothingOf({ signal }: RunInfo): string {
  return signal === null
    ? "did not open hms: there is nothing to report."
    : `was ended by ${signal} before it had opened hms: there is nothing to report.`;
}

/** What is wrong with an option is said before the program starts. */
function expectOption(name: string, read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    throw new UsageError(`Option --${name}: ${error.message.replace(/\.$/, "")}`);
  }
}

function expectFile(script: string): void {
  const stats = statSync(script, { throwIfNoEntry: false });
  if (stats === undefined) throw new Failure(`Run ${script}: there is no such file; name a program to run.`);
  if (stats.isDirectory()) throw new Failure(`Run ${script}: it is a folder; name a program to run.`);
}

interface Program {
  readonly script: string;
  readonly args: readonly string[];
  /** What Node.js is told to load before it. */
  readonly preloads: readonly string[];
  /** Where recordings go. */
  readonly folder: string;
  readonly stdout: "inherit" | 2;
  readonly options: Options;
}

/** Runs a program to its end, with a line of progress now and then. */
async function runProgram(program: Program, rendering: Rendering, console: Console): Promise<RunInfo> {
  const { script, args, preloads, folder, stdout, options } = program;
  const ram = options.get("ram");
  const devices = options.all("device");
  const started = process.hrtime.bigint();
  const child = spawn(process.execPath, [...preloads, script, ...args], {
    stdio: ["inherit", stdout, "inherit"],
    env: {
      ...process.env,
      HMS_REPORT: folder,
      ...(ram === undefined ? {} : { HMS_RAM: ram }),
      ...(devices.length === 0 ? {} : { HMS_DEVICES: devices.join(" ") }),
    },
  });
  // The program ends by these, and then there is something to report.
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const passOn = (signal: NodeJS.Signals): void => {
    // A terminal sends SIGINT to both; the program gets it once.
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, passOn);
  const wallNs = (): number => Number(process.hrtime.bigint() - started);
  const progress = setInterval(() => {
    if (wallNs() > PROGRESS_AFTER_MS * 1e6) showProgress(folder, wallNs(), rendering, console);
  }, PROGRESS_MS);
  try {
    const { code, signal } = await new Promise<Pick<RunInfo, "code" | "signal">>((resolve, reject) => {
      child.on("error", (error) => reject(new Failure(`Run ${script}: ${error.message}.`)));
      child.on("exit", (exit, killed) => resolve({ code: exit, signal: killed }));
    });
    return { command: [script, ...args].join(" "), wallNs: wallNs(), code, signal };
  } finally {
    clearInterval(progress);
    for (const signal of signals) process.removeListener(signal, passOn);
  }
}

function showProgress(folder: string, wallNs: number, rendering: Rendering, console: Console): void {
  const { progressText, readRecordings } = rendering;
  const text = printable(progressText(readRecordings(folder), wallNs));
  // The cursor goes back: what the program writes next writes over it.
  console.progress(`${text.slice(0, Math.max(0, console.width - 1))}\r`);
}

/** What cannot be written is told, and goes to standard error as text: the program has run, and nothing is lost. */
function deliverAll(
  forms: readonly Form[],
  reports: readonly Report[],
  info: RunInfo,
  rendering: Rendering,
  console: Console,
): boolean {
  let left = false;
  for (const form of forms) {
    try {
      deliver(form, reports, info, rendering, console);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      console.note(`hms: ${printable(error.message)}`);
      left = true;
    }
  }
  const shown = forms.some(({ kind, path }) => kind === "text" && path === null);
  if (left && !shown)
    for (const report of reports) console.note(`\n${rendering.renderReportText(report, info).trimEnd()}`);
  return !left;
}

function deliver(
  form: Form,
  reports: readonly Report[],
  info: RunInfo,
  rendering: Rendering,
  console: Console,
): void {
  const { renderReportHtml, renderReportJson, renderReportText } = rendering;
  const style = form.path === null ? { width: console.width, colour: console.colour } : {};
  const text = (): string => reports.map((one) => renderReportText(one, info, style)).join("\n");
  if (form.path === null) {
    if (form.kind === "json") console.write(`${renderReportJson(reports, info)}\n`);
    else if (reports.length > 0) console.write(`\n${text()}`);
    return;
  }
  if (form.kind === "html") writeWhole(form.path, renderReportHtml(reports, info));
  else writeWhole(form.path, form.kind === "json" ? `${renderReportJson(reports, info)}\n` : text());
  console.note(`hms: The report is in ${printable(form.path)}.`);
}

function signalNumber(signal: string | null): number {
  return signal === null ? 0 : constants.signals[signal as NodeJS.Signals];
}
