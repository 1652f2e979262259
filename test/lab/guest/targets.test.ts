// lab: full
// Fast, slow, persistent and CXL memory as targets: made nodes as an administrator does, found by kind, and used. In the
// end the CXL memory goes offline, and is no target any more.
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { discoverLive } from "@hms/topology";
import { placeCommand, planCommand, runPlanned } from "hms/process";
import { nodeOf } from "./machine.ts";

let cxl = -1;
let cxlDevice = "";

function shell(line: string): string {
  const { stdout, stderr, status } = spawnSync("bash", ["-c", line], { encoding: "utf8" });
  equal(status, 0, `${line}: ${stderr}`);
  return stdout;
}

before(() => {
  equal(shell("bash test/lab/guest/memory.sh kmem").match(/node (\d+)/)?.[1], String(nodeOf(4)));
  const [, device = "", node] =
    /(dax\S+) node (\d+)$/m.exec(shell("bash test/lab/guest/memory.sh cxl | grep -v ' node 5$'")) ?? [];
  [cxl, cxlDevice] = [Number(node), device];
});

after(() => {
  shell(`daxctl online-memory ${cxlDevice}`);
});

async function kinds(): Promise<Map<number, string>> {
  const { targets } = await discoverLive();
  return new Map(
    targets.flatMap(({ numaNode, kind }) => (numaNode === null ? [] : [[numaNode, kind.kind] as const])),
  );
}

test("each kind of memory is known for what it is", async () => {
  const found = await kinds();
  deepEqual(
    [nodeOf(0), nodeOf(2), nodeOf(4), cxl].map((node) => found.get(node)),
    ["dram", "hbm", "nvm", "cxl"],
  );
  ok(found.has(nodeOf(3)));
});

for (const [what, where] of [
  ["fast", () => nodeOf(2)],
  ["slow", () => nodeOf(3)],
  ["persistent", () => nodeOf(4)],
  ["CXL", () => cxl],
] as const) {
  test(`a program's memory is on ${what} memory when that is its target`, async () => {
    // A program of a few pages: CXL memory answers through the emulated device, some thousand times slower.
    const { child, ended } = placeCommand(
      ["cat", "/proc/self/numa_maps"],
      { targets: [`node${where()}`], mode: "strict" },
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let text = "";
    child.stdout?.on("data", (data: Buffer) => {
      text += data.toString();
    });
    equal((await ended).code, 0);
    const own = text.split("\n").filter((line) => /\banon=/.test(line));
    ok(own.length > 3, text);
    for (const line of own) {
      match(line, new RegExp(` bind:${where()} `));
      equal(/ anon=(\d+)/.exec(line)?.[1], new RegExp(` N${where()}=(\\d+)`).exec(line)?.[1], line);
    }
  });
}

test("a node that went offline is no target any more", async () => {
  const request = { targets: [`node${cxl}`], mode: "strict" } as const;
  const machine = await discoverLive();
  const plan = planCommand(request, { machine });
  shell(`daxctl offline-memory ${cxlDevice}`);
  // What was read and planned before is refused as such.
  const code = "PLACEMENT_REFUSED";
  const message = /went offline since; read the topology again/;
  throws(() => placeCommand(["true"], request, { machine }), { code, errno: "ENODEV", message });
  throws(() => runPlanned(["true"], plan), { code, errno: "EINVAL" });
  const { targets } = await discoverLive();
  // The kernel keeps the empty node.
  equal(targets.find(({ numaNode }) => numaNode === cxl)?.size ?? 0, 0);
  const refused = spawnSync(
    process.execPath,
    ["packages/cli/bin/hms.js", "exec", "--mode", "strict", "--target", `node${cxl}`, "--", "true"],
    { encoding: "utf8" },
  );
  equal(refused.status === 0, false);
  match(refused.stderr, new RegExp(`node${cxl}`));
  equal(refused.stderr.trim().split("\n").length, 1, refused.stderr);
});
