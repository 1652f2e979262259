import { deepEqual, equal, ok, throws } from "node:assert/strict";
import * as abi from "./abi.generated.ts";
import { DataFile } from "./disk.ts";
import { Mapping, memfdCreate } from "./memory.ts";
import { PageScan, residentPages } from "./pagemap.ts";
import { limitation, probe, requireCapabilities } from "./probe.ts";
import { type Act, Actor } from "./testing/actor.ts";
import { expectNoLeak, step } from "./testing/step.ts";
import { Userfaultfd } from "./uffd.ts";
import { Waiter } from "./wait.ts";

const PAGE = 4096;
const HUGE = 2 << 20;
const NOBODY = 65534;
const MISSING = abi.UFFDIO_REGISTER_MODE_MISSING;
const WP = abi.UFFDIO_REGISTER_MODE_WP;
const file = import.meta.filename;
const none = probe().userfaultfd === "none" && "this process gets no userfaultfd";
const whole = none || (!probe().move && "needs Linux 6.8");
const touched = whole || (probe().userfaultfd !== "full" && "needs faults of system calls");

/** Memory of which page i is filled with i + 1. */
function filled(pages: number): Mapping {
  const mapping = Mapping.reserve(pages * PAGE, { huge: false });
  for (let i = 0; i < pages; i++) mapping.view().fill(i + 1, i * PAGE, (i + 1) * PAGE);
  return mapping;
}

/** Lets a thread act, and answers each message, until it is done. */
async function serve(uffd: Userfaultfd, acts: readonly Act[], answer: (i: number) => void): Promise<Actor> {
  const actor = new Actor(acts);
  using waiter = new Waiter([uffd.fd]);
  while (actor.done < acts.length) {
    if (waiter.wait(5) > 0) {
      const count = uffd.read();
      ok(count >= 0, `read: ${count}`);
      for (let i = 0; i < count; i++) answer(i);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  return actor;
}

step(
  file,
  "missing pages are copied, zeroed and moved in, and the messages say who touched what",
  async () => {
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_THREAD_ID });
    using area = Mapping.reserve(4 * PAGE, { huge: false });
    using source = filled(4);
    const ioctls = uffd.register(area.address, area.bytes, MISSING);
    ok((ioctls & (1 << abi._UFFDIO_MOVE)) !== 0);
    const seen: (readonly number[])[] = [];
    const answer = (i: number) => {
      const at = uffd.address(i);
      const page = (at - area.address) / PAGE;
      seen.push([uffd.event(i), uffd.flags(i), page, uffd.thread(i)]);
      if (page === 0) equal(uffd.copy(at, source.address, PAGE, 0), PAGE);
      if (page === 1) equal(uffd.zeropage(at, PAGE, 0), PAGE);
      if (page === 2) equal(uffd.move(at, source.address + 2 * PAGE, PAGE, 0), PAGE);
      if (page === 3) {
        equal(uffd.copy(at, source.address, PAGE, abi.UFFDIO_COPY_MODE_DONTWAKE), PAGE);
        equal(uffd.wake(at, PAGE), 0);
      }
    };
    const at = (page: number) => area.address + page * PAGE;
    const acts: Act[] = [
      { kind: "read", address: at(0) },
      { kind: "write", address: at(1) + 5, what: 9 },
      { kind: "read", address: at(2) },
      { kind: "read", address: at(3) + 7 },
      { kind: "read", address: at(3) },
    ];
    const actor = await serve(uffd, acts, answer);
    deepEqual(
      acts.map((_, i) => actor.answer(i)),
      [1, 9, 3, 1, 1],
    );
    const { thread } = actor;
    const write = abi.UFFD_PAGEFAULT_FLAG_WRITE;
    const fault = abi.UFFD_EVENT_PAGEFAULT;
    deepEqual(seen, [
      [fault, 0, 0, thread],
      [fault, write, 1, thread],
      [fault, 0, 2, thread],
      [fault, 0, 3, thread],
    ]);
    equal(residentPages(source.address, source.bytes), 3, "the page moved is gone from its source");
    equal(uffd.read(), 0);
    equal(uffd.unregister(area.address, area.bytes), 0);
    await actor.end();
  },
  { skip: whole },
);

