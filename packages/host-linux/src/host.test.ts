import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { MADV_DONTDUMP, MADV_DONTNEED } from "./sys/abi.generated.ts";
import { madvise, mmap, mremap, munmap } from "./sys/memory.ts";
import { Actor } from "./sys/testing/actor.ts";
import { holdings, step } from "./sys/testing/step.ts";
import { Kernel } from "./testing/kernel.ts";
import { soak } from "./testing/soak.ts";
import { newHeartbeat, Watchdog } from "./watchdog.ts";

const file = import.meta.filename;
const MiB = 2 ** 20;
const PAGE = 4096;
/** So often hosts come and go: a leak would be one for each. */
const TIMES = 12;

/** Every word of a region says where it is. */
function fill(bytes: Uint8Array, from = 0): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let i = 0; i < words.length; i++) words[i] = i + from;
}

function check(bytes: Uint8Array, from = 0): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== i + from) throw new Error(`word ${i} is ${words[i]}, not ${i + from}`);
  }
}

step(file, "what is touched is there: written, read, with few faults when in order", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: 16 * MiB });
  const bytes = kernel.bytes(region);
  equal(bytes[12_345], 0);
  fill(bytes);
  check(bytes);
  const { cpuFaults, broughtIn } = kernel.call("statistics");
  ok(broughtIn >= 4096 && broughtIn <= 4097, `${broughtIn} pages`);
  ok(cpuFaults < 40, `${cpuFaults} faults for 4096 pages in order`);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "more than the budget: the coldest are on disk, nothing is lost", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const bytes = kernel.bytes(kernel.map({ bytes: 64 * MiB }));
  fill(bytes);
  check(bytes);
  fill(bytes, 77);
  check(bytes, 77);
  const { resident, budget, swappedOut, swappedIn, droppedClean, overBudget } = kernel.call("statistics");
  ok(resident <= budget, `${resident} pages of ${budget}`);
  ok(swappedOut > 8192 && swappedIn > 8192, `${swappedOut} out, ${swappedIn} in`);
  ok(droppedClean > 1000, `${droppedClean} dropped without being written, after a pass that only read`);
  equal(overBudget, 0);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "system calls, hashes and files work on memory that is not there", async () => {
  const kernel = new Kernel({ ramBytes: 8 * MiB });
  const folder = mkdtempSync(join(tmpdir(), "hms-host-"));
  const content = new Uint8Array(24 * MiB);
  fill(content);
  writeFileSync(join(folder, "in"), content);
  const region = kernel.map({ bytes: content.length });
  const bytes = kernel.bytes(region);
  const fd = openSync(join(folder, "in"), "r");
  for (let at = 0; at < content.length; ) at += readSync(fd, bytes, at, 3 * MiB, at);
  closeSync(fd);
  equal(createHash("sha256").update(bytes).digest("hex"), createHash("sha256").update(content).digest("hex"));
  const out = openSync(join(folder, "out"), "w");
  for (let at = 0; at < content.length; )
    at += writeSync(out, bytes, at, Math.min(5 * MiB, content.length - at));
  closeSync(out);
  equal(Buffer.compare(readFileSync(join(folder, "out")), content), 0);
  rmSync(folder, { recursive: true });
  await kernel.close();
});

