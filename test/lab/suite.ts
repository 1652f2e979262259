// The tests that run in guests of the lab, and what came of them.
import { globSync, readFileSync } from "node:fs";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { boot, CODE_DIED, CODE_TIME, type GuestEnd, lacking } from "./guest.ts";
import { type LabMachine, MACHINES } from "./machine.ts";
import { type Lab, REPOSITORY } from "./setup.ts";

/** A test file, and the machines that it runs on. */
export interface GuestTest {
  /** From the root of the repository. */
  readonly file: string;
  readonly machines: readonly string[];
  /** Seconds that it may take; null: as all do. */
  readonly limitS: number | null;
}

/** What a run came to. */
export interface LabResult {
  readonly passed: number;
  readonly failed: number;
  /** Machines that this lab cannot be, with the reason. */
  readonly skipped: readonly string[];
}

export interface LabOptions {
  readonly tests: readonly GuestTest[];
  /** Instead of tests: a line of shell, on these machines. */
  readonly shell?: string;
  readonly machines?: readonly string[];
  /** Seconds that one file, or the line of shell, may take. */
  readonly limitS: number;
  readonly say: (line: string) => void;
  readonly onOutput: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** One file of tests may take so long in a guest. */
export const FILE_LIMIT_S = 240;
/** A guest may take so long to boot and to end. */
const BOOT_LIMIT_S = 60;

/** The test files whose path contains one of the words (all without words). Unknown names of machines throw. */
export function guestTests(words: readonly string[], only: readonly string[] | null): GuestTest[] {
  for (const name of only ?? []) machineOf(name);
  const files = globSync("test/lab/guest/*.test.ts", { cwd: REPOSITORY }).sort();
  const tests: GuestTest[] = [];
  for (const file of files) {
    if (words.length > 0 && !words.some((word) => file.includes(word))) continue;
    const text = readFileSync(join(REPOSITORY, file), "utf8");
    const head = /^\/\/ lab: (.*)$/m.exec(text);
    const limit = /^\/\/ limit: (\d+)$/m.exec(text);
    const limitS = limit === null ? null : Number(limit[1]);
    const wanted = (head?.[1] ?? "hmat").split(",").map((name) => machineOf(name.trim()).name);
    const machines = wanted.filter((name) => only === null || only.includes(name));
    if (machines.length > 0) tests.push({ file, machines, limitS });
  }
  return tests;
}

function machineOf(name: string): LabMachine {
  const machine = MACHINES.get(name);
  if (machine === undefined)
    throw new Error(`there is no machine "${name}" in the lab: ${[...MACHINES.keys()].join(", ")}`);
  return machine;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const MARK = "lab-file";
/** How V8 begins to say that it found itself in a state that cannot be. */
const V8_FATAL = "# Fatal error in";
/** Exit codes of a shell for SIGILL, SIGTRAP, SIGABRT, SIGSEGV. */
const CRASHES = [132, 133, 134, 139];

/** What one guest is booted for. */
interface Job {
  readonly machine: LabMachine;
  readonly files: readonly string[];
}

/** Files that share a guest: few enough that two guests are busy for about the same time. */
const FILES_OF_A_GUEST = 3;
/** What each of two guests at a time needs of the machine. */
const CPUS_OF_A_GUEST = 1;
const MEMORY_OF_A_GUEST = 4 * 2 ** 30;
const GUESTS_MAX = 2;

/**
 * Runs the tests, two guests at a time where the machine has room for them. A guest that dies takes one file with it; the
 * rest goes on in a new one. A file of which Node.js itself crashed is run once more, which is said: emulation brings that
 * out now and then, before a line of ours has run.
 */
export async function runLab(lab: Lab, options: LabOptions): Promise<LabResult> {
  const { say } = options;
  const skipped: string[] = [];
  const jobs: Job[] = [];
  for (const machine of MACHINES.values()) {
    const files = options.tests
      .filter(({ machines }) => machines.includes(machine.name))
      .map(({ file }) => file);
    const wanted = options.shell === undefined ? files.length > 0 : options.machines?.includes(machine.name);
    if (wanted !== true) continue;
    const reason = lacking(lab, machine);
    if (reason !== null) {
      say(`skipped: ${reason}`);
      skipped.push(reason);
    } else if (options.shell !== undefined) jobs.push({ machine, files: [] });
    else
      for (let i = 0; i < files.length; i += FILES_OF_A_GUEST)
        jobs.push({ machine, files: files.slice(i, i + FILES_OF_A_GUEST) });
  }
  const tally = { passed: 0, failed: 0 };
  const room = Math.min(
    Math.floor(availableParallelism() / CPUS_OF_A_GUEST),
    Math.floor(freemem() / MEMORY_OF_A_GUEST),
  );
  const guests = Math.max(1, Math.min(room, GUESTS_MAX, jobs.length));
  // One guest is heard as it speaks; of several, what each test file said comes as a whole.
  await Promise.all(
    Array.from({ length: guests }, async () => {
      for (let job = jobs.shift(); job !== undefined; job = jobs.shift())
        await runJob(lab, job, options, guests > 1, tally);
    }),
  );
  const aborted = options.signal?.aborted ?? false;
  if (aborted) tally.failed++;
  say(`${tally.passed} passed, ${tally.failed} failed${aborted ? " (interrupted)" : ""}`);
  return { ...tally, skipped };
}

async function runJob(
  lab: Lab,
  { machine, files }: Job,
  options: LabOptions,
  held: boolean,
  tally: { passed: number; failed: number },
): Promise<void> {
  const count = (code: number): void => {
    if (code === 0) tally.passed++;
    else tally.failed++;
  };
  if (options.shell !== undefined) {
    const limitS = BOOT_LIMIT_S + options.limitS;
    count((await bootSaying(lab, machine, options, options.shell, limitS)).code);
    return;
  }
  const crashed = new Set<string>();
  const todo = new Set(files);
  while (todo.size > 0 && !(options.signal?.aborted ?? false)) {
    for (const [file, { code, nodeFailed }] of await runFiles(lab, machine, [...todo], options, held)) {
      if (nodeFailed && !crashed.has(file)) {
        crashed.add(file);
        options.say(`Node.js itself crashed (${describe(code)}): once more  ${file} on ${machine.name}`);
        continue;
      }
      todo.delete(file);
      count(code);
      options.say(`${code === 0 ? "passed" : `FAILED (${describe(code)})`}  ${file} on ${machine.name}`);
    }
  }
}

/** Seconds that a file may take. */
function limitOf(file: string, { tests, limitS }: LabOptions): number {
  return Math.max(limitS, tests.find((one) => one.file === file)?.limitS ?? 0);
}

function describe(code: number): string {
  if (code === CODE_TIME || code === 137) return "time ran out";
  return code === CODE_DIED ? "the guest died" : `exit code ${code}`;
}

/** How a file ended. */
interface FileEnd {
  readonly code: number;
  /** V8 found itself in a state that cannot be, or the process of the tests died before the first of them had ended. */
  readonly nodeFailed: boolean;
}

/** Runs files in one guest; those after one that brought it down have no result. */
async function runFiles(
  lab: Lab,
  machine: LabMachine,
  files: readonly string[],
  options: LabOptions,
  held: boolean,
): Promise<Map<string, FileEnd>> {
  const node = quoted(process.execPath);
  const lines = files.map((file, index) => {
    const test = `timeout -k 5 ${limitOf(file, options)} ${node} --test-reporter=spec ${quoted(file)}`;
    return `echo "${MARK} ${index} starts"; ${test}; echo "${MARK} ${index} code $?"`;
  });
  const results = new Map<string, FileEnd>();
  let running: string | null = null;
  let unsaid = "";
  let fatal = false;
  let ended = 0;
  const hear = (text: string): void => {
    unsaid += text;
    if (held && running !== null) return;
    options.onOutput(unsaid);
    unsaid = "";
  };
  const line = lineSplitter((text) => {
    const mark = new RegExp(`^${MARK} (\\d+) (starts|code (\\d+))$`).exec(text);
    const file = mark === null ? undefined : files[Number(mark[1])];
    if (mark === null || file === undefined) {
      fatal ||= text.startsWith(V8_FATAL);
      if (/^\s*[✔✖]/.test(text)) ended++;
      return hear(`${text}\n`);
    }
    if (mark[2] === "starts") {
      running = file;
      fatal = false;
      ended = 0;
      hear(`── ${file} on ${machine.name}\n`);
    } else {
      running = null;
      const code = Number(mark[3]);
      results.set(file, {
        code,
        nodeFailed: code !== 0 && (fatal || (ended === 0 && CRASHES.includes(code))),
      });
      hear("");
    }
  });
  const limitS = files.reduce((sum, file) => sum + limitOf(file, options), BOOT_LIMIT_S);
  const end = await bootSaying(lab, machine, { ...options, onOutput: line.push }, lines.join("\n"), limitS);
  line.end();
  if (unsaid !== "") options.onOutput(unsaid);
  const lost = running ?? (results.size === 0 ? files[0] : undefined);
  if (lost !== undefined)
    results.set(lost, { code: end.code === 0 ? CODE_DIED : end.code, nodeFailed: false });
  return results;
}

async function bootSaying(
  lab: Lab,
  machine: LabMachine,
  options: LabOptions,
  script: string,
  limitS: number,
): Promise<GuestEnd> {
  const payload = [`cd ${quoted(REPOSITORY)} || exit 203`, `export HMS_LAB=${machine.name}`, script, ""].join(
    "\n",
  );
  const { onOutput, signal } = options;
  const limitMs = limitS * 1000;
  const end = await boot(lab, {
    machine,
    payload,
    limitMs,
    onOutput,
    ...(signal === undefined ? {} : { signal }),
  });
  if (end.console !== "") options.onOutput(`the guest's console:\n${end.console}\n`);
  options.say(`${machine.name} ended after ${end.seconds.toFixed(0)} s`);
  return end;
}

/** Whole lines of text that comes in pieces. */
function lineSplitter(each: (line: string) => void): { push(text: string): void; end(): void } {
  let rest = "";
  return {
    push(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) each(line);
    },
    end() {
      if (rest !== "") each(rest);
    },
  };
}
