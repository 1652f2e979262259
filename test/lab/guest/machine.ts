// What a test in the guest knows of the machine that it runs on: the data that QEMU was started with.
import { readFileSync } from "node:fs";
import type { CxlDevice, Distance, Domain, Performance } from "../machine.ts";

/** The machine, as `test/lab/machine.ts` describes it; `nodes` is the node number of each proximity domain. */
export interface ThisMachine {
  readonly name: string;
  readonly domains: readonly Domain[];
  readonly attached: Readonly<Record<string, number>>;
  readonly distances: readonly Distance[];
  readonly performance: readonly Performance[];
  readonly cache: { readonly domain: number; readonly mib: number; readonly lineBytes: number };
  readonly nvdimmMib: number;
  readonly cxl: readonly CxlDevice[];
  readonly nodes: Readonly<Record<string, number>>;
}

/** The machine of this guest. */
export const machine: ThisMachine = JSON.parse(readFileSync("/lab/machine.json", "utf8"));

/** The node number of a proximity domain. */
export function nodeOf(domain: number): number {
  const node = machine.nodes[domain];
  if (node === undefined) throw new RangeError(`domain ${domain} is no node of ${machine.name}`);
  return node;
}
