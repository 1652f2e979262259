import { deepEqual, equal, notEqual } from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { Placement } from "./placement.ts";
import { currentCpu, getAffinity, gettid, setAffinity, Whereabouts } from "./sys/cpu.ts";
import { step } from "./sys/testing/step.ts";

const file = import.meta.filename;
const allowed = getAffinity() ?? [];
const skip = allowed.length < 2 && "needs two processors";

/** A thread that stays on one processor, asleep; its number, and what ends it. */
async function threadOn(cpu: number): Promise<{ thread: number; end: () => Promise<unknown> }> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const cpus = new URL("./sys/cpu.ts", import.meta.url);
  const worker = new Worker(
    `const { words, cpu } = require("node:worker_threads").workerData;
     import(${JSON.stringify(cpus.href)}).then(({ gettid, setAffinity }) => {
       setAffinity([cpu]);
       Atomics.store(words, 0, gettid());
       Atomics.notify(words, 0);
       while (Atomics.load(words, 1) === 0) Atomics.wait(words, 1, 0);
     });`,
    { eval: true, workerData: { words, cpu }, name: "a) b (c" },
  );
  await Atomics.waitAsync(words, 0, 0).value;
  return {
    thread: Atomics.load(words, 0),
    end: async () => {
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
      await ended;
    },
  };
}

/** The calling thread is there, and may not go. */
function goTo(cpu: number): void {
  equal(setAffinity([cpu]), 0);
  equal(currentCpu(), cpu);
}

/** The calling thread is there, and may go. */
function beAt(cpu: number): void {
  goTo(cpu);
  equal(setAffinity(allowed), 0);
}

step(file, "where a thread is, or waits to run, is known, whatever its name", async () => {
  const where = new Whereabouts();
  for (const cpu of allowed) {
    const { thread, end } = await threadOn(cpu);
    equal(where.cpuOf(thread), cpu);
    goTo(cpu);
    deepEqual([where.cpuOf(gettid()), where.cpuOf(thread)], [cpu, cpu]);
    await end();
    equal(where.cpuOf(thread), -1);
  }
  where[Symbol.dispose]();
});

step(
  file,
  "it makes way for the thread that it answered, once, and is free to run anywhere again",
  async () => {
    const [here = 0] = allowed;
    const placement = new Placement();
    const { thread, end } = await threadOn(here);
    beAt(here);
    placement.makeWay();
    equal(currentCpu(), here, "nothing was answered yet");
    placement.faulted(thread, 1);
    placement.makeWay();
    notEqual(currentCpu(), here);
    deepEqual(getAffinity(), allowed);
    beAt(here);
    placement.makeWay();
    equal(currentCpu(), here, "it has made way already");
    placement.close();
    await end();
    beAt(here);
    placement.faulted(thread, 2);
    placement.makeWay();
    equal(currentCpu(), here, "the thread is gone");
  },
  { skip },
);

step(
  file,
  "it stays on the processors that someone has confined it to meanwhile",
  async () => {
    const [here = 0] = allowed;
    const placement = new Placement();
    const { thread, end } = await threadOn(here);
    goTo(here);
    placement.faulted(thread, 1);
    placement.makeWay();
    deepEqual([currentCpu(), getAffinity()], [here, [here]]);
    placement.close();
    await end();
  },
  { skip },
);

step(
  file,
  "it stays where nobody waits, and where it was told to be",
  async () => {
    const [here = 0, there = 1] = allowed;
    const { thread, end } = await threadOn(there);
    const free = new Placement();
    beAt(here);
    free.faulted(thread, 1);
    free.makeWay();
    equal(currentCpu(), here);
    free.close();
    const told = new Placement({ cpus: [there] });
    told.faulted(thread, 1);
    told.makeWay();
    deepEqual([currentCpu(), getAffinity()], [there, [there]]);
    told.close();
    await end();
  },
  { skip },
);
