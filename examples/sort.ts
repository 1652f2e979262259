// Sorts a file that is larger than the RAM that the program may use. Run it by
//
//   npx hms run --ram 64MiB examples/sort.ts [FILE] [MIB]
//
// The file (by default one of random numbers in a temporary folder, 256 MiB) is an array of 32-bit numbers: it is sorted
// in pieces where it is, and the pieces are merged into a second file beside it, FILE.sorted. There is no reading,
// writing or buffering in here: what is touched comes in, what is cold goes out. The result is verified: it is in order,
// and it holds the very numbers of the file.
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "hms";
import { mergePieces, sortPieces } from "./merge-sort.ts";

const MIB = 2 ** 20;
/** A piece is sorted in memory: small against what the program may have. */
const PIECE_BYTES = 16 * MIB;

function makeRandomFile(path: string, mebibytes: number): void {
  const file = openSync(path, "wx");
  const block = new Uint8Array(MIB);
  for (let i = 0; i < mebibytes; i++) writeSync(file, randomFillSync(block));
  closeSync(file);
}

interface Content {
  readonly ordered: boolean;
  /** The same for the same numbers in whatever order, and hardly ever for others. */
  readonly sum: bigint;
  readonly squares: bigint;
}

/** What a file holds, read plainly. */
function contentOf(path: string): Content {
  const block = new Uint32Array(MIB);
  const bytes = new Uint8Array(block.buffer);
  const file = openSync(path, "r");
  let [ordered, last, sum, squares] = [true, 0, 0n, 0n];
  for (let got = readSync(file, bytes); got > 0; got = readSync(file, bytes)) {
    let [low, mixed] = [0, 0];
    for (let i = 0; i < got >> 2; i++) {
      const value = block[i] ?? 0;
      if (value < last) ordered = false;
      last = value;
      low += value;
      mixed += Math.imul(value ^ (value >>> 15), 0x2c1b3c6d) >>> 0;
    }
    sum += BigInt(low);
    squares += BigInt(mixed);
  }
  closeSync(file);
  return { ordered, sum, squares };
}

const [, , given, size = "256"] = process.argv;
const folder = given === undefined ? mkdtempSync(join(tmpdir(), "hms-sort-")) : null;
const path = given ?? join(folder ?? "", "numbers");
const sortedPath = `${path}.sorted`;
try {
  if (folder !== null) makeRandomFile(path, Number(size));
  const { size: bytes } = statSync(path);
  const before = contentOf(path);
  const started = performance.now();
  {
    using hms = await open();
    const numbers = hms.space.file(path, Uint32Array, { writable: true, name: "numbers" });
    const sorted = hms.space.file(sortedPath, Uint32Array, {
      writable: true,
      length: numbers.length,
      name: "sorted",
    });

    sortPieces(numbers.view, PIECE_BYTES / 4);
    mergePieces(numbers.view, PIECE_BYTES / 4, sorted.view);
    const { residentBytesMax } = hms.statistics();
    console.log(
      `${Math.round(bytes / MIB)} MiB sorted with at most ${Math.round(residentBytesMax / MIB)} MiB resident`,
    );
  }
  console.log(`time: ${Math.round(performance.now() - started)} ms`);
  const after = contentOf(sortedPath);
  const same = before.sum === after.sum && before.squares === after.squares;
  if (!after.ordered || !same || statSync(sortedPath).size !== bytes) throw new Error("the result is wrong");
  const hash = createHash("sha256").update(`${after.sum} ${after.squares}`).digest("hex").slice(0, 12);
  console.log(`verified: in order, and the same numbers as before (${hash})`);
} finally {
  if (folder !== null) rmSync(folder, { recursive: true });
}
