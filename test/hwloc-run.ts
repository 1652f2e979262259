// Runs the installed hwloc, for tests that compare with it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LSTOPO = "lstopo-no-graphics";
const TIMEOUT_MS = 60_000;

/** Why hwloc cannot be asked (as `skip` takes it), or false. */
export interface Installed {
  readonly missing: string | false;
}

/** Whether hwloc is installed here. */
export function installedHwloc(): Installed {
  const done = spawnSync(LSTOPO, ["--version"], { encoding: "utf8", timeout: TIMEOUT_MS });
  return { missing: done.status === 0 ? false : "hwloc is not installed (apt-get install hwloc)" };
}

/** What a run of hwloc printed; throws when it failed or took too long. */
export interface Ran {
  readonly output: string;
  readonly complaints: string;
}

/** Runs lstopo with its own checks on. */
export function lstopo(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Ran {
  return run(LSTOPO, args, environment);
}

/** What hwloc-info says of an XML file. */
export function hwlocInfo(path: string): string {
  return run("hwloc-info", ["--input", path, "--if", "xml"], {}).output;
}

function run(program: string, args: readonly string[], environment: Readonly<Record<string, string>>): Ran {
  const env = {
    ...process.env,
    HWLOC_DEBUG_CHECK: "1",
    HWLOC_XML_VERBOSE: "1",
    HWLOC_HIDE_ERRORS: "0",
    ...environment,
  };
  const done = spawnSync(program, args, { encoding: "utf8", timeout: TIMEOUT_MS, maxBuffer: 2 ** 28, env });
  if (done.status !== 0) {
    throw new Error(`${program} ${args.join(" ")} ended with ${done.status ?? done.signal}: ${done.stderr}`);
  }
  return { output: done.stdout, complaints: done.stderr };
}

const ALL = ["--of", "xml", "--whole-io", "--filter", "all:all"];

/** hwloc's XML of the files in an archive, unpacked for it. */
export function hwlocOfCapture(archive: string, environment: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "hms-hwloc-"));
  try {
    const unpacked = spawnSync("tar", ["xf", archive, "-C", folder], {
      encoding: "utf8",
      timeout: TIMEOUT_MS,
    });
    if (unpacked.status !== 0) throw new Error(`tar ended with ${unpacked.status}: ${unpacked.stderr}`);
    const root = rootBelow(folder, 3);
    if (root === undefined) throw new Error(`${archive} holds no sys folder`);
    const components = { HWLOC_COMPONENTS: "linux,stop", ...environment };
    return lstopo(["--input", root, "--if", "fsroot", ...ALL], components).output;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Parts of hwloc that ask vendors' libraries for what is in no file of the system. */
const LIBRARIES = ["opencl", "cuda", "nvml", "rsmi", "levelzero", "gl"].map((name) => `-${name}`).join(",");

/** hwloc's XML of the machine that this runs on, without what it has from vendors' libraries. */
export function hwlocOfThisMachine(): string {
  return lstopo(ALL, { HWLOC_COMPONENTS: LIBRARIES }).output;
}

function rootBelow(folder: string, depth: number): string | undefined {
  if (existsSync(join(folder, "sys"))) return folder;
  if (depth === 0) return undefined;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const found = entry.isDirectory() ? rootBelow(join(folder, entry.name), depth - 1) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
