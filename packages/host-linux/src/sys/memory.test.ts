import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import {
  bufferAt,
  closeFd,
  detach,
  fallocate,
  Mapping,
  madvise,
  memfdCreate,
  memmove,
  mprotect,
  mremap,
  munmap,
} from "./memory.ts";
import {
  closePagemap,
  mappedIn,
  markersIn,
  PageScan,
  residentPages,
  writtenIn,
  zeroPagesIn,
} from "./pagemap.ts";
import { probe } from "./probe.ts";
import { expectNoLeak, step } from "./testing/step.ts";
import { Userfaultfd } from "./uffd.ts";

const PAGE = 4096;
const HUGE = 2 << 20;
const skip = !probe().writeProtectAsync && "needs Linux 6.7 and userfaultfd";

test("a mapping has the alignment asked for, whole pages, and nothing else around it", () => {
  for (const align of [PAGE, 65536, HUGE, 1 << 30]) {
    using mapping = Mapping.reserve(3 * PAGE + 1, { align, noReserve: true });
    equal(mapping.address % align, 0);
    equal(mapping.bytes, 4 * PAGE);
    const maps = readFileSync("/proc/self/maps", "utf8");
    ok(maps.includes(mapping.address.toString(16)));
  }
});

test("pages are counted once, however many ranges they are in", { skip }, () => {
  using mapping = Mapping.reserve(3200 * PAGE, { huge: false });
  const view = mapping.view();
  for (const pages of [1, 511, 513, 1023, 1024, 1025, 1600]) {
    for (let i = 0; i < pages; i++) view[2 * i * PAGE] = 1;
    equal(residentPages(mapping.address, mapping.bytes), pages);
  }
});

test("typed arrays lie over more than 4 GiB, and are empty once it is closed", () => {
  const bytes = 20 * 2 ** 30;
  const mapping = Mapping.reserve(bytes, { noReserve: true, huge: false });
  const floats = new Float32Array(mapping.view().buffer);
  floats[bytes / 4 - 1] = 1.5;
  equal(new Float32Array(bufferAt(mapping.address + bytes - 4, 4))[0], 1.5);
  equal(mapping.view(), mapping.view());
  mapping.close();
  mapping.close();
  equal(floats.length, 0);
  throws(() => mapping.view(), RangeError);
});

test("a detached buffer leaves the memory as it is", () => {
  using mapping = Mapping.reserve(PAGE);
  mapping.view()[0] = 8;
  const other = bufferAt(mapping.address, PAGE);
  detach(other);
  detach(other);
  equal(other.byteLength, 0);
  equal(mapping.view()[0], 8);
});

test("nobody takes the memory away with the buffer", () => {
  using mapping = Mapping.reserve(PAGE);
  const { buffer } = mapping.view();
  throws(() => buffer.transfer(), { code: "NOT_TRANSFERABLE" });
  throws(() => buffer.transferToFixedLength(10), { code: "NOT_TRANSFERABLE" });
  throws(() => structuredClone(buffer, { transfer: [buffer] }));
  equal(buffer.byteLength, PAGE);
  equal(Object.keys(buffer).length, 0);
  equal(structuredClone(buffer).byteLength, PAGE);
});

test("pages come with populate, huge ones where asked for", () => {
  using small = Mapping.reserve(HUGE, { huge: false, populate: true });
  equal(residentPages(small.address, HUGE), 512);
  using lazy = Mapping.reserve(HUGE, { huge: false });
  equal(residentPages(lazy.address, HUGE), 0);
  lazy.view()[5 * PAGE] = 1;
  equal(residentPages(lazy.address, HUGE), 1);
  equal(madvise(lazy.address, HUGE, abi.MADV_DONTNEED), 0);
  equal(residentPages(lazy.address, HUGE), 0);
  equal(lazy.view()[7 * PAGE], 0);
  equal(zeroPagesIn(lazy.address, HUGE), 1);
});

test("two mappings of a memfd show the same bytes; a private one keeps what it writes", () => {
  const fd = memfdCreate("hms-test", 4 * PAGE);
  using a = Mapping.shared(fd, 2 * PAGE, { align: HUGE });
  using b = Mapping.shared(fd, PAGE, { offset: PAGE, writable: false });
  using own = Mapping.shared(fd, 2 * PAGE, { copyOnWrite: true });
  a.view()[PAGE] = 11;
  equal(b.view()[0], 11);
  own.view()[PAGE] = 12;
  equal(b.view()[0], 11);
  equal(fallocate(fd, abi.FALLOC_FL_PUNCH_HOLE | abi.FALLOC_FL_KEEP_SIZE, PAGE, PAGE), 0);
  deepEqual([a.view()[PAGE], b.view()[0], own.view()[PAGE]], [0, 0, 12]);
  equal(closeFd(fd), 0);
  equal(closeFd(-1), -abi.EBADF);
});

