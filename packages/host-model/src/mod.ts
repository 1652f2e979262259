// The simulated host: Linux's virtual memory on a machine that exists only here, deterministic, with a clock.
export { type CostModel, type CostOptions, type PathCost, simpleCosts } from "./costs.ts";
export type {
  Advice,
  Backing,
  ClockFace,
  MapRequest,
  ModelHostOptions,
  Pin,
  ProcessFace,
  ProcessOptions,
  Protection,
  StepOutcome,
  Task,
} from "./face.ts";
export { type FileKind, ModelFile } from "./file.ts";
export { ModelHost } from "./host.ts";
export { type MachineNames, machineCosts } from "./machine-costs.ts";
export { ModelProcess } from "./process.ts";
export { Random } from "./random.ts";
export { type RunReport, Scheduler } from "./scheduler.ts";
