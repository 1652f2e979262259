// The kernel's own HMM test device (/dev/hmm_dmirrorN), and memory that the kernel alone manages: what conformance cases
// are held against.

export { canFork, ForkedCalls, ownCalls, type SystemCalls, ThreadCalls } from "./calls.ts";
export { daxFacts, shareExtents } from "./dax.ts";
export { DEVICES_PER_KIND, Dmirror, type DmirrorFacts, findDmirror, GupTest } from "./device.ts";
export { PlainMemory } from "./memory.ts";
export { Room } from "./room.ts";