test("raw calls answer as the kernel does", () => {
  const a = Mapping.reserve(4 * PAGE);
  a.view()[0] = 3;
  memmove(a.address + PAGE, a.address, PAGE);
  equal(a.view()[PAGE], 3);
  equal(mprotect(a.address + 1, PAGE, abi.PROT_READ), -abi.EINVAL);
  equal(mprotect(a.address, PAGE, abi.PROT_READ), 0);
  const moved = mremap(a.address + 2 * PAGE, PAGE, 2 * PAGE, abi.MREMAP_MAYMOVE);
  ok(moved > 0);
  equal(munmap(moved, 2 * PAGE), 0);
  equal(munmap(1, PAGE), -abi.EINVAL);
  equal(mremap(a.address + 2 * PAGE, PAGE, PAGE, abi.MREMAP_MAYMOVE), -abi.EFAULT);
  a.close();
});

test("what cannot be mapped is an error with its reason", () => {
  throws(
    () => Mapping.reserve(2 ** 50),
    (error) => HmsError.is(error) && error.code === "OUT_OF_MEMORY" && error.errno === "ENOMEM",
  );
  throws(
    () => Mapping.shared(-1, PAGE),
    (error) => HmsError.is(error) && /EBADF/.test(error.message),
  );
  throws(() => Mapping.shared(-1, PAGE, { align: HUGE }), { code: "OUT_OF_MEMORY" });
});

step(import.meta.filename, "mapping and unmapping leaves nothing, also when it fails", () => {
  expectNoLeak(() => {
    using mapping = Mapping.reserve(HUGE, { huge: true, name: "hms [test]" });
    mapping.view()[1] = 1;
    throws(() => Mapping.shared(-1, PAGE, { align: HUGE }));
    using scan = new PageScan(10_000);
    equal(scan.scan(mapping.address, HUGE, { required: abi.PAGE_IS_PRESENT, returned: 0 }), 1);
  });
});

/** Pages of the ranges that a scan tells. */
function pagesOf(scan: typeof mappedIn): (address: number, bytes: number) => number {
  return (address, bytes) => {
    let pages = 0;
    const found = scan(address, bytes, (_, length) => {
      pages += length / PAGE;
    });
    return found < 0 ? found : pages;
  };
}

const marked = pagesOf(markersIn);
const mapped = pagesOf(mappedIn);

step(
  import.meta.filename,
  "written pages are found, and protected again in the same step",
  () => {
    using mapping = Mapping.reserve(8 * PAGE, { huge: false, populate: true });
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_WP_ASYNC | abi.UFFD_FEATURE_WP_UNPOPULATED });
    using scan = new PageScan(2);
    const query = { required: abi.PAGE_IS_WRITTEN, returned: abi.PAGE_IS_WRITTEN, protect: true };
    equal(scan.scan(mapping.address, mapping.bytes, query), -abi.EPERM);
    uffd.register(mapping.address, mapping.bytes, abi.UFFDIO_REGISTER_MODE_WP);
    equal(uffd.writeProtect(mapping.address, mapping.bytes, abi.UFFDIO_WRITEPROTECT_MODE_WP), 0);
    equal(scan.scan(mapping.address, mapping.bytes, query), 0);
    for (const page of [1, 2, 5, 7]) mapping.view()[page * PAGE] = 1;
    const ranges: number[][] = [];
    equal(
      writtenIn(mapping.address, mapping.bytes, (at, bytes) =>
        ranges.push([(at - mapping.address) / PAGE, bytes / PAGE]),
      ),
      3,
    );
    deepEqual(ranges, [
      [1, 2],
      [5, 1],
      [7, 1],
    ]);
    equal(scan.scan(mapping.address, mapping.bytes, query), 2, "no room for the third");
    deepEqual([scan.start(0), scan.end(0)], [mapping.address + PAGE, mapping.address + 3 * PAGE]);
    equal(scan.categories(1), abi.PAGE_IS_WRITTEN);
    ok(scan.walkEnd >= mapping.address + 6 * PAGE && scan.walkEnd <= mapping.address + 7 * PAGE);
    equal(scan.count(mapping.address, mapping.bytes, query), 1);
    equal(scan.count(mapping.address, mapping.bytes, query), 0);
  },
  { skip },
);

step(
  import.meta.filename,
  "shared memory keeps a mark of each page that was protected when it was unmapped",
  () => {
    const fd = memfdCreate("hms-test", 4 * PAGE);
    using shown = Mapping.shared(fd, 4 * PAGE);
    using uffd = Userfaultfd.open({ features: abi.UFFD_FEATURE_WP_HUGETLBFS_SHMEM });
    uffd.register(shown.address, shown.bytes, abi.UFFDIO_REGISTER_MODE_WP);
    shown.view().fill(1);
    equal(mapped(shown.address, shown.bytes), 4);
    equal(uffd.writeProtect(shown.address, 3 * PAGE, abi.UFFDIO_WRITEPROTECT_MODE_WP), 0);
    equal(marked(shown.address, shown.bytes), 0);
    equal(madvise(shown.address, shown.bytes, abi.MADV_DONTNEED), 0);
    equal(marked(shown.address, shown.bytes), 3);
    equal(mapped(shown.address, shown.bytes), 0);
    equal(marked(shown.address + 3 * PAGE, PAGE), 0);
    equal(residentPages(shown.address, shown.bytes), 0);
    closePagemap();
    equal(marked(shown.address, shown.bytes), 3, "opened again");
  },
  { skip },
);
