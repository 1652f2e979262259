import type { IndexRange, KernelDevice } from "@hms/driver-accel";
import type { Handle } from "@hms/uabi";
import type { Link } from "./link.ts";
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
 * device's thread and is brought there as text: it can use nothing from around it. It may use what Node.js has.
 */
export type KernelFunction<A> = (values: Values<A>, range: IndexRange, device: KernelDevice) => void;

/** A program that a device has loaded: a module with kernels. `Device.load` makes them. */
export class Program {
  /** What reports call it. */
  readonly name: string;
  /** Names of the kernels in it. */
  readonly kernels: readonly string[];
  /** How the interface names it. */
  readonly id: Handle<"registration">;
  /** Its kernels see regions in a WebAssembly memory, as their byte offsets in it. */
  readonly wasm: boolean;
  readonly #link: Link;
  readonly #numbers = new Map<string, number>();

  constructor(
    link: Link,
    made: {
      readonly id: Handle<"registration">;
      readonly name: string;
      readonly kernels: readonly string[];
      readonly wasm: boolean;
    },
  ) {
    this.#link = link;
    this.id = made.id;
    this.name = made.name;
    this.kernels = made.kernels;
    this.wasm = made.wasm;
  }

  /** One of its kernels, for `Queue.run`. Whether it is there is found out when it is first used. */
  kernel(name: string): ProgramKernel {
    return { program: this, name };
  }

  /** How requests name a kernel with arguments of these names in this order. Throws NO_SUCH_KERNEL (ENOENT). */
  number(name: string, parameters: readonly string[]): number {
    const key = `${name}(${parameters.join(",")})`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#link.sync.registration.kernel({ registration: this.id, name, parameters }).kernel;
      this.#numbers.set(key, number);
    }
    return number;
  }

  /**
   * Takes it from the device. Throws EBUSY while requests run it.
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
    if (!this.#link.over) this.#link.sync.registration.destroy({ registration: this.id });
  }
}

/** A kernel of a program. */
export interface ProgramKernel {
  readonly program: Program;
  readonly name: string;
}
