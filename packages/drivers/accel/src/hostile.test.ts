import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { QueueClient } from "./client.ts";
import { EINVAL } from "./code.ts";
import { type RegionView, Submission } from "./engine-decode.ts";
import { Failure } from "./engine-failure.ts";
import {
  ACCESS_READ,
  ACCESS_WRITE,
  ARGUMENT_BYTES,
  CANCEL_ASKED,
  COMPLETE_HEAD,
  COMPLETE_TAIL,
  HEADER_BYTES,
  KIND_ARRAY,
  makeQueueMemory,
  partsOf,
  SUBMISSION_HEADER_BYTES,
  SUBMIT_TAIL,
  WAIT_TARGET,
  WAITING,
} from "./layout.ts";
import { Encoder } from "./request.ts";
import { Lab } from "./testing/lab.ts";

const SHAPE = { depth: 2, argumentsMax: 4 };
const SLOT_WORDS = (SUBMISSION_HEADER_BYTES + SHAPE.argumentsMax * ARGUMENT_BYTES) / 4;

/** Words that are more often near something that matters than not. */
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, KIND_ARRAY | (8 << 8) | (3 << 16), -1, 0x7fffffff, -0x80000000, 4096, 65536),
  fc.integer({ min: -0x80000000, max: 0x7fffffff }),
);

test("whatever is in a slot, decoding answers with an error or with arrays inside of their regions", () => {
  const view: RegionView = {
    region: 1,
    buffer: new SharedArrayBuffer(3 * 4096),
    byteOffset: 4096,
    bytes: 4096,
    access: ACCESS_READ | ACCESS_WRITE,
  };
  fc.assert(
    fc.property(fc.array(word, { minLength: SLOT_WORDS, maxLength: SLOT_WORDS }), (words) => {
      const memory = makeQueueMemory(0, SHAPE);
      new Int32Array(memory).set(words, HEADER_BYTES / 4);
      const submission = new Submission(memory, SHAPE.argumentsMax);
      try {
        submission.read(HEADER_BYTES);
        for (let i = 0; i < submission.count; i++) {
          if (!submission.isArray(i)) {
            submission.value(i);
            continue;
          }
          const byte = submission.locate(i, submission.region(i) === 1 ? view : undefined);
          const array = submission.array(i, view, byte);
          assert.ok(array.byteOffset >= 4096 && array.byteOffset + array.byteLength <= 8192);
        }
        assert.ok(submission.count <= SHAPE.argumentsMax && submission.first <= submission.end);
      } catch (error) {
        assert.ok(error instanceof Failure, String(error));
        assert.ok(error.code > 0 && error.message.length > 0);
      }
    }),
    { numRuns: 20_000 },
  );
});

test("what the client encodes is what the device decodes", () => {
  const argument = fc.oneof(
    fc.double(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.record({
      region: fc.constant(1),
      type: fc.constant("float64" as const),
      byteOffset: fc.nat(100).map((n) => n * 8),
      length: fc.nat(100),
      access: fc.constantFrom("read" as const, "write" as const, "update" as const),
    }),
  );
  const range = fc
    .tuple(fc.maxSafeNat(), fc.maxSafeNat())
    .map(([a, b]) => ({ first: Math.min(a, b), end: Math.max(a, b) }));
  const view = { region: 1, buffer: new ArrayBuffer(4096), byteOffset: 0, bytes: 4096, access: 3 };
  const memory = makeQueueMemory(0, SHAPE);
  const encoder = new Encoder(memory, SHAPE.argumentsMax);
  fc.assert(
    fc.property(
      fc.array(argument, { maxLength: 4 }),
      range,
      fc.nat(),
      fc.boolean(),
      (args, range, kernel, whole) => {
        encoder.encode(HEADER_BYTES, 77, { kernel, args, range, whole }, 12.5);
        const submission = new Submission(memory, SHAPE.argumentsMax);
        submission.read(HEADER_BYTES);
        assert.deepEqual(
          [
            submission.id,
            submission.kernel,
            submission.first,
            submission.end,
            submission.whole,
            submission.submittedAt,
          ],
          [77, kernel, range.first, range.end, whole, 12.5],
        );
        args.forEach((argument, i) => {
          if (typeof argument !== "object") {
            assert.ok(Object.is(submission.value(i), argument));
            return;
          }
          const array = submission.array(i, view, submission.locate(i, view));
          assert.deepEqual([array.byteOffset, array.length], [argument.byteOffset, argument.length]);
        });
      },
    ),
    { numRuns: 2000 },
  );
});

/** A queue beside the one that is spoilt, which has to go on as if nothing happened. */
async function unharmed(lab: Lab, spoil: (words: Int32Array) => void, what: string): Promise<void> {
  const victim = lab.open(4);
  const words = new Int32Array(victim.memory);
  const witness = new QueueClient(lab.open(16).mapping);
  const before = witness.submit({ kernel: 0 });
  spoil(words);
  lab.driver.ring();
  const after = witness.submit({ kernel: 0 });
  assert.equal((await witness.completion(before)).code, 0, what);
  assert.equal((await witness.completion(after)).code, 0, what);
  assert.equal((await lab.client.run({ kernel: 0 })).code, 0, what);
  assert.equal(lab.driver.status().restarts, 0, what);
  victim.close();
}

test("rings that a client has spoilt end its queue, and no other", { timeout: 120_000 }, async () => {
  await using lab = new Lab({ queuesMax: 1024 });
  const parts = partsOf({ depth: 4, argumentsMax: 8 });
  const spoils: [string, (words: Int32Array) => void][] = [
    ["a tail far ahead", (words) => Atomics.store(words, SUBMIT_TAIL, 1000)],
    ["a tail behind", (words) => Atomics.store(words, SUBMIT_TAIL, -1)],
    ["a head ahead", (words) => Atomics.store(words, COMPLETE_HEAD, 77)],
    ["no magic any more", (words) => words.fill(0, 0, 16)],
    ["ones everywhere", (words) => words.fill(-1)],
    [
      "garbage entries, all published",
      (words) => {
        words.fill(0x5a5a5a5a, parts.submissions >> 2, parts.completions >> 2);
        Atomics.store(words, SUBMIT_TAIL, 4);
      },
    ],
    [
      "waiting words",
      (words) => {
        words[WAITING] = -1;
        words[WAIT_TARGET] = 0x7fffffff;
        words[CANCEL_ASKED] = -1;
      },
    ],
    ["a completion tail of the client's own", (words) => Atomics.store(words, COMPLETE_TAIL, 3)],
  ];
  for (const [what, spoil] of spoils) await unharmed(lab, spoil, what);
  // Any words at all, again and again, while the device looks.
  const seed = Date.now() & 0xffff;
  let state = seed + 1;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    return state >>> 8;
  };
  for (let round = 0; round < 60; round++) {
    await unharmed(
      lab,
      (words) => {
        for (let i = 0; i < 40; i++) {
          Atomics.store(
            words,
            random() % words.length,
            (random() % 3 === 0 ? random() % 9 : random() << 8) | 0,
          );
          if (i % 8 === 0) lab.driver.ring();
        }
      },
      `seed ${seed}, round ${round}`,
    );
  }
});

