import { type Command, type CommandEntry, EXIT_DONE, EXIT_USAGE, UsageError } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { ProcessConsole } from "./console.ts";
import { COMMON, parseOptions } from "./parse.ts";

/** Runs the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  const console = new ProcessConsole();
  let entry: CommandEntry | undefined;
  try {
    const at = commandIndex(args);
    const name = args[at];
    if (name === undefined) return await withoutCommand(args, console);
    if (name === "help") return await helpOn(args.slice(at + 1), console);
    entry = COMMANDS.find((one) => one.name === name);
    if (entry === undefined) return await unknownCommand(name, console);
    return await runCommand(entry, [...args.slice(0, at), ...args.slice(at + 1)], console);
  } catch (error) {
    const { report } = await import("./report.ts");
    return report(error, entry?.name, console);
  }
}

/** Place of the command's name: the first that is no option (options common to all may come before it). */
function commandIndex(args: readonly string[]): number {
  let at = 0;
  while (at < args.length && args[at]?.startsWith("-") === true)
    at += /^--colou?r$/.test(args[at] ?? "") ? 2 : 1;
  return at;
}

async function runCommand(
  entry: CommandEntry,
  args: readonly string[],
  console: ProcessConsole,
): Promise<number> {
  const command = await entry.load();
  const { options, operands } = parseOptions(args, [...command.options, ...COMMON]);
  if (options.has("help")) return await showHelp(entry, command, console);
  if (options.has("version")) return await showVersion(console);
  console.colourWhen(options.get("color"));
  const takesMore = command.operands.at(-1)?.endsWith("…") === true;
  if (operands.length > command.operands.length && !takesMore)
    throw new UsageError(`Argument ${JSON.stringify(operands[command.operands.length])} is one too many`);
  return await command.run(options, operands, console);
}

async function withoutCommand(args: readonly string[], console: ProcessConsole): Promise<number> {
  const { options } = parseOptions(args, COMMON);
  if (options.has("version")) return await showVersion(console);
  const { overview } = await import("./help.ts");
  if (options.has("help")) {
    console.write(overview());
    return EXIT_DONE;
  }
  console.note(overview().trimEnd());
  return EXIT_USAGE;
}

async function showVersion(console: ProcessConsole): Promise<number> {
  const { version } = await import("./version.ts");
  console.write(`hms ${version()}\n`);
  return EXIT_DONE;
}

async function helpOn(args: readonly string[], console: ProcessConsole): Promise<number> {
  const [name, ...more] = args.filter((arg) => !arg.startsWith("-"));
  if (name === undefined) {
    const { overview } = await import("./help.ts");
    console.write(overview());
    return EXIT_DONE;
  }
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry === undefined) return await unknownCommand(name, console);
  if (more[0] !== undefined) throw new UsageError(`Argument ${JSON.stringify(more[0])} is one too many`);
  return await showHelp(entry, await entry.load(), console);
}

async function showHelp(entry: CommandEntry, command: Command, console: ProcessConsole): Promise<number> {
  const { helpText } = await import("./help.ts");
  console.write(helpText(entry, command));
  return EXIT_DONE;
}

async function unknownCommand(name: string, console: ProcessConsole): Promise<number> {
  const { suggest } = await import("./report.ts");
  const known = [...COMMANDS.map((one) => one.name), "help"];
  console.note(
    `hms: Command ${JSON.stringify(name)} is not known${await suggest(name, known)}; see \`hms --help\`.`,
  );
  return EXIT_USAGE;
}
