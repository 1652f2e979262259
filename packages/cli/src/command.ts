/** An option as a person writes it: `--name VALUE`, or `--name` alone when it takes none. */
export interface OptionSpec {
  readonly name: string;
  /** What stands for the value in the help; absent for a flag. */
  readonly value?: string;
  /** The values that are taken; any when absent. */
  readonly choices?: readonly string[];
  /** It may be given more than once. */
  readonly repeats?: true;
  /** One line for the help. */
  readonly help: string;
}

/** The options of one call. */
export interface Options {
  has(name: string): boolean;
  /** The value of an option, undefined when it was not given. */
  get(name: string): string | undefined;
  /** All values of an option that may be given more than once. */
  all(name: string): readonly string[];
}

/** Where a command reads and writes: the process, or a test. */
export interface Console {
  /** Writes to standard output; throws Failure when that fails, and nothing when the reader has gone away. */
  write(text: string): void;
  /** Writes a line to standard error. */
  note(line: string): void;
  /** Writes over the last line of standard error, where that is a terminal; else nothing. */
  progress(text: string): void;
  /** Whether to colour what goes to standard output. */
  readonly colour: boolean;
  /** Columns of the terminal, or what suits a file. */
  readonly width: number;
  /** Rows of the terminal; null where standard output is none. */
  readonly height: number | null;
  /** Whether who reads standard output has gone away: nothing more needs to be written. */
  readonly gone: boolean;
}

export interface Command {
  /** Names of the values in their places after the command, for the help; empty: none; `PATH…` last: any number. */
  readonly operands: readonly string[];
  readonly options: readonly OptionSpec[];
  /** What follows the first operand is not the command's: it is passed on as it is. */
  readonly passesOn?: true;
  /** More for the help, below the options: paragraphs. */
  readonly notes: readonly string[];
  /** Command lines that work, with what each is for. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Runs; returns the exit code. */
  run(options: Options, operands: readonly string[], console: Console): Promise<number>;
}

/** A command as the table of commands has it: what it is for, and how to get it when it is the one. */
export interface CommandEntry {
  readonly name: string;
  /** One line, starting with a verb. */
  readonly summary: string;
  /** The commands that it is made of: `hms NAME PART`. It has these or `load`. */
  readonly parts?: readonly CommandEntry[];
  readonly load?: () => Promise<Command>;
}

/** Wrong usage of the command line: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What failed outside of the machine's reading (the output): exit code 1. */
export class Failure extends Error {
  override readonly name = "Failure";
}

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