test("a queue whose rings lie is dead at once, and its client is told", async () => {
  await using lab = new Lab();
  const words = new Int32Array(lab.queue.memory);
  Atomics.store(words, SUBMIT_TAIL, 5000);
  lab.driver.ring();
  await lab.until(() => lab.queue.state === "zombie");
  assert.equal(lab.driver.status().errorsLastHour, 1);
  assert.ok(lab.client.submit({ kernel: 0 }) < 0);
});

test("a slot that is not ready fails by itself", async () => {
  await using lab = new Lab({ depth: 4 });
  const { submissions } = partsOf({ depth: 4, argumentsMax: 8 });
  const words = new Int32Array(lab.queue.memory);
  const id = lab.client.enqueue({ kernel: 0 });
  words[submissions >> 2] = 9;
  lab.client.flush();
  assert.equal((await lab.client.completion(id)).code, EINVAL);
  assert.equal((await lab.client.run({ kernel: 0 })).code, 0);
});

test("a client that takes no completions stalls its own queue only", async () => {
  await using lab = new Lab();
  const queue = lab.open(4);
  const words = new Int32Array(queue.memory);
  const { submissions, submissionBytes } = partsOf({ depth: 4, argumentsMax: 8 });
  const encoder = new Encoder(queue.memory, 8);
  for (let i = 0; i < 8; i++) {
    const at = submissions + (i % 4) * submissionBytes;
    encoder.encode(at, i, { kernel: 0 }, 0);
    words[at >> 2] = 1;
    Atomics.store(words, SUBMIT_TAIL, i + 1);
    lab.driver.ring();
    if (i === 3) await lab.until(() => Atomics.load(words, COMPLETE_TAIL) === 4);
  }
  await sleep(50);
  assert.equal(Atomics.load(words, COMPLETE_TAIL), 4);
  assert.equal(queue.state, "started");
  Atomics.store(words, COMPLETE_HEAD, 4);
  lab.driver.ring();
  await lab.until(() => Atomics.load(words, COMPLETE_TAIL) === 8);
  assert.equal((await lab.client.run({ kernel: 0 })).code, 0);
});

test("indices go around 2^32", async () => {
  await using lab = new Lab({ depth: 4 });
  const near = -6;
  const queue = lab.context.queue({ pasid: lab.queue.pasid, depth: 4 });
  const own = new Int32Array(queue.kernelMemory);
  const words = new Int32Array(queue.memory);
  // As if 2^32 − 6 requests had been done.
  own[3] = near;
  own[4] = near;
  for (const word of [SUBMIT_TAIL, COMPLETE_HEAD, COMPLETE_TAIL]) words[word] = near;
  queue.start();
  using client = new QueueClient(queue.mapping);
  const ids: number[] = [];
  for (let i = 0; i < 20; i++) {
    const id = client.submit({ kernel: 0 });
    ids.push(id);
    assert.equal(client.wait(id, 5000), 0);
    assert.equal(client.outcome(id)?.code, 0);
  }
  assert.deepEqual(ids.slice(0, 8), [
    2 ** 32 - 6,
    2 ** 32 - 5,
    2 ** 32 - 4,
    2 ** 32 - 3,
    2 ** 32 - 2,
    2 ** 32 - 1,
    0,
    1,
  ]);
  const batch = [0, 1, 2, 3].map(() => client.enqueue({ kernel: 0 }));
  client.flush();
  assert.equal(client.wait(batch[3] ?? 0, 5000), 0);
});

test("no wake-up is lost: many small batches, waited for in every way", { timeout: 120_000 }, async () => {
  await using lab = new Lab({ depth: 16 });
  const { client } = lab;
  for (let round = 0; round < 3000; round++) {
    const count = 1 + (round % 5);
    let id = 0;
    for (let i = 0; i < count; i++) id = client.submit({ kernel: 0 });
    if (round % 3 === 0) assert.equal((await client.completion(id)).code, 0);
    else if (round % 3 === 1) assert.equal(client.wait(id, 5000), 0);
    else assert.equal(client.drain(5000), true);
    // Now and then both sides have gone to sleep.
    if (round % 100 === 0) await sleep(3);
  }
});
