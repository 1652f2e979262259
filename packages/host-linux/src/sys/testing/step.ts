// Tests that could hang or end their process run in a process of their own: the test file starts itself again, and is
// killed when its time is over.
import { deepEqual, equal } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const STEP_TIMEOUT_MS = 30_000;
const STEP = "HMS_SYS_STEP";
/** The exit code of a process whose step did not come to its end. */
const UNFINISHED = 99;

/** How the process of a step is to run and end. */
export interface StepOptions {
  /** Runs as this user; needs root. */
  readonly uid?: number;
  readonly skip?: string | false;
  /** What it ends with, when not by success. */
  readonly signal?: NodeJS.Signals;
  readonly exitCode?: number;
  /** What it writes on standard error, to the letter. */
  readonly stderr?: string;
}

/** A test whose body runs in a process of its own. */
export function step(
  file: string,
  name: string,
  body: () => void | Promise<void>,
  options: StepOptions = {},
): void {
  const wanted = process.env[STEP];
  if (wanted !== undefined) {
    if (wanted !== name) return;
    // A body that waits for what never comes ends the process too: that is no success.
    process.exitCode = UNFINISHED;
    Promise.resolve(body()).then(() => process.exit(0), fail);
    return;
  }
  const root = options.uid === undefined || process.getuid?.() === 0;
  test(name, { skip: options.skip || (root ? false : "needs root to become another user") }, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const user = options.uid === undefined ? {} : { uid: options.uid, gid: options.uid };
    const run = spawnSync(process.execPath, [file], {
      env: { ...env, [STEP]: name },
      encoding: "utf8",
      timeout: STEP_TIMEOUT_MS,
      killSignal: "SIGKILL",
      ...user,
    });
    const end = { code: run.status, signal: run.signal, error: run.error?.message ?? null };
    const code = options.signal === undefined ? (options.exitCode ?? 0) : null;
    deepEqual(end, { code, signal: options.signal ?? null, error: null }, run.stderr);
    if (options.stderr !== undefined) equal(run.stderr, options.stderr);
  });
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}

/** How many descriptors and mappings this process has. */
export function holdings(): { readonly fds: number; readonly mappings: number } {
  return {
    fds: readdirSync("/proc/self/fd").length,
    mappings: readFileSync("/proc/self/maps", "utf8").split("\n").length,
  };
}

/** Does something a few times to warm up and then a hundred times: no descriptor and no mapping may stay. */
export function expectNoLeak(body: () => void): void {
  for (let i = 0; i < 10; i++) body();
  const before = holdings();
  for (let i = 0; i < 100; i++) body();
  const after = holdings();
  equal(after.fds, before.fds, "descriptors");
  // What is mapped by the JavaScript heap comes and goes; a leak would be a hundred.
  equal(after.mappings - before.mappings < 50, true, `${after.mappings - before.mappings} mappings more`);
}
