import type { Command } from "../format/case.ts";
import { OP } from "./program.ts";

// Sorts of operations, for saying them as steps of a case.

/** The test device's command for an operation of a device. */
export const COMMAND_OF: ReadonlyMap<number, Command> = new Map<number, Command>([
  [OP.deviceRead, "read"],
  [OP.deviceWrite, "write"],
  [OP.commandRead, "read"],
  [OP.commandWrite, "write"],
  [OP.migrateToDevice, "migrate-to-device"],
  [OP.migrateToSystem, "migrate-to-system"],
  [OP.snapshot, "snapshot"],
  [OP.exclusive, "exclusive"],
  [OP.release, "release"],
  // All of it goes home, not a part.
  [OP.evict, "release"],
  [OP.close, "release"],
]);

/** Operations whose actor is a device. */
export const DEVICE_OPS: ReadonlySet<number> = new Set([
  ...COMMAND_OF.keys(),
  OP.failAllocation,
  OP.failCopy,
  OP.disappear,
  OP.refuse,
  OP.hold,
]);

/** Operations whose actor is a process. */
export const PROCESS_OPS: ReadonlySet<number> = new Set([
  OP.fork,
  OP.remap,
  OP.cpuWrite,
  OP.cpuRead,
  OP.readAll,
  OP.map,
  OP.unmap,
  OP.protect,
  OP.discard,
  OP.pageOut,
  OP.adviseHuge,
  OP.collapse,
  OP.pin,
  OP.move,
]);

/** Operations on one page, whatever their count. */
export const ONE_PAGE: ReadonlySet<number> = new Set([
  OP.cpuWrite,
  OP.cpuRead,
  OP.deviceRead,
  OP.deviceWrite,
  OP.pin,
]);
/** Operations that change what pages hold, or which there are: if they fail the case leaves them out. */
export const CHANGES: ReadonlySet<number> = new Set([
  OP.cpuWrite,
  OP.deviceWrite,
  OP.commandWrite,
  OP.map,
  OP.unmap,
  OP.protect,
  OP.remap,
  OP.discard,
  OP.adviseHuge,
  OP.pin,
]);
/** After these it is known what the pages hold. */
export const KNOWN_AFTER: ReadonlySet<number> = new Set([
  OP.cpuWrite,
  OP.deviceWrite,
  OP.commandWrite,
  OP.map,
]);
/** Operations that a case need not say. */
export const SILENT: ReadonlySet<number> = new Set([
  OP.cpuRead,
  OP.readAll,
  OP.exit,
  OP.spawn,
  OP.unpin,
  OP.fork,
  OP.fileRead,
  OP.collapse,
]);
/** Operations that others may get in between of in a case, and those that may. */
export const RACED: ReadonlySet<number> = new Set([
  ...[OP.deviceRead, OP.deviceWrite, OP.commandRead, OP.commandWrite, OP.snapshot, OP.exclusive],
  ...[OP.migrateToDevice, OP.migrateToSystem, OP.move, OP.release, OP.evict, OP.reclaim],
]);
export const RIVALS: ReadonlySet<number> = new Set([
  ...[OP.unmap, OP.protect, OP.discard, OP.pageOut, OP.adviseHuge, OP.cpuWrite, OP.cpuRead, OP.readAll],
]);
