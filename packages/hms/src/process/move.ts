// Moving a running process's pages: in batches, by the kernel's per-page status, with a bound on the rate.
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  BATCH_BYTES,
  errnoName,
  errnoText,
  hasSysNice,
  ProcessPages,
  readLimits,
  underSeccomp,
} from "@hms/host-linux/numa";
import { expectSame, openProcess, type ProcessIdentity, processError } from "@hms/host-linux/proc";
import {
  type Decision,
  decide,
  type Limits,
  limitsFrom,
  PlacementError,
  type PlacementReport,
  type PlacementRequest,
  parseRequest,
} from "@hms/policy";
import { HmsError, type IndexSet, type Machine } from "@hms/topology";
import { discoverMeasured } from "@hms/topology/measured";
import { MovableMappings } from "./move-mappings.ts";
import { MovePass, meansEnded } from "./move-pass.ts";
import { programName } from "./name.ts";
import { nodesNamed } from "./nodes-named.ts";
import { expectRegions } from "./regions-named.ts";
import { roomNotes } from "./room-notes.ts";

/** Bytes of a batch are what may be moved in a tenth of a second, and no fewer than this. */
const BATCH_BYTES_MIN = 65_536;
const BATCHES_A_SECOND = 10;

/** What is moved, and how. */
export interface MoveOptions {
  /** Only pages that are on these targets, by name. Default: all. */
  readonly from?: readonly string[];
  /** Only mappings whose name matches: `*` is any text, `?` a character. Anonymous memory without a name is `(anonymous)`. */
  readonly regions?: string;
  /** Also pages that other processes map. Default: no. Needs CAP_SYS_NICE. */
  readonly shared?: boolean;
  /** The most to move in a second, bytes. Default: as fast as the kernel does. */
  readonly bytesPerSecond?: number;
  /** Say what would come of it, and move nothing. */
  readonly dryRun?: boolean;
  /** Stops the moving; the result says what was done until then. */
  readonly signal?: AbortSignal;
  /** Told after each batch. */
  readonly onProgress?: (progress: MoveProgress) => void;
  /** The machine; unless given this one, with what `hms measure --keep` saved of it. */
  readonly machine?: Machine;
  /** What the kernel allows the process; read when it is not given. */
  readonly limits?: Limits;
}

/** How far it is. All counts are of base pages (4 KiB). */
export interface MoveProgress {
  readonly donePages: number;
  /** As there were when it began: a process goes on to allocate and free. */
  readonly totalPages: number;
  readonly movedPages: number;
  readonly seconds: number;
}

/** What came of it. */
export interface MoveResult {
  readonly pid: number;
  /** The file name of its program (see `programName`). */
  readonly name: string;
  readonly decision: Decision;
  readonly report: PlacementReport;
  readonly dryRun: boolean;
  /** It was stopped by its `signal`. */
  readonly interrupted: boolean;
  /** Pages that it had not come to then. */
  readonly notReachedPages: number;
  readonly movedPages: number;
  readonly seconds: number;
  /** Sentences about what may become of it. */
  readonly notes: readonly string[];
}

/** What all steps of one call work on. */
interface Work {
  readonly found: ProcessIdentity;
  /** What errors begin with. */
  readonly action: string;
  readonly machine: Machine;
  readonly decision: Decision;
  /** Nodes that pages are moved from; null: all. */
  readonly from: IndexSet | null;
  readonly options: MoveOptions;
}

/**
 * Moves the pages of a running process. What it allocates later goes where its own policy says. With mode strict what
 * would come of it is looked at first, and when not all pages would be in the targets nothing is moved.
 *
 * @param pid the number of a process, or of one of its threads
 * @throws HmsError BAD_OPTION (EINVAL); what `decide` of `@hms/policy` throws; for `from` TARGET_UNKNOWN (ENOENT),
 *   TARGETS_EMPTY, TARGET_NO_NODE (EINVAL); for `regions` REGION_UNKNOWN (ENOENT) with the nearest names; PROCESS_GONE (ESRCH), with the report of what was done when it went half
 *   way; PROCESS_DENIED (EACCES); PROCESS_NO_MEMORY (EINVAL); PLACEMENT_DENIED (EPERM, ENOSYS): the kernel or a filter
 *   refuses to move pages; with the report, PLACEMENT_REFUSED for mode strict when pages are elsewhere
 *
 * @example
 * ```ts
 * import { moveProcess } from "hms/process";
 * const { report } = await moveProcess(process.pid, { for: ["node0"] }, { dryRun: true });
 * console.log(report.pages > 0, report.targets.map(({ target }) => target)); // true [ 'node0' ]
 * ```
 */
