import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { CORE, type Registry } from "@hms/uabi";
import {
  compareWithGolden,
  type Golden,
  goldenText,
  readGolden,
  withoutDocs,
} from "../packages/uabi/src/golden.ts";
import { goldenPath, problems } from "../tools/abi.ts";

test("rule 9: the golden file and the reference page are current, and nothing released was changed (node tools/abi.ts)", () => {
  assert.deepEqual(problems(), []);
});

test("rule 9: the golden file holds the whole registry", () => {
  const text = readFileSync(goldenPath, "utf8");
  const golden = readGolden(text);
  assert.deepEqual(golden.registry, withoutDocs(CORE));
  assert.equal(goldenText(golden), text);
});

/** A registry that may be changed, and what was released of it. */
interface Draft {
  revision: number;
  namespaces: Record<string, number>;
  types: Record<string, Record<string, Record<string, unknown>>>;
  objects: Record<string, { id: number; methods: Record<string, DraftMethod> }>;
}
interface DraftMethod {
  id: number;
  since?: number;
  doc: string;
  inputs: Record<string, Record<string, unknown>>;
  outputs: Record<string, Record<string, unknown>>;
}

/** What the comparison says of the core's registry once it was changed, after a release of revision 1. */
function compare(change: (draft: Draft) => void): { broken: string; added: readonly string[] } {
  const draft = JSON.parse(JSON.stringify(CORE)) as Draft;
  change(draft);
  const golden: Golden = { released: 1, registry: withoutDocs(CORE) };
  const { broken, added } = compareWithGolden(golden, draft as unknown as Registry);
  return { broken: broken.join("; "), added };
}

function method(draft: Draft, object: string, name: string): DraftMethod {
  const found = draft.objects[object]?.methods[name];
  assert.ok(found, `${object}.${name}`);
  return found;
}

function part(draft: Draft, type: string, of: string): Record<string, Record<string, unknown>> {
  const found = draft.types[type]?.[of];
  assert.ok(found, `${type}.${of}`);
  return found as Record<string, Record<string, unknown>>;
}

