import type { ElementName, TypedArray } from "@hms/driver-accel";
import { type Address, bufferAt, detach } from "@hms/host-linux";
import type { PlacementReport } from "@hms/policy";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, TypeValue } from "@hms/uabi";
import { type ArrayType, arrayType, elementName } from "./arrays.ts";
import type { Meeting } from "./beside.ts";
import { expectInside } from "./handle.ts";
import { closed, type Link } from "./link.ts";
import { type Bind, type BindOptions, bindSlice } from "./placement.ts";

/** What the pages of a region come from: zeros (private or shared), a file, or a private copy of a file. */
export type RegionKind = "private" | "shared" | "file" | "copy";

/** How a kernel will use an array: by this the device decides how it gets the pages. */
export type AccessMode = "read" | "write" | "update";

const PAGE = 4096;
type Range = TypeValue<CoreRegistry, "range">;

/** An array as an argument of a kernel: what `read()`, `write()` and `update()` of a region or slice give. */
export interface Access<T extends TypedArray = TypedArray> {
  readonly array: Slice<T>;
  readonly access: AccessMode;
}

/** What another thread needs to attach a region (`attach`). It can be posted to any thread of the process. */
export interface RegionHandle {
  readonly hms: "region";
  readonly meeting: Meeting;
  readonly context: number;
  readonly space: number;
  readonly region: number;
  readonly kind: RegionKind;
  readonly name: string;
  /** Name of the typed array's constructor. */
  readonly type: string;
  /** Elements. */
  readonly length: number;
}

/** A region as JSON shows it. */
export interface RegionJson {
  readonly name: string;
  /** Name of the typed array's constructor. */
  readonly type: string;
  /** Elements. */
  readonly length: number;
  readonly bytes: number;
  readonly kind: RegionKind;
}

/**
 * A part of a region, or all of it: elements that follow each other. Its view is the memory itself, and kernels take it
 * as an argument. A part may have no elements: then it has no pages either, and what is asked for its pages is done for
 * none.
 */
export class Slice<T extends TypedArray> {
  /** The region that it is a part of. */
  readonly region: Shared<T>;
  /** Its first element in the region. */
  readonly first: number;
  /** How many elements it has. */
  readonly length: number;

  /** `Shared.slice` makes them. */
  constructor(region: Shared<T> | null, first: number, length: number) {
    this.region = region ?? (this as unknown as Shared<T>);
    this.first = first;
    this.length = length;
  }

  /** Its size in bytes. */
  get bytes(): number {
    return this.length * this.region.type.BYTES_PER_ELEMENT;
  }

  /** The typed array over the memory. Without elements once the region is freed, or hms closed. */
  get view(): T {
    return this.region.viewOf(this.first, this.length);
  }

  /** As an argument that a kernel only reads: the device may work on duplicates. */
  read(): Access<T> {
    return { array: this, access: "read" };
  }

  /** As an argument that a kernel writes. What it leaves alone stays as it was. */
  write(): Access<T> {
    return { array: this, access: "write" };
  }

  /**
   * As an argument that a kernel reads and writes.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
   * const x = hms.space.alloc(Float32Array, 1000);
   * const y = hms.space.alloc(Float32Array, 1000);
   * x.view.fill(2);
   * await hms.device("accel0").queue().run(({ x, y }, { first, end }) => {
   *   for (let i = first; i < end; i++) y[i] += x[i];
   * }, { x: x.read(), y: y.update() });
   * console.log(y.view[0]); // 2
   * ```
   */
  update(): Access<T> {
    return { array: this, access: "update" };
  }

  /**
   * A part: elements `first` to `end` - 1 of this. Throws BAD_SLICE (EINVAL) when it has no such elements.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Int32Array, 1000);
   * const middle = x.slice(400, 600);
   * middle.view.fill(7);
   * console.log(middle.length, x.view[399], x.view[400]); // 200 0 7
   * ```
   */
  slice(first: number, end: number = this.length): Slice<T> {
    if (Number.isInteger(first) && Number.isInteger(end) && first >= 0 && first <= end && end <= this.length)
      return new Slice(this.region, this.first + first, end - first);
    throw new HmsError(
      "BAD_SLICE",
      "EINVAL",
      `Slicing failed: expected are two whole numbers from 0 to ${this.length} in order, not ${first} and ${end}.`,
    );
  }