export async function moveProcess(
  pid: number,
  request: PlacementRequest,
  options: MoveOptions = {},
): Promise<MoveResult> {
  const asked = parseRequest({ ...request, migrate: true });
  expectOptions(pid, options);
  const found = openProcess(pid);
  const action = `Move pages of process ${found.pid} (${programName(found)})`;
  expectMemory(found, action);
  const { machine = discoverMeasured(), limits = limitsFrom(readLimits({ pid: found.pid }), []) } = options;
  const decision = decide(machine, asked, limits);
  const from = options.from === undefined ? null : nodesNamed(machine, options.from);
  const dryRun = options.dryRun === true;
  if (options.shared === true && !dryRun) expectSysNice(action);
  if (options.regions !== undefined) expectRegions(found, options.regions, action);
  const work: Work = { found, action, machine, decision, from, options };
  if (decision.mode !== "strict" || dryRun) return plain(await pass(work, dryRun));
  const forecast = await pass(work, true);
  const { report, reportBefore } = forecast;
  if (forecast.interrupted) return { ...plain(forecast), report: reportBefore, dryRun: false, movedPages: 0 };
  if (!report.satisfied)
    throw strictError(work, report, "would be elsewhere; nothing was moved", reportBefore);
  const result = await pass(work, false);
  if (result.interrupted || result.report.satisfied) return plain(result);
  throw strictError(work, result.report, "are elsewhere");
}

function plain({ reportBefore: _, ...result }: Passed): MoveResult {
  return result;
}

/** What a pass answers beyond its result: the same pages as they were before it. */
interface Passed extends MoveResult {
  readonly reportBefore: PlacementReport;
}

async function pass(work: Work, dryRun: boolean): Promise<Passed> {
  const { found, machine, decision, from, options } = work;
  const { bytesPerSecond, signal } = options;
  // Looking before moving strictly is no progress.
  const onProgress = dryRun === (options.dryRun === true) ? options.onProgress : undefined;
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const totalPages = onProgress === undefined ? 0 : countPages(work);
  using open = new DisposableStack();
  const mappings = open.use(openMappings(work));
  const pages = open.use(new ProcessPages(found.pid));
  if (bytesPerSecond !== undefined && !dryRun)
    pages.bytesMax = Math.max(BATCH_BYTES_MIN, bytesPerSecond / BATCHES_A_SECOND);
  const run = new MovePass(pages, { decision, from, shared: options.shared === true, dryRun });
  const { tally } = run;
  const report = (): PlacementReport => tally.report(machine, decision, run.assigner, false);
  pages.walk(mappings);
  for (let look = false, more = true; more; ) {
    if (!look && signal?.aborted === true) {
      look = true;
      pages.bytesMax = BATCH_BYTES; // nothing is moved any more: as fast as can be
    }
    more = step(work, () => run.next(look), report);
    onProgress?.({ donePages: tally.pages, totalPages, movedPages: tally.moved, seconds: seconds() });
    await pause(look || dryRun ? 0 : owedMs(tally.moved, bytesPerSecond, seconds()), signal);
  }
  return {
    pid: found.pid,
    name: programName(found),
    decision,
    report: report(),
    dryRun,
    interrupted: tally.notReached > 0,
    notReachedPages: tally.notReached,
    movedPages: tally.moved,
    seconds: seconds(),
    notes: [...roomNotes(decision, { placing: "moving", memory: null }), ...(dryRun ? [] : balancingNotes())],
    reportBefore: tally.report(machine, decision, run.assigner, true),
  };
}

/** One batch: whether there may be more. Throws what became of the process, with the report so far. */
function step(work: Work, next: () => number, report: () => PlacementReport): boolean {
  const { found, action } = work;
  const got = attempt(work, next);
  try {
    expectSame(found, action);
  } catch {
    throw gone(action, report());
  }
  if (got >= 0) return got > 0;
  if (meansEnded(-got)) throw gone(action, report());
  throw refused(action, got, report());
}

/** Readers of /proc throw when the process ends: that is told as an errno, and others as what they are. */
function attempt({ found, action }: Work, next: () => number): number {
  try {
    return next();
  } catch (error) {
    const told = processError(error, { pid: found.pid, action });
    if (HmsError.is(told) && told.code === "PROCESS_GONE") return -constants.errno.ESRCH;
    throw told;
  }
}

function gone(action: string, report: PlacementReport): PlacementError {
  const moved = report.targets.reduce((sum, one) => sum + one.moved, 0);
  return new PlacementError(
    "PROCESS_GONE",
    "ESRCH",
    `${action}: it ended half way, after ${moved} pages had moved; name one that runs.`,
    report,
  );
}

