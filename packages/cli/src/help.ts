import type { Command, CommandEntry, OptionSpec } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { COMMON } from "./parse.ts";
import { twoColumns, wrap } from "./wrap.ts";

const WIDTH = 100;
const EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage. Errors are one sentence on standard error.";

/** The help of hms itself. */
export function overview(): string {
  const rows = COMMANDS.map((one) => [one.name, one.summary] as const);
  return `hms: the memories of a machine, what reaches them and what each costs

Usage: hms COMMAND [OPTIONS]

Commands:
${twoColumns([...rows, ["help", "Show the help of a command: hms help topo"]], WIDTH)}

Options:
${twoColumns(COMMON.map(optionRow), WIDTH)}

Examples:
${twoColumns(
  [
    ["hms topo", "this machine"],
    ["hms topo --input xeon-max", "a machine that ships with hms"],
    ["hms pick --for node0 --size 8GiB", "where the CPUs of node 0 best put 8 GiB"],
    ["hms help topo", "all that topo can do"],
  ],
  WIDTH,
)}

${EXIT_CODES}
`;
}

/** The help of one command. */
export function helpText(entry: CommandEntry, command: Command): string {
  const operands = command.operands.map((name) => ` ${name}`).join("");
  const notes = command.notes.map((note) => `${wrap(note, WIDTH).join("\n")}\n\n`).join("");
  return `hms ${entry.name}: ${entry.summary.charAt(0).toLowerCase()}${entry.summary.slice(1)}

Usage: hms ${entry.name} [OPTIONS]${operands}

Options:
${twoColumns([...command.options, ...COMMON].map(optionRow), WIDTH)}

${notes}Examples:
${twoColumns(command.examples, WIDTH)}

${EXIT_CODES}
`;
}

/** The help of a command that is made of parts. */
export function partsText(entry: CommandEntry, parts: readonly CommandEntry[]): string {
  const rows = parts.map((one) => [one.name, one.summary] as const);
  return `hms ${entry.name}: ${entry.summary.charAt(0).toLowerCase()}${entry.summary.slice(1)}

Usage: hms ${entry.name} PART [OPTIONS]

Parts:
${twoColumns(rows, WIDTH)}

Options:
${twoColumns(COMMON.map(optionRow), WIDTH)}

See \`hms ${entry.name} PART --help\` for what a part does.

${EXIT_CODES}
`;
}

function optionRow(spec: OptionSpec): readonly [string, string] {
  return [`--${spec.name}${spec.value === undefined ? "" : ` ${spec.value}`}`, spec.help];
}