step(file, "the program's own madvise, munmap and mremap are noticed", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: 8 * MiB });
  const bytes = kernel.bytes(region);
  fill(bytes);
  equal(madvise(region.address + 2 * MiB, MiB, MADV_DONTNEED), 0);
  equal(bytes[2 * MiB + 5], 0);
  equal(new Uint32Array(bytes.buffer)[MiB / 2 - 1], MiB / 2 - 1);
  ok(kernel.call("statistics").resident < 2048, "dropped pages are free");
  const to = mmap(0, 4 * MiB, 3, 0x22, -1, 0);
  equal(mremap(region.address + 4 * MiB, 2 * MiB, 2 * MiB, 3, to), to);
  const moved = kernel.bytes({ id: 0, address: to, bytes: 2 * MiB });
  check(moved, MiB);
  fill(moved, 5);
  kernel.call("reclaim", 512);
  check(moved, 5);
  equal(munmap(region.address, 2 * MiB), 0);
  kernel.call("statistics");
  const { resident } = kernel.call("statistics");
  ok(resident <= 1536 + 256, `${resident} pages are left of 8 MiB less 2 unmapped less 1 dropped`);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(
  file,
  "pages go to a device and come home without a byte lost, however they are touched meanwhile",
  async () => {
    const kernel = new Kernel({ ramBytes: 16 * MiB });
    const region = kernel.map({ bytes: 24 * MiB });
    const bytes = kernel.bytes(region);
    const first = region.address / PAGE;
    fill(bytes);
    // What is on disk does not migrate: the last pages are in memory.
    bytes[6100 * PAGE] = 123;
    ok((kernel.call("toDevice", first + 4096, 2048, "dev0") as number) > 1000);
    equal(kernel.call("peek", first + 6100), 123);
    bytes[6100 * PAGE] = 0;
    check(bytes);
    kernel.call("toDevice", first, 6144, "dev1");
    bytes[5 * MiB] = 99;
    kernel.call("evictDevice", "dev1");
    equal(bytes[5 * MiB], 99);
    fill(bytes, 3);
    kernel.call("toDevice", first + 100, 1000, "dev0");
    kernel.call("toDevice", first + 300, 200, "dev1");
    check(bytes, 3);
    deepEqual(kernel.call("check"), []);
    await kernel.close();
  },
);

