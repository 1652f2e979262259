// How a program that uses hms can end: it never hangs, and what was written to files is in them.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Ended, folder, runProgram, skip } from "./support/hms-lab.ts";

/** A program that has written to a file region, and has memory on disk and on the device; `end` is how it ends. */
const program = (path: string, end: string): string => `
import { open } from "hms";
const hms = await open({ ram: "16MiB", devices: ["accel:memory=4MiB"] });
const numbers = hms.space.file(${JSON.stringify(path)}, Uint32Array, { writable: true });
const x = hms.space.alloc(Uint32Array, 8 << 20);
for (let i = 0; i < x.length; i += 512) x.view[i] = i;
await hms.space.migrate(x.slice(0, 1 << 19), "accel0");
for (let i = 0; i < numbers.length; i++) numbers.view[i] = i;
const queue = hms.device("accel0").queue();
await queue.run(({ x }, { first, end }) => {
  for (let i = first; i < end; i++) x[i] = (x[i] ?? 0) + 1;
}, { x: numbers.update() });
numbers.view[7] = 4711;
const busy = (): Promise<unknown> => queue.run(({ x }, { first, end }, device) => {
  for (;;) for (let i = first; i < end; i++) { x[i] = (x[i] ?? 0) * 3; if (device.canceled) return; }
}, { x: x.update() });
console.log("ready");
${end}
`;

async function endOf(end: string, onOutput?: (text: string, pid: number) => void): Promise<Ended> {
  using place = folder();
  const path = join(place.path, "numbers");
  writeFileSync(path, new Uint32Array(5000));
  const ended = await runProgram(program(path, end), {
    seconds: 60,
    ...(onOutput === undefined ? {} : { onOutput }),
  });
  assert.notEqual(ended.signal, "SIGKILL", `it hung: ${ended.output}`);
  const bytes = readFileSync(path);
  const found = new Uint32Array(bytes.buffer, bytes.byteOffset, 5000);
  for (let i = 0; i < found.length; i++)
    assert.equal(found[i], i === 7 ? 4711 : i + 1, `number ${i}: ${ended.output}`);
  return ended;
}

/** Sends a signal when the program is ready. */
function signalling(signal: NodeJS.Signals): (text: string, pid: number) => void {
  let sent = false;
  return (text, pid) => {
    if (sent || !text.includes("ready")) return;
    sent = true;
    process.kill(pid, signal);
  };
}

