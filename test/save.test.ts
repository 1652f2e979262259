import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { discover, type Machine } from "@hms/topology";
import { writeJson } from "../packages/topology/src/formats/json/write.ts";
import { saveMachine, saveStore } from "../packages/topology/src/save/save.ts";
import { LinkedTree } from "../packages/topology/src/tree/linked.ts";
import { MemoryStore } from "../packages/topology/src/tree/memory.ts";
import { machineFiles, SECRETS } from "./support/machine-files.ts";

const scratch = mkdtempSync(join(tmpdir(), "hms-save-"));
after(() => rmSync(scratch, { recursive: true }));

/** What of a machine does not depend on the moment, on where it was read from, or on what was left out. */
function lasting(machine: Machine): unknown {
  const value = JSON.parse(writeJson(machine)) as Record<string, unknown>;
  const text = JSON.stringify({ ...value, name: "", input: null });
  const names = /"(?:Address|NodeGUID|SysImageGUID|Port\d+GID\d+|SerialNumber|Port\d+LID)":"[^"]*",?/g;
  return JSON.parse(
    text
      .replace(/"free":\d+/g, '"free":0')
      .replace(names, "")
      .replaceAll("enxb8cef6123456", "enx000000000000")
      .replaceAll(",}", "}"),
  );
}

async function reopened(archive: Uint8Array, name: string): Promise<Machine> {
  const path = join(scratch, name);
  writeFileSync(path, archive);
  return discover(path);
}

test("a saved machine opens as the same machine", async () => {
  const store = new MemoryStore(Object.entries(machineFiles()));
  const original = await discover(new LinkedTree(store, { label: "made-up" }));
  const saved = await saveStore(store, { hostNames: [SECRETS.host], notes: "Architecture: x86_64\n" });
  const machine = await reopened(saved.archive, "made-up.tar.gz");
  assert.equal(original.targets.length, 8);
  assert.deepEqual(lasting({ ...machine, info: {} }), lasting({ ...original, info: {} }));
  assert.equal(machine.info.Architecture, "x86_64");
});

test("what names a machine is not in what is saved, not even in the names of files", async () => {
  const store = new MemoryStore(Object.entries(machineFiles()));
  const saved = await saveStore(store, { hostNames: [SECRETS.host], notes: "" });
  const bytes = gunzipSync(saved.archive).toString("latin1").toLowerCase();
  for (const [what, secret] of Object.entries(SECRETS))
    for (const form of [secret, secret.replaceAll(":", ""), secret.replaceAll("-", "")])
      assert.ok(!bytes.includes(form.toLowerCase()), `${what}: ${form}`);
  assert.ok(!bytes.includes("builder@"));
  // And what is no secret is still there: two GPUs, the disk's model, the kernel's version, the cgroup's mount.
  for (const kept of ["nvidia h100", "e:id_model=disk", "linux version 6.12.0", "cgroup2 /sys/fs/cgroup"])
    assert.ok(bytes.includes(kept), kept);
});

test("the same machine saves to the same bytes", async () => {
  const save = async (): Promise<Uint8Array> =>
    (await saveStore(new MemoryStore(Object.entries(machineFiles())), { hostNames: [], notes: "" })).archive;
  assert.deepEqual(await save(), await save());
});

test("files that may not be read are named, and the rest is saved", async () => {
  const store = new MemoryStore(Object.entries(machineFiles()));
  store.add("sys/devices/system/node/node1/meminfo", { error: "EACCES" });
  const saved = await saveStore(store, { hostNames: [], notes: "" });
  assert.deepEqual(saved.unreadable, ["sys/devices/system/node/node1/meminfo"]);
  assert.match(
    gunzipSync(saved.archive).toString("latin1"),
    /Not readable.*\nsys\/devices\/system\/node\/node1\/meminfo/,
  );
  assert.equal((await reopened(saved.archive, "denied.tar.gz")).nodes.length, 5);
});

test("this machine, saved, is this machine, without its addresses and its name", async () => {
  let told = 0;
  const saved = await saveMachine({ onProgress: () => told++ });
  const live = await discover();
  const machine = await reopened(saved.archive, "live.tar.gz");
  assert.deepEqual(lasting(machine), lasting(live));
  assert.ok(saved.files > 20 && told > 0);
  const bytes = gunzipSync(saved.archive).toString("latin1").toLowerCase();
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .flatMap(({ mac, address, internal }) => (internal ? [] : [mac, address]));
  for (const address of addresses) assert.ok(!bytes.includes(address.toLowerCase()), address);
  if (hostname().length >= 4 && hostname() !== "localhost")
    assert.ok(!new RegExp(`(?<![\\w-])${hostname().toLowerCase()}(?![\\w-])`).test(bytes), hostname());
});
