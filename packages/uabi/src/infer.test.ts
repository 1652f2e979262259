// The types of clients and handlers follow from the registry: what must not compile is marked, and the check of types
// fails where it does compile. What runs shows that the values are as the types say.
import assert from "node:assert/strict";
import { test } from "node:test";
import { syncClient } from "./client.ts";
import { directTransport } from "./direct.ts";
import type { Answered, Handle, Input, Output, TypeValue } from "./infer.ts";
import { CORE, type CoreRegistry } from "./registry/core.ts";
import { type Handlers, Service } from "./service.ts";

const space = 5 as Handle<"space">;
const range: TypeValue<CoreRegistry, "range"> = { first: 16, count: 2 };

test("rule 9: inputs are typed by the registry", () => {
  const seen: unknown[] = [];
  const handlers: Handlers<CoreRegistry>["space"] = {
    advise(input) {
      // What a handler gets has every input; the enum is a union of its names.
      const advice: "normal" | "sequential" | "random" | "read-mostly" | "cold" = input.advice;
      seen.push(input.space, input.range.first, advice);
    },
    migrate({ flags, target }) {
      const bits: number | undefined = flags;
      seen.push(bits, target.length);
      return { moved: 1, left: 0, kept: [{ first: 1, count: 1, reason: "pinned" }] };
    },
    // @ts-expect-error: an output is missing
    create: () => ({ space }),
    // @ts-expect-error: the reason is none
    prefetch: () => ({ moved: "many" }),
  };
  const client = syncClient(CORE, directTransport(new Service(CORE).on({ space: handlers })));
  client.space.advise({ space, range, advice: "cold" });
  const { kept } = client.space.migrate({ space, range, target: "host" });
  // A client may meet a reason that it does not know.
  const reason: Answered<CoreRegistry, "space", "migrate">["kept"][number]["reason"] =
    kept[0]?.reason ?? "unknown";
  assert.deepEqual([...seen, reason], [5, 16, "cold", undefined, 4, "pinned"]);

  const wrong = (): void => {
    // @ts-expect-error: a handle of something else
    client.space.advise({ space: 5 as Handle<"context">, range, advice: "cold" });
    // @ts-expect-error: a plain number is no handle
    client.space.advise({ space: 5, range, advice: "cold" });
    // @ts-expect-error: the advice is none
    client.space.advise({ space, range, advice: "lukewarm" });
    // @ts-expect-error: an input is missing
    client.space.advise({ space, range });
    // @ts-expect-error: there is no such input
    client.space.advise({ space, range, advice: "cold", loudly: true });
    // @ts-expect-error: there is no such method
    client.space.forget({ space });
    // @ts-expect-error: it needs inputs
    client.space.create();
  };
  assert.equal(typeof wrong, "function");
});

test("rule 9: what is optional can be left out, and is undefined where it was", () => {
  const input: Input<CoreRegistry, "queue", "stop"> = { queue: 1 as Handle<"queue"> };
  const output: Output<CoreRegistry, "device", "control"> = {};
  const answer: Answered<CoreRegistry, "device", "control"> = { reply: undefined };
  // @ts-expect-error: what is answered names every output
  const short: Answered<CoreRegistry, "device", "control"> = {};
  assert.deepEqual([Object.keys(input), output, answer, short], [["queue"], {}, { reply: undefined }, {}]);
});

test("rule 9: reserved fields are nobody's to give", () => {
  type Kept = TypeValue<CoreRegistry, "kept">;
  const kept: Kept = { first: 1, count: 1, reason: "none" };
  // @ts-expect-error: it is reserved
  const more: Kept = { first: 1, count: 1, reason: "none", reserved: 0 };
  assert.deepEqual(Object.keys(kept).length + 1, Object.keys(more).length);
});
