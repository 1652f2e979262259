import { discoverTree } from "../discover-tree.ts";
import { HmsError } from "../model/error.ts";
import type { Warning } from "../model/facts.ts";
import type { Machine } from "../model/machine.ts";
import { LiveTree } from "../tree/live.ts";
import { readMeasurements } from "./document.ts";
import { measuredFiles } from "./places.ts";
import { type Candidate, MeasuredSource } from "./source.ts";

/** Files of measurements that a machine is to be read with. */
export interface MeasuredInput {
  /** Their paths, the first that fits counts. */
  readonly paths: readonly string[];
  /** They were asked for: what cannot be used is an error, not a warning. */
  readonly required: boolean;
}

/** Reads a machine with the numbers of such files. */
export async function withMeasured(
  input: MeasuredInput,
  read: (source: MeasuredSource) => Promise<Machine>,
): Promise<Machine> {
  const { source, warnings } = openMeasured(input);
  return checked(await read(source), source, { ...input, warnings });
}

/**
 * Reads the machine that this runs on, with what `hms measure --keep` saved of it: as `discover(undefined, { measured:
 * true })` of `@hms/topology`, at once.
 *
 * @example
 * ```ts
 * import { discoverMeasured } from "@hms/topology/measured";
 * for (const { properties } of discoverMeasured().links) console.log(properties.readLatency?.origin);
 * ```
 */
export function discoverMeasured(): Machine {
  const input: MeasuredInput = { paths: measuredFiles(), required: false };
  const { source, warnings } = openMeasured(input);
  const machine = discoverTree(new LiveTree(), { kind: "live", path: null }, [source]);
  return checked(machine, source, { ...input, warnings });
}

function openMeasured({ paths, required }: MeasuredInput): {
  readonly source: MeasuredSource;
  readonly warnings: readonly Warning[];
} {
  const warnings: Warning[] = [];
  const candidates: Candidate[] = [];
  for (const path of paths) {
    try {
      candidates.push({ path, measurements: readMeasurements(path) });
    } catch (error) {
      if (required || !HmsError.is(error)) throw error;
      warnings.push({ path, message: `is not used: ${error.message}` });
    }
  }
  return { source: new MeasuredSource(candidates), warnings };
}

/** The machine with warnings of what was not used; an error where that was asked for. */
function checked(
  machine: Machine,
  source: MeasuredSource,
  of: MeasuredInput & { readonly warnings: readonly Warning[] },
): Machine {
  if (of.required) expectUsed(source, machine, of.paths);
  const warnings = [...of.warnings];
  for (const { path, why } of source.misfits)
    warnings.push({ path, message: `is not used, since it was measured on another machine: ${why}` });
  if (warnings.length === 0) return machine;
  return Object.freeze({
    ...machine,
    warnings: Object.freeze([...machine.warnings, ...warnings.map((one) => Object.freeze(one))]),
  });
}

function expectUsed(source: MeasuredSource, machine: Machine, paths: readonly string[]): void {
  const [path = ""] = paths;
  if (!source.asked)
    throw new HmsError(
      "MEASURED_NOT_APPLICABLE",
      "EINVAL",
      `Read ${machine.name} with measurements ${path}: they go with this machine or a capture of it, and this is ${machine.input.kind}; leave them out.`,
    );
  const [misfit] = source.misfits;
  if (misfit !== undefined)
    throw new HmsError(
      "MEASURED_OTHER_MACHINE",
      "EINVAL",
      `Read ${machine.name} with measurements ${misfit.path}: they were taken on another machine, since ${misfit.why}; measure this one with hms measure --save.`,
    );
}
