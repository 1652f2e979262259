// Sorts a file of 32-bit numbers into another, by the same code over regions of hms (`hms`) or a plain mmap of the files
// (`mmap`); writes the milliseconds that it took. sort.bench.ts runs it under a memory limit.
import { closeSync, fsyncSync, ftruncateSync, openSync, statSync } from "node:fs";
import { open } from "hms";
import { mergePieces, sortPieces } from "../../examples/merge-sort.ts";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../../packages/host-linux/src/sys/abi.generated.ts";
import { bufferAt, mmap } from "../../packages/host-linux/src/sys/memory.ts";

const [, , how, path = "", sortedPath = "", ram = "", pieceBytes = "0"] = process.argv;
const piece = Number(pieceBytes) / 4;

function mapFile(file: string, bytes: number): { readonly view: Uint32Array; sync(): void } {
  const fd = openSync(file, "a+");
  ftruncateSync(fd, bytes);
  closeSync(fd);
  const descriptor = openSync(file, "r+");
  const address = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (address < 0) throw new Error(`mmap: ${address}`);
  return { view: new Uint32Array(bufferAt(address, bytes)), sync: () => fsyncSync(descriptor) };
}

async function sort(): Promise<number> {
  const { size } = statSync(path);
  if (how === "mmap") {
    const started = performance.now();
    const numbers = mapFile(path, size);
    const sorted = mapFile(sortedPath, size);
    sortPieces(numbers.view, piece);
    mergePieces(numbers.view, piece, sorted.view);
    for (const file of [numbers, sorted]) file.sync();
    return performance.now() - started;
  }
  using hms = await open({ ram });
  const started = performance.now();
  const numbers = hms.space.file(path, Uint32Array, { writable: true, name: "numbers" });
  const sorted = hms.space.file(sortedPath, Uint32Array, {
    writable: true,
    length: size / 4,
    name: "sorted",
  });
  sortPieces(numbers.view, piece);
  mergePieces(numbers.view, piece, sorted.view);
  for (const file of [numbers, sorted]) file.sync();
  return performance.now() - started;
}

process.stdout.write(String(await sort()));
