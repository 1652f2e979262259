import * as cpu from "./execute-cpu.ts";
import * as device from "./execute-device.ts";
import * as fault from "./execute-fault.ts";
import * as file from "./execute-file.ts";
import * as range from "./execute-range.ts";
import { OP, type OpCode } from "./program.ts";
import type { Run } from "./run.ts";

/** Does operation `i` of the program and compares what comes of it with what must. */
export type Execute = (run: Run, i: number) => void;

const TABLE: Readonly<Record<OpCode, Execute>> = {
  [OP.cpuWrite]: cpu.write,
  [OP.cpuRead]: cpu.read,
  [OP.map]: range.map,
  [OP.unmap]: range.unmap,
  [OP.protect]: range.protect,
  [OP.remap]: range.remap,
  [OP.discard]: range.discard,
  [OP.pageOut]: range.pageOut,
  [OP.fork]: range.fork,
  [OP.exit]: range.exit,
  [OP.pin]: cpu.pin,
  [OP.unpin]: cpu.unpin,
  [OP.dma]: cpu.dma,
  [OP.fileWrite]: file.write,
  [OP.fileRead]: file.read,
  [OP.truncate]: file.truncate,
  [OP.punch]: file.punch,
  [OP.reflink]: file.reflink,
  [OP.deviceRead]: device.read,
  [OP.deviceWrite]: device.write,
  [OP.commandRead]: device.commandRead,
  [OP.commandWrite]: device.commandWrite,
  [OP.migrateToDevice]: device.migrateToDevice,
  [OP.migrateToSystem]: device.migrateToSystem,
  [OP.snapshot]: device.snapshot,
  [OP.exclusive]: device.exclusive,
  [OP.release]: device.release,
  [OP.move]: device.move,
  [OP.reclaim]: fault.reclaim,
  [OP.failAllocation]: fault.failAllocation,
  [OP.failCopy]: fault.failCopy,
  [OP.refuse]: fault.refuse,
  [OP.failHostAllocation]: fault.failHostAllocation,
  [OP.disappear]: fault.disappear,
  [OP.hold]: fault.hold,
  [OP.evict]: device.evict,
  [OP.collapse]: range.collapse,
  [OP.adviseHuge]: range.adviseHuge,
  [OP.close]: device.close,
  [OP.readAll]: cpu.readAll,
  [OP.spawn]: range.spawn,
};

const LIST: readonly (Execute | undefined)[] = Array.from(
  { length: Object.keys(TABLE).length },
  (_, code) => TABLE[code as OpCode],
);

export function execute(run: Run, i: number): void {
  const one = LIST[run.program.code(i)];
  if (one === undefined) throw new Error(`the program has no operation ${run.program.code(i)}`);
  one(run, i);
}
