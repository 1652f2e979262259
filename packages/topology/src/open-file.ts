import { createReadStream } from "node:fs";
import { assemble } from "./assemble/assemble.ts";
import type { DiscoverOptions } from "./discover.ts";
import { discoverTree } from "./discover-tree.ts";
import { HmsError } from "./model/error.ts";
import type { Machine } from "./model/machine.ts";
import { KNOWN, unreadable } from "./open-errors.ts";
import type { Source } from "./sources/source.ts";
import {
  ARCHIVE_BYTES_MAX,
  ARCHIVE_ENTRIES_MAX,
  type ArchiveBounds,
  isTar,
  readTar,
} from "./tree/archive.ts";
import { LinkedTree } from "./tree/linked.ts";
import { type CapturePlace, locateCapture } from "./tree/locate.ts";
import {
  bounded,
  type Chunks,
  type Compression,
  compressionOf,
  gather,
  tooLarge,
  unpack,
} from "./tree/unpack.ts";
import { ViewStore } from "./tree/view.ts";

/** Bytes of an XML, JSON or YAML file that are read, at most. */
export const DOCUMENT_BYTES_MAX: number = 64 * 1024 * 1024;
/** Bytes that tell what a file is. */
const HEAD_BYTES = 512;

/** Opens a file of any of the known sorts, told by its content. */
export async function openFile(
  source: string,
  options: DiscoverOptions,
  more: readonly Source[],
): Promise<Machine> {
  return openStream(createReadStream(source), source, options, more);
}

/** Opens what comes in. */
export async function openStream(
  chunks: Chunks,
  source: string,
  options: DiscoverOptions,
  more: readonly Source[],
): Promise<Machine> {
  const archive: Archive = {
    more,
    bytesMax: options.archiveBytesMax ?? ARCHIVE_BYTES_MAX,
    entriesMax: options.archiveEntriesMax ?? ARCHIVE_ENTRIES_MAX,
  };
  try {
    const packed = await peek(chunks);
    const compression = compressionOf(packed.head);
    if (compression !== undefined) return await openPacked(packed, compression, source, archive);
    if (isTar(packed.head)) return await openTar(packed.chunks, source, archive);
    return await openDocument(packed.chunks, source);
  } catch (error) {
    throw HmsError.is(error) || !("syscall" in (error as object)) ? error : unreadable(source, error);
  }
}

/** How archives are read. */
interface Archive extends ArchiveBounds {
  /** Sources for a machine's own files. */
  readonly more: readonly Source[];
}

/** A compressed file: it has to be a tar archive. */
async function openPacked(
  packed: Peeked,
  compression: Compression,
  source: string,
  archive: Archive,
): Promise<Machine> {
  const refuse = (): HmsError =>
    tooLarge(source, archive.bytesMax, "ARCHIVE_BYTES_MAX", "unpack it and give the folder");
  let content: Peeked;
  try {
    content = await peek(unpack(bounded(packed.chunks, archive.bytesMax, refuse), compression));
  } catch (error) {
    if (HmsError.is(error)) throw error;
    throw new HmsError(
      "ARCHIVE_DAMAGED",
      "EIO",
      `Open ${source}: it cannot be unpacked as ${compression} (${(error as Error).message}); make the archive again.`,
    );
  }
  if (isTar(content.head)) return openTar(content.chunks, source, archive);
  throw new HmsError(
    "INPUT_NOT_UNDERSTOOD",
    "EINVAL",
    `Open ${source}: it is compressed with ${compression}, but what is inside is no tar archive; unpack it and give the file.`,
  );
}

async function openTar(chunks: Chunks, source: string, archive: Archive): Promise<Machine> {
  const { store, warnings } = await readTar(chunks, source, archive);
  const place: CapturePlace = locateCapture(store, source);
  const seen = place.from === "" && place.at === "" ? store : new ViewStore(store, place);
  const tree = new LinkedTree(seen, { label: source, warnings });
  return discoverTree(tree, { kind: "capture", path: source }, archive.more);
}

/** Text of a format that the first character tells apart. */
async function openDocument(chunks: Chunks, source: string): Promise<Machine> {
  const refuse = (): HmsError =>
    tooLarge(source, DOCUMENT_BYTES_MAX, "DOCUMENT_BYTES_MAX", `give ${KNOWN} that is smaller`);
  const bytes = await gather(bounded(chunks, DOCUMENT_BYTES_MAX, refuse));
  if (bytes.length === 0) throw notUnderstood(source, "it is empty");
  if (bytes.includes(0)) throw notUnderstood(source, "it is binary");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("utf8")
    .replace(/^\u{feff}/u, "");
  const [first] = text.trimStart();
  if (first === undefined) throw notUnderstood(source, "it is blank");
  if (first === "<") {
    const { readHwlocXml } = await import("./formats/hwloc-xml/read.ts");
    return assemble(readHwlocXml(text), { kind: "hwloc-xml", path: source });
  }
  if (first === "{") {
    const { readJson } = await import("./formats/json/read.ts");
    return readJson(text, source);
  }
  // YAML can be any text: the version that a spec must state tells one from a letter to mother.
  if (!/^["']?hms-spec["']?\s*:/m.test(text))
    throw notUnderstood(source, "it is none of them (a spec has a line `hms-spec: 1`)");
  const [{ readSpec }, { SPEC_NAME_KEY }] = await Promise.all([
    import("./formats/spec/read.ts"),
    import("./formats/spec/words.ts"),
  ]);
  const facts = readSpec(text, source);
  return assemble(facts, { kind: "spec", path: source }, facts.info[SPEC_NAME_KEY]);
}

interface Peeked {
  /** The first HEAD_BYTES, fewer when there are no more. */
  readonly head: Uint8Array;
  /** All of it, the head too. */
  readonly chunks: Chunks;
}

async function peek(chunks: Chunks): Promise<Peeked> {
  const iterator = chunks[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < HEAD_BYTES) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    parts.push(value);
    length += value.length;
  }
  const head = Buffer.concat(parts);
  async function* all(): Chunks {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  }
  return { head, chunks: all() };
}

function notUnderstood(source: string, why: string): HmsError {
  return new HmsError("INPUT_NOT_UNDERSTOOD", "EINVAL", `Open ${source}: ${why}; give ${KNOWN}.`);
}
