// Placement: what a request means on a machine, what became of it, and the policies of a space's ranges.
// docs/concepts/placement.md says how they play together.
export { decide } from "./decide.ts";
export type { DecidedRefusal, DecidedTarget, Decision } from "./decision.ts";
export { type KernelFacts, type Limits, limitsFrom, NO_LIMITS } from "./limits.ts";
export { dryRun, type PagePlan, planPages } from "./plan.ts";
export {
  type PagesAt,
  PlacementError,
  type PlacementReport,
  type RefusedBy,
  ReportBuilder,
} from "./report.ts";
export { renderReport } from "./report-text.ts";
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