describe("a program ends, and loses nothing", { skip, concurrency: 2 }, () => {
  test("by itself, without closing hms", async () => {
    const { code, output } = await endOf("");
    assert.equal(code, 0, output);
  });
  test("by closing hms, twice", async () => {
    const { code, output } = await endOf("hms.close(); hms.close();");
    assert.equal(code, 0, output);
  });
  test("by process.exit", async () => {
    const { code } = await endOf("process.exit(3);");
    assert.equal(code, 3);
  });
  test("by process.exit in the middle of a request", async () => {
    const { code, output } = await endOf("void busy(); setTimeout(() => process.exit(4), 100);");
    assert.equal(code, 4, output);
  });
  test("by closing hms in the middle of a request", async () => {
    const { code, output } = await endOf(
      `const { faults } = queue.statistics();
      const over = busy().catch((error) => console.log(error.code));
      // It runs when its thread has asked for a page.
      while (queue.statistics().faults === faults) await new Promise((later) => setTimeout(later, 5));
      hms.close();
      await over;`,
    );
    assert.equal(code, 0, output);
    assert.match(output, /QUEUE_DEAD|QUEUE_RESET|REQUEST_CANCELED|DEVICE_DIED/);
  });
  test("by an exception that nobody catches", async () => {
    const { code, output } = await endOf('void busy(); throw new Error("oh no");');
    assert.equal(code, 1);
    assert.match(output, /oh no/);
  });
  test("by a rejection that nobody handles", async () => {
    const { code } = await endOf('setTimeout(() => void Promise.reject(new Error("oh no")), 50);');
    assert.equal(code, 1);
  });
  test("by an exception in the loop over events", async () => {
    const { code } = await endOf(
      'using events = hms.events({ topics: ["faults"] }); numbers.view.at(-1); x.view[512 * 5000] = 1; for await (const event of events) throw new Error(event.kind);',
    );
    assert.equal(code, 1);
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    test(`by ${signal}`, async () => {
      const ended = await endOf("setInterval(() => undefined, 1000); void busy();", signalling(signal));
      assert.equal(ended.signal, signal, ended.output);
    });
  test("by a signal that the program itself listens for", async () => {
    const { code } = await endOf(
      'process.on("SIGTERM", () => process.exit(9)); setInterval(() => undefined, 1000);',
      signalling("SIGTERM"),
    );
    assert.equal(code, 9);
  });
  test("while a worker uses the memory", async () => {
    const { code, output } = await endOf(`
      const { Worker } = await import("node:worker_threads");
      const code = \`const { workerData, parentPort } = require("node:worker_threads");
        import("hms").then(({ attach }) => {
          const x = attach(workerData);
          parentPort.postMessage("there");
          for (let i = 0; ; i = (i + 1) % x.length) x.view[i]++;
        });\`;
      const worker = new Worker(code, { eval: true, workerData: x.handle() });
      await new Promise((there) => worker.once("message", there));
      await new Promise((later) => setTimeout(later, 100));
      process.exit(5);`);
    assert.equal(code, 5, output);
  });
});

/** The kernel thread on the toucher's processor, asleep in the read of its faults when the program does what follows. */
const asleep = (end: string): string => `
import { getAffinity, setAffinity } from "@hms/host-linux";
import { open } from "hms";
setAffinity((getAffinity() ?? [0]).slice(0, 1));
const hms = await open({ ram: "256MiB" });
const x = hms.space.alloc(Uint8Array, 64 << 20);
for (let i = 0; i < 20_000; i++) x.view[(i * 7919 % 16_384) * 4096] = i;
${end}
`;

describe("a program ends while the kernel thread waits for nothing but faults", {
  skip,
  concurrency: 2,
}, () => {
  const ended = async (end: string): Promise<Ended> => {
    const result = await runProgram(asleep(end), { seconds: 30 });
    assert.notEqual(result.signal, "SIGKILL", `it hung: ${result.output}`);
    return result;
  };
  test("by process.exit", async () => {
    assert.equal((await ended("process.exit(3);")).code, 3);
  });
  test("by closing hms", async () => {
    assert.equal((await ended("hms.close();")).code, 0);
  });
  test("by an exception", async () => {
    const { code, output } = await ended('throw new Error("oh no");');
    assert.equal(code, 1);
    assert.match(output, /oh no/);
  });
  test("by ending the worker that opened hms", async () => {
    const { code, output } = await ended(`
      const { Worker } = await import("node:worker_threads");
      const code = \`const { parentPort } = require("node:worker_threads");
        import("hms").then(async ({ open }) => {
          const hms = await open({ ram: "256MiB" });
          const x = hms.space.alloc(Uint8Array, 64 << 20);
          for (let i = 0; i < 20_000; i++) x.view[(i * 7919 % 16_384) * 4096] = i;
          parentPort.postMessage("there");
          setInterval(() => undefined, 1000);
        });\`;
      for (let round = 0; round < 3; round++) {
        const worker = new Worker(code, { eval: true });
        await new Promise((there) => worker.once("message", there));
        await worker.terminate();
        console.log("ended", round);
      }
      const { readdirSync } = await import("node:fs");
      const threads = () => readdirSync("/proc/self/task").length;
      const before = threads();
      await new Promise((later) => setTimeout(later, 1500));
      // One may be left of each, which nobody answers any more; and not more and more of them.
      if (threads() > before + 3) throw new Error(\`\${before} threads became \${threads()}\`);
      hms.close();`);
    assert.equal(code, 0, output);
    assert.match(output, /ended 2/);
  });
});

test("a touch of a part of a file that cannot be read is SIGBUS, and which and why is said before", {
  skip,
}, async () => {
  const { signal, output } = await runProgram(`
import { open } from "hms";
const hms = await open();
console.log(hms.space.file("/proc/self/mem", Uint8Array, { length: 4096, name: "memory" }).view[0]);`);
  assert.equal(signal, "SIGBUS", output);
  assert.match(output, /^hms: page 0 of memory cannot be had: its file cannot be read there\. .*SIGBUS/m);
});