function refused(action: string, errno: number, report: PlacementReport): PlacementError {
  const text = errnoText(errno);
  if (text === "EPERM" || text === "ENOSYS") {
    const why = underSeccomp()
      ? "a seccomp filter keeps move_pages away, as containers do by default; allow it in the container's profile, or give the container CAP_SYS_NICE (docker and podman: --cap-add SYS_NICE)"
      : text === "EPERM"
        ? "the kernel does not let this user move its pages; run hms as root (sudo), or give it the capability CAP_SYS_PTRACE"
        : "this kernel has no NUMA (CONFIG_NUMA and CONFIG_MIGRATION)";
    return new PlacementError("PLACEMENT_DENIED", errnoName(errno), `${action}: ${why} (${text}).`, report);
  }
  return new PlacementError(
    "PLACEMENT_REFUSED",
    errnoName(errno),
    `${action}: the kernel refused it (${text}); try again.`,
    report,
  );
}

/** @param carried the report that the error carries, when it is another one */
function strictError(
  { action }: Work,
  report: PlacementReport,
  what: string,
  carried: PlacementReport = report,
): PlacementError {
  const outside = report.elsewhere.reduce((sum, { pages }) => sum + pages, 0);
  const first = report.refused.find(({ pages }) => pages > 0);
  const why = first === undefined ? "" : ` (${first.pages} of them: ${first.why})`;
  const targets = report.targets.map(({ target }) => target).join(", ");
  return new PlacementError(
    "PLACEMENT_REFUSED",
    first?.errno ?? "ENOMEM",
    `${action}: mode strict wants all of ${report.pages} pages in ${targets}, but ${outside} ${what}${why}; add targets, or use mode preferred.`,
    carried,
  );
}

function openMappings({ found, action, options }: Work): MovableMappings {
  try {
    return new MovableMappings(found.pid, options.regions ?? null);
  } catch (error) {
    throw processError(error, { pid: found.pid, action });
  }
}

/** Pages that there are now, without asking where: quickly. */
function countPages(work: Work): number {
  using mappings = openMappings(work);
  using pages = new ProcessPages(work.found.pid);
  let total = 0;
  while (mappings.next()) {
    const count = pages.countIn(mappings.start, mappings.end);
    if (count < 0) break; // it is ending: whoever moves will say so
    total += count;
  }
  return total;
}

/** Milliseconds to wait so that no more is moved in a second than is allowed. */
function owedMs(movedPages: number, bytesPerSecond: number | undefined, seconds: number): number {
  if (bytesPerSecond === undefined) return 0;
  return Math.max(0, ((movedPages * 4096) / bytesPerSecond - seconds) * 1000);
}

/** Lets other work of the program have its turn, such as the handler of a signal. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (milliseconds < 1) {
    await setImmediate();
    return;
  }
  try {
    await setTimeout(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Interrupted: whoever waits looks at the signal.
  }
}

/** Automatic NUMA balancing moves pages to where they are used, whatever was asked for. */
function balancingNotes(): string[] {
  try {
    if (readFileSync("/proc/sys/kernel/numa_balancing", "utf8").trim() === "0") return [];
  } catch {
    return [];
  }
  return [
    "The kernel balances NUMA memory on its own here (sysctl kernel.numa_balancing) and may move pages again, to where the process runs.",
  ];
}

function expectSysNice(action: string): void {
  if (hasSysNice()) return;
  throw new HmsError(
    "PLACEMENT_DENIED",
    "EPERM",
    `${action}: pages that other processes map too move with the capability CAP_SYS_NICE only; run hms as root (sudo), or leave shared pages out.`,
  );
}

function expectMemory(found: ProcessIdentity, action: string): void {
  if (found.resident !== null) return;
  const why =
    found.state === "Z" ? "it has ended and its parent has not noticed yet" : "it is a thread of the kernel";
  throw new HmsError("PROCESS_NO_MEMORY", "EINVAL", `${action}: it has no memory, as ${why}; name another.`);
}

function expectOptions(pid: number, { regions, bytesPerSecond }: MoveOptions): void {
  const bad = (what: string): HmsError =>
    new HmsError("BAD_OPTION", "EINVAL", `Move pages of a process: ${what}.`);
  if (!Number.isSafeInteger(pid) || pid < 1)
    throw bad(`its number must be a whole one from 1, but is ${pid}`);
  if (regions === "") throw bad("the pattern of regions must not be empty; leave it out for all");
  if (bytesPerSecond !== undefined && !(bytesPerSecond >= 1 && Number.isFinite(bytesPerSecond)))
    throw bad(`the rate must be a number of bytes a second from 1, but is ${bytesPerSecond}`);
}
