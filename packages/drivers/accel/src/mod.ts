// The accelerator: a device with memory of its own, work queues and programs, that works everywhere.
// docs/guides/accel.md says how it is used, docs/reference/accel-queue.md how its rings are laid out.
export type { Attachment, AttachOptions } from "./attachment.ts";
export {
  type Canceling,
  type Completion,
  failure,
  QueueClient,
  type QueueMapping,
  type QueueState,
} from "./client.ts";
export { WHY, type Why } from "./code.ts";
export { AccelContext, type QueueOptions } from "./context.ts";
export type { AccelStatus, ControlCommand, ControlReply, PlaceCommand } from "./control.ts";
export { AccelDriver, type AccelOptions } from "./driver.ts";
export { ELEMENT_NAMES, type ElementName, type TypedArray } from "./elements.ts";
export type { IndexRange, KernelDevice } from "./engine-programs.ts";
export { MEMORY_BYTES_MIN } from "./memory.ts";
export type { ProgramSource } from "./messages.ts";
export type { DeviceChoice, DevicePlacer, MemoryShares } from "./placer.ts";
export type { Backing, Platform, Window, WindowOptions } from "./platform.ts";
export { type FunctionProgram, programOf } from "./programs.ts";
export { AccelQueue, type QueueStatistics } from "./queue.ts";
export {
  type Access,
  type Argument,
  type ArrayArgument,
  BIGINT_MAX,
  BIGINT_MIN,
  type Request,
} from "./request.ts";
export type { ControlError, PlaceResult } from "./sharing.ts";
export type { Advice } from "./view.ts";
