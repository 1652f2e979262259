import { exitNow, writeText } from "./libc.ts";

/** The exit code of a process that ended itself since it could not go on without hanging or losing bytes. */
export const FATAL_EXIT_CODE = 70;

/** Says why in one line on standard error and ends the whole process, from any of its threads. Nothing else runs. */
export function dieLoudly(reason: string): never {
  const line = `hms: ${reason.replaceAll("\n", " ")}\n`;
  writeText(2, line, Buffer.byteLength(line));
  return exitNow(FATAL_EXIT_CODE);
}
