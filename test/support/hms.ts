import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { join, resolve } from "node:path";

export const root: string = resolve(import.meta.dirname, "../..");
export const launcher: string = join(root, "packages/cli/bin/hms.js");

export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
}

/** Longest that a command may take: one that hangs fails. */
const TIMEOUT_MS = 60_000;

/** Runs the command line as a process of its own. */
export function hms(args: readonly string[], options: RunOptions = {}): Run {
  return result(
    spawnSync(process.execPath, [launcher, ...args], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
      maxBuffer: 1 << 28,
      cwd: options.cwd ?? root,
      // A terminal's settings of whoever runs the tests must not matter.
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
      ...(options.input === undefined ? {} : { input: options.input }),
    }),
  );
}

/** Runs a line of shell in which `hms` is the command line. */
export function shell(line: string, options: RunOptions = {}): Run {
  const script = `hms() { '${process.execPath}' '${launcher}' "$@"; }\n${line}`;
  return result(
    spawnSync("bash", ["-c", script], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
      cwd: options.cwd ?? root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    }),
  );
}

function result(done: SpawnSyncReturns<string>): Run {
  if (done.error !== undefined) throw done.error;
  return { code: done.status, out: done.stdout, err: done.stderr };
}