step(file, "fresh pages on a device are zeros, and seen when they come home", async () => {
  const kernel = new Kernel({ zeroPages: true });
  const region = kernel.map({ bytes: 4 * MiB });
  const bytes = kernel.bytes(region);
  equal(bytes[MiB], 0); // the page of zeros is mapped here
  kernel.call("toDevice", region.address / PAGE, 1024, "dev0");
  equal(bytes[MiB], 0);
  bytes[MiB] = 7;
  bytes[MiB + PAGE] = 8;
  equal(bytes[MiB], 7);
  kernel.call("toDevice", region.address / PAGE, 1024, "dev0");
  deepEqual([bytes[MiB], bytes[MiB + PAGE], bytes[0]], [7, 8, 0]);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(
  file,
  "protection: what may only be read refuses a system call's write, and can be evicted and come back",
  async () => {
    const kernel = new Kernel();
    const region = kernel.map({ bytes: MiB });
    const bytes = kernel.bytes(region);
    const first = region.address / PAGE;
    fill(bytes);
    kernel.call("protect", first, 256, 1);
    const zero = openSync("/dev/zero", "r");
    throws(() => readSync(zero, bytes, 0, PAGE, null), { code: "EFAULT" });
    check(bytes);
    kernel.call("reclaim", 256);
    check(bytes);
    throws(() => readSync(zero, bytes, 0, PAGE, null), { code: "EFAULT" });
    kernel.call("protect", first, 256, 3);
    equal(readSync(zero, bytes, 0, PAGE, null), PAGE);
    equal(bytes[4], 0);
    closeSync(zero);
    deepEqual(kernel.call("check"), []);
    await kernel.close();
  },
);

step(file, "pages of different rights leave together, and each range keeps its own rights", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const region = kernel.map({ bytes: 512 * PAGE, huge: false });
  const bytes = kernel.bytes(region);
  const first = region.address / PAGE;
  for (let page = 0; page < 512; page++) bytes[page * PAGE] = page % 251;
  for (const [from, count] of [
    [0, 100],
    [300, 50],
  ] as const)
    kernel.call("protect", first + from, count, 1);
  for (let round = 0; round < 3; round++) {
    kernel.call("reclaim", 2000);
    for (const page of [0, 99, 100, 200, 299, 300, 349, 350, 511]) equal(bytes[page * PAGE], page % 251);
    kernel.call("reclaim", 2000);
    for (const page of [100, 200, 299, 350, 511]) bytes[page * PAGE] = page % 251;
  }
  kernel.call("protect", first, 512, 3);
  for (let page = 0; page < 512; page++) {
    equal(bytes[page * PAGE], page % 251);
    bytes[page * PAGE] = 1;
  }
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "what is read first where nothing may be written leaves and comes back", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const region = kernel.map({ bytes: 512 * PAGE, huge: false });
  const bytes = kernel.bytes(region);
  kernel.call("protect", region.address / PAGE, 300, 1);
  for (let round = 0; round < 3; round++) {
    for (let page = 0; page < 512; page++) equal(bytes[page * PAGE], 0);
    kernel.call("reclaim", 2000);
  }
  kernel.call("protect", region.address / PAGE, 300, 3);
  for (let page = 0; page < 512; page++) bytes[page * PAGE] = 7;
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "windows reach across what the kernel keeps as several mappings", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const region = kernel.map({ bytes: 512 * PAGE, huge: false });
  const bytes = kernel.bytes(region);
  equal(madvise(region.address + 100 * PAGE, 77 * PAGE, MADV_DONTDUMP), 0);
  kernel.call("window", region.id, 64);
  for (let page = 0; page < 512; page++) bytes[page * PAGE] = page % 251;
  const others = kernel.bytes(kernel.map({ bytes: 24 * MiB }));
  for (let round = 0; round < 3; round++) {
    kernel.call("reclaim", 512);
    for (let page = 511; page >= 0; page--) equal(bytes[page * PAGE], page % 251);
    // More than there is memory for: they go to disk, and come back to be read.
    others.fill(round);
    for (let page = 0; page < 512; page++) equal(bytes[page * PAGE], page % 251);
  }
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "a range moves to other addresses with its pages", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: 4 * MiB });
  const bytes = kernel.bytes(region);
  fill(bytes);
  const moved = kernel.call("remap", region.address / PAGE, 512, true) as {
    id: number;
    address: number;
    bytes: number;
  };
  check(kernel.bytes(moved));
  equal(bytes[100], 0);
  bytes[100] = 1;
  check(kernel.bytes(moved));
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "file regions read, write back, and share what they hold", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-host-"));
  const path = join(folder, "data");
  const content = new Uint8Array(6 * MiB + 100);
  for (let i = 0; i < content.length; i++) content[i] = i * 7;
  writeFileSync(path, content);
  const kernel = new Kernel({ ramBytes: 8 * MiB });
  const region = kernel.map({ bytes: content.length, kind: "file", file: { path, writable: true } });
  const bytes = kernel.bytes(region);
  for (let i = 0; i < content.length; i += 511) equal(bytes[i], content[i]);
  bytes[5] = 201;
  bytes[content.length - 1] = 202;
  equal(kernel.call("sync", region.id) > 0, true);
  const once = readFileSync(path);
  deepEqual([once[5], once[content.length - 1], once.length], [201, 202, content.length]);
  bytes[2 * MiB] = 203;
  const other = kernel.bytes(kernel.map({ bytes: 24 * MiB }));
  fill(other);
  check(other);
  equal(bytes[2 * MiB], 203);
  equal(bytes[3 * MiB], content[3 * MiB]);
  kernel.call("unmap", region.address / PAGE, region.bytes / PAGE);
  equal(readFileSync(path)[2 * MiB], 203);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
  rmSync(folder, { recursive: true });
});

step(file, "shared regions go to disk and come back", async () => {
  const kernel = new Kernel({ ramBytes: 8 * MiB });
  const bytes = kernel.bytes(kernel.map({ bytes: 24 * MiB, kind: "shared" }));
  fill(bytes);
  check(bytes);
  fill(bytes, 9);
  check(bytes, 9);
  ok(kernel.call("statistics").swapUsed > 1000);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(file, "2 MiB pages are whole where memory is touched in order", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: 32 * MiB });
  const bytes = kernel.bytes(region);
  for (let i = 0; i < bytes.length; i += PAGE) bytes[i] = 1;
  const huge = kernel.call("huge", region.address, region.bytes) as number;
  ok(
    huge >= 12 * 512 ||
      !readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8").includes("[madvise]"),
    `${huge} pages`,
  );
  await kernel.close();
});

