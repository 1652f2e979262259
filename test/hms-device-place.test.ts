// Programs bind and migrate by commands to a device alone, on real pages.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Device, type IndexRange, open, type Queue } from "hms";
import { errorOf, skip, small } from "./support/hms-lab.ts";

const PAGE = 4096;
const MIGRATE = 0;
const BIND = 1;
const HOST = 0;
const DEVICE = 0x8000_0000;

interface Result {
  readonly state: string;
  readonly report: { readonly satisfied: boolean; readonly targets: readonly object[] } | null;
}

/** One command: a header of 8 bits command, 8 bits priority and 32 bits target; and a range of pages of a region. */
function command(kind: number, target: number, address: number, first: number, pages: number): object {
  const start = address + first * PAGE;
  return { header: kind + target * 2 ** 16, start, end: start + pages * PAGE, pages };
}

async function place(device: Device, queue: Queue, commands: readonly object[]): Promise<Result[]> {
  const { results } = await device.control({ command: "place", queue: queue.id, commands });
  return results as Result[];
}

const sum = ({ x, y }: { x: Float64Array; y: Float64Array }, { first, end }: IndexRange): void => {
  for (let i = first; i < end; i++) y[0] = (y[0] as number) + (x[i] as number);
};

describe("commands to a device", { skip }, () => {
  test("migrate pages with what they hold, and bind where they are used", async () => {
    using hms = await open(small);
    const device = hms.device("accel0");
    const queue = device.queue();
    const x = hms.space.alloc(Float64Array, 16 * 512);
    const y = hms.space.alloc(Float64Array, 1);
    x.view.forEach((_, i, all) => {
      all[i] = i;
    });
    const places = (): [string, number][] =>
      hms.space.explain(x).map(({ place, bytes }) => [place, bytes / PAGE]);
    await device.control({ command: "share", queue: queue.id });
    const [moved, bound, back] = await place(device, queue, [
      command(MIGRATE, DEVICE, x.address, 0, 8),
      command(BIND, HOST, x.address, 8, 8),
      command(MIGRATE, HOST, x.address, 0, 4),
    ]);
    assert.deepEqual(moved?.report?.targets, [{ target: "device", wanted: 8, placed: 8, moved: 8 }]);
    assert.deepEqual(bound, { state: "done", report: null });
    assert.deepEqual(back?.report?.targets, [{ target: "host", wanted: 4, placed: 4, moved: 4 }]);
    await place(device, queue, [command(MIGRATE, DEVICE, x.address, 0, 4)]);
    await queue.run(sum, { x: x.read(), y: y.update() }, { range: { first: 0, end: x.length } });
    assert.deepEqual(places(), [
      ["accel0 memory", 8],
      ["host", 8],
    ]);
    assert.equal(y.view[0], (x.length * (x.length - 1)) / 2);
  });

  test("are refused with a reply that says why, and nothing is done then", async () => {
    using hms = await open({ ram: "64MiB", devices: ["accel:memory=8MiB", "accel:memory=8MiB"] });
    const device = hms.device("accel0");
    const queue = device.queue();
    const x = hms.space.alloc(Float64Array, 8 * 512);
    x.view.fill(1);
    await device.control({ command: "share", queue: queue.id });
    const good = command(MIGRATE, DEVICE, x.address, 0, 8);
    const refused = async (commands: unknown, of: unknown = queue.id, by = device): Promise<string> =>
      (await errorOf(() => by.control({ command: "place", queue: of, commands }))).code;
    for (const bad of [{ ...good, stride: 8 }, { ...good, header: 77 }, { ...good, end: 0 }, null, 7])
      assert.equal(await refused([good, bad]), "DEVICE_COMMAND_INVALID");
    assert.equal(await refused([good], 12345), "NO_SUCH_QUEUE");
    assert.equal(await refused([good], "all"), "NO_SUCH_QUEUE");
    assert.equal(await refused([good], queue.id, hms.device("accel1")), "NO_SUCH_QUEUE");
    assert.ok(hms.space.explain(x).every(({ place }) => !place.includes("accel")));
  });

  test("reach the space of the queue, and no other", async () => {
    using hms = await open(small);
    using other = hms.createSpace();
    const device = hms.device("accel0");
    using queue = device.queue({ space: other });
    const x = hms.space.alloc(Float64Array, 8 * 512);
    x.view.fill(1);
    await device.control({ command: "share", queue: queue.id });
    const [result] = await place(device, queue, [command(MIGRATE, DEVICE, x.address, 0, 8)]);
    assert.deepEqual(result?.report?.targets, [{ target: "device", wanted: 8, placed: 0, moved: 0 }]);
    assert.equal(result?.report?.satisfied, false);
    assert.ok(hms.space.explain(x).every(({ place }) => !place.includes("accel")));
  });
});
