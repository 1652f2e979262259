import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { syncClient } from "./client.ts";
import { directTransport } from "./direct.ts";
import { extendRegistry } from "./extend.ts";
import type { Handle } from "./infer.ts";
import { CORE } from "./registry/core.ts";
import { Service } from "./service.ts";
import type { DriverPart } from "./spec.ts";

const MILL = {
  name: "mill",
  namespace: 9,
  types: {
    "mill-grain": {
      kind: "enum",
      doc: "How fine.",
      values: { coarse: { value: 1, doc: "Coarse." }, fine: { value: 2, doc: "Fine." } },
    },
  },
  objects: {
    hopper: {
      id: 0x0901,
      doc: "Holds grain.",
      methods: {
        fill: {
          id: 0x0901,
          doc: "Fills it.",
          inputs: { device: { id: 1, type: "handle", of: "device", required: true, doc: "The mill." } },
          outputs: { hopper: { id: 2, type: "handle", of: "hopper", required: true, doc: "The hopper." } },
        },
      },
    },
  },
  methods: {
    device: {
      grind: {
        id: 0x0901,
        doc: "Grinds.",
        inputs: { grain: { id: 1, type: "enum", of: "mill-grain", required: true, doc: "How fine." } },
        outputs: { bags: { id: 2, type: "u32", required: true, doc: "How many." } },
      },
    },
  },
  attributes: {
    queue: {
      create: {
        inputs: { stones: { id: 0x0901, type: "u32", max: 4, doc: "How many stones." } },
        outputs: { dust: { id: 0x0902, type: "u32", doc: "How much dust." } },
      },
    },
  },
} as const;

const RING = { memory: 1, bytes: 2, submission: 3, completion: 4, doorbell: 5, depth: 6, requestBytes: 7 };
const GIVEN = { device: 1 as Handle<"device">, space: 2 as Handle<"space"> };

describe("rule 4: what a driver adds", () => {
  test("works beside the core, with types of its own", () => {
    const registry = extendRegistry(CORE, MILL);
    const service = new Service(registry).on({
      device: { grind: ({ grain }) => ({ bags: grain === "fine" ? 2 : 1 }) },
      queue: { create: ({ stones }) => ({ queue: 3 as Handle<"queue">, ring: RING, dust: stones ?? 77 }) },
      hopper: { fill: () => ({ hopper: 8 as Handle<"hopper"> }) },
    });
    const client = syncClient(registry, directTransport(service));
    assert.equal(client.device.grind({ grain: "fine" }).bags, 2);
    assert.equal(client.queue.create({ ...GIVEN, stones: 3 }).dust, 3);
    assert.equal(client.queue.create(GIVEN).dust, 77);
    assert.equal(client.hopper.fill({ device: GIVEN.device }).hopper, 8);
    assert.ok(
      client.context.query().namespaces.some(({ name, namespace }) => name === "mill" && namespace === 9),
    );
    // Who knows the core only does as before.
    const plain = syncClient(CORE, directTransport(service));
    assert.equal(plain.queue.create(GIVEN).queue, 3);
  });

  const base = { name: "mill", namespace: 9 } as const;
  const method = { id: 0x0901, doc: "It.", inputs: {}, outputs: {} };
  const refused: readonly (readonly [string, DriverPart, RegExp])[] = [
    ["a namespace of the core", { ...base, namespace: 0 }, /not within 1/],
    ["the protocol's namespace", { ...base, namespace: 255 }, /not within 1/],
    ["the name of the core", { name: "core", namespace: 9 }, /belongs to core/],
    [
      "a method with the core's id",
      { ...base, methods: { device: { grind: { ...method, id: 9 } } } },
      /0x0009/,
    ],
    [
      "a method of another's namespace",
      { ...base, methods: { device: { grind: { ...method, id: 0x0a01 } } } },
      /0x0a01/,
    ],
    ["a method of the core", { ...base, methods: { device: { open: method } } }, /there already/],
    ["methods of no object", { ...base, methods: { mill: { open: method } } }, /no such object/],
    [
      "an object of the core",
      { ...base, objects: { device: { id: 0x0901, doc: "It.", methods: {} } } },
      /there already/,
    ],
    [
      "an object with the core's id",
      { ...base, objects: { mill: { id: 4, doc: "It.", methods: {} } } },
      /0x0004/,
    ],
    [
      "an attribute that must be given",
      {
        ...base,
        attributes: {
          queue: { create: { inputs: { x: { id: 0x0901, type: "bool", required: true, doc: "It." } } } },
        },
      },
      /cannot be required/,
    ],
    [
      "an attribute of the core",
      {
        ...base,
        attributes: { queue: { create: { inputs: { depth: { id: 0x0901, type: "bool", doc: "It." } } } } },
      },
      /there already/,
    ],
    [
      "an attribute with the core's id",
      { ...base, attributes: { queue: { create: { inputs: { x: { id: 3, type: "bool", doc: "It." } } } } } },
      /0x0003/,
    ],
    [
      "a type of the core",
      { ...base, types: { cause: { kind: "enum", doc: "It.", values: { a: { value: 0, doc: "It." } } } } },
      /there already/,
    ],
  ];
  for (const [what, part, message] of refused) {
    test(`cannot be ${what}`, () => {
      assert.throws(() => extendRegistry(CORE, part), { code: "BAD_DRIVER_PART", errno: "EINVAL", message });
    });
  }

  test("cannot take another driver's namespace", () => {
    const one = extendRegistry(CORE, MILL);
    assert.throws(() => extendRegistry(one, { name: "saw", namespace: 9 }), { code: "BAD_DRIVER_PART" });
  });
});
