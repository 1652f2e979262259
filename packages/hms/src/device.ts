import { programOf } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Input } from "@hms/uabi";
import { closed, type Link } from "./link.ts";
import { expectOptions, type Known } from "./options.ts";
import { Program } from "./program.ts";
import { Queue } from "./queue.ts";
import type { Space } from "./space.ts";

/** What a device is and can do, as `/sys/class/uacce` says it of real ones. */
export interface DeviceAttributes {
  readonly name: string;
  readonly driver: string;
  /** Name and version of its work requests. */
  readonly api: string;
  /** What it can compute: the kernels that are loaded. */
  readonly algorithms: readonly string[];
  /** Queues that can still be made. */
  readonly instances: number;
  /** Size of a queue's doorbell, and of its rings of the default depth. */
  readonly mmioBytes: number;
  readonly sharedBytes: number;
  /** Memory of its own; of it, in use now; the most that ever was. */
  readonly memoryBytes: number;
  readonly usedBytes: number;
  readonly usedBytesMax: number;
  /** Whether it was taken out of use after too many errors; how many an hour those are, 0: never. */
  readonly isolated: boolean;
  readonly errorsAnHourMax: number;
}

/** Where a program comes from: a module by its URL, or its text, or the bytes of a WebAssembly module. */
export type ProgramSource =
  | { readonly url: string | URL }
  | { readonly text: string }
  | { readonly wasm: Uint8Array };

/** How a queue is made. */
export interface QueueOptions {
  /** Requests that can be under way, rounded up to a power of two: 2 to 65536; default 256. */
  readonly depth?: number;
  /** The space that it reaches; default: that of hms. */
  readonly space?: Space;
}

const QUEUE: Known<QueueOptions> = { depth: "number", space: "object" };
const LOAD: Known<{ readonly name?: string; readonly kernels?: readonly string[] }> = {
  name: "string",
  kernels: "array",
};

/** A reply to a command: what the device says. */
export type Reply = Readonly<Record<string, unknown>>;

/**
 * A device: computes on the memory of spaces, page by page as its programs touch it.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * const device = hms.device("accel0");
 * console.log(device.attributes.api, device.attributes.memoryBytes); // hms_accel_v1 8388608
 * ```
 */
export class Device {
  readonly name: string;
  /** How the interface names it. */
  readonly id: Handle<"device">;
  readonly #link: Link;
  readonly #of: { readonly space: () => Space; readonly onClose: () => void };
  readonly #queues = new Set<Queue>();
  readonly #functions = new WeakMap<object, Promise<Program>>();
  readonly #loaded = new WeakMap<object, Program>();

  /** `Hms.device` makes them. */
  constructor(
    link: Link,
    name: string,
    id: Handle<"device">,
    of: { readonly space: () => Space; readonly onClose: () => void },
  ) {
    this.#link = link;
    this.name = name;
    this.id = id;
    this.#of = of;
  }

  /** Its queues that this thread made and has not closed. */
  get queues(): ReadonlySet<Queue> {
    return this.#queues;
  }

  /** What it is and can do now. */
  get attributes(): DeviceAttributes {
    this.#expectOpen("Asking");
    const { usedBytesMax, ...info } = this.#link.sync.device.info({ device: this.id });
    return { ...info, usedBytesMax: usedBytesMax ?? info.usedBytes };
  }

