// Moving all pages of a process against migratepages of the numactl package, for the same pages of the same process.
// It needs two memory nodes: `npm run lab -- --shell 'node_modules/.bin/node bench/run.ts move'` has them, emulated.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { memsAllowed } from "@hms/host-linux/numa";
import { discoverLive } from "@hms/topology";
import { moveProcess } from "hms/process";
import { type Benchmark, lowerQuartile, type Measured, missingTool } from "./benchmark.ts";

const MIB = Number(process.env.HMS_BENCH_MIB ?? 128);
const ROUNDS = 6;
/** A program with memory of its own in small pages, which ends with this one. */
const PROGRAM = `const all = []; for (let i = 0; i < ${MIB}; i++) all.push(new Uint8Array(2 ** 20).fill(i + 1));
process.send("ready"); process.on("disconnect", () => process.exit()); process.on("message", () => process.send(all.every((b, i) => b.every((x) => x === ((i + 1) & 255)))));`;

/** Memory nodes that pages can be moved between: two, or why not. */
function twoNodes(): readonly [number, number] | string {
  const allowed = memsAllowed();
  if (typeof allowed === "number") return "the kernel does not let this process ask for NUMA nodes";
  const [one, other] = allowed;
  if (one === undefined || other === undefined) return "this machine has one memory node (see npm run lab)";
  return [one, other];
}

async function run(): Promise<Measured | { readonly skipped: string }> {
  const nodes = twoNodes();
  if (typeof nodes === "string") return { skipped: nodes };
  const tool = missingTool("migratepages");
  if (tool !== undefined) return { skipped: `${tool} (numactl package)` };
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  try {
    await once(child, "message");
    return await compare(child.pid ?? 0, nodes);
  } finally {
    child.kill("SIGKILL");
  }
}

async function compare(pid: number, [one, other]: readonly [number, number]): Promise<Measured> {
  const machine = discoverLive();
  let pages = 0;
  const ours = async (from: number, to: number): Promise<number> => {
    const options = { machine, from: [`node${from}`], shared: true } as const;
    const started = performance.now();
    const { report, movedPages } = await moveProcess(pid, { targets: [`node${to}`] }, options);
    const took = performance.now() - started;
    if (!report.satisfied) throw new Error(`pages stayed: ${JSON.stringify(report)}`);
    pages = movedPages;
    return took / movedPages;
  };
  const peer = (from: number, to: number): number => {
    const started = performance.now();
    const done = spawnSync("migratepages", [String(pid), String(from), String(to)], { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`migratepages failed: ${done.stderr}`);
    return (performance.now() - started) / pages;
  };
  const times = { ours: [] as number[], peer: [] as number[] };
  // All of it on one node, and both warm.
  await ours(other, one);
  await ours(one, other);
  peer(other, one);
  for (let i = 0; i < ROUNDS; i++) {
    // Each goes both ways alike.
    const first = i % 2 === 0;
    const there = first ? await ours(one, other) : peer(one, other);
    const back = first ? peer(other, one) : await ours(other, one);
    times.ours.push(first ? there : back);
    times.peer.push(first ? back : there);
  }
  const us = (values: readonly number[]): number => Number((lowerQuartile(values) * 1000).toPrecision(4));
  return {
    ours: us(times.ours),
    peer: us(times.peer),
    how: `${pages} pages of one process (${MIB} MiB and the runtime), node ${one} and ${other} to and fro, by turns; ours within a running process, migratepages as a command`,
  };
}

export const benchmarks: readonly Benchmark[] = [
  { name: "move/process", unit: "us/page", better: "lower", bound: 1, run },
];
