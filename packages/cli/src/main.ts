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
    const rest = [...args.slice(0, at), ...args.slice(at + 1)];
    if (entry.parts === undefined) return await runCommand(entry, rest, console);
    return await runPart(entry.name, entry.parts, rest, console);
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

/** Runs a part of a command: `lint exports`. Errors name the part, so that their hint leads to its help. */
async function runPart(
  whole: string,
  parts: readonly CommandEntry[],
  args: readonly string[],
  console: ProcessConsole,
): Promise<number> {
  const at = commandIndex(args);
  const name = args[at];
  if (name === undefined) {
    const { options } = parseOptions(args, COMMON);
    if (options.has("version")) return await showVersion(console);
    return await helpOn([whole], console, options.has("help") ? EXIT_DONE : EXIT_USAGE);
  }
  const part = parts.find((one) => one.name === name);
  if (part === undefined) return await unknownPart(whole, parts, name, console);
  const entry = { ...part, name: `${whole} ${part.name}` };
  try {
    return await runCommand(entry, [...args.slice(0, at), ...args.slice(at + 1)], console);
  } catch (error) {
    const { report } = await import("./report.ts");
    return report(error, entry.name, console);
  }
}

async function loaded(entry: CommandEntry): Promise<Command> {
  if (entry.load === undefined) throw new Error(`Command ${entry.name} has nothing to load`);
  return await entry.load();
}

async function runCommand(
  entry: CommandEntry,
  args: readonly string[],
  console: ProcessConsole,
): Promise<number> {
  const command = await loaded(entry);
  const { options, operands } = parseOptions(args, [...command.options, ...COMMON], command.passesOn);
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

async function helpOn(
  args: readonly string[],
  console: ProcessConsole,
  code: number = EXIT_DONE,
): Promise<number> {
  const [name, ...more] = args.filter((arg) => !arg.startsWith("-"));
  if (name === undefined) {
    const { overview } = await import("./help.ts");
    console.write(overview());
    return EXIT_DONE;
  }
  const entry = COMMANDS.find((one) => one.name === name);
  if (entry === undefined) return await unknownCommand(name, console);
  const partName = entry.parts === undefined ? undefined : more.shift();
  if (more[0] !== undefined) throw new UsageError(`Argument ${JSON.stringify(more[0])} is one too many`);
  if (entry.parts === undefined) return await showHelp(entry, await loaded(entry), console);
  if (partName === undefined) {
    const { partsText } = await import("./help.ts");
    if (code === EXIT_DONE) console.write(partsText(entry, entry.parts));
    else console.note(partsText(entry, entry.parts).trimEnd());
    return code;
  }
  const part = entry.parts.find((one) => one.name === partName);
  if (part === undefined) return await unknownPart(entry.name, entry.parts, partName, console);
  return await showHelp({ ...part, name: `${entry.name} ${part.name}` }, await loaded(part), console);
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

async function unknownPart(
  whole: string,
  parts: readonly CommandEntry[],
  name: string,
  console: ProcessConsole,
): Promise<number> {
  const { suggest } = await import("./report.ts");
  const known = parts.map((one) => one.name);
  console.note(
    `hms: Command ${whole} has no part ${JSON.stringify(name)}${await suggest(name, known)}; see \`hms ${whole} --help\`.`,
  );
  return EXIT_USAGE;
}
