// Placement: what a request means on a machine, what became of it, and the policies of a space's ranges.
// docs/concepts/placement.md says how they play together.
export { decide } from "./decide.ts";
export type { DecidedRefusal, DecidedTarget, Decision } from "./decision.ts";
export {
  DEVICE_BIND,
  DEVICE_DEFAULT,
  DEVICE_MEMORY,
  DEVICE_MIGRATE,
  type DeviceCommand,
  DeviceHelper,
  type DeviceMover,
  type DeviceResult,
  HOST_MEMORY,
} from "./device-helper.ts";
export { type KernelFacts, type Limits, limitsFrom, NO_LIMITS } from "./limits.ts";
export { dryRun } from "./plan.ts";
export {
  type PagesAt,
  PlacementError,
  type PlacementReport,
  type RefusedBy,
  ReportBuilder,
} from "./report.ts";
export {
  MODES,
  type Mode,
  type PlacementRequest,
  PREFERENCES,
  type Prefer,
  parseRequest,
} from "./request.ts";
export { type Share, Shares } from "./shares.ts";
export { type PageRange, type PolicyRange, PolicyStore } from "./store/policy-store.ts";
export { VICTIM_NAMES, type VictimName, type VictimPolicy } from "./victims/victim-policy.ts";
export { defaultVictims, victims } from "./victims/victims.ts";
