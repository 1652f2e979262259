import { discover } from "@hms/topology/lazy";
import type { Console, OptionSpec, Options } from "./command.ts";
import { printable } from "./printable.ts";

/** Warnings that are written out; the rest is counted. */
const WARNINGS_MAX = 5;

export const INPUT_OPTION: OptionSpec = {
  name: "input",
  value: "PATH",
  help: "what to read instead of this machine (see below); - is standard input",
};

export type Machine = Awaited<ReturnType<typeof discover>>;

/** The machine that the options name. */
export async function openMachine(options: Options): Promise<Machine> {
  return discover(options.get("input"));
}

/** Tells the warnings of a machine where what is written does not hold them. */
export function tellWarnings(machine: Machine, console: Console): void {
  for (const { path, message } of machine.warnings.slice(0, WARNINGS_MAX))
    console.note(`hms: warning: ${printable(path === "" ? message : `${path} ${message}`)}`);
  const more = machine.warnings.length - WARNINGS_MAX;
  if (more > 0) console.note(`hms: ${more} more warnings: \`hms topo --format json\` has them all.`);
}
