// A thread that works on its own memory. What asks the kernel for something is done by the thread that started it: there
// may be hundreds of these, and each would load all of that again.
import { readlinkSync } from "node:fs";
import { basename } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { Area } from "./area.ts";
import { type Order, type Reply, sharedClockMs, type WorkerData } from "./messages.ts";

const { module, bytes } = workerData as WorkerData;
const port = parentPort;
if (port === null) throw new Error("this is a thread of measure()");
const area = new Area(module, bytes);

function obey(order: Order): Reply {
  switch (order.order) {
    case "touch":
      area.start = order.start;
      area.touch(order.bytes);
      return { reply: "done" };
    case "link":
      area.link(order.bytes, order.lineBytes, order.seed);
      return { reply: "done" };
    case "run": {
      const start = performance.now() + Math.max(0, order.startMs - sharedClockMs());
      while (performance.now() < start); // asleep, it would start late
      const done = area.run(order.work, order.library, order.bytes, start + order.windowMs);
      return { reply: "ran", done };
    }
  }
}

port.on("message", (order: Order) => port.postMessage(obey(order)));
// `PID/task/TID`
const thread = Number(basename(readlinkSync("/proc/thread-self")));
port.postMessage({ reply: "ready", thread, buffer: area.buffer } satisfies Reply);
