import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A folder that is gone with its scope. */
export interface ScratchFolder extends Disposable {
  readonly path: string;
  /** Writes files below it: text, or bytes. */
  write(files: Readonly<Record<string, string | Uint8Array>>): void;
}

export function scratchFolder(files: Readonly<Record<string, string | Uint8Array>> = {}): ScratchFolder {
  const path = mkdtempSync(join(tmpdir(), "hms-lint-"));
  const folder: ScratchFolder = {
    path,
    write: (more) => {
      for (const [name, content] of Object.entries(more)) {
        mkdirSync(dirname(join(path, name)), { recursive: true });
        writeFileSync(join(path, name), content);
      }
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
  folder.write(files);
  return folder;
}

/** The few headers that every other one builds on, written small for tests. */
export const BASE_HEADERS: Readonly<Record<string, string>> = {
  "linux/types.h": `#ifndef _T
#define _T
typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u32 __be32;
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#endif
`,
  "linux/ioctl.h": `#ifndef _I
#define _I
#define _IOC_NRSHIFT 0
#define _IOC_TYPESHIFT 8
#define _IOC_SIZESHIFT 16
#define _IOC_DIRSHIFT 30
#define _IOC_TYPECHECK(t) (sizeof(t))
#define _IOC(dir,type,nr,size) (((dir) << _IOC_DIRSHIFT) | ((type) << _IOC_TYPESHIFT) | ((nr) << _IOC_NRSHIFT) | ((size) << _IOC_SIZESHIFT))
#define _IO(type,nr) _IOC(0U,(type),(nr),0)
#define _IOR(type,nr,size) _IOC(2U,(type),(nr),(_IOC_TYPECHECK(size)))
#define _IOW(type,nr,size) _IOC(1U,(type),(nr),(_IOC_TYPECHECK(size)))
#define _IOWR(type,nr,size) _IOC(3U,(type),(nr),(_IOC_TYPECHECK(size)))
#endif
`,
};
