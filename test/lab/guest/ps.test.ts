// lab: hmat, full
// hms ps on a machine with several memories: against numa_maps read by hand, and against numastat where it is installed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { MPOL_BIND, MPOL_INTERLEAVE, MPOL_PREFERRED_MANY } from "@hms/host-linux/numa";
import { discover, HmsError } from "@hms/topology";
import { memoryOf, type ProcessMemory, processes } from "hms/process";
import { machine, nodeOf } from "./machine.ts";
import type { Block } from "./ps-child.ts";

const MIB = 2 ** 20;
const CHILD = join(import.meta.dirname, "ps-child.ts");
const HMS = join(import.meta.dirname, "../../../packages/cli/bin/hms.js");

const cpuNodes = machine.domains.filter(({ cpus }) => cpus.length > 0).map(({ domain }) => nodeOf(domain));
const memoryNodes = machine.domains
  .filter(({ memoryMib }) => memoryMib > 0)
  .map(({ domain }) => nodeOf(domain));
const [home = -1, other = -1] = cpuNodes;
const blocks: readonly Block[] = [
  ...memoryNodes.map((node) => ({ name: `lab node${node}`, mib: 2 + node, mode: MPOL_BIND, nodes: [node] })),
  { name: "lab interleaved", mib: 4, mode: MPOL_INTERLEAVE, nodes: memoryNodes },
  { name: "lab many", mib: 1, mode: MPOL_PREFERRED_MANY, nodes: [other] },
  { name: "lab huge", mib: 4, mode: MPOL_BIND, nodes: [home], huge: true },
];

