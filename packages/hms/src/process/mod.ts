// Memory of other programs: where it is, and where it should be. docs/guides/seeing-programs.md shows how it is used.

export {
  becomeCommand,
  type CommandEnd,
  type CommandOptions,
  type PlacedCommand,
  placeCommand,
  runPlanned,
} from "./command.ts";
export {
  type MissingProcess,
  PROCESSES_JSON_ID,
  PROCESSES_JSON_VERSION,
  processesJsonEnd,
  processesJsonStart,
  processJson,
} from "./json.ts";
export { type MemoryOptions, memoryOf, REGIONS_MAX } from "./memory-of.ts";
export { type MoveOptions, type MoveProgress, type MoveResult, moveProcess } from "./move.ts";
export { programName } from "./name.ts";
export { type CommandPlan, type PlanOptions, planCommand } from "./plan.ts";
export type { ProcessPolicy } from "./policy.ts";
export type {
  ByKind,
  MemoryRegion,
  Misplaced,
  PlaceMemory,
  ProcessMemory,
  RegionsLeftOut,
  Runs,
} from "./process-memory.ts";
export { type ProcessesOptions, processes } from "./processes.ts";
export type { MemorySeen } from "./watch.ts";
