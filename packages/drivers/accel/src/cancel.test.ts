// Cancelling what does not end by itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueClient } from "./client.ts";
import { ECANCELED, WHY } from "./code.ts";
import { Lab } from "./testing/lab.ts";

interface Range {
  readonly first: number;
  readonly end: number;
}

const endless = ({ x }: { x: Int32Array }): void => {
  for (;;) x[0] = 1;
};
const count = ({ x }: { x: Int32Array }, { first, end }: Range): void => {
  for (let i = first; i < end; i++) x[4] = (x[4] ?? 0) + 1;
};
const slow = ({ x }: { x: Int32Array }, { first, end }: Range): void => {
  for (let i = first; i < end; i++) {
    const until = performance.now() + 0.2;
    while (performance.now() < until);
    x[2] = i + 1;
  }
};
const x = { region: 1, type: "int32", length: 100 } as const;
const range = { first: 0, end: 10 };
/** A second of the simulated host's clock, which ticks at most once a millisecond, with some room. */
const SOON = 20_000;

test("a cancelled request that never ends is ended with the thread; its queue and others go on", {
  timeout: 60_000,
}, async () => {
  await using lab = new Lab();
  lab.fill();
  const other = lab.open();
  using otherClient = new QueueClient(other.mapping);
  const kernel = await lab.kernel(endless, ["x"]);
  const counting = await lab.kernel(count, ["x"]);
  const running = lab.client.submit({ kernel, args: [x] });
  const next = lab.client.submit({ kernel: counting, args: [x], range });
  const words = new Int32Array(lab.window.buffer);
  await lab.until(() => words[0] === 1);
  const beside = otherClient.submit({ kernel: counting, args: [x], range });
  assert.equal(lab.client.cancel(running), "asked");
  await lab.until(() => lab.driver.status().restarts === 1, SOON);
  lab.fill();
  const ended = await lab.client.completion(running);
  assert.deepEqual([ended.code, ended.why], [ECANCELED, WHY.canceled]);
  assert.match(ended.detail, /was cancelled/);
  assert.equal((await lab.client.completion(next)).code, 0);
  assert.equal((await otherClient.completion(beside)).code, 0);
  assert.deepEqual([lab.queue.state, other.state], ["started", "started"]);
  const { canceled, errors, requests } = lab.queue.statistics();
  assert.deepEqual([canceled, errors, requests], [1, 0, 2]);
  assert.equal(lab.driver.status().errorsLastHour, 0);
  assert.equal(new Int32Array(lab.window.buffer)[4], 20);
});

test("a cancelled request that ends in time costs no thread", { timeout: 60_000 }, async () => {
  await using lab = new Lab();
  lab.fill();
  const kernel = await lab.kernel(slow, ["x"]);
  const words = new Int32Array(lab.window.buffer);
  for (let round = 0; round < 3; round++) {
    words[2] = 0;
    const id = lab.client.submit({ kernel, args: [x], range: { first: 0, end: 1e9 } });
    await lab.until(() => (words[2] ?? 0) > 0);
    lab.client.cancel(id);
    assert.equal((await lab.client.completion(id)).code, ECANCELED);
  }
  assert.equal(lab.driver.status().restarts, 0);
});

test("what is between two parts is cancelled although another queue's kernel never ends", {
  timeout: 60_000,
}, async () => {
  await using lab = new Lab();
  lab.fill();
  const other = lab.open();
  using otherClient = new QueueClient(other.mapping);
  const kernel = await lab.kernel(slow, ["x"]);
  const never = await lab.kernel(endless, ["x"]);
  const words = new Int32Array(lab.window.buffer);
  const parted = lab.client.submit({ kernel, args: [x], range: { first: 0, end: 1e9 } });
  await lab.until(() => (words[2] ?? 0) > 0);
  const stuck = otherClient.submit({ kernel: never, args: [x] });
  await lab.until(() => words[0] === 1);
  lab.client.cancel(parted);
  await lab.until(() => lab.client.outcome(parted) !== null, SOON);
  assert.equal(lab.client.outcome(parted)?.code, ECANCELED);
  assert.equal(lab.driver.status().restarts, 0);
  otherClient.cancel(stuck);
  await lab.until(() => otherClient.outcome(stuck) !== null, SOON);
  assert.equal(otherClient.outcome(stuck)?.code, ECANCELED);
  lab.fill();
  await lab.client.run({ kernel: 0 });
  await otherClient.run({ kernel: 0 });
});
