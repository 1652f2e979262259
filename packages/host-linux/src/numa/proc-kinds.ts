import { LineReader } from "./proc-lines.ts";

export const MAPPING_KINDS = ["anonymous", "file", "shmem", "hugetlb", "device", "kernel"] as const;
/**
 * What sort of memory a mapping is.
 *
 * - `anonymous`: private, of no file: heap, stacks, what malloc takes
 * - `file`: a file's pages. Private copies of them are anonymous where the kernel counts pages
 * - `shmem`: shared memory: memfd, System V, shared anonymous, files on tmpfs
 * - `hugetlb`: pages of hugetlbfs, set apart when the machine was set up
 * - `device`: a device's, or a file's on persistent memory (DAX): the kernel tells its size, and nothing of its pages
 * - `kernel`: the kernel's own, such as `[vdso]`, which every process has, and the rings of io_uring
 */
export type MappingKind = (typeof MAPPING_KINDS)[number];

const KERNEL =
  /^(?:\[(?:vdso|vvar|vvar_vclock|vsyscall|vectors|sigpage|uprobes|uretprobe|timens)\]$|anon_inode:|socket:)/;
const SHMEM = /^(?:\/memfd:|\/dev\/zero(?: \(deleted\))?$|\/SYSV[0-9a-f]{8}|\[anon_shmem:|\/drm mm object)/;
const HUGETLB = /^\/anon_hugepage(?: \(deleted\))?$/;
const DEVICE =
  /^(?:\/dev\/(?!zero(?: |$)|shm\/|hugepages\/|mqueue\/)|\/dmabuf:|anon_inode:\[?(?:dmabuf|i915|drm))/;

/** What the kind of a mapping follows from. */
export interface MappingFacts {
  /** As `maps` has it; empty for none. */
  readonly name: string;
  /** Type of the file system that the file is on, null when it is not known (or there is no file). */
  readonly fileSystem: string | null;
  /** Whether `numa_maps` calls it huge. */
  readonly huge: boolean;
}

/** The kind of a mapping. Of hugetlbfs only `numa_maps` tells for certain: a memfd may be made of it. */
export function mappingKind({ name, fileSystem, huge }: MappingFacts): MappingKind {
  if (huge || fileSystem === "hugetlbfs" || HUGETLB.test(name)) return "hugetlb";
  if (name === "") return "anonymous";
  if (SHMEM.test(name) || fileSystem === "tmpfs") return "shmem";
  if (fileSystem === "dax" || DEVICE.test(name)) return "device";
  if (KERNEL.test(name)) return "kernel";
  return name.startsWith("[") ? "anonymous" : "file";
}

/** Mounts that are looked at: past them the types of file systems are not known. */
export const MOUNTS_MAX = 16_384;

/**
 * Types of the file systems that a process sees, by the device number that `maps` prints; `dax` for one whose files
 * are persistent memory itself.
 */
export class FileSystems {
  readonly #types = new Map<number, string>();

  /** Reads `/proc/PID/mountinfo`; without it no type is known. */
  constructor(path: string) {
    try {
      using lines = new LineReader(path);
      for (let i = 0; i < MOUNTS_MAX && lines.next(); i++)
        this.#add(lines.bytes.toString("utf8", lines.start, lines.end));
    } catch {
      // A process that has ended, or a kernel without mountinfo: names still tell most.
    }
  }

  /** The type of a device, null when it is not known. */
  typeOf(major: number, minor: number): string | null {
    return this.#types.get(key(major, minor)) ?? null;
  }

  /** `ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS`. */
  #add(line: string): void {
    const [, major, minor] = /^\d+ \d+ (\d+):(\d+) /.exec(line) ?? [];
    const [, type, options = ""] = / - (\S+) \S* ?(.*)$/.exec(line) ?? [];
    if (major === undefined || minor === undefined || type === undefined) return;
    const dax = /(?:^|,)dax(?:=always)?(?:,|$)/.test(options);
    this.#types.set(key(Number(major), Number(minor)), dax ? "dax" : type);
  }
}

const MINORS = 2 ** 20;

function key(major: number, minor: number): number {
  return major * MINORS + minor;
}
