import { Readable } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { HmsError } from "../model/error.ts";
import { formatSize } from "../model/units.ts";
import { bunzip2 } from "./bzip2.ts";

/** Bytes as they come in. */
export type Chunks = AsyncIterable<Uint8Array>;

export type Compression = "bzip2" | "gzip" | "xz" | "zstd";

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** How bytes are compressed, by what they start with; undefined when they are not. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  return MAGIC.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0];
}

/**
 * What compressed bytes hold. When they are damaged or cut short, what is good comes first, then an error. What
 * has to be held at once (all of the packed bytes for bzip2) is for the caller to bound.
 */
export function unpack(packed: Chunks, compression: Compression): Chunks {
  switch (compression) {
    case "gzip":
      // With a flush at the end a file that is cut short gives all that it still holds.
      return through(packed, createGunzip({ finishFlush: constants.Z_SYNC_FLUSH }));
    case "zstd":
      return through(packed, createZstdDecompress());
    case "bzip2":
      return unpackBzip2(packed);
    case "xz":
      return unpackXz(packed);
  }
}

/** Passes chunks on up to a bound on their sum, then throws the given error. */
export async function* bounded(chunks: Chunks, bytesMax: number, refuse: () => HmsError): Chunks {
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > bytesMax) throw refuse();
    yield chunk;
  }
}

/** All the bytes at once. */
export async function gather(chunks: Chunks): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

/** An error for input that is larger than what is read of it. */
export function tooLarge(label: string, bytesMax: number, bound: string, remedy: string): HmsError {
  return new HmsError(
    "INPUT_TOO_LARGE",
    "EFBIG",
    `Open ${label}: it holds more than ${formatSize(bytesMax)}, the most that is read (${bound}); ${remedy}.`,
  );
}

async function* through(packed: Chunks, unpacker: NodeJS.ReadWriteStream & Readable): Chunks {
  const source = Readable.from(packed);
  source.on("error", (error) => unpacker.destroy(error));
  source.pipe(unpacker);
  try {
    yield* unpacker;
  } finally {
    source.destroy();
  }
}

async function* unpackBzip2(packed: Chunks): Chunks {
  yield* bunzip2(await gather(packed));
}

async function* unpackXz(packed: Chunks): Chunks {
  const { default: xz } = await import("xz-decompress");
  const web = ReadableStream.from(packed);
  try {
    for await (const chunk of new xz.XzReadableStream(web)) yield chunk;
  } catch (error) {
    const [, code] = /error code (\d+)/.exec(String(error)) ?? [];
    throw code === undefined ? error : new Error(XZ_ERRORS[code] ?? `error ${code} of the xz decoder`);
  }
}

/** What the xz decoder's error codes mean. */
const XZ_ERRORS: Readonly<Record<string, string>> = {
  "3": "it needs too much memory to unpack",
  "4": "it was packed with a dictionary larger than 64 MiB",
  "5": "it does not start as xz data does",
  "6": "it was packed with a filter or checksum that is not known here (repack it with plain `xz`)",
  "7": "it is damaged",
  "8": "it is cut short or damaged",
};
