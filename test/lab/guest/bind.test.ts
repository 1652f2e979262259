// lab: hmat
// Regions of programs on real nodes: every mode of bind, held against numa_maps and move_pages.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { mbind, PageBatch } from "@hms/host-linux/numa";
import { type Hms, HmsError, open, PlacementError, type PlacementReport, type Shared } from "hms";
import { machine, nodeOf } from "./machine.ts";

const PAGE = 4096;
const MPOL_BIND = 2;
/** Nodes by what they are: two with CPUs, a fast one, a slow one. */
const [near, far, fast, slow] = [0, 1, 2, 3].map(nodeOf) as [number, number, number, number];
const id = (node: number): string => `node${node}`;
type Bytes = Shared<Uint8Array>;

let hms: Hms;
before(async () => {
  hms = await open({ ram: "512MiB", devices: ["accel:memory=8MiB"] });
  await warmUp();
});

/** The device's thread may take longer to start in a guest than a program may take to load. */
async function warmUp(): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await hms
        .device("accel0")
        .queue()
        .run(() => {}, {});
      return;
    } catch (error) {
      if (!HmsError.is(error) || error.errno !== "ETIMEDOUT" || tries === 10) throw error;
    }
  }
}

after(() => hms.close());

/** What numa_maps says of a region: the policies of its mappings, and pages of 4 KiB by node. */
function numaMaps(region: Bytes): { policies: string[]; pages: Record<number, number> } {
  const policies = new Set<string>();
  const pages: Record<number, number> = {};
  for (const line of readFileSync("/proc/self/numa_maps", "utf8").split("\n")) {
    const [address = "", policy = ""] =
      /^([0-9a-f]+) ((?:prefer \(many\)|weighted interleave)?\S*)/.exec(line)?.slice(1) ?? [];
    const at = Number.parseInt(address, 16);
    if (!(at >= region.address && at < region.address + region.bytes)) continue;
    policies.add(policy);
    for (const [, node = "", count = ""] of line.matchAll(/\bN(\d+)=(\d+)/g))
      pages[Number(node)] = (pages[Number(node)] ?? 0) + Number(count);
  }
  return { policies: [...policies], pages };
}

/** The node of each page of a region that is mapped, as move_pages says; -1 for what is not. */
function nodesOf(region: Bytes): number[] {
  const count = Math.ceil(region.bytes / PAGE);
  using batch = new PageBatch(count);
  for (let i = 0; i < count; i++) batch.put(i, region.address + i * PAGE);
  equal(batch.query(0, count), 0);
  return [...batch.status.subarray(0, count)].map((node) => (node < 0 ? -1 : node));
}

function counted(nodes: readonly number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const node of nodes) counts[node] = (counts[node] ?? 0) + 1;
  return counts;
}

function fill(region: Bytes, value = 7): void {
  for (let at = 0; at < region.bytes; at += PAGE) region.view[at] = value;
}

function placedOf(report: PlacementReport): Record<string, number> {
  return Object.fromEntries(report.targets.map(({ target, placed }) => [target, placed]));
}

function thrown(run: () => unknown): HmsError {
  try {
    run();
  } catch (error) {
    ok(HmsError.is(error), String(error));
    return error;
  }
  throw new Error("it did not fail");
}

const MIB = 2 ** 20;

