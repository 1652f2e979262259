import { PAGE_BYTES } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import type { Attachment, AttachOptions } from "./attachment.ts";
import { ACCESS_READ, ACCESS_WRITE } from "./layout.ts";
import type { Reach, ToDevice } from "./messages.ts";
import type { ProgramEntry } from "./programs.ts";
import type { AccelQueue } from "./queue.ts";
import type { ViewWindow } from "./view.ts";
import { WasmSpace } from "./wasm-space.ts";

/** What the attachments need of the driver. */
export interface AttachHost {
  post(message: ToDevice): void;
  program(program: number): ProgramEntry;
  /** Address of a buffer's first byte; null when the host cannot say. */
  addressOf(buffer: SharedArrayBuffer): number | null;
}

/** Something the device has been told to let go of. */
interface Leaving {
  readonly queue: AccelQueue;
  readonly attachment: Attachment;
}

function keyOf(region: number, program: number): string {
  return `${region}/${program}`;
}

/**
 * What queues reach. A queue's table in the device's thread is filled from here only; what leaves it is closed when the
 * device has said that it uses it no more, or is gone.
 */
export class Attachments {
  readonly #host: AttachHost;
  readonly #leaving = new Map<number, Leaving>();
  readonly #wasm = new Map<string, WasmSpace>();
  #tokens = 0;

  constructor(host: AttachHost) {
    this.#host = host;
  }

  /** Attachments that the device has not let go of yet. */
  get leaving(): number {
    return this.#leaving.size;
  }

  attach(queue: AccelQueue, options: AttachOptions): void {
    const program = options.program ?? 0;
    const key = keyOf(options.region, program);
    if (queue.attachments.has(key)) {
      throw new HmsError(
        "REGION_ATTACHED",
        "EEXIST",
        `Attaching region ${options.region} to queue ${queue.number} failed: it is attached already.`,
      );
    }
    const allowed = this.#allowed(queue, options);
    const byteOffset = program === 0 ? 0 : this.#place(queue, program, options.pages * PAGE_BYTES);
    const window = this.#windowFor(queue, options, program, byteOffset);
    if (options.advice !== undefined) window.advice = options.advice;
    if (options.inOrder !== undefined) window.inOrder = options.inOrder;
    window.users++;
    const attachment = { region: options.region, program, access: allowed, window, byteOffset };
    queue.attachments.set(key, attachment);
    this.post(queue, attachment);
  }

