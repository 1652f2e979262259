import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Input } from "@hms/uabi";
import { Functions } from "./functions.ts";
import { labelOf } from "./label.ts";
import { closed, type Link } from "./link.ts";
import { expectOptions, expectText, type Known, kindOf, NAME_BYTES } from "./options.ts";
import { Program } from "./program.ts";
import { Queue } from "./queue.ts";
import { Space } from "./space.ts";

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

/** A program without a name is called after the end of its URL. Characters. */
const URL_NAME = 200;

const QUEUE: Known<QueueOptions> = { depth: { least: 1, most: 65_536 }, space: "object" };
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
  /** Its programs of functions: queues load them by themselves. */
  readonly functions: Functions = new Functions((text, name) =>
    this.load({ text }, { name, kernels: [name] }),
  );
  readonly #link: Link;
  readonly #of: { readonly space: () => Space; readonly onClose: () => void };
  readonly #queues = new Set<Queue>();
  #closed = false;

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

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed || this.#link.over;
  }

  /** Whether both are one device: it can have been opened more than once. */
  is(other: Device): boolean {
    return this === other || (this.name === other.name && this.#link.leadsWhere(other.#link));
  }

  /** What it is and can do now. */
  get attributes(): DeviceAttributes {
    this.#expectOpen("Asking");
    const { usedBytesMax, ...info } = this.#link.sync.device.info({ device: this.id });
    return { ...info, usedBytesMax: usedBytesMax ?? info.usedBytes };
  }

  /**
   * Makes a queue that reaches one space, and starts it. Throws NO_INSTANCES (EBUSY) when the device has none left,
   * DEVICE_ISOLATED (ENODEV), OTHER_SPACE (EINVAL) for a space of another hms, SPACE_CLOSED (ENOENT).
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
    const space = this.#spaceOf(options.space);
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

  #spaceOf(asked: Space | undefined): Space {
    if (asked === undefined) return this.#of.space();
    if (!(asked instanceof Space))
      throw new HmsError(
        "BAD_OPTION",
        "EINVAL",
        `Making a queue failed: its option space must be a space, as hms.space and createSpace give them, not ${kindOf(asked)}.`,
      );
    asked.expectOurs(`Making a queue of ${this.name} for a space`, this.#link);
    return asked;
  }

  /**
   * Loads a program. A module's kernels are the functions that it exports; it is loaded in the device's thread. Rejects
   * with BAD_PROGRAM (EINVAL, or ETIMEDOUT) when it cannot be loaded, NO_SUCH_KERNEL (ENOENT) when it lacks one of
   * `kernels`, TOO_MANY_PROGRAMS (ENOSPC) when the device has 4096.
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
    const { kernels = [] } = options;
    const from = inputOf(source);
    const name = options.name ?? labelOf(from.url?.slice(-URL_NAME) ?? "program");
    expectText("Loading a program", "its option name", name, NAME_BYTES);
    for (const one of kernels) expectText("Loading a program", "each of its option kernels", one, NAME_BYTES);
    const wasm = from.kind === "wasm";
    const input = { device: this.id, name, exports: kernels, ...from };
    for (;;) {
      try {
        const { registration, found = [] } = await this.#link.async.registration.create(input);
        return new Program(this.#link, this, { id: registration, name, kernels: found, wasm });
      } catch (error) {
        if (!HmsError.is(error) || error.code !== "TOO_MANY_PROGRAMS" || !this.functions.makeRoom())
          throw error;
      }
    }
  }

  /** The program of a function, if it is loaded; else a promise of it. Throws NOT_A_KERNEL (EINVAL). */
  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  programOf(kernel: Function): Program | Promise<Program> {
    this.#expectOpen("Loading a program to");
    const { program, loading } = this.functions.of(kernel);
    return program ?? loading;
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
   * Closes its queues, and unloads its programs; it can be opened again by `Hms.device`. Closing again does nothing.
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
    if (this.#closed) return;
    for (const queue of [...this.#queues]) queue.close();
    if (!this.#link.over) this.#link.sync.device.close({ device: this.id });
    this.#closed = true;
    this.#of.onClose();
  }

  #expectOpen(action: string): void {
    if (this.#link.over) throw closed(`${action} ${this.name}`);
    if (!this.#closed) return;
    throw new HmsError(
      "DEVICE_CLOSED",
      "ENXIO",
      `${action} ${this.name} failed: it was closed. Open it again: hms.device(${JSON.stringify(this.name)}).`,
    );
  }
}

/** What programs may hand over for a source, whatever types say. */
type Given = { readonly [K in "url" | "text" | "wasm"]?: unknown } | null | undefined;

/** Throws BAD_PROGRAM (EINVAL) for what is no source. */
function inputOf(
  source: ProgramSource,
): Pick<Input<CoreRegistry, "registration", "create">, "kind" | "url" | "code"> {
  const { url, text, wasm, ...others } = (source as Given) ?? {};
  const given = Object.entries({ url, text, wasm }).filter(([, value]) => value !== undefined);
  if (given.length === 1 && Object.keys(others).length === 0) {
    if (url instanceof URL || isText(url)) return { kind: "es-module", url: String(url) };
    if (isText(text)) return { kind: "es-module", code: new TextEncoder().encode(text) };
    if (wasm instanceof Uint8Array && wasm.length > 0) return { kind: "wasm", code: wasm };
  }
  const what = given.map(([name, value]) => `${name}: ${kindOf(value)}`).join(", ");
  throw new HmsError(
    "BAD_PROGRAM",
    "EINVAL",
    `Loading a program failed: expected is one of { url } (text or a URL), { text } and { wasm } (a Uint8Array), and none of them empty, not ${what === "" ? kindOf(source) : `{ ${what} }`}.`,
  );
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
