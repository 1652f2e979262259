// The accelerator on the real host, as a program has it: a kernel thread, regions at addresses, clients.
import { once } from "node:events";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { type ControlReply, programOf, QueueClient, type QueueMapping } from "@hms/driver-accel";
import { bufferAt, detach, EventFd } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Answer, Call, Kernel, KernelData } from "./kernel-thread.ts";

type Method = Exclude<keyof Kernel, "devices" | "host" | "stopped" | "poll">;
type Parameters_<M extends Method> = Kernel[M] extends (...args: infer A) => unknown
  ? M extends "load" | "stop"
    ? A extends [...infer B, unknown]
      ? B
      : never
    : A
  : never;
type Result<M extends Method> = M extends "load"
  ? ControlReply
  : Kernel[M] extends (...args: never[]) => infer R
    ? R
    : never;

/** A region, and its bytes at its address. */
export interface Region {
  readonly region: number;
  readonly pages: number;
  readonly buffer: ArrayBuffer;
}

export class RealLab implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wake: EventFd = EventFd.create();
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  readonly #buffers: ArrayBuffer[] = [];
  #next = 0;
  #ended = false;

  constructor(ramBytes: number | null = null) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const data: KernelData = { port: port2, wakeFd: this.#wake.fd, ramBytes, read: new SharedArrayBuffer(4) };
    this.#worker = new Worker(new URL("./kernel-thread.ts", import.meta.url), {
      workerData: data,
      transferList: [port2],
    });
    this.#worker.on("error", (error) => {
      for (const { reject } of this.#calls.values()) reject(error);
    });
    this.#port.on("message", (answer: Answer) => {
      const call = this.#calls.get(answer.id);
      this.#calls.delete(answer.id);
      if ("value" in answer) call?.resolve(answer.value as never);
      else {
        const { code, errno, message } = answer.error;
        call?.reject(new HmsError(code, errno as never, message));
      }
    });
  }

  call<M extends Method>(name: M, ...args: Parameters_<M>): Promise<Result<M>> {
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Result<M>>();
    this.#calls.set(id, { resolve, reject });
    this.#port.postMessage({ id, name, args } satisfies Call);
    this.#wake.signal();
    return promise;
  }

  async map(bytes: number, options: object = {}): Promise<Region> {
    const { region, address, pages } = await this.call("map", { bytes, ...options });
    const buffer = bufferAt(address, pages * 4096);
    this.#buffers.push(buffer);
    return { region, pages, buffer };
  }

  async unmap({ region, buffer }: Region): Promise<void> {
    detach(buffer);
    this.#buffers.splice(this.#buffers.indexOf(buffer), 1);
    await this.call("unmap", region);
  }

  async queue(name: string, device: string, depth = 64): Promise<QueueClient> {
    return new QueueClient((await this.call("queue", name, device, depth)) as QueueMapping);
  }

  // biome-ignore lint/complexity/noBannedTypes: kernels differ in what they take
  async kernel(device: string, kernel: Function, parameters: readonly string[]): Promise<number> {
    const made = programOf(kernel);
    const reply = await this.call("load", device, made.kernel, made.source);
    if (reply.outcome !== "OK") throw new Error(reply.error.message);
    return this.call("kernel", device, reply.program ?? 0, made.kernel, parameters);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    for (const buffer of this.#buffers) detach(buffer);
    const exit = once(this.#worker, "exit");
    await this.call("stop");
    this.#port.close();
    await exit;
    this.#wake.close();
  }
}
