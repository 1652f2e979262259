import { equal, ok } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinuxHost, type Owner } from "./host.ts";
import { step } from "./sys/testing/step.ts";
import { Kernel } from "./testing/kernel.ts";

const file = import.meta.filename;
const MiB = 2 ** 20;
const PAGE = 4096;

/** A number for each place. */
const at = (i: number): number => (Math.imul(i, 2_654_435_761) ^ (i >>> 7)) >>> 0;

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Something to compute between touches, in which the kernel thread may read. */
function readThrough(numbers: Uint32Array, backwards: boolean): void {
  const { length } = numbers;
  for (let k = 0; k < length; k++) {
    const i = backwards ? length - 1 - k : k;
    if (numbers[i] !== at(i)) throw new Error(`word ${i} is ${numbers[i]}, not ${at(i)}`);
  }
}

step(file, "what follows in a file is read before it is touched, forwards and backwards", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-ahead-"));
  const path = join(folder, "numbers");
  const content = new Uint32Array(12 * MiB);
  for (let i = 0; i < content.length; i++) content[i] = at(i);
  writeFileSync(path, content);
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const region = kernel.map({ bytes: content.byteLength, kind: "file", file: { path, writable: false } });
  const numbers = words(kernel.bytes(region));
  for (const backwards of [false, true]) {
    const before = kernel.call("statistics");
    readThrough(numbers, backwards);
    const after = kernel.call("statistics");
    const ahead = after.readAhead - before.readAhead;
    ok(ahead > 1000, `${ahead} of ${region.bytes / PAGE} pages, backwards: ${backwards}`);
    ok(after.resident <= after.budget);
  }
  equal(kernel.call("statistics").overBudget, 0);
  await kernel.close();
  rmSync(folder, { recursive: true });
});

step(file, "what follows on the disk is read before it is touched, and is what was written", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const numbers = words(kernel.bytes(kernel.map({ bytes: 48 * MiB })));
  for (let i = 0; i < numbers.length; i++) numbers[i] = at(i);
  const { readAhead } = kernel.call("statistics");
  readThrough(numbers, false);
  const after = kernel.call("statistics");
  ok(after.readAhead - readAhead > 1000, `${after.readAhead - readAhead} pages`);
  for (let i = 0; i < numbers.length; i += 3) numbers[i] = 7;
  for (let i = 0; i < numbers.length; i++)
    if (numbers[i] !== (i % 3 === 0 ? 7 : at(i))) throw new Error(`word ${i} is ${numbers[i]}`);
  await kernel.close();
});

step(file, "touches here and there read nothing ahead", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const numbers = words(kernel.bytes(kernel.map({ bytes: 32 * MiB })));
  const pages = 8192;
  const next = (page: number): number => (page * 5 + 4099) % pages;
  // Filled here and there too: a sequence that was seen goes on when a touch meets its end by chance.
  for (let k = 0, page = 1; k < pages; k++, page = next(page)) numbers[(page * PAGE) / 4] = at(page);
  const { readAhead } = kernel.call("statistics");
  for (let k = 0, page = 1; k < 3000; k++, page = next(page)) equal(numbers[(page * PAGE) / 4], at(page));
  equal(kernel.call("statistics").readAhead, readAhead);
  await kernel.close();
});

step(file, "a program that just fits is left alone", async () => {
  const kernel = new Kernel({ ramBytes: 16 * MiB });
  const bytes = kernel.bytes(kernel.map({ bytes: 16 * MiB - 64 * PAGE }));
  bytes.fill(1);
  for (let i = 0; i < bytes.length; i += PAGE) bytes[i] = 2;
  const { cpuFaults } = kernel.call("statistics");
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < bytes.length; i += PAGE) bytes[i] = round;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  equal(kernel.call("statistics").cpuFaults, cpuFaults);
  equal(kernel.call("statistics").swappedOut, 0);
  await kernel.close();
});

step(file, "what is to move comes once, and not to whom others are in the way", () => {
  using host = new LinuxHost();
  const { space } = host.createSpace();
  const [a, b, c] = [1, 2, 3].map((id) => ({ space, id }) as unknown as Owner);
  if (a === undefined || b === undefined || c === undefined) return;
  const came: string[] = [];
  const to =
    (name: string) =>
    (first: number, count: number): number => {
      came.push(`${name} ${first / 512}+${count / 512}`);
      return count;
    };
  const all = (): string => {
    came.length = 0;
    while (host.ahead.step());
    return came.join(", ");
  };
  ok(host.ahead.move(a, 8 * 512, 4 * 512, to("old")));
  ok(host.ahead.move(a, 7 * 512, 3 * 512, to("new")));
  equal(all(), "new 7+1, new 8+1, new 9+1");
  host.ahead.move(a, 512, 1024, to("a"));
  host.ahead.move(b, 512, 1024, to("b"));
  host.ahead.move(c, 512, 1024, to("c"));
  host.ahead.touched(c, 1024);
  equal(all(), "c 1+1, c 2+1");
  host.ahead.move(a, 512, 1024, () => -1);
  equal(all(), "");
});
