import type { Errno, Nanoseconds, PageCount, PageIndex } from "@hms/hmm";
import type { CostModel } from "./costs.ts";
import type { ModelFile } from "./file.ts";
import type { Scheduler } from "./scheduler.ts";

/** Protection of a mapping. */
export type Protection = "none" | "r" | "rw";

/** What `madvise` takes. `pageout` swaps out. */
export type Advice = "dontneed" | "free" | "hugepage" | "nohugepage" | "collapse" | "pageout";

/** What stands behind a mapping. */
export type Backing =
  | { readonly kind: "anonymous" }
  /** Pages of the file from `offset` (pages; default 0) on. A DAX file maps its own memory. */
  | { readonly kind: "file"; readonly file: ModelFile; readonly offset?: PageIndex }
  /** 2 MiB pages of the host's pool. */
  | { readonly kind: "hugetlb" }
  /** Pages that a driver inserted (VM_MIXEDMAP): mirrored, never migrated. */
  | { readonly kind: "mixed" }
  /** Device registers (VM_IO, VM_PFNMAP): neither mirrored nor migrated. */
  | { readonly kind: "io" };

/** What `mmap` takes. */
export interface MapRequest {
  readonly pages: PageCount;
  /** Default `rw`. */
  readonly protection?: Protection;
  /** Default private. */
  readonly share?: "private" | "shared";
  /** Default anonymous. */
  readonly backing?: Backing;
  /** Aligned to 2 MiB and advised to use huge pages. */
  readonly huge?: boolean;
  /** Map at this page, over whatever is there. */
  readonly at?: PageIndex;
}

/** What the simulated host is made of. */
export interface ModelHostOptions {
  /** Host memory, pages; default 65536 (256 MiB). Frame 0 is the zero page. */
  readonly ramPages?: PageCount;
  /** Swap, pages; default 65536. 0: none. */
  readonly swapPages?: PageCount;
  /** 2 MiB pages set aside for hugetlb; default 16. */
  readonly hugetlbPool?: number;
  /** When anonymous memory gets huge pages; default `madvise`. */
  readonly hugePages?: "always" | "madvise" | "never";
  /** What a write to a shared extent of a DAX file does: break the sharing first (default), or fail. */
  readonly reflink?: "break" | "refuse";
  /** What things cost; default: an unnamed machine with DDR only. */
  readonly costs?: CostModel;
  /** Seed of the scheduler; default 1. */
  readonly seed?: number;
  /** A scheduler that decides by other means, such as a plan; default: one that decides by `seed`. */
  readonly scheduler?: Scheduler;
}

/** What a process is made of. */
export interface ProcessOptions {
  /** The most pages it may hold resident (a memory cgroup); default: no limit. */
  readonly limitPages?: PageCount;
}

/** A pin of pages, given back with `release` or `using`. */
export interface Pin extends Disposable {
  readonly first: PageIndex;
  readonly count: PageCount;
  readonly kind: "short" | "long";
  release(): void;
}

/**
 * A process of the simulated host. System calls answer as the kernel does: 0 or an errno number (`errnoName` names
 * it). EAGAIN from any of them means: would have to wait for what is under way further up the stack; ask again later
 * (only inside of a scheduler's interleaving). CPU accesses answer EFAULT for SIGSEGV, EIO for SIGBUS (lost page,
 * beyond the end of a file, driver failed), ENOMEM for the OOM killer.
 */
export interface ProcessFace {
  /** The first page of the new mapping, or −errno. */
  mmap(request: MapRequest): PageIndex | Errno;
  munmap(first: PageIndex, count: PageCount): Errno;
  mprotect(first: PageIndex, count: PageCount, protection: Protection): Errno;
  /** Moves pages to a new place (or `to`): its first page, or −errno. `keepOld`: the old range stays mapped and empty. */
  mremap(
    first: PageIndex,
    count: PageCount,
    options?: { to?: PageIndex; keepOld?: boolean },
  ): PageIndex | Errno;
  madvise(first: PageIndex, count: PageCount, advice: Advice): Errno;
  /** The child. Throws an HmsError (EBUSY, ENOMEM, EAGAIN) when the fork fails. */
  fork(): ProcessFace;
  /** Ends the process: mirrors get `release`, memory is given back. */
  exit(): Errno;
  /** The CPU reads bytes; `offset` counts from the page's start and may run on into pages that follow. */
  read(page: PageIndex, offset: number, target: Uint8Array): Errno;
  /** The CPU writes bytes. */
  write(page: PageIndex, offset: number, source: Uint8Array): Errno;
  /** The CPU touches one page. */
  touch(page: PageIndex, write?: boolean): Errno;
  /** Pins pages as get_user_pages does: `short` (FOLL_GET), `long` (FOLL_LONGTERM). A Pin, or an errno number. */
  pin(first: PageIndex, count: PageCount, options: { kind: "short" | "long"; write?: boolean }): Pin | Errno;
}

/** The host's clock. */
export interface ClockFace {
  readonly now: Nanoseconds;
  advance(by: Nanoseconds): void;
}

/** What a task of the scheduler did in one step. */
export type StepOutcome = "ran" | "blocked" | "done";

/** Something that runs beside others: a CPU thread, device work, reclaim. */
export interface Task {
  readonly name: string;
  /** One step; `blocked`: would have to wait, nothing was done, ask again later. */
  step(): StepOutcome;
}
