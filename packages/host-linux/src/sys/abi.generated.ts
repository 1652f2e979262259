// Made by tools/uapi.ts from the kernel's headers: do not edit. Offsets and sizes are bytes.
const onArm: boolean = process.arch === "arm64";

export const USERFAULTFD_IOC_NEW = 43520;
export const UFFD_API = 170;
export const UFFD_USER_MODE_ONLY = 1;
export const UFFDIO_API = 0xc018aa3f;
export const UFFDIO_REGISTER = 0xc020aa00;
export const UFFDIO_UNREGISTER = 0x8010aa01;
export const UFFDIO_WAKE = 0x8010aa02;
export const UFFDIO_COPY = 0xc028aa03;
export const UFFDIO_ZEROPAGE = 0xc020aa04;
export const UFFDIO_MOVE = 0xc028aa05;
export const UFFDIO_WRITEPROTECT = 0xc018aa06;
export const UFFDIO_CONTINUE = 0xc020aa07;
export const UFFDIO_POISON = 0xc020aa08;
export const _UFFDIO_API = 63;
export const _UFFDIO_REGISTER = 0;
export const _UFFDIO_UNREGISTER = 1;
export const _UFFDIO_WAKE = 2;
export const _UFFDIO_COPY = 3;
export const _UFFDIO_ZEROPAGE = 4;
export const _UFFDIO_MOVE = 5;
export const _UFFDIO_WRITEPROTECT = 6;
export const _UFFDIO_CONTINUE = 7;
export const _UFFDIO_POISON = 8;
export const UFFDIO_REGISTER_MODE_MISSING = 1;
export const UFFDIO_REGISTER_MODE_WP = 2;
export const UFFDIO_REGISTER_MODE_MINOR = 4;
export const UFFDIO_COPY_MODE_DONTWAKE = 1;
export const UFFDIO_COPY_MODE_WP = 2;
export const UFFDIO_ZEROPAGE_MODE_DONTWAKE = 1;
export const UFFDIO_MOVE_MODE_DONTWAKE = 1;
export const UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES = 2;
export const UFFDIO_WRITEPROTECT_MODE_WP = 1;
export const UFFDIO_WRITEPROTECT_MODE_DONTWAKE = 2;
export const UFFDIO_CONTINUE_MODE_DONTWAKE = 1;
export const UFFDIO_CONTINUE_MODE_WP = 2;
export const UFFDIO_POISON_MODE_DONTWAKE = 1;
export const UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1;
export const UFFD_FEATURE_EVENT_FORK = 2;
export const UFFD_FEATURE_EVENT_REMAP = 4;
export const UFFD_FEATURE_EVENT_REMOVE = 8;
export const UFFD_FEATURE_MISSING_HUGETLBFS = 16;
export const UFFD_FEATURE_MISSING_SHMEM = 32;
export const UFFD_FEATURE_EVENT_UNMAP = 64;
export const UFFD_FEATURE_SIGBUS = 128;
export const UFFD_FEATURE_THREAD_ID = 256;
export const UFFD_FEATURE_MINOR_HUGETLBFS = 512;
export const UFFD_FEATURE_MINOR_SHMEM = 1024;
export const UFFD_FEATURE_EXACT_ADDRESS = 2048;
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 4096;
export const UFFD_FEATURE_WP_UNPOPULATED = 8192;
export const UFFD_FEATURE_POISON = 16384;
export const UFFD_FEATURE_WP_ASYNC = 32768;
export const UFFD_FEATURE_MOVE = 0x10000;
export const UFFD_EVENT_PAGEFAULT = 18;
export const UFFD_EVENT_FORK = 19;
export const UFFD_EVENT_REMAP = 20;
export const UFFD_EVENT_REMOVE = 21;
export const UFFD_EVENT_UNMAP = 22;
export const UFFD_PAGEFAULT_FLAG_WRITE = 1;
export const UFFD_PAGEFAULT_FLAG_WP = 2;
export const UFFD_PAGEFAULT_FLAG_MINOR = 4;
export const PAGEMAP_SCAN = 0xc0606610;
export const PAGE_IS_WPALLOWED = 1;
export const PAGE_IS_WRITTEN = 2;
export const PAGE_IS_FILE = 4;
export const PAGE_IS_PRESENT = 8;
export const PAGE_IS_SWAPPED = 16;
export const PAGE_IS_PFNZERO = 32;
export const PAGE_IS_HUGE = 64;
export const PAGE_IS_SOFT_DIRTY = 128;
export const PM_SCAN_WP_MATCHING = 1;
export const PM_SCAN_CHECK_WPASYNC = 2;
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 1;
export const MAP_SHARED_VALIDATE = 3;
export const MAP_SYNC = 0x80000;
export const MAP_PRIVATE = 2;
export const MAP_FIXED = 16;
export const MAP_FIXED_NOREPLACE = 0x100000;
export const MAP_ANONYMOUS = 32;
export const MAP_NORESERVE = 16384;
export const MAP_POPULATE = 32768;
export const MAP_HUGETLB = 0x40000;
export const MAP_HUGE_SHIFT = 26;
export const MAP_GROWSDOWN = 256;
export const MAP_STACK = 0x20000;
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;
export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_REMOVE = 9;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;
export const MADV_DONTDUMP = 16;
export const MADV_COLLAPSE = 25;
export const MFD_CLOEXEC = 1;
export const MFD_ALLOW_SEALING = 2;
export const MFD_HUGETLB = 4;
export const FALLOC_FL_KEEP_SIZE = 1;
export const FALLOC_FL_PUNCH_HOLE = 2;
export const FALLOC_FL_ZERO_RANGE = 16;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 64;
export const O_EXCL = 128;
export const O_TRUNC = 512;
export const O_NONBLOCK = 2048;
export const O_CLOEXEC = 0x80000;
export const O_DIRECTORY: number = onArm ? 16384 : 0x10000;
export const O_DIRECT: number = onArm ? 0x10000 : 16384;
export const __O_TMPFILE = 0x400000;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const POSIX_FADV_NORMAL = 0;
export const POSIX_FADV_RANDOM = 1;
export const POSIX_FADV_SEQUENTIAL = 2;
export const POSIX_FADV_WILLNEED = 3;
export const POSIX_FADV_DONTNEED = 4;
export const POSIX_FADV_NOREUSE = 5;
export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 2048;
export const EFD_SEMAPHORE = 1;
export const EPOLLIN = 1;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
export const POLLOUT = 4;
export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const SOL_SOCKET = 1;
export const SO_PEERCRED = 17;
export const PR_SET_VMA = 0x53564d41;
export const PR_SET_VMA_ANON_NAME = 0;
export const PR_SET_PDEATHSIG = 1;
export const PRIO_PROCESS = 0;
export const CLOCK_MONOTONIC = 1;
export const SIGEV_THREAD = 2;
export const __NR_openat: number = onArm ? 56 : 257;
export const __NR_close: number = onArm ? 57 : 3;
export const __NR_pread64: number = onArm ? 67 : 17;
export const __NR_pwrite64: number = onArm ? 68 : 18;
export const __NR_ioctl: number = onArm ? 29 : 16;
export const __NR_mmap: number = onArm ? 222 : 9;
export const __NR_munmap: number = onArm ? 215 : 11;
export const __NR_mprotect: number = onArm ? 226 : 10;
export const __NR_mremap: number = onArm ? 216 : 25;
export const __NR_madvise: number = onArm ? 233 : 28;
export const __NR_futex: number = onArm ? 98 : 202;
export const __NR_prctl: number = onArm ? 167 : 157;
export const __NR_clone: number = onArm ? 220 : 56;
export const __NR_kill: number = onArm ? 129 : 62;
export const __NR_wait4: number = onArm ? 260 : 61;
export const __NR_exit_group: number = onArm ? 94 : 231;
export const __NR_rt_sigprocmask: number = onArm ? 135 : 14;
export const __NR_userfaultfd: number = onArm ? 282 : 323;
export const __NR_memfd_create: number = onArm ? 279 : 319;
export const __NR_gettid: number = onArm ? 178 : 186;
export const __NR_mbind: number = onArm ? 235 : 237;
export const __NR_set_mempolicy: number = onArm ? 237 : 238;
export const __NR_get_mempolicy: number = onArm ? 236 : 239;
export const __NR_set_mempolicy_home_node = 450;
export const __NR_move_pages: number = onArm ? 239 : 279;
export const __NR_migrate_pages: number = onArm ? 238 : 256;
export const __NR_eventfd2: number = onArm ? 19 : 290;
export const __NR_sched_setaffinity: number = onArm ? 122 : 203;
export const __NR_sched_getaffinity: number = onArm ? 123 : 204;
export const __NR_setpriority: number = onArm ? 140 : 141;
export const __NR_getpriority: number = onArm ? 141 : 140;
export const MPOL_F_STATIC_NODES = 32768;
export const MPOL_F_RELATIVE_NODES = 16384;
export const MPOL_F_NUMA_BALANCING = 8192;
export const MPOL_F_NODE = 1;
export const MPOL_F_ADDR = 2;
export const MPOL_F_MEMS_ALLOWED = 4;
export const MPOL_MF_STRICT = 1;
export const MPOL_MF_MOVE = 2;
export const MPOL_MF_MOVE_ALL = 4;
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const ENOEXEC = 8;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EROFS = 30;
export const ERANGE = 34;
export const ENOSYS = 38;
export const EOPNOTSUPP = 95;
export const EOVERFLOW = 75;
export const ETIMEDOUT = 110;
export const EDQUOT = 122;
export const EHWPOISON = 133;
export const MPOL_DEFAULT = 0;
export const MPOL_PREFERRED = 1;
export const MPOL_BIND = 2;
export const MPOL_INTERLEAVE = 3;
export const MPOL_LOCAL = 4;
export const MPOL_PREFERRED_MANY = 5;
export const MPOL_WEIGHTED_INTERLEAVE = 6;

