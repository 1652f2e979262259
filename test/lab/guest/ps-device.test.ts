// lab: hmm
// hms ps and memory that is on no node: pages in a device's own memory, by the kernel's HMM test device; and regions of
// hms programs, which have their names.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Mapping } from "@hms/host-linux";
import { Dmirror, ownCalls, Room } from "@hms/host-linux/dmirror";
import { memoryOf } from "hms/process";

const MIB = 2 ** 20;
const PAGE_BYTES = 4096;
const DEVICE_BYTES = 4 * MIB;

test("pages that a device took into its memory are told of as a device's, and as the node's when they come home", async () => {
  execFileSync("sh", ["test/lab/guest/hmm.sh"], { stdio: "inherit" });
  using room = new Room();
  using mapping = Mapping.reserve(DEVICE_BYTES, { name: "lab device", huge: false });
  mapping.view().fill(1);
  const device = new Dmirror(ownCalls, room, 0);
  const [first, pages] = [mapping.address / PAGE_BYTES, DEVICE_BYTES / PAGE_BYTES];
  const before = await memoryOf(process.pid, { regions: true });
  const region = (memory: typeof before): number =>
    memory.regions?.find(({ name }) => name === "[anon:lab device]")?.bytes ?? 0;
  assert.equal(region(before), DEVICE_BYTES);
  assert.ok(before.deviceBytes < MIB, `${before.deviceBytes}`);

  for (let done = 0; done < pages; done += 256) {
    const moved = device.run("migrate-to-device", first + done, 256, new Uint8Array(256 * PAGE_BYTES));
    assert.deepEqual([moved.error, moved.pages], [null, 256]);
  }
  const away = await memoryOf(process.pid, { regions: true });
  assert.equal(region(away), 0);
  assert.ok(Math.abs(away.deviceBytes - DEVICE_BYTES) < MIB, `${away.deviceBytes}`);

  // The CPU's touch brings them home.
  assert.equal(
    mapping.view().reduce((sum, byte) => sum + byte, 0),
    DEVICE_BYTES,
  );
  const home = await memoryOf(process.pid, { regions: true });
  assert.equal(region(home), DEVICE_BYTES);
  assert.ok(home.deviceBytes < MIB, `${home.deviceBytes}`);
  device.close();
});

const PROGRAM = `
import { open } from "hms";
const hms = await open({ ram: "64MiB" });
const x = hms.space.alloc(Float64Array, 1 << 18, { name: "lab region" });
x.view.fill(1);
console.log(x.length);
process.stdin.resume().on("end", () => process.exit(0));
`;

test("regions of an hms program have their names", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    cwd: join(import.meta.dirname, "../../.."),
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const { regions } = await memoryOf(child.pid ?? 0, { regions: true });
  child.stdin.end();
  const region = regions?.find(({ name }) => name === "[anon:hms lab region]");
  assert.ok(
    (region?.bytes ?? 0) > 0 && (region?.size ?? 0) >= 2 * MIB,
    JSON.stringify(regions?.map(({ name }) => name)),
  );
});
