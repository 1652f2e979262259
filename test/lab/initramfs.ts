// The guest's first file system: busybox, its init, and nothing else. Written here as a cpio archive (format newc), so
// that device nodes need no rights.
import { Buffer } from "node:buffer";

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Of a device: major and minor number. */
  readonly device?: readonly [number, number];
}

/** Aligned to four bytes, as the format has it. */
const padded = (bytes: number): number => Math.ceil(bytes / 4) * 4;

function record(entry: Entry, inode: number): Buffer {
  const { name, mode, data = new Uint8Array(0), device = [0, 0] } = entry;
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, device[0], device[1], name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
  const start = padded(header.length);
  const made = Buffer.alloc(start + padded(data.length));
  made.write(header, "latin1");
  made.set(data, start);
  return made;
}

const FOLDERS = ["bin", "dev", "proc", "sys", "run", "tmp", "lab", "host", "over", "root"];

/** The archive. `busybox` is a static one; `init` the text of the guest's first program. */
export function initramfs(busybox: Uint8Array, init: string): Buffer {
  const entries: Entry[] = [
    ...FOLDERS.map((name) => ({ name, mode: S_IFDIR | 0o755 })),
    { name: "dev/console", mode: S_IFCHR | 0o600, device: [5, 1] },
    { name: "bin/busybox", mode: S_IFREG | 0o755, data: busybox },
    { name: "bin/sh", mode: S_IFLNK | 0o777, data: Buffer.from("busybox") },
    { name: "init", mode: S_IFREG | 0o755, data: Buffer.from(init) },
    { name: "TRAILER!!!", mode: 0 },
  ];
  return Buffer.concat(entries.map((entry, index) => record(entry, index + 1)));
}
