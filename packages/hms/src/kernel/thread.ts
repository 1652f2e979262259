// The kernel thread: serves one hms after another. Everything that it does is in `Kernel`.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { dieLoudly, Placement } from "@hms/host-linux";
import type { KernelThreadData } from "../beside.ts";
import { Kernel } from "./kernel.ts";

const port = parentPort as MessagePort;
// Of the thread, not of what it serves: it knows where the thread was allowed to run at first.
const placement = new Placement();

/** What is to be served next, as soon as there is something. */
function next(given: Int32Array): KernelThreadData {
  for (;;) {
    const seen = Atomics.load(given, 0);
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message as KernelThreadData;
    Atomics.wait(given, 0, seen);
  }
}

/** Serves one. What it throws before it is ready is the error of whoever opens hms. */
function serve(data: KernelThreadData): void {
  const kernel = new Kernel(data, placement);
  port.postMessage("ready");
  try {
    kernel.run();
  } catch (error) {
    // Someone may be waiting for an answer that will not come.
    dieLoudly(`the kernel thread failed: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
  }
}

for (let data = workerData as KernelThreadData; ; data = next(data.given)) serve(data);
