import { programOf } from "@hms/driver-accel";
import type { Program } from "./program.ts";

/** Programs that are kept for functions. A device has room for four times as many, of all who use it. */
const FUNCTIONS_MAX = 1024;
/** How many are looked at, to make room, when one comes: those that requests use stay, and there may be more of them than are kept. */
const LOOKS_MAX = 64;

/** What requests use; counted, so that it is not taken away from them. */
export interface InUse {
  /** Requests that are not over yet, also those that still wait. */
  users: number;
}

/** The program of a function, from when the function is first used. */
export class FunctionProgram implements InUse {
  readonly loading: Promise<Program>;
  users = 0;
  /** Null while it is being loaded. */
  program: Program | null = null;
  /** Whether it was used again since room was last looked for. */
  recent = false;
  #failed = false;

  constructor(loading: Promise<Program>, onFailed: () => void) {
    this.loading = loading;
    loading.then(
      (program) => {
        this.program = program;
      },
      () => {
        this.#failed = true;
        onFailed();
      },
    );
  }

  /** Whether it could not be loaded, or was unloaded. */
  get gone(): boolean {
    return this.#failed || this.program?.gone === true;
  }

  /** Whether it was not used again since room was last looked for, and is not in use. */
  get idle(): boolean {
    return this.program !== null && !this.recent && this.users + this.program.users === 0;
  }
}

type Load = (text: string, name: string) => Promise<Program>;

/**
 * The programs that a device has loaded for functions. A function goes there as text and has nothing around it, so the
 * same text is the same program, however many function objects have it: one that is written in a loop is a new object
 * in each round.
 */
export class Functions {
  readonly #load: Load;
  /** The way of a function that was used before: its text is not looked at. */
  readonly #byFunction = new WeakMap<object, FunctionProgram>();
  /** In the order in which they are looked at when room is needed. */
  readonly #byText = new Map<string, FunctionProgram>();

  constructor(load: Load) {
    this.#load = load;
  }

  /** That of a function which needs not be loaded, or is on its way; null for others. */
  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  known(kernel: Function): FunctionProgram | null {
    const known = this.#byFunction.get(kernel);
    if (known !== undefined && !known.gone) {
      known.recent = true;
      return known;
    }
    const same = this.#byText.get(textOf(kernel));
    if (same === undefined || same.gone) return null;
    same.recent = true;
    this.#byFunction.set(kernel, same);
    return same;
  }

  /** Throws NOT_A_KERNEL (EINVAL), before anything is done, for a function that cannot be one. */
  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  of(kernel: Function): FunctionProgram {
    return this.known(kernel) ?? this.#add(kernel);
  }

  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  #add(kernel: Function): FunctionProgram {
    const { source, kernel: name } = programOf(kernel);
    const text = textOf(kernel);
    for (let i = 0; i < 2 && this.#byText.size >= FUNCTIONS_MAX; i++) this.makeRoom(LOOKS_MAX);
    const loading = this.#load(source.kind === "text" ? source.text : "", name);
    const made = new FunctionProgram(loading, () => this.#byText.delete(text));
    this.#byText.set(text, made);
    this.#byFunction.set(kernel, made);
    return made;
  }

  /**
   * Unloads one that no request uses, and that was not used lately; false when there is none among the first so many.
   * Without a number, all are looked at, and those that were used lately once more.
   */
  makeRoom(looksMax: number = 2 * this.#byText.size): boolean {
    let looks = looksMax;
    // Those that are passed over go to the end, and come again when all others were looked at.
    for (const [text, one] of this.#byText) {
      if (looks-- === 0) return false;
      this.#byText.delete(text);
      if (one.program !== null && (one.gone || one.idle)) {
        one.program.unload();
        return true;
      }
      one.recent = false;
      this.#byText.set(text, one);
    }
    return false;
  }
}

// biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
function textOf(kernel: Function): string {
  return Function.prototype.toString.call(kernel);
}
