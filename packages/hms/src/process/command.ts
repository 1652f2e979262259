// Running a command under a policy: as a process of its own that is waited for, or in place of this one.
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { isMainThread } from "node:worker_threads";
import { errnoText, execve } from "@hms/host-linux/numa";
import { type PlacementReport, type PlacementRequest, parseRequest } from "@hms/policy";
import { HmsError } from "@hms/topology";
import { type CommandPlan, type PlanOptions, planCommand } from "./plan.ts";
import { withPolicy } from "./policy.ts";
import { CommandWatch, type MemorySeen } from "./watch.ts";

const SHELL = "/bin/sh";

/** How a command is run. */
export interface CommandOptions extends PlanOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** As of `spawn`; its own standard streams are this program's unless given. */
  readonly stdio?: StdioOptions;
  /** Look now and then where its memory is, for the report at its end. Default: no. */
  readonly watch?: boolean;
}

/** How a command ended, and where its memory was. */
export interface CommandEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Seconds that it ran. */
  readonly seconds: number;
  /** What became of its placement; null when it was not watched, or had ended before it could be looked at. */
  readonly report: PlacementReport | null;
  /** What the report is of; null when there is none. */
  readonly seen: MemorySeen | null;
  /** Sentences about it, such as that the kernel ended it for want of memory. */
  readonly notes: readonly string[];
}

/** A command that runs. */
export interface PlacedCommand extends CommandPlan {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Comes when it has ended. */
  readonly ended: Promise<CommandEnd>;
}

/**
 * Runs a command with its memory placed as asked for: its process, and those that it starts, inherit the policy.
 *
 * @param command the program, looked up in PATH, and its arguments
 * @throws HmsError what `planCommand` throws; COMMAND_UNKNOWN (ENOENT), COMMAND_DENIED (EACCES); PLACEMENT_DENIED
 *   (EPERM, ENOSYS): the kernel takes no policy; PLACEMENT_REFUSED (EINVAL): not this one; WEIGHTS_DENIED (EACCES)
 *
 * @example
 * ```ts
 * import { placeCommand } from "hms/process";
 * const { policy, ended } = placeCommand([process.execPath, "--version"], { for: ["node0"] });
 * console.log(policy.name, (await ended).code); // prefer 0
 * ```
 */
export function placeCommand(
  command: readonly string[],
  request: PlacementRequest,
  options: CommandOptions = {},
): PlacedCommand {
  const asked = parseRequest(request);
  return runPlanned(command, planCommand(asked, options), options);
}

/** As `placeCommand`, by a plan that was made before. */
export function runPlanned(
  command: readonly string[],
  plan: CommandPlan,
  options: Omit<CommandOptions, keyof PlanOptions> = {},
): PlacedCommand {
  const { env = process.env, cwd, stdio = "inherit", watch = false } = options;
  const [name = "", ...args] = command;
  const path = findCommand(name, env, cwd);
  const started = performance.now();
  const looks = watch ? new CommandWatch(plan) : null;
  const child = withPolicy(plan.policy, () =>
    spawn(path, args, { argv0: name, env, stdio, ...(cwd === undefined ? {} : { cwd }) }),
  );
  const { pid } = child;
  const ended = new Promise<CommandEnd>((done, failed) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      failed(notStarted(name, path, error.code ?? "unknown")),
    );
    child.once("exit", (code, signal) => {
      const seconds = (performance.now() - started) / 1000;
      const seen = looks?.end(signal) ?? { report: null, seen: null, notes: [] };
      done({ code, signal, seconds, ...seen });
    });
  });
  if (pid === undefined) {
    ended.catch(() => undefined); // told below
    throw notStarted(name, path, "no process was made");
  }
  looks?.start(pid);
  return { ...plan, pid, child, ended };
}

/**
 * Puts a command in place of this process, with its memory placed as planned: the same process number, no other program
 * left. Does not return. Only from the main thread.
 *
 * @throws HmsError as `runPlanned`
 */
export function becomeCommand(
  command: readonly string[],
  plan: CommandPlan,
  env: NodeJS.ProcessEnv = process.env,
): never {
  if (!isMainThread) throw new Error("A command takes the place of a process from its main thread only.");
  const [name = ""] = command;
  const path = findCommand(name, env);
  const environment = Object.entries(env).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const errno = withPolicy(plan.policy, () => {
    const refused = execve(path, command, environment);
    // A script that does not say what runs it is the shell's, as everywhere.
    if (errnoText(refused) !== "ENOEXEC") return refused;
    return execve(SHELL, ["sh", path, ...command.slice(1)], environment);
  });
  throw notStarted(name, path, errnoText(errno));
}

/** The file of a command, looked up in PATH as a shell does. */
function findCommand(name: string, env: NodeJS.ProcessEnv, cwd = "."): string {
  if (name === "")
    throw new HmsError("COMMAND_UNKNOWN", "ENOENT", "Run a command: it has no name; give one.");
  const folders = name.includes("/") ? null : (env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(delimiter);
  const candidates =
    folders === null ? [name] : folders.map((folder) => join(folder === "" ? "." : folder, name));
  let denied: string | null = null;
  for (const candidate of candidates) {
    const path = resolve(cwd, candidate);
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) continue;
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      denied ??= candidate;
    }
  }
  if (denied !== null) {
    throw new HmsError(
      "COMMAND_DENIED",
      "EACCES",
      `Run ${name}: ${denied} is there but may not be run; make it executable (chmod +x), or name what runs it.`,
    );
  }
  const where = folders === null ? "there is no such file" : "no folder of PATH has it";
  throw new HmsError(
    "COMMAND_UNKNOWN",
    "ENOENT",
    `Run ${name}: ${where}; give the name or path of a program.`,
  );
}

function notStarted(name: string, path: string, why: string): HmsError {
  return new HmsError(
    "COMMAND_DENIED",
    "EACCES",
    `Run ${name}: starting ${path} failed (${why}); it may be no program for this machine, or a limit on processes or memory is reached (ulimit -a).`,
  );
}
