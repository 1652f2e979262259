// The rules of docs/concepts/interface.md, each by its number. Messages are made by hand where no client would send them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HmsError } from "@hms/topology";
import { asyncClient, syncClient } from "./client.ts";
import { Decoder } from "./decoder.ts";
import { directTransport } from "./direct.ts";
import type { Handle } from "./infer.ts";
import { plansOf } from "./plan.ts";
import { InterfaceError } from "./refusal.ts";
import { CORE } from "./registry/core.ts";
import { Service } from "./service.ts";
import type { Registry } from "./spec.ts";
import { attributeBytes, concat, message, type RawAttribute, text, u32, u64 } from "./testing/message.ts";
import { echo, GROWN, SMALL } from "./testing/small.ts";
import { FAILURE } from "./wire.ts";

const TAKE = { object: 1, method: 1 };
const THING: RawAttribute = { id: 1, payload: u64(77) };

interface Reply {
  readonly failed: boolean;
  readonly values: Readonly<Record<string, unknown>>;
  /** Attributes as they lie in the answer: id, flags, length. */
  readonly attributes: readonly (readonly [id: number, flags: number, bytes: number])[];
}

/** Sends a message to a service as it is; what a newer client would read of the answer. */
function send(
  registry: Registry,
  request: Uint8Array,
): Reply & { readonly calls: number; readonly seen: unknown } {
  const { service, seen } = echo(registry);
  let answer: Uint8Array | null = null;
  const connection = service.connect({ transport: "direct", credentials: null }, (bytes) => {
    answer = bytes.slice();
  });
  connection.receive(request);
  assert.ok(answer !== null, "there was no answer");
  return { ...read(answer), calls: seen.length, seen: seen[0] };
}

function read(answer: Uint8Array): Reply {
  const decoder = new Decoder(false);
  decoder.room(answer.length).set(answer);
  const plan = plansOf(GROWN).method("thing", "take");
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const attributes: (readonly [number, number, number])[] = [];
  for (let at = 24; at < answer.length; at += 8 + Math.ceil(view.getUint32(at + 4, true) / 8) * 8)
    attributes.push([view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)]);
  const values = decoder.attributes(plan.answer, answer.length, view.getUint16(16, true));
  return { failed: view.getUint16(18, true) === FAILURE, values, attributes };
}

/** Refused with an errno and a code, at a path, before anything was done. */
function refused(
  request: Uint8Array,
  errno: string,
  code: string,
  path?: readonly number[],
  registry = SMALL,
): void {
  const { failed, values, calls } = send(registry, request);
  assert.ok(failed, "it was carried out");
  assert.equal(calls, 0, "a handler was called");
  assert.deepEqual([values["~errno"], values["~code"]], [errno, code], String(values["~message"]));
  if (path !== undefined) assert.deepEqual(values["~path"], path);
  assert.ok(String(values["~expected"]).length > 0);
}

const one = (id: number, payload: Uint8Array, flags = 0): Uint8Array =>
  message(TAKE, [THING, { id, flags, payload }]);

