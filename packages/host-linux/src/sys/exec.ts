import { constants } from "node:os";
import { F_SETFD } from "./abi.generated.ts";
import * as libc from "./libc.ts";

/** `SIG_DFL`. */
const DEFAULT_HANDLER = 0;
/** Node.js ignores these for itself, and what is ignored stays so in a new program. */
const IGNORED = ["SIGPIPE", "SIGXFSZ"] as const;
/** `SIG_IGN`. */
const IGNORE_HANDLER = 1;

const STANDARD_STREAMS = [0, 1, 2];

/**
 * Puts a program in place of this process (execve): it keeps the number, the standard streams and the calling thread's
 * policy; every other thread ends, and no handler runs. Answers only when it failed: a negative errno, ENOEXEC for a
 * file that is no program.
 */
export function execve(path: string, args: readonly string[], env: readonly string[]): number {
  for (const name of IGNORED) libc.signal(constants.signals[name], DEFAULT_HANDLER);
  // Node.js lets no descriptor that it was started with be inherited by exec.
  for (const fd of STANDARD_STREAMS) libc.fcntl(fd, F_SETFD, 0);
  libc.execve(path, [...args, null], [...env, null]);
  const errno = libc.failed();
  for (const name of IGNORED) libc.signal(constants.signals[name], IGNORE_HANDLER);
  return errno;
}
