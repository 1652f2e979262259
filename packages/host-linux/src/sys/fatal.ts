import { exitNow, write } from "./libc.ts";
import { Scratch } from "./scratch.ts";

/** The exit code of a process that ended itself since it could not go on without hanging or losing bytes. */
export const FATAL_EXIT_CODE = 70;

// Mapped when the file is loaded: at the end there may be no memory.
const line = new Scratch();
const encoder = new TextEncoder();

/** Says why in one line on standard error and ends the whole process, from any of its threads. Nothing else runs. */
export function dieLoudly(reason: string): never {
  const text = `hms: ${reason.replaceAll("\n", " ")}`;
  const { written } = encoder.encodeInto(text, line.octets.subarray(0, line.bytes - 1));
  line.octets[written] = 10;
  write(2, line.address, written + 1);
  return exitNow(FATAL_EXIT_CODE);
}
