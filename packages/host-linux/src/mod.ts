// The real host: a process's own memory, managed by the core through userfaultfd.

export { DeviceBacking } from "./backing.ts";
export { budgetOf } from "./budget.ts";
export { sendToFile } from "./drop.ts";
export { type Disk, type HostStatistics, LinuxHost, type LinuxHostOptions, type Trace } from "./host.ts";
export { KernelLoop, type KernelLoopOptions, type LoopService } from "./loop.ts";
export type { NodeChoice, NodePlacer } from "./nodes.ts";
export { Owners } from "./owners.ts";
export { type PagesFound, PlacedBuffer } from "./placed.ts";
export { Placement, type PlacementOptions } from "./placement.ts";
export { CarefulAccess, programDiscard, programFence, programMove, programUnmap } from "./program.ts";
export { LinuxRegion, type RegionBacking } from "./region.ts";
export { NO_PAGE, NOT_HERE, Residence, SOMEWHERE } from "./residence.ts";
export { LinuxSpace, type LinuxSpaceOptions, type MapOptions } from "./space.ts";
export { getAffinity, gettid, setAffinity, threadAddress } from "./sys/cpu.ts";
export { type PeerCredentials, peerCredentials } from "./sys/credentials.ts";
export { errnoText } from "./sys/errno.ts";
export { dieLoudly } from "./sys/fatal.ts";
export { addressOf, bufferAt, detach, Mapping } from "./sys/memory.ts";
export { type Capabilities, limitation, probe } from "./sys/probe.ts";
export type { Address, ByteCount } from "./sys/units.ts";
export { EventFd } from "./sys/wait.ts";
export { WakePage, type WakePageData } from "./sys/wake-page.ts";
export { threadOptions } from "./thread-options.ts";
export { HANG_SECONDS, newHeartbeat, Watchdog } from "./watchdog.ts";
export { DeviceWindow, type WindowOptions } from "./window.ts";
