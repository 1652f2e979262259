import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import * as abi from "../sys/abi.generated.ts";
import { Mapping } from "../sys/memory.ts";
import { memsAllowed } from "../sys/numa.ts";
import { hugePagesIn } from "../sys/pagemap.ts";
import { BATCH_PAGES, ProcessPages, STAY } from "./pages.ts";

const PAGE = 4096;
const HUGE = 2 << 20;
const ADDRESSES_END = 2 ** 47 - PAGE;
const skip =
  typeof memsAllowed() === "number" && "needs a kernel with NUMA that lets this process ask for it";

test("the pages that are there are found, and the zeros and holes between are not", { skip }, () => {
  using mapping = Mapping.reserve(64 * PAGE, { huge: false });
  const view = mapping.view();
  const touched = [0, 1, 2, 17, 40, 63];
  for (const page of touched) view[page * PAGE] = 1;
  equal(view[30 * PAGE], 0); // read only: the page of zeros
  using pages = new ProcessPages(process.pid);
  pages.look(mapping.address, mapping.address + mapping.bytes);
  equal(pages.next(), touched.length);
  const found = touched.map((_, i) => (pages.addressOf(i) - mapping.address) / PAGE);
  deepEqual(found, touched);
  ok(touched.every((_, i) => pages.size[i] === 1 && pages.to[i] === STAY && pages.now[i] === pages.from[i]));
  equal(pages.next(), 0);
  equal(pages.countIn(mapping.address, mapping.address + mapping.bytes), touched.length);
});

test("batches end at their bytes and go on where they ended", { skip }, () => {
  using mapping = Mapping.reserve(100 * PAGE, { huge: false });
  mapping.view().fill(1);
  using pages = new ProcessPages(process.pid);
  pages.bytesMax = 33 * PAGE;
  pages.look(mapping.address, mapping.address + mapping.bytes);
  const counts: number[] = [];
  for (let next = mapping.address; pages.next() > 0; ) {
    counts.push(pages.count);
    for (let i = 0; i < pages.count; i++, next += PAGE) equal(pages.addressOf(i), next);
  }
  deepEqual(counts, [33, 33, 33, 1]);
});

test("a huge page counts once, for 512", { skip }, () => {
  using mapping = Mapping.reserve(2 * HUGE, { huge: true });
  mapping.view().fill(1);
  const huge = hugePagesIn(mapping.address, mapping.bytes);
  using pages = new ProcessPages(process.pid);
  pages.look(mapping.address, mapping.address + mapping.bytes);
  equal(pages.next(), 1024 - huge + huge / 512);
  equal(
    pages.size.subarray(0, pages.count).reduce((sum, size) => sum + size, 0),
    1024,
  );
});

test("a range of many pages and much room without any is gone through", { skip }, () => {
  using mapping = Mapping.reserve(2 ** 40, { huge: false, noReserve: true });
  const view = new DataView(mapping.view().buffer);
  const every = 2 ** 40 / 3000;
  for (let i = 0; i < 3000; i++) view.setUint8(Math.floor(i * every), 1);
  using pages = new ProcessPages(process.pid);
  equal(pages.countIn(mapping.address, mapping.address + mapping.bytes), 3000);
});

test("moving to where they are is nothing to do", { skip }, () => {
  using mapping = Mapping.reserve(8 * PAGE, { huge: false });
  mapping.view().fill(7);
  using pages = new ProcessPages(process.pid);
  pages.look(mapping.address, mapping.address + mapping.bytes);
  equal(pages.next(), 8);
  for (let i = 0; i < 8; i++) pages.to[i] = pages.from[i] as number;
  equal(pages.move(false), 0);
  ok(pages.now.subarray(0, 8).every((node, i) => node === pages.from[i]));
});

test("a node without memory is ENODEV, and nothing moves", { skip }, () => {
  using mapping = Mapping.reserve(8 * PAGE, { huge: false });
  mapping.view().fill(7);
  using pages = new ProcessPages(process.pid);
  pages.look(mapping.address, mapping.address + mapping.bytes);
  equal(pages.next(), 8);
  pages.to.fill(1023, 0, 8);
  equal(pages.move(false), -abi.ENODEV);
  ok(pages.now.subarray(0, 8).every((node, i) => node === pages.from[i]));
});

test("a process that ends half way has no pages any more", { skip }, async () => {
  const child = spawn("sleep", ["100"], { stdio: "ignore" });
  await once(child, "spawn");
  using pages = new ProcessPages(child.pid as number);
  pages.look(0, ADDRESSES_END);
  ok(pages.next() > 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  pages.look(0, ADDRESSES_END);
  const after = pages.next();
  ok(after === 0 || after === -abi.ESRCH || after === -abi.EINVAL, `${after}`);
  throws(() => new ProcessPages(child.pid as number), { code: "NO_PAGEMAP" });
  ok(BATCH_PAGES >= 512);
});
