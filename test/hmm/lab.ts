import assert from "node:assert/strict";
import { TestDevice, type TestDeviceOptions, type TestHandle } from "@hms/driver-test";
import { checkInvariants, errnoName, HUGE_PAGES, PAGE_BYTES, type PageCount, type PageIndex } from "@hms/hmm";
import { ModelHost, type ModelHostOptions, type ModelProcess } from "@hms/host-model";

/** A machine with one process and some devices open, for a test. */
export interface Lab {
  readonly host: ModelHost;
  readonly process: ModelProcess;
  readonly devices: readonly TestDevice[];
  readonly handles: readonly TestHandle[];
}

/** Makes a machine; one private device if nothing is said. */
export function lab(
  devices: readonly Partial<TestDeviceOptions>[] = [{}],
  options: ModelHostOptions = {},
): Lab {
  const host = new ModelHost(options);
  const process = host.createProcess();
  const made = devices.map(
    (device, i) => new TestDevice(host.core, { name: `d${i}`, kind: "private", pages: 2048, ...device }),
  );
  return { host, process, devices: made, handles: made.map((device) => device.open(process.space)) };
}

/** One of several, which must be there. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  assert.ok(item !== undefined, `there is no item ${index}`);
  return item;
}

/** Maps pages and fills page `i` with the byte `base + i`. */
export function mapFilled(process: ModelProcess, pages: PageCount, base = 1): PageIndex {
  const first = process.mmap({ pages });
  assert.ok(first > 0, `mmap: ${errnoName(-first)}`);
  fillPages(process, first, pages, base);
  return first;
}

export function fillPages(process: ModelProcess, first: PageIndex, pages: PageCount, base = 1): void {
  for (let i = 0; i < pages; i++) {
    assert.equal(process.write(first + i, 0, pageOf(base + i)), 0);
  }
}

/** A page full of one byte. */
export function pageOf(byte: number): Uint8Array {
  return new Uint8Array(PAGE_BYTES).fill(byte & 0xff);
}

/** The CPU reads: page `i` must be full of the byte `base + i`. */
export function expectPages(process: ModelProcess, first: PageIndex, pages: PageCount, base = 1): void {
  const bytes = new Uint8Array(PAGE_BYTES);
  for (let i = 0; i < pages; i++) {
    assert.equal(errnoName(process.read(first + i, 0, bytes)), null, `reading page ${i}`);
    assert.deepEqual(bytes, pageOf(base + i), `page ${i}`);
  }
}

/** The device reads: page `i` must be full of the byte `base + i`. */
export function expectDevice(handle: TestHandle, first: PageIndex, pages: PageCount, base = 1): void {
  const bytes = new Uint8Array(pages * PAGE_BYTES);
  expectOk(handle.run("read", first, pages, bytes));
  for (let i = 0; i < pages; i++) {
    assert.deepEqual(bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES), pageOf(base + i), `page ${i}`);
  }
}

export function expectOk(result: { errno: number }): void {
  assert.equal(errnoName(result.errno), null);
  assert.equal(result.errno, 0);
}

export function expectErrno(result: { errno: number }, name: string): void {
  assert.equal(errnoName(result.errno), name);
}

/** The codes of a snapshot, in hexadecimal. */
export function codes(handle: TestHandle, first: PageIndex, pages: PageCount): string[] {
  const found = new Uint8Array(pages);
  expectOk(handle.run("snapshot", first, pages, found));
  return [...found].map((code) => code.toString(16).padStart(2, "0"));
}

/** Nothing contradicts itself, and nothing is lost or given out twice. */
export function expectSound({ host, devices }: Pick<Lab, "host" | "devices">): void {
  assert.deepEqual(checkInvariants(host.core), []);
  assert.deepEqual(host.leaks(), []);
  for (const device of devices) {
    if (device.device.gone) continue;
    const used = device.memory.pages - device.available;
    assert.equal(used, device.memory.frames.mapped, `${device.device.name} has pages that nobody uses`);
  }
}

/** A huge region, filled: page `i` with the byte `i`. */
export function mapHuge(process: ModelProcess, blocks = 1): PageIndex {
  const first = process.mmap({ pages: blocks * HUGE_PAGES, huge: true });
  assert.ok(first > 0);
  fillPages(process, first, blocks * HUGE_PAGES, 0);
  return first;
}