  /**
   * Binds it: `Space.bind` says what that means, what it throws and what it answers.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB", devices: ["accel:memory=1MiB"] });
   * const x = hms.space.alloc(Float32Array, 1000);
   * x.view.fill(1);
   * const report = x.bind({ for: ["accel0"], migrate: true });
   * console.log(report.satisfied, hms.space.explain(x)[0]?.place); // true accel0 memory
   * ```
   */
  bind(request: Bind | null, options: BindOptions = {}): PlacementReport {
    return this.region.bindPages(this.pages, request, options);
  }

  /** The pages that it is on, by their numbers: what the interface calls a range. None for no elements. */
  get pages(): Range {
    const { type, address } = this.region;
    const from = address + this.first * type.BYTES_PER_ELEMENT;
    const first = Math.floor(from / PAGE);
    return { first, count: this.length === 0 ? 0 : Math.ceil((from + this.bytes) / PAGE) - first };
  }
}

/** What a region is made of. */
export interface RegionInit<T extends TypedArray> {
  readonly link: Link;
  readonly context: Handle<"context">;
  readonly space: Handle<"space">;
  readonly handle: Handle<"region">;
  readonly type: ArrayType<T>;
  readonly length: number;
  readonly address: Address;
  readonly kind: RegionKind;
  readonly name: string;
  /** Made in another thread. */
  readonly attached: boolean;
  /** Told when it is gone. */
  readonly onFree: () => void;
}

/**
 * A region as a typed array: memory with the same address for the CPU and for every device. Pages move to where they
 * are touched.
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB" });
 * using x = hms.space.alloc(Float64Array, 1000, { name: "x" });
 * x.view[7] = 1.5;
 * console.log(x.length, x.bytes, x.view[7]); // 1000 8000 1.5
 * ```
 */
export class Shared<T extends TypedArray> extends Slice<T> implements Disposable {
  readonly type: ArrayType<T>;
  /** How devices call the element type. */
  readonly element: ElementName;
  /** Its first address, a multiple of 4096. */
  readonly address: Address;
  readonly kind: RegionKind;
  /** What reports call it. */
  readonly name: string;
  /** How the interface names it. */
  readonly id: Handle<"region">;
  readonly #link: Link;
  readonly #context: Handle<"context">;
  readonly #space: Handle<"space">;
  readonly #attached: boolean;
  readonly #onFree: () => void;
  #buffer: ArrayBuffer | null = null;
  #view: T | null = null;
  #gone = false;

  /** `Space.alloc` and `Space.file` make them, and `attach`. */
  constructor(init: RegionInit<T>) {
    super(null, 0, init.length);
    this.type = init.type;
    this.element = elementName(init.type);
    this.address = init.address;
    this.kind = init.kind;
    this.name = init.name;
    this.id = init.handle;
    this.#link = init.link;
    this.#context = init.context;
    this.#space = init.space;
    this.#attached = init.attached;
    this.#onFree = init.onFree;
  }

  /** Whether it was freed, or hms closed. */
  get gone(): boolean {
    return this.#gone;
  }

  /** All of its memory, for `DataView` and others. Empty once it is gone. */
  get buffer(): ArrayBuffer {
    this.#buffer ??= this.#gone
      ? new ArrayBuffer(0)
      : bufferAt(this.address, this.length * this.type.BYTES_PER_ELEMENT);
    return this.#buffer;
  }

