import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { discoverLive } from "../../discover.ts";
import { HmsError } from "../../model/error.ts";
import type { Machine } from "../../model/machine.ts";
import { arbitraryFullMachine } from "../../testing/arbitrary-machine.ts";
import { machineNames, readMachine } from "../spec/machines.ts";
import { readJson } from "./read.ts";
import { topologySchema } from "./schema.ts";
import { writeJson } from "./write.ts";

const SCHEMA_FILE = new URL("../../../schema/topology-1.schema.json", import.meta.url);

/** Checks documents against the schema as it is published. */
const valid = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(readFileSync(SCHEMA_FILE, "utf8")));

/** The same schema, but fields that it does not name are wrong: so that none is written without being published. */
const exact = new Ajv2020({ allowUnionTypes: true }).compile(
  closed(JSON.parse(readFileSync(SCHEMA_FILE, "utf8"))) as object,
);

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return "properties" in inner ? { ...inner, additionalProperties: false } : inner;
}

/** A machine without regard to the order of fields, for comparison. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ("toJSON" in value && typeof value.toJSON === "function") return value.toJSON();
  const names = Object.keys(value).sort();
  return names.map((name) => [name, plain((value as Record<string, unknown>)[name])]);
}

function assertRoundTrip(machine: Machine): void {
  const text = writeJson(machine);
  const document: unknown = JSON.parse(text);
  assert.ok(valid(document), JSON.stringify(valid.errors));
  assert.ok(exact(document), JSON.stringify(exact.errors));
  const read = readJson(text);
  assert.deepEqual(plain(read), plain(machine));
  assert.equal(writeJson(read), text);
}

/** What is wrong with what refers to what: the reader sees it, a schema cannot. */
const REFERENCES = /expected (the uids? of|each uid once|an? (id|number) of its own|\d+ numbers for)/;

async function sample(): Promise<Record<string, unknown>> {
  return JSON.parse(writeJson(await readMachine("dgx-h100"))) as Record<string, unknown>;
}

/** Changes a document at a path such as `targets.0.size`; undefined takes the field out. */
function change(document: Record<string, unknown>, path: string, value: unknown): string {
  const names = path.split(".");
  const last = names.pop() ?? "";
  let at: unknown = document;
  for (const name of names) at = (at as Record<string, unknown>)[name];
  if (value === undefined) delete (at as Record<string, unknown>)[last];
  else (at as Record<string, unknown>)[last] = value;
  return JSON.stringify(document);
}

function fails(text: string, ...parts: readonly string[]): void {
  assert.throws(
    () => readJson(text, "x.json"),
    (error) => {
      assert.ok(HmsError.is(error), String(error));
      for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
      assert.match(error.message, /^Read JSON x\.json: [^\n]{1,400}[.?]$/);
      return true;
    },
  );
}

