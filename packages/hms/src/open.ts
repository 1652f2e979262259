import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { TypedArray } from "@hms/driver-accel";
import {
  budgetOf,
  EventFd,
  HANG_SECONDS,
  limitation,
  newHeartbeat,
  probe,
  threadOptions,
  WakePage,
  Watchdog,
} from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Handle } from "@hms/uabi";
import { BYTES, KERNEL_TID, type KernelThreadData, type Meeting } from "./beside.ts";
import { readDeviceSpecs } from "./device-spec.ts";
import { atExit, catchSignals, notAtExit } from "./exit.ts";
import { expectHandle } from "./handle.ts";
import { Hms, type HmsHandle } from "./hms.ts";
import { Link } from "./link.ts";
import { expectOptions, expectText, type Known, PATH_BYTES, type Within } from "./options.ts";
import { attachRegion, type RegionHandle, type Shared } from "./region.ts";
import { startRecorder } from "./report/start.ts";
import { parseSize, type Size } from "./size.ts";

/** How long closing waits for the kernel thread to end after it has answered. Milliseconds. */
const END_MS = 5000;
/** The least that the file for cold pages may be allowed to become. Bytes. */
const SWAP_LEAST: number = 2 ** 20;
/** A turn of the kernel thread may be at a slow disk for a while; a day is as good as never. */
const WATCHDOG: Within = { least: 1, most: 86_400, fractions: true };

/** What hms is opened with. */
export interface OpenOptions {
  /**
   * The most of the machine's memory that may be resident, at least 8 MiB; the rest goes to disk. Default: what the
   * environment says in HMS_RAM (`hms run --ram`), else no bound.
   */
  readonly ram?: Size;
  /**
   * Devices: `accel`, `accel:memory=64MiB,queues=8,name=first`. They are called accel0, accel1, … Default: what the
   * environment says in HMS_DEVICES, with spaces between (`hms run --device`), else none.
   */
  readonly devices?: readonly string[];
  /** Folder of the file for cold pages, which has no name and goes with the process. Default: that for temporary files. */
  readonly swap?: string;
  /** The most that this file may become, at least 1 MiB; default 64 GiB. */
  readonly swapMax?: Size;
  /** Seconds that the kernel thread may be at one thing before the process ends, 1 to 86400; default 60. */
  readonly watchdog?: number;
}

const OPEN: Known<OpenOptions> = {
  ram: "any",
  devices: "array",
  swap: "string",
  swapMax: "any",
  watchdog: WATCHDOG,
};

/** What a program gets that does not say it by itself: variables of the environment. */
const RAM_VARIABLE = "HMS_RAM";
const DEVICES_VARIABLE = "HMS_DEVICES";

/** The option, or what the environment says, checked. Throws what `read` does; of a variable, the error names it. */
function given<T, V>(option: T | undefined, variable: string, read: (value: T | string) => V): V | undefined {
  if (option !== undefined) return read(option);
  const text = process.env[variable]?.trim() ?? "";
  if (text === "") return undefined;
  try {
    return read(text);
  } catch (error) {
    if (!HmsError.is(error)) throw error;
    throw new HmsError(
      error.code,
      error.errno,
      `${error.message} It is from ${variable} in the environment.`,
      { cause: error },
    );
  }
}

/** Bytes of a memory budget. Throws BAD_SIZE, BAD_RAM_SIZE (EINVAL). */
function ramOf(size: Size): number {
  const bytes = parseSize(size, "ram");
  budgetOf(bytes);
  return bytes;
}

/** Texts of devices. Throws what `readDeviceSpecs` does. */
function devicesOf(devices: readonly string[] | string): readonly string[] {
  const texts = typeof devices === "string" ? devices.split(/\s+/) : [...devices];
  readDeviceSpecs(texts);
  return texts;
}

/** The folder of the file for cold pages. Throws BAD_OPTION (EINVAL). */
function swapOf(folder: string): string {
  expectText("Opening hms", "its option swap", folder, PATH_BYTES);
  return resolve(folder);
}

