// A thread that works on its own memory, on a CPU of its own.
import { parentPort, workerData } from "node:worker_threads";
import { setAffinity } from "@hms/host-linux";
import { Area } from "./area.ts";
import { type Order, type Reply, sharedClockMs, type WorkerData } from "./messages.ts";

const { module, cpu, bytes } = workerData as WorkerData;
const port = parentPort;
if (port === null) throw new Error("this is a thread of measure()");

// First of all: what the memory is made with runs where it will be used.
const pinned = setAffinity([cpu]);
const area = new Area(module, bytes);

function obey(order: Order): Reply {
  switch (order.order) {
    case "place": {
      const bound = area.pages.place(order.node, order.huge);
      area.touch(order.bytes);
      const found = area.pages.pagesFound(order.bytes);
      return { reply: "placed", placed: { bound, found, hugePart: area.pages.hugePart(order.bytes) } };
    }
    case "link":
      area.link(order.bytes, order.lineBytes, order.seed);
      return { reply: "done" };
    case "run": {
      const start = performance.now() + Math.max(0, order.startMs - sharedClockMs());
      while (performance.now() < start); // asleep, it would start late
      return { reply: "ran", ...area.run(order.work, order.library, order.bytes, start + order.windowMs) };
    }
    case "release":
      area.pages.release();
      return { reply: "done" };
  }
}

port.on("message", (order: Order) => port.postMessage(obey(order)));
port.postMessage({ reply: "ready", pinned } satisfies Reply);
