import type { IndexRange, KernelDevice } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import type { Handle } from "@hms/uabi";
import { expectNames } from "./arguments.ts";
import type { Device } from "./device.ts";
import type { InUse } from "./functions.ts";
import { closed, type Link } from "./link.ts";
import type { Access } from "./region.ts";

/** What a kernel can be given: an array with what is to be done with it, or a number. */
export type Argument = Access | number | bigint;

/** The arguments of a kernel, by their names. */
export type Arguments = Readonly<Record<string, Argument>>;

/** What a kernel gets for its arguments: typed arrays for accesses, numbers as they are. */
export type Values<A> = {
  readonly [K in keyof A]: A[K] extends Access<infer T> ? T : A[K] extends bigint ? bigint : number;
};

/**
 * A kernel: called with its arguments by name and a part of the index range, as often as it takes. It runs in the
 * device's thread and is brought there as text: it can use nothing from around it, and functions of the same text are
 * one. It may use what Node.js has. It is neither async nor a generator.
 */
export type KernelFunction<A> = (values: Values<A>, range: IndexRange, device: KernelDevice) => void;

/** A program that a device has loaded: a module with kernels. `Device.load` makes them. */
export class Program implements InUse {
  /** The device that has it. */
  readonly device: Device;
  /** What reports call it. */
  readonly name: string;
  /** Names of the kernels in it. */
  readonly kernels: readonly string[];
  /** How the interface names it. */
  readonly id: Handle<"registration">;
  /** Its kernels see regions in a WebAssembly memory, as their byte offsets in it. */
  readonly wasm: boolean;
  /** Requests that are not over yet, also those that still wait. */
  users = 0;
  readonly #link: Link;
  readonly #named = new Map<string, NamedKernel[]>();
  #gone = false;

  constructor(
    link: Link,
    device: Device,
    made: {
      readonly id: Handle<"registration">;
      readonly name: string;
      readonly kernels: readonly string[];
      readonly wasm: boolean;
    },
  ) {
    this.#link = link;
    this.device = device;
    this.id = made.id;
    this.name = made.name;
    this.kernels = made.kernels;
    this.wasm = made.wasm;
  }

  /** One of its kernels, for `Queue.run`. Whether it is there is found out when it is first used. */
  kernel(name: string): ProgramKernel {
    return { program: this, name };
  }

  /** How requests name a kernel with arguments of these names in this order. Throws NO_SUCH_KERNEL (ENOENT), BAD_ARGUMENT. */
  number(name: string, parameters: readonly string[]): number {
    if (this.#link.over) throw closed(`Naming kernel ${name}`);
    if (this.gone) throw this.#unloaded(name);
    const named = this.#named.get(name);
    if (named !== undefined)
      for (const known of named) if (sameNames(known.parameters, parameters)) return known.number;
    expectNames(parameters);
    const { kernel: number } = this.#link.sync.registration.kernel({
      registration: this.id,
      name,
      parameters,
    });
    if (named === undefined) this.#named.set(name, [{ parameters, number }]);
    else named.push({ parameters, number });
    return number;
  }

  #unloaded(kernel: string): HmsError {
    return new HmsError(
      "NO_SUCH_KERNEL",
      "ENOENT",
      `Naming kernel ${kernel} failed: its program ${this.name} was unloaded from ${this.device.name}. Load it again.`,
    );
  }

  /** Whether it was unloaded. */
  get gone(): boolean {
    return this.#gone || this.device.closed;
  }

  /**
   * Takes it from the device. Throws PROGRAM_BUSY (EBUSY) while requests of this thread use it. Unloading again does
   * nothing, nor does it when the device was closed.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const program = await hms.device("accel0").load({ text: "export function nothing() {}" });
   * await hms.device("accel0").queue().run(program.kernel("nothing"), {});
   * program.unload();
   * ```
   */
  unload(): void {
    if (this.gone) return;
    if (this.users > 0)
      throw new HmsError(
        "PROGRAM_BUSY",
        "EBUSY",
        `Unloading program ${this.name} from ${this.device.name} failed: ${this.users === 1 ? "a request uses" : `${this.users} requests use`} it. Wait for what run and submit return.`,
      );
    this.#link.sync.registration.destroy({ registration: this.id });
    this.#gone = true;
  }
}

/** How requests name a kernel with arguments of these names. */
interface NamedKernel {
  readonly parameters: readonly string[];
  readonly number: number;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A kernel of a program. */
export interface ProgramKernel {
  readonly program: Program;
  readonly name: string;
}
