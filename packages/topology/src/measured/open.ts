import { HmsError } from "../model/error.ts";
import type { Machine } from "../model/machine.ts";
import { readMeasurements } from "./document.ts";
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
  { paths, required }: MeasuredInput,
  read: (source: MeasuredSource) => Machine | Promise<Machine>,
): Promise<Machine> {
  const warnings: { path: string; message: string }[] = [];
  const candidates: Candidate[] = [];
  for (const path of paths) {
    try {
      candidates.push({ path, measurements: readMeasurements(path) });
    } catch (error) {
      if (required || !HmsError.is(error)) throw error;
      warnings.push({ path, message: `is not used: ${error.message}` });
    }
  }
  const source = new MeasuredSource(candidates);
  const machine = await read(source);
  if (required) expectUsed(source, machine, paths);
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
