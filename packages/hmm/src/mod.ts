// The core: spaces, page states, mirrors, range fault, invalidation, migration, device memory; the two contracts.
// docs/concepts/hmm.md says how they play together, docs/guides/writing-a-driver.md how a driver is written.
export { answerFault, type FaultSteps } from "./answer-fault.ts";
export { Around } from "./around.ts";
export { CAUSE, type Cause, LOSS, type LossReason } from "./cause.ts";
export type { Chunk } from "./chunk.ts";
export { Core } from "./core.ts";
export { Device } from "./device.ts";
export { DeviceMemory } from "./device-memory.ts";
export { DeviceTable, MAY_ATOMIC, MAY_READ, MAY_WRITE } from "./device-table.ts";
export type { Disappearance } from "./disappear.ts";
export type {
  DeviceMemoryKind,
  DeviceMemoryOps,
  DeviceMemoryOptions,
  Invalidation,
  InvalidationReason,
  MirrorOps,
  Proposal,
  Verdict,
} from "./driver-contract.ts";
export { collapseDuplicates, dropDuplicates } from "./duplicates.ts";
export * from "./entry.ts";
export * from "./errno.ts";
export type { Eviction } from "./evict.ts";
export { ExclusiveRange } from "./exclusive.ts";
export type { Explanation } from "./explain.ts";
export {
  ERROR,
  FaultRange,
  REQUEST_FAULT,
  REQUEST_WRITE,
  VALID,
  WRITABLE,
} from "./fault-range.ts";
export { following } from "./following.ts";
export { FrameAllocator } from "./frame-allocator.ts";
export {
  FrameTable,
  HEAD,
  KEPT,
  LOCKED,
  TAIL,
  WRITTEN,
} from "./frame-table.ts";
export type { Host, YieldPoint } from "./host-contract.ts";
export { checkInvariants } from "./invariants.ts";
export { DEVICE_PAGES_MAX, FAULTS_PER_PAGE_LIMIT, RETRY_LIMIT } from "./limits.ts";
export type { Kept, MigrateRequest, MoveReport } from "./migrate.ts";
export { Migration, type MigrationSetup } from "./migration.ts";
export { SELECT_COHERENT, SELECT_PRIVATE, SELECT_SYSTEM } from "./migration-status.ts";
export { Mirror } from "./mirror.ts";
export type { Pinned } from "./pin.ts";
export {
  FILE_PLACE,
  HOST_PLACE,
  HOST_PLACES,
  NOWHERE,
  type PlaceId,
  SWAP_PLACE,
} from "./places.ts";
export type { DriverFault, Loss, Override, Records, Statistics } from "./records.ts";
export { CAN_READ, CAN_WRITE, Region, type RegionKind, type RegionOptions } from "./region.ts";
export { type Accounts, Space, type SpaceOptions } from "./space.ts";
export * from "./units.ts";
