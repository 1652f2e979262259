// What programs import: spaces, regions, devices, queues, events. docs/guides/using-hms.md shows how it is used,
// docs/concepts/userspace.md what happens behind it.

export type { IndexRange, KernelDevice, QueueState, TypedArray } from "@hms/driver-accel";
export { PlacementError, type PlacementReport, type PlacementRequest } from "@hms/policy";
export { HmsError } from "@hms/topology";
export type { ArrayType } from "./arrays.ts";
export {
  Device,
  type DeviceAttributes,
  type ProgramSource,
  type QueueOptions,
  type Reply,
} from "./device.ts";
export { type EventOptions, EventStream, type EventTopic, type HmsEvent } from "./events.ts";
export type {
  Cause,
  ExplainedPolicy,
  Explanation,
  Kept,
  MoveReport,
  Override,
  PageState,
  Residency,
  StayReason,
} from "./explain.ts";
export {
  type DeviceEntry,
  type Flow,
  Hms,
  type HmsHandle,
  type InterfaceInfo,
  type RegionTraffic,
  type Sample,
  type SpaceOptions,
  type Statistics,
} from "./hms.ts";
export { attach, type OpenOptions, open } from "./open.ts";
export type { Bind, BindOptions, Placement, PlacementChoice, Share } from "./placement.ts";
export type { Argument, Arguments, KernelFunction, Program, ProgramKernel, Values } from "./program.ts";
export { Queue, type QueueStatistics, type RunOptions, type RunResult, type Work } from "./queue.ts";
export {
  type Access,
  type AccessMode,
  type RegionHandle,
  type RegionJson,
  type RegionKind,
  Shared,
  Slice,
} from "./region.ts";
export type { ServeOptions } from "./serve.ts";
export { parseSize, type Size } from "./size.ts";
export { type Advice, type AllocOptions, type FileOptions, Space, type SpaceStatistics } from "./space.ts";
