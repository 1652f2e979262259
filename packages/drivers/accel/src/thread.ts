// The device's thread. Its life is one call of `Engine.run`.
import { readlinkSync, writeSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { type BufferAt, Engine } from "./engine.ts";
import { E_THREAD, UNKNOWN_THREAD } from "./layout.ts";
import type { ThreadData } from "./messages.ts";

const STDERR = 2;
/** Bytes of one line of output at most. */
const LINE_MAX = 4096;

/** What would end the thread, or the process, from within a kernel. */
const FORBIDDEN = ["exit", "reallyExit", "abort", "kill"] as const;

function forbid(name: string): void {
  Object.defineProperty(process, name, {
    value: () => {
      throw new Error(`a kernel may not call process.${name}`);
    },
  });
}

/** The thread that started this one may never look at its streams: output goes out by itself. */
function print(prefix: string, values: readonly unknown[]): void {
  try {
    writeSync(STDERR, `${prefix}${values.map(String).join(" ").slice(0, LINE_MAX)}\n`);
  } catch {
    // Nobody to tell.
  }
}

/** The id of this thread, by which the kernel thread sees whether it still lives. */
function threadId(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").pop());
  } catch {
    return UNKNOWN_THREAD;
  }
}

async function linuxBufferAt(): Promise<BufferAt> {
  // Only a device that has windows of the real host needs its foreign calls.
  return (await import("@hms/host-linux")).bufferAt;
}

const data = workerData as ThreadData;
const prefix = `${data.name}: `;
for (const name of FORBIDDEN) forbid(name);
for (const name of ["log", "info", "warn", "error", "debug", "trace"] as const)
  console[name] = (...values: readonly unknown[]) => print(prefix, values);
// What a program does outside of its requests (a timer, a promise) ends neither them nor the device.
process.on("uncaughtException", (error) => print(prefix, ["outside of a request:", error]));
process.on("unhandledRejection", (error) => print(prefix, ["outside of a request:", error]));
const words = new Int32Array(data.engine);
if (Atomics.compareExchange(words, E_THREAD, 0, threadId()) === 0)
  await new Engine(data, linuxBufferAt).run();
