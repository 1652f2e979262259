import { EINVAL, ENOENT, WHY } from "./code.ts";
import type { TypedArray } from "./elements.ts";
import { describe, Failure } from "./engine-failure.ts";
import type { ProgramSource } from "./messages.ts";
import { type WasmInstance, type WasmMemory, type WasmModule, wasm } from "./wasm.ts";
import { memoryImport } from "./wasm-imports.ts";

/** A part of a kernel's range: indices from first to end − 1. */
export interface IndexRange {
  readonly first: number;
  readonly end: number;
}

/** What a kernel learns of the device that runs it. */
export interface KernelDevice {
  readonly name: string;
  /** Someone wants the request to end. The device looks by itself between calls of the kernel; long ones should too. */
  readonly canceled: boolean;
}

/** What the arguments of a kernel are to it: by their names. */
export type KernelArguments = Readonly<Record<string, TypedArray | number | bigint>>;
type Kernel = (args: KernelArguments, range: IndexRange, device: KernelDevice) => unknown;
type WasmKernel = (...args: (number | bigint)[]) => unknown;

/** Names that toolchains export beside the kernels. */
const NOT_A_KERNEL = /^_|^(?:malloc|free|memory)$/;

/** A loaded program of JavaScript. */
export class ScriptProgram {
  readonly kernels: ReadonlyMap<string, Kernel>;

  constructor(kernels: ReadonlyMap<string, Kernel>) {
    this.kernels = kernels;
  }
}

/** A loaded program of WebAssembly; it has an instance for each queue that uses it. */
export class WasmProgram {
  readonly module: WasmModule;
  readonly kernels: ReadonlySet<string>;
  readonly #import: { readonly module: string; readonly name: string };
  readonly #memories = new Map<number, WasmMemory>();
  readonly #instances = new Map<number, WasmInstance>();

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    const memory = memoryImport(bytes);
    if (memory === null) throw new Error("it imports no memory");
    this.module = new wasm.Module(bytes);
    this.#import = memory;
    const exported = wasm.Module.exports(this.module);
    this.kernels = new Set(
      exported
        .filter(({ kind, name }) => kind === "function" && !NOT_A_KERNEL.test(name))
        .map(({ name }) => name),
    );
  }

  setMemory(queue: number, memory: WasmMemory): void {
    this.#memories.set(queue, memory);
    this.#instances.delete(queue);
  }

  memory(queue: number): WasmMemory | null {
    return this.#memories.get(queue) ?? null;
  }

  /** Its state is unknown after a trap: the next request gets a fresh one. */
  dropInstance(queue: number): void {
    this.#instances.delete(queue);
  }

  dropQueue(queue: number): void {
    this.#memories.delete(queue);
    this.#instances.delete(queue);
  }

  kernel(queue: number, name: string): WasmKernel {
    const found = this.#instance(queue).exports[name];
    if (typeof found !== "function")
      throw new Failure(ENOENT, WHY.noKernel, `the program exports no ${name}`);
    return found as WasmKernel;
  }

  #instance(queue: number): WasmInstance {
    const made = this.#instances.get(queue);
    if (made !== undefined) return made;
    const memory = this.#memories.get(queue);
    if (memory === undefined)
      throw new Failure(
        EINVAL,
        WHY.badRequest,
        "the program has no memory in this queue: attach a region for it",
      );
    const { module, name } = this.#import;
    const instance = new wasm.Instance(this.module, { [module]: { [name]: memory } });
    const start = Reflect.get(instance.exports, "_initialize") as unknown;
    if (typeof start === "function") (start as WasmKernel)();
    this.#instances.set(queue, instance);
    return instance;
  }
}

export type Program = ScriptProgram | WasmProgram;

/** Loads a program. Rejects with a `Failure` for one that cannot be. */
export async function loadProgram(program: number, source: ProgramSource): Promise<Program> {
  try {
    if (source.kind === "wasm") return new WasmProgram(source.bytes);
    // A program has a module of its own, also when two come from one place.
    const url =
      source.kind === "url"
        ? `${source.url}#${program}`
        : `data:text/javascript;charset=utf-8,${encodeURIComponent(source.text)}#${program}`;
    const exported = (await import(url)) as Record<string, unknown>;
    const kernels = new Map<string, Kernel>();
    for (const [name, value] of Object.entries(exported))
      if (typeof value === "function") kernels.set(name, value as Kernel);
    return new ScriptProgram(kernels);
  } catch (error) {
    throw new Failure(EINVAL, WHY.kernelFailed, describe(error));
  }
}
