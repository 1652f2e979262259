// Random work of a program, compared with plain arrays: regions come and go, the CPU and two devices write here and
// there and in order, pages are moved, snapshots are made; on little memory, where all is evicted again and again, and on
// more, where what sequences come to next moves before it is touched. HMS_SOAK_SECONDS makes it last.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type IndexRange, open, type Shared } from "hms";
import { skip } from "./support/hms-lab.ts";

const seed = Number(process.env.HMS_SEED ?? Math.floor(Math.random() * 0xffff_ffff));
const seconds = Number(process.env.HMS_SOAK_SECONDS ?? 4);
const REGIONS_MAX = 12;

interface Machine {
  readonly ram: string;
  readonly residentMax: number;
  readonly devices: readonly string[];
  readonly elementsMax: number;
}

const LITTLE: Machine = {
  ram: "12MiB",
  residentMax: 13 * 2 ** 20,
  devices: ["accel:memory=1MiB", "accel:memory=4MiB"],
  elementsMax: 1 << 20,
};
const MORE: Machine = {
  ram: "64MiB",
  residentMax: 68 * 2 ** 20,
  devices: ["accel:memory=24MiB", "accel:memory=40MiB"],
  elementsMax: 1 << 22,
};

let state = seed >>> 0;
/** A number from 0 to n - 1. */
function pick(n: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
}

/** A region, what must be in it, and the request that may still change it. */
interface Twin {
  readonly region: Shared<Int32Array<ArrayBuffer>>;
  readonly plain: Int32Array;
  busy: Promise<unknown>;
}

const add = ({ x, a }: { x: Int32Array; a: number }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) x[i] = (x[i] as number) + a;
};

function expectSame(view: Int32Array, plain: Int32Array, step: number, what: string): void {
  for (let i = pick(step); i < plain.length; i += step)
    if (view[i] !== plain[i]) assert.fail(`${what}: element ${i} is ${view[i]}, not ${plain[i]}`);
}

async function work({ ram, residentMax, devices, elementsMax }: Machine): Promise<void> {
  using hms = await open({ ram, devices });
  const queues = ["accel0", "accel1"].map((name) => hms.device(name).queue({ depth: 8 }));
  const twins: Twin[] = [];
  const make = (): void => {
    const length = 1 + pick(elementsMax);
    const region = hms.space.alloc(Int32Array, length, pick(4) === 0 ? { kind: "shared" } : {});
    twins.push({ region, plain: new Int32Array(length), busy: Promise.resolve() });
  };
  const step = async (twin: Twin, what: number): Promise<void> => {
    const { region, plain } = twin;
    await twin.busy;
    if (what === 0) {
      region.free();
      twins.splice(twins.indexOf(twin), 1);
    } else if (what < 5) {
      // Half of them begin at the beginning: sequences that come again.
      const first = what < 3 ? 0 : pick(plain.length);
      const part = region.slice(first, first + 1 + pick(plain.length - first));
      const a = 1 + pick(9);
      for (let i = first; i < first + part.length; i++) plain[i] = (plain[i] as number) + a;
      twin.busy = queues[pick(2)]?.run(add, { x: part.update(), a }) ?? Promise.resolve();
    } else if (what < 7) {
      for (let i = 0; i < 50; i++) {
        const at = pick(plain.length);
        assert.equal(region.view[at], plain[at], `element ${at}`);
        plain[at] = pick(1_000_000);
        region.view[at] = plain[at] as number;
      }
    } else if (what === 7) {
      await hms.space.migrate(region, ["host", "accel0", "accel1"][pick(3)] ?? "host");
    } else if (what === 8) {
      const end = pick(plain.length);
      for (let i = 0; i < end; i++) {
        if (region.view[i] !== plain[i])
          assert.fail(`element ${i} of ${end} is ${region.view[i]}, not ${plain[i]}`);
        region.view[i] = plain[i] = ((plain[i] as number) ^ i) | 0;
      }
    } else {
      using snapshot = hms.space.snapshot(region);
      expectSame(snapshot.view, plain, 999, "a snapshot");
    }
  };
  const until = performance.now() + seconds * 1000;
  while (performance.now() < until) {
    const twin = twins[pick(REGIONS_MAX)];
    if (twin === undefined) {
      if (twins.length < 3 || pick(10) === 0) make();
    } else await step(twin, pick(10));
  }
  for (const { region, plain, busy } of twins) {
    await busy;
    expectSame(region.view, plain, 1, "at the end");
  }
  assert.ok(hms.statistics().residentBytesMax <= residentMax);
}

test(`random work on little memory for ${seconds} s (HMS_SEED=${seed})`, { skip }, () => work(LITTLE));
test(`random work on more memory for ${seconds} s (HMS_SEED=${seed})`, { skip }, () => work(MORE));
