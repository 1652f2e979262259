import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { constants, getPriority } from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import * as abi from "./abi.generated.ts";
import { CpuOf, currentCpu, getAffinity, gettid, setAffinity, setPriority, threadAddress } from "./cpu.ts";
import { FATAL_EXIT_CODE } from "./fatal.ts";
import { symbolAddress } from "./libc.ts";
import { expectNoLeak, step } from "./testing/step.ts";
import { EventFd, WAITER_FDS_MAX, Waiter } from "./wait.ts";

const file = import.meta.filename;

test("a bell rung is heard once, with how often", () => {
  using bell = EventFd.create();
  using same = EventFd.of(bell.fd);
  equal(bell.drain(), 0);
  equal(same.signal(), 0);
  equal(bell.signal(), 0);
  equal(bell.drain(), 2);
  equal(same.drain(), 0);
});

test("waiting ends by the bell, or by the time", () => {
  using a = EventFd.create();
  using b = EventFd.create();
  using waiter = new Waiter([a.fd, b.fd]);
  const started = performance.now();
  equal(waiter.wait(20.5), 0);
  const took = performance.now() - started;
  ok(took >= 20 && took < 2000, `${took} ms`);
  equal(waiter.spin(3), 0);
  b.signal();
  equal(waiter.wait(-1), 1);
  deepEqual([waiter.ready(0), waiter.ready(1)], [0, abi.EPOLLIN]);
  a.signal();
  equal(waiter.spin(1), 2);
  b.drain();
  equal(waiter.wait(0), 1);
  deepEqual([waiter.ready(0), waiter.ready(1)], [abi.EPOLLIN, 0]);
  throws(() => new Waiter(new Array(WAITER_FDS_MAX + 1).fill(0)), RangeError);
});

test("what is closed already cannot be waited for", () => {
  const bell = EventFd.create();
  const { fd } = bell;
  bell.close();
  throws(() => new Waiter([fd]), { code: "NO_DESCRIPTOR" });
});

step(file, "bells and waiters leave nothing", () => {
  expectNoLeak(() => {
    using bell = EventFd.create();
    using waiter = new Waiter([bell.fd]);
    using other = EventFd.of(bell.fd);
    equal(waiter.wait(0) + other.drain(), 0);
  });
});

step(
  file,
  "the CPU of a thread is read from its memory",
  () => {
    const before = getAffinity() ?? [];
    const me = new CpuOf(threadAddress());
    for (const cpu of before) {
      equal(setAffinity([cpu]), 0);
      deepEqual(getAffinity(), [cpu]);
      deepEqual([me.cpu, currentCpu()], [cpu, cpu]);
    }
    equal(setAffinity(before), 0);
    equal(setAffinity([]), -abi.EINVAL);
    throws(() => setAffinity([-1]), RangeError);
    equal(gettid(), process.pid, "the first thread has the number of its process");
    equal(setPriority(7), 0);
    equal(getPriority(0), 7);
    ok(constants.priority.PRIORITY_NORMAL < 7);
  },
  { skip: symbolAddress("__rseq_offset") === null && "needs glibc 2.35" },
);

step(
  file,
  "a thread ends the process with its reason while another hangs",
  () => {
    const module = new URL("./fatal.ts", import.meta.url);
    new Worker(
      `import(${JSON.stringify(module.href)}).then((m) => m.dieLoudly("no answer for page 7\\nof b"));`,
      {
        eval: true,
      },
    );
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  },
  { exitCode: FATAL_EXIT_CODE, stderr: "hms: no answer for page 7 of b\n" },
);
