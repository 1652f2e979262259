import { discover } from "@hms/topology/lazy";
import { type Console, type OptionSpec, type Options, UsageError } from "./command.ts";
import { printable } from "./printable.ts";

/** Warnings that are written out; the rest is counted. */
const WARNINGS_MAX = 5;

export const INPUT_OPTION: OptionSpec = {
  name: "input",
  value: "PATH",
  help: "what to read instead of this machine (see below); - is standard input",
};

/** What of `hms measure` a machine is read with. */
export const MEASURED_OPTIONS: readonly OptionSpec[] = [
  {
    name: "measured",
    value: "FILE",
    help: "use what hms measure saved there (default: what hms measure --keep saved, if it is of this machine)",
  },
  { name: "no-measured", help: "use no measurements" },
];

export type Machine = Awaited<ReturnType<typeof discover>>;

/** The machine that the options name, with what was measured on it. */
export async function openMachine(options: Options): Promise<Machine> {
  const measured = options.get("measured");
  if (measured === undefined)
    return discover(options.get("input"), options.has("no-measured") ? {} : { measured: true });
  if (options.has("no-measured"))
    throw new UsageError("Options --measured and --no-measured are given both; give one");
  return discover(options.get("input"), { measured });
}

/** Tells the warnings of a machine where what is written does not hold them. */
export function tellWarnings(machine: Machine, console: Console): void {
  for (const { path, message } of machine.warnings.slice(0, WARNINGS_MAX))
    console.note(`hms: warning: ${printable(path === "" ? message : `${path} ${message}`)}`);
  const more = machine.warnings.length - WARNINGS_MAX;
  if (more > 0) console.note(`hms: ${more} more warnings: \`hms topo --format json\` has them all.`);
}
