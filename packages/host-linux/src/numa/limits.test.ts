import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { memsAllowed } from "../sys/numa.ts";
import { readLimits, roomOf } from "./limits.ts";

const MIB = 2 ** 20;
const NODES = {
  "sys/devices/system/node/possible": "0-4",
  "sys/devices/system/node/node0/meminfo":
    "Node 0 MemTotal:  1048576 kB\nNode 0 MemFree:  524288 kB\nNode 0 Active(file):  2048 kB\nNode 0 Inactive(file): 1024 kB\nNode 0 HugePages_Total: 0\n",
  "sys/devices/system/node/node2/meminfo": "Node 2 MemTotal:  262144 kB\nNode 2 MemFree:  1024 kB\n",
  "sys/devices/system/node/node4/meminfo": "Node 4 MemTotal:  0 kB\nNode 4 MemFree:  0 kB\n",
  "proc/zoneinfo":
    "Node 0, zone      DMA\n  pages free     10\n        high     16\n      high: 77\nNode 0, zone   Normal\n        high     240\nNode 2, zone  Movable\n        high     32\n",
};

function withRoot<T>(files: Readonly<Record<string, string>>, use: (root: string) => T): T {
  const root = mkdtempSync(join(tmpdir(), "hms-limits-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("version 2: the group nearest the root that leaves a node out is the reason", () => {
  const files = {
    ...NODES,
    "proc/self/status": "Name:\tnode\nMems_allowed_list:\t0\n",
    "proc/self/cgroup": "0::/batch/job 7/step\n",
    "proc/self/cpuset": "/batch/job 7\n",
    "proc/self/mountinfo": "35 23 0:30 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/batch/cpuset.mems.effective": "0,2\n",
    "sys/fs/cgroup/batch/memory.max": "max\n",
    "sys/fs/cgroup/batch/job 7/cpuset.mems.effective": "0\n",
    "sys/fs/cgroup/batch/job 7/memory.max": `${100 * MIB}\n`,
    "sys/fs/cgroup/batch/job 7/memory.current": `${60 * MIB}\n`,
    "sys/fs/cgroup/batch/job 7/memory.stat": `anon 5\ninactive_file ${20 * MIB}\nactive_file ${MIB}\n`,
    "sys/fs/cgroup/batch/job 7/step/cpuset.mems.effective": "0\n",
    "sys/fs/cgroup/batch/job 7/step/memory.max": `${200 * MIB}\n`,
    "sys/fs/cgroup/batch/job 7/step/memory.current": `${10 * MIB}\n`,
  };
  withRoot(files, (root) => {
    const limits = readLimits({ root });
    deepEqual([limits.allowedNodes?.toList(), limits.cpuset], ["0", "/batch/job 7"]);
    deepEqual([...limits.leftOut], [[2, "/batch/job 7"]]);
    deepEqual([...limits.nodes.keys()], [0, 2]);
    deepEqual(limits.nodes.get(0), {
      totalBytes: 1024 * MIB,
      freeBytes: 512 * MIB,
      cacheBytes: 3 * MIB,
      reserveBytes: 256 * 4096,
    });
    equal(limits.withoutMemory.toList(), "1,3-4");
    deepEqual(
      limits.memory.map((one) => [one.group, one.limitBytes / MIB, roomOf(one) / MIB]),
      [
        ["/batch/job 7", 100, 61],
        ["/batch/job 7/step", 200, 190],
      ],
    );
  });
});

test("version 1 in a container: groups are named from outside, files are below what is mounted", () => {
  const files = {
    ...NODES,
    "proc/42/status": "Mems_allowed_list:\t2\n",
    "proc/42/cgroup": "4:memory:/docker/c0ffee/app\n3:cpu,cpuset:/docker/c0ffee\n0::/\n",
    "proc/self/mountinfo":
      "33 31 0:30 /docker/c0ffee /cg/cpuset ro - cgroup cgroup rw,cpuset,cpu\n34 31 0:31 /docker/c0ffee /cg/my\\040memory ro - cgroup cgroup rw,memory\n41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n",
    "cg/cpuset/cpuset.effective_mems": "2\n",
    "cg/my memory/memory.limit_in_bytes": "9223372036854771712\n",
    "cg/my memory/app/memory.limit_in_bytes": `${MIB}\n`,
    "cg/my memory/app/memory.usage_in_bytes": `${3 * MIB}\n`,
    "cg/my memory/app/memory.stat": "inactive_file 7\ntotal_inactive_file 4096\n",
  };
  withRoot(files, (root) => {
    const { leftOut, memory, cpuset, allowedNodes } = readLimits({ root, pid: 42 });
    deepEqual([...leftOut], [[0, "/"]]);
    deepEqual([cpuset, allowedNodes?.toList()], ["/", "2"]);
    deepEqual(
      memory.map((one) => [one.group, one.limitBytes, one.cacheBytes, roomOf(one)]),
      [["/app", MIB, 4096, 0]],
    );
  });
});

test("what cannot be seen is not made up", () => {
  withRoot({ "proc/self/status": "Mems_allowed_list:\t1\n", ...NODES }, (root) => {
    deepEqual(
      [...readLimits({ root }).leftOut],
      [
        [0, null],
        [2, null],
      ],
    );
  });
  withRoot({ "proc/self/cgroup": "0::/../../outside\n" }, (root) => {
    const limits = readLimits({ root });
    deepEqual([limits.allowedNodes, limits.memory, limits.nodes.size], [null, [], 0]);
  });
});

test("a process that is gone is an error of its own", () => {
  throws(() => readLimits({ pid: 2 ** 22 + 1 }), { code: "PROCESS_GONE", errno: "ESRCH" });
});

test("this machine: what is allowed is what the kernel answers, and has memory", () => {
  const { allowedNodes, nodes, leftOut } = readLimits();
  const asked = memsAllowed();
  if (typeof asked !== "number") equal(allowedNodes?.toList(), asked.toList());
  for (const { totalBytes, freeBytes, reserveBytes } of nodes.values()) {
    ok(freeBytes <= totalBytes && reserveBytes < totalBytes);
  }
  for (const node of leftOut.keys()) ok(nodes.has(node));
});
