import { HmsError, names } from "@hms/topology/lazy";
import { type Console, EXIT_FAILED, EXIT_USAGE, Failure, UsageError } from "./command.ts";
import { UnknownChoice, UnknownOption } from "./parse.ts";
import { printable } from "./printable.ts";

/** Tells a person of an error, in one sentence with the remedy; returns the exit code. */
export async function report(error: unknown, command: string | undefined, console: Console): Promise<number> {
  if (error instanceof UsageError) {
    const hint =
      error instanceof UnknownOption || error instanceof UnknownChoice
        ? await suggest(error.wanted, error.known)
        : "";
    const help = command === undefined ? "hms --help" : `hms ${command} --help`;
    console.note(`hms: ${error.message}${hint}; see \`${help}\`.`);
    return EXIT_USAGE;
  }
  if (error instanceof Failure || HmsError.is(error)) {
    console.note(`hms: ${printable(error.message)}`);
    return EXIT_FAILED;
  }
  // Not the input's fault: a fault of hms itself, which whoever fixes it needs to see whole.
  console.note(
    `hms: This is a fault in hms (${String(error)}); please report it with the output of \`hms topo --save\`.`,
  );
  if (error instanceof Error && error.stack !== undefined) console.note(error.stack);
  return EXIT_FAILED;
}

/** `; did you mean …?`, or nothing when no name is near. */
export async function suggest(wanted: string, known: readonly string[]): Promise<string> {
  const near = (await names()).nearest(wanted, known);
  return near.length === 0 ? "" : ` (did you mean ${near.join(" or ")}?)`;
}
