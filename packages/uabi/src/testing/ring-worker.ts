// A service in a thread of its own for tests of rings: it sleeps on a word that wake-ups count up.
import { parentPort, workerData } from "node:worker_threads";
import type { Handle } from "../infer.ts";
import { CORE } from "../registry/core.ts";
import { RingServer } from "../ring/server.ts";
import { Service } from "../service.ts";

/** What the thread is started with. */
export interface RingWorkerData {
  /** Word 0 counts wake-ups, word 1 the times it slept, word 2 asks it to end. */
  readonly bell: Int32Array;
  readonly rings: readonly SharedArrayBuffer[];
}

const { bell, rings } = workerData as RingWorkerData;
const service = new Service(CORE).on({
  space: {
    create: ({ context }) => ({ space: (context + 1) as number as Handle<"space">, pasid: context % 1000 }),
    explain: ({ range }) => ({
      runs: [
        {
          first: range.first,
          count: range.count,
          place: "host".repeat(1 + (range.first % 20)),
          state: "mapped",
          writable: true,
          huge: false,
          cause: "none",
        },
      ],
      next: range.first,
    }),
  },
  device: {
    // Answers as long as it was asked for: for full rings.
    control: ({ command }) => ({ reply: new Uint8Array((command[0] ?? 0) * 256).fill(command[1] ?? 0) }),
  },
});
const server = new RingServer(service);
for (const ring of rings) server.add(ring);
parentPort?.postMessage("ready");
while (Atomics.load(bell, 2) === 0) {
  const seen = Atomics.load(bell, 0);
  while (server.poll() > 0);
  if (server.prepareToSleep()) {
    Atomics.add(bell, 1, 1);
    Atomics.wait(bell, 0, seen);
  }
  server.awake();
}
server.close();