describe("a bind before the first touch", () => {
  for (const [kind, huge, mib] of [
    ["private", false, 1],
    ["private", true, 4],
    ["shared", undefined, 1],
  ] as const) {
    const named = `${kind}${huge === true ? " with huge pages" : ""}`;
    test(`one node, ${named}: pages are made there`, () => {
      for (const node of [near, far, fast, slow]) {
        const options = { kind, bind: id(node), ...(huge === undefined ? {} : { huge }) };
        using x = hms.space.alloc(Uint8Array, mib * MIB, options);
        fill(x);
        deepEqual(counted(nodesOf(x)), { [node]: 256 * mib });
        const maps = numaMaps(x);
        deepEqual(maps.policies, [`prefer:${node}`]);
        deepEqual(maps.pages, { [node]: 256 * mib });
        const [bound] = hms.space.placement(x);
        equal(bound?.kernel, `prefer:${node}`);
        equal(bound?.differs, null);
        equal(bound?.report?.satisfied, true);
        deepEqual(placedOf(bound?.report as PlacementReport), { [id(node)]: 256 * mib });
      }
    });
  }

  test("for initiators: the fast node is best for the CPUs near it by bandwidth, the slow one never", () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: { for: [id(near)] } });
    fill(x);
    deepEqual(counted(nodesOf(x)), { [fast]: 256 });
    using y = hms.space.alloc(Uint8Array, MIB, { bind: { for: [id(far)], prefer: "latency" } });
    fill(y);
    deepEqual(counted(nodesOf(y)), { [far]: 256 });
  });

  test("strict: the kernel is told so", () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: { targets: [id(slow)], mode: "strict" } });
    fill(x);
    deepEqual(counted(nodesOf(x)), { [slow]: 256 });
    deepEqual(numaMaps(x).policies, [`bind:${slow}`]);
  });

  test("a list: the first has the pages, the kernel knows the others and its home", () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: { targets: [id(slow), id(near)] } });
    fill(x);
    deepEqual(counted(nodesOf(x)), { [slow]: 256 });
    deepEqual(numaMaps(x).policies, [`prefer (many):${near},${slow}`]);
  });

  for (const kind of ["private", "shared"] as const)
    test(`interleave, ${kind}: pages take turns, whatever the order of touch`, () => {
      const targets = [id(slow), id(near), id(far)];
      using x = hms.space.alloc(Uint8Array, 3 * MIB, { kind, bind: { targets, mode: "interleave" } });
      for (let page = 767; page >= 0; page -= 2) x.view[page * PAGE] = 1;
      fill(x);
      const nodes = nodesOf(x);
      deepEqual(counted(nodes), { [near]: 256, [far]: 256, [slow]: 256 });
      const turn = [near, far, slow].sort((a, b) => a - b);
      const shift = turn.indexOf(nodes[0] ?? -1);
      deepEqual(
        nodes,
        nodes.map((_, i) => turn[(i + shift) % 3]),
      );
      equal(hms.space.placement(x)[0]?.report?.satisfied, true);
      if (kind === "private") match(numaMaps(x).policies.join(), /^interleave:/);
    });

  test("weighted: as many pages each as the weights say", () => {
    const bind = { targets: [id(near), id(slow)], mode: "weighted", weights: [3, 1] } as const;
    for (const kind of ["private", "shared"] as const) {
      using x = hms.space.alloc(Uint8Array, 4 * MIB, { kind, bind });
      fill(x);
      deepEqual(counted(nodesOf(x)), { [near]: 768, [slow]: 256 });
      equal(hms.space.placement(x)[0]?.report?.satisfied, true);
    }
  });

  test("weighted without weights: by the bandwidths of the nodes", () => {
    using x = hms.space.alloc(Uint8Array, 4 * MIB, {
      bind: { for: [id(near)], targets: [id(near), id(fast)], mode: "weighted" },
    });
    fill(x);
    const counts = counted(nodesOf(x));
    ok((counts[fast] ?? 0) > 2 * (counts[near] ?? 0), JSON.stringify(counts));
    equal(hms.space.placement(x)[0]?.report?.satisfied, true);
  });

  test("a default of the space counts for what is made later", () => {
    using space = hms.createSpace();
    using earlier = space.alloc(Uint8Array, MIB);
    space.bindDefault({ targets: [id(far)] });
    using later = space.alloc(Uint8Array, MIB);
    space.bindDefault(null);
    using last = space.alloc(Uint8Array, MIB);
    for (const one of [earlier, later, last]) fill(one);
    deepEqual(counted(nodesOf(later)), { [far]: 256 });
    equal(space.placement(later)[0]?.origin, "default");
    deepEqual(
      [earlier, last].map((one) => space.placement(one).length),
      [0, 0],
    );
  });

  test("parts of a region have policies of their own", () => {
    using x = hms.space.alloc(Uint8Array, 3 * MIB, { huge: false });
    x.slice(0, MIB).bind(id(slow));
    x.slice(MIB, 2 * MIB).bind(id(fast));
    x.slice(2 * MIB, 3 * MIB).bind(id(far));
    fill(x);
    const nodes = nodesOf(x);
    deepEqual(
      nodes,
      nodes.map((_, i) => [slow, fast, far][Math.floor(i / 256)]),
    );
    deepEqual(
      hms.space.explain(x, { nodes: true }).map(({ node, policy }) => [node, policy?.targets[0]]),
      [slow, fast, far].map((node) => [node, id(node)]),
    );
  });
});

