import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { getMempolicy, MPOL_DEFAULT, memsAllowed } from "@hms/host-linux/numa";
import { decide, type PlacementRequest } from "@hms/policy";
import { discover, IndexSet } from "@hms/topology";
import { planCommand } from "./plan.ts";
import { kernelFollows, type ProcessPolicy, processPolicy, withPolicy } from "./policy.ts";

const machine = await discover("machine:xeon-max");
const noNuma =
  typeof memsAllowed() === "number" && "needs a kernel with NUMA that lets this process ask for it";

function policyOf(request: PlacementRequest): ProcessPolicy {
  return processPolicy(machine, decide(machine, request), { explicit: false, setWeights: false });
}

test("each mode has its policy of the kernel", () => {
  const shown = ({ name, nodes, notes }: ProcessPolicy) => [name, nodes.toList(), notes.length];
  deepEqual(shown(policyOf({ targets: ["node2"] })), ["prefer", "2", 0]);
  deepEqual(shown(policyOf({ targets: ["node2"], mode: "strict" })), ["bind", "2", 0]);
  deepEqual(shown(policyOf({ targets: ["node0", "node2"], mode: "interleave" })), ["interleave", "0,2", 0]);
  deepEqual(shown(policyOf({ for: ["node0"] })), [
    "prefer",
    String(decide(machine, { for: ["node0"] }).targets[0]?.target.numaNode),
    0,
  ]);
});

test("a list that is no order of the kernel's: the first is preferred, and it is said", () => {
  const policy = policyOf({ targets: ["node2", "node1"] });
  deepEqual([policy.name, policy.nodes.toList()], ["prefer", "2"]);
  match(policy.notes[0] ?? "", /node2 is preferred/);
  const strict = policyOf({ targets: ["node2", "node1"], mode: "strict" });
  deepEqual([strict.name, strict.nodes.toList()], ["bind", "1-2"]);
  match(strict.notes[0] ?? "", /nearest to the CPU first, whatever their order here \(node2, node1\)/);
});

test("the kernel follows a list that gets no nearer, from wherever it runs", () => {
  const at = (list: readonly number[], values: readonly number[]) =>
    kernelFollows(
      {
        ...machine,
        nodes: machine.nodes.slice(0, 3).map((node, index) => ({
          ...node,
          index,
          cpus: index === 0 ? IndexSet.of([0]) : IndexSet.EMPTY,
        })),
        distances: [{ name: "NUMALatency", nodes: [0, 1, 2], values }],
      },
      list,
    );
  const values = [10, 20, 30, 20, 10, 40, 30, 40, 10];
  deepEqual([at([0, 1, 2], values), at([1, 2], values), at([2, 1], values)], [true, true, false]);
  equal(at([0, 1], []), true, "what is not known is as near");
  equal(kernelFollows({ ...machine, distances: [] }, [0, 1]), false);
});

test("a policy is set for as long as it is needed, also when that fails", { skip: noNuma }, () => {
  const { policy } = planCommand({ targets: ["node0"], mode: "strict" });
  const now = (): number => {
    const held = getMempolicy();
    return typeof held === "number" ? held : held.mode;
  };
  equal(withPolicy(policy, now), policy.mode);
  equal(now(), MPOL_DEFAULT);
  throws(() =>
    withPolicy(policy, () => {
      throw new Error("failed");
    }),
  );
  equal(now(), MPOL_DEFAULT);
});

test("nodes that are not there are the kernel's to refuse", { skip: noNuma }, () => {
  const { policy } = planCommand({ targets: ["node0"] });
  const absent = { ...policy, nodes: IndexSet.of([1023]) };
  throws(() => withPolicy(absent, () => undefined), { code: "PLACEMENT_REFUSED", errno: "EINVAL" });
});
