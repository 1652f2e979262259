import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { HmsError } from "@hms/topology";
import * as abi from "./abi.generated.ts";
import { errnoName, errnoText } from "./errno.ts";
import { close, failed, ioctl } from "./libc.ts";
import { PageScan } from "./pagemap.ts";
import { Scratch } from "./scratch.ts";
import { featureNames, openUserfaultfd } from "./uffd.ts";
import { PAGE_BYTES } from "./units.ts";

const SYSCTL = "/proc/sys/vm/unprivileged_userfaultfd";

/** What this process may ask of this kernel. */
export interface Capabilities {
  /** The kernel's release: `6.12.30`. */
  readonly kernel: string;
  /** `full`: faults of system calls are served too; `user-mode-only`: they fail with EFAULT instead. */
  readonly userfaultfd: "none" | "user-mode-only" | "full";
  /** Why there is none: the negative errno of the last attempt; 0 when there is one. */
  readonly refused: number;
  /** `UFFD_FEATURE_*` that the kernel has. */
  readonly features: number;
  /** Names of known features, without their prefix, by whether the kernel has them. */
  readonly present: readonly string[];
  readonly missing: readonly string[];
  /** Pages move between ranges without a copy (Linux 6.8). */
  readonly move: boolean;
  /** First writes are noted without a fault each (Linux 6.7). */
  readonly writeProtectAsync: boolean;
  /** Pages can be marked lost (Linux 6.6). */
  readonly poison: boolean;
  /** The page table can be scanned (Linux 6.7). */
  readonly pagemapScan: boolean;
  readonly transparentHugePages: "always" | "madvise" | "never" | "unknown";
  /** vm.unprivileged_userfaultfd; null where the kernel has no userfaultfd. */
  readonly unprivileged: number | null;
  /** A seccomp filter restricts the calling thread, as in most containers. */
  readonly seccomp: boolean;
}

const ALL_FEATURES = Object.entries(abi).reduce(
  (all, [name, bit]) => (name.startsWith("UFFD_FEATURE_") ? all | (bit as number) : all),
  0,
);

/** What the host cannot do without; `requireCapabilities` asks for these unless told otherwise. */
export const NEEDED_FEATURES: number =
  abi.UFFD_FEATURE_PAGEFAULT_FLAG_WP |
  abi.UFFD_FEATURE_EVENT_REMOVE |
  abi.UFFD_FEATURE_EVENT_UNMAP |
  abi.UFFD_FEATURE_EVENT_REMAP |
  abi.UFFD_FEATURE_MISSING_SHMEM |
  abi.UFFD_FEATURE_MINOR_SHMEM |
  abi.UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
  abi.UFFD_FEATURE_WP_UNPOPULATED |
  abi.UFFD_FEATURE_POISON |
  abi.UFFD_FEATURE_MOVE;

/** Finds out by asking: opens a userfaultfd and a page map, and closes them. */
export function probe(): Capabilities {
  const opened = openUserfaultfd(false);
  const features = opened.fd < 0 ? 0 : handshake(opened.fd);
  const has = (feature: number) => (features & feature) !== 0;
  const sysctl = readText(SYSCTL);
  return {
    kernel: release(),
    userfaultfd: opened.fd < 0 ? "none" : opened.userModeOnly ? "user-mode-only" : "full",
    refused: Math.min(0, opened.fd),
    features,
    present: featureNames(features & ALL_FEATURES),
    missing: featureNames(ALL_FEATURES & ~features),
    move: has(abi.UFFD_FEATURE_MOVE),
    writeProtectAsync: has(abi.UFFD_FEATURE_WP_ASYNC),
    poison: has(abi.UFFD_FEATURE_POISON),
    pagemapScan: canScan(),
    transparentHugePages: hugePages(),
    unprivileged: sysctl === null ? null : Number(sysctl),
    seccomp: /^Seccomp:\s*[12]$/m.test(readText("/proc/thread-self/status") ?? ""),
  };
}

/** Asks for the features and closes; 0 when the kernel does not answer as it should. */
function handshake(fd: number): number {
  using scratch = new Scratch();
  scratch.put(abi.uffdioApi.api, abi.UFFD_API);
  const errno = ioctl(fd, abi.UFFDIO_API, scratch.address) === 0 ? 0 : failed();
  close(fd);
  if (errno === 0) return scratch.get(abi.uffdioApi.features);
  const text = `The kernel refused the handshake of userfaultfd (UFFDIO_API ${abi.UFFD_API}): ${errnoText(errno)}; boot Linux 6.8 or later.`;
  throw new HmsError("ABI_MISMATCH", errnoName(errno), text);
}