describe("a bind of pages that are there", () => {
  for (const kind of ["private", "shared"] as const)
    test(`migrate, ${kind}: they move, and keep their bytes`, () => {
      using x = hms.space.alloc(Uint8Array, 4 * MIB, { kind, bind: id(near) });
      for (let i = 0; i < x.length; i += 61) x.view[i] = (i * 31 + (i >> 12)) & 255;
      const dry = x.bind({ targets: [id(slow)], migrate: true }, { dryRun: true });
      deepEqual(placedOf(dry), { [id(slow)]: 1024 });
      deepEqual(hms.space.placement(x)[0]?.choices[0]?.target, id(near));
      const report = x.bind({ targets: [id(slow)], migrate: true });
      equal(report.satisfied, true, JSON.stringify(report));
      deepEqual(report.targets, [{ target: id(slow), wanted: 1024, placed: 1024, moved: 1024 }]);
      for (let i = 0; i < x.length; i += 61) equal(x.view[i], (i * 31 + (i >> 12)) & 255);
      deepEqual(counted(nodesOf(x)), { [slow]: 1024 });
      equal(x.bind({ targets: [id(slow)], migrate: true }).targets[0]?.moved, 0);
    });

  test("without migrate they stay, and the report says where", () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: id(near) });
    fill(x);
    const report = x.bind(id(slow));
    equal(report.satisfied, false);
    deepEqual(report.elsewhere, [{ place: id(near), pages: 256 }]);
    const error = thrown(() => x.bind({ targets: [id(slow)], mode: "strict" }));
    ok(error instanceof PlacementError);
    deepEqual(error.report.elsewhere, [{ place: id(near), pages: 256 }]);
    // Nothing was done: it is bound as before.
    equal(hms.space.placement(x)[0]?.mode, "preferred");
  });

  test("interleave and weighted spread what is there", () => {
    using x = hms.space.alloc(Uint8Array, 4 * MIB, { bind: id(near) });
    fill(x);
    const spread = x.bind({ targets: [id(near), id(far)], mode: "interleave", migrate: true });
    deepEqual(placedOf(spread), { [id(near)]: 512, [id(far)]: 512 });
    equal(spread.satisfied, true);
    const weighed = x.bind({
      targets: [id(near), id(slow)],
      mode: "weighted",
      weights: [1, 3],
      migrate: true,
    });
    equal(weighed.satisfied, true, JSON.stringify(weighed));
    for (let page = 0; page < 1024; page++) equal(x.view[page * PAGE], 7);
    deepEqual(counted(nodesOf(x)), { [near]: 256, [slow]: 768 });
  });

  test("migrate by a request moves once, and leaves the policy", async () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: id(near) });
    fill(x);
    const report = await hms.space.migrate(x, { targets: [id(slow)] });
    equal(report.satisfied, true);
    equal(hms.space.placement(x)[0]?.choices[0]?.target, id(near));
    equal(hms.space.placement(x)[0]?.report?.satisfied, false);
  });

  test("what a device had comes home to the node of the policy", async () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: { targets: ["accel0", id(slow)] } });
    await hms
      .device("accel0")
      .queue()
      .run(
        ({ x }: { x: Uint8Array }, { first, end }) => {
          for (let i = first; i < end; i++) x[i] = 9;
        },
        { x: x.write() },
      );
    equal(hms.space.explain(x)[0]?.place, "accel0 memory");
    ok(x.view.every((one) => one === 9));
    deepEqual(counted(nodesOf(x)), { [slow]: 256 });
    const back = x.bind({ targets: ["accel0"], migrate: true });
    equal(back.satisfied, true);
    equal(x.bind({ targets: [id(far)], migrate: true }).satisfied, true);
    ok(x.view.every((one) => one === 9));
    deepEqual(counted(nodesOf(x)), { [far]: 256 });
  });

  test("devices and nodes take turns", () => {
    using x = hms.space.alloc(Uint8Array, 2 * MIB);
    fill(x);
    const report = x.bind({ targets: ["accel0", id(slow)], mode: "interleave", migrate: true });
    deepEqual(placedOf(report), { [id(slow)]: 256, "accel0 memory": 256 });
    equal(report.satisfied, true);
  });
});

