import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Facts } from "../../model/facts.ts";
import { cpuFiles, type Files, factsOf, nodeFiles } from "../../testing/captures.ts";

/** Numbers of the CPUs: all, and those that are online and allowed. */
function cpus({ processors }: Facts): {
  readonly all: number[];
  readonly online: number[];
  readonly usable: number[];
} {
  const indexes = (keep: (p: Facts["processors"][number]) => boolean): number[] =>
    processors.filter(keep).map(({ index }) => index);
  return {
    all: indexes(() => true),
    online: indexes((p) => p.online),
    usable: indexes((p) => p.online && p.allowed),
  };
}

/** cpuFiles without some of them. */
function without(files: Files, pattern: RegExp): Files {
  return Object.fromEntries(Object.entries(files).filter(([path]) => !pattern.test(path)));
}

describe("which CPUs there are", () => {
  test("those with a directory; online are those listed", () => {
    const facts = factsOf({ ...cpuFiles(4), "sys/devices/system/cpu/online": "0-1,3\n" });
    assert.deepEqual(cpus(facts), { all: [0, 1, 2, 3], online: [0, 1, 3], usable: [0, 1, 3] });
    assert.deepEqual(facts.warnings, []);
  });

  test("without the list: those not switched off that have a topology", () => {
    const files = without(cpuFiles(4), /cpu\/(online|possible)$|cpu3\/topology/);
    const facts = factsOf({
      ...files,
      "sys/devices/system/cpu/cpu1/online": "0\n",
      "sys/devices/system/cpu/cpu2/online": "1\n",
      "sys/devices/system/cpu/cpu3/crash_notes": "x",
    });
    assert.deepEqual(cpus(facts), { all: [0, 1, 2, 3], online: [0, 2], usable: [0, 2] });
  });

  test("without directories: those listed, those of /proc/cpuinfo, or their noted number", () => {
    assert.deepEqual(cpus(factsOf({ "sys/devices/system/cpu/online": "0-2" })).online, [0, 1, 2]);
    const cpuinfo = "processor\t: 0\nmodel name\t: X\n\nprocessor\t: 5\nmodel name\t: X\n\n";
    assert.deepEqual(cpus(factsOf({ "proc/cpuinfo": cpuinfo })).online, [0, 5]);
    assert.deepEqual(
      cpus(factsOf({ "proc/hwloc-nofile-info": "FallbackNbProcessors: 3\n" })).online,
      [0, 1, 2],
    );
    assert.deepEqual(cpus(factsOf({})).all, []);
  });

  test("a list that names nobody there, or is none, is passed over", () => {
    for (const list of ["", "garbage", "64-127", "0-99999999999"]) {
      const facts = factsOf({ ...cpuFiles(2), "sys/devices/system/cpu/online": list });
      assert.deepEqual(cpus(facts).online, [0, 1], list);
    }
  });

  test("a noted number that is absurd makes no absurd machine", () => {
    for (const [noted, count] of [
      ["1e9", 8192],
      ["99999999", 8192],
      ["-4", 0],
      ["x", 0],
    ] as const)
      assert.equal(
        factsOf({ "proc/hwloc-nofile-info": `FallbackNbProcessors: ${noted}\n` }).processors.length,
        count,
      );
  });
});