describe("rule 1: what the sender cannot live without is marked", () => {
  test("rule 1: unknown and mandatory fails with EPROTONOSUPPORT, and nothing is done", () => {
    refused(one(99, u32(5), 1), "EPROTONOSUPPORT", "NOT_UNDERSTOOD", [99]);
    refused(message({ object: 9, method: 1 }, []), "EPROTONOSUPPORT", "NOT_UNDERSTOOD");
    refused(message({ object: 1, method: 9 }, []), "EPROTONOSUPPORT", "NOT_UNDERSTOOD");
    // An output that the sender needs.
    refused(one(120, new Uint8Array(), 1), "EPROTONOSUPPORT", "NOT_UNDERSTOOD", [120]);
  });

  test("rule 1: unknown and optional is ignored and reported back, at each depth", () => {
    const box = concat(
      [
        { id: 1, payload: text("a") },
        { id: 9, payload: u64(1) },
      ].map(attributeBytes),
    );
    const request = message(TAKE, [
      THING,
      { id: 10, payload: box },
      { id: 50, payload: u32(5) },
      { id: 51, payload: new Uint8Array(100).fill(255) },
    ]);
    const { failed, values, calls } = send(SMALL, request);
    assert.equal(failed, false);
    assert.equal(calls, 1);
    assert.deepEqual(values["~ignored"], [2, 10, 9, 1, 50, 1, 51]);
    assert.equal(values["~ignoredCount"], 3);
  });

  test("rule 1: of more than can be listed, the number is reported", () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({ id: 200 + i, payload: u32(i) }));
    const { values } = send(SMALL, message(TAKE, [THING, ...many]));
    assert.equal(values["~ignoredCount"], 3000);
    assert.equal((values["~ignored"] as unknown[]).length, 256);
  });

  test("rule 1: a handler cannot say that nothing was done", () => {
    const service = new Service(CORE).on({
      context: {
        close() {
          throw new InterfaceError("NOPE", "EPROTONOSUPPORT", "No.", null);
        },
      },
    });
    const client = syncClient(CORE, directTransport(service));
    const close = client.context.close as (input: object) => void;
    assert.throws(() => close({ context: 1 }), { code: "HANDLER_FAULT", errno: "EINVAL" });
  });
});

describe("rule 2: structs grow at the end", () => {
  const point = u64(1, 2);
  const colour = u32(1, 0);
  test("rule 2: zeros beyond what is known mean what they did", () => {
    const { calls, seen } = send(SMALL, one(9, concat([point, colour, new Uint8Array(24)])));
    assert.equal(calls, 1);
    assert.deepEqual((seen as { point: unknown }).point, { x: 1, y: 2, colour: "red" });
  });

  test("rule 2: anything else beyond what is known fails with EOPNOTSUPP", () => {
    refused(one(9, concat([point, colour, u64(0, 1)])), "EOPNOTSUPP", "NOT_SUPPORTED", [9]);
    const stretched = concat([u32(1, 40), point, colour, u64(0, 7)]);
    refused(one(13, stretched), "EOPNOTSUPP", "NOT_SUPPORTED", [13, 0x8000_0000]);
  });

  test("rule 2: what an older sender does not know of is zero", () => {
    const { calls, seen } = send(GROWN, one(9, concat([point, colour])));
    assert.equal(calls, 1);
    assert.deepEqual((seen as { point: unknown }).point, { x: 1, y: 2, colour: "red", z: 0 });
  });

  test("rule 2: shorter than it ever was fails with EINVAL", () => {
    for (const bytes of [0, 8, 16, 20, 23])
      refused(one(9, concat([point, colour]).slice(0, bytes)), "EINVAL", "BAD_ATTRIBUTE", [9]);
    // Half of a field.
    refused(one(9, concat([point, colour, u32(1)])), "EINVAL", "BAD_ATTRIBUTE", [9], GROWN);
  });

  test("rule 2: an element of an enum beyond the known ones fails with EOPNOTSUPP", () => {
    refused(one(7, u32(3)), "EOPNOTSUPP", "NOT_SUPPORTED", [7]);
    refused(one(7, u32(0xffff_ffff)), "EOPNOTSUPP", "NOT_SUPPORTED", [7]);
    refused(one(9, concat([point, u32(3, 0)])), "EOPNOTSUPP", "NOT_SUPPORTED", [9]);
    refused(one(16, concat([u32(2, 4), u32(1, 9)])), "EOPNOTSUPP", "NOT_SUPPORTED", [16, 0x8000_0001]);
  });
});

