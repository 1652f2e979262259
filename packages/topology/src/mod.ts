export { type DiscoverOptions, discover, discoverLive } from "./discover.ts";
export { discoverTree } from "./discover-tree.ts";
export { FORMATS, type Format, saveMachine, type WriteOptions, write } from "./lazy/mod.ts";
export { type ErrnoName, HmsError } from "./model/error.ts";
export type * from "./model/facts.ts";
export { IndexSet } from "./model/index-set.ts";
export type * from "./model/machine.ts";
export { ORIGINS, type Origin, type Quantity } from "./model/quantity.ts";
export {
  formatBandwidth,
  formatLatency,
  formatSize,
  parseBandwidth,
  parseLatency,
  parseSize,
} from "./model/units.ts";
export { type Best, type BestOptions, type By, best, type Choice, type Refusal } from "./query/best.ts";
export { type Matrix, type Metric, matrix } from "./query/matrix.ts";
export { findInitiator, findTarget, nearest } from "./query/names.ts";
export { type Path, type PathValue, paths } from "./query/path.ts";
export { renderDot } from "./render/dot.ts";
export { type MatrixOptions, renderMatrix } from "./render/matrix.ts";
export { renderSvg } from "./render/picture/svg.ts";
export { renderText, type TextOptions } from "./render/text.ts";
export type { Saved, SaveOptions } from "./save/save.ts";
export { MemoryTree } from "./tree/memory.ts";
export type { FileTree } from "./tree/tree.ts";
