import { deepEqual, equal, ok } from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { getAffinity, setAffinity } from "./sys/cpu.ts";
import { step } from "./sys/testing/step.ts";
import { WakePage } from "./sys/wake-page.ts";
import { Kernel, type MappedRegion } from "./testing/kernel.ts";

const file = import.meta.filename;
const PAGE = 4096;
const PAGES = 8192;

/** A kernel thread on the processor of this thread, and memory of which each touch is a fault. */
function beside(): { readonly kernel: Kernel; readonly region: MappedRegion; readonly bytes: Uint8Array } {
  setAffinity((getAffinity() ?? [0]).slice(0, 1));
  const kernel = new Kernel();
  const region = kernel.map({ bytes: PAGES * PAGE, huge: false });
  kernel.call("window", region.id, 1);
  return { kernel, region, bytes: kernel.bytes(region) };
}

/** Touches pages until the kernel thread sleeps in the read: others who want the processor may keep it from that. */
function touchUntilAsleep({ kernel, region, bytes }: ReturnType<typeof beside>): void {
  const slept = (): number => kernel.call("sleptInRead") as number;
  for (let tries = 0; tries < 200; tries++) {
    kernel.call("discard", region.address / PAGE, PAGES);
    const before = slept();
    for (let page = 0; page < 100; page++) bytes[page * PAGE] = 1;
    if (slept() - before > 50) {
      kernel.call("discard", region.address / PAGE, PAGES);
      return;
    }
  }
  throw new Error("the kernel thread does not sleep in the read");
}

step(
  file,
  "the kernel thread sleeps in the read while faults come, and hears who has something to say",
  async () => {
    const parts = beside();
    const { kernel, bytes } = parts;
    touchUntilAsleep(parts);
    const before = kernel.call("sleptInRead") as number;
    const slept = (): number => (kernel.call("sleptInRead") as number) - before;
    for (let page = 0; page < 1000; page++) bytes[page * PAGE] = page;
    // A message right after a fault, again and again: it finds the thread awake, falling asleep, and asleep.
    for (let page = 1000; page < PAGES; page++) {
      bytes[page * PAGE] = page;
      for (let wait = 0; wait < page % 400; wait++) Math.sqrt(wait);
      if (page % 16 === 0) equal(kernel.call("peek", 0), 0);
    }
    // Once for each fault or message, and not again and again for one; and after a message as before it.
    ok(slept() < 2 * PAGES && slept() > PAGES / 20, `${slept()} times`);
    for (let page = 0; page < PAGES; page++) equal(bytes[page * PAGE], page & 255);
    deepEqual(kernel.call("check"), []);
    await kernel.close();
  },
);

step(file, "somebody is heard while another thread drops memory all the time", async () => {
  const { kernel, bytes, region } = beside();
  const dropped = kernel.map({ bytes: 1 << 20 });
  const code = `const { workerData: { file, address } } = require("node:worker_threads");
    import(file).then(({ madvise }) => {
      const pause = new Int32Array(new SharedArrayBuffer(4));
      for (;;) { madvise(address, 16384, 4); Atomics.wait(pause, 0, 0, Math.random() / 2); }
    });`;
  const workerData = { file: join(import.meta.dirname, "sys/memory.ts"), address: dropped.address };
  const worker = new Worker(code, { eval: true, workerData });
  await once(worker, "online");
  const until = performance.now() + 4000;
  let asked = 0;
  for (let page = 0; performance.now() < until; page = (page + 16) % PAGES) {
    for (let k = 0; k < 16; k++) bytes[(page + k) * PAGE] = k;
    if (page === 0) kernel.call("discard", region.address / PAGE, PAGES);
    equal(kernel.call("peek", 0), 0);
    asked++;
  }
  ok(asked > 50, `${asked} answers`);
  await worker.terminate();
  await kernel.close();
});

step(file, "nobody says anything: it looks at the clock all the same", async () => {
  const parts = beside();
  const { kernel } = parts;
  touchUntilAsleep(parts);
  const before = kernel.turns;
  const until = performance.now() + 1500;
  while (performance.now() < until) Math.sqrt(until);
  ok(kernel.turns > before + 1, `${kernel.turns - before} turns in 1.5 s`);
  await kernel.close();
});

step(file, "with a device's window, or shared memory, it sleeps where all descriptors wake it", async () => {
  const parts = beside();
  const { kernel, bytes } = parts;
  const shared = kernel.map({ bytes: 1 << 20, kind: "shared" });
  const before = kernel.call("sleptInRead");
  for (let page = 0; page < 1000; page++) bytes[page * PAGE] = 1;
  equal(kernel.call("sleptInRead"), before);
  kernel.call("unmap", shared.address / PAGE, shared.bytes / PAGE);
  touchUntilAsleep(parts);
  await kernel.close();
});

step(
  file,
  "a page that was given back is used again, and nobody sleeps at one that no kernel thread knows",
  async () => {
    const page = WakePage.create();
    equal(page.ring(), false);
    page.giveBack();
    equal(WakePage.create().data.address, page.data.address);
  },
);