describe("rule 3: reserved fields and bits are zero", () => {
  test("rule 3: of the header", () => {
    refused(message({ ...TAKE, reserved: 1 }, [THING]), "EPROTONOSUPPORT", "NOT_UNDERSTOOD");
    for (const kind of [1, 2, 3, 0x8000])
      refused(message({ ...TAKE, kind }, [THING]), "EPROTONOSUPPORT", "NOT_UNDERSTOOD");
  });

  test("rule 3: of attributes", () => {
    for (const flags of [2, 3, 4, 0x8000, 0xffff])
      refused(message(TAKE, [{ ...THING, flags }]), "EINVAL", "BAD_ATTRIBUTE", [1]);
    const dirty = message(TAKE, [THING, { id: 2, payload: u32(1) }]);
    dirty[dirty.length - 1] = 1;
    refused(dirty, "EINVAL", "BAD_ATTRIBUTE", [2]);
  });

  test("rule 3: of values", () => {
    refused(one(8, u32(4)), "EINVAL", "BAD_ATTRIBUTE", [8]);
    refused(one(8, u64(0x1_0000_0000)), "EINVAL", "BAD_ATTRIBUTE", [8]);
    refused(one(9, concat([u64(1, 2), u32(1, 1)])), "EINVAL", "BAD_ATTRIBUTE", [9]);
    refused(
      one(12, concat([u32(1, 0), u32(1, 1), text("a\0\0\0\0\0\0\0")])),
      "EINVAL",
      "BAD_ATTRIBUTE",
      [12, 0x8000_0000],
    );
    assert.equal((send(SMALL, one(8, u32(3))).seen as { rights: number }).rights, 3);
    assert.equal((send(SMALL, one(8, u64(3))).seen as { rights: number }).rights, 3);
  });
});

// Rule 4, that ids are never reused, renumbered or retyped, and that a driver cannot redefine what is the core's:
// test/uabi-golden.test.ts and extend.test.ts.