describe("JSON", () => {
  it("is described by the published schema, which is made of the same shapes", () => {
    const published: unknown = JSON.parse(readFileSync(SCHEMA_FILE, "utf8"));
    const hint = "write it again with formats/json/print-schema.ts";
    assert.deepEqual(published, JSON.parse(JSON.stringify(topologySchema())), hint);
  });

  it("comes back as it was: this machine", () => assertRoundTrip(discoverLive()));

  for (const name of machineNames()) {
    it(`comes back as it was: ${name}`, async () => assertRoundTrip(await readMachine(name)));
  }

  it("comes back as it was: machines at random", () => {
    fc.assert(fc.property(arbitraryFullMachine, assertRoundTrip), { numRuns: 300 });
  });

  it("is frozen all the way down when read", async () => {
    const machine = readJson(writeJson(await readMachine("optane")));
    assert.throws(() => Object.assign(machine.targets[0] ?? {}, { size: 0 }), TypeError);
    assert.ok(Object.isFrozen(machine.links[0]?.properties.readLatency));
  });

  it("has a line for each object that is short", async () => {
    const lines = writeJson(await readMachine("snc4")).split("\n");
    assert.ok(lines.includes('    { "index": 0, "online": true, "allowed": true },'));
  });

  it("ignores fields that a later hms may add", async () => {
    const document = await sample();
    document.colour = "blue";
    Object.assign((document.targets as object[])[0] ?? {}, { smell: 1 });
    assert.equal(readJson(JSON.stringify(document)).targets.length, 10);
  });

  it("does not take a prototype for a field", async () => {
    const document = await sample();
    const text = change(document, "info", undefined).replace(/^\{/, '{"__proto__": {"info": {}},');
    fails(text, "info: expected an object, but got nothing");
  });
});

describe("JSON that is not as it has to be", () => {
  for (const [what, text, part] of [
    ["nothing", "", "it ends too early"],
    ["cut short", '{"schema": "urn:hms:schema:topo', "it ends too early"],
    ["no JSON", "{]", "it is no JSON"],
    ["a list", "[]", "expected the object that hms writes, but got a list"],
    ["another's", '{"version": 1}', "expected urn:hms:schema:topology-1, but got nothing"],
    ["no version", '{"schema": "urn:hms:schema:topology-1"}', "version: expected 1, but got nothing"],
    ["a newer one", '{"schema": "urn:hms:schema:topology-2", "version": 2}', "use a newer hms"],
    ["a newer version", '{"schema": "urn:hms:schema:topology-1", "version": 2}', "has version 2"],
    ["a nest", "[".repeat(100_000), "it ends too early"],
  ] as const) {
    it(`says so of ${what}`, () => fails(text, part));
  }

  it("says that a newer format is not supported by code", () => {
    assert.throws(
      () => readJson('{"schema": "urn:hms:schema:topology-1", "version": 2}'),
      (error) =>
        HmsError.is(error) && error.code === "JSON_VERSION_UNKNOWN" && error.errno === "EPROTONOSUPPORT",
    );
  });

  for (const [path, value, part] of [
    ["targets.0.size", -1, "targets[0].size: expected a whole number from 0, but got -1"],
    ["targets.0.size", "1GiB", 'but got "1GiB"'],
    ["targets.0.size", 1.5, "expected a whole number"],
    ["targets.0.id", undefined, "targets[0].id: expected text, but got nothing"],
    ["targets.0.id", "node1", "targets[1].id: expected an id of its own, but targets[0] has it too"],
    ["targets.0.kind.kind", "ddr", "targets[0].kind.kind: expected one of dram, hbm"],
    ["targets.0.type", "link", "targets[0].type: expected target, but got"],
    ["targets.0.version", "1", "targets[0].version: expected 1"],
    ["targets.0.uid", 1, "targets[1].uid: expected a number of its own, but targets[0] has 1 too"],
    ["targets.0.links", [999], "targets[0].links[0]: expected the uid of one of links, but none has 999"],
    [
      "targets.0.links",
      [],
      "targets[0].links: expected the uids of those that have it as a member (28), but got none",
    ],
    ["initiators.0.cpus", "5-1", 'initiators[0].cpus: expected a list of numbers such as "0-3,8"'],
    ["initiators.0.cpus", "0-99999999", "initiators[0].cpus"],
    ["initiators.0.bridges", [0], "initiators[0].bridges[0]: expected the uid of one of bridges"],
    ["links.0.targets", [0, 0], "links[0].targets: expected each uid once"],
    ["links.0.initiators", [12345], "links[0].initiators[0]"],
    ["links.0.properties", null, "links[0].properties: expected an object, but got null"],
    ["links.1.properties.readBandwidth.value", 0, "expected a number greater than 0, but got 0"],
    ["links.1.properties.readBandwidth.origin", "hearsay", "expected one of measurement, spec"],
    ["bridges.0.links", [38], "bridges[0].links: expected 2 items, but got 1"],
    ["bridges.0.links", [38, 10_000], "bridges[0].links[1]"],
    [
      "processors.0.index",
      65_536,
      "processors[0].index: expected a whole number from 0 to 65535, but got 65536",
    ],
    ["nodes.0.index", 70_000, "nodes[0].index: expected a whole number from 0 to 65535"],
    ["unknownVersions", -1, "unknownVersions: expected a whole number from 0"],
    ["nodes", {}, "nodes: expected a list, but got an object"],
    ["info", { a: 1 }, "info.a: expected text, but got 1"],
    ["distances", [{ name: "x", nodes: [0, 1], values: [10] }], "expected 4 numbers for 2 nodes, but got 1"],
  ] as const) {
    it(`names the place: ${path} ${JSON.stringify(value)}`, async () => {
      fails(change(await sample(), path, value), part);
    });
  }

  it("bounds quantities inside quantities", async () => {
    let quantity: unknown = { value: 1, origin: "spec" };
    for (let i = 0; i < 50; i++) quantity = { value: 1, origin: "spec", others: [quantity] };
    fails(change(await sample(), "links.1.properties.readLatency", quantity), "at most 32 levels");
  });

  it("bounds sets of indexes", async () => {
    const document = await sample();
    const node = (document.nodes as Record<string, unknown>[])[0];
    document.tiers = Array.from({ length: 40_000 }, (_, i) => ({ index: i, nodes: `${i},65535` }));
    assert.ok(node !== undefined);
    fails(JSON.stringify(document), "expected sets of at most");
  });
});

describe("objects of an unknown version in JSON", () => {
  it("are absent and counted, and nothing points to them any more", async () => {
    const document = await sample();
    const targets = document.targets as Record<string, unknown>[];
    const links = document.links as Record<string, unknown>[];
    // The memory of the first GPU, of a sort to come: nothing else of it is looked at.
    targets[2] = { uid: targets[2]?.uid, version: 7, shape: "round" };
    // The slot of the first four GPUs; the bridge from it has nowhere to start.
    const slot = links.find((link) => link.medium === "pcie" && (link.targets as unknown[]).length === 0);
    assert.ok(slot !== undefined);
    slot.version = 2;
    const bridges = document.bridges as { readonly uid: number; readonly links: readonly number[] }[];
    const fromSlot = bridges.filter((bridge) => bridge.links.includes(slot.uid as number));
    const own = links.find(
      (link) => link.medium === "memory" && String(link.targets) === String(targets[2]?.uid),
    );
    const machine = readJson(JSON.stringify(document));
    assert.equal(machine.unknownVersions, 2);
    assert.deepEqual(
      machine.warnings.map((warning) => warning.message),
      [
        `2 objects have a version other than 1 and are treated as absent: target 2 (version 7), link ${slot.uid} (version 2)`,
        ...fromSlot.map(({ uid }) => `bridge ${uid} is left out: it joins a link that is not there`),
      ],
    );
    assert.equal(machine.targets.length, 9);
    assert.equal(machine.bridges.length, bridges.length - fromSlot.length);
    // The link to that memory is still there for the GPU, which is its only member now.
    const left = machine.links.find((link) => link.uid === own?.uid);
    assert.deepEqual([left?.targets, left?.initiators], [[], own?.initiators]);
    assertRoundTrip(machine);
  });

  it("take a link with them when it loses all of its members", async () => {
    const document = await sample();
    for (const initiator of document.initiators as Record<string, unknown>[]) {
      if (initiator.class === "nic") initiator.version = 3;
    }
    const machine = readJson(JSON.stringify(document));
    assert.equal(machine.unknownVersions, 8);
    assert.match(machine.warnings[0]?.message ?? "", / and 4 more$/);
    assert.equal(
      machine.links.filter((link) => link.medium === "pcie" && link.targets.length === 0).length,
      2,
    );
    assertRoundTrip(machine);
  });

  it("never get anything but a machine or an error out of any list", () => {
    fc.assert(
      fc.property(
        arbitraryFullMachine,
        fc.array(fc.nat({ max: 30 })),
        fc.constantFrom<unknown>(2, 0, -1, 1.5, "1", null, 2 ** 60),
        (machine, places, version) => {
          const document = JSON.parse(writeJson(machine)) as Record<string, Record<string, unknown>[]>;
          const objects = ["targets", "initiators", "links", "bridges"].flatMap(
            (name) => document[name] ?? [],
          );
          for (const place of places) {
            const object = objects[place];
            if (object !== undefined) object.version = version;
          }
          try {
            const read = readJson(JSON.stringify(document));
            assertRoundTrip(read);
          } catch (error) {
            if (!HmsError.is(error)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("the schema and the reader", () => {
  it("agree on documents with one value changed", async () => {
    const text = writeJson(await readMachine("grace-hopper"));
    const paths: (readonly (string | number)[])[] = [];
    const collect = (value: unknown, path: readonly (string | number)[]): void => {
      if (path.length > 0) paths.push(path);
      if (Array.isArray(value))
        value.slice(0, 2).forEach((inner, i) => {
          collect(inner, [...path, i]);
        });
      else if (typeof value === "object" && value !== null) {
        for (const [name, inner] of Object.entries(value)) collect(inner, [...path, name]);
      }
    };
    collect(JSON.parse(text), []);
    const values: readonly unknown[] = [null, true, 0, -1, 1.5, 1e300, "", "0-3", [], {}, [1, 2]];
    for (const path of paths) {
      for (const value of values) {
        const document = JSON.parse(text) as Record<string, unknown>;
        change(document, path.join("."), value);
        let read = true;
        try {
          readJson(JSON.stringify(document));
        } catch (error) {
          if (!HmsError.is(error)) throw error;
          // What refers to what, a schema cannot say.
          read = REFERENCES.test(error.message);
        }
        const versionChanged = path.at(-1) === "version";
        if (!versionChanged)
          assert.equal(read, valid(document), `${path.join(".")} = ${JSON.stringify(value)}`);
      }
    }
  });
});