/** `struct uffdio_api` */
export const uffdioApi = {
  bytes: 24,
  api: 0,
  features: 8,
  ioctls: 16,
} as const;

/** `struct uffdio_range` */
export const uffdioRange = {
  bytes: 16,
  start: 0,
  len: 8,
} as const;

/** `struct uffdio_register` */
export const uffdioRegister = {
  bytes: 32,
  start: 0,
  len: 8,
  mode: 16,
  ioctls: 24,
} as const;

/** `struct uffdio_copy` */
export const uffdioCopy = {
  bytes: 40,
  dst: 0,
  src: 8,
  len: 16,
  mode: 24,
  copy: 32,
} as const;

/** `struct uffdio_zeropage` */
export const uffdioZeropage = {
  bytes: 32,
  start: 0,
  len: 8,
  mode: 16,
  zeropage: 24,
} as const;

/** `struct uffdio_move` */
export const uffdioMove = {
  bytes: 40,
  dst: 0,
  src: 8,
  len: 16,
  mode: 24,
  move: 32,
} as const;

/** `struct uffdio_writeprotect` */
export const uffdioWriteprotect = {
  bytes: 24,
  start: 0,
  len: 8,
  mode: 16,
} as const;

/** `struct uffdio_continue` */
export const uffdioContinue = {
  bytes: 32,
  start: 0,
  len: 8,
  mode: 16,
  mapped: 24,
} as const;

