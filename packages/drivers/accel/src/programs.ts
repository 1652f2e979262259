import { HmsError } from "@hms/topology";
import type { ProgramSource } from "./messages.ts";
import { WASM_PAGES_MAX, wasm } from "./wasm.ts";
import { type MemoryImport, memoryImport } from "./wasm-imports.ts";

/** A program that is loaded, or being loaded. */
export interface ProgramEntry {
  readonly program: number;
  readonly name: string;
  readonly source: ProgramSource;
  /** What a WebAssembly program wants for memory. */
  readonly memory: MemoryImport | null;
  /** Null while it is being loaded. */
  kernels: readonly string[] | null;
}

/** A kernel that requests can name. */
export interface HandleEntry {
  readonly handle: number;
  readonly program: number;
  readonly name: string;
  readonly parameters: readonly string[];
}

/** A program of one function, and the kernel's name in it. */
export interface FunctionProgram {
  readonly source: ProgramSource;
  readonly kernel: string;
}

/** Names that a module can export, and messages can carry. */
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]{0,63}$/u;
/** What functions are that do not run from beginning to end when they are called, by how they call themselves. */
const NEVER_KERNELS: ReadonlyMap<string, string> = new Map([
  ["[object AsyncFunction]", "an async function"],
  ["[object GeneratorFunction]", "a generator"],
  ["[object AsyncGeneratorFunction]", "an async generator"],
]);
const NATIVE = /\{\s*\[native code\]\s*\}$/;

function isExpression(text: string): boolean {
  try {
    // Only looked at, never run.
    new Function(`(${text});`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a program of a function by its source text: it runs in the device's thread, so it must not use anything from
 * around it (what it does use is undefined there, and fails its requests). Throws NOT_A_KERNEL (EINVAL) for a function
 * whose text says nothing (bound, built in), and for one that calling does not run to its end (async, a generator).
 *
 * @example
 * ```ts
 * import { programOf } from "@hms/driver-accel";
 * const { kernel } = programOf(function twice({ x }, { first, end }) {
 *   for (let i = first; i < end; i++) x[i] *= 2;
 * });
 * console.log(kernel); // twice
 * ```
 */
// biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
export function programOf(kernel: Function): FunctionProgram {
  const never = NEVER_KERNELS.get(Object.prototype.toString.call(kernel));
  if (never !== undefined)
    throw notAKernel(kernel, `it is ${never}; kernels run from beginning to end. Pass a plain function`);
  const text = Function.prototype.toString.call(kernel);
  const name = IDENTIFIER.test(kernel.name) ? kernel.name : "kernel";
  const method = `({ ${text} })`;
  const source = isExpression(text)
    ? `const kernel = (${text});`
    : `const kernel = Object.values(${method})[0];`;
  if (NATIVE.test(text) || (!isExpression(text) && !isExpression(method)))
    throw notAKernel(
      kernel,
      "it has no source text. Pass a function that is written out, or a kernel of a module",
    );
  return { source: { kind: "text", text: `${source}\nexport { kernel as ${name} };\n` }, kernel: name };
}

// biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
function notAKernel({ name }: Function, why: string): HmsError {
  const which = typeof name === "string" && name !== "" ? name : "without a name";
  return new HmsError("NOT_A_KERNEL", "EINVAL", `Making a program of function ${which} failed: ${why}.`);
}

/** What a WebAssembly program wants for memory. Throws EINVAL for one that this device cannot run. */
export function checkWasm(name: string, bytes: Uint8Array<ArrayBuffer>): MemoryImport {
  const refuse = (why: string): never => {
    throw new HmsError("BAD_PROGRAM", "EINVAL", `Loading program ${name} failed: ${why}.`);
  };
  let memory: MemoryImport | null = null;
  let functions: string[] = [];
  try {
    const module = new wasm.Module(bytes);
    memory = memoryImport(bytes);
    functions = wasm.Module.imports(module)
      .filter(({ kind }) => kind !== "memory")
      .map((entry) => `${entry.module}.${entry.name}`);
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  if (functions.length > 0) refuse(`it imports ${functions.join(", ")}; a device offers a memory only`);
  if (memory === null)
    return refuse(
      "it has a memory of its own; regions can only be shown in one that it imports (--import-memory)",
    );
  if (!memory.shared || memory.maximum === null)
    return refuse(
      "its memory is not shared, and would be lost with the device's thread; build it with --shared-memory and a maximum",
    );
  if (memory.maximum > WASM_PAGES_MAX) refuse(`its memory may have ${WASM_PAGES_MAX} pages at most`);
  return memory;
}
