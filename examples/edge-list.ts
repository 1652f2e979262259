// Reads edge lists: text with a line "FROM TO" for each edge, lines of # in between; plain or compressed by gzip.
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";

const NEWLINE = 10;
const HASH = 35;
const ZERO = 48;

/** Calls back for each edge, in the order of the file, and for each name ("# name 17 libc6"). Any size: it is streamed. */
export async function readEdges(
  path: string,
  onEdge: (from: number, to: number) => void,
  onName: (node: number, name: string) => void = () => {},
): Promise<void> {
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const stream = path.endsWith(".gz") ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  file.on("error", (error) => stream.destroy(error));
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    readLines(bytes, end, onEdge, onName);
    rest = bytes.subarray(end);
  }
  readLines(Buffer.concat([rest, Buffer.from("\n")]), rest.length + 1, onEdge, onName);
}

function readLines(
  bytes: Buffer,
  end: number,
  onEdge: (from: number, to: number) => void,
  onName: (node: number, name: string) => void,
): void {
  for (let at = 0; at < end; ) {
    const stop = bytes.indexOf(NEWLINE, at);
    if (bytes[at] === HASH) {
      const named = /^# name (\d+) (\S+)/.exec(bytes.toString("utf8", at, stop));
      if (named !== null) onName(Number(named[1]), named[2] ?? "");
    } else readEdge(bytes, at, stop, onEdge);
    at = stop + 1;
  }
}

/** The first two numbers of a line, with anything between them. */
function readEdge(
  bytes: Buffer,
  from: number,
  stop: number,
  onEdge: (from: number, to: number) => void,
): void {
  let first = -1;
  let number = -1;
  for (let at = from; at <= stop; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit >= 0 && digit <= 9) {
      number = (number < 0 ? 0 : number * 10) + digit;
      continue;
    }
    if (number < 0) continue;
    if (number >= 2 ** 32 - 1)
      throw new Error(`node ${number} is too large: nodes are numbers below 2^32 - 1`);
    if (first >= 0) {
      onEdge(first, number);
      return;
    }
    first = number;
    number = -1;
  }
}
