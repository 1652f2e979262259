// The shared memory of a queue, which its client maps and the device reads: a header, the ring of submissions, the ring
// of completions, and the details of the last failures. docs/reference/accel-queue.md says the same in words.
//
// Indices of the rings count on without end (32 bits, around): an index's slot is `index & (depth - 1)`. A ring is empty
// when head and tail are equal, full when tail is `depth` ahead. Only the client writes the submissions and
// `SUBMIT_TAIL`, only the device writes the completions and `COMPLETE_TAIL`.

/** The first word of a queue's memory. */
export const MAGIC = 0x51534d48;
/** Grows when the layout changes in a way that an older side would misread. */
export const LAYOUT_VERSION = 1;
/** What `attributes` calls `api`; also in the header. */
export const API = "hms_accel_v1";

// Words of the header, by who writes them. Each writer has cache lines of its own.
export const AT_MAGIC = 0;
export const AT_VERSION = 1;
export const AT_DEPTH = 2;
export const AT_ARGUMENTS_MAX = 3;
export const AT_SUBMISSIONS = 4;
export const AT_COMPLETIONS = 5;
export const AT_DETAILS = 6;
export const AT_QUEUE = 7;
/** Bytes 32 to 63: the API's name, ended by zeros. */
export const API_BYTE = 32;
const API_BYTES_MAX = 32;

/** Client: one past the last submission. */
export const SUBMIT_TAIL = 32;
/** Client: one past the last completion that it has taken. */
export const COMPLETE_HEAD = 48;
/** Client: 1 while someone sleeps, or waits for a promise, on `COMPLETE_TAIL`. */
export const WAITING = 49;
/** Client: the completion index that has to be reached before it is woken. */
export const WAIT_TARGET = 50;
/** Client: id of the running request that it wants to end, and 1 if it does. */
export const CANCEL_ID = 51;
export const CANCEL_ASKED = 52;
/** Client: 1 while a client has the queue. */
export const CLAIMED = 53;
/** Device: one past the last submission that it has taken. */
export const SUBMIT_HEAD = 64;
/** Device: one past the last completion. */
export const COMPLETE_TAIL = 80;
/** Device: 1 while its thread sleeps on the doorbell. */
export const ASLEEP = 81;
/** Kernel: the queue's state. */
export const STATE = 96;
/** Kernel: 1 when a dead queue's last completion has been written. */
export const ENDED = 97;
/** Kernel: what a dead queue died of (`DEATH`). */
export const DIED_OF = 98;
export const HEADER_BYTES = 512;

/** What a queue can die of. */
export const DEATH = {
  none: 0,
  reset: 1,
  thread: 2,
  rings: 3,
  isolated: 4,
  space: 5,
  closed: 6,
  broken: 7,
} as const;
export type Death = (typeof DEATH)[keyof typeof DEATH];

/** States of a queue: made, at work, dead. */
export const INIT = 0;
export const STARTED = 1;
export const ZOMBIE = 2;

// A submission: a header of 64 bytes, then 32 bytes an argument. Offsets in words of 4 bytes.
export const SUBMISSION_HEADER_BYTES = 64;
export const ARGUMENT_BYTES = 32;
export const S_STATE = 0;
export const S_ID = 1;
export const S_KERNEL = 2;
export const S_ARGUMENTS = 3;
export const S_FLAGS = 4;
/** Must be 0, as the words behind `S_TIME`. */
export const S_RESERVED = 5;
export const S_FIRST = 6;
export const S_END = 8;
/** A float64: microseconds of the process's clock when it was submitted. */
export const S_TIME = 10;
export const S_RESERVED_TAIL = 12;

/** States of a submission. */
export const READY = 1;
export const BEGUN = 2;
export const CANCELED = 3;

/** Flag: the kernel gets its range in one call. */
export const WHOLE_RANGE = 1;

// An argument. Its first word: kind, element type, access and a zero, a byte each.
export const A_WHAT = 0;
export const A_REGION = 1;
export const A_OFFSET = 2;
export const A_LENGTH = 4;
export const A_VALUE = 6;

export const KIND_ARRAY = 1;
export const KIND_NUMBER = 2;
export const KIND_BIGINT = 3;

/** What a kernel does with an array; a bit set. */
export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;