describe("what the cpuset of the process leaves", () => {
  const machine: Files = {
    ...cpuFiles(4),
    ...nodeFiles(0, { cpus: "0-1" }),
    ...nodeFiles(1, { cpus: "2-3" }),
  };

  const cases: Readonly<Record<string, Files>> = {
    "cgroup 2": {
      "proc/self/cgroup": "0::/user.slice/a\n",
      "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n",
      "sys/fs/cgroup/user.slice/a/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/user.slice/a/cpuset.mems.effective": "1\n",
    },
    "cgroup 2, the controller enabled only above": {
      "proc/self/cgroup": "0::/user.slice/a/b\n",
      "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
      "sys/fs/cgroup/user.slice/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/user.slice/cpuset.mems.effective": "1\n",
      "sys/fs/cgroup/cpuset.cpus.effective": "0-3\n",
    },
    "cgroup 2, no list of mounts": {
      "proc/self/cgroup": "0::/a\n",
      "sys/fs/cgroup/a/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/a/cpuset.mems.effective": "1\n",
    },
    "cgroup 2, seen from inside of a container": {
      "proc/self/cgroup": "0::/docker/3f2a\n",
      "proc/mounts": "cgroup /sys/fs/cgroup cgroup2 ro 0 0\n",
      "sys/fs/cgroup/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/cpuset.mems.effective": "1\n",
    },
    "cgroup 2, above what may be seen": {
      "proc/self/cgroup": "0::/../other\n",
      "proc/mounts": "cgroup /sys/fs/cgroup cgroup2 ro 0 0\n",
      "sys/fs/cgroup/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/cpuset.mems.effective": "1\n",
    },
    "cgroup 1": {
      "proc/self/cgroup": "4:memory:/x\n3:cpuset:/a\n1:name=systemd:/y\n0::/z\n",
      "proc/mounts":
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n",
      "sys/fs/cgroup/cpuset/a/cpuset.cpus": "1-2\n",
      "sys/fs/cgroup/cpuset/a/cpuset.mems": "1\n",
      "sys/fs/cgroup/cpuset/a/cpuset.effective_cpus": "3\n",
    },
    "cgroup 1, two controllers in one hierarchy": {
      "proc/self/cgroup": "3:cpuset,cpu:/a\n",
      "proc/mounts": "cgroup /sys/fs/cgroup/cpu\\040set cgroup rw,cpuset,cpu 0 0\n",
      "sys/fs/cgroup/cpu set/a/cpuset.cpus": "1-2\n",
      "sys/fs/cgroup/cpu set/a/cpuset.mems": "1\n",
    },
    "cgroup 1 that behaves as 2": {
      "proc/self/cgroup": "3:cpuset:/a\n",
      "proc/mounts": "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset,cpuset_v2_mode 0 0\n",
      "sys/fs/cgroup/cpuset/a/cpuset.cpus": "0-3\n",
      "sys/fs/cgroup/cpuset/a/cpuset.mems": "0-1\n",
      "sys/fs/cgroup/cpuset/a/cpuset.effective_cpus": "1-2\n",
      "sys/fs/cgroup/cpuset/a/cpuset.effective_mems": "1\n",
    },
    "cgroup 2, the kernel naming the one with the controller": {
      "proc/self/cgroup": "0::/a/b\n",
      "proc/self/cpuset": "/a\n",
      "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
      "sys/fs/cgroup/a/cpuset.cpus.effective": "1-2\n",
      "sys/fs/cgroup/a/cpuset.mems.effective": "1\n",
    },
    "a cpuset of old": {
      "proc/self/cpuset": "/a\n",
      "proc/mounts": "none /dev/cpuset cpuset rw 0 0\n",
      "dev/cpuset/a/cpus": "1-2\n",
      "dev/cpuset/a/mems": "1\n",
    },
    "a cgroup mounted without prefix": {
      "proc/self/cpuset": "/a\n",
      "proc/mounts": "cgroup2 /dev/cgroup cgroup2 rw 0 0\ncpuset /dev/cpuset cgroup rw,cpuset,noprefix 0 0\n",
      "dev/cpuset/a/cpus": "1-2\n",
      "dev/cpuset/a/mems": "1\n",
    },
  };

  for (const [title, files] of Object.entries(cases)) {
    test(title, () => {
      const facts = factsOf({ ...machine, ...files });
      assert.deepEqual(cpus(facts), { all: [0, 1, 2, 3], online: [0, 1, 2, 3], usable: [1, 2] });
      assert.deepEqual(
        facts.nodes.map(({ allowed }) => allowed),
        [false, true],
      );
      assert.ok(facts.info.LinuxCgroup?.startsWith("/"));
      assert.deepEqual(facts.warnings, []);
    });
  }

  test("nothing, when nothing says so", () => {
    const open: Files = {
      "proc/self/cgroup": "0::/\n",
      "proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
    };
    for (const files of [{}, open]) {
      const facts = factsOf({ ...machine, ...files });
      assert.deepEqual(cpus(facts).usable, [0, 1, 2, 3]);
      assert.ok(facts.nodes.every(({ allowed }) => allowed));
      assert.deepEqual(facts.warnings, []);
    }
  });

  test("no limit that leaves nothing", () => {
    for (const [cpuList, nodeList] of [
      ["", ""],
      ["64-127", "7"],
      ["garbage", "0-"],
    ] as const) {
      const facts = factsOf({
        ...machine,
        "proc/self/cgroup": "0::/a\n",
        "sys/fs/cgroup/a/cpuset.cpus.effective": `${cpuList}\n`,
        "sys/fs/cgroup/a/cpuset.mems.effective": `${nodeList}\n`,
      });
      assert.deepEqual(cpus(facts).usable, [0, 1, 2, 3], cpuList);
      assert.ok(facts.nodes.every(({ allowed }) => allowed));
      assert.equal(facts.warnings.length, 2, JSON.stringify(facts.warnings));
    }
  });

  test("nodes by what the kernel tells the process, where its cgroup cannot be looked at", () => {
    const facts = factsOf({
      ...machine,
      "proc/self/status": "Name:\tx\nMems_allowed_list:\t0\nThreads:\t1\n",
    });
    assert.deepEqual(
      facts.nodes.map(({ allowed }) => allowed),
      [true, false],
    );
  });

  test("a node without memory is in no list of allowed ones, and not forbidden by it", () => {
    const facts = factsOf({
      ...machine,
      ...nodeFiles(2, { megabytes: 0 }),
      "proc/self/status": "Mems_allowed_list:\t0-1\n",
    });
    assert.deepEqual(
      facts.nodes.map(({ allowed }) => allowed),
      [true, true, true],
    );
  });
});
