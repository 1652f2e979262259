import { type OptionSpec, type Options, UsageError } from "./command.ts";

/** Options that every command takes. */
export const COMMON: readonly OptionSpec[] = [
  {
    name: "color",
    value: "WHEN",
    choices: ["auto", "always", "never"],
    help: "colour the output: auto (on a terminal, unless NO_COLOR is set), always, never",
  },
  { name: "help", help: "show this help" },
  { name: "version", help: "show the version" },
];

/** Other spellings. */
const ALIASES: Readonly<Record<string, string>> = {
  "-h": "--help",
  "-V": "--version",
  "--colour": "--color",
  "--no-color": "--color=never",
  "--no-colour": "--color=never",
};

export interface Parsed {
  readonly options: Options;
  readonly operands: readonly string[];
}

/**
 * Reads the arguments of a command by its table of options; `passesOn`: all that follows the first operand is an operand.
 * Throws UsageError for an option that is not in it, one given twice, a value that is missing, superfluous or not among
 * the choices.
 */
export function parseOptions(
  args: readonly string[],
  specs: readonly OptionSpec[],
  passesOn = false,
): Parsed {
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  let rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      operands.push(...rest);
      rest = [];
    } else if (arg === "-" || !arg.startsWith("-")) {
      operands.push(arg);
      if (!passesOn) continue;
      operands.push(...rest);
      rest = [];
    } else {
      const { name, inline } = split(arg);
      const spec = specs.find((one) => one.name === name);
      if (spec === undefined) throw new UnknownOption(arg, specs);
      const given = values.get(name) ?? [];
      if (given.length > 0 && spec.repeats !== true)
        throw new UsageError(`Option --${name} is given twice; give it once`);
      values.set(name, [...given, takeValue(spec, inline, rest)]);
    }
  }
  const options: Options = {
    has: (name) => values.has(name),
    get: (name) => values.get(name)?.[0],
    all: (name) => values.get(name) ?? [],
  };
  return { options, operands };
}

/** An option that is not known; the nearest ones are looked up by whoever shows it. */
export class UnknownOption extends UsageError {
  readonly wanted: string;
  readonly known: readonly string[];

  constructor(arg: string, specs: readonly OptionSpec[]) {
    const wanted = arg.split("=", 1)[0] ?? arg;
    super(`Option ${wanted} is not known`);
    this.wanted = wanted;
    this.known = specs.map((spec) => `--${spec.name}`);
  }
}

function split(arg: string): { readonly name: string; readonly inline: string | undefined } {
  const whole = ALIASES[arg] ?? arg;
  const cut = whole.indexOf("=");
  const flag = cut < 0 ? whole : whole.slice(0, cut);
  const name = (ALIASES[flag] ?? flag).replace(/^--/, "");
  return { name, inline: cut < 0 ? undefined : whole.slice(cut + 1) };
}

function takeValue(spec: OptionSpec, inline: string | undefined, rest: string[]): string {
  if (spec.value === undefined) {
    if (inline !== undefined)
      throw new UsageError(`Option --${spec.name} takes no value, but got ${quoted(inline)}`);
    return "";
  }
  const next = rest[0];
  // "-" is a value (standard input); what else starts with "-" is the next option.
  const taken =
    inline ?? (next !== undefined && (next === "-" || !next.startsWith("-")) ? rest.shift() : undefined);
  if (taken === undefined || taken === "") {
    const example = spec.choices === undefined ? "" : ` (${spec.choices.join(", ")})`;
    throw new UsageError(`Option --${spec.name} needs a value: --${spec.name} ${spec.value}${example}`);
  }
  if (spec.choices !== undefined && !spec.choices.includes(taken))
    throw new UnknownChoice(spec.name, taken, spec.choices);
  return taken;
}

/** A value that is not among the choices. */
export class UnknownChoice extends UsageError {
  readonly wanted: string;
  readonly known: readonly string[];

  constructor(name: string, wanted: string, known: readonly string[]) {
    super(`Option --${name} takes ${known.join(", ")}, but got ${quoted(wanted)}`);
    this.wanted = wanted;
    this.known = known;
  }
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