describe("rule 5: everything is validated before anything is done", () => {
  const bad: readonly (readonly [string, number, Uint8Array])[] = [
    ["a bool of 2", 2, u32(2)],
    ["a bool of 8 bytes", 2, u64(1)],
    ["a number below its bound", 3, u64(0)],
    ["a number above its bound", 3, u64(1001)],
    ["a number of 4 bytes", 3, u32(1)],
    ["a number beyond 2^53", 4, u64(2n ** 53n)],
    ["a number beyond -2^53", 4, u64(2n ** 64n - 2n ** 53n - 1n)],
    ["an empty string", 5, text("")],
    ["a long string", 5, text("x".repeat(17))],
    ["a string with a zero", 5, text("a\0b")],
    ["a string that is not UTF-8", 5, Uint8Array.of(0xc3, 0x28)],
    ["half a character", 5, Uint8Array.of(0xed, 0xa0, 0x80)],
    ["too many bytes", 6, new Uint8Array(17)],
    ["an enum of 8 bytes", 7, u64(1)],
    ["flags of 12 bytes", 8, u32(1, 0, 0)],
    ["a list without its head", 11, u32(1)],
    ["a list of other items", 11, concat([u32(1, 8), u64(1)])],
    ["a list of more items than it has", 11, concat([u32(3, 4), u32(1, 2)])],
    ["a list of fewer items than it has", 11, concat([u32(1, 4), u32(1, 2)])],
    ["a list of too many", 11, concat([u32(5, 4), u32(1, 2, 3, 4, 5)])],
    ["a list of 2^32 - 1 items", 11, u32(0xffff_ffff, 4)],
    ["strings with a stride", 12, concat([u32(1, 8), u64(1)])],
    ["strings that end early", 12, concat([u32(2, 0), u32(1, 0), text("a\0\0\0\0\0\0\0")])],
    ["strings with a rest", 12, concat([u32(1, 0), u32(1, 0), text("a\0\0\0\0\0\0\0"), u64(0)])],
    ["a string longer than its list", 12, concat([u32(1, 0), u32(0xffff_fff9, 0), u64(0)])],
    ["points without a stride", 13, concat([u32(1, 0), u64(1, 2, 1)])],
    ["points that are too short", 13, concat([u32(1, 16), u64(1, 2)])],
    [
      "a box without its label",
      10,
      attributeBytes({ id: 2, payload: attributeBytes({ id: 1, payload: u32(1) }) }),
    ],
    ["an empty box", 10, new Uint8Array()],
    ["a box with half an attribute", 10, u32(1)],
  ];
  for (const [what, id, payload] of bad)
    test(`rule 5: ${what}`, () => {
      const { failed, values, calls } = send(SMALL, one(id, payload));
      assert.ok(failed && calls === 0);
      assert.equal(values["~errno"], "EINVAL", String(values["~message"]));
      assert.equal((values["~path"] as number[])[0], id);
    });

  test("rule 5: a handle of nothing fails with ENOENT, wherever it stands", () => {
    refused(message(TAKE, [{ id: 1, payload: u64(78) }]), "ENOENT", "BAD_HANDLE", [1]);
    refused(message(TAKE, [{ id: 1, payload: u64(0) }]), "EINVAL", "BAD_ATTRIBUTE", [1]);
    refused(one(15, concat([u32(2, 8), u64(1, 99)])), "ENOENT", "BAD_HANDLE", [15, 0x8000_0001]);
  });

  test("rule 5: duplicates and disorder", () => {
    refused(message(TAKE, [THING, THING]), "EINVAL", "DUPLICATE_ATTRIBUTE", [1]);
    const unknown = { id: 60, payload: u32(1) };
    refused(message(TAKE, [THING, unknown, unknown]), "EINVAL", "DUPLICATE_ATTRIBUTE", [60]);
    refused(message(TAKE, [THING, unknown, { id: 2, payload: u32(1) }]), "EINVAL", "BAD_MESSAGE", [2]);
  });

  test("rule 5: what is missing", () => {
    refused(message(TAKE, []), "EINVAL", "MISSING_ATTRIBUTE", [1]);
    refused(message(TAKE, [{ id: 2, payload: u32(1) }]), "EINVAL", "MISSING_ATTRIBUTE", [1]);
  });

  test("rule 5: the last attribute is wrong, and nothing of the ones before was done", () => {
    const request = message(TAKE, [
      THING,
      { id: 2, payload: u32(1) },
      { id: 3, payload: u64(9) },
      { id: 16, payload: u32(1) },
    ]);
    refused(request, "EINVAL", "BAD_ATTRIBUTE", [16]);
  });

  test("rule 5: a header that lies", () => {
    refused(message({ ...TAKE, count: 0 }, [THING]), "EINVAL", "BAD_MESSAGE");
    refused(message({ ...TAKE, count: 2 }, [THING]), "EINVAL", "BAD_MESSAGE");
    for (const length of [0, 24, 32, 48, 0xffff_ffff])
      refused(message({ ...TAKE, length }, [THING]), "EINVAL", "BAD_MESSAGE");
  });
});

describe("rule 6: outputs say whether they were written", () => {
  test("rule 6: each output has its flag", () => {
    const { attributes } = send(SMALL, one(3, u64(9)));
    const outputs = Object.values(SMALL.objects.thing?.methods.take?.outputs ?? {}).map(({ id }) => id);
    assert.deepEqual(
      attributes,
      outputs.map((id) => (id === 103 ? [id, 2, 8] : [id, 0, 0])),
    );
  });

  test("rule 6: what was not written is undefined", () => {
    const { service } = echo(SMALL);
    const client = syncClient(SMALL, directTransport(service)) as unknown as {
      thing: { take(input: object): Record<string, unknown> };
    };
    const { size, name, ...rest } = client.thing.take({ thing: 77, size: 9 });
    assert.equal(size, 9);
    assert.equal(name, undefined);
    assert.ok(Object.values(rest).every((value) => value === undefined));
    assert.ok("box" in rest);
  });

  test("rule 6: a failure can have outputs", () => {
    const reply = Uint8Array.of(1, 2, 3);
    const service = new Service(CORE).on({
      device: {
        control() {
          throw new InterfaceError("REFUSED", "ECANCELED", "The device refused.", null, { reply });
        },
      },
    });
    const control = syncClient(CORE, directTransport(service)).device.control as (input: object) => void;
    assert.throws(
      () => control({ device: 1, command: new Uint8Array() }),
      (error) =>
        error instanceof InterfaceError &&
        error.errno === "ECANCELED" &&
        `${error.outputs.reply}` === "1,2,3",
    );
  });
});