describe("rule 4: the comparison with what was released refuses", () => {
  const cases: readonly (readonly [string, (draft: Draft) => void, RegExp])[] = [
    ["a removed object", (d) => delete d.objects.queue, /queue was removed/],
    ["a removed method", (d) => delete d.objects.queue?.methods.reset, /queue.reset was removed/],
    ["a removed attribute", (d) => delete method(d, "queue", "create").inputs.depth, /depth was removed/],
    ["a removed type", (d) => delete d.types.cause, /cause was removed/],
    ["a removed value", (d) => delete part(d, "cause", "values").pin, /cause.pin was removed/],
    ["a removed field", (d) => delete part(d, "range", "fields").count, /range.count was removed/],
    ["a removed namespace", (d) => delete d.namespaces.core, /namespace core/],
    [
      "a renumbered object",
      (d) => Object.assign(d.objects.queue ?? {}, { id: 99 }),
      /renumbered from 5 to 99/,
    ],
    [
      "a renumbered method",
      (d) => Object.assign(method(d, "queue", "reset"), { id: 99 }),
      /renumbered from 5 to 99/,
    ],
    [
      "a renumbered attribute",
      (d) => Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { id: 99 }),
      /renumbered from 3 to 99/,
    ],
    [
      "a renumbered value",
      (d) => Object.assign(part(d, "cause", "values").pin ?? {}, { value: 99 }),
      /renumbered from 9 to 99/,
    ],
    [
      "an id used again",
      (d) => {
        const { inputs } = method(d, "queue", "create");
        inputs.deepness = { ...inputs.depth, since: 2 };
        delete inputs.depth;
      },
      /deepness reuses the id 3 of depth/,
    ],
    [
      "an input's id used for an output",
      (d) => {
        const { inputs, outputs } = method(d, "queue", "create");
        outputs.depth = { ...inputs.depth, since: 2 };
        delete inputs.depth;
      },
      /reuses|removed/,
    ],
    [
      "a retyped attribute",
      (d) => Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { type: "u64" }),
      /retyped from u32 to u64/,
    ],
    [
      "a handle of something else",
      (d) => Object.assign(method(d, "queue", "create").inputs.space ?? {}, { of: "context" }),
      /retyped from handle space to handle context/,
    ],
    [
      "a retyped field",
      (d) => Object.assign(part(d, "range", "fields").count ?? {}, { type: "s64" }),
      /retyped/,
    ],
    [
      "another unit of an attribute",
      (d) => Object.assign(method(d, "space", "prefetch").outputs.moved ?? {}, { unit: "bytes" }),
      /counted pages, and now bytes/,
    ],
    [
      "another unit of a field",
      (d) => Object.assign(part(d, "range", "fields").count ?? {}, { unit: "bytes" }),
      /counted pages, and now bytes/,
    ],
    [
      "fields in another order",
      (d) => {
        const { first, count } = part(d, "range", "fields");
        Object.assign(d.types.range ?? {}, { fields: { count, first } });
      },
      /another order/,
    ],
    [
      "a field that a struct has all of a sudden",
      (d) => Object.assign(part(d, "range", "fields"), { stride: { type: "u64", doc: "It." } }),
      /needed 16 bytes, and now 24/,
    ],
    [
      "an input made required",
      (d) => Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { required: true }),
      /made required/,
    ],
    [
      "an output no longer always written",
      (d) => delete method(d, "queue", "create").outputs.ring?.required,
      /always written/,
    ],
    ["a hint no longer one", (d) => delete method(d, "region", "create").inputs.label?.hint, /was a hint/],
    [
      "a lower maximum",
      (d) => Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { max: 64 }),
      /bounds/,
    ],
    [
      "a higher minimum",
      (d) => Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { min: 2 }),
      /bounds/,
    ],
    [
      "a longer output",
      (d) => Object.assign(method(d, "context", "open").outputs.host ?? {}, { maxBytes: 65 }),
      /bounds 0 to 64, and now 0 to 65/,
    ],
    [
      "something new that says it was there",
      (d) => Object.assign(method(d, "queue", "create").inputs, { x: { id: 20, type: "bool", doc: "It." } }),
      /released revision 1/,
    ],
    [
      "something new that must be given",
      (d) =>
        Object.assign(method(d, "queue", "create").inputs, {
          x: { id: 20, type: "bool", required: true, since: 2, doc: "It." },
        }),
      /new and required/,
    ],
    ["an older revision", (d) => Object.assign(d, { revision: 0 }), /revision 0 after 1/],
    [
      "another since",
      (d) => Object.assign(method(d, "queue", "reset"), { since: 2 }),
      /came with revision 1, not 2/,
    ],
  ];
  for (const [what, change, message] of cases)
    test(what, () => {
      assert.match(compare(change).broken, message);
    });
});

test("rule 4: the comparison allows what is only more", () => {
  const { broken, added } = compare((d) => {
    d.revision = 2;
    Object.assign(method(d, "queue", "create").inputs, {
      priority: { id: 20, type: "u32", since: 2, doc: "It." },
    });
    Object.assign(method(d, "queue", "create").inputs.depth ?? {}, { max: 1_000_000 });
    Object.assign(method(d, "queue", "create").outputs, {
      speed: { id: 21, type: "u32", since: 2, doc: "It." },
    });
    Object.assign(part(d, "range", "fields"), { stride: { type: "u64", since: 2, doc: "It." } });
    Object.assign(part(d, "cause", "values"), { whim: { value: 15, since: 2, doc: "It." } });
    Object.assign(d.objects.queue?.methods ?? {}, {
      pause: { id: 80, since: 2, doc: "It.", inputs: {}, outputs: {} },
    });
  });
  assert.equal(broken, "");
  assert.deepEqual([...added].sort(), [
    "cause.whim",
    "queue.create.priority",
    "queue.create.speed",
    "queue.pause",
    "range.stride",
  ]);
});
