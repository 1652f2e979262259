import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { discover, discoverLive } from "../discover.ts";
import type { Shape } from "../formats/json/shape.ts";
import { HmsError } from "../model/error.ts";
import { IndexSet } from "../model/index-set.ts";
import type { Link, Machine } from "../model/machine.ts";
import { arbitraryOf } from "../testing/arbitrary-machine.ts";
import { accessFiles, captureFrom, cpuFiles, type Files, factsOf, nodeFiles } from "../testing/captures.ts";
import { mutate, randomOf } from "../testing/mutate.ts";
import { MemoryTree } from "../tree/memory.ts";
import { parseMeasurements, readMeasurements, writeMeasurements } from "./document.ts";
import { hostOf, hostOfThisMachine, misfit } from "./host.ts";
import type { MeasuredHost, MeasuredPair, Measurements } from "./measurements.ts";
import { discoverMeasured } from "./open.ts";
import { measuredFiles, measuredPlaces } from "./places.ts";
import { measuredSchema } from "./schema.ts";
import { MEASUREMENTS } from "./shape.ts";

const SCHEMA_FILE = new URL("../../schema/measured-1.schema.json", import.meta.url);
const schema: unknown = JSON.parse(readFileSync(SCHEMA_FILE, "utf8"));
const valid = new Ajv2020({ allowUnionTypes: true }).compile(schema as object);

const folder = mkdtempSync(join(tmpdir(), "hms-measured-"));
after(() => rmSync(folder, { recursive: true }));

const MACHINE_ID = "0123456789abcdef0123456789abcdef";

/** Two nodes: one with two CPUs, one without; the firmware states the near one's bandwidth. */
function machineFiles(given: Files = {}): Files {
  return {
    ...cpuFiles(2),
    "proc/cpuinfo": "processor : 0\nvendor_id : GenuineIntel\nmodel name : A Processor\ncpu family : 6\n",
    "etc/machine-id": `${MACHINE_ID}\n`,
    ...nodeFiles(0, {
      cpus: "0-1",
      megabytes: 4096,
      distance: "10 20",
      more: accessFiles(0, [0], { bandwidth: 100_000, latency: 90 }),
    }),
    ...nodeFiles(1, { megabytes: 8192, distance: "20 10" }),
    ...given,
  };
}

function hostFrom(given: Files = {}): MeasuredHost {
  const tree = new MemoryTree(machineFiles(given));
  return hostOf(factsOf(tree), tree);
}

function pair(target: string, gigabytes: readonly number[], ns: number): MeasuredPair {
  const sample = (median: number) => ({ median, min: median, max: median, runs: 1 });
  return {
    initiator: "node0",
    target,
    rates: gigabytes.map((rate, i) => ({
      threads: i + 1,
      bytes: 2 ** 20,
      read: sample(rate * 1e9),
      write: sample(rate * 0.9e9),
      copy: sample(rate * 0.5e9),
    })),
    chases: [
      { bytes: 2 ** 20, hugePages: 1, latency: sample(ns) },
      { bytes: 2 ** 20, hugePages: 0, latency: sample(ns * 1.2) },
    ],
    placement: "verified",
    notes: [],
  };
}

function measurements(host: MeasuredHost, pairs: readonly MeasuredPair[]): Measurements {
  return {
    when: "2026-03-04T05:06:07.000Z",
    host,
    settings: { runs: 1, windowMs: 10, write: "simd", copy: "simd" },
    pairs,
    devices: [],
    missing: [],
    warnings: [],
  };
}

let files = 0;
function saved(content: Measurements | string, name = `measured-${files++}.json`): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : writeMeasurements(content));
  return path;
}

function linkOf(machine: Machine, initiator: string, target: string): Link | undefined {
  const from = machine.initiators.find(({ id }) => id === initiator)?.uid ?? -1;
  const to = machine.targets.find(({ id }) => id === target)?.uid ?? -1;
  return machine.links.find((link) => link.initiators.includes(from) && link.targets.includes(to));
}

const codeOf = (code: string) => (error: unknown) => HmsError.is(error) && error.code === code;

