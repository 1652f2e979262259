import { BroadcastChannel, type MessagePort, receiveMessageOnPort, threadId } from "node:worker_threads";
import type { QueueMapping } from "@hms/driver-accel";
import { EventFd, gettid, threadAddress, WakePage } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import {
  type AsyncClient,
  type AsyncTransport,
  asyncClient,
  CORE,
  type CoreRegistry,
  createRing,
  RingClient,
  type SyncClient,
  syncClient,
} from "@hms/uabi";
import {
  CLOSED,
  CONNECTS,
  channelOf,
  type Handed,
  type Hello,
  type Meeting,
  ORIGIN_BYTE,
  STATE,
} from "./beside.ts";

/** Bytes of each direction of a thread's ring; no message can be longer. */
export const RING_BYTES: number = 4 * 2 ** 20;
/** Looks for shared memory that was announced, at most. */
const LOOKS_MAX = 1000;

let peers = 0;

/** A thread's connection to the kernel thread. */
export class Link implements Disposable {
  readonly meeting: Meeting;
  readonly sync: SyncClient<CoreRegistry>;
  readonly async: AsyncClient<CoreRegistry>;
  readonly #words: Int32Array;
  readonly #ring: RingClient;
  readonly #channel: BroadcastChannel;
  readonly #bell: EventFd;
  readonly #wakePage: WakePage;
  readonly #mappings = new Map<number, QueueMapping>();
  #closed = false;

  /** Throws HMS_CLOSED (ENODEV) when there is no kernel thread any more. */
  constructor(meeting: Meeting, owner: boolean) {
    this.meeting = meeting;
    this.#words = new Int32Array(meeting.words);
    if (this.over) throw closed("Attaching");
    const peer = `${threadId}-${++peers}`;
    const ring = createRing(RING_BYTES);
    this.#channel = new BroadcastChannel(channelOf(meeting, peer));
    this.#channel.unref();
    this.#bell = EventFd.of(meeting.wakeFd);
    this.#wakePage = WakePage.of(meeting.wakePage);
    this.#ring = new RingClient(ring, { wake: () => this.#wake() });
    const ends = { close: () => this.close(), [Symbol.dispose]: () => this.close() };
    this.sync = syncClient(CORE, { ...ends, call: (request) => this.#call(request) });
    this.async = asyncClient(CORE, { ...ends, send: (request) => this.#send(request) });
    const hello: Hello = { peer, ring, tid: gettid(), threadAddress: threadAddress(), owner };
    const hellos = new BroadcastChannel(meeting.channel);
    hellos.postMessage(hello);
    hellos.close();
    Atomics.add(this.#words, CONNECTS, 1);
    Atomics.notify(this.#words, CONNECTS);
    this.#wake();
  }

  /** Whether there is no kernel thread any more, or this thread has left it. */
  get over(): boolean {
    return this.#closed || Atomics.load(this.#words, STATE) === CLOSED;
  }

  /** For messages that are made elsewhere. */
  get transport(): AsyncTransport {
    return this.#ring;
  }

  /** What the host's clock says as milliseconds since 1970. */
  time(ns: number): number {
    const origin = new Float64Array(this.meeting.words, ORIGIN_BYTE, 1)[0] ?? 0;
    return origin + ns / 1e6;
  }

  /** Whether both lead to one hms. A thread can have several connections to it: one of `open`, and one of `attach`. */
  leadsWhere(other: Link): boolean {
    return this === other || this.meeting.channel === other.meeting.channel;
  }

  #call(request: Uint8Array): Uint8Array {
    try {
      return this.#ring.call(request);
    } catch (error) {
      throw this.#told(error);
    }
  }

  async #send(request: Uint8Array): Promise<Uint8Array> {
    try {
      return await this.#ring.send(request);
    } catch (error) {
      throw this.#told(error);
    }
  }

  /** A connection that ended because hms was closed meanwhile is no failure of the connection. */
  #told(error: unknown): unknown {
    if (!this.over || !HmsError.is(error) || error.code !== "CONNECTION_CLOSED") return error;
    return closed("The request");
  }

  #wake(): void {
    // The descriptor may be another's once everything is closed.
    if (!this.over && !this.#wakePage.ring()) this.#bell.signal();
  }

  /** Memory that the kernel thread has handed over, by its number. */
  mapping(memory: number): QueueMapping {
    for (let i = 0; i < LOOKS_MAX; i++) {
      const there = this.#mappings.get(memory);
      if (there !== undefined) {
        this.#mappings.delete(memory);
        return there;
      }
      const received = receiveMessageOnPort(this.#channel as unknown as MessagePort);
      if (received === undefined) break;
      const handed = received.message as Handed;
      this.#mappings.set(handed.memory, handed.mapping);
    }
    throw new HmsError("NO_MEMORY_HANDED", "EIO", `Shared memory ${memory} was announced, but did not come.`);
  }

  close(): void {
    if (this.#closed) return;
    this.#ring.close();
    this.#closed = true;
    this.#channel.close();
    this.#bell.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The error of whatever needs an hms that is not there any more. */
export function closed(action: string): HmsError {
  return new HmsError("HMS_CLOSED", "ENODEV", `${action} failed: hms is closed.`);
}

/** The error of an action with a region or a space that this hms does not have. */
export function otherHms(action: string): HmsError {
  return new HmsError(
    "OTHER_SPACE",
    "EINVAL",
    `${action} failed: it is of another hms. Take one that this hms made, or copy what it holds.`,
  );
}