/** `struct uffdio_poison` */
export const uffdioPoison = {
  bytes: 32,
  start: 0,
  len: 8,
  mode: 16,
  updated: 24,
} as const;

/** `struct uffd_msg` */
export const uffdMsg = {
  bytes: 32,
  event: 0,
  flags: 8,
  address: 16,
  thread: 24,
  forkFd: 8,
  from: 8,
  to: 16,
  len: 24,
  start: 8,
  end: 16,
} as const;

/** `struct page_region` */
export const pageRegion = {
  bytes: 24,
  start: 0,
  end: 8,
  categories: 16,
} as const;

/** `struct pm_scan_arg` */
export const pmScanArg = {
  bytes: 96,
  size: 0,
  flags: 8,
  start: 16,
  end: 24,
  walk_end: 32,
  vec: 40,
  vec_len: 48,
  max_pages: 56,
  category_inverted: 64,
  category_mask: 72,
  category_anyof_mask: 80,
  return_mask: 88,
} as const;

/** `struct sigevent` */
export const sigevent = {
  bytes: 64,
  value: 0,
  notify: 12,
  function: 16,
  attributes: 24,
} as const;

/** `struct itimerspec` */
export const itimerspec = {
  bytes: 32,
  intervalSeconds: 0,
  intervalNanoseconds: 8,
  seconds: 16,
  nanoseconds: 24,
} as const;

/** `struct pollfd` */
export const pollfd = {
  bytes: 8,
  fd: 0,
  events: 4,
  revents: 6,
} as const;

/** `struct epoll_event` */
export const epollEvent: { readonly bytes: number; readonly events: number; readonly data: number } = {
  bytes: onArm ? 16 : 12,
  events: 0,
  data: onArm ? 8 : 4,
};
