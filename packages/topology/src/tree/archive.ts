import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, type Header } from "tar-stream";
import { HmsError } from "../model/error.ts";
import type { Warning } from "../model/facts.ts";
import { type MemoryEntry, MemoryStore } from "./memory.ts";
import { TEXT_BYTES_MAX } from "./tree.ts";
import { bounded, type Chunks, tooLarge } from "./unpack.ts";

/** Bytes that an archive may unpack to, at most: the capture of a machine with thousands of CPUs is a quarter of it. */
export const ARCHIVE_BYTES_MAX: number = 512 * 1024 * 1024;
/** Members of an archive, at most. */
export const ARCHIVE_ENTRIES_MAX = 1_000_000;
/** Length of a member's name, at most (the kernel's own limit for a path). */
const NAME_LENGTH_MAX = 4096;
/** Warnings about members that are kept; the rest is counted. */
const WARNINGS_MAX = 100;
/** A tar archive ends with two blocks of zeros. */
const END_BYTES = 1024;

export interface ArchiveBounds {
  readonly bytesMax: number;
  readonly entriesMax: number;
}

/** What an archive holds, and what was odd about it. */
export interface Archive {
  readonly store: MemoryStore;
  readonly warnings: readonly Warning[];
}

/** Whether a file starts as a tar archive does: a header whose checksum is right. */
export function isTar(head: Uint8Array): boolean {
  if (head.length < 512) return false;
  const block = Buffer.from(head.buffer, head.byteOffset, 512);
  let sum = 8 * 32;
  for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  const stated = Number.parseInt(block.toString("latin1", 148, 156).trim(), 8);
  return sum !== 8 * 32 && sum === stated;
}

/**
 * Reads the members of a tar archive into memory. Refuses (HmsError) one that is larger than the bounds, as soon
 * as it is seen to be, and one with a member that would lie outside of it. An archive that is cut short or damaged
 * gives what comes before, with a warning; nothing at all before is an error.
 *
 * Errors: `INPUT_TOO_LARGE` (EFBIG), `ARCHIVE_UNSAFE` (EINVAL), `ARCHIVE_DAMAGED` (EIO).
 */
export async function readTar(chunks: Chunks, label: string, bounds: ArchiveBounds): Promise<Archive> {
  const reader = new TarReader(label, bounds);
  const whole = bounded(chunks, bounds.bytesMax, () => reader.tooLarge());
  try {
    await pipeline(Readable.from(reader.watchEnd(whole)), reader.extractor());
  } catch (error) {
    if (HmsError.is(error)) throw error;
    reader.damaged((error as Error).message);
  }
  return reader.finish();
}

class TarReader {
  readonly #label: string;
  readonly #bounds: ArchiveBounds;
  readonly #store = new MemoryStore();
  readonly #warnings: Warning[] = [];
  #warningsLeftOut = 0;
  #entries = 0;
  #damage: string | undefined;
  #tail: Uint8Array = new Uint8Array(0);

  constructor(label: string, bounds: ArchiveBounds) {
    this.#label = label;
    this.#bounds = bounds;
  }

  extractor(): NodeJS.WritableStream {
    const extractor = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
    extractor.on("entry", (header, stream, next) => {
      const parts: Uint8Array[] = [];
      let kept = 0;
      // The archive's own error is told once, by the pipeline; each open member repeats it.
      stream.on("error", () => {});
      try {
        this.#admit(header);
      } catch (error) {
        next(error as Error);
        return;
      }
      stream.on("data", (data) => {
        const part = data as Uint8Array;
        // One byte more than what is read of a file, so that its reader knows it to be cut.
        if (kept <= TEXT_BYTES_MAX) parts.push(part);
        kept += part.length;
      });
      stream.on("end", () => {
        this.#add(header, parts);
        next();
      });
    });
    return extractor as unknown as NodeJS.WritableStream;
  }

  /** Passes chunks on and remembers the last bytes: an archive that is whole ends with zeros. */
  async *watchEnd(chunks: Chunks): Chunks {
    for await (const chunk of chunks) {
      const joined =
        chunk.length >= END_BYTES || this.#tail.length === 0 ? chunk : Buffer.concat([this.#tail, chunk]);
      this.#tail = joined.subarray(-END_BYTES);
      yield chunk;
    }
  }

