/**
 * NUMA placement on Linux: the kernel's calls, and what it allows. No policy of hms: which memory is the right one is
 * decided elsewhere.
 *
 * @module
 */
export { errnoName, errnoText } from "../sys/errno.ts";
export { execve } from "../sys/exec.ts";
export {
  getMempolicy,
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  mbind,
  memsAllowed,
  type NumaPolicy,
  PageBatch,
  policyAt,
  setHomeNode,
  setMempolicy,
} from "../sys/numa.ts";
export {
  freeOfNode,
  type KernelLimits,
  type LimitsOptions,
  type MemoryLimit,
  type NodeMemory,
  readLimits,
  roomOf,
} from "./limits.ts";
export {
  BATCH_BYTES,
  GONE,
  HELD,
  type Hindrance,
  MOVED,
  ProcessPages,
  type RangeSource,
  STAY,
} from "./pages.ts";
export { hasSysNice, underSeccomp } from "./rights.ts";