  /** The typed array over a part. */
  viewOf(first: number, length: number): T {
    if (this.#gone) return new this.type(new ArrayBuffer(0));
    if (first !== 0 || length !== this.length)
      return new this.type(this.buffer, first * this.type.BYTES_PER_ELEMENT, length);
    this.#view ??= new this.type(this.buffer, 0, length);
    return this.#view;
  }

  /**
   * Writes what was changed to the file, also by devices, and waits until it is on the disk; nothing happens for other
   * kinds. Returns pages written. Throws WRITE_BACK_FAILED (ENOSPC, EIO), and FILE_SHRUNK (EIO) when someone else has
   * made the file shorter: then nothing is lost.
   *
   * @example
   * ```ts
   * import { readFileSync, writeFileSync } from "node:fs";
   * import { open } from "hms";
   * writeFileSync("numbers.bin", new Uint8Array(8));
   * using hms = await open({ ram: "64MiB" });
   * const numbers = hms.space.file("numbers.bin", Uint8Array, { writable: true });
   * numbers.view[3] = 9;
   * numbers.sync();
   * console.log(readFileSync("numbers.bin")[3]); // 9
   * ```
   */
  sync(): number {
    this.expectHere("Writing back");
    return this.#link.sync.region.sync({ region: this.id }).written;
  }

  /**
   * What other threads of this process need to attach it: `attach(handle)` gives them a region at the same addresses.
   *
   * @example
   * ```ts
   * import { Worker } from "node:worker_threads";
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Int32Array, 4);
   * const worker = new Worker(
   *   `const { workerData } = require("node:worker_threads");
   *    import("hms").then(({ attach }) => {
   *      const x = attach(workerData);
   *      x.view[2] = 42;
   *      x[Symbol.dispose]();
   *    });`,
   *   { eval: true, workerData: x.handle() },
   * );
   * await new Promise((resolve) => worker.on("exit", resolve));
   * console.log(x.view[2]); // 42
   * ```
   */
  handle(): RegionHandle {
    this.expectHere("Making a handle");
    const { kind, name, length } = this;
    return {
      hms: "region",
      meeting: this.#link.meeting,
      context: this.#context,
      space: this.#space,
      region: this.id,
      kind,
      name,
      type: this.type.name,
      length,
    };
  }

  /**
   * Gives the memory back; a file's changes are written to it first. Views have no elements afterwards. In a thread that
   * attached it, only this thread lets go. Throws REGION_OPEN (EBUSY) while other threads have it attached,
   * WRITE_BACK_FAILED (ENOSPC, EIO): then it stays. Freeing again does nothing.
   *
   * @example
   * ```ts
   * import { open } from "hms";
   * using hms = await open({ ram: "64MiB" });
   * const x = hms.space.alloc(Float32Array, 1000);
   * const { view } = x;
   * x.free();
   * console.log(view.length, x.gone); // 0 true
   * ```
   */
  free(): void {
    if (this.#gone) return;
    if (this.#link.over) this.forget();
    else if (this.#attached) this.#letGo();
    else {
      this.#link.sync.region.destroy({ region: this.id });
      this.forget();
    }
  }

  #letGo(): void {
    letGo(this.#link, this.id);
    this.forget();
  }

  /** Binds some of its pages, for it and its slices. */
  bindPages(pages: Range, request: Bind | null, options: BindOptions): PlacementReport {
    this.expectHere("Binding");
    return bindSlice(this.#link, this.#space, pages, request, options);
  }

  /** The memory is not there any more: views lose their elements. */
  forget(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (this.#buffer !== null) detach(this.#buffer);
    this.#onFree();
  }

  /** Throws REGION_FREED (ENOENT), HMS_CLOSED (ENODEV). */
  expectHere(action: string): void {
    if (this.#link.over) throw closed(`${action} ${this.name}`);
    if (!this.#gone) return;
    throw new HmsError("REGION_FREED", "ENOENT", `${action} ${this.name} failed: it was freed.`);
  }

  /** Whether it is of the hms that the connection leads to. */
  isOf(link: Link): boolean {
    return this.#link.leadsWhere(link);
  }

  /** Whether it is in a space of its hms. */
  isIn(space: Handle<"space">): boolean {
    return this.#space === space;
  }

  /** For `JSON.stringify`: what it is, without what it holds. */
  toJSON(): RegionJson {
    const { name, length, bytes, kind } = this;
    return { name, type: this.type.name, length, bytes, kind };
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** How often each connection has attached regions: the kernel thread knows only which thread has which. */
const attachments = new WeakMap<Link, Map<Handle<"region">, number>>();

function hold(link: Link, region: Handle<"region">): { readonly address: Address; readonly size: number } {
  const opened = link.sync.region.open({ region });
  const held = attachments.get(link) ?? new Map<Handle<"region">, number>();
  attachments.set(link, held.set(region, (held.get(region) ?? 0) + 1));
  return opened;
}

/** The last of a thread that lets go of a region closes it. */
function letGo(link: Link, region: Handle<"region">): void {
  const held = attachments.get(link);
  const left = (held?.get(region) ?? 1) - 1;
  if (left === 0) link.sync.region.close({ region });
  if (left === 0) held?.delete(region);
  else held?.set(region, left);
}

/** A region of another thread, by its handle. Throws BAD_HANDLE (ENOENT; EINVAL), BAD_TYPE (EINVAL). */
export function attachRegion(link: Link, handle: RegionHandle, onFree: () => void): Shared<TypedArray> {
  const type = arrayType(handle.type);
  const region = handle.region as Handle<"region">;
  const { address, size } = hold(link, region);
  try {
    expectInside(handle, type.BYTES_PER_ELEMENT, size);
  } catch (error) {
    letGo(link, region);
    throw error;
  }
  return new Shared({
    link,
    context: handle.context as Handle<"context">,
    space: handle.space as Handle<"space">,
    handle: region,
    type,
    length: handle.length,
    address,
    kind: handle.kind,
    name: handle.name,
    attached: true,
    onFree,
  });
}
