/**
 * What Linux says about processes and their memory: readers of /proc that hold a bounded amount of it, and no foreign
 * calls.
 *
 * @module
 */
export { MAPPING_KINDS, type MappingKind } from "../numa/proc-kinds.ts";
export { MappingReader, type MappingsOptions } from "../numa/proc-mappings.ts";
export { NODES_MAX, type PageCounts } from "../numa/proc-numa-maps.ts";
export { expectSame, openProcess, PROC, type ProcessIdentity, processError } from "../numa/proc-open.ts";
export { SmapsReader } from "../numa/proc-smaps.ts";
export { processNumbers, type ThreadPlace, threadPlaces } from "../numa/proc-status.ts";