describe("what the kernel does not allow", () => {
  test("a full node: strict fails with the report and nothing half done, preferred goes on to the next", () => {
    // The fast node has 256 MiB: most of it is taken away.
    const free =
      Number(
        /MemFree:\s*(\d+) kB/.exec(readFileSync(`/sys/devices/system/node/node${fast}/meminfo`, "utf8"))?.[1],
      ) * 1024;
    const most = Math.floor((free - 40 * MIB) / MIB) * MIB;
    using hog = hms.space.alloc(Uint8Array, most, { bind: { targets: [id(fast)], mode: "strict" } });
    fill(hog);
    deepEqual(counted(nodesOf(hog)), { [fast]: most / PAGE });
    const before = hms.regions().filter(({ gone }) => !gone).length;
    const error = thrown(() =>
      hms.space.alloc(Uint8Array, 64 * MIB, { bind: { targets: [id(fast)], mode: "strict" } }),
    );
    ok(error instanceof PlacementError, error.message);
    deepEqual([error.code, error.errno], ["PLACEMENT_REFUSED", "ENOMEM"]);
    deepEqual([error.report.refused[0]?.target, error.report.refused[0]?.by], [id(fast), "capacity"]);
    equal(hms.regions().filter(({ gone }) => !gone).length, before);
    using y = hms.space.alloc(Uint8Array, 64 * MIB, { bind: id(near) });
    fill(y);
    const refused = thrown(() => y.bind({ targets: [id(fast)], mode: "strict", migrate: true }));
    ok(refused instanceof PlacementError);
    deepEqual(counted(nodesOf(y)), { [near]: 64 * 256 });
    equal(hms.space.placement(y)[0]?.choices[0]?.target, id(near));
    const report = y.bind({ targets: [id(fast), id(far)], migrate: true });
    equal(report.satisfied, true, JSON.stringify(report));
    ok((report.targets[0]?.placed ?? 0) > 0 && (report.targets[1]?.placed ?? 0) > 0);
    deepEqual([report.refused[0]?.target, report.refused[0]?.by], [id(fast), "capacity"]);
    // Pages that were taken out of huge ones wait in slots until they are touched.
    fill(y);
    const counts = counted(nodesOf(y));
    equal((counts[fast] ?? 0) + (counts[far] ?? 0), 64 * 256);
    // First touches, in order: the fast one as long as it has room, then the far one, never another.
    using z = hms.space.alloc(Uint8Array, 64 * MIB, { bind: { targets: [id(fast), id(slow)] } });
    fill(z);
    const made = counted(nodesOf(z));
    equal((made[fast] ?? 0) + (made[slow] ?? 0), 64 * 256, JSON.stringify(made));
    ok((made[slow] ?? 0) > 0);
  });

  test("an empty node has no memory: said, and nothing done", () => {
    const node = machine.domains.length; // The NVDIMM's.
    const error = thrown(() => hms.space.alloc(Uint8Array, MIB, { bind: id(node) }));
    ok(
      error.code === "NO_SUCH_TARGET" || error.code === "PLACEMENT_REFUSED",
      `${error.code} ${error.message}`,
    );
  });

  test("a policy that someone else gave the kernel: hms wins, and the difference is reported", () => {
    using x = hms.space.alloc(Uint8Array, MIB, { bind: id(slow), huge: false });
    equal(mbind(x.address, x.bytes, MPOL_BIND, [far], 0), 0);
    match(hms.space.placement(x)[0]?.differs ?? "", new RegExp(`bind:${far}.*prefer:${slow}`));
    fill(x);
    deepEqual(counted(nodesOf(x)), { [slow]: 256 });
  });

  test("a cpuset leaves a node out: it is named", () => {
    const group = "/sys/fs/cgroup/hms-bind";
    try {
      writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
      mkdirSync(group);
      writeFileSync(`${group}/cpuset.mems`, `${near},${far}`);
      writeFileSync(`${group}/cgroup.procs`, String(process.pid));
    } catch (error) {
      throw new Error(`no cpuset here: ${String(error)}`);
    }
    try {
      const error = thrown(() =>
        hms.space.alloc(Uint8Array, MIB, { bind: { targets: [id(slow)], mode: "strict" } }),
      );
      ok(error instanceof PlacementError, error.message);
      deepEqual([error.report.refused[0]?.by, error.report.refused[0]?.errno], ["cpuset", "EACCES"]);
      match(error.message, /hms-bind/);
      using x = hms.space.alloc(Uint8Array, MIB, { bind: { targets: [id(slow), id(far)] } });
      fill(x);
      deepEqual(counted(nodesOf(x)), { [far]: 256 });
      equal(hms.space.placement(x)[0]?.report?.refused[0]?.by, "cpuset");
    } finally {
      writeFileSync("/sys/fs/cgroup/cgroup.procs", String(process.pid));
    }
  });
});

describe("pages come back from disk to their node", () => {
  test("swapped out and touched again", async () => {
    using small = await open({ ram: "16MiB" });
    using x = small.space.alloc(Uint8Array, 24 * MIB, { bind: id(slow) });
    for (let page = 0; page < 24 * 256; page++) x.view[page * PAGE] = page & 255;
    for (let page = 0; page < 24 * 256; page++) equal(x.view[page * PAGE], page & 255);
    const nodes = nodesOf(x).filter((node) => node >= 0);
    ok(nodes.length > 1000);
    deepEqual(counted(nodes), { [slow]: nodes.length });
    ok(small.statistics().swappedInBytes > 0);
  });
});
