// Old and new clients with old and new services. The old ones are what the golden file says that there was with each
// revision; the new ones are this version, and one that has grown in every place where the interface may grow.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HmsError } from "@hms/topology";
import {
  type ClientOptions,
  CORE,
  directTransport,
  type InterfaceError,
  type Registry,
  Service,
  syncClient,
} from "@hms/uabi";
import { readGolden, registryAt } from "../packages/uabi/src/golden.ts";
import { grow } from "../packages/uabi/src/testing/grow.ts";
import { faultOf, Random, randomValues } from "../packages/uabi/src/testing/random.ts";
import { goldenPath } from "../tools/abi.ts";

type Values = Record<string, unknown>;
type AnyClient = Readonly<Record<string, Readonly<Record<string, (input: Values) => Values>>>>;

const seed = Number(process.env.HMS_FUZZ_SEED ?? Math.floor(Math.random() * 0xffff_ffff));
const TRIES = 40;

const golden = readGolden(readFileSync(goldenPath, "utf8")).registry;
const versions: readonly (readonly [string, Registry])[] = [
  ...Array.from(
    { length: golden.revision },
    (_, i) => [`revision ${i + 1}`, registryAt(golden, i + 1)] as const,
  ),
  ["this version", CORE],
  ["a later version", grow(CORE)],
];

interface Ends {
  readonly client: AnyClient;
  readonly service: Registry;
  readonly spoken: Registry;
  /** Inputs that the last handler saw, and outputs that it returned. */
  last: { input: Values; output: Values } | null;
  calls: number;
  readonly ignored: string[];
}

function join(spoken: Registry, served: Registry, random: Random, options: ClientOptions = {}): Ends {
  const service = new Service(served);
  const ignored: string[] = [];
  const transport = directTransport(service);
  const onIgnored = (_: string, paths: readonly string[]): void => void ignored.push(...paths);
  const client = syncClient(spoken, transport, { onIgnored, ...options }) as unknown as AnyClient;
  const ends: Ends = { client, service: served, spoken, last: null, calls: 0, ignored };
  for (const [object, { methods }] of Object.entries(served.objects))
    for (const [method, spec] of Object.entries(methods)) {
      const handler = (input: Values): Values => {
        assert.equal(faultOf(served, spec.inputs, input), null);
        const output = randomValues(served, spec.outputs, random);
        ends.calls++;
        ends.last = { input, output };
        return output;
      };
      service.on({ [object]: { [method]: handler } } as unknown as Parameters<typeof service.on>[0]);
    }
  return ends;
}

function call(ends: Ends, object: string, method: string, input: Values): Values {
  const run = ends.client[object]?.[method];
  assert.ok(run, `${object}.${method}`);
  return run(input);
}

/** Whether a sees of b all that it knows, with nothing else and the newest enum elements as "unknown". */
function sameAsFar(seen: unknown, sent: unknown): boolean {
  if (seen === undefined) return true;
  // A field that the other side does not know of is zero.
  if (seen === 0 && sent === undefined) return true;
  if (seen === "unknown") return sent === "later";
  if (seen instanceof Uint8Array || typeof seen !== "object" || seen === null)
    return JSON.stringify(seen) === JSON.stringify(sent);
  if (Array.isArray(seen))
    return (
      Array.isArray(sent) && seen.length === sent.length && seen.every((one, i) => sameAsFar(one, sent[i]))
    );
  return Object.entries(seen).every(([name, one]) => sameAsFar(one, (sent as Values)[name]));
}

function refusalOf(run: () => unknown): InterfaceError {
  try {
    run();
  } catch (error) {
    assert.ok(HmsError.is(error));
    return error as InterfaceError;
  }
  assert.fail("it was not refused");
}

/** Methods that two versions share. */
function shared(a: Registry, b: Registry): readonly (readonly [object: string, method: string])[] {
  return Object.entries(a.objects).flatMap(([object, { methods }]) =>
    Object.keys(methods)
      .filter((method) => b.objects[object]?.methods[method] !== undefined)
      .map((method) => [object, method] as const),
  );
}

