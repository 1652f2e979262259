import { POLLOUT, pollfd } from "./abi.generated.ts";
import { exitNow, poll, writeText } from "./libc.ts";
import { Scratch } from "./scratch.ts";

const STDERR = 2;
/** The exit code of a process that ended itself since it could not go on without hanging or losing bytes. */
export const FATAL_EXIT_CODE = 70;

/** Says why in one line on standard error and ends the whole process, from any of its threads. Nothing else runs. */
export function dieLoudly(reason: string): never {
  writeLine(reason);
  return exitNow(FATAL_EXIT_CODE);
}

/**
 * Says something in one line on standard error, if that takes it without waiting: whoever reads it may be waiting for
 * this thread.
 */
export function warn(text: string): void {
  using scratch = new Scratch();
  scratch.words[pollfd.fd >>> 2] = STDERR;
  scratch.words[pollfd.events >>> 2] = POLLOUT;
  if (poll(scratch.address, 1, 0) === 1 && (scratch.octets[pollfd.revents] ?? 0) === POLLOUT) writeLine(text);
}

function writeLine(text: string): void {
  const line = `hms: ${text.replaceAll("\n", " ")}\n`;
  writeText(STDERR, line, Buffer.byteLength(line));
}
