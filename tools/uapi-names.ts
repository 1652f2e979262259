// What packages/host-linux needs to know of the kernel's interface: the names that tools/uapi.ts asks the headers for.

/** A struct: its name here, its C type, the macro that came with it (null: always there), and its fields' C paths. */
export interface Struct {
  readonly name: string;
  readonly type: string;
  readonly since: string | null;
  readonly fields: Readonly<Record<string, string>>;
}

export const headers: readonly string[] = [
  "linux/version.h",
  "linux/types.h",
  "linux/userfaultfd.h",
  "linux/fs.h",
  "linux/mman.h",
  "linux/memfd.h",
  "linux/falloc.h",
  "linux/fcntl.h",
  "linux/fadvise.h",
  "linux/eventfd.h",
  "linux/eventpoll.h",
  "linux/poll.h",
  "linux/prctl.h",
  "linux/errno.h",
  "linux/resource.h",
  "linux/mempolicy.h",
  "linux/time.h",
  "asm/siginfo.h",
  "asm/socket.h",
  "asm/unistd.h",
];

const words = (text: string): string[] => text.trim().split(/\s+/);
const prefixed = (prefix: string, text: string): string[] => words(text).map((word) => `${prefix}${word}`);

/** Enumerators that all headers of Linux 5.15 and later have: `#ifdef` cannot ask for them. */
export const enumerators: readonly string[] = prefixed(
  "MPOL_",
  "DEFAULT PREFERRED BIND INTERLEAVE LOCAL PREFERRED_MANY",
);

/** An enumerator of a later kernel's headers, and the preprocessor's condition that it is there. */
export interface LaterEnumerator {
  readonly name: string;
  readonly when: string;
}

export const laterEnumerators: readonly LaterEnumerator[] = [
  { name: "MPOL_WEIGHTED_INTERLEAVE", when: "LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)" },
];

/** Macros. */
export const constants: readonly string[] = [
  "USERFAULTFD_IOC_NEW",
  "UFFD_API",
  "UFFD_USER_MODE_ONLY",
  ...prefixed("UFFDIO_", "API REGISTER UNREGISTER WAKE COPY ZEROPAGE MOVE WRITEPROTECT CONTINUE POISON"),
  ...prefixed("_UFFDIO_", "API REGISTER UNREGISTER WAKE COPY ZEROPAGE MOVE WRITEPROTECT CONTINUE POISON"),
  ...prefixed("UFFDIO_REGISTER_MODE_", "MISSING WP MINOR"),
  ...prefixed("UFFDIO_COPY_MODE_", "DONTWAKE WP"),
  "UFFDIO_ZEROPAGE_MODE_DONTWAKE",
  ...prefixed("UFFDIO_MOVE_MODE_", "DONTWAKE ALLOW_SRC_HOLES"),
  ...prefixed("UFFDIO_WRITEPROTECT_MODE_", "WP DONTWAKE"),
  ...prefixed("UFFDIO_CONTINUE_MODE_", "DONTWAKE WP"),
  "UFFDIO_POISON_MODE_DONTWAKE",
  ...prefixed(
    "UFFD_FEATURE_",
    `PAGEFAULT_FLAG_WP EVENT_FORK EVENT_REMAP EVENT_REMOVE MISSING_HUGETLBFS MISSING_SHMEM EVENT_UNMAP SIGBUS
     THREAD_ID MINOR_HUGETLBFS MINOR_SHMEM EXACT_ADDRESS WP_HUGETLBFS_SHMEM WP_UNPOPULATED POISON WP_ASYNC MOVE`,
  ),
  ...prefixed("UFFD_EVENT_", "PAGEFAULT FORK REMAP REMOVE UNMAP"),
  ...prefixed("UFFD_PAGEFAULT_FLAG_", "WRITE WP MINOR"),
  "PAGEMAP_SCAN",
  ...prefixed("PAGE_IS_", "WPALLOWED WRITTEN FILE PRESENT SWAPPED PFNZERO HUGE SOFT_DIRTY"),
  ...prefixed("PM_SCAN_", "WP_MATCHING CHECK_WPASYNC"),
  ...prefixed("PROT_", "NONE READ WRITE EXEC"),
  ...prefixed(
    "MAP_",
    "SHARED SHARED_VALIDATE SYNC PRIVATE FIXED FIXED_NOREPLACE ANONYMOUS NORESERVE POPULATE HUGETLB HUGE_SHIFT GROWSDOWN STACK",
  ),
  ...prefixed("MREMAP_", "MAYMOVE FIXED DONTUNMAP"),
  ...prefixed(
    "MADV_",
    `NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED FREE REMOVE DONTFORK DOFORK HUGEPAGE NOHUGEPAGE COLD PAGEOUT
     POPULATE_READ POPULATE_WRITE DONTDUMP COLLAPSE`,
  ),
  ...prefixed("MFD_", "CLOEXEC ALLOW_SEALING HUGETLB"),
  ...prefixed("FALLOC_FL_", "KEEP_SIZE PUNCH_HOLE ZERO_RANGE"),
  ...prefixed("O_", "RDONLY WRONLY RDWR CREAT EXCL TRUNC NONBLOCK CLOEXEC DIRECTORY DIRECT"),
  "__O_TMPFILE",
  ...prefixed("F_", "GETFL SETFL GETFD SETFD"),
  ...prefixed("POSIX_FADV_", "NORMAL RANDOM SEQUENTIAL WILLNEED DONTNEED NOREUSE"),
  ...prefixed("EFD_", "CLOEXEC NONBLOCK SEMAPHORE"),
  ...prefixed("EPOLL", "IN ERR HUP"),
  "POLLOUT",
  "EPOLL_CLOEXEC",
  "EPOLL_CTL_ADD",
  "SOL_SOCKET",
  "SO_PEERCRED",
  "PR_SET_VMA",
  "PR_SET_VMA_ANON_NAME",
  "PR_SET_PDEATHSIG",
  "PRIO_PROCESS",
  "CLOCK_MONOTONIC",
  "SIGEV_THREAD",
  ...prefixed(
    "__NR_",
    `openat close pread64 pwrite64 ioctl mmap munmap mprotect mremap madvise futex prctl clone kill wait4 exit_group rt_sigprocmask
     userfaultfd memfd_create gettid mbind set_mempolicy get_mempolicy set_mempolicy_home_node move_pages
     migrate_pages eventfd2 sched_setaffinity sched_getaffinity setpriority getpriority`,
  ),
  ...prefixed("MPOL_F_", "STATIC_NODES RELATIVE_NODES NUMA_BALANCING NODE ADDR MEMS_ALLOWED"),
  ...prefixed("MPOL_MF_", "STRICT MOVE MOVE_ALL"),
  ...words(`EPERM ENOENT ESRCH EINTR EIO ENXIO ENOEXEC EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV ENOTDIR EISDIR
     EINVAL ENFILE EMFILE ENOTTY EFBIG ENOSPC EROFS ERANGE ENOSYS EOPNOTSUPP EOVERFLOW ETIMEDOUT EDQUOT EHWPOISON`),
];

