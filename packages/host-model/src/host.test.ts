import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkInvariants,
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  type Errno,
  errnoName,
  HUGE_PAGES,
  OK,
} from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { ModelHost } from "./host.ts";
import type { ModelProcess } from "./process.ts";

function page(byte: number): Uint8Array {
  return new Uint8Array(4096).fill(byte);
}

function read(process: ModelProcess, at: number): Uint8Array {
  const bytes = new Uint8Array(4096);
  assert.equal(errnoName(process.read(at, 0, bytes)), null);
  return bytes;
}

function mapped(process: ModelProcess, pages: number, byte = 1): number {
  const first = process.mmap({ pages });
  for (let i = 0; i < pages; i++) assert.equal(process.write(first + i, 0, page(byte + i)), OK);
  return first;
}

test("first touches: reading finds the page of zeros, writing a page of its own", () => {
  const host = new ModelHost();
  const process = host.createProcess();
  const first = process.mmap({ pages: 4 });
  assert.deepEqual(read(process, first), page(0));
  assert.equal(process.space.accounts().host, 0);
  assert.equal(process.write(first, 100, new Uint8Array([7])), OK);
  assert.equal(process.space.accounts().host, 1);
  assert.equal(read(process, first)[100], 7);
  assert.equal(process.write(first + 2, 4094, new Uint8Array([1, 2, 3, 4])), OK, "across two pages");
  assert.deepEqual([...read(process, first + 3).subarray(0, 2)], [3, 4]);
  assert.equal(process.read(first + 3, 4090, new Uint8Array(10)), EFAULT);
  assert.equal(process.read(first, -1, new Uint8Array(1)), EFAULT);
});

test("what runs out of memory is swapped out and comes back; what finds no room at all fails with ENOMEM", () => {
  const host = new ModelHost({ ramPages: 33, swapPages: 100 });
  const process = host.createProcess();
  const first = mapped(process, 120);
  assert.equal(process.space.accounts().host + process.space.accounts().swapped, 120);
  assert.ok(process.space.accounts().swapped >= 88);
  for (let i = 0; i < 120; i++) assert.deepEqual(read(process, first + i), page(1 + i));
  const more = process.mmap({ pages: 40 });
  let errno: Errno = OK;
  for (let i = 0; i < 40 && errno === OK; i++) errno = process.write(more + i, 0, page(9));
  assert.equal(errno, ENOMEM);
  assert.equal(process.munmap(more, 40), OK);
  for (let i = 0; i < 120; i++) assert.deepEqual(read(process, first + i), page(1 + i));
  assert.equal(process.exit(), OK);
  assert.equal(host.available, 32);
  assert.equal(host.swap.available, 100);
  assert.deepEqual(host.leaks(), []);
});

test("copy on write: parent, child and grandchild each have what they wrote, through swap too", () => {
  const host = new ModelHost({ ramPages: 64, swapPages: 256 });
  const process = host.createProcess();
  const first = mapped(process, 20);
  const child = process.fork();
  const grandchild = child.fork();
  assert.equal(host.core.memories.host.mapped, 20, "nothing is copied yet");
  assert.equal(child.write(first + 3, 0, page(103)), OK);
  host.reclaim(64);
  assert.equal(grandchild.write(first + 4, 0, page(204)), OK);
  assert.equal(process.write(first + 5, 0, page(5)), OK);
  const expected = (who: number, i: number): number =>
    who === 1 && i === 3 ? 103 : who === 2 && i === 4 ? 204 : who === 0 && i === 5 ? 5 : 1 + i;
  for (const [who, one] of [process, child, grandchild].entries()) {
    for (let i = 0; i < 20; i++)
      assert.deepEqual(read(one, first + i), page(expected(who, i)), `${who} ${i}`);
  }
  for (const one of [child, process, grandchild]) assert.equal(one.exit(), OK);
  assert.equal(host.available, 63);
  assert.equal(host.swap.available, 256);
});