describe("rule 7: what there is can be found out", () => {
  const service = new Service(CORE).on({ space: { advise() {} } });
  const client = syncClient(CORE, directTransport(service));

  test("rule 7: objects, methods, attributes and types, and only what is carried out", () => {
    const { objects, types, namespaces, revision } = client.context.query();
    assert.deepEqual(
      objects.map((object) => [object.name, object.methods.map(({ name }) => name)]),
      [
        ["context", ["query"]],
        ["space", ["advise"]],
      ],
    );
    const [, space] = objects;
    assert.deepEqual(
      space?.methods[0]?.attributes.map(({ id, name, required, output }) => [id, name, required, output]),
      [
        [1, "space", true, false],
        [2, "range", true, false],
        [3, "advice", true, false],
      ],
    );
    assert.equal(types.length, Object.keys(CORE.types).length);
    assert.deepEqual(
      types.find(({ name }) => name === "range")?.values?.map(({ name, value }) => [name, value]),
      [
        ["first", 0],
        ["count", 8],
      ],
    );
    assert.deepEqual(namespaces, [{ name: "core", namespace: 0 }]);
    assert.equal(revision, 1);
    assert.equal(client.context.query({ object: 2 }).objects.length, 1);
    assert.equal(client.context.query({ object: 2, method: 77 }).objects.length, 0);
  });

  test("rule 7: a failure says where, why and what was expected", () => {
    const box = concat(
      [
        { id: 1, payload: text("a") },
        { id: 2, payload: attributeBytes({ id: 1, payload: u64(1) }) },
      ].map(attributeBytes),
    );
    const { values } = send(SMALL, one(14, concat([u32(1, 0), u32(box.length, 0), box])));
    assert.deepEqual(values["~path"], [14, 0x8000_0000, 2, 1]);
    // The header, the thing; the list's header, its head and its item's; the label; the header of inner.
    assert.equal(values["~offset"], 24 + 16 + 8 + 8 + 8 + 16 + 8);
    assert.equal(values["~expected"], "u32");
    assert.equal(
      values["~message"],
      "thing.take failed: attribute boxes[0].inner.depth was refused: it has 8 bytes instead of 4; expected is u32.",
    );
  });
});

