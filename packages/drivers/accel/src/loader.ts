import type { Nanoseconds } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { codeName, EIO, ETIMEDOUT } from "./code.ts";
import type { ControlReply } from "./control.ts";
import { ARGUMENTS_LIMIT, E_LOADING } from "./layout.ts";
import type { ProgramSource, ToDevice } from "./messages.ts";
import { checkWasm, type HandleEntry, type ProgramEntry } from "./programs.ts";

/** How long a program may take to load, from when the device's thread begins with it. Nanoseconds. */
const LOAD_MAX: Nanoseconds = 5e9;
/** How long it may take until the thread begins: on a busy machine the thread takes its time to start. Nanoseconds. */
const BEGIN_MAX: Nanoseconds = 60e9;
/** Programs, and kernels, that a device can have. */
const PROGRAMS_MAX = 4096;
const HANDLES_MAX = 65536;

interface Pending {
  readonly done: (reply: ControlReply) => void;
  since: Nanoseconds;
  /** Whether the thread has begun with it. */
  begun: boolean;
}

/** The programs of a device, as the kernel keeps them: a thread that follows another gets them again. */
export class Loader {
  readonly #post: (message: ToDevice) => void;
  readonly #now: () => Nanoseconds;
  readonly #programs = new Map<number, ProgramEntry>();
  readonly #handles = new Map<number, HandleEntry>();
  readonly #pending = new Map<number, Pending>();
  #lastProgram = 0;
  #lastHandle = 0;

  constructor(post: (message: ToDevice) => void, now: () => Nanoseconds) {
    this.#post = post;
    this.#now = now;
  }

  /** A loaded program. Throws ENOENT. */
  program(program: number): ProgramEntry {
    const entry = this.#programs.get(program);
    if (entry !== undefined && entry.kernels !== null) return entry;
    throw new HmsError("NO_SUCH_PROGRAM", "ENOENT", `Naming program ${program} failed: it is not loaded.`);
  }

  load(name: string, source: ProgramSource, done: (reply: ControlReply) => void): void {
    if (this.#programs.size >= PROGRAMS_MAX) {
      throw new HmsError(
        "TOO_MANY_PROGRAMS",
        "ENOSPC",
        `Loading program ${name} failed: ${PROGRAMS_MAX} are loaded, the most that a device can have. Unload one.`,
      );
    }
    const memory = source.kind === "wasm" ? checkWasm(name, source.bytes) : null;
    const program = ++this.#lastProgram;
    this.#programs.set(program, { program, name, source, memory, kernels: null });
    this.#pending.set(program, { done, since: this.#now(), begun: false });
    this.#post({ type: "program", program, name, source, again: false });
  }

  /** Throws ENOENT. Requests that name its kernels fail from now on. */
  unload(program: number): void {
    this.program(program);
    this.#programs.delete(program);
    for (const entry of [...this.#handles.values()])
      if (entry.program === program) this.dropKernel(entry.handle);
    this.#post({ type: "drop-program", program });
  }

  /** The device has a program. */
  loaded(program: number, kernels: readonly string[]): void {
    const entry = this.#programs.get(program);
    if (entry === undefined) return;
    entry.kernels = kernels;
    this.#reply(program, { outcome: "OK", program, kernels });
  }

  /** The device refuses a program. */
  refused(program: number, code: number, detail: string): void {
    const entry = this.#programs.get(program);
    if (entry === undefined) return;
    this.#programs.delete(program);
    for (const handle of [...this.#handles.values()])
      if (handle.program === program) this.#handles.delete(handle.handle);
    const message = `Loading program ${entry.name} failed: ${detail}.`;
    this.#reply(program, {
      outcome: "ECANCELED",
      error: { code: "BAD_PROGRAM", errno: codeName(code), message },
    });
  }

  #reply(program: number, reply: ControlReply): void {
    const pending = this.#pending.get(program);
    this.#pending.delete(program);
    pending?.done(reply);
  }

  kernel(program: number, name: string, parameters: readonly string[]): number {
    const entry = this.program(program);
    if (entry.kernels?.includes(name) !== true) {
      throw new HmsError(
        "NO_SUCH_KERNEL",
        "ENOENT",
        `Naming kernel ${name} failed: program ${entry.name} exports ${entry.kernels?.join(", ") || "none"}.`,
      );
    }
    // Kernels get an object: setting its __proto__ gives it no such property.
    const different = new Set(parameters).size === parameters.length && !parameters.includes("__proto__");
    if (parameters.length > ARGUMENTS_LIMIT || !different) {
      throw new HmsError(
        "BAD_PARAMETERS",
        "EINVAL",
        `Naming kernel ${name} failed: its parameters must be ${ARGUMENTS_LIMIT} different names at most, none of them __proto__.`,
      );
    }
    for (const known of this.#handles.values()) {
      if (known.program === program && known.name === name && sameNames(known.parameters, parameters))
        return known.handle;
    }
    if (this.#handles.size >= HANDLES_MAX)
      throw new HmsError(
        "TOO_MANY_KERNELS",
        "ENOSPC",
        `Naming kernel ${name} failed: ${HANDLES_MAX} are in use.`,
      );
    const handle = ++this.#lastHandle;
    this.#handles.set(handle, { handle, program, name, parameters: [...parameters] });
    this.#post({ type: "kernel", handle, program, name, parameters: [...parameters] });
    return handle;
  }

  dropKernel(handle: number): void {
    if (this.#handles.delete(handle)) this.#post({ type: "drop-kernel", handle });
  }

  /** Names of the kernels that are loaded, as PROGRAM/KERNEL. */
  algorithms(): string[] {
    const names = [];
    for (const { name, kernels } of this.#programs.values())
      for (const kernel of kernels ?? []) names.push(`${name}/${kernel}`);
    return names;
  }

  /** Whether a program takes too long: the device's thread has to be ended. */
  poll(words: Int32Array): boolean {
    if (this.#pending.size === 0) return false;
    const now = this.#now();
    const loading = Atomics.load(words, E_LOADING);
    for (const [program, pending] of this.#pending) {
      if (program === loading && !pending.begun) {
        pending.begun = true;
        pending.since = now;
      }
      const most = pending.begun ? LOAD_MAX : BEGIN_MAX;
      if (now - pending.since < most) continue;
      const why = pending.begun ? "it took longer than" : "the device's thread did not begin with it within";
      this.refused(program, ETIMEDOUT, `${why} ${most / 1e9} s`);
      return true;
    }
    return false;
  }

  /** The program that a thread was loading when it ended; 0: none. */
  suspect(words: Int32Array): number {
    const loading = Atomics.exchange(words, E_LOADING, 0);
    return this.#programs.has(loading) ? loading : 0;
  }

  /** Tells a new thread of everything, but for the program that the last one did not survive. */
  again(suspect: number): void {
    if (suspect !== 0) this.refused(suspect, EIO, "the device's thread ended while it was loaded");
    for (const pending of this.#pending.values()) {
      pending.begun = false;
      pending.since = this.#now();
    }
    for (const { program, name, source, kernels } of this.#programs.values())
      this.#post({ type: "program", program, name, source, again: kernels !== null });
    for (const { handle, program, name, parameters } of this.#handles.values())
      this.#post({ type: "kernel", handle, program, name, parameters });
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
