import { spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { FILE_BYTES_MAX } from "./walk.ts";

/** Where the files of a tree are read from. */
export type Place =
  | { readonly kind: "folder"; readonly root: string }
  | { readonly kind: "git"; readonly repository: string };

/** A file to read: its number, its path, and for git the id of its blob. */
export interface Wanted {
  readonly index: number;
  readonly path: string;
  readonly blob: string;
}

/**
 * Reads files one after the other into a buffer that is used again: what `take` is given is gone when it returns.
 * What cannot be read is told to `lost`.
 */
export async function readEach(
  place: Place,
  files: readonly Wanted[],
  take: (file: Wanted, bytes: Buffer) => void,
  lost: (file: Wanted, why: string) => void,
): Promise<void> {
  if (place.kind === "git") return await readBlobs(place.repository, files, take, lost);
  let buffer = Buffer.allocUnsafeSlow(4 << 20);
  for (const file of files) {
    try {
      const descriptor = openSync(join(place.root, file.path), "r");
      try {
        let length = 0;
        for (;;) {
          if (length === buffer.length) {
            if (length >= FILE_BYTES_MAX) break;
            const larger = Buffer.allocUnsafeSlow(buffer.length * 2);
            buffer.copy(larger);
            buffer = larger;
          }
          const got = readSync(descriptor, buffer, length, buffer.length - length, null);
          if (got === 0) break;
          length += got;
        }
        take(file, buffer.subarray(0, length));
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === undefined) throw error;
      lost(file, code);
    }
  }
}

/** Blobs of a repository, through one `git cat-file --batch`. */
async function readBlobs(
  repository: string,
  files: readonly Wanted[],
  take: (file: Wanted, bytes: Buffer) => void,
  lost: (file: Wanted, why: string) => void,
): Promise<void> {
  if (files.length === 0) return;
  const git = spawn("git", ["-C", repository, "cat-file", "--batch", "--buffer"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  git.stdin.on("error", () => {});
  git.stdin.end(files.map((file) => `${file.blob}\n`).join(""));
  let chunks: Buffer[] = [];
  let held = 0;
  let at = 0;
  let need = 0;
  for await (const chunk of git.stdout as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    held += chunk.length;
    if (held < need) continue;
    let data = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (;;) {
      const line = data.indexOf(10);
      const file = files[at];
      if (line < 0 || file === undefined) break;
      const head = data.toString("latin1", 0, line);
      const size = /^[0-9a-f]+ blob (\d+)$/.exec(head)?.[1];
      if (size === undefined) {
        lost(file, head);
        at++;
        data = data.subarray(line + 1);
        continue;
      }
      const end = line + 1 + Number(size);
      if (data.length <= end) {
        need = end + 1;
        break;
      }
      take(file, data.subarray(line + 1, end));
      at++;
      need = 0;
      data = data.subarray(end + 1);
    }
    chunks = [data];
    held = data.length;
  }
  for (; at < files.length; at++) {
    const file = files[at];
    if (file !== undefined) lost(file, "git ended early");
  }
}
