import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  __NR_ioctl,
  EOPNOTSUPP,
  MAP_SHARED_VALIDATE,
  MAP_SYNC,
  PROT_READ,
  PROT_WRITE,
} from "../sys/abi.generated.ts";
import { orThrow } from "../sys/errno.ts";
import { mmap, munmap } from "../sys/memory.ts";
import { PAGE_BYTES } from "../sys/units.ts";
import { ownCalls } from "./calls.ts";

/** `FICLONE` of linux/fs.h. */
const FICLONE = 0x40049409;

/** Makes a file share all extents of another, on a file system that can: 0 or a negative errno. */
export function shareExtents(fd: number, of: number): number {
  return ownCalls.call(__NR_ioctl, fd, FICLONE, of);
}

/** What files of a folder can do. */
export interface DaxFacts {
  /** Their mappings are the storage itself. */
  readonly dax: boolean;
  /** Two files can share their extents. */
  readonly reflink: boolean;
}

/** Tries it, with two files that are gone afterwards. Throws when the folder cannot hold files. */
export function daxFacts(folder: string): DaxFacts {
  const paths = ["a", "b"].map((name) => join(folder, `.hms-dax-${process.pid}-${name}`));
  const [one = -1, two = -1] = paths.map((path) => openSync(path, "wx+", 0o600));
  try {
    writeSync(one, new Uint8Array(PAGE_BYTES));
    const at = mmap(0, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC, one, 0);
    if (at !== -EOPNOTSUPP)
      orThrow(at, "NO_DAX", `Mapping a file of ${folder} failed`, "name another folder");
    if (at >= 0) munmap(at, PAGE_BYTES);
    return { dax: at >= 0, reflink: shareExtents(two, one) >= 0 };
  } finally {
    for (const fd of [one, two]) closeSync(fd);
    for (const path of paths) unlinkSync(path);
  }
}