// A completion: 32 bytes.
export const COMPLETION_BYTES = 32;
export const C_ID = 0;
export const C_CODE = 1;
export const C_WHY = 2;
/** Float64: microseconds from submission to start, and from start to end. */
export const C_WAITED = 4;
export const C_RAN = 6;

/** The details of the last failures of a queue: a ring of texts. */
export const DETAILS = 16;
export const DETAIL_BYTES = 512;
/** Words of a detail: the request's id + 1 (0: none), bytes of UTF-8. */
export const D_ID = 0;
export const D_BYTES = 1;
export const DETAIL_HEADER_BYTES = 8;

export const DEPTH_MIN = 2;
export const DEPTH_MAX = 65536;
export const ARGUMENTS_LIMIT = 64;
/** Indices of a range are below this. */
export const INDEX_LIMIT: number = 2 ** 53;

/** Sizes of a queue. */
export interface QueueShape {
  /** Requests in flight at most; a power of two from 2 to 65536. */
  readonly depth: number;
  /** Arguments of a request at most; 0 to 64. */
  readonly argumentsMax: number;
}

/** Where the parts of a queue's memory begin, in bytes. */
export interface QueueParts {
  readonly submissionBytes: number;
  readonly submissions: number;
  readonly completions: number;
  readonly details: number;
  readonly bytes: number;
}

export function isShape({ depth, argumentsMax }: QueueShape): boolean {
  return (
    Number.isInteger(depth) &&
    depth >= DEPTH_MIN &&
    depth <= DEPTH_MAX &&
    (depth & (depth - 1)) === 0 &&
    Number.isInteger(argumentsMax) &&
    argumentsMax >= 0 &&
    argumentsMax <= ARGUMENTS_LIMIT
  );
}

export function partsOf({ depth, argumentsMax }: QueueShape): QueueParts {
  const submissionBytes = SUBMISSION_HEADER_BYTES + argumentsMax * ARGUMENT_BYTES;
  const submissions = HEADER_BYTES;
  const completions = submissions + depth * submissionBytes;
  const details = completions + depth * COMPLETION_BYTES;
  return { submissionBytes, submissions, completions, details, bytes: details + DETAILS * DETAIL_BYTES };
}

/** A queue's memory with its header written. */
export function makeQueueMemory(queue: number, shape: QueueShape): SharedArrayBuffer {
  const parts = partsOf(shape);
  const memory = new SharedArrayBuffer(parts.bytes);
  const words = new Int32Array(memory);
  words[AT_MAGIC] = MAGIC;
  words[AT_VERSION] = LAYOUT_VERSION;
  words[AT_DEPTH] = shape.depth;
  words[AT_ARGUMENTS_MAX] = shape.argumentsMax;
  words[AT_SUBMISSIONS] = parts.submissions;
  words[AT_COMPLETIONS] = parts.completions;
  words[AT_DETAILS] = parts.details;
  words[AT_QUEUE] = queue;
  new Uint8Array(memory, API_BYTE, API_BYTES_MAX).set(new TextEncoder().encode(API));
  return memory;
}

/** What a queue's memory says about itself; null when it is not one of this version. */
export function readShape(memory: SharedArrayBuffer): QueueShape | null {
  if (memory.byteLength < HEADER_BYTES) return null;
  const words = new Int32Array(memory, 0, HEADER_BYTES / 4);
  if (words[AT_MAGIC] !== MAGIC || words[AT_VERSION] !== LAYOUT_VERSION) return null;
  const api = new TextDecoder().decode(new Uint8Array(memory, API_BYTE, API_BYTES_MAX).slice());
  if (api.replace(/\0+$/, "") !== API) return null;
  const shape = { depth: words[AT_DEPTH] ?? 0, argumentsMax: words[AT_ARGUMENTS_MAX] ?? 0 };
  if (!isShape(shape)) return null;
  const parts = partsOf(shape);
  if (memory.byteLength < parts.bytes || words[AT_SUBMISSIONS] !== parts.submissions) return null;
  if (words[AT_COMPLETIONS] !== parts.completions || words[AT_DETAILS] !== parts.details) return null;
  return shape;
}