function moduleBeside(name: string): URL {
  return new URL(`./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
}

/**
 * Opens hms: starts the kernel thread, which looks after memory and devices. The program ends as if it were not there,
 * and what was written to files is written back whichever way it ends, but for SIGKILL and crashes.
 *
 * Rejects with NO_USERFAULTFD, KERNEL_TOO_OLD and others where the machine does not allow it, with a remedy; BAD_DEVICE,
 * BAD_MEMORY_SIZE, BAD_OPTION, BAD_SIZE, BAD_RAM_SIZE (EINVAL).
 *
 * @example
 * ```ts
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB"] });
 * const x = hms.space.alloc(Float32Array, 1 << 20);
 * x.view.fill(1);
 * console.log(x.view[1000]); // 1
 * ```
 */
export async function open(options: OpenOptions = {}): Promise<Hms> {
  expectOptions("Opening hms", options, OPEN);
  const { swap, swapMax, watchdog = HANG_SECONDS } = options;
  const ram = given<Size, number>(options.ram, RAM_VARIABLE, ramOf);
  const devices = given(options.devices, DEVICES_VARIABLE, devicesOf);
  const asked = {
    ...(ram === undefined ? {} : { ram }),
    ...(devices === undefined ? {} : { devices }),
    ...(swap === undefined ? {} : { swap: swapOf(swap) }),
    ...(swapMax === undefined ? {} : { swapMax: swapMaxOf(swapMax) }),
  };
  warnOnce();
  const kernel = await startKernel(watchdog);
  const link = linkOf(kernel);
  try {
    const { context } = link.sync.context.open(asked);
    const recorder = await startRecorder(link, context, asked.ram);
    const closeAnyway = (): void => hms.closeAnyway();
    const hms = new Hms({
      link,
      context,
      space: null,
      end: () => {
        notAtExit(closeAnyway);
        link.close();
        kernel.end(true);
      },
      onWritableFile: catchSignals,
      ...(recorder === null ? {} : { beforeClose: () => recorder.stop() }),
    });
    atExit(closeAnyway);
    return hms;
  } catch (error) {
    link.close();
    kernel.end(false);
    throw error;
  }
}

/** The connection of this thread to its kernel thread, which ends when there can be none. */
function linkOf(kernel: KernelThread): Link {
  try {
    return new Link(kernel.meeting, true);
  } catch (error) {
    kernel.giveUp();
    throw asLimit("Opening hms", error) ?? error;
  }
}

/** Throws BAD_SIZE (EINVAL) for what is no size, or too small to be of use. */
function swapMaxOf(size: Size): number {
  const bytes = parseSize(size, "swapMax");
  if (bytes >= SWAP_LEAST) return bytes;
  throw new HmsError(
    "BAD_SIZE",
    "EINVAL",
    `Opening hms failed: swapMax must be at least ${SWAP_LEAST / 2 ** 20} MiB, not ${bytes} bytes. Without it the file for cold pages may grow to 64 GiB.`,
  );
}

let warned = false;

/** Says once what this machine does not allow although hms works, and how to allow it. */
function warnOnce(): void {
  if (warned) return;
  warned = true;
  const sentence = limitation(probe());
  if (sentence !== null) process.emitWarning(sentence, { code: "HMS_USER_MODE_FAULTS" });
}

interface KernelThread {
  readonly meeting: Meeting;
  /** Ends it; `keep`: the next hms gets its threads. */
  end(keep: boolean): void;
  /** Ends it although nobody has met it. */
  giveUp(): void;
}

/** A kernel thread with its watchdog. */
interface Threads {
  readonly kernel: Worker;
  readonly watchdog: Watchdog;
  readonly seconds: number;
  readonly heartbeat: Int32Array;
  readonly given: Int32Array;
  readonly wakePage: WakePage;
}

/** Threads that have nothing to serve: the next hms gets them. */
let idle: Threads | null = null;

/** Starts a kernel thread and its watchdog, or has those of an hms that is closed serve again. */
async function startKernel(seconds: number): Promise<KernelThread> {
  const bell = EventFd.create();
  const words = new SharedArrayBuffer(BYTES);
  let meeting: Meeting;
  let threads: Threads;
  try {
    const again = idle?.seconds === seconds ? idle : null;
    const wakePage = again?.wakePage ?? WakePage.create();
    meeting = { words, channel: `hms-${randomUUID()}`, wakeFd: bell.fd, wakePage: wakePage.data };
    threads =
      again !== null ? await useAgain(meeting, again) : await startThreads(meeting, wakePage, seconds);
  } catch (error) {
    bell.close();
    throw asLimit("Starting the kernel thread", error) ?? notStarted(error);
  }
  return {
    meeting,
    end(keep) {
      if (!waitForEnd(new Int32Array(words))) return;
      bell.close();
      if (idle === null && keep) idle = threads;
      else endThreads(threads);
    },
    giveUp() {
      endThreads(threads);
      bell.close();
    },
  };
}

function notStarted(cause: unknown): HmsError {
  return new HmsError("NO_KERNEL_THREAD", "EIO", `Starting the kernel thread failed: ${String(cause)}`, {
    cause,
  });
}

/** The error of an action that a limit on the process did not allow; null when it is something else. */
function asLimit(action: string, cause: unknown): HmsError | null {
  const text = String(cause);
  const fail = (code: string, errno: "ENOMEM" | "EAGAIN" | null, why: string): HmsError =>
    new HmsError(code, errno, `${action} failed: ${why}.`, { cause });
  if (/EMFILE|ENFILE|too many open files/i.test(text))
    return fail("NO_DESCRIPTOR", null, "no descriptor is left; close some, or raise the limit (ulimit -n)");
  if (/EAGAIN|ERR_WORKER_INIT_FAILED/.test(text))
    return fail(
      "NO_KERNEL_THREAD",
      "EAGAIN",
      "no thread can be started; end some, or raise the limits (ulimit -u, pids.max of the control group, ulimit -v)",
    );
  if (/ENOMEM|out of memory|allocation failed|OUT_OF_MEMORY/i.test(text))
    return fail("OUT_OF_MEMORY", "ENOMEM", "no memory is left; free some, or raise the limits (ulimit -v)");
  return null;
}

/** Neither thread keeps the process running. */
async function startThreads(meeting: Meeting, wakePage: WakePage, seconds: number): Promise<Threads> {
  const heartbeat = newHeartbeat();
  const given = new Int32Array(new SharedArrayBuffer(4));
  const workerData: KernelThreadData = { meeting, heartbeat, given };
  let kernel: Worker | null = null;
  let watchdog: Watchdog | null = null;
  try {
    kernel = new Worker(moduleBeside("kernel/thread"), {
      workerData,
      name: "hms kernel",
      ...threadOptions(),
    });
    await once(kernel, "message");
    watchdog = new Watchdog(heartbeat, { seconds });
    await watchdog.ready;
    kernel.unref();
    return { kernel, watchdog, seconds, heartbeat, given, wakePage };
  } catch (error) {
    watchdog?.stop();
    await kernel?.terminate();
    wakePage.giveBack();
    throw error;
  }
}

async function useAgain(meeting: Meeting, threads: Threads): Promise<Threads> {
  const { kernel, heartbeat, given } = threads;
  idle = null;
  heartbeat.fill(0);
  kernel.ref();
  const data: KernelThreadData = { meeting, heartbeat, given };
  kernel.postMessage(data);
  Atomics.add(given, 0, 1);
  Atomics.notify(given, 0);
  await once(kernel, "message");
  kernel.unref();
  return threads;
}

function endThreads({ kernel, watchdog, wakePage }: Threads): void {
  watchdog.stop();
  void kernel.terminate().then(() => wakePage.giveBack());
}

/** Whether the kernel thread has let go of everything. */
function waitForEnd(words: Int32Array): boolean {
  const until = performance.now() + END_MS;
  for (;;) {
    const tid = Atomics.load(words, KERNEL_TID);
    if (tid === 0) return true;
    const left = until - performance.now();
    if (left <= 0 || Atomics.wait(words, KERNEL_TID, tid, left) === "timed-out") return false;
  }
}

/** Connections of this thread to the kernel threads of others, and how many things use each. */
const links = new Map<string, { readonly link: Link; users: number }>();

function linkTo(meeting: Meeting): { readonly link: Link; release(): void } {
  const { channel } = meeting;
  let entry = links.get(channel);
  if (entry === undefined || entry.link.over) {
    const link = new Link(meeting, false);
    entry = { link, users: 0 };
    links.set(channel, entry);
    atExit(() => link.close());
  }
  const found = entry;
  found.users++;
  return {
    link: found.link,
    release() {
      if (--found.users > 0) return;
      found.link.close();
      if (links.get(channel) === found) links.delete(channel);
    },
  };
}

/**
 * Brings an hms, or one region, to this thread: the same memory at the same addresses. Give it back (`using`, `close`,
 * `free`) before the thread ends: until then the thread that opened hms cannot close it, nor free the region. Throws
 * HMS_CLOSED (ENODEV), BAD_HANDLE (ENOENT) for a region that is gone, BAD_HANDLE and BAD_TYPE (EINVAL) for what is no
 * handle as it was given, or says more than the region has.
 *
 * @example
 * ```ts
 * import { Worker } from "node:worker_threads";
 * import { open } from "hms";
 * using hms = await open({ ram: "64MiB" });
 * const x = hms.space.alloc(Int32Array, 1000);
 * const code = `
 *   const { workerData } = require("node:worker_threads");
 *   import("hms").then(({ attach }) => {
 *     const x = attach(workerData);
 *     x.view.fill(7);
 *     x.free();
 *   });`;
 * const worker = new Worker(code, { eval: true, workerData: x.handle() });
 * await new Promise((resolve) => worker.once("exit", resolve));
 * console.log(x.view[999]); // 7
 * ```
 */
export function attach(handle: HmsHandle): Hms;
export function attach<T extends TypedArray = TypedArray>(handle: RegionHandle): Shared<T>;
export function attach(handle: HmsHandle | RegionHandle): Hms | Shared<TypedArray> {
  expectHandle(handle);
  const { link, release } = linkTo(handle.meeting);
  try {
    if (handle.hms === "region") return attachRegion(link, handle, release);
    return new Hms({
      link,
      context: handle.context as Handle<"context">,
      space: handle.space as Handle<"space">,
      end: null,
      onWritableFile: catchSignals,
      onClose: release,
    });
  } catch (error) {
    release();
    throw error;
  }
}
