// Rule 11: truncated, lying, nested, with unknown attributes: nothing crashes, and nothing is done that should not be.
// `npm run fuzz:abi` does the same for millions of messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { syncClient } from "./client.ts";
import { directTransport } from "./direct.ts";
import { CORE } from "./registry/core.ts";
import { Fuzzer } from "./testing/fuzz.ts";
import { Random, randomValues } from "./testing/random.ts";
import { echo, GROWN, SMALL } from "./testing/small.ts";

const seed = Number(process.env.HMS_FUZZ_SEED ?? Math.floor(Math.random() * 0xffff_ffff));
const runs = Math.max(150_000, Number(process.env.HMS_FUZZ_RUNS ?? 0));

for (const [name, registry] of [
  ["every type of attribute", SMALL],
  ["the core's methods", CORE],
] as const) {
  test(`rule 11: ${name}, fuzzed (HMS_FUZZ_SEED=${seed})`, (t) => {
    const fuzzer = new Fuzzer(registry, new Random(seed));
    const { messages, carriedOut, failures } = fuzzer.run(runs);
    t.diagnostic(`${messages} messages, ${carriedOut} carried out, failed: ${JSON.stringify(failures)}`);
    for (const errno of ["EINVAL", "ENOENT", "EOPNOTSUPP", "EPROTONOSUPPORT"])
      assert.ok((failures[errno] ?? 0) > 0, `none failed with ${errno}`);
    assert.ok(carriedOut > messages / 100 && carriedOut < messages / 2);
  });
}

test(`rule 11: a client of a service that answers nonsense (HMS_FUZZ_SEED=${seed})`, (t) => {
  const random = new Random(seed);
  const { service } = echo(GROWN);
  const direct = directTransport(service);
  const change: { with: (answer: Uint8Array) => Uint8Array } = { with: (answer) => answer };
  const onIgnored = (_: string, paths: readonly string[]): void => assert.ok(paths.length <= 256);
  const client = syncClient(
    SMALL,
    { ...direct, call: (request) => change.with(new Uint8Array(direct.call(request))) },
    { onIgnored },
  ) as unknown as { thing: { take(input: Record<string, unknown>): Record<string, unknown> } };
  const { inputs } = SMALL.objects.thing?.methods.take ?? { inputs: {} };
  let read = 0;
  let refused = 0;
  for (let i = 0; i < 60_000; i++) {
    change.with = (answer) => {
      const cut = random.once(4) ? answer.slice(0, random.below(answer.length)) : answer;
      for (let n = random.below(5); n > 0 && cut.length > 0; n--)
        cut[random.below(cut.length)] = random.once(2) ? random.below(256) : 0xff;
      // Half of them with a header that says how long they are.
      if (random.once(2) && cut.length >= 4) new DataView(cut.buffer).setUint32(0, cut.length, true);
      return cut;
    };
    try {
      client.thing.take(randomValues(SMALL, inputs, random));
      read++;
    } catch (error) {
      assert.ok(HmsError.is(error), String(error));
      refused++;
    }
  }
  t.diagnostic(`${read} answers read, ${refused} refused`);
  assert.ok(read > 1000 && refused > 1000);
});