// What kernel and device share about a queue, and the client does not see: it survives the device's thread, and
// nothing that a client writes can change it.
/** Kernel: the queue's state. */
export const P_STATE = 0;
/** Kernel: why the device has to let go of the queue; 0 while it need not. */
export const P_STOP = 1;
/** Who may complete requests right now: `NOBODY` (whoever takes it first), `DEVICE`, `KERNEL`. */
export const P_OWNER = 2;
/** Device: submissions taken, completions written. One more taken than written: a request is running. */
export const P_TAKEN = 3;
export const P_COMPLETED = 4;
export const P_RUNNING_ID = 5;
/** Device: requests done, those that ended with an error, those that were cancelled. */
export const P_REQUESTS = 6;
export const P_ERRORS = 7;
export const P_CANCELED = 8;
/** Kernel: faults of the device while it ran requests of the queue. */
export const P_FAULTS = 9;
/** Device: what the client wrote into the rings made no sense. */
export const P_CORRUPT = 10;
/** Device, float64: time at work, time from submission to start, start to end; the longest of both. Microseconds. */
export const P_BUSY = 16;
export const P_WAITED = 18;
export const P_WAITED_MAX = 20;
export const P_RAN_MAX = 22;
/** Device, float64: how long the running request waited, has run, and the index that it goes on from. */
export const P_NOW_WAITED = 24;
export const P_NOW_RAN = 26;
export const P_NOW_AT = 28;
/** Histograms by powers of two: bucket i counts what took less than 2^i microseconds (the last: and more). */
export const HISTOGRAM_BUCKETS = 32;
export const P_WAITED_HISTOGRAM = 32;
export const P_RAN_HISTOGRAM = 64;
export const PRIVATE_BYTES = 512;

export const NOBODY = 0;
export const DEVICE = 1;
export const KERNEL = 2;

/** Why the device has to let go of a queue. */
export const STOP_PUT = 1;
export const STOP_RESET = 2;

// What kernel and device share about the device as a whole.
/** Kernel: control messages posted. Device: those it has read. */
export const E_POSTED = 0;
export const E_READ = 1;
/** Device: the thread's id, once it runs; and how often it went round. */
export const E_THREAD = 2;
/** Kernel, in `E_THREAD`: the thread is not to begin. */
export const NEVER: number = -1;
/** Device, in `E_THREAD`: it runs, without a known id. */
export const UNKNOWN_THREAD = 0x7fff_ffff;
export const E_TURNS = 3;
/** Device: number + 1 of the queue whose request is running; 0 when none is. */
export const E_RUNNING = 4;
/** Kernel: device faults that it answered with an error. */
export const E_FAILED_FAULTS = 5;
/** Device: goes up when there is something for the kernel: a message, an error, a wish. */
export const E_SIGNALS = 6;
/** Device: number of the program that it is loading; 0: none. */
export const E_LOADING = 8;
/** Device: it wants the pages gone that failed faults were answered with. Kernel: they are (as many as were asked). */
export const E_CLEAR_ASKED = 9;
export const E_CLEARED = 10;
/** Device: how many arrays the running request has; for each: region, access. */
export const E_ARRAYS = 7;
export const E_ARGUMENTS = 16;
/** Kernel: of the first fault that failed since the device looked, why (`REFUSED`, or 0), and the region. */
export const E_REFUSED: number = E_ARGUMENTS + 2 * ARGUMENTS_LIMIT;
export const E_REFUSED_REGION: number = E_REFUSED + 1;
/** Kernel, float64: the page in the region, and its address for the program. */
export const E_REFUSED_PAGE: number = E_REFUSED + 2;
export const E_REFUSED_ADDRESS: number = E_REFUSED + 4;
/** Kernel: 1 for a write. */
export const E_REFUSED_WRITE: number = E_REFUSED + 6;
export const ENGINE_BYTES: number = (E_REFUSED + 8) * 4;

/** Why the kernel answers a device fault with an error. */
export const REFUSED = {
  /** Nothing is mapped there any more. */
  gone: 1,
  /** It may not be read. */
  unreadable: 2,
  /** It may not be written. */
  readOnly: 3,
  /** It has to be in the device's memory, and found no room. */
  noRoom: 4,
  /** A driver failed, or the machine has no memory left. */
  failed: 5,
} as const;
export type Refused = (typeof REFUSED)[keyof typeof REFUSED];

/** The doorbell: clients of all queues count it up, the device sleeps on it. */
export const DOORBELL_BYTES = 64;
