// The recorder's start: everything else it does is in `ContextRecorder`.
import { parentPort, workerData } from "node:worker_threads";
import { ContextRecorder, type RecorderData } from "./recorder.ts";

const recorder = new ContextRecorder(workerData as RecorderData);
recorder.begin();
parentPort?.postMessage("ready");
recorder.run();
parentPort?.close();
