import { HmsError } from "@hms/topology";
import type { AsyncTransport, SyncTransport } from "../client.ts";
import { idOf, setId } from "../ids.ts";
import { BROKEN_MESSAGE, RingReader, RingWriter } from "./byte-ring.ts";
import { announceSleep, mustWake } from "./doorbell.ts";
import {
  CLIENT_BELL,
  CLIENT_WAITS,
  CLIENT_WANTS_ROOM,
  CLOSED,
  COMPLETION_HEAD,
  COMPLETION_TAIL,
  CONTROL_BYTES,
  capacityOf,
  OPEN,
  ringClient,
  SERVICE_SLEEPS,
  SERVICE_WANTS_ROOM,
  STATE_WORD,
  SUBMISSION_HEAD,
  SUBMISSION_TAIL,
} from "./words.ts";

/** Keeps the event loop running while promises wait: a wait on shared memory alone does not. */
const KEEP_ALIVE_MS = 0x3fff_ffff;

export interface RingClientOptions {
  /** Wakes the service's thread. Called only when that said that it sleeps; what was rung before it sleeps must hold. */
  readonly wake: () => void;
  /** The longest that one call may wait; without end when it is left out. Then it fails with ETIMEDOUT. */
  readonly timeoutMs?: number;
}

interface Waiter {
  readonly deadline: number;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: HmsError) => void;
}

/**
 * One thread's end of a ring. `call` waits in the thread, `send` gives a promise; both may be used at a time. When the
 * submission ring is full, `call` waits for room, and `send` rejects with RING_FULL (EAGAIN).
 */
export class RingClient implements SyncTransport, AsyncTransport {
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #wake: () => void;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiter>();
  /** The id that a call in this thread waits for; -1: none. */
  #wanted = -1;
  #answer: Uint8Array = new Uint8Array(4096);
  #answerBytes = 0;
  #lastId = 0;
  #pumping = false;
  #closed = false;