  damaged(why: string): void {
    this.#damage = /unexpected end/i.test(why) ? "it is cut short" : why.replace(/\.$/, "");
  }

  finish(): Archive {
    if (this.#damage === undefined && this.#tail.some((byte) => byte !== 0))
      this.#damage = "it has no end mark, so it may be cut short";
    if (this.#damage !== undefined) {
      if ((this.#store.entries("")?.size ?? 0) === 0)
        throw new HmsError(
          "ARCHIVE_DAMAGED",
          "EIO",
          `Open ${this.#label}: no file of the archive can be read (${this.#damage}); make the archive again.`,
        );
      this.#warnings.unshift({
        path: "",
        message: `the archive is not whole (${this.#damage}): only the ${this.#entries} members before that are read`,
      });
    }
    if (this.#warningsLeftOut > 0)
      this.#warnings.push({ path: "", message: `${this.#warningsLeftOut} more members are left out` });
    return { store: this.#store, warnings: this.#warnings };
  }

  tooLarge(): HmsError {
    return tooLarge(
      this.#label,
      this.#bounds.bytesMax,
      "ARCHIVE_BYTES_MAX",
      "unpack it with tar and give the folder",
    );
  }

  /** Refuses what must not be read on: too many, too large, or a name that leads outside. */
  #admit(header: Header): void {
    if (++this.#entries > this.#bounds.entriesMax)
      throw new HmsError(
        "INPUT_TOO_LARGE",
        "EFBIG",
        `Open ${this.#label}: it holds more than ${this.#bounds.entriesMax} members, the most that are read (ARCHIVE_ENTRIES_MAX); unpack it with tar and give the folder.`,
      );
    // The header says how large a member is: no need to unpack it to know.
    if (header.size > this.#bounds.bytesMax) throw this.tooLarge();
    this.#mustBeInside(header.name);
    if (header.type === "link") this.#mustBeInside(header.linkname);
  }

  #mustBeInside(name: string): void {
    if (!name.startsWith("/") && !name.split("/").includes("..")) return;
    throw new HmsError(
      "ARCHIVE_UNSAFE",
      "EINVAL",
      `Open ${this.#label}: its member ${quoted(name)} leads outside of the archive; make the archive again with relative names and without "..".`,
    );
  }

  #add(header: Header, parts: readonly Uint8Array[]): void {
    const path = plain(header.name);
    if (path === "") return;
    if (path.length > NAME_LENGTH_MAX) {
      this.#leftOut(path, `has a name longer than ${NAME_LENGTH_MAX} characters`);
      return;
    }
    const entry = this.#entryOf(header, parts, path);
    if (entry !== undefined && !this.#store.add(path, entry))
      this.#leftOut(path, "lies where another member of the archive is in its way");
  }

  #entryOf(header: Header, parts: readonly Uint8Array[], path: string): MemoryEntry | undefined {
    switch (header.type) {
      case "file":
      case "contiguous-file":
        if (isSparse(header)) break;
        return Buffer.concat(parts);
      case "directory":
        return { kind: "directory" };
      case "symlink":
        return { link: header.linkname };
      case "link": {
        const linked = this.#store.get(plain(header.linkname));
        if (linked === undefined)
          this.#leftOut(path, "is a hard link to a member that is not in the archive");
        return linked;
      }
      case "block-device":
      case "character-device":
      case "fifo":
        return { kind: "other" };
    }
    this.#leftOut(path, "is stored in a way that is not read here (make the archive again without --sparse)");
    return undefined;
  }

  #leftOut(path: string, why: string): void {
    if (this.#warnings.length >= WARNINGS_MAX) this.#warningsLeftOut++;
    else this.#warnings.push({ path: path.slice(0, 200), message: `${why}: left out` });
  }
}

/** The name of a member as a path of the store: no empty part and no `.` in it. */
function plain(name: string): string {
  return name
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/");
}

function isSparse(header: Header): boolean {
  const pax = header.pax;
  return (
    typeof pax === "object" && pax !== null && Object.keys(pax).some((key) => key.startsWith("GNU.sparse."))
  );
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}
