import { constants } from "node:os";
import { HmsError } from "@hms/topology/lazy";
import type { CommandEnd, CommandPlan } from "hms/process";
import { type Command, type Console, EXIT_DONE, type Options, UsageError } from "../command.ts";
import { MEASURED_OPTIONS, openMachine } from "../input.ts";
import { PLACEMENT_OPTIONS, requestOf } from "../placement.ts";
import { bold, decisionJson, decisionText, reportText } from "../placement-text.ts";
import { printable } from "../printable.ts";

type Library = typeof import("hms/process");

/** Exit codes of shells and of what starts other programs: not to be run, not there. */
const EXIT_DENIED = 126;
const EXIT_UNKNOWN = 127;
/** What shells add to the number of the signal that ended a process. */
const SIGNAL_CODE = 128;

export const exec: Command = {
  operands: ["COMMAND", "ARGS…"],
  passesOn: true,
  options: [
    ...PLACEMENT_OPTIONS,
    {
      name: "set-weights",
      help: "with --mode weighted: set the system's weights where they are others, for all processes (root)",
    },
    ...MEASURED_OPTIONS,
    { name: "report", help: "write to standard error at its end where its memory was" },
    { name: "json", help: "write that as JSON (with --dry-run: the decision)" },
    { name: "dry-run", help: "say where its memory would go, and run nothing" },
  ],
  notes: [
    "COMMAND runs with a NUMA policy of the kernel that its memory, and that of all it starts, is placed by; a program's own policies go before it. Pages of files are not placed by it: they are where they were first read to.",
    "It places memory, not CPUs: COMMAND runs where the kernel likes, also with --for, which says only whose memory it is to be. For CPUs put taskset or numactl before it: numactl --cpunodebind=0 hms exec --for node0 -- COMMAND.",
    "Without --report hms is not there any more when COMMAND runs: it takes its place, with its process number. With --report hms looks at the memory of COMMAND and of what it started now and then, a tenth of the time at most, and reports the look at which it was the most.",
    "A policy of the kernel is no ordered list: of several preferred or strict targets the kernel takes the nearest to the CPU first. Where that is not the order asked for, a line on standard error says what it does instead.",
    "The exit code is COMMAND's; 128 and the signal's number if a signal ended it; 126 if it may not be run, 127 if there is none.",
  ],
  examples: [
    ["hms exec --for node0 -- ./solver input.dat", "in the memory with the most bandwidth for node 0's CPUs"],
    ["hms exec --target node2 --mode strict -- ./solver input.dat", "in node 2 and nowhere else"],
    [
      "hms exec --target node0,node2 --mode interleave --report -- ./solver",
      "in both by turns, and tell where it was",
    ],
    ["hms exec --for node0,eth0 --prefer latency --dry-run", "say only which memory that is"],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const request = await requestOf(options);
    const dryRun = options.has("dry-run");
    if (options.has("set-weights") && request.mode !== "weighted")
      throw new UsageError("Option --set-weights goes with --mode weighted");
    if (operands.length === 0 && !dryRun)
      throw new UsageError(
        "COMMAND is missing: name the program to run, such as hms exec --for node0 -- ./solver",
      );
    const library = await import("hms/process");
    const machine = await openMachine(options);
    const plan = library.planCommand(request, { machine, setWeights: options.has("set-weights") });
    const listed = request.targets !== undefined;
    if (dryRun) return await showPlan(plan, listed, options, console);
    warn(plan, listed, console);
    try {
      if (!options.has("report") && !options.has("json")) return library.becomeCommand(operands, plan);
      return await runAndReport(operands, plan, library, options, console);
    } catch (error) {
      if (!HmsError.is(error) || !/^COMMAND_/.test(error.code)) throw error;
      console.note(`hms: ${printable(error.message)}`);
      return error.code === "COMMAND_UNKNOWN" ? EXIT_UNKNOWN : EXIT_DENIED;
    }
  },
};

/** What a person should know before the program has the terminal. */
function warn({ decision, policy }: CommandPlan, listed: boolean, console: Console): void {
  if (listed) {
    for (const { target, why } of decision.refused)
      console.note(`hms: ${printable(`${target.id} is not used: ${why}.`)}`);
    if (decision.targets.length === 0)
      console.note("hms: None of the targets can be used: the program runs without a policy.");
  }
  for (const note of policy.notes) console.note(`hms: ${printable(note)}`);
}

async function showPlan(
  plan: CommandPlan,
  listed: boolean,
  options: Options,
  console: Console,
): Promise<number> {
  const { decision, policy } = plan;
  const { name, nodes, notes } = policy;
  if (options.has("json")) {
    const kernel = { name, nodes: [...nodes], notes };
    console.write(
      `${JSON.stringify({ dryRun: true, decision: decisionJson(decision), policy: kernel }, null, 2)}\n`,
    );
    return EXIT_DONE;
  }
  const title = `Its memory would go here, mode ${decision.mode}`;
  const kernel = `The kernel's policy is ${name}${nodes.isEmpty ? "" : `:${nodes.toList()}`}. Nothing was run.`;
  const text = await decisionText(decision, listed, console);
  console.write(`${[bold(title, console), "", text, "", ...notes.map(printable), kernel].join("\n")}\n`);
  return EXIT_DONE;
}

async function runAndReport(
  command: readonly string[],
  plan: CommandPlan,
  library: Library,
  options: Options,
  console: Console,
): Promise<number> {
  const { child, ended } = library.runPlanned(command, plan, { watch: true });
  // The program ends by these, and then there is something to report. A terminal sends SIGINT and SIGQUIT to both.
  const signals = ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT"] as const;
  const passOn = (signal: NodeJS.Signals): void => {
    if ((signal !== "SIGINT" && signal !== "SIGQUIT") || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, passOn);
  try {
    const end = await ended;
    await tell(command, plan, end, options, console);
    return end.code ?? SIGNAL_CODE + (end.signal === null ? 0 : constants.signals[end.signal]);
  } finally {
    for (const signal of signals) process.removeListener(signal, passOn);
  }
}

async function tell(
  command: readonly string[],
  plan: CommandPlan,
  end: CommandEnd,
  options: Options,
  console: Console,
): Promise<void> {
  const { report, seen, notes, code, signal, seconds } = end;
  if (options.has("json")) {
    const { name, nodes } = plan.policy;
    const policy = { name, nodes: [...nodes], notes: plan.policy.notes };
    const whole = {
      command,
      code,
      signal,
      seconds,
      decision: decisionJson(plan.decision),
      policy,
      report,
      seen,
      notes,
    };
    console.note(JSON.stringify(whole));
    return;
  }
  const lines: string[] = [];
  if (report !== null && seen !== null) {
    const processes = seen.processes === 1 ? "" : `, ${seen.processes} processes`;
    const when = `at ${seen.atSeconds.toFixed(1)} of ${seconds.toFixed(1)} s${processes}`;
    const style = { colour: false, width: console.width };
    lines.push(`hms: Memory of ${printable(command[0] ?? "")} (${when}), ${report.mode}:`);
    lines.push(await reportText(report, false, style));
    const files = seen.filePages.map(
      ({ place, pages }) => `${((pages * 4096) / 2 ** 20).toFixed(1)} MiB on ${place}`,
    );
    if (files.length > 0)
      lines.push(printable(`  Pages of files, which no policy places: ${files.join(", ")}.`));
  }
  for (const note of notes) lines.push(`hms: ${printable(note)}`);
  console.note(lines.join("\n"));
}
