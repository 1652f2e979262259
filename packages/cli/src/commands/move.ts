import type { PlacementReport } from "@hms/policy";
import { HmsError, units } from "@hms/topology/lazy";
import type { MoveOptions, MoveProgress, MoveResult } from "hms/process";
import { type Command, type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../command.ts";
import { MEASURED_OPTIONS, openMachine } from "../input.ts";
import { namesOf, PLACEMENT_OPTIONS, requestOf, sizeOf } from "../placement.ts";
import { bold, decisionJson, reportText } from "../placement-text.ts";
import { printable } from "../printable.ts";

const PAGE_BYTES = 4096;
/** The kernel's limit on PIDs. */
const PID_MAX = 4_194_304;
/** What shells answer for a command that SIGINT ended. */
const EXIT_INTERRUPTED = 130;
/** Milliseconds between two progress lines, and cells of the bar. */
const PROGRESS_MS = 100;
const BAR_CELLS = 24;

export const move: Command = {
  operands: ["PID"],
  options: [
    ...PLACEMENT_OPTIONS,
    {
      name: "from",
      value: "TARGET[,TARGET…]",
      help: "move only what is on these memories (default: on any)",
    },
    {
      name: "regions",
      value: "GLOB",
      help: "move only mappings of these names: * is any text, ? a character; names are as hms ps --regions shows them",
    },
    {
      name: "shared",
      help: "move also pages that other processes map, such as the C library's (root, or CAP_SYS_NICE)",
    },
    {
      name: "rate",
      value: "SIZE",
      help: "move no more than this in a second, such as 500MiB (default: no bound)",
    },
    ...MEASURED_OPTIONS,
    { name: "dry-run", help: "say what would move and what not, and move nothing" },
    { name: "json", help: "write JSON" },
  ],
  notes: [
    "Pages move while the process runs: it waits for a page only while that one is copied. What it allocates later goes where its own policy says.",
    "Ctrl-C ends the moving after the batch that is on its way (64 MiB at most), and the report says what was done; what has moved stays moved. The exit code is 130 then.",
    "With mode strict all pages must end up in the targets: what would come of it is looked at first, and if that is not all of them nothing moves and the exit code is 1. With the other modes what does not move is in the report, with the kernel's reason.",
    "Other users' processes: only root, or who has CAP_SYS_PTRACE, may move their pages.",
  ],
  examples: [
    ["hms move 1234 --for node0", "to the memory with the most bandwidth for node 0's CPUs"],
    ["hms move 1234 --target node2 --dry-run", "what would move to node 2, and what would not"],
    ["hms move 1234 --from node3 --target node0,node1 --rate 200MiB", "off node 3, slowly; to node 0 first"],
    ["hms move 1234 --target node2 --regions '[heap]'", "the heap only"],
    ["sudo hms move 1234 --target node2 --shared --json", "with what others use too; for programs"],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const pid = pidOf(operands[0]);
    const request = await requestOf(options);
    const asked = await askedOf(options);
    const { moveProcess } = await import("hms/process");
    const machine = await openMachine(options);
    const stop = new AbortController();
    const interrupt = (): void => {
      if (stop.signal.aborted) process.exit(EXIT_INTERRUPTED);
      stop.abort();
    };
    process.on("SIGINT", interrupt);
    const onProgress = await progressOf(console);
    const started = performance.now();
    try {
      const result = await moveProcess(pid, request, { ...asked, machine, signal: stop.signal, onProgress });
      console.progress("");
      await tell(result, options, console);
      return result.interrupted ? EXIT_INTERRUPTED : EXIT_DONE;
    } catch (error) {
      console.progress("");
      const report = reportOf(error);
      if (report === null || !HmsError.is(error)) throw error;
      const seconds = (performance.now() - started) / 1000;
      return await tellFailed(error, report, { pid, seconds, json: options.has("json") }, console);
    } finally {
      process.removeListener("SIGINT", interrupt);
    }
  },
};

function pidOf(text: string | undefined): number {
  if (text === undefined)
    throw new UsageError("PID is missing: name the process, such as hms move 1234 --for node0");
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  if (pid >= 1 && pid <= PID_MAX) return pid;
  const hint = /^\d+$/.test(text) ? "" : `; find it by pgrep ${printable(text)}`;
  throw new UsageError(
    `PID takes the number of a process (1 to ${PID_MAX}), but got ${JSON.stringify(text)}${hint}`,
  );
}

async function askedOf(options: Options): Promise<MoveOptions> {
  const from = namesOf(options, "from");
  const regions = options.get("regions");
  const bytesPerSecond = await sizeOf(options, "rate");
  return {
    ...(from === undefined ? {} : { from }),
    ...(regions === undefined ? {} : { regions }),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    shared: options.has("shared"),
    dryRun: options.has("dry-run"),
  };
}

/** A line with a bar, renewed now and then. */
async function progressOf(console: Console): Promise<(progress: MoveProgress) => void> {
  const { formatSize } = await units();
  const size = (pages: number): string => formatSize(pages * PAGE_BYTES);
  let last = 0;
  return ({ donePages, totalPages, movedPages, seconds }) => {
    const now = performance.now();
    if (now - last < PROGRESS_MS) return;
    last = now;
    const part = totalPages === 0 ? 1 : Math.min(1, donePages / totalPages);
    const full = Math.round(part * BAR_CELLS);
    const bar = `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)}`;
    const rate = seconds > 0 && movedPages > 0 ? `, ${size(Math.round(movedPages / seconds))}/s` : "";
    const text = `${bar} ${Math.floor(part * 100)} %  ${size(movedPages)} moved${rate}  (Ctrl-C stops)`;
    console.progress(text.slice(0, Math.max(0, console.width - 1)));
  };
}

async function tell(result: MoveResult, options: Options, console: Console): Promise<void> {
  const { pid, name, decision, report, dryRun, interrupted, notReachedPages, seconds, movedPages, notes } =
    result;
  if (options.has("json")) {
    const json = {
      pid,
      name,
      dryRun,
      interrupted,
      notReachedPages,
      movedPages,
      seconds,
      decision: decisionJson(decision),
      report,
      notes,
    };
    console.write(`${JSON.stringify(json, null, 2)}\n`);
    return;
  }
  const { formatSize } = await units();
  const size = (pages: number): string => formatSize(pages * PAGE_BYTES);
  const rate = seconds > 0 && movedPages > 0 ? `, ${size(Math.round(movedPages / seconds))}/s` : "";
  // Where nothing had to move, "0 B moved" would sound as if it had failed.
  const inPlace =
    movedPages === 0 &&
    report.pages > 0 &&
    report.satisfied &&
    !report.refused.some(({ pages }) => pages > 0);
  const did = inPlace
    ? `all ${size(report.pages)} ${report.pages === 1 ? "is" : "are"} in place already; nothing ${dryRun ? "would move" : "was moved"}`
    : dryRun
      ? `${size(movedPages)} of ${size(report.pages)} would move; nothing was moved`
      : `${size(movedPages)} of ${size(report.pages)} moved in ${seconds.toFixed(1)} s${rate}`;
  const lines = [bold(printable(`Process ${pid} (${name}): ${did}`), console), ""];
  lines.push(report.pages === 0 ? "  There are no such pages." : await reportText(report, dryRun, console));
  if (interrupted)
    lines.push("", `Interrupted: ${size(notReachedPages)} were not come to, and are where they were.`);
  for (const { target, why } of decision.refused.slice(0, 8))
    lines.push("", printable(`${target.id} is not used: ${why}.`));
  for (const note of notes) lines.push("", printable(note));
  console.write(`${lines.join("\n")}\n`);
}

/** Whether a report tells where pages are; that of a request which is refused before tells only of the room. */
function toldOfPages({ pages, targets, elsewhere }: PlacementReport): boolean {
  return pages > 0 && (targets.some(({ placed }) => placed > 0) || elsewhere.length > 0);
}

/** The report that an error carries, also one from another copy of the library. */
function reportOf(error: unknown): PlacementReport | null {
  if (!HmsError.is(error) || !("report" in error)) return null;
  return error.report as PlacementReport;
}

interface Failed {
  readonly pid: number;
  readonly seconds: number;
  readonly json: boolean;
}

async function tellFailed(
  error: HmsError,
  report: PlacementReport,
  { pid, seconds, json }: Failed,
  console: Console,
): Promise<number> {
  if (json) {
    const { code, errno, message } = error;
    const told = report.pages === 0 || toldOfPages(report) ? report : null;
    const whole = { pid, error: { code, errno, message }, seconds, report: told };
    console.write(`${JSON.stringify(whole, null, 2)}\n`);
  } else if (toldOfPages(report)) console.write(`${await reportText(report, false, console)}\n`);
  console.note(`hms: ${printable(error.message)}`);
  return EXIT_FAILED;
}