test("huge pages: taken where they fit, split by what touches a part, joined again on request", () => {
  const host = new ModelHost();
  const process = host.createProcess();
  const first = process.mmap({ pages: 3 * HUGE_PAGES, huge: true });
  const order = (at: number): number | undefined => process.space.table.at(at)?.order;
  assert.equal(process.touch(first + 5), OK);
  assert.equal(order(first), 9, "a huge page of zeros");
  assert.equal(process.space.accounts().host, 0);
  assert.equal(process.write(first + 5, 0, page(1)), OK);
  assert.equal(order(first), 9, "the huge page of zeros becomes a huge page of its own");
  assert.equal(process.space.accounts().host, HUGE_PAGES);
  assert.equal(process.write(first + HUGE_PAGES + 5, 0, page(2)), OK);
  assert.equal(order(first + HUGE_PAGES), 9);
  assert.equal(process.space.accounts().host, 2 * HUGE_PAGES);
  assert.equal(process.mprotect(first + HUGE_PAGES, HUGE_PAGES, "r"), OK);
  assert.equal(order(first + HUGE_PAGES), 9);
  assert.equal(process.mprotect(first + HUGE_PAGES, HUGE_PAGES, "rw"), OK);
  const child = process.fork();
  assert.equal(child.space.table.at(first + HUGE_PAGES)?.order, 9);
  assert.equal(child.write(first + HUGE_PAGES, 0, page(3)), OK);
  assert.equal(child.space.table.at(first + HUGE_PAGES)?.order, 0);
  assert.equal(order(first + HUGE_PAGES), 9);
  assert.deepEqual(read(process, first + HUGE_PAGES), page(0));
  child.exit();
  assert.equal(process.madvise(first + 7, 1, "dontneed"), OK);
  assert.equal(order(first), 0, "split by what goes");
  assert.equal(process.madvise(first, HUGE_PAGES, "collapse"), OK);
  assert.equal(order(first), 9);
  assert.deepEqual(read(process, first + 5), page(1));
  assert.deepEqual(read(process, first + 6), page(0));
  assert.equal(process.madvise(first, HUGE_PAGES, "pageout"), OK);
  assert.equal(
    process.space.accounts().swapped,
    1,
    "pages of zeros are given up when the huge page is split",
  );
  assert.deepEqual(read(process, first + 5), page(1));
  assert.equal(process.madvise(first + 1, 2, "collapse"), OK, "nothing aligned is in it");
  assert.equal(process.exit(), OK);
  assert.deepEqual(host.leaks(), []);
});

test("the policy for huge pages: never, always, or where advised; small regions never", () => {
  const orders = (hugePages: "always" | "madvise" | "never", huge: boolean): number | undefined => {
    const process = new ModelHost({ hugePages }).createProcess();
    const first = process.mmap({ pages: HUGE_PAGES, huge });
    const aligned = huge ? first : Math.ceil(first / HUGE_PAGES) * HUGE_PAGES;
    process.write(aligned, 0, page(1));
    return process.space.table.at(aligned)?.order;
  };
  assert.deepEqual(
    [
      orders("always", false),
      orders("always", true),
      orders("madvise", false),
      orders("madvise", true),
      orders("never", true),
    ],
    [9, 9, 0, 9, 0],
  );
  const process = new ModelHost({ hugePages: "always" }).createProcess();
  const first = process.mmap({ pages: 2 * HUGE_PAGES });
  assert.equal(process.madvise(first, 2 * HUGE_PAGES, "nohugepage"), OK);
  process.write(first + 600, 0, page(1));
  assert.equal(process.space.table.at(first + 600)?.order, 0);
});

