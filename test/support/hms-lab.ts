// What tests of programs that use hms need: whether this machine allows it, what a process has open, children.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HmsError, type OpenOptions, open } from "hms";

export const root: string = resolve(import.meta.dirname, "../..");

/** Why programs cannot use hms here, or false. */
export const skip: string | false = await whyNot();

async function whyNot(): Promise<string | false> {
  try {
    const hms = await open({ ram: "8MiB" });
    hms.close();
    return false;
  } catch (error) {
    if (HmsError.is(error) && (error.code === "NO_USERFAULTFD" || error.code === "KERNEL_TOO_OLD"))
      return error.message;
    throw error;
  }
}

/** An hms with one small accelerator. */
export const small: OpenOptions = { ram: "64MiB", devices: ["accel:memory=8MiB"] };

/** What the heaps of JavaScript are made of: they grow and shrink as they like. */
const HEAP_PAGE = 256 * 1024;

/** Whether a line of maps is not of a heap. */
function counts(line: string): boolean {
  const [range = "", access, , , inode] = line.split(/\s+/);
  const [from = 0, to = 0] = range.split("-").map((text) => Number.parseInt(text, 16));
  return access !== "rw-p" || inode !== "0" || from % HEAP_PAGE !== 0 || (to - from) % HEAP_PAGE !== 0;
}

/** Descriptors and mappings of this process. Regions whose sizes are no multiples of 256 KiB are all counted. */
export function held(): { readonly descriptors: number; readonly mappings: number } {
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    mappings: readFileSync("/proc/self/maps", "utf8").split("\n").filter(counts).length,
  };
}

/** A folder that is gone at the end. */
export function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "hms-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs a program of its own; what does not end in time is killed, and that is told as the signal. */
export async function runProgram(
  text: string,
  options: { readonly seconds?: number; readonly onOutput?: (text: string, pid: number) => void } = {},
): Promise<Ended> {
  // Below the repository, so that its packages are found by name.
  const place = mkdtempSync(join(root, "out", "hms-program-"));
  const path = join(place, "program.ts");
  writeFileSync(path, text);
  const child = spawn(process.execPath, [path], { stdio: ["ignore", "pipe", "pipe"], cwd: place });
  const timer = setTimeout(() => child.kill("SIGKILL"), (options.seconds ?? 60) * 1000);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (part) => {
      output += String(part);
      options.onOutput?.(output, child.pid ?? 0);
    });
  const ended = await new Promise<Ended>((done) =>
    child.on("close", (code, signal) => done({ code, signal, output })),
  );
  clearTimeout(timer);
  rmSync(place, { recursive: true, force: true });
  return ended;
}

/** The error that something rejects or throws with. */
export async function errorOf(run: () => unknown): Promise<HmsError> {
  try {
    await run();
  } catch (error) {
    if (HmsError.is(error)) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** Waits until something is so, within the time that a test has: where a machine has much to do, a fixed wait is too short. */
export async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((later) => setTimeout(later, 5));
}