function canScan(): boolean {
  if (!existsSync("/proc/self/pagemap")) return false;
  using page = new Scratch();
  using scan = new PageScan(1);
  return scan.scan(page.address, PAGE_BYTES, { required: 0, returned: abi.PAGE_IS_PRESENT }) >= 0;
}

function hugePages(): Capabilities["transparentHugePages"] {
  const text = readText("/sys/kernel/mm/transparent_hugepage/enabled") ?? "";
  for (const setting of ["always", "madvise", "never"] as const) {
    if (text.includes(`[${setting}]`)) return setting;
  }
  return "unknown";
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

/** What a program needs beyond what the host itself does. */
export interface Needs {
  /** `UFFD_FEATURE_*`; NEEDED_FEATURES by default. */
  readonly features?: number;
  /** System calls on memory that is not present must work too. */
  readonly systemCalls?: boolean;
}

/**
 * Answers the capabilities, or throws the reason why hms cannot work with them, and the remedy: `NO_USERFAULTFD` (the
 * kernel has none, or a filter keeps it away), `NO_DESCRIPTOR`, `KERNEL_TOO_OLD`, `USER_MODE_FAULTS_ONLY` (only with `systemCalls`).
 */
export function requireCapabilities(found: Capabilities = probe(), needs: Needs = {}): Capabilities {
  if (found.userfaultfd === "none") throw noUserfaultfd(found);
  const lacking = (needs.features ?? NEEDED_FEATURES) & ~found.features;
  if (lacking !== 0 || !found.pagemapScan) {
    const names = featureNames(lacking).map((name) => `UFFD_FEATURE_${name}`);
    if (!found.pagemapScan) names.push("PAGEMAP_SCAN");
    throw new HmsError(
      "KERNEL_TOO_OLD",
      "EOPNOTSUPP",
      `hms needs Linux 6.8 or later and this is ${found.kernel}, without ${names.join(", ")}; boot a newer kernel, or use the simulated host (--host model).`,
    );
  }
  const limited = limitation(found);
  if (needs.systemCalls === true && limited !== null) {
    throw new HmsError("USER_MODE_FAULTS_ONLY", "EPERM", limited);
  }
  return found;
}

/** What does not work with these capabilities although hms does, and how to allow it: a sentence, or null. */
export function limitation(found: Capabilities): string | null {
  if (found.userfaultfd !== "user-mode-only") return null;
  return `Only faults from user mode are served: a system call on shared memory that is not present fails with EFAULT (touch it first); allow it by sysctl vm.unprivileged_userfaultfd=1 (it is ${found.unprivileged ?? "not there"}), by access to /dev/userfaultfd, or by CAP_SYS_PTRACE.`;
}

function noUserfaultfd(found: Capabilities): HmsError {
  const { refused, seccomp, unprivileged, kernel } = found;
  const make = (text: string) => new HmsError("NO_USERFAULTFD", errnoName(refused), text);
  const name = errnoText(refused);
  if (refused === -abi.EMFILE || refused === -abi.ENFILE) {
    const text = `Opening a userfaultfd failed: ${name}; close descriptors, or raise the limit (ulimit -n).`;
    return new HmsError("NO_DESCRIPTOR", errnoName(refused), text);
  }
  if (refused === -abi.ENOSYS && unprivileged === null) {
    return make(
      `This kernel (${kernel}) has no userfaultfd (${name}); boot one built with CONFIG_USERFAULTFD=y, or use the simulated host (--host model).`,
    );
  }
  if (seccomp && (refused === -abi.EPERM || refused === -abi.ENOSYS)) {
    return make(
      `A seccomp filter refuses userfaultfd (${name}), as containers do by default; allow that system call in the container's profile (docker and podman: --security-opt seccomp=PROFILE.json), or give it /dev/userfaultfd.`,
    );
  }
  if (refused === -abi.EINVAL) {
    return make(
      `This kernel (${kernel}) does not know userfaultfd for user-mode faults (${name}); boot Linux 6.8 or later.`,
    );
  }
  if (refused === -abi.EPERM || refused === -abi.EACCES) {
    return make(
      `A security policy refuses userfaultfd (${name}); allow anonymous inodes of that kind for this program (SELinux, AppArmor), or run it elsewhere.`,
    );
  }
  return make(
    `Opening a userfaultfd failed: ${name}; free memory, or raise the limits on it, and try again.`,
  );
}
