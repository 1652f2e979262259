import { HmsError } from "@hms/topology";

// Where the words of a ring's shared memory lie. Words that different threads write are on cache lines of their own.

const LINE = 16;
/** First word: the memory is a ring. */
export const MAGIC_WORD = 0;
export const VERSION_WORD = 1;
/** Bytes of each of the two data areas: a power of two. */
export const CAPACITY_WORD = 2;
/** OPEN, CLOSED or BROKEN. */
export const STATE_WORD = 3;
/** Bytes that the client has ever put into the submission ring, modulo 2^32. */
export const SUBMISSION_TAIL: number = LINE;
/** Bytes that the service has ever taken out of it. */
export const SUBMISSION_HEAD: number = 2 * LINE;
export const COMPLETION_TAIL: number = 3 * LINE;
export const COMPLETION_HEAD: number = 4 * LINE;
/** Not 0: the service sleeps, and must be woken after a submission. */
export const SERVICE_SLEEPS: number = 5 * LINE;
/** Not 0: the service has answers that did not fit, and must be woken after completions were taken. */
export const SERVICE_WANTS_ROOM: number = 5 * LINE + 1;
/** Not 0: the client waits for an answer. */
export const CLIENT_WAITS: number = 6 * LINE;
/** Not 0: the client waits for room in the submission ring. */
export const CLIENT_WANTS_ROOM: number = 6 * LINE + 1;
/** Counts the wake-ups of the client: what it waits on. */
export const CLIENT_BELL: number = 7 * LINE;

export const CONTROL_BYTES: number = 8 * LINE * 4;
export const MAGIC = 0x72_73_6d_68;
export const VERSION = 1;
/** Bounds of a data area. */
export const CAPACITY_MIN = 4096;
export const CAPACITY_MAX: number = 64 << 20;

export const OPEN = 0;
export const CLOSED = 1;
/** The client wrote what no client may write. */
export const BROKEN = 2;

/**
 * Shared memory for one client of a ring: to be handed to both threads, one of which makes a RingClient over it, and
 * the other adds it to its RingServer.
 *
 * `capacityBytes` is what each direction holds: a power of two from 4096 to 64 MiB, 1 MiB without it. No message can
 * be longer. Throws BAD_RING (EINVAL).
 */
export function createRing(capacityBytes: number = 1 << 20): SharedArrayBuffer {
  if (!isCapacity(capacityBytes)) {
    throw new HmsError(
      "BAD_RING",
      "EINVAL",
      `Making a ring failed: its capacity must be a power of two from ${CAPACITY_MIN} to ${CAPACITY_MAX} bytes, not ${capacityBytes}.`,
    );
  }
  const memory = new SharedArrayBuffer(CONTROL_BYTES + 2 * capacityBytes);
  const words = new Int32Array(memory);
  words[VERSION_WORD] = VERSION;
  words[CAPACITY_WORD] = capacityBytes;
  Atomics.store(words, MAGIC_WORD, MAGIC);
  return memory;
}

/**
 * Closes a ring from any thread: for whoever notices that one of its two threads has ended without a word. A client that
 * waits fails with CONNECTION_CLOSED; the service drops its end at the next `poll`. Throws BAD_RING (EINVAL) for memory
 * that is none.
 */
export function closeRing(memory: SharedArrayBuffer): void {
  capacityOf(memory);
  const words = new Int32Array(memory, 0, CONTROL_BYTES / 4);
  Atomics.compareExchange(words, STATE_WORD, OPEN, CLOSED);
  ringClient(words);
}

/** Wakes whatever waits in the client's thread. */
export function ringClient(words: Int32Array): void {
  Atomics.add(words, CLIENT_BELL, 1);
  Atomics.notify(words, CLIENT_BELL);
}

/** The capacity of a ring's memory. Throws BAD_RING (EINVAL) for memory that is none. */
export function capacityOf(memory: SharedArrayBuffer): number {
  const whole = memory.byteLength >= CONTROL_BYTES;
  const words = new Int32Array(memory, 0, whole ? CONTROL_BYTES / 4 : 0);
  const capacity = whole ? Atomics.load(words, CAPACITY_WORD) : 0;
  const good =
    isCapacity(capacity) &&
    Atomics.load(words, MAGIC_WORD) === MAGIC &&
    Atomics.load(words, VERSION_WORD) === VERSION &&
    memory.byteLength === CONTROL_BYTES + 2 * capacity;
  if (good) return capacity;
  throw new HmsError(
    "BAD_RING",
    "EINVAL",
    `Opening a ring failed: the shared memory of ${memory.byteLength} bytes is none that createRing made.`,
  );
}

function isCapacity(bytes: number): boolean {
  return (
    Number.isInteger(bytes) && bytes >= CAPACITY_MIN && bytes <= CAPACITY_MAX && (bytes & (bytes - 1)) === 0
  );
}
