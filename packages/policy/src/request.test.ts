import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import fc from "fast-check";
import { type PlacementRequest, parseRequest } from "./request.ts";

function refused(value: unknown): { readonly code: string; readonly message: string } {
  try {
    parseRequest(value);
  } catch (error) {
    assert.ok(HmsError.is(error), String(error));
    assert.equal(error.errno, "EINVAL");
    assert.match(error.message, /^Read a placement request: [^\n]+$/);
    return error;
  }
  assert.fail("it was taken");
}

test("a request comes back as it was given, and cannot be changed after", () => {
  const given = {
    for: ["node0", " 0000:c1:00.0 "],
    targets: ["node2", "node0"],
    prefer: "latency",
    mode: "weighted",
    weights: [3, 255],
    migrate: true,
    size: 4096,
  };
  const request = parseRequest(given);
  assert.deepEqual(request, { ...given, for: ["node0", "0000:c1:00.0"] });
  assert.ok(Object.isFrozen(request) && Object.isFrozen(request.targets) && Object.isFrozen(request.weights));
  given.weights[0] = 7;
  assert.equal(request.weights?.[0], 3);
  assert.equal(parseRequest(request), request);
  assert.deepEqual(parseRequest({ for: ["node0"], targets: undefined, size: undefined }), { for: ["node0"] });
});

for (const [what, value, code, words] of [
  ["no object", "node0", "REQUEST_INVALID", /but got "node0"/],
  ["nothing", null, "REQUEST_INVALID", /but got null/],
  ["a list", [], "REQUEST_INVALID", /but got a list/],
  ["neither initiators nor targets", {}, "PLACEMENT_EMPTY", /neither was given/],
  ["an unknown field", { target: ["node0"] }, "FIELD_UNKNOWN", /did you mean targets\?/],
  ["no initiators", { for: [] }, "INITIATORS_EMPTY", /leave it out/],
  ["no targets", { for: ["node0"], targets: [] }, "TARGETS_EMPTY", /empty list/],
  ["a name for a list", { for: "node0" }, "NAME_INVALID", /must be a list of names, but is "node0"/],
  ["a number for a name", { targets: ["node0", 1] }, "NAME_INVALID", /number 2 is 1/],
  ["an empty name", { targets: [" "] }, "NAME_INVALID", /number 1 is " "/],
  ["a hole", { targets: new Array(3) }, "NAME_INVALID", /number 1 is undefined/],
  ["a name that is too long", { targets: ["n".repeat(300)] }, "NAME_INVALID", /1 to 256 characters/],
  ["too many names", { targets: new Array(2000).fill("node0") }, "NAME_INVALID", /has 2000/],
  ["an unknown mode", { for: ["node0"], mode: "stict" }, "MODE_UNKNOWN", /did you mean strict\?/],
  ["a mode of another kind", { for: ["node0"], mode: 3 }, "MODE_UNKNOWN", /but is 3$/],
  [
    "an unknown preference",
    { for: ["node0"], prefer: "speed" },
    "PREFER_UNKNOWN",
    /bandwidth, latency, capacity/,
  ],
  ["weights without the mode", { targets: ["a"], weights: [1] }, "WEIGHTS_INVALID", /mode is preferred/],
  [
    "weights without targets",
    { for: ["a"], mode: "weighted", weights: [1] },
    "WEIGHTS_INVALID",
    /no targets/,
  ],
  [
    "too few weights",
    { targets: ["a", "b"], mode: "weighted", weights: [1] },
    "WEIGHTS_INVALID",
    /2 targets, but there are 1/,
  ],
  [
    "a weight of 0",
    { targets: ["a"], mode: "weighted", weights: [0] },
    "WEIGHTS_INVALID",
    /that of "a" is 0/,
  ],
  ["a weight of 256", { targets: ["a"], mode: "weighted", weights: [256] }, "WEIGHTS_INVALID", /1 to 255/],
  [
    "a weight that is not whole",
    { targets: ["a"], mode: "weighted", weights: [1.5] },
    "WEIGHTS_INVALID",
    /is 1.5/,
  ],
  [
    "weights that are no list",
    { targets: ["a"], mode: "weighted", weights: "3,1" },
    "WEIGHTS_INVALID",
    /list of numbers/,
  ],
  ["a size of 0", { for: ["a"], size: 0 }, "SIZE_INVALID", /but is 0$/],
  ["a size that is text", { for: ["a"], size: "1GiB" }, "SIZE_INVALID", /but is "1GiB"$/],
  ["a size without end", { for: ["a"], size: Number.POSITIVE_INFINITY }, "SIZE_INVALID", /Infinity/],
  ["a size that is a bigint", { for: ["a"], size: 5n }, "SIZE_INVALID", /but is 5n$/],
  ["migrate that is text", { for: ["a"], migrate: "no" }, "MIGRATE_INVALID", /true or false, but is "no"$/],
] as const) {
  test(`refused: ${what}`, () => {
    const error = refused(value);
    assert.equal(error.code, code);
    assert.match(error.message, words);
  });
}

test("fields are read once: what answers differently the next time cannot get by", () => {
  let reads = 0;
  const sly = {
    get for(): string[] {
      return reads++ === 0 ? ["node0"] : [];
    },
  };
  assert.deepEqual(parseRequest(sly), { for: ["node0"] });
  assert.equal(reads, 1);
});

test("anything at all is taken or refused in one sentence", () => {
  const fields = fc.record(
    {
      for: fc.anything(),
      targets: fc.oneof(fc.anything(), fc.array(fc.string())),
      prefer: fc.oneof(fc.anything(), fc.constant("latency")),
      mode: fc.oneof(fc.anything(), fc.constant("weighted")),
      weights: fc.oneof(fc.anything(), fc.array(fc.integer({ min: -1, max: 300 }))),
      migrate: fc.anything(),
      size: fc.anything(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fields), (value) => {
      try {
        const request: PlacementRequest = parseRequest(value);
        assert.ok((request.for ?? request.targets ?? []).length > 0);
      } catch (error) {
        assert.ok(HmsError.is(error), String(error));
        assert.ok(error.message.length < 700 && !error.message.includes("\n"), error.message);
      }
    }),
    { numRuns: 3000 },
  );
});
