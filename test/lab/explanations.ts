// Why a host answers a conformance case in another way than the others, or not at all. What is not explained here fails
// `npm run conform:all`, and so does an explanation that explains nothing any more.

/** Who runs cases. */
export const HOSTS = ["model", "linux", "kernel"] as const;
export type HostName = (typeof HOSTS)[number];

/** Capabilities that a host has not, and why: cases that need one are skipped. */
export const LACKS: Readonly<Record<HostName, ReadonlyMap<string, string>>> = {
  model: new Map(),
  linux: new Map([
    ["fork", "a Node process cannot fork: the child would have one of its threads and not all of its memory"],
    ["hugetlb", "userfaultfd cannot take a hugetlb page away from the program"],
    ["mixedmap", "a mapping of a device's own file needs a driver in the kernel"],
    ["dax", "needs a file system on persistent memory; and userfaultfd does not serve mappings of its files"],
    ["turns", "the core's operations are done in one piece: nobody gets in between often enough"],
  ]),
  kernel: new Map([
    ["inject", "the test driver of 6.12 has no command that makes an allocation fail; mainline has one"],
    ["signals", "accesses are made by system calls, which answer EFAULT and do not say which signal was due"],
    ["swap", "what the kernel reclaims, and when, nobody can tell it page by page"],
    ["notifications", "the test driver does not tell what it was notified of"],
    ["faults", "the test driver and its device cannot be told to refuse, to fail or to disappear"],
    [
      "placement",
      "the test driver alone moves pages, and neither it nor the kernel says why one is where it is",
    ],
    ["turns", "nobody gets in between so often that the driver's second of retries runs out"],
  ]),
};

/** Why the test driver of 6.12 dies of a case that is right by the contract. */
const READ_OF_PRIVATE =
  "a range fault that starts at a miss meets pages that are in the device's own private memory; the 6.12 driver then copies from them as if the CPU could reach them, and the guest dies (dmirror_do_read)";

/** Cases that a host answers in another way. */
export const DIFFERENT: readonly {
  readonly name: string;
  readonly host: HostName;
  readonly result: "crashed" | "failed";
  readonly why: string;
}[] = [
  { name: "dontneed_with_the_device", host: "kernel", result: "crashed", why: READ_OF_PRIVATE },
  { name: "map_over", host: "kernel", result: "crashed", why: READ_OF_PRIVATE },
  { name: "fork_with_the_device", host: "kernel", result: "crashed", why: READ_OF_PRIVATE },
];
