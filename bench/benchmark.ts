import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** What a benchmark found: ours and the peer's number in the same unit, taken in one run. */
export interface Measured {
  readonly ours: number;
  readonly peer: number;
  /** How it was measured, in a few words. */
  readonly how: string;
}

export interface Benchmark {
  readonly name: string;
  readonly unit: string;
  /** Which ratio of ours to the peer's is the better one. */
  readonly better: "lower" | "higher";
  /** The ratio that is promised. */
  readonly bound: number;
  run(): Measured | { readonly skipped: string } | Promise<Measured | { readonly skipped: string }>;
}

export const root: string = resolve(import.meta.dirname, "..");
/** The captures that the project is checked against; they lie beside the repository, not in it. */
export const captures: string = join(root, "../shared/captures");

export function missing(path: string): string | undefined {
  return existsSync(path) ? undefined : `${path.slice(root.length + 1) || path} is absent`;
}

export function missingTool(command: string): string | undefined {
  return spawnSync(command, ["--version"]).error === undefined ? undefined : `${command} is not installed`;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Milliseconds that a command takes as a process of its own; throws when it fails. */
export function timeProcess(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): number {
  const started = performance.now();
  const done = spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], env });
  const elapsed = performance.now() - started;
  if (done.status !== 0) throw new Error(`${command} failed: ${done.error ?? done.stderr}`);
  return elapsed;
}

/** The value that a quarter of the others lies below: of times, what the rest of the machine disturbs little. */
export function lowerQuartile(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 2] ?? Number.NaN;
}

/** Takes turns, so that what else the machine does meets both alike; lower quartiles of the rounds after the first. */
export function inTurns(
  rounds: number,
  ours: () => number,
  peer: () => number,
): { readonly ours: number; readonly peer: number } {
  const times = { ours: [] as number[], peer: [] as number[] };
  ours();
  peer();
  for (let i = 0; i < rounds; i++) {
    times.ours.push(ours());
    times.peer.push(peer());
  }
  const rounded = (values: readonly number[]): number => Number(lowerQuartile(values).toPrecision(4));
  return { ours: rounded(times.ours), peer: rounded(times.peer) };
}
