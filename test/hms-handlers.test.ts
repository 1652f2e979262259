// The meaning of the interface, asked for by messages that are valid and make no sense: the kernel thread refuses what
// it must by an error with a code, never by a fault of its own, and works on.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AttributeSpec, CORE, type MethodSpec, type Registry } from "@hms/uabi";
import { HmsError, open } from "hms";
import { Link } from "../packages/hms/src/link.ts";
import { Random, randomValues } from "../packages/uabi/src/testing/random.ts";
import { skip } from "./support/hms-lab.ts";

const seed = Number(process.env.HMS_SEED ?? Math.floor(Math.random() * 0xffff_ffff));
const CALLS = 3000;
const registry: Registry = CORE;
type Values = Record<string, unknown>;

/** Numbers from 0 to n - 1. */
function numbers(start: number): (n: number) => number {
  let state = start >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** Random values, of which many name what is there. */
class Asker {
  readonly pick: (n: number) => number = numbers(seed);
  readonly #random = new Random(seed);
  readonly handles: Record<string, number[]> = {};
  readonly ranges: { readonly first: number; readonly count: number }[] = [];

  input(name: string, { inputs }: MethodSpec): Values {
    const values: Values = { ...randomValues(registry, inputs, this.#random) };
    for (const [key, spec] of Object.entries(inputs))
      if (values[key] !== undefined) values[key] = this.#sense(key, spec, values[key]);
    if (name === "region.create") this.#region(values);
    if (name === "registration.create") {
      Object.assign(values, {
        code: new TextEncoder().encode("export function sum() {}"),
        kind: "es-module",
      });
      delete values.url;
    }
    return values;
  }

  #sense(key: string, spec: AttributeSpec, value: unknown): unknown {
    const { pick } = this;
    if (spec.type === "handle") {
      const known = this.handles[spec.of] ?? [];
      return known.length > 0 && pick(10) > 0 ? known[pick(known.length)] : value;
    }
    const range = this.ranges[pick(Math.max(1, this.ranges.length))];
    if (spec.type === "struct" && spec.of === "range" && range !== undefined && pick(8) > 0) {
      const from = pick(range.count);
      return { first: range.first + from, count: 1 + pick(range.count - from + pick(2) * 5) };
    }
    if (key === "target" && pick(5) > 0) return pick(2) === 0 ? "host" : "accel0";
    if (key === "name" && pick(3) > 0) return "accel0";
    // Whoever waits for what never comes would wait here.
    if (key === "wait" || key === "drain") return false;
    return value;
  }

  #region(values: Values): void {
    values.kind = ["anonymous", "shared", "file", "copy"][this.pick(4)];
    // A file is read as a whole for a snapshot, also where it has no bytes: that would take long.
    if (this.pick(4) > 0 || values.kind === "file") values.bytes = 1 + this.pick(4 << 20);
    if (values.kind === "anonymous" || values.kind === "shared" || this.pick(4) === 0) delete values.path;
    else Object.assign(values, { path: import.meta.filename, protection: 1 });
  }

  /** What there is now. */
  learn(object: string, output: Values): void {
    for (const kind of Object.keys(registry.objects)) {
      const handle = output[kind] ?? (kind === "region" ? output.snapshot : undefined);
      if (typeof handle !== "number") continue;
      this.handles[kind] ??= [];
      this.handles[kind].push(handle);
    }
    if (object !== "region" || typeof output.address !== "number" || typeof output.size !== "number") return;
    this.ranges.push({ first: output.address / 4096, count: output.size / 4096 });
  }
}

describe("the kernel thread", { skip }, () => {
  test(`answers ${CALLS} calls that make no sense (HMS_SEED=${seed})`, async () => {
    using hms = await open({ ram: "32MiB", devices: ["accel:memory=4MiB"] });
    using link = new Link(hms.handle().meeting, false);
    const client = link.sync as unknown as Record<string, Record<string, (input: Values) => Values>>;
    const asker = new Asker();
    asker.handles.context = [hms.handle().context];
    asker.handles.space = [hms.space.handle];
    const methods = Object.entries(registry.objects).flatMap(([object, { methods: all }]) =>
      Object.entries(all).map(([method, spec]) => ({ object, method, spec })),
    );
    const outcomes = new Map<string, number>();
    for (let i = 0; i < CALLS; i++) {
      const chosen = methods[asker.pick(methods.length)];
      assert.ok(chosen);
      const { object, method, spec } = chosen;
      const name = `${object}.${method}`;
      const ends = method === "destroy" || name === "region.close" ? 3 : 1;
      if (object === "context" && (method === "open" || method === "close")) continue;
      if (asker.pick(ends) > 0) continue;
      const input = asker.input(name, spec);
      if (name === "space.destroy" && input.space === hms.space.handle) continue;
      let outcome = "done";
      try {
        asker.learn(object, client[object]?.[method]?.(input) ?? {});
      } catch (error) {
        assert.ok(HmsError.is(error), `${name}: ${String(error)}`);
        assert.notEqual(error.code, "HANDLER_FAULT", `${name} ${JSON.stringify(input)}: ${error.message}`);
        assert.ok(error.errno !== null, `${name}: ${error.code}`);
        outcome = "refused";
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    assert.ok((outcomes.get("done") ?? 0) > CALLS / 10 && (outcomes.get("refused") ?? 0) > CALLS / 10);
    // And it works.
    const x = hms.space.alloc(Int32Array, 1000);
    await hms
      .device("accel0")
      .queue()
      .run(({ x }) => void x.fill(7), { x: x.write() });
    assert.equal(x.view[999], 7);
  });
});
