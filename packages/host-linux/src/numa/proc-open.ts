import { readFileSync } from "node:fs";
import { HmsError } from "@hms/topology";
import { type ProcessStat, type ProcessStatus, parseStat, parseStatus } from "./proc-status.ts";

/** The kernel's folder of processes; tests give another. */
export const PROC = "/proc";

/** A process that was found: its number, and what makes sure that it is still the same one. */
export interface ProcessIdentity extends ProcessStatus, ProcessStat {
  /** The arguments that it was started with; empty for a kernel thread. */
  readonly command: readonly string[];
}

/** Bytes of a command line that are kept. */
const COMMAND_BYTES_MAX = 4096;

/**
 * Finds a process; of the number of a thread, the process that it belongs to.
 *
 * @throws HmsError PROCESS_GONE (ESRCH), PROCESS_DENIED (EACCES) where /proc hides what is another user's
 */
export function openProcess(pid: number, proc: string = PROC): ProcessIdentity {
  try {
    const status = parseStatus(readFileSync(`${proc}/${pid}/status`, "utf8"));
    const stat = parseStat(readFileSync(`${proc}/${status.pid}/stat`, "utf8"));
    const command = readFileSync(`${proc}/${status.pid}/cmdline`)
      .subarray(0, COMMAND_BYTES_MAX)
      .toString("utf8")
      .replace(/\0+$/, "");
    return { ...status, ...stat, command: command === "" ? [] : command.split("\0") };
  } catch (error) {
    throw processError(error, { pid, action: `Look at process ${pid}`, proc });
  }
}

/** Throws PROCESS_GONE (ESRCH) when the process has ended since it was found, or its number is another's now. */
export function expectSame(found: ProcessIdentity, action: string, proc: string = PROC): void {
  try {
    const { startTicks } = parseStat(readFileSync(`${proc}/${found.pid}/stat`, "utf8"));
    const { state } = parseStatus(readFileSync(`${proc}/${found.pid}/status`, "utf8"));
    if (startTicks === found.startTicks && state !== "Z" && state !== "X") return;
  } catch {
    // It is not there: as below.
  }
  throw gone(action, true);
}

/** What a failure to read a process was about. */
export interface ProcessReading {
  readonly pid: number;
  /** `Read the memory of process 12`. */
  readonly action: string;
  readonly proc?: string;
}

/** The HmsError of a failure to read one of a process's files; an error of another sort as it is. */
export function processError(error: unknown, { pid, action, proc = PROC }: ProcessReading): unknown {
  switch ((error as NodeJS.ErrnoException | null)?.code) {
    case "ESRCH":
      return gone(action, true);
    case "ENOENT":
      return gone(action, false);
    case "EACCES":
    case "EPERM":
      return denied(action, ownerOf(pid, proc));
    default:
      return error;
  }
}

function gone(action: string, was: boolean): HmsError {
  const why = was ? "it ended meanwhile" : "there is no process of this number";
  return new HmsError("PROCESS_GONE", "ESRCH", `${action}: ${why}; name one that runs.`);
}

function denied(action: string, owner: number | null): HmsError {
  const user = process.geteuid?.() ?? 0;
  const why =
    owner === user
      ? `it is this user's, but protects itself${user === 0 ? ", or has rights that this root does not have (in a container)" : ""}`
      : owner === null
        ? "it is another user's"
        : `it belongs to user ${owner}`;
  const remedy =
    user === 0 ? "look from outside of the container" : "run hms as root (sudo), or give it CAP_SYS_PTRACE";
  return new HmsError(
    "PROCESS_DENIED",
    "EACCES",
    `${action}: ${why}, and the kernel does not let this user look into it; ${remedy}.`,
  );
}

function ownerOf(pid: number, proc: string): number | null {
  try {
    return parseStatus(readFileSync(`${proc}/${pid}/status`, "utf8")).user;
  } catch {
    return null;
  }
}
