import { parentPort, workerData } from "node:worker_threads";
import type { Place } from "./tree/read.ts";
import { Work } from "./work.ts";

// One share of a tree, in a thread of its own: what the main thread asks for is a method of Work.
const port = parentPort;
if (port === null) throw new Error("This file is run as a worker");
const work = new Work(workerData as Place, (count) => port.postMessage({ files: count }));

port.on("message", async (message: { readonly method: keyof Work; readonly args: unknown[] }) => {
  try {
    const method = work[message.method] as (...args: unknown[]) => unknown;
    port.postMessage({ result: await method.apply(work, message.args) });
  } catch (error) {
    port.postMessage({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
