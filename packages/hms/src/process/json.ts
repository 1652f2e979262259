import type { Machine } from "@hms/topology";
import type { MemoryRegion, ProcessMemory } from "./process-memory.ts";

/** What a document says that it is: packages/hms/schema/processes-1.schema.json. */
export const PROCESSES_JSON_ID = "urn:hms:schema:processes-1";
export const PROCESSES_JSON_VERSION = 1;

/** A process that was asked for and cannot be told of. */
export interface MissingProcess {
  readonly pid: number;
  /** The error's code and sentence: `PROCESS_GONE`, `PROCESS_DENIED`, `PROCESS_NO_MEMORY`. */
  readonly code: string;
  readonly message: string;
}

/** The first part of a document; processes follow, a line each with commas between, then `processesJsonEnd`. */
export function processesJsonStart(machine: Machine): string {
  const head = { schema: PROCESSES_JSON_ID, version: PROCESSES_JSON_VERSION, machine: machine.name };
  return `${JSON.stringify(head).slice(0, -1)},"processes":[`;
}

/** The last part of a document. */
export function processesJsonEnd(missing: readonly MissingProcess[]): string {
  return `],"missing":${JSON.stringify(missing)}}`;
}

/** A process of a document. */
export function processJson(memory: ProcessMemory): string {
  const { runs, regions, ...rest } = memory;
  const ids = (initiators: readonly { readonly id: string }[]): string[] => initiators.map(({ id }) => id);
  return JSON.stringify({
    ...rest,
    runs: { on: ids(runs.on), allowed: ids(runs.allowed), bound: runs.bound },
    regions: regions?.map(regionJson) ?? null,
  });
}

/** An address does not fit into the numbers of JSON. */
function regionJson({ address, ...rest }: MemoryRegion): object {
  return { address: `0x${address.toString(16)}`, ...rest };
}
