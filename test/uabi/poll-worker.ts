// The serving thread of test/uabi-eventfd.test.ts.
import { parentPort, workerData } from "node:worker_threads";
import { CORE, type Handle, RingServer, Service } from "@hms/uabi";
import koffi from "koffi";

const POLLIN = 1;
const FOR_EVER_MS = -1;

const { descriptor, rings, end } = workerData as {
  readonly descriptor: number;
  readonly rings: readonly SharedArrayBuffer[];
  readonly end: Int32Array;
};
const libc = koffi.load("libc.so.6");
const poll = libc.func("int poll(_Inout_ void *fds, unsigned long count, int timeoutMs)");
const read = libc.func("long read(int, _Out_ uint64_t *, unsigned long)");
const counter = new BigUint64Array(1);
// struct pollfd: int fd; short events; short revents.
const waiting = Buffer.alloc(8);

const service = new Service(CORE).on({
  space: { create: ({ context }) => ({ space: 1 as Handle<"space">, pasid: context }) },
});
const server = new RingServer(service);
for (const ring of rings) server.add(ring);
parentPort?.postMessage("ready");
while (Atomics.load(end, 0) === 0) {
  while (server.poll() > 0);
  if (server.prepareToSleep()) {
    waiting.writeInt32LE(descriptor, 0);
    waiting.writeInt16LE(POLLIN, 4);
    poll(waiting, 1, FOR_EVER_MS);
    read(descriptor, counter, 8);
  }
  server.awake();
}
server.close();