step(file, "2 MiB pages stay whole in a device and at home again, whatever moved before them", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: 32 * MiB });
  const bytes = kernel.bytes(region);
  for (let i = 0; i < bytes.length; i += PAGE) bytes[i] = (i / PAGE) % 251;
  const first = region.address / PAGE;
  // A few small ones, which leave their page table where they waited.
  equal(kernel.call("toDevice", first, 16, "dev0"), 16);
  for (let i = 0; i < 16 * PAGE; i += PAGE) equal(bytes[i], (i / PAGE) % 251);
  const whole = kernel.call("huge", region.address + 18 * MiB, 8 * MiB);
  for (let block = 12; block >= 8; block--)
    equal(kernel.call("toDevice", first + block * 512, 512, "dev0"), 512);
  // The first of them comes home in the small windows of a sequence that begins.
  for (let i = 16 * MiB; i < 26 * MiB; i += PAGE) equal(bytes[i], (i / PAGE) % 251);
  equal(kernel.call("huge", region.address + 18 * MiB, 8 * MiB), whole);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

/** Which mappings there are: how many of the same size, rights and name. */
function mappings(): Map<string, number> {
  const kinds = new Map<string, number>();
  for (const line of readFileSync("/proc/self/maps", "utf8").trimEnd().split("\n")) {
    const [range = "", rights, , , , name = ""] = line.split(/\s+/);
    const [from = 0, to = 0] = range.split("-").map((hex) => Number.parseInt(hex, 16));
    const kind = `${(to - from) / 1024} KiB ${rights} ${name}`.trimEnd();
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds;
}

/** What doing something twelve times leaves: descriptors, and the kinds of mappings of which it leaves one each time. */
async function left(body: () => Promise<void>): Promise<{ fds: number; kinds: Map<string, number> }> {
  for (let i = 0; i < 3; i++) await body();
  const fds = holdings().fds;
  const before = mappings();
  for (let i = 0; i < TIMES; i++) await body();
  const kinds = new Map<string, number>();
  for (const [kind, count] of mappings()) {
    const each = Math.floor((count - (before.get(kind) ?? 0)) / TIMES);
    if (each > 0) kinds.set(kind, each);
  }
  return { fds: holdings().fds - fds, kinds };
}

step(file, "hosts that come and go leave no descriptor and no mapping behind", async () => {
  const hosts = await left(async () => {
    const kernel = new Kernel({ ramBytes: 8 * MiB });
    const region = kernel.map({ bytes: 12 * MiB });
    fill(kernel.bytes(region));
    kernel.call("toDevice", region.address / PAGE, 100, "dev0");
    await kernel.close();
  });
  // The foreign function library keeps a stack, its guard and a heap of each thread that loaded it; a host has two
  // threads. Two threads that do nothing else show which those are.
  const threads = await left(async () => {
    const actor = new Actor([{ kind: "madvise", address: 0, what: 0 }]);
    while (actor.done === 0) await sleep(1);
    await actor.end();
    await new Watchdog(newHeartbeat()).end();
  });
  equal(hosts.fds, 0);
  // Which of them it gives back is its own affair; hosts leave no more than they do.
  const more = [...hosts.kinds].filter(([kind, each]) => each > (threads.kinds.get(kind) ?? 0));
  deepEqual(more, []);
});

step(
  file,
  "a kernel thread that hangs ends the process with a sentence",
  () => {
    const kernel = new Kernel();
    kernel.call("hang");
  },
  {
    exitCode: 70,
    stderr:
      "hms: the kernel thread has been at one thing for 10 seconds, and nobody else can answer page faults; please report what the program did\n",
  },
);

step(
  file,
  "a kernel thread that fails ends the process with its reason, while the program waits for a page",
  () => {
    const kernel = new Kernel();
    const bytes = kernel.bytes(kernel.map({ bytes: MiB }));
    kernel.call("fail");
    bytes[0] = 1;
  },
  { exitCode: 70 },
);

step(file, "what a device took with it fails a system call, and nothing else is touched", async () => {
  const kernel = new Kernel();
  const region = kernel.map({ bytes: MiB });
  const bytes = kernel.bytes(region);
  fill(bytes);
  const first = region.address / PAGE;
  equal(kernel.call("toDevice", first + 10, 20, "dev0"), 20);
  kernel.call("disappear", "dev0");
  const pipe = openSync(join(mkdtempSync(join(tmpdir(), "hms-host-")), "out"), "w");
  throws(() => writeSync(pipe, bytes, 10 * PAGE, PAGE), /EFAULT|EHWPOISON|EIO/);
  equal(writeSync(pipe, bytes, 0, 10 * PAGE), 10 * PAGE);
  closeSync(pipe);
  check(bytes.subarray(0, 10 * PAGE));
  equal(bytes[30 * PAGE + 1], ((30 * 1024) >> 8) & 0xff);
  deepEqual(kernel.call("check"), []);
  await kernel.close();
});

step(
  file,
  "touching what a device took with it is a SIGBUS",
  () => {
    const kernel = new Kernel();
    const region = kernel.map({ bytes: MiB });
    const bytes = kernel.bytes(region);
    fill(bytes);
    kernel.call("toDevice", region.address / PAGE, 20, "dev0");
    kernel.call("disappear", "dev0");
    bytes[5] = 1;
  },
  {
    signal: "SIGBUS",
    stderr:
      "hms: page 0 of region 1 cannot be had: its bytes were lost with the memory of a device. A touch of it is SIGBUS, a system call EHWPOISON.\n",
  },
);

step(
  file,
  "sizes and files that are none, and more regions than the kernel allows mappings, are refused",
  async () => {
    const kernel = new Kernel();
    throws(() => kernel.map({ bytes: MiB, kind: "file", file: { path: tmpdir(), writable: false } }), {
      code: "NOT_A_FILE",
    });
    throws(() => kernel.map({ bytes: 0 }), { code: "BAD_REGION_SIZE" });
    const most = Math.floor(Number(readFileSync("/proc/sys/vm/max_map_count", "utf8")) / 2);
    throws(() => kernel.call("many", most + 1), { code: "TOO_MANY_REGIONS" });
    const bytes = kernel.bytes(kernel.map({ bytes: MiB }));
    fill(bytes);
    check(bytes);
    await kernel.close();
  },
);

step(file, "a full disk loses nothing: the budget is exceeded, and said so", async () => {
  const disk = mkdtempSync(join(tmpdir(), "hms-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "none", disk]);
  if (mounted.status !== 0) return rmSync(disk, { recursive: true });
  try {
    const kernel = new Kernel({ ramBytes: 16 * MiB, swapDirectory: disk });
    const bytes = kernel.bytes(kernel.map({ bytes: 64 * MiB }));
    fill(bytes);
    check(bytes);
    const { overBudget, resident, budget } = kernel.call("statistics");
    ok(overBudget > 8192 && resident > budget, `${overBudget} pages over`);
    deepEqual(kernel.call("check"), []);
    await kernel.close();
  } finally {
    spawnSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  }
});

step(file, "random work on real memory agrees with plain arrays", async () => {
  const seed = Number(process.env.HMS_SEED ?? Date.now() % 1_000_000);
  process.stderr.write(`seed ${seed}\n`);
  const { steps } = await soak(seed, Number(process.env.HMS_SOAK_SECONDS ?? 10));
  ok(steps > 100, `${steps} steps`);
});

const COMPACT = "/proc/sys/vm/compact_memory";

/** Has the kernel copy pages elsewhere, to have room for huge pages, until it is ended: those of this process too. */
function compactor(): { end(): Promise<number> } {
  const rounds = new Int32Array(new SharedArrayBuffer(8));
  const code = `
    const { rounds, path } = require("node:worker_threads").workerData;
    while (Atomics.wait(rounds, 0, 0, 10) === "timed-out") {
      require("node:fs").writeFileSync(path, "1");
      Atomics.add(rounds, 1, 1);
    }`;
  const worker = new Worker(code, { eval: true, workerData: { rounds, path: COMPACT } });
  return {
    async end() {
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      Atomics.store(rounds, 0, 1);
      Atomics.notify(rounds, 0);
      await ended;
      return Atomics.load(rounds, 1);
    },
  };
}

step(
  file,
  "random work while the kernel copies pages elsewhere agrees with plain arrays",
  async () => {
    const seed = Number(process.env.HMS_SEED ?? Date.now() % 1_000_000);
    process.stderr.write(`seed ${seed}\n`);
    const compacting = compactor();
    const { steps } = await soak(seed, Number(process.env.HMS_SOAK_SECONDS ?? 8));
    ok(steps > 100, `${steps} steps`);
    ok((await compacting.end()) > 0);
  },
  { skip: !canWrite(COMPACT) && `needs the right to write ${COMPACT}` },
);

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