const range = { start: "range.start", len: "range.len" };
const same = (...names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, name]));

export const structs: readonly Struct[] = [
  { name: "uffdioApi", type: "struct uffdio_api", since: null, fields: same("api", "features", "ioctls") },
  { name: "uffdioRange", type: "struct uffdio_range", since: null, fields: same("start", "len") },
  {
    name: "uffdioRegister",
    type: "struct uffdio_register",
    since: null,
    fields: { ...range, ...same("mode", "ioctls") },
  },
  {
    name: "uffdioCopy",
    type: "struct uffdio_copy",
    since: null,
    fields: same("dst", "src", "len", "mode", "copy"),
  },
  {
    name: "uffdioZeropage",
    type: "struct uffdio_zeropage",
    since: null,
    fields: { ...range, ...same("mode", "zeropage") },
  },
  {
    name: "uffdioMove",
    type: "struct uffdio_move",
    since: "UFFDIO_MOVE",
    fields: same("dst", "src", "len", "mode", "move"),
  },
  {
    name: "uffdioWriteprotect",
    type: "struct uffdio_writeprotect",
    since: null,
    fields: { ...range, ...same("mode") },
  },
  {
    name: "uffdioContinue",
    type: "struct uffdio_continue",
    since: null,
    fields: { ...range, ...same("mode", "mapped") },
  },
  {
    name: "uffdioPoison",
    type: "struct uffdio_poison",
    since: "UFFDIO_POISON",
    fields: { ...range, ...same("mode", "updated") },
  },
  {
    name: "uffdMsg",
    type: "struct uffd_msg",
    since: null,
    fields: {
      event: "event",
      flags: "arg.pagefault.flags",
      address: "arg.pagefault.address",
      thread: "arg.pagefault.feat.ptid",
      forkFd: "arg.fork.ufd",
      from: "arg.remap.from",
      to: "arg.remap.to",
      len: "arg.remap.len",
      start: "arg.remove.start",
      end: "arg.remove.end",
    },
  },
  {
    name: "pageRegion",
    type: "struct page_region",
    since: "PAGEMAP_SCAN",
    fields: same("start", "end", "categories"),
  },
  {
    name: "pmScanArg",
    type: "struct pm_scan_arg",
    since: "PAGEMAP_SCAN",
    fields: {
      ...same("size", "flags", "start", "end", "walk_end", "vec", "vec_len", "max_pages"),
      ...same("category_inverted", "category_mask", "category_anyof_mask", "return_mask"),
    },
  },
  {
    name: "sigevent",
    type: "struct sigevent",
    since: null,
    fields: {
      value: "sigev_value",
      notify: "sigev_notify",
      function: "_sigev_un._sigev_thread._function",
      attributes: "_sigev_un._sigev_thread._attribute",
    },
  },
  {
    name: "itimerspec",
    type: "struct itimerspec",
    since: null,
    fields: {
      intervalSeconds: "it_interval.tv_sec",
      intervalNanoseconds: "it_interval.tv_nsec",
      seconds: "it_value.tv_sec",
      nanoseconds: "it_value.tv_nsec",
    },
  },
  { name: "pollfd", type: "struct pollfd", since: null, fields: same("fd", "events", "revents") },
  { name: "epollEvent", type: "struct epoll_event", since: null, fields: same("events", "data") },
];
