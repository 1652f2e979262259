import assert from "node:assert/strict";
import { test } from "node:test";
import { OK } from "@hms/hmm";
import { discover } from "@hms/topology";
import { simpleCosts } from "./costs.ts";
import { ModelHost } from "./host.ts";
import { machineCosts } from "./machine-costs.ts";

test("the clock advances by what was done: a touch, a copy by the path's bandwidth, a page from the disk", () => {
  const costs = simpleCosts({
    fault: 1000,
    call: 10,
    diskLatency: 50_000,
    diskBandwidth: 1,
    path: (by) => (by === null ? { latency: 100, bytesPerNanosecond: 4 } : null),
  });
  const host = new ModelHost({ costs, ramPages: 4096 });
  const process = host.createProcess();
  const spent = (work: () => void): number => {
    const before = host.clock.now;
    work();
    return host.clock.now - before;
  };
  let first = 0;
  assert.equal(
    spent(() => {
      first = process.mmap({ pages: 2 });
    }),
    10,
  );
  const copy = 100 + 4096 / 4;
  const bytes = new Uint8Array(4096);
  assert.equal(
    spent(() => assert.equal(process.write(first, 0, bytes), OK)),
    1000 + copy + copy,
    "a fault, zeros, and the write",
  );
  assert.equal(
    spent(() => assert.equal(process.read(first, 0, bytes), OK)),
    copy,
  );
  host.reclaim(1);
  const back = spent(() => assert.equal(process.read(first, 0, bytes), OK));
  assert.equal(back, 1000 + 50_000 + 4096 + copy);
});

test("costs from a machine's topology: the latency and bandwidth of the path, the fallback for what it does not state", async () => {
  const machine = await discover("machine:xeon-max");
  const costs = machineCosts(
    machine,
    { cpu: "node0", host: "node0" },
    { path: () => ({ latency: 7, bytesPerNanosecond: 1 }) },
  );
  const { paths } = await import("@hms/topology");
  const [path] = paths(machine, "node0", "node0");
  const bandwidth = path?.bandwidth.value ?? null;
  const expected = (path?.latency.value ?? 7) + 4096 / (bandwidth === null ? 1 : bandwidth / 1e9);
  assert.equal(costs.transfer(null, "host", 4096, false), expected);
  assert.equal(costs.transfer("gpu", "gpu memory", 1000, true), 7 + 1000);
  assert.throws(
    () => machineCosts(machine, { cpu: "node99", host: "node0" }).transfer(null, "host", 1, false),
    {
      errno: "ENOENT",
    },
  );
});
