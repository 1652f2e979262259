import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { QueueClient } from "./client.ts";
import { ECANCELED, EIO, WHY } from "./code.ts";
import type { AccelQueue } from "./queue.ts";
import { Lab } from "./testing/lab.ts";

interface Range {
  readonly first: number;
  readonly end: number;
}

function count({ x }: { x: Int32Array }, { first, end }: Range): void {
  for (let i = first; i < end; i++) x[i] = (x[i] ?? 0) + 1;
}

test("killing the device's thread at random moments loses no request without saying so", {
  timeout: 180_000,
}, async () => {
  await using lab = new Lab({ depth: 32, pages: 64, queuesMax: 1024 });
  lab.fill();
  const kernel = await lab.kernel(count, ["x"]);
  const length = 4000;
  const x = { region: 1, type: "int32", length } as const;
  let done = 0;
  let died = 0;
  let canceled = 0;
  let queue: AccelQueue = lab.open(32);
  let client = new QueueClient(queue.mapping);
  for (let round = 0; round < 40; round++) {
    const ids: number[] = [];
    for (let i = 0; i < 20; i++) ids.push(client.submit({ kernel, args: [x] }));
    await sleep(Math.random() * 4);
    if (round % 2 === 0) lab.driver.resetDevice();
    // The windows were zapped: what the device needs it has to get again.
    if (round % 2 === 0) await lab.until(() => lab.driver.status().restarts > round / 2);
    lab.fill();
    for (const id of ids) {
      const { code, why } = await client.completion(id);
      if (code === 0) done++;
      else if (code === EIO) {
        assert.equal(why, WHY.deviceDied);
        died++;
      } else {
        assert.equal(code, ECANCELED);
        canceled++;
      }
    }
    if (queue.state === "zombie") {
      client.close();
      queue.close();
      queue = lab.open(32);
      client = new QueueClient(queue.mapping);
    }
  }
  client.close();
  assert.equal(done + died + canceled, 40 * 20);
  assert.ok(done > 0);
  assert.equal(lab.driver.status().restarts, 20);
});

test("a thread that follows goes on with what had not begun, and with what was between two parts", {
  timeout: 60_000,
}, async () => {
  await using lab = new Lab({ pages: 64 });
  lab.fill();
  const kernel = await lab.kernel(count, ["x"]);
  const slow = await lab.kernel(
    ({ x }: { x: Int32Array }, { first, end }: Range) => {
      for (let i = first; i < end; i++) {
        const until = performance.now() + 0.2;
        while (performance.now() < until);
        x[i] = (x[i] ?? 0) + 1;
      }
    },
    ["x"],
  );
  const long = lab.open();
  const short = lab.open();
  using longClient = new QueueClient(long.mapping);
  using shortClient = new QueueClient(short.mapping);
  const args = [{ region: 1, type: "int32", length: 2000 } as const];
  const a = longClient.submit({ kernel: slow, args });
  // Both run in turns: whichever is at work when the thread ends dies, the other one goes on where it was.
  const b = shortClient.submit({
    kernel: slow,
    args: [{ region: 1, type: "int32", byteOffset: 32768, length: 2000 }],
  });
  const c = lab.client.submit({
    kernel,
    args: [{ region: 1, type: "int32", byteOffset: 65536, length: 1000 }],
  });
  assert.equal(lab.client.wait(c, 10_000), 0);
  await sleep(30);
  lab.driver.resetDevice();
  await lab.until(() => lab.driver.status().restarts === 1);
  lab.fill();
  const codes = [(await longClient.completion(a)).code, (await shortClient.completion(b)).code];
  assert.ok(codes.includes(0), `one of them was not at work: ${codes}`);
  assert.ok(codes.filter((code) => code === EIO).length <= 1);
  const words = new Int32Array(lab.window.buffer);
  if (codes[0] === 0) assert.ok(words.subarray(0, 2000).every((value) => value === 1));
  if (codes[1] === 0) assert.ok(words.subarray(8192, 10192).every((value) => value === 1));
});

test("ending the device again and again, from the first moment on, leaves nothing behind", {
  timeout: 120_000,
}, async () => {
  await using lab = new Lab();
  for (let round = 0; round < 15; round++) {
    lab.driver.resetDevice();
    await sleep(Math.random() * 30);
  }
  await lab.until(() => lab.driver.status().state === "running");
  assert.equal((await lab.client.run({ kernel: 0 })).code, 0);
});

test("a device whose thread never comes up is given up, and says so", { timeout: 60_000 }, async () => {
  const lab = new Lab({ thread: new URL("data:text/javascript,throw new Error('broken')") });
  const id = lab.client.submit({ kernel: 0 });
  await lab.until(() => lab.driver.status().state === "isolated", 30_000);
  assert.notEqual((await lab.client.completion(id)).code, 0);
  assert.equal(lab.queue.state, "zombie");
  assert.throws(() => lab.open(), { errno: "ENXIO" });
  assert.ok(lab.driver.status().restarts < 10);
  await lab[Symbol.asyncDispose]();
});

test("closing while requests run ends them, and the process can end", { timeout: 60_000 }, async () => {
  for (let round = 0; round < 5; round++) {
    const lab = new Lab();
    lab.fill();
    const kernel = await lab.kernel(
      ({ x }: { x: Int32Array }) => {
        for (;;) x[0] = 1;
      },
      ["x"],
    );
    const promise = lab.client.completion(
      lab.client.submit({ kernel, args: [{ region: 1, type: "int32", length: 4 }] }),
    );
    await sleep(round * 3);
    lab.driver.close();
    const { code } = await promise;
    assert.ok(code === EIO || code === ECANCELED, String(code));
    await lab[Symbol.asyncDispose]();
  }
});