describe("a file of measurements", () => {
  it("has the published schema, which is made of the same shapes", () => {
    assert.deepEqual(measuredSchema(), schema);
  });

  it("is read as it was written, whatever is in it, and is as the schema says", () => {
    const any = arbitraryOf(MEASUREMENTS as unknown as Shape<never>) as fc.Arbitrary<Measurements>;
    fc.assert(
      fc.property(any, (made) => {
        const text = writeMeasurements(made);
        assert.ok(valid(JSON.parse(text)), JSON.stringify(valid.errors));
        assert.equal(writeMeasurements(parseMeasurements(text)), text);
      }),
      { numRuns: 100 },
    );
  });

  it("says what is wrong with one that is none", () => {
    const good = JSON.parse(writeMeasurements(measurements(hostFrom(), [pair("node0", [50], 100)])));
    for (const [text, code, says] of [
      ["", "MEASURED_INVALID", /empty/],
      ["{", "MEASURED_INVALID", /cut short/],
      ["[]", "MEASURED_INVALID", /a list/],
      ['{"schema":"urn:hms:schema:topology-1","version":1}', "MEASURED_INVALID", /topology-1/],
      [JSON.stringify({ ...good, version: 2 }), "JSON_VERSION_UNKNOWN", /version 2/],
      [JSON.stringify({ ...good, pairs: undefined }), "JSON_INVALID", /pairs/],
      [
        JSON.stringify({ ...good, pairs: [{ ...good.pairs[0], placement: "guessed" }] }),
        "JSON_INVALID",
        /verified/,
      ],
      [JSON.stringify({ ...good, settings: { ...good.settings, windowMs: -1 } }), "JSON_INVALID", /windowMs/],
    ] as const) {
      assert.throws(
        () => parseMeasurements(text, "it.json"),
        (error) => codeOf(code)(error) && says.test((error as Error).message),
        text,
      );
    }
    assert.throws(() => readMeasurements(join(folder, "nothing")), codeOf("INPUT_NOT_FOUND"));
    assert.throws(() => readMeasurements(folder), codeOf("MEASURED_INVALID"));
    assert.throws(() => readMeasurements("/dev/null"), codeOf("MEASURED_INVALID"));
  });

  it("is read or refused, never something else, however damaged it is", () => {
    const text = writeMeasurements(measurements(hostFrom(), [pair("node0", [20, 60], 80)]));
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        try {
          writeMeasurements(parseMeasurements(mutate(text, randomOf(seed))));
        } catch (error) {
          assert.ok(HmsError.is(error), String(error));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("is looked for in the user's place and then in the machine's", () => {
    assert.deepEqual(measuredPlaces({ XDG_DATA_HOME: "/data/", HOME: "/home/one" }), [
      "/data/hms/measured.json",
      "/var/lib/hms/measured.json",
    ]);
    assert.equal(measuredPlaces({ HOME: "/home/one" })[0], "/home/one/.local/share/hms/measured.json");
    // What is relative is to be ignored.
    assert.equal(
      measuredPlaces({ XDG_DATA_HOME: "data", HOME: "/home/one" })[0],
      "/home/one/.local/share/hms/measured.json",
    );
    assert.match(measuredPlaces({})[0] ?? "", /^\/.*\/hms\/measured\.json$/);
    assert.equal(measuredFiles({ XDG_DATA_HOME: folder }).includes(`${folder}/hms/measured.json`), false);
    saved(measurements(hostFrom(), []), "hms/measured.json");
    assert.equal(measuredFiles({ XDG_DATA_HOME: folder })[0], `${folder}/hms/measured.json`);
  });
});

describe("whose measurements they are", () => {
  const here = hostFrom();

  it("holds for the machine itself, also after it was written and read", () => {
    assert.equal(misfit(here, hostFrom()), null);
    assert.equal(misfit(parseMeasurements(writeMeasurements(measurements(here, []))).host, here), null);
    assert.match(here.cpuModel ?? "", /^A Processor \(GenuineIntel/);
    assert.doesNotMatch(JSON.stringify(here), new RegExp(MACHINE_ID));
  });

  it("does not hold for another", () => {
    const others: readonly (readonly [Files, RegExp])[] = [
      [
        { "proc/cpuinfo": "processor : 0\nvendor_id : X\nmodel name : Another\n" },
        /processor was .*A Processor.*Another/,
      ],
      [{ "etc/machine-id": "f".repeat(32) }, /machine-id/],
      [nodeFiles(2, { megabytes: 1024 }), /nodes were 0-1 and here they are 0-2/],
      [
        nodeFiles(0, { cpus: "0", megabytes: 4096, distance: "10 20" }),
        /node0 had the CPUs 0-1 and here it has 0/,
      ],
      [{ "sys/devices/system/cpu/online": "0\n" }, /node0 had the CPUs 0-1/],
      [nodeFiles(1, { megabytes: 4096, distance: "20 10" }), /node1 had 8 GiB and here it has 4 GiB/],
    ];
    for (const [given, says] of others) assert.match(misfit(here, hostFrom(given)) ?? "", says);
  });

  it("lets sizes differ by what kernels keep to themselves, and does not compare what is not known", () => {
    assert.equal(misfit(here, hostFrom(nodeFiles(1, { megabytes: 8150, distance: "20 10" }))), null);
    assert.equal(misfit(here, hostFrom({ "etc/machine-id": "" })), null);
    assert.equal(misfit(here, hostFrom({ "etc/machine-id": "uninitialized\n" })), null);
    assert.equal(misfit({ ...here, cpuModel: null, architecture: null }, here), null);
  });
});

describe("a machine with what was measured on it", () => {
  const pairs = [pair("node0", [20, 60, 55], 80), pair("node1", [10, 12], 200.5)];

  it("has the measured numbers first, those of the firmware beside them, and says where they are from", async () => {
    using capture = captureFrom(machineFiles());
    const machine = await discover(capture.path, { measured: saved(measurements(hostFrom(), pairs)) });
    const near = linkOf(machine, "node0", "node0");
    // Of several numbers of CPUs the one that got the most.
    assert.deepEqual(near?.properties.readBandwidth, {
      value: 60e9,
      origin: "measurement",
      detail: "2026-03-04 by 2 CPUs",
      others: [{ value: 100e9, origin: "hmat", detail: "node0/access0" }],
    });
    assert.equal(near?.properties.readLatency?.value, 80);
    assert.equal(near?.properties.readLatency?.detail, "2026-03-04 in huge pages");
    // What was not measured stays as it was.
    assert.deepEqual(near?.properties.writeLatency?.origin, "hmat");
    assert.equal(near?.properties.coherent, true);
    const far = linkOf(machine, "node0", "node1");
    assert.equal(far?.properties.readBandwidth?.value, 12e9);
    assert.equal(far?.properties.readLatency?.value, 200.5);
    assert.deepEqual(machine.warnings, (await discover(capture.path)).warnings);
  });

  it("refuses those of another machine when they are asked for, and those that go with no machine's files", async () => {
    using capture = captureFrom(machineFiles());
    const other = saved(measurements(hostFrom(nodeFiles(1, { megabytes: 1024, distance: "20 10" })), pairs));
    await assert.rejects(
      discover(capture.path, { measured: other }),
      (error) => codeOf("MEASURED_OTHER_MACHINE")(error) && /node1 had 1 GiB/.test((error as Error).message),
    );
    await assert.rejects(
      discover("xeon-max", { measured: saved(measurements(hostFrom(), pairs)) }),
      codeOf("MEASURED_NOT_APPLICABLE"),
    );
    await assert.rejects(
      discover(capture.path, { measured: join(folder, "none") }),
      codeOf("INPUT_NOT_FOUND"),
    );
  });

  it("leaves out numbers that nothing can have, and pairs that are not there", async () => {
    using capture = captureFrom(machineFiles());
    const odd = [
      pair("node0", [1e9], 1e15),
      pair("node9", [1], 1),
      { ...pair("node1", [5], 9), initiator: "cpu" },
    ];
    const machine = await discover(capture.path, { measured: saved(measurements(hostFrom(), odd)) });
    const text = JSON.stringify(machine.links);
    assert.doesNotMatch(text, /measurement/);
  });
});

describe("this machine with what is kept on it", () => {
  it("uses what fits, and warns of what is another machine's or damaged", async () => {
    const { XDG_DATA_HOME: before } = process.env;
    const live = discoverLive();
    const host = hostOfThisMachine(live);
    const pairs = live.nodes.map(({ index }) => ({ ...pair(`node${index}`, [7], 77), initiator: "node0" }));
    process.env.XDG_DATA_HOME = join(folder, "own");
    try {
      const path = saved(measurements(host, pairs), "own/hms/measured.json");
      const used = await discover(undefined, { measured: true });
      assert.equal(linkOf(used, "node0", "node0")?.properties.readBandwidth?.value, 7e9);
      assert.deepEqual(discoverMeasured().links, used.links);
      // By itself it is not used: what is wanted has to be said.
      assert.notEqual(linkOf(await discover(), "node0", "node0")?.properties.readBandwidth?.value, 7e9);
      const cpus = IndexSet.parseList("4000");
      saved(measurements({ ...host, nodes: [{ index: 0, size: 1, cpus }] }, pairs), "own/hms/measured.json");
      const left = await discover(undefined, { measured: true });
      assert.notEqual(linkOf(left, "node0", "node0")?.properties.readBandwidth?.value, 7e9);
      assert.match(
        left.warnings.find((one) => one.path === path)?.message ?? "",
        /is not used, since it was measured on another machine/,
      );
      saved("{", "own/hms/measured.json");
      const damaged = await discover(undefined, { measured: true });
      assert.match(
        damaged.warnings.find((one) => one.path === path)?.message ?? "",
        /is not used: .*cut short/,
      );
    } finally {
      if (before === undefined) delete process.env.XDG_DATA_HOME;
      else process.env.XDG_DATA_HOME = before;
    }
  });
});
