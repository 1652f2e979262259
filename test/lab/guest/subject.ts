// A program whose memory is placed and moved: it fills memory with what it can check again, and waits to be asked.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Mapping } from "@hms/host-linux";

const PAGE = 4096;
const MIB = 2 ** 20;

/** How the subject's memory is called in its list of mappings. */
export const NAME = "hms-subject";

/** Pages by node of the mapping of a process that begins at an address. */
export function pagesAt(pid: number | "self", address: number): Record<string, number> {
  const nodes: Record<string, number> = {};
  const start = `${address.toString(16)} `;
  const lines = readFileSync(`/proc/${pid}/numa_maps`, "utf8").split("\n");
  const line = lines.find((one) => one.startsWith(start)) ?? "";
  for (const [, node, pages] of line.matchAll(/ N(\d+)=(\d+)/g)) nodes[`node${node}`] = Number(pages);
  return nodes;
}

/** The share of a node in pages by node. */
export function share(pages: Readonly<Record<string, number>>, node: string): number {
  const all = Object.values(pages).reduce((sum, one) => sum + one, 0);
  return all === 0 ? 0 : (pages[node] ?? 0) / all;
}

/** A running subject. */
export class Subject implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #address: number;

  private constructor(child: ChildProcess, address: number) {
    this.child = child;
    this.#address = address;
  }

  static async start(mib: number): Promise<Subject> {
    const child = spawn(process.execPath, [import.meta.filename, "subject", String(mib)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const [address] = await once(child, "message");
    return new Subject(child, address as number);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Its pages by node, as the kernel tells. */
  pages(): Record<string, number> {
    return pagesAt(this.pid, this.#address);
  }

  /** Pages whose bytes are not what was written to them. */
  async wrongPages(): Promise<number> {
    const answer = once(this.child, "message");
    this.child.send("check");
    const [wrong] = await answer;
    return wrong as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }
}

function fill(mib: number): Mapping {
  const mapping = Mapping.reserve(mib * MIB, { name: NAME, huge: false });
  const bytes = mapping.view();
  for (let page = 0; page < bytes.length / PAGE; page++)
    bytes.set([page & 255, (page >>> 8) & 255, 7], page * PAGE);
  return mapping;
}

function wrong(mapping: Mapping): number {
  const bytes = mapping.view();
  let pages = 0;
  for (let page = 0; page < bytes.length / PAGE; page++) {
    const at = page * PAGE;
    if (bytes[at] !== (page & 255) || bytes[at + 1] !== ((page >>> 8) & 255) || bytes[at + 2] !== 7) pages++;
  }
  return pages;
}

const [, , what, mib = "1", holdMs = "0"] = process.argv;
if (what === "subject") {
  const mapping = fill(Number(mib));
  process.on("message", () => process.send?.(wrong(mapping)));
  process.on("disconnect", () => process.exit(0));
  process.send?.(mapping.address);
}
if (what === "print") {
  const mapping = fill(Number(mib));
  const policy = readFileSync("/proc/self/numa_maps", "utf8").split(" ", 3).slice(1).join(" ");
  setTimeout(() => {
    const pages = pagesAt("self", mapping.address);
    process.stdout.write(`${JSON.stringify({ pid: process.pid, policy, pages, wrong: wrong(mapping) })}\n`);
  }, Number(holdMs));
}