/** Runs on the CPUs of one node only. */
function start(node: number, list: readonly Block[]): ChildProcess {
  const cpus = readFileSync(`/sys/devices/system/node/node${node}/cpulist`, "utf8").trim();
  const args = ["-c", cpus, process.execPath, CHILD, JSON.stringify(list)];
  return spawn("taskset", args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Pages by node of every mapping, read as a person would. */
function byHand(pid: number): Map<number, number> {
  const sums = new Map<number, number>();
  for (const line of readFileSync(`/proc/${pid}/numa_maps`, "utf8").split("\n")) {
    const kib = Number(/kernelpagesize_kB=(\d+)/.exec(line)?.[1] ?? 0);
    for (const [, node, pages] of line.matchAll(/ N(\d+)=(\d+)/g))
      sums.set(Number(node), (sums.get(Number(node)) ?? 0) + Number(pages) * kib * 1024);
  }
  return sums;
}

let child: ChildProcess;
let memory: ProcessMemory;

before(async () => {
  child = start(home, blocks);
  if (child.stdout === null) throw new Error("no output of the child");
  await once(child.stdout, "data");
  memory = await memoryOf(child.pid ?? 0, { regions: true });
});
after(() => child.stdin?.end());

test("what is on each node is what numa_maps says", () => {
  const hand = byHand(memory.pid);
  assert.ok(hand.size >= memoryNodes.length);
  // The child sits still; its runtime may take or give back a little between the two looks.
  for (const { node, bytes } of memory.places)
    assert.ok(Math.abs(bytes - (hand.get(node) ?? 0)) < MIB, `node${node}: ${bytes}, not ${hand.get(node)}`);
  assert.equal(memory.places.length, hand.size);
});

const NO_NUMASTAT = spawnSync("numastat", ["-V"]).error === undefined ? false : "numastat is not installed";
test("what is on each node is what numastat says", { skip: NO_NUMASTAT }, () => {
  const { stdout } = spawnSync("numastat", ["-p", String(memory.pid)], {
    encoding: "utf8",
    env: { ...process.env, COLUMNS: "400" },
  });
  const titles = [...(/^ +Node .*$/m.exec(stdout)?.[0] ?? "").matchAll(/Node (\d+)/g)].map(([, node]) =>
    Number(node),
  );
  const values = /^Total\s+(.*)$/m.exec(stdout)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  assert.equal(values.length, titles.length + 1, stdout);
  titles.forEach((node, i) => {
    const ours = memory.places.find((one) => one.node === node)?.bytes ?? 0;
    assert.ok(
      Math.abs(ours / MIB - (values[i] ?? 0)) < 1,
      `node${node}: ${ours / MIB} MiB, not ${values[i]}`,
    );
  });
});

test("regions have their names, policies and nodes", () => {
  const region = (name: string): NonNullable<ProcessMemory["regions"]>[number] => {
    const found = memory.regions?.find((one) => one.name === `[anon:${name}]`);
    assert.ok(found !== undefined, name);
    return found;
  };
  for (const node of memoryNodes) {
    const { policy, places, bytes, kind, rights } = region(`lab node${node}`);
    assert.deepEqual([policy, kind, rights], [`bind:${node}`, "anonymous", "rw-p"]);
    assert.deepEqual(places, [{ target: `node${node}`, bytes: (2 + node) * MIB }]);
    assert.equal(bytes, (2 + node) * MIB);
  }
  const interleaved = region("lab interleaved");
  assert.match(interleaved.policy, /^interleave:/);
  assert.deepEqual(
    interleaved.places.map(({ target }) => target).sort(),
    memoryNodes.map((node) => `node${node}`).sort(),
  );
  for (const { bytes } of interleaved.places) assert.equal(bytes, (4 * MIB) / memoryNodes.length);
  assert.equal(region("lab many").policy, `prefer (many):${other}`);
});

test("huge pages are told of the process and of the region that has them", () => {
  const enabled = readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8");
  assert.match(enabled, /\[(?:madvise|always)\]/, "this kernel makes them when it is asked");
  assert.ok((memory.huge.transparentBytes ?? 0) >= 2 * MIB);
  const region = memory.regions?.find(({ name }) => name === "[anon:lab huge]");
  assert.ok((region?.hugeBytes ?? 0) >= 2 * MIB);
});

test("it runs where it was bound to run, and what lies elsewhere is misplaced", async () => {
  const live = await discover();
  assert.deepEqual(
    memory.runs.on.map(({ id }) => id),
    [`node${home}`],
  );
  assert.equal(memory.runs.bound, true);
  const { misplaced } = memory;
  assert.ok(misplaced !== null && misplaced.bytes > 0);
  // Whatever is best for its CPUs, memory that is slow and far from them is not.
  const best = misplaced.to[0];
  assert.ok(best !== undefined && live.targets.some(({ id }) => id === best));
  assert.ok(!misplaced.from.some(({ target }) => target === best));
  assert.ok(misplaced.from.some(({ target }) => target === `node${other}`));
  assert.ok(misplaced.heldBy.includes(`bind:${other}`));
  assert.equal(misplaced.mend, `hms move ${memory.pid} --for node${home}`);
  for (const { name, places, misplacedBytes, bytes } of memory.regions ?? []) {
    if (!name.startsWith("[anon:lab node")) continue;
    const away = misplaced.from.some(({ target }) => target === places[0]?.target);
    assert.equal(misplacedBytes, away ? bytes : 0, name);
  }
});

test("the command says the same, as text and as JSON, and the list has the process", () => {
  const run = (...args: string[]): string => {
    const done = spawnSync(process.execPath, [HMS, "ps", ...args], { encoding: "utf8" });
    assert.equal(done.status, 0, done.stderr);
    return done.stdout;
  };
  const text = run(String(memory.pid));
  assert.match(text, new RegExp(`runs on +node${home} and nowhere else`));
  assert.match(text, new RegExp(`hms move ${memory.pid} --for node${home}`));
  process.stdout.write(text);
  const document: { readonly processes: readonly { readonly pid: number; readonly bytes: number }[] } =
    JSON.parse(run("--json"));
  const listed = document.processes.find(({ pid }) => pid === memory.pid);
  assert.ok(Math.abs((listed?.bytes ?? 0) - memory.bytes) < 2 * MIB);
});

test("the command line that it prints mends it", async () => {
  const [command, ...args] = memory.misplaced?.mend?.split(" ") ?? [];
  assert.equal(command, "hms");
  const done = spawnSync(process.execPath, [HMS, ...args], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  const mended = await memoryOf(memory.pid);
  const before = memory.misplaced?.bytes ?? 0;
  assert.ok(
    (mended.misplaced?.bytes ?? before) < before / 4,
    `${mended.misplaced?.bytes} of ${before} are left`,
  );
  assert.ok(Math.abs(mended.bytes - memory.bytes) < 8 * MIB);
});

test("a process that ends while it is read is told of in one sentence, and is left out of the list", async () => {
  const ended = start(home, [{ name: "short", mib: 1, mode: MPOL_BIND, nodes: [home] }]);
  if (ended.stdout === null) throw new Error("no output of the child");
  await once(ended.stdout, "data");
  const pid = ended.pid ?? 0;
  const reading = memoryOf(pid).then(
    () => "read",
    (error: unknown) => (HmsError.is(error) ? `${error.code} ${error.errno}` : String(error)),
  );
  ended.kill("SIGKILL");
  assert.match(await reading, /^(?:read|PROCESS_GONE ESRCH)$/);
  await once(ended, "exit");
  await assert.rejects(memoryOf(pid), { code: "PROCESS_GONE", errno: "ESRCH" });
  for await (const one of processes()) assert.notEqual(one.pid, pid);
});

test("another user is told who may look", () => {
  const nobody = 65_534;
  const script = `import { memoryOf } from "hms/process"; memoryOf(${memory.pid}).catch((e) => console.log(e.code, e.errno, e.message));`;
  const args = ["--input-type=module", "--eval", script];
  const { stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    cwd: join(import.meta.dirname, "../../.."),
    uid: nobody,
    gid: nobody,
  });
  assert.match(stdout, /^PROCESS_DENIED EACCES .*belongs to user 0.*run hms as root \(sudo\)/, stderr);
});
