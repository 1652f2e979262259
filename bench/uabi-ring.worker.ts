// The other thread of bench/uabi-ring.bench.ts: a service behind a ring, and before it a bare echo of a word.
import { workerData } from "node:worker_threads";
import { CORE, type Handle, RingServer, Service } from "@hms/uabi";

const { bell, echo, ring } = workerData as {
  readonly bell: Int32Array;
  readonly echo: Int32Array;
  readonly ring: SharedArrayBuffer;
};

const service = new Service(CORE).on({
  space: {
    create: () => ({ space: 1 as Handle<"space">, pasid: 1 }),
    migrate: ({ range }) => ({ moved: range.count, left: 0, kept: [] }),
  },
});
const server = new RingServer(service);
server.add(ring);
Atomics.store(bell, 1, 1);
Atomics.notify(bell, 1);

// Word 0 of the echo asks, word 1 answers; below zero it ends.
for (let seen = 0; seen >= 0; ) {
  Atomics.wait(echo, 0, seen);
  seen = Atomics.load(echo, 0);
  Atomics.store(echo, 1, seen);
  Atomics.notify(echo, 1);
}
while (Atomics.load(bell, 2) === 0) {
  const seen = Atomics.load(bell, 0);
  while (server.poll() > 0);
  if (server.prepareToSleep()) Atomics.wait(bell, 0, seen);
  server.awake();
}