  /**
   * What may be done with a region, or with some part of it: parts can be protected, and each fault looks at the rights
   * of its page. Throws EFAULT when it is not one region, EACCES when more is asked than any part allows.
   */
  #allowed(queue: AccelQueue, { region: id, first, pages, access }: AttachOptions): number {
    const parts = pages < 1 ? [] : queue.view.space.regions.piece(first, first + pages);
    if (!parts.some(({ mirrorable }) => mirrorable)) {
      throw new HmsError(
        "BAD_REGION",
        "EFAULT",
        `Attaching region ${id} failed: pages ${first} to ${first + pages - 1} must be in one readable region of ${queue.view.space.name}.`,
      );
    }
    const writable = parts.some((part) => part.writable);
    if (access === "update" && !writable) {
      throw new HmsError(
        "READ_ONLY",
        "EACCES",
        `Attaching region ${id} for writing failed: it is read-only.`,
      );
    }
    return writable && access !== "read" ? ACCESS_READ | ACCESS_WRITE : ACCESS_READ;
  }

  /** Queues of one space share a region's window; a WebAssembly memory has one of its own. */
  #windowFor(queue: AccelQueue, options: AttachOptions, program: number, byteOffset: number): ViewWindow {
    const { region, first, pages } = options;
    if (program !== 0) {
      const buffer = this.#wasmOf(queue, program).memory.buffer;
      const base = this.#host.addressOf(buffer) ?? 0;
      return queue.view.open(region, first, pages, base + byteOffset);
    }
    for (const window of queue.view.windows) {
      const same = window.region === region && window.first === first && window.pages === pages;
      if (same && !window.closing && !window.placed) return window;
    }
    return queue.view.open(region, first, pages);
  }

  #wasmKey(queue: AccelQueue, program: number): string {
    return `${queue.number}/${program}`;
  }

  #wasmOf(queue: AccelQueue, program: number): WasmSpace {
    const key = this.#wasmKey(queue, program);
    const made = this.#wasm.get(key);
    if (made !== undefined) return made;
    const { memory, name } = this.#host.program(program);
    if (memory === null) {
      throw new HmsError(
        "NOT_WASM",
        "EINVAL",
        `Attaching a region for program ${name} failed: it is not a WebAssembly program, and has no memory of its own.`,
      );
    }
    const space = new WasmSpace(memory);
    if (this.#host.addressOf(space.memory.buffer) === null) {
      throw new HmsError(
        "NO_ADDRESSES",
        "EOPNOTSUPP",
        "Attaching a region to a WebAssembly program failed: this host cannot place windows in memory that exists already.",
      );
    }
    this.#wasm.set(key, space);
    this.#host.post({ type: "wasm-memory", queue: queue.number, program, memory: space.memory });
    return space;
  }

  #place(queue: AccelQueue, program: number, bytes: number): number {
    return this.#wasmOf(queue, program).place(bytes);
  }

  /** Tells the device, once or again to a thread that follows. */
  post(queue: AccelQueue, { region, program, access, window, byteOffset }: Attachment): void {
    const bytes = window.pages * PAGE_BYTES;
    const { buffer, address } = window.window;
    let reach: Reach = buffer === undefined ? { address } : { buffer, byteOffset: 0 };
    if (program !== 0) reach = { buffer: this.#wasmOf(queue, program).memory.buffer, byteOffset };
    this.#host.post({ type: "region", queue: queue.number, program, region, bytes, access, reach });
  }

  /** Tells a thread that follows another about a queue's WebAssembly memories. */
  postMemories(queue: AccelQueue): void {
    for (const { program } of queue.attachments.values()) {
      const space = program === 0 ? undefined : this.#wasm.get(this.#wasmKey(queue, program));
      if (space !== undefined)
        this.#host.post({ type: "wasm-memory", queue: queue.number, program, memory: space.memory });
    }
  }

  /** Throws ENOENT when it is not attached. */
  detach(queue: AccelQueue, region: number, program = 0): void {
    const attachment = queue.attachments.get(keyOf(region, program));
    if (attachment === undefined) {
      throw new HmsError(
        "REGION_NOT_ATTACHED",
        "ENOENT",
        `Detaching region ${region} from queue ${queue.number} failed: it is not attached.`,
      );
    }
    this.#leave(queue, attachment);
  }

  detachAll(queue: AccelQueue): void {
    for (const attachment of [...queue.attachments.values()]) this.#leave(queue, attachment);
  }

  /** Regions of a view that are gone are taken from all queues that reach them. */
  sweep(queues: Iterable<AccelQueue>): void {
    for (const queue of queues) {
      for (const attachment of [...queue.attachments.values()]) {
        const { window } = attachment;
        if (!window.closing && isThere(queue, window)) continue;
        window.closing = true;
        this.#leave(queue, attachment);
      }
    }
  }

  #leave(queue: AccelQueue, attachment: Attachment): void {
    const { region, program } = attachment;
    queue.attachments.delete(keyOf(region, program));
    this.#tokens = (this.#tokens + 1) | 0;
    const token = this.#tokens;
    this.#leaving.set(token, { queue, attachment });
    this.#host.post({ type: "drop-region", queue: queue.number, program, region, token });
  }

  /** The device has let go. */
  dropped(token: number): void {
    const leaving = this.#leaving.get(token);
    if (leaving === undefined) return;
    this.#leaving.delete(token);
    const { queue, attachment } = leaving;
    const { window, program, byteOffset } = attachment;
    if (--window.users === 0) queue.view.closeWindow(window);
    if (program !== 0)
      this.#wasm.get(this.#wasmKey(queue, program))?.give(byteOffset, window.pages * PAGE_BYTES);
  }

  /** The device's thread is gone: it uses nothing any more. */
  droppedAll(): void {
    for (const token of [...this.#leaving.keys()]) this.dropped(token);
  }

  /** A queue is gone, and nothing of it is in use. */
  forget(queue: AccelQueue): void {
    for (const key of [...this.#wasm.keys()]) if (key.startsWith(`${queue.number}/`)) this.#wasm.delete(key);
  }

  /** Whether attachments of a queue are still in use. */
  isLeaving(queue: AccelQueue): boolean {
    for (const leaving of this.#leaving.values()) if (leaving.queue === queue) return true;
    return false;
  }
}

/** Whether any part of the window's range is still mapped. */
function isThere(queue: AccelQueue, { first, end }: ViewWindow): boolean {
  const { regions } = queue.view.space;
  if (queue.view.space.closed) return false;
  if (regions.at(first) !== null) return true;
  const next = regions.after(first);
  return next !== null && next.first < end;
}
