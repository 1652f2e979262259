// What the threads of one hms share beside the interface: a few words of memory, and a channel for what a message
// cannot carry (shared memory itself).
import type { QueueMapping } from "@hms/driver-accel";
import type { WakePageData } from "@hms/host-linux";

/** Words of the shared memory: how many threads have asked to be connected. */
export const CONNECTS = 0;
/** The kernel's number of the kernel thread; 0 before it runs and when it has ended. */
export const KERNEL_TID = 1;
/** OPEN, or CLOSED when nothing may be sent any more. */
export const STATE = 2;
/** A number of 8 bytes: what the host's clock counts from, in milliseconds since 1970. */
export const ORIGIN_BYTE = 16;
export const BYTES = 24;

/** Arguments that a request can have. */
export const ARGUMENTS_MAX = 32;

export const OPEN = 0;
export const CLOSED = 1;

/** What the kernel thread is started with, and serves next when it is used again. */
export interface KernelThreadData {
  readonly meeting: Meeting;
  /** Its sign of life (`newHeartbeat`). */
  readonly heartbeat: Int32Array;
  /** One word: counts what it has been given to serve. It waits there in between. */
  readonly given: Int32Array;
}

/** How a thread finds the kernel thread. It can be posted to any thread of the process. */
export interface Meeting {
  readonly words: SharedArrayBuffer;
  /** Name of the broadcast channel that the kernel thread listens to. */
  readonly channel: string;
  /** The eventfd that wakes it, and the page that wakes it where it does not wait for that. */
  readonly wakeFd: number;
  readonly wakePage: WakePageData;
}

/** What a thread tells the kernel thread to be served by it. */
export interface Hello {
  /** Its own channel is named after it. */
  readonly peer: string;
  readonly ring: SharedArrayBuffer;
  readonly tid: number;
  readonly threadAddress: number;
  /** It is the one that opened hms. */
  readonly owner: boolean;
}

/** What the kernel thread hands to a thread: the memory of a queue, by the number that `ring.memory` has. */
export interface Handed {
  readonly memory: number;
  readonly mapping: QueueMapping;
}

export function channelOf(meeting: Meeting, peer: string): string {
  return `${meeting.channel}/${peer}`;
}
