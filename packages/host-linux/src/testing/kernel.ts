// A kernel thread for tests: the test's own thread is the program, which touches memory and asks for calls by name.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import type { PageCount, PageIndex } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { LinuxHost, type LinuxHostOptions } from "../host.ts";
import { KernelLoop } from "../loop.ts";
import { Placement } from "../placement.ts";
import type { LinuxSpace, MapOptions } from "../space.ts";
import { gettid, threadAddress } from "../sys/cpu.ts";
import { bufferAt } from "../sys/memory.ts";
import { EventFd } from "../sys/wait.ts";
import { WakePage, type WakePageData } from "../sys/wake-page.ts";
import { newHeartbeat, Watchdog } from "../watchdog.ts";
import { calls, type Told } from "./calls.ts";
import { HANG_TEST_SECONDS } from "./limits.ts";

const REPLY_BYTES = 1 << 20;
const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;

interface Shared {
  readonly state: Int32Array;
  readonly text: Uint8Array;
  readonly wake: number;
  readonly wakePage: WakePageData;
  readonly options: LinuxHostOptions;
  readonly heartbeat: Int32Array;
  /** The thread that touches memory. */
  readonly toucher: number;
  readonly toucherAddress: number;
}

/** What a call answers of a region. */
export interface MappedRegion {
  readonly id: number;
  readonly address: number;
  readonly bytes: number;
}

/** The kernel thread, as the program sees it. */
export class Kernel {
  readonly #wake = EventFd.create();
  readonly #wakePage = WakePage.create();
  readonly #shared: Shared;
  readonly #worker: Worker;
  readonly #watchdog: Watchdog;

  constructor(options: LinuxHostOptions = {}) {
    this.#shared = {
      state: new Int32Array(new SharedArrayBuffer(8)),
      text: new Uint8Array(new SharedArrayBuffer(REPLY_BYTES)),
      wake: this.#wake.fd,
      wakePage: this.#wakePage.data,
      options,
      heartbeat: newHeartbeat(),
      toucher: gettid(),
      toucherAddress: threadAddress(),
    };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: this.#shared });
    this.#watchdog = new Watchdog(this.#shared.heartbeat, { seconds: HANG_TEST_SECONDS });
    this.#worker.on("error", (error) => {
      process.stderr.write(`the kernel thread failed: ${error.stack}\n`);
      process.exit(70);
    });
  }

  /** Calls one of `calls` in the kernel thread. Throws the HmsError that it threw. */
  call<Name extends keyof typeof calls>(
    name: Name,
    ...args: readonly unknown[]
  ): ReturnType<(typeof calls)[Name]> {
    const { state, text } = this.#shared;
    const bytes = new TextEncoder().encode(JSON.stringify({ name, args }));
    text.set(bytes);
    Atomics.store(state, 1, bytes.length);
    Atomics.store(state, 0, ASKED);
    if (!this.#wakePage.ring()) this.#wake.signal();
    while (Atomics.load(state, 0) === ASKED) Atomics.wait(state, 0, ASKED, 1000);
    const reply = JSON.parse(new TextDecoder().decode(text.slice(0, Atomics.load(state, 1)))) as Told;
    Atomics.store(state, 0, IDLE);
    if ("error" in reply) throw new HmsError(reply.code, reply.errno, reply.error);
    return reply.value as ReturnType<(typeof calls)[Name]>;
  }

  /** Turns of the loop so far. */
  get turns(): number {
    return Atomics.load(this.#shared.heartbeat, 0);
  }

  map(options: MapOptions): MappedRegion {
    return this.call("map", options) as MappedRegion;
  }

  /** Bytes of a region, for the calling thread to touch. */
  bytes(region: MappedRegion): Uint8Array {
    return new Uint8Array(bufferAt(region.address, region.bytes));
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.call("close");
    await ended;
    await this.#watchdog.end();
    this.#wake.close();
    this.#wakePage.giveBack();
  }
}

/** What the calls work on. */
export interface Bench {
  readonly host: LinuxHost;
  readonly space: LinuxSpace;
  stop(): void;
  /** How often the kernel thread slept in the read of its faults. */
  sleptInRead(): number;
}

export type Span = readonly [first: PageIndex, count: PageCount];

function run(shared: Shared): void {
  const host = new LinuxHost(shared.options);
  const space = host.createSpace();
  const wake = EventFd.of(shared.wake);
  const placement = new Placement();
  placement.register(shared.toucher, shared.toucherAddress);
  const bench: Bench = { host, space, stop: () => loop.stop(), sleptInRead: () => loop.sleptInRead };
  const loop = new KernelLoop(host, { poll: () => answer(shared, bench), sleeping: () => undefined }, wake, {
    heartbeat: shared.heartbeat,
    placement,
    wakePage: WakePage.of(shared.wakePage),
  });
  loop.run();
  host.close();
  wake.close();
}

function answer({ state, text }: Shared, bench: Bench): number {
  if (Atomics.load(state, 0) !== ASKED) return 0;
  const asked = JSON.parse(new TextDecoder().decode(text.slice(0, Atomics.load(state, 1)))) as {
    name: keyof typeof calls;
    args: readonly never[];
  };
  const bytes = new TextEncoder().encode(
    JSON.stringify(outcome(() => calls[asked.name](bench, ...(asked.args as [never, never, never])))),
  );
  text.set(bytes);
  Atomics.store(state, 1, bytes.length);
  Atomics.store(state, 0, ANSWERED);
  Atomics.notify(state, 0);
  return 1;
}

function outcome(body: () => unknown): Told {
  try {
    return { value: body() ?? null };
  } catch (error) {
    if (HmsError.is(error)) return { error: error.message, code: error.code, errno: error.errno };
    return { error: String(error instanceof Error ? error.stack : error), code: "TEST", errno: null };
  }
}

if (!isMainThread && workerData?.state instanceof Int32Array) run(workerData as Shared);