step(
  file,
  "a write to a protected page is told and goes on when allowed",
  async () => {
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_PAGEFAULT_FLAG_WP });
    using area = filled(2);
    uffd.register(area.address, area.bytes, WP);
    equal(uffd.writeProtect(area.address, area.bytes, abi.UFFDIO_WRITEPROTECT_MODE_WP), 0);
    const flags: number[] = [];
    const acts: Act[] = [
      { kind: "read", address: area.address },
      { kind: "write", address: area.address + PAGE, what: 77 },
    ];
    const actor = await serve(uffd, acts, (i) => {
      flags.push(uffd.flags(i));
      equal(uffd.writeProtect(uffd.address(i), PAGE, 0), 0);
    });
    deepEqual(flags, [abi.UFFD_PAGEFAULT_FLAG_WRITE | abi.UFFD_PAGEFAULT_FLAG_WP]);
    deepEqual([actor.answer(0), actor.answer(1)], [1, 77]);
    await actor.end();
  },
  { skip: none },
);

step(
  file,
  "what a program removes, moves and unmaps is told before it goes on",
  async () => {
    const features =
      abi.UFFD_FEATURE_EVENT_REMOVE | abi.UFFD_FEATURE_EVENT_UNMAP | abi.UFFD_FEATURE_EVENT_REMAP;
    const area = filled(8);
    using target = Mapping.reserve(4 * PAGE);
    // Closed first: unmapping what is registered waits until the event is read, by this very thread.
    using uffd = Userfaultfd.open({ features });
    uffd.register(area.address, area.bytes, MISSING);
    const at = (page: number) => area.address + page * PAGE;
    const acts: Act[] = [
      { kind: "madvise", address: at(1), bytes: 2 * PAGE, what: abi.MADV_DONTNEED },
      { kind: "mremap", address: at(4), bytes: 4 * PAGE, to: target.address },
      { kind: "munmap", address: at(0), bytes: PAGE },
    ];
    const seen: (readonly number[])[] = [];
    const actor = await serve(uffd, acts, (i) => {
      const event = uffd.event(i);
      if (event === abi.UFFD_EVENT_REMAP) seen.push([event, uffd.from(i), uffd.to(i), uffd.length(i)]);
      else seen.push([event, uffd.start(i), uffd.end(i)]);
    });
    // Moving onto another range may tell of the unmapping of both; these are told in any case.
    const has = (...message: number[]) =>
      ok(
        seen.some((other) => other.join() === message.join()),
        `${seen.join(" | ")}`,
      );
    has(abi.UFFD_EVENT_REMOVE, at(1), at(3));
    has(abi.UFFD_EVENT_REMAP, at(4), target.address, 4 * PAGE);
    has(abi.UFFD_EVENT_UNMAP, at(0), at(1));
    deepEqual([actor.answer(0), actor.answer(1), actor.answer(2)], [0, target.address, 0]);
    await actor.end();
  },
  { skip: none },
);

step(
  file,
  "calls answer the bytes done, and then why they went no further",
  () => {
    using uffd = Userfaultfd.open({ features: 0 });
    using area = Mapping.reserve(8 * PAGE, { huge: false });
    using source = filled(8);
    area.view()[2 * PAGE] = 5;
    uffd.register(area.address, area.bytes, MISSING);
    equal(uffd.copy(area.address, source.address, 8 * PAGE, 0), 2 * PAGE);
    equal(uffd.copy(area.address + 2 * PAGE, source.address, 6 * PAGE, 0), -abi.EEXIST);
    equal(uffd.zeropage(area.address + 3 * PAGE, PAGE, 0), PAGE);
    equal(uffd.zeropage(area.address + 3 * PAGE, PAGE, 0), -abi.EEXIST);
    equal(uffd.move(area.address + 4 * PAGE, source.address, PAGE, 0), PAGE);
    equal(uffd.move(area.address + 5 * PAGE, source.address, 2 * PAGE, 0), -abi.ENOENT, "a hole at once");
    equal(
      uffd.move(area.address + 5 * PAGE, source.address, 2 * PAGE, abi.UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES),
      2 * PAGE,
    );
    equal(area.view()[6 * PAGE], 2, "the hole moved nothing, the page after it came");
    equal(uffd.copy(area.address + 1, source.address, PAGE, 0), -abi.EINVAL);
    equal(uffd.register(area.address + 1, PAGE, MISSING), -abi.EINVAL);
    using other = Userfaultfd.open({ features: 0 });
    equal(other.register(area.address, area.bytes, MISSING), -abi.EBUSY);
  },
  { skip: whole },
);

step(
  file,
  "a huge page moves whole, out of memory that is registered nowhere",
  () => {
    using uffd = Userfaultfd.open({ features: 0 });
    using source = Mapping.reserve(HUGE, { huge: true });
    using area = Mapping.reserve(HUGE, { huge: true });
    uffd.register(area.address, HUGE, MISSING);
    source.view().fill(3);
    using scan = new PageScan();
    const huge = { required: abi.PAGE_IS_HUGE, returned: abi.PAGE_IS_HUGE };
    equal(scan.count(source.address, HUGE, huge), 512);
    equal(uffd.move(area.address, source.address, HUGE, 0), HUGE);
    equal(scan.count(area.address, HUGE, huge), 512);
    equal(scan.count(source.address, HUGE, huge), 0);
    ok(area.view().every((octet) => octet === 3));
  },
  { skip: whole || (probe().transparentHugePages === "never" && "transparent huge pages are off") },
);