test("hugetlb: whole pages of the pool only, SIGBUS when it is empty, aligned ends", () => {
  const host = new ModelHost({ ramPages: 2048 + 10, hugetlbPool: 2 });
  const process = host.createProcess();
  assert.equal(process.mmap({ pages: 100, backing: { kind: "hugetlb" } }), -EINVAL);
  const first = process.mmap({ pages: 3 * HUGE_PAGES, backing: { kind: "hugetlb" } });
  assert.equal(process.write(first + 7, 0, page(1)), OK);
  assert.equal(process.touch(first + HUGE_PAGES), OK);
  assert.equal(errnoName(process.touch(first + 2 * HUGE_PAGES)), "EIO");
  assert.equal(process.munmap(first + 5, 1), EINVAL);
  assert.equal(process.mprotect(first, 5, "r"), EINVAL);
  assert.equal(process.munmap(first, HUGE_PAGES), OK);
  assert.equal(host.hugetlbAvailable, 1);
  assert.equal(process.touch(first + 2 * HUGE_PAGES), OK);
  assert.deepEqual(read(process, first + 2 * HUGE_PAGES + 7), page(0));
  const child = process.fork();
  assert.equal(errnoName(child.write(first + HUGE_PAGES, 0, page(2))), "EIO", "no page for the copy");
  assert.equal(process.munmap(first + 2 * HUGE_PAGES, HUGE_PAGES), OK);
  assert.equal(child.munmap(first + 2 * HUGE_PAGES, HUGE_PAGES), OK);
  assert.equal(child.write(first + HUGE_PAGES, 0, page(2)), OK);
  assert.deepEqual(read(process, first + HUGE_PAGES), page(0));
  child.exit();
  process.exit();
  assert.equal(host.hugetlbAvailable, 2);
});

test("system calls with bad arguments answer as Linux does", () => {
  const host = new ModelHost();
  const process = host.createProcess();
  const first = mapped(process, 4);
  const names = (errnos: readonly number[]): (string | null)[] =>
    errnos.map((errno) => errnoName(Math.abs(errno)));
  assert.deepEqual(
    names([
      process.mmap({ pages: 0 }),
      process.mmap({ pages: 1.5 }),
      process.mmap({ pages: 2 ** 37 }),
      process.mmap({ pages: 1, at: -1 }),
      process.mmap({ pages: 2, at: 2 ** 36 - 1 }),
      process.munmap(first, 0),
      process.munmap(-1, 1),
      process.mprotect(first + 2, 10, "r"),
      process.mprotect(first, 0, "r"),
      process.mremap(first, 10),
      process.mremap(first, 2, { to: first + 1 }),
      process.mremap(first, 0),
      process.madvise(first, 10, "dontneed"),
      process.madvise(first, 10, "free"),
      process.madvise(first, 10, "hugepage"),
      process.madvise(first, 10, "collapse"),
      process.madvise(first, 10, "pageout"),
    ]),
    [
      "EINVAL",
      "EINVAL",
      "ENOMEM",
      "EINVAL",
      "EINVAL",
      "EINVAL",
      "EINVAL",
      "ENOMEM",
      "EINVAL",
      "EFAULT",
      "EINVAL",
      "EINVAL",
      "ENOMEM",
      "ENOMEM",
      "ENOMEM",
      "ENOMEM",
      "ENOMEM",
    ],
  );
  const shared = process.mmap({ pages: 1, share: "shared" });
  assert.equal(process.madvise(shared, 1, "free"), EINVAL);
  for (const options of [{ ramPages: 1 }, { ramPages: 1.5 }, { swapPages: -1 }, { ramPages: Number.NaN }]) {
    assert.throws(
      () => new ModelHost(options),
      (error) => HmsError.is(error) && error.code === "BAD_SIZE",
    );
  }
});

test("the same address is mapped again after it was unmapped, and mapping over something replaces it", () => {
  const host = new ModelHost();
  const process = host.createProcess();
  const first = mapped(process, 4);
  assert.equal(process.munmap(first, 4), OK);
  assert.equal(process.mmap({ pages: 4 }), first);
  assert.deepEqual(read(process, first), page(0));
  assert.equal(process.write(first + 1, 0, page(8)), OK);
  assert.equal(process.mmap({ pages: 2, at: first + 1, protection: "r" }), first + 1);
  assert.deepEqual(read(process, first + 1), page(0));
  assert.equal(process.write(first + 1, 0, page(1)), EFAULT);
  assert.equal(process.space.regions.size, 3);
});