  /** Throws BAD_RING (EINVAL) for memory that is none. */
  constructor(memory: SharedArrayBuffer, options: RingClientOptions) {
    this.#capacity = capacityOf(memory);
    this.#words = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    const submissions = new Uint8Array(memory, CONTROL_BYTES, this.#capacity);
    const completions = new Uint8Array(memory, CONTROL_BYTES + this.#capacity, this.#capacity);
    this.#writer = new RingWriter(this.#words, submissions, SUBMISSION_TAIL, SUBMISSION_HEAD);
    this.#reader = new RingReader(this.#words, completions, COMPLETION_TAIL, COMPLETION_HEAD);
    this.#wake = options.wake;
    this.#timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
  }

  call(request: Uint8Array): Uint8Array {
    this.#expectUsable(request);
    const deadline = performance.now() + this.#timeoutMs;
    this.#lastId = setId(request, this.#lastId + 1);
    const id = this.#lastId;
    while (!this.#submit(request)) {
      this.#drain();
      this.#wait(
        CLIENT_WANTS_ROOM,
        () => this.#writer.room >= request.length || this.#reader.next !== 0,
        deadline,
      );
    }
    this.#wanted = id;
    this.#answerBytes = 0;
    try {
      for (;;) {
        this.#drain();
        if (this.#answerBytes > 0) return this.#answer.subarray(0, this.#answerBytes);
        this.#wait(CLIENT_WAITS, () => this.#reader.next !== 0, deadline);
      }
    } finally {
      this.#wanted = -1;
    }
  }

  send(request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#expectUsable(request);
      this.#lastId = setId(request, this.#lastId + 1);
      if (!this.#submit(request)) {
        this.#drain();
        if (!this.#submit(request)) throw ringFull(this.#capacity);
      }
      this.#waiting.set(this.#lastId, { deadline: performance.now() + this.#timeoutMs, resolve, reject });
      if (!this.#pumping) void this.#pump();
    });
  }

  /** The service is told; what waits is rejected. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    Atomics.compareExchange(this.#words, STATE_WORD, OPEN, CLOSED);
    this.#wake();
    ringClient(this.#words);
    this.#rejectAll();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #submit(request: Uint8Array): boolean {
    if (!this.#writer.write(request)) return false;
    if (mustWake(this.#words, SERVICE_SLEEPS, Atomics)) this.#wake();
    return true;
  }

  /** Takes every answer that is there. */
  #drain(): void {
    let taken = false;
    for (let length = this.#reader.next; length !== 0; length = this.#reader.next) {
      if (length === BROKEN_MESSAGE) {
        this.close();
        throw connectionClosed("the service wrote what is no message");
      }
      this.#take(length);
      taken = true;
    }
    if (taken && mustWake(this.#words, SERVICE_WANTS_ROOM, Atomics)) this.#wake();
  }

  #take(length: number): void {
    if (this.#answerBytes > 0 || this.#wanted < 0) {
      const answer = new Uint8Array(length);
      this.#reader.take(answer, length);
      this.#resolve(answer);
      return;
    }
    if (length > this.#answer.length) this.#answer = new Uint8Array(length);
    this.#reader.take(this.#answer, length);
    if (idOf(this.#answer) === this.#wanted) this.#answerBytes = length;
    else this.#resolve(new Uint8Array(this.#answer.subarray(0, length)));
  }

  /** An answer that nobody waits for any more is dropped. */
  #resolve(answer: Uint8Array): void {
    const id = idOf(answer);
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiter?.resolve(answer);
  }

  /** Sleeps until the service rings, unless `ready` says that there is no need. */
  #wait(flag: number, ready: () => boolean, deadline: number): void {
    const words = this.#words;
    const seen = Atomics.load(words, CLIENT_BELL);
    announceSleep(words, flag, Atomics);
    // Not taken back: a promise of this thread may be waiting by the same word. It costs the service one wake-up.
    if (ready()) return;
    // What the service wrote before it went counts: so it is looked at again once it is known to be gone.
    if (this.#gone && ready()) return;
    this.#expectOpen();
    const left = deadline - performance.now();
    if (left <= 0 || Atomics.wait(words, CLIENT_BELL, seen, left) === "timed-out")
      throw timedOut(this.#timeoutMs);
  }

  /** Resolves promises as answers come, for as long as some wait. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    const alive = setInterval(() => undefined, KEEP_ALIVE_MS);
    try {
      while (this.#waiting.size > 0) {
        const seen = Atomics.load(this.#words, CLIENT_BELL);
        announceSleep(this.#words, CLIENT_WAITS, Atomics);
        if (this.#reader.next === 0 && !(this.#gone && this.#reader.next !== 0)) {
          this.#expectOpen();
          await Atomics.waitAsync(this.#words, CLIENT_BELL, seen, this.#patience()).value;
        }
        this.#drain();
        this.#expire();
      }
    } catch {
      this.#rejectAll();
    } finally {
      clearInterval(alive);
      this.#pumping = false;
    }
  }

  /** Milliseconds until the oldest promise has waited for too long. */
  #patience(): number {
    const [oldest] = this.#waiting.values();
    return oldest === undefined ? this.#timeoutMs : Math.max(0, oldest.deadline - performance.now());
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, { deadline, reject }] of this.#waiting) {
      // They are in the order in which they were sent.
      if (deadline > now) return;
      this.#waiting.delete(id);
      reject(timedOut(this.#timeoutMs));
    }
  }

  #rejectAll(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(connectionClosed("the connection was closed"));
  }

  #expectUsable(request: Uint8Array): void {
    this.#expectOpen();
    if (request.length <= this.#capacity) return;
    throw new HmsError(
      "MESSAGE_TOO_LARGE",
      "EFBIG",
      `The request failed: it has ${request.length} bytes, and the ring takes at most ${this.#capacity}. Make the ring larger, or split the request.`,
    );
  }

  /** Whether the service has closed the ring. */
  get #gone(): boolean {
    return Atomics.load(this.#words, STATE_WORD) !== OPEN;
  }

  #expectOpen(): void {
    if (this.#closed) throw connectionClosed("the connection was closed");
    if (this.#gone) throw connectionClosed("the service has gone");
  }
}

function connectionClosed(why: string): HmsError {
  return new HmsError("CONNECTION_CLOSED", "EIO", `The request failed: ${why}.`);
}

function ringFull(capacity: number): HmsError {
  return new HmsError(
    "RING_FULL",
    "EAGAIN",
    `The request failed: the submission ring of ${capacity} bytes is full. Wait for an answer first.`,
  );
}

function timedOut(timeoutMs: number): HmsError {
  return new HmsError(
    "NO_ANSWER",
    "ETIMEDOUT",
    `The request failed: the service did not answer within ${timeoutMs} ms. It may still carry it out.`,
  );
}