step(
  file,
  "shared memory is continued with the pages that its file has",
  async () => {
    using uffd = Userfaultfd.open({
      features: abi.UFFD_FEATURE_MINOR_SHMEM | abi.UFFD_FEATURE_MISSING_SHMEM,
    });
    const fd = memfdCreate("hms-test", 2 * PAGE);
    using kernel = Mapping.shared(fd, 2 * PAGE);
    using area = Mapping.shared(fd, 2 * PAGE);
    uffd.register(area.address, area.bytes, MISSING | abi.UFFDIO_REGISTER_MODE_MINOR);
    kernel.view()[0] = 42;
    const acts: Act[] = [
      { kind: "read", address: area.address },
      { kind: "read", address: area.address + PAGE },
    ];
    const flags: number[] = [];
    const actor = await serve(uffd, acts, (i) => {
      flags.push(uffd.flags(i));
      if (uffd.address(i) === area.address) equal(uffd.continueAt(area.address, PAGE, 0), PAGE);
      else {
        equal(uffd.continueAt(area.address + PAGE, PAGE, 0), -abi.EFAULT, "the file has no page there");
        kernel.view()[PAGE] = 43;
        equal(uffd.continueAt(area.address + PAGE, PAGE, 0), PAGE);
      }
    });
    deepEqual(flags, [abi.UFFD_PAGEFAULT_FLAG_MINOR, 0]);
    deepEqual([actor.answer(0), actor.answer(1)], [42, 43]);
    await actor.end();
  },
  { skip: none },
);

step(
  file,
  "a poisoned page ends who touches it",
  () => {
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_POISON });
    using area = Mapping.reserve(PAGE);
    uffd.register(area.address, PAGE, MISSING);
    equal(uffd.poison(area.address, PAGE, 0), PAGE);
    area.view()[0] = 1;
  },
  { skip: whole, signal: "SIGBUS" },
);

step(
  file,
  "a system call on a poisoned page fails and goes on",
  () => {
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_POISON });
    using area = Mapping.reserve(PAGE);
    uffd.register(area.address, PAGE, MISSING);
    equal(uffd.poison(area.address, PAGE, 0), PAGE);
    using zeros = DataFile.open("/dev/zero");
    const answer = zeros.pread(area.address, PAGE, 0);
    ok(answer === -abi.EFAULT || answer === -abi.EHWPOISON, `${answer}`);
  },
  { skip: touched },
);

step(
  file,
  "opening and closing leaves nothing, also when it fails",
  () => {
    expectNoLeak(() => {
      using uffd = Userfaultfd.open({ features: 0 });
      equal(uffd.read(), 0);
      uffd.close();
      uffd.close();
      // Whatever gets the number of its descriptor next is left alone.
      deepEqual([uffd.fd, uffd.read(), uffd.wake(0, PAGE)], [-1, -abi.EBADF, -abi.EBADF]);
    });
    expectNoLeak(() => {
      throws(() => Userfaultfd.open({ features: 2 ** 30 }), { code: "NO_USERFAULTFD_FEATURE" });
    });
    expectNoLeak(() => void probe());
  },
  { skip: none },
);

step(
  file,
  "without rights, faults of user mode are served and system calls on missing pages fail",
  async () => {
    const found = requireCapabilities();
    equal(found.userfaultfd, "user-mode-only");
    ok(limitation(found)?.includes("vm.unprivileged_userfaultfd=1"));
    throws(() => requireCapabilities(found, { systemCalls: true }), {
      code: "USER_MODE_FAULTS_ONLY",
      errno: "EPERM",
    });
    using uffd = Userfaultfd.open({ features: 0 });
    equal(uffd.userModeOnly, true);
    using area = Mapping.reserve(2 * PAGE, { huge: false });
    uffd.register(area.address, area.bytes, MISSING);
    using zeros = DataFile.open("/dev/zero");
    equal(zeros.pread(area.address, PAGE, 0), -abi.EFAULT);
    const acts: Act[] = [{ kind: "write", address: area.address + PAGE, what: 6 }];
    const actor = await serve(uffd, acts, (i) => uffd.zeropage(uffd.address(i), PAGE, 0));
    equal(actor.answer(0), 6);
    await actor.end();
  },
  { uid: NOBODY, skip: whole || (probe().unprivileged === 1 && "vm.unprivileged_userfaultfd is 1 here") },
);
