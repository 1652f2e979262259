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

/** Regions that are made text at once: a process may have a hundred thousand. */
const REGIONS_PER_PIECE = 1000;

/** A process of a document, in pieces that follow each other. */
export function* processJson(memory: ProcessMemory): Generator<string, void, void> {
  const { runs, regions, ...rest } = memory;
  const ids = (initiators: readonly { readonly id: string }[]): string[] => initiators.map(({ id }) => id);
  const where = { on: ids(runs.on), allowed: ids(runs.allowed), bound: runs.bound };
  yield `${JSON.stringify({ ...rest, runs: where }).slice(0, -1)},"regions":`;
  if (regions === null) {
    yield "null}";
    return;
  }
  for (let at = 0; at < regions.length; at += REGIONS_PER_PIECE) {
    const piece = JSON.stringify(regions.slice(at, at + REGIONS_PER_PIECE).map(regionJson));
    yield `${at === 0 ? "[" : ","}${piece.slice(1, -1)}`;
  }
  yield regions.length === 0 ? "[]}" : "]}";
}

/** An address does not fit into the numbers of JSON. */
function regionJson({ address, ...rest }: MemoryRegion): object {
  return { address: `0x${address.toString(16)}`, ...rest };
}
