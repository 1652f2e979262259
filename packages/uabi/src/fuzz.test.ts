// Rule 11: truncated, lying, nested, with unknown attributes: nothing crashes, and nothing is done that should not be.
// `npm run fuzz:abi` does the same for millions of messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CORE } from "./registry/core.ts";
import { Fuzzer } from "./testing/fuzz.ts";
import { Random } from "./testing/random.ts";
import { SMALL } from "./testing/small.ts";

const seed = Number(process.env.HMS_SEED ?? Math.floor(Math.random() * 0xffff_ffff));

for (const [name, registry] of [
  ["every type of attribute", SMALL],
  ["the core's methods", CORE],
] as const) {
  test(`rule 11: ${name}, fuzzed (HMS_SEED=${seed})`, (t) => {
    const fuzzer = new Fuzzer(registry, new Random(seed));
    const { messages, carriedOut, failures } = fuzzer.run(150_000);
    t.diagnostic(`${messages} messages, ${carriedOut} carried out, failed: ${JSON.stringify(failures)}`);
    for (const errno of ["EINVAL", "ENOENT", "EOPNOTSUPP", "EPROTONOSUPPORT"])
      assert.ok((failures[errno] ?? 0) > 0, `none failed with ${errno}`);
    assert.ok(carriedOut > messages / 100 && carriedOut < messages / 2);
  });
}