  /**
   * Makes a queue that reaches one space, and starts it. Throws NO_INSTANCES (EBUSY) when the device has none left,
   * DEVICE_ISOLATED (ENODEV).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * using queue = hms.device("accel0").queue({ depth: 64 });
   * console.log(queue.state, queue.depth); // started 64
   * ```
   */
  queue(options: QueueOptions = {}): Queue {
    this.#expectOpen("Making a queue of");
    expectOptions("Making a queue", options, QUEUE);
    const space = options.space ?? this.#of.space();
    const made = this.#link.sync.queue.create({
      device: this.id,
      space: space.handle,
      ...(options.depth === undefined ? {} : { depth: options.depth }),
    });
    const mapping = this.#link.mapping(made.ring.memory);
    this.#link.sync.queue.start({ queue: made.queue });
    const queue: Queue = new Queue(
      this.#link,
      this,
      { id: made.queue, space, depth: made.ring.depth, mapping },
      () => this.#queues.delete(queue),
    );
    this.#queues.add(queue);
    return queue;
  }

  /**
   * Loads a program. A module's kernels are the functions that it exports; it is loaded in the device's thread. Rejects
   * with KERNEL_FAILED or BAD_PROGRAM (EINVAL) when it cannot be loaded, NO_SUCH_KERNEL (ENOENT) when it lacks one of
   * `kernels`.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const device = hms.device("accel0");
   * const program = await device.load(
   *   { text: "export function fill({ x, a }, { first, end }) { x.fill(a, first, end); }" },
   *   { name: "basics", kernels: ["fill"] },
   * );
   * const x = hms.space.alloc(Float32Array, 1000);
   * await device.queue().run(program.kernel("fill"), { x: x.write(), a: 3 });
   * console.log(program.kernels, x.view[999]); // [ 'fill' ] 3
   * ```
   */
  async load(
    source: ProgramSource,
    options: { readonly name?: string; readonly kernels?: readonly string[] } = {},
  ): Promise<Program> {
    this.#expectOpen("Loading a program to");
    expectOptions("Loading a program", options, LOAD);
    const name = options.name ?? ("url" in source ? String(source.url).slice(-200) : "program");
    const { registration, found = [] } = await this.#link.async.registration.create({
      device: this.id,
      name,
      exports: options.kernels ?? [],
      ...inputOf(source),
    });
    const wasm = "wasm" in source;
    return new Program(this.#link, { id: registration, name, kernels: found, wasm });
  }

  /** The program of a function, if it is loaded; else a promise of it. */
  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  programOf(kernel: Function): Program | Promise<Program> {
    const there = this.#loaded.get(kernel);
    if (there !== undefined) return there;
    let loading = this.#functions.get(kernel);
    if (loading === undefined) {
      loading = this.#load(kernel);
      this.#functions.set(kernel, loading);
    }
    return loading;
  }

  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  async #load(kernel: Function): Promise<Program> {
    try {
      const { source, kernel: name } = programOf(kernel);
      const text = source.kind === "text" ? source.text : "";
      const program = await this.load({ text }, { name, kernels: [name] });
      this.#loaded.set(kernel, program);
      return program;
    } catch (error) {
      this.#functions.delete(kernel);
      throw error;
    }
  }

  /**
   * Sends a command, apart from the queues, and resolves to the reply. For an accelerator: `status`, `get` and `set` of
   * a parameter (`isolate_strategy`), `reset`; `share` and `place`, which bind and migrate in the space of a queue by
   * commands to this device alone (docs/guides/accel.md). Rejects with what the device refuses it for (ECANCELED).
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const device = hms.device("accel0");
   * await device.control({ command: "set", parameter: "isolate_strategy", value: 100 });
   * console.log((await device.control({ command: "get", parameter: "isolate_strategy" })).value); // 100
   * ```
   */
  async control(command: { readonly command: string } & Reply): Promise<Reply> {
    this.#expectOpen("Commanding");
    const bytes = new TextEncoder().encode(JSON.stringify(command));
    const { reply } = await this.#link.async.device.control({ device: this.id, command: bytes });
    return JSON.parse(new TextDecoder().decode(reply ?? new Uint8Array([123, 125]))) as Reply;
  }

  /**
   * Closes its queues; it can be opened again by `Hms.device`.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const queue = hms.device("accel0").queue();
   * hms.device("accel0").close();
   * console.log(queue.state, hms.device("accel0").queue().state); // zombie started
   * ```
   */
  close(): void {
    for (const queue of [...this.#queues]) queue.close();
    if (!this.#link.over) this.#link.sync.device.close({ device: this.id });
    this.#of.onClose();
  }

  #expectOpen(action: string): void {
    if (this.#link.over) throw closed(`${action} ${this.name}`);
  }
}

function inputOf(
  source: ProgramSource,
): Pick<Input<CoreRegistry, "registration", "create">, "kind" | "url" | "code"> {
  if ("url" in source) return { kind: "es-module", url: String(source.url) };
  if ("text" in source) return { kind: "es-module", code: new TextEncoder().encode(source.text) };
  if ("wasm" in source) return { kind: "wasm", code: source.wasm };
  throw new HmsError(
    "BAD_PROGRAM",
    "EINVAL",
    "Loading a program failed: expected is { url }, { text } or { wasm }.",
  );
}
