// A client that writes whatever it likes into the memory of its ring: the service goes on, other clients do not notice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { syncClient } from "../client.ts";
import type { Handle } from "../infer.ts";
import { CORE } from "../registry/core.ts";
import { Service } from "../service.ts";
import { Random } from "../testing/random.ts";
import { RingClient } from "./client.ts";
import { RingServer } from "./server.ts";
import { CONTROL_BYTES, createRing, SUBMISSION_TAIL } from "./words.ts";

const CAPACITY = 4096;
const ROUNDS = 1500;
const seed = Number(process.env.HMS_FUZZ_SEED ?? Math.floor(Math.random() * 0xffff_ffff));

test(`scribbles do no harm (HMS_FUZZ_SEED=${seed})`, (t) => {
  const random = new Random(seed);
  let calls = 0;
  const service = new Service(CORE).on({
    space: {
      create({ context }) {
        calls++;
        assert.ok(Number.isSafeInteger(context) && context > 0);
        return { space: context as number as Handle<"space">, pasid: 1 };
      },
    },
  });
  const server = new RingServer(service);
  const poll = (): void => {
    // Bounded, however much there seems to be.
    for (let i = 0; i < 200 && server.poll() > 0; i++);
    if (!server.prepareToSleep()) server.poll();
    server.awake();
  };
  const goodMemory = createRing(CAPACITY);
  server.add(goodMemory);
  const good = new RingClient(goodMemory, { wake: () => undefined });
  // The service runs in this thread: it is polled before the client waits.
  const goodClient = syncClient(CORE, {
    call(request) {
      return callPolled(good, request, poll);
    },
    close() {},
    [Symbol.dispose]() {},
  });
  let broken = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const memory = createRing(CAPACITY);
    server.add(memory);
    const words = new Int32Array(memory);
    const bytes = new Uint8Array(memory);
    const client = new RingClient(memory, { wake: () => undefined, timeoutMs: 0 });
    for (let turn = 0; turn < 4; turn++) {
      try {
        syncClient(CORE, client).space.create({ context: (1 + random.below(9)) as Handle<"context"> });
      } catch (error) {
        assert.ok(HmsError.is(error), String(error));
      }
      for (let i = random.below(6); i > 0; i--) scribble(words, bytes, random);
      poll();
    }
    const closed = server.size === 1;
    if (closed) broken++;
    else client.close();
    poll();
    assert.equal(server.size, 1, "it was not dropped");
    assert.equal(goodClient.space.create({ context: 3 as Handle<"context"> }).space, 3);
  }
  t.diagnostic(`${calls} requests carried out, ${broken} of ${ROUNDS} rings closed for what was in them`);
  assert.ok(broken > ROUNDS / 10 && broken < ROUNDS);
});

function scribble(words: Int32Array, bytes: Uint8Array, random: Random): void {
  const values = [0, 1, -1, 8, 24, 40, 4096, 0x7fff_ffff, -0x8000_0000, random.below(0xffff_ffff) | 0];
  const control = CONTROL_BYTES / 4;
  const what = random.below(6);
  if (what < 2) words[random.below(8) * 16 + random.below(2)] = random.one(values);
  else if (what < 4) words[SUBMISSION_TAIL] = ((words[SUBMISSION_TAIL] ?? 0) + random.below(12) * 8) | 0;
  else if (what === 4) words[control + random.below(CAPACITY / 4)] = random.one(values);
  else bytes[CONTROL_BYTES + random.below(2 * CAPACITY)] = random.below(256);
}

/** A call whose service runs in the same thread. */
function callPolled(client: RingClient, request: Uint8Array, poll: () => void): Uint8Array {
  const original = Atomics.wait;
  // The wait is where the other thread would run.
  Atomics.wait = ((words: Int32Array, index: number, value: number) => {
    poll();
    return Atomics.load(words, index) === value ? "timed-out" : "not-equal";
  }) as typeof Atomics.wait;
  try {
    return client.call(request);
  } finally {
    Atomics.wait = original;
  }
}
