import { deepEqual, equal, ok } from "node:assert/strict";
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

step(
  file,
  "the kernel thread sleeps in the read while faults come, and hears who has something to say",
  async () => {
    const { kernel, bytes } = beside();
    const slept = (): number => kernel.call("sleptInRead") as number;
    for (let page = 0; page < 1000; page++) bytes[page * PAGE] = page;
    ok(slept() > 900, `${slept()} times`);
    // A message right after a fault, again and again: it finds the thread awake, falling asleep, and asleep.
    for (let page = 1000; page < PAGES; page++) {
      bytes[page * PAGE] = page;
      for (let wait = 0; wait < page % 400; wait++) Math.sqrt(wait);
      if (page % 16 === 0) equal(kernel.call("peek", 0), 0);
    }
    // Once for each fault or message, and not again and again for one.
    ok(slept() < 2 * PAGES, `${slept()} times`);
    for (let page = 0; page < PAGES; page++) equal(bytes[page * PAGE], page & 255);
    deepEqual(kernel.call("check"), []);
    await kernel.close();
  },
);

step(file, "nobody says anything: it looks at the clock all the same", async () => {
  const { kernel, bytes } = beside();
  for (let page = 0; page < 1000; page++) bytes[page * PAGE] = 1;
  const before = kernel.turns;
  const until = performance.now() + 1500;
  while (performance.now() < until) Math.sqrt(until);
  ok(kernel.turns > before + 1, `${kernel.turns - before} turns in 1.5 s`);
  await kernel.close();
});

step(file, "with a device's window, or shared memory, it sleeps where all descriptors wake it", async () => {
  const { kernel, bytes } = beside();
  const shared = kernel.map({ bytes: 1 << 20, kind: "shared" });
  const before = kernel.call("sleptInRead");
  for (let page = 0; page < 1000; page++) bytes[page * PAGE] = 1;
  equal(kernel.call("sleptInRead"), before);
  kernel.call("unmap", shared.address / PAGE, shared.bytes / PAGE);
  for (let page = 1000; page < 2000; page++) bytes[page * PAGE] = 1;
  ok((kernel.call("sleptInRead") as number) > (before as number) + 900);
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
