import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { threadOptions } from "@hms/host-linux";
import type { Handle } from "@hms/uabi";
import type { Link } from "../link.ts";
import { CONTROL_BYTES, DONE, type RecorderData, STOP } from "./recorder.ts";

/** Name of the variable of the environment that says in which folder recordings are to be kept. */
const FOLDER_VARIABLE = "HMS_REPORT";
/** How long the last look may take. Milliseconds. */
const STOP_MS = 10_000;

/** What records an open hms until it is closed. */
export interface Recorder {
  /** Takes a last look, and waits until it is written. */
  stop(): void;
}

let recordings = 0;

/** Records this hms if the environment asks for it (`hms run` does): a thread that looks on. */
export async function startRecorder(
  link: Link,
  context: Handle<"context">,
  ramBytes: number | undefined,
): Promise<Recorder | null> {
  const folder = process.env[FOLDER_VARIABLE];
  if (folder === undefined || folder === "") return null;
  const control = new SharedArrayBuffer(CONTROL_BYTES);
  const data: RecorderData = {
    meeting: link.meeting,
    context,
    path: join(folder, `${process.pid}-${++recordings}.json`),
    control,
    ramBytes: ramBytes ?? null,
  };
  const module = new URL(
    `./recorder-thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`,
    import.meta.url,
  );
  const worker = new Worker(module, {
    workerData: data,
    name: "hms recorder",
    ...threadOptions(),
  });
  await once(worker, "message");
  worker.unref();
  const words = new Int32Array(control);
  return {
    stop() {
      if (Atomics.exchange(words, STOP, 1) === 1) return;
      Atomics.notify(words, STOP);
      if (Atomics.wait(words, DONE, 0, STOP_MS) === "timed-out") return;
      // Twice round, and the kernel thread has seen that the recorder is gone.
      for (let i = 0; i < 2; i++) link.sync.context.statistics({ context });
    },
  };
}