describe("rule 7: a handler", () => {
  test("rule 7: can blame an input", () => {
    const service = new Service(CORE).on({
      space: {
        advise(_, call) {
          throw call.blame("range", new HmsError("BAD_RANGE", "EFAULT", "The range is in no region."));
        },
      },
    });
    const advise = syncClient(CORE, directTransport(service)).space.advise as (input: object) => void;
    const input = { space: 1, range: { first: 1, count: 1 }, advice: "cold" };
    assert.throws(() => advise(input), {
      code: "BAD_RANGE",
      errno: "EFAULT",
      path: [2],
      offset: null,
      expected: "struct range",
    });
  });

  test("rule 7: that is at fault is named, and its client gets EIO", () => {
    const handlers = [
      () => Promise.resolve({}),
      () => ({ moved: 1 }),
      () => ({ moved: -1, left: 0, kept: [] }),
      () => ({ moved: 1, left: 0, kept: [{ first: 0, count: 1, reason: "whim" }] }),
      () => {
        throw new TypeError("undefined is not a function");
      },
      () => {
        throw new TypeError(`\u{1f71a}\0${"\u{1f71a}".repeat(9000)}`);
      },
    ];
    for (const migrate of handlers) {
      const service = new Service(CORE).on({ space: { migrate: migrate as never } });
      const run = syncClient(CORE, directTransport(service)).space.migrate as (input: object) => void;
      const input = { space: 1, range: { first: 1, count: 1 }, target: "host" };
      assert.throws(() => run(input), {
        code: "HANDLER_FAULT",
        errno: "EIO",
        message: /fault of the service/,
      });
    }
  });

  test("rule 7: can answer later, in any order", async () => {
    const laters: { readonly space: number; answer(): void }[] = [];
    const service = new Service(CORE).on({
      space: {
        create({ context }, call) {
          const later = call.later();
          laters.push({
            space: context,
            answer: () => later.answer({ space: context as number as Handle<"space">, pasid: 0 }),
          });
          return later;
        },
      },
    });
    const client = asyncClient(CORE, directTransport(service));
    const answers = Array.from({ length: 20 }, (_, i) =>
      client.space.create({ context: (i + 1) as Handle<"context"> }),
    );
    for (const { answer } of laters.reverse()) answer();
    assert.deepEqual(
      (await Promise.all(answers)).map(({ space }) => space),
      answers.map((_, i) => i + 1),
    );
  });

  test("rule 7: can call the service itself", () => {
    const service = new Service(CORE);
    const client = syncClient(CORE, directTransport(service));
    service.on({
      space: {
        statistics: () => ({ statistics: { regions: 1, mapped: 2, resident: 3, device: 4, swapped: 5 } }),
      },
      events: {
        subscribe({ mask }) {
          const { statistics } = client.space.statistics({ space: 1 as Handle<"space"> });
          return { events: (mask + statistics.swapped) as Handle<"events"> };
        },
      },
    });
    assert.equal(client.events.subscribe({ context: 1 as Handle<"context">, mask: 2 }).events, 7);
  });
});

describe("rule 8: all is aligned to 64 bits, and there are no pointers in structs", () => {
  test("rule 8: attributes and items begin at multiples of 8", () => {
    const { service } = echo(SMALL);
    const connection = { last: new Uint8Array() };
    const direct = directTransport(service);
    const client = syncClient(SMALL, {
      ...direct,
      call: (request) => {
        connection.last = request.slice();
        return direct.call(request);
      },
    }) as unknown as { thing: { take(input: object): void } };
    for (let length = 1; length <= 16; length++) {
      client.thing.take({
        thing: 77,
        name: "x".repeat(length),
        code: new Uint8Array(length),
        words: ["a".repeat(length % 9)],
      });
      const { last } = connection;
      assert.equal(last.length % 8, 0);
      assert.equal(new DataView(last.buffer).getUint32(0, true), last.length);
    }
    // A message that does not end at one.
    refused(message({ ...TAKE, length: 44 }, [THING]).subarray(0, 44), "EINVAL", "BAD_MESSAGE");
    refused(concat([message({ ...TAKE, length: 44 }, [THING]), u32(0)]), "EINVAL", "BAD_MESSAGE");
  });

  test("rule 8: structs end at multiples of 8 without gaps, and hold numbers and enums only", () => {
    const field = (type: string, more: object = {}): object => ({ type, doc: "It.", ...more });
    const bad = (fields: object): Registry =>
      ({ ...SMALL, types: { ...SMALL.types, point: { kind: "struct", doc: "It.", fields } } }) as Registry;
    for (const fields of [
      { a: field("u32") },
      { a: field("u32"), b: field("u64") },
      { a: field("string") },
      {},
    ])
      assert.throws(() => new Service(bad(fields)), { code: "BAD_REGISTRY" }, JSON.stringify(fields));
  });
});

// Rule 9, one specification for both ends: infer.test.ts for what is derived from it, test/uabi-golden.test.ts for what
// it may not become. Rule 10, nothing without a use: test/uabi-uses.test.ts. Rule 11, the fuzzer: fuzz.test.ts.
