import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { HmsError } from "@hms/topology";
import { __NR_gettid, __NR_munmap } from "../sys/abi.generated.ts";
import { canFork, ForkedCalls, ownCalls, ThreadCalls } from "./calls.ts";
import { findDmirror } from "./device.ts";
import { PlainMemory } from "./memory.ts";
import { Room } from "./room.ts";

const skip = canFork ? false : `there is no code for children on ${process.arch}`;
const PAGE = 4096;
const filled = (value: number): Uint8Array => new Uint8Array(PAGE).fill(value);

function loaded(memory: PlainMemory, page: number): number {
  const bytes = new Uint8Array(PAGE);
  memory.load(page, bytes);
  return bytes[PAGE - 1] ?? -1;
}

const privatePages = (pages: number) =>
  ({ pages, protection: "rw", shared: false, of: "anonymous", huge: false, at: null }) as const;

describe("memory that the kernel alone manages", () => {
  test("holds what was stored, refuses what is not allowed, and moves", () => {
    using room = new Room();
    const memory = new PlainMemory(ownCalls, room);
    const first = memory.map(privatePages(4));
    memory.store(first + 1, filled(7));
    assert.deepEqual([loaded(memory, first), loaded(memory, first + 1)], [0, 7]);
    memory.protect(first, 2, "r");
    assert.throws(
      () => memory.store(first + 1, filled(8)),
      (error) => HmsError.is(error) && error.errno === "EFAULT",
    );
    const moved = memory.move(first + 1, 1, false);
    assert.equal(loaded(memory, moved), 7);
    assert.throws(() => memory.touch(first + 1, 1), /EFAULT/);
    memory.end();
    assert.throws(() => memory.touch(moved, 1), /EFAULT/);
  });
});

describe("a forked child", { skip }, () => {
  test("has its own copy of the memory, and shares what is shared", () => {
    using room = new Room();
    const memory = new PlainMemory(ownCalls, room);
    const own = memory.map(privatePages(1));
    const both = memory.map({ ...privatePages(1), shared: true });
    memory.store(own, filled(1));
    using calls = new ForkedCalls();
    const child = memory.inherited(calls);
    assert.equal(loaded(child, own), 1);
    child.store(own, filled(2));
    child.store(both, filled(3));
    assert.deepEqual([loaded(child, own), loaded(memory, own), loaded(memory, both)], [2, 1, 3]);
    child.unmap(both, 1);
    assert.throws(() => child.touch(both, 1), /EFAULT/);
    assert.equal(loaded(memory, both), 3);
    calls.end("exit");
    memory.end();
  });

  for (const how of ["exit", "killed"] as const) {
    test(`is gone when it ended (${how})`, () => {
      using calls = new ForkedCalls();
      assert.equal(calls.call(__NR_gettid), calls.id);
      assert.ok(existsSync(`/proc/${calls.id}`));
      calls.end(how);
      assert.ok(!existsSync(`/proc/${calls.id}`));
      calls.end(how);
    });
  }

  test("that someone else ends does not leave the parent waiting", () => {
    using calls = new ForkedCalls();
    process.kill(calls.id, "SIGKILL");
    assert.throws(() => calls.call(__NR_gettid), /the forked child ended/);
  });

  test("answers negative errnos and large numbers as they are", () => {
    using calls = new ForkedCalls();
    assert.equal(calls.call(__NR_munmap, 1, PAGE), -22);
    using room = new Room();
    assert.ok(new PlainMemory(calls, room).map(privatePages(1)) > 2 ** 31);
  });
});

test("a second thread makes calls while this one goes on", { skip }, () => {
  const thread = new ThreadCalls();
  assert.notEqual(thread.call(__NR_gettid), ownCalls.call(__NR_gettid));
  assert.ok(existsSync(`/proc/self/task/${thread.id}`));
  assert.match(readFileSync(`/proc/self/task/${thread.id}/status`, "utf8"), /^SigBlk:\tf{6,}/m);
  thread.begin(__NR_gettid);
  while (!thread.answered);
  assert.equal(thread.answer(), thread.id);
});

test("without the kernel's test device it is said in a sentence", {
  skip: existsSync("/dev/hmm_dmirror0") ? "it is there" : false,
}, () => {
  assert.throws(
    () => findDmirror(),
    (error) => HmsError.is(error) && error.code === "NO_TEST_DEVICE" && error.errno === "ENODEV",
  );
});