describe(`rule 2: the matrix of clients and services (HMS_FUZZ_SEED=${seed})`, () => {
  for (const [clientName, spoken] of versions)
    for (const [serviceName, served] of versions)
      test(`rule 2: a client of ${clientName} with a service of ${serviceName}`, () => {
        const random = new Random(seed);
        const ends = join(spoken, served, random);
        const olderService = served.revision < spoken.revision;
        for (const [object, method] of shared(spoken, served))
          for (let i = 0; i < TRIES; i++) {
            const spec = spoken.objects[object]?.methods[method];
            const known = served.objects[object]?.methods[method];
            assert.ok(spec && known);
            // What the older of the two can say: to an older service the newer client says no more than that.
            const input = randomValues(
              olderService ? served : spoken,
              (olderService ? known : spec).inputs,
              random,
            );
            if (olderService) fillStructs(spoken, spec.inputs, input);
            const output = call(ends, object, method, input);
            const { last } = ends;
            assert.ok(last);
            assert.ok(
              sameAsFar(input, last.input),
              `${object}.${method}: ${JSON.stringify([input, last.input])}`,
            );
            assert.ok(
              sameAsFar(output, last.output),
              `${object}.${method}: ${JSON.stringify([output, last.output])}`,
            );
            assert.ok(Object.keys(output).every((name) => spec.outputs[name] !== undefined));
          }
      });
});

type Specs = Registry["objects"][string]["methods"][string]["inputs"];

/** Gives structs the fields that a newer client knows of, wherever they are: zero, which means what it did. */
function fillStructs(registry: Registry, specs: Specs, input: Values): void {
  for (const [name, spec] of Object.entries(specs))
    if (input[name] !== undefined) fillValue(registry, spec, input[name]);
  assert.ok(registry.revision > 1);
}

function fillValue(
  registry: Registry,
  spec: { readonly type: string; readonly of?: string; readonly item?: unknown },
  value: unknown,
): void {
  if (spec.type === "struct") Object.assign(value as Values, { later: 0 });
  if (spec.type === "array")
    for (const one of value as unknown[]) fillValue(registry, spec.item as typeof spec, one);
  const type = spec.of === undefined ? undefined : registry.types[spec.of];
  if (spec.type === "nested" && type?.kind === "nested")
    fillStructs(registry, type.attributes, value as Values);
}

describe("rule 1: a newer client with an older service", () => {
  const older = golden;
  const newer = grow(CORE);
  const create = { space: 1, kind: "shared", bytes: 4096 };
  const advise = { space: 1, range: { first: 1, count: 1, later: 0 }, advice: "cold" };
  const ends = join(newer, older, new Random(seed));

  const refused = (object: string, method: string, input: Values, errno: string): void => {
    const before = ends.calls;
    const error = refusalOf(() => call(ends, object, method, input));
    assert.equal(error.errno, errno, error.message);
    assert.equal(ends.calls, before, "something was done");
  };

  test("rule 1: a new input is not understood", () =>
    refused("region", "create", { ...create, later: 5 }, "EPROTONOSUPPORT"));
  test("rule 1: a new method is not understood", () => refused("region", "later", {}, "EPROTONOSUPPORT"));
  test("rule 2: a new element of an enum is not supported", () =>
    refused("space", "advise", { ...advise, advice: "later" }, "EOPNOTSUPP"));
  test("rule 2: a new field of a struct is not supported", () =>
    refused("space", "advise", { ...advise, range: { first: 1, count: 1, later: 9 } }, "EOPNOTSUPP"));
  test("rule 3: a new flag is refused", () =>
    refused("region", "create", { ...create, protection: 0x4000_0001 }, "EINVAL"));

  test("rule 1: a new hint is left aside, and reported", () => {
    ends.ignored.length = 0;
    const { region } = call(ends, "region", "create", { ...create, laterHint: 5 });
    assert.ok(typeof region === "number");
    assert.deepEqual(ends.ignored, ["laterHint"]);
  });

  test("rule 1: an output that the client needs is not understood, one that it does not is not written", () => {
    const needing = join(newer, older, new Random(seed), { needed: { "region.create": ["laterOutput"] } });
    const error = refusalOf(() => call(needing, "region", "create", create));
    assert.equal(error.errno, "EPROTONOSUPPORT");
    assert.equal(needing.calls, 0);
    assert.equal(call(ends, "region", "create", create).laterOutput, undefined);
    const both = join(newer, newer, new Random(seed), {
      needed: { "region.create": ["laterOutput", "region"] },
    });
    assert.ok(call(both, "region", "create", create).region !== undefined);
  });
});
