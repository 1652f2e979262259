// An out-of-core sort over file regions, against the same sort over a plain mmap of the files, both in a memory cgroup
// with the same limit: what the program, its threads and the page cache of its files take counts for both.
import { spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { POSIX_FADV_DONTNEED } from "../packages/host-linux/src/sys/abi.generated.ts";
import { DataFile } from "../packages/host-linux/src/sys/disk.ts";
import { type Benchmark, type Measured, median, root } from "./benchmark.ts";

const MIB = 2 ** 20;
const FILE_BYTES = 256 * MIB;
/** What the process may have in all. */
const LIMIT_BYTES = 256 * MIB;
/** Of it, what hms may have resident; the rest is the runtime's. */
const RAM_BYTES = 96 * MIB;
const PIECE_BYTES = 16 * MIB;
const REPEATS = 3;
const TIMEOUT_MS = 120_000;

interface Group {
  /** The file that a process is put into the group by. */
  readonly join: string;
  remove(): void;
}

/** A memory cgroup with the limit; undefined where none can be made. */
function memoryGroup(): Group | undefined {
  const name = `hms-bench-${process.pid}`;
  const [v1, v2] = [`/sys/fs/cgroup/memory/${name}`, `/sys/fs/cgroup/${name}`];
  const path = existsSync("/sys/fs/cgroup/memory") ? v1 : v2;
  const limit = join(path, path === v1 ? "memory.limit_in_bytes" : "memory.max");
  try {
    mkdirSync(path);
    writeFileSync(limit, String(LIMIT_BYTES));
    return { join: join(path, "cgroup.procs"), remove: () => rmdirSync(path) };
  } catch {
    return undefined;
  }
}

/** A file's pages in the cache belong to the group of whoever read them first: here to nobody, so that all count. */
function dropFromCache(path: string): void {
  using file = DataFile.open(path, { writable: true });
  if (file.fsync() < 0 || file.fadvise(0, 0, POSIX_FADV_DONTNEED) < 0)
    throw new Error(`${path} stays cached`);
}

function sortOnce(how: "hms" | "mmap", folder: string, group: Group): { ms: number; hash: string } {
  const [numbers, sorted] = [join(folder, how), join(folder, `${how}.sorted`)];
  copyFileSync(join(folder, "numbers"), numbers);
  rmSync(sorted, { force: true });
  dropFromCache(numbers);
  const child = join(root, "bench/sort/child.ts");
  const line = `echo $$ > '${group.join}' && exec "$@"`;
  const args = [process.execPath, child, how, numbers, sorted, String(RAM_BYTES), String(PIECE_BYTES)];
  const done = spawnSync("bash", ["-c", line, "bash", ...args], { encoding: "utf8", timeout: TIMEOUT_MS });
  if (done.status !== 0) throw new Error(`${how} failed (${done.signal ?? done.status}): ${done.stderr}`);
  const hash = createHash("sha256").update(readFileSync(sorted)).digest("hex");
  return { ms: Number(done.stdout), hash };
}

function measure(): Measured | { readonly skipped: string } {
  const group = memoryGroup();
  if (group === undefined) return { skipped: "needs root and a memory cgroup to bound both alike" };
  const folder = mkdtempSync(join(tmpdir(), "hms-sort-"));
  try {
    const file = openSync(join(folder, "numbers"), "w");
    const block = new Uint8Array(MIB);
    for (let i = 0; i < FILE_BYTES / MIB; i++) writeSync(file, randomFillSync(block));
    closeSync(file);
    const times = { hms: [] as number[], mmap: [] as number[] };
    for (let i = 0; i < REPEATS; i++) {
      const ours = sortOnce("hms", folder, group);
      const peer = sortOnce("mmap", folder, group);
      if (ours.hash !== peer.hash) throw new Error("the results differ");
      times.hms.push(ours.ms);
      times.mmap.push(peer.ms);
    }
    return {
      ours: Math.round(median(times.hms)),
      peer: Math.round(median(times.mmap)),
      how: `${FILE_BYTES / MIB} MiB of random numbers, pieces of ${PIECE_BYTES / MIB} MiB sorted in place and merged into a second file, both synced; each process in a memory cgroup of ${LIMIT_BYTES / MIB} MiB, of which hms may use ${RAM_BYTES / MIB}; medians of ${REPEATS} in turns, files not in the page cache at the start`,
    };
  } finally {
    rmSync(folder, { recursive: true });
    group.remove();
  }
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "out-of-core sort over file regions against a plain mmap under the same limit",
    unit: "ms",
    better: "lower",
    bound: 1.5,
    run: measure,
  },
];