test("while a fork or an unmapping is under way others wait; what does not need the same lock goes on", () => {
  const host = new ModelHost();
  const process = host.createProcess();
  const first = mapped(process, 2);
  const seen: (string | null)[] = [];
  const mirror = host.core.addDevice("d").mirror(process.space, { invalidate: () => true });
  host.onYield = (point) => {
    if (point !== "invalidated" || seen.length > 0) return;
    seen.push(
      errnoName(process.munmap(first + 1, 1)),
      errnoName(process.touch(first + 1)),
      errnoName(process.exit()),
    );
  };
  assert.equal(process.munmap(first, 1), OK);
  assert.deepEqual(seen, ["EAGAIN", null, "EAGAIN"]);
  host.onYield = null;
  mirror.close();
  assert.equal(process.touch(first + 1), OK);
  assert.equal(process.exit(), OK);
  assert.notEqual(EAGAIN, OK);
});

test("a hole punched while a write breaks the sharing of an extent: zeros are left, the other file keeps its bytes", () => {
  for (let at = 1; at <= 6; at++) {
    const host = new ModelHost();
    const process = host.createProcess();
    const file = host.createFile({ kind: "dax", pages: 2 });
    assert.equal(file.write(0, page(3)), OK);
    const twin = file.reflink();
    const first = process.mmap({ pages: 2, share: "shared", backing: { kind: "file", file } });
    let left = at;
    let punched = false;
    host.onYield = () => {
      if (--left === 0) punched = file.punchHole(0, 1) === OK;
    };
    const errno = process.write(first, 0, new Uint8Array([7]));
    host.onYield = null;
    assert.ok(errno === OK || errno === EAGAIN, errnoName(errno) ?? "");
    assert.equal(read(process, first)[1], punched ? 0 : 3);
    assert.deepEqual(checkInvariants(host.core), []);
    const bytes = new Uint8Array(4096);
    assert.equal(twin.read(0, bytes), OK);
    assert.deepEqual(bytes, page(3), "the other file has what it had");
  }
});

test("a fork while a file is cut off: what the child took over is gone too", () => {
  const host = new ModelHost();
  const file = host.createFile({ pages: 2 });
  const [first, other] = [host.createProcess(), host.createProcess()];
  const map = { pages: 2, backing: { kind: "file", file } } as const;
  first.mmap(map);
  const at = other.mmap(map);
  assert.equal(other.write(at, 0, page(9)), OK, "a copy of its own");
  const children: ModelProcess[] = [];
  host.onYield = () => {
    host.onYield = null;
    children.push(other.fork());
  };
  assert.equal(file.truncate(0), OK);
  assert.equal(children.length, 1);
  for (const process of [first, other, ...children]) assert.equal(process.space.residentPages, 0);
  assert.deepEqual(checkInvariants(host.core), []);
});

test("a part of the huge page of zeros is dropped while another is written: the write looks again", () => {
  for (let at = 1; at <= 8; at++) {
    const host = new ModelHost({ ramPages: 4096, hugePages: "always" });
    const process = host.createProcess();
    const first = process.mmap({ pages: HUGE_PAGES, huge: true });
    assert.equal(process.read(first, 0, new Uint8Array(1)), OK);
    let left = at;
    host.onYield = () => {
      if (--left === 0) assert.equal(process.madvise(first + 4, 100, "dontneed"), OK);
    };
    const errno = process.write(first + 4, 0, page(5));
    host.onYield = null;
    assert.equal(errnoName(errno), null);
    assert.deepEqual(checkInvariants(host.core), []);
    assert.equal(process.exit(), OK);
    assert.deepEqual(host.leaks(), []);
  }
});
