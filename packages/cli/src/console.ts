import { type Console, Failure } from "./command.ts";

// By import, this one brings the streams of Node with it: time that a short command never gets back.
const { readlinkSync, writeSync } = process.getBuiltinModule("node:fs");

/** Whether a descriptor is a terminal. What is no device is none, and is told without loading what knows terminals. */
function isTerminal(descriptor: number): boolean {
  try {
    if (!readlinkSync(`/proc/self/fd/${descriptor}`).startsWith("/dev/")) return false;
  } catch {
    // Without procfs the descriptor itself is asked.
  }
  return process.getBuiltinModule("node:tty").isatty(descriptor);
}

const STDOUT = 1;
const STDERR = 2;
/** Columns of what is written to a file or a pipe. */
const WIDTH_OF_A_FILE = 100;

/** The console of this process. Writes go straight to the descriptor: the streams of Node take longer to set up than most commands run. */
export class ProcessConsole implements Console {
  #when: string | undefined;
  #onTerminal: boolean | undefined;
  #gone = false;
  #progressShown = false;

  colourWhen(when: string | undefined): void {
    this.#when = when;
  }

  get colour(): boolean {
    if (this.#when === "always") return true;
    if (this.#when === "never") return false;
    const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
    // https://no-color.org: set and not empty.
    if (NO_COLOR !== undefined && NO_COLOR !== "") return false;
    if (FORCE_COLOR !== undefined && FORCE_COLOR !== "" && FORCE_COLOR !== "0") return true;
    return TERM !== "dumb" && this.#terminal();
  }

  get width(): number {
    const stated = Number(process.env.COLUMNS);
    if (Number.isInteger(stated) && stated > 0) return stated;
    if (!this.#terminal()) return WIDTH_OF_A_FILE;
    return process.stdout.columns || 80;
  }

  get height(): number | null {
    return this.#terminal() ? process.stdout.rows || 24 : null;
  }

  get gone(): boolean {
    return this.#gone;
  }

  write(text: string): void {
    if (this.#gone) return;
    try {
      writeAll(STDOUT, text);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      // `hms topo | head`: who reads has what it wants.
      if (code === "EPIPE") this.#gone = true;
      else throw new Failure(`Write to standard output: it failed with ${code}.`);
    }
  }

  note(line: string): void {
    this.progress("");
    try {
      writeAll(STDERR, `${line}\n`);
    } catch {
      // Nobody is left to tell.
    }
  }

  progress(text: string): void {
    if ((text === "" && !this.#progressShown) || !isTerminal(STDERR)) return;
    this.#progressShown = text !== "";
    try {
      writeAll(STDERR, `\r\x1b[K${text}`);
    } catch {
      // As above.
    }
  }

  #terminal(): boolean {
    this.#onTerminal ??= isTerminal(STDOUT);
    return this.#onTerminal;
  }
}

/** How long a reader that does not read is waited for before each further try. */
const RETRY_MS = 5;

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      // The other end has set the pipe or terminal not to wait.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
