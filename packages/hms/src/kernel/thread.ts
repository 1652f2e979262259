// The kernel thread's start: everything else it does is in `Kernel`.
import { parentPort, workerData } from "node:worker_threads";
import { dieLoudly } from "@hms/host-linux";
import type { KernelThreadData } from "../beside.ts";
import { Kernel } from "./kernel.ts";

const kernel = new Kernel(workerData as KernelThreadData);
parentPort?.postMessage("ready");
try {
  kernel.run();
} catch (error) {
  // Someone may be waiting for an answer that will not come.
  dieLoudly(`the kernel thread failed: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
}
parentPort?.close();
