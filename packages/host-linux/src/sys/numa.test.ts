import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as abi from "./abi.generated.ts";
import { Mapping } from "./memory.ts";
import {
  getMempolicy,
  mbind,
  memsAllowed,
  migratePages,
  NODES_MAX,
  nodeAt,
  PageBatch,
  policyAt,
  STATUS_NONE,
  setHomeNode,
  setMempolicy,
} from "./numa.ts";
import { expectNoLeak, step } from "./testing/step.ts";

const PAGE = 4096;
const PAGES = 16;
const allowed = memsAllowed();
const nodes = typeof allowed === "number" ? [] : [...allowed];
const skip = nodes.length === 0 && "needs a kernel with NUMA that lets this process ask for it";
const [node = 0] = nodes;
/** A node that no machine of this size has. */
const ABSENT = NODES_MAX - 1;

test("the nodes that the kernel allows are those of /proc/self/status", { skip }, () => {
  const listed = /^Mems_allowed_list:\s*(\S*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  equal(typeof allowed === "number" ? null : allowed.toList(), listed);
});

test("the policy of a thread is set, read back and ended", { skip }, () => {
  equal(setMempolicy(abi.MPOL_BIND, [node]), 0);
  const set = getMempolicy();
  ok(typeof set === "object");
  deepEqual([set.mode, set.flags, [...set.nodes]], [abi.MPOL_BIND, 0, [node]]);
  equal(setMempolicy(abi.MPOL_PREFERRED | abi.MPOL_F_STATIC_NODES, [node]), 0);
  const preferred = getMempolicy();
  ok(typeof preferred === "object");
  deepEqual([preferred.mode, preferred.flags], [abi.MPOL_PREFERRED, abi.MPOL_F_STATIC_NODES]);
  equal(setMempolicy(abi.MPOL_DEFAULT, []), 0);
  const ended = getMempolicy();
  ok(typeof ended === "object");
  deepEqual([ended.mode, ended.nodes.size], [abi.MPOL_DEFAULT, 0]);
});

test("what the kernel refuses is a negative errno, what no kernel could take a RangeError", { skip }, () => {
  equal(setMempolicy(abi.MPOL_BIND, [ABSENT]), -abi.EINVAL);
  equal(setMempolicy(abi.MPOL_BIND, []), -abi.EINVAL);
  equal(setMempolicy(77, [node]), -abi.EINVAL);
  equal(migratePages(0, [node], [ABSENT]), -abi.EINVAL);
  for (const bad of [-1, NODES_MAX, 0.5, Number.NaN]) {
    throws(() => setMempolicy(abi.MPOL_BIND, [bad]), RangeError);
  }
  for (const bad of [0, -1, 1.5]) throws(() => new PageBatch(bad), RangeError);
});

test("the policy of a range is what was bound, and its pages are there", { skip }, () => {
  using mapping = Mapping.reserve(PAGES * PAGE, { huge: false });
  const { address, bytes } = mapping;
  equal(mbind(address, bytes, abi.MPOL_BIND, [node], 0), 0);
  const bound = policyAt(address);
  ok(typeof bound === "object");
  deepEqual([bound.mode, [...bound.nodes]], [abi.MPOL_BIND, [node]]);
  const home = setHomeNode(address, bytes, node);
  ok(home === 0 || home === -abi.ENOSYS, `${home}`);
  equal(setHomeNode(address, bytes, ABSENT) < 0, true);
  equal(nodeAt(address), node);
  mapping.view().fill(1);
  equal(mbind(address, bytes, abi.MPOL_BIND, [node], abi.MPOL_MF_STRICT | abi.MPOL_MF_MOVE), 0);
  equal(mbind(address, bytes, abi.MPOL_DEFAULT, [], 0), 0);
  equal(mbind(address, bytes, abi.MPOL_BIND, [ABSENT], 0), -abi.EINVAL);
});

test("nothing is mapped: EFAULT", { skip }, () => {
  const address = PAGE; // below what may be mapped
  equal(policyAt(address), -abi.EFAULT);
  equal(mbind(address, PAGE, abi.MPOL_BIND, [node], 0), -abi.EFAULT);
  using batch = new PageBatch(1);
  batch.put(0, address);
  equal(batch.query(0, 1), 0);
  equal(batch.status[0], -abi.EFAULT);
});

test("a batch says of each page where it is, and why it does not move", { skip }, () => {
  using mapping = Mapping.reserve(PAGES * PAGE, { huge: false });
  const view = mapping.view();
  for (let page = 0; page < PAGES / 2; page++) view[page * PAGE] = 1;
  using batch = new PageBatch(PAGES);
  for (let i = 0; i < PAGES; i++) batch.put(i, mapping.address + i * PAGE);
  equal(batch.address(3), mapping.address + 3 * PAGE);
  equal(batch.query(0, PAGES), 0);
  const half = (value: number): number[] => new Array<number>(PAGES / 2).fill(value);
  ok(batch.status.subarray(0, PAGES / 2).every((where) => nodes.includes(where)));
  deepEqual([...batch.status.subarray(PAGES / 2)], half(-abi.ENOENT));
  batch.nodes.fill(node);
  equal(batch.move(0, PAGES, abi.MPOL_MF_MOVE), 0);
  deepEqual([...batch.status], [...half(node), ...half(-abi.ENOENT)]);
  ok(view.every((octet, at) => octet === (at % PAGE === 0 && at < view.length / 2 ? 1 : 0)));
  batch.nodes.fill(ABSENT);
  equal(batch.move(0, PAGES, abi.MPOL_MF_MOVE), -abi.ENODEV);
  ok(batch.status.every((status) => status === STATUS_NONE));
  throws(() => batch.query(0, PAGES + 1), RangeError);
});

test("no such process: ESRCH", { skip }, () => {
  using batch = new PageBatch(1);
  batch.put(0, 0);
  equal(batch.query(2 ** 22 + 1, 1), -abi.ESRCH);
});

step(
  import.meta.filename,
  "another user's process is not to be looked at: EPERM",
  () => {
    using batch = new PageBatch(1);
    batch.put(0, 0);
    equal(batch.query(1, 1), -abi.EPERM);
    equal(batch.move(0, 1, abi.MPOL_MF_MOVE_ALL), -abi.EPERM);
  },
  { uid: 65534, skip },
);

step(
  import.meta.filename,
  "batches leave nothing",
  () => {
    expectNoLeak(() => {
      using batch = new PageBatch(1024);
      batch.put(0, 0);
      batch.query(0, 1);
    });
  },
  { skip },
);
