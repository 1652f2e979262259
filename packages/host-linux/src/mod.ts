// The real host: a process's own memory, managed by the core through userfaultfd.
export type { Address, ByteCount } from "./sys/units.ts";
