// A serving thread as the linux host has it: it blocks in poll(2), and clients wake it by an eventfd.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { asyncClient, CORE, createRing, type Handle, RingClient, syncClient } from "@hms/uabi";
import koffi from "koffi";

const skip = process.platform === "linux" ? false : "eventfd is of Linux";
const EFD_CLOEXEC = 0o2000000;

test("a thread that blocks in poll(2) is woken by an eventfd, and only when it sleeps", {
  skip,
}, async () => {
  const libc = koffi.load("libc.so.6");
  const descriptor = libc.func("int eventfd(unsigned int, int)")(0, EFD_CLOEXEC) as number;
  assert.ok(descriptor >= 0);
  const write = libc.func("long write(int, const uint64_t *, unsigned long)");
  const one = new BigUint64Array([1n]);
  let woken = 0;
  const wake = (): void => {
    woken++;
    assert.equal(write(descriptor, one, 8), 8);
  };
  const rings = [createRing(8192), createRing(8192)];
  const end = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("uabi/poll-worker.ts", import.meta.url), {
    workerData: { descriptor, rings, end },
  });
  await once(worker, "message");
  const [first, second] = rings.map((ring) => new RingClient(ring, { wake, timeoutMs: 20_000 }));
  assert.ok(first && second);
  const sync = syncClient(CORE, first);
  const promised = asyncClient(CORE, second);
  for (let i = 1; i <= 300; i++) {
    const given = { context: i as Handle<"context"> };
    const [answer, other] = [promised.space.create(given), sync.space.create(given)];
    assert.equal(other.pasid, i);
    assert.equal((await answer).pasid, i);
  }
  // Many while it is awake cost few wake-ups.
  const before = woken;
  const many = Array.from({ length: 150 }, (_, i) =>
    promised.space.create({ context: (i + 1) as Handle<"context"> }),
  );
  await Promise.all(many);
  assert.ok(woken - before <= 150);
  assert.ok(woken > 0);
  Atomics.store(end, 0, 1);
  wake();
  await once(worker, "exit");
  await assert.rejects(promised.context.query(), { code: "CONNECTION_CLOSED" });
  libc.func("int close(int)")(descriptor);
});
