// The simulated host's clock runs by what a machine's topology states: what is slower there takes longer here.
import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type MachineNames, ModelHost, machineCosts, type PathCost, simpleCosts } from "@hms/host-model";
import { discover } from "@hms/topology";

const PAGES = 64;
/** What no one states: both machines get the same. */
const UNSTATED: PathCost = { latency: 100, bytesPerNanosecond: 10 };

/** Nanoseconds that a process takes to write 256 KiB twice, on memory of a machine. */
async function writing(input: string, names: MachineNames): Promise<number> {
  const machine = await discover(input);
  const host = new ModelHost({ costs: machineCosts(machine, names, { path: () => UNSTATED }) });
  const process = host.createProcess();
  const first = process.mmap({ pages: PAGES });
  const before = host.clock.now;
  for (let turn = 0; turn < 2; turn++) process.write(first, 0, new Uint8Array(PAGES * 4096).fill(turn));
  return host.clock.now - before;
}

test("the same work takes longer on the slower memory of a machine", async () => {
  const fast = await writing("machine:grace-hopper", { cpu: "node0", host: "node0" });
  const slow = await writing("machine:grace-hopper", { cpu: "node0", host: "node1" });
  ok(slow > fast, `${slow} ns on memory of 336 GB/s, ${fast} ns on memory of 486 GB/s`);
  equal(fast, await writing("machine:grace-hopper", { cpu: "node0", host: "node0" }), "the same again");
});

test("without a machine every transfer costs the same", () => {
  const costs = simpleCosts();
  equal(costs.transfer(null, "host", 4096, false), costs.transfer("gpu", "gpu memory", 4096, true));
});
