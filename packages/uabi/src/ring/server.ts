import type { Connection } from "../connection.ts";
import type { Peer } from "../peer.ts";
import type { Service } from "../service.ts";
import type { Registry } from "../spec.ts";
import { BROKEN_MESSAGE, RingReader, RingWriter } from "./byte-ring.ts";
import { announceSleep, mustWake, withdrawSleep } from "./doorbell.ts";
import {
  BROKEN,
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

/** Requests of one client that are carried out before the next client's turn. */
const TURN_MAX = 64;

/**
 * The service's end of the rings of any number of clients, for a thread that has other things to wait for too. Nothing
 * here blocks: the thread calls `poll` until it returns 0, then `prepareToSleep`, blocks if that says so, and calls
 * `awake`. A client's `wake` that comes before the thread blocks must make it return at once, as an eventfd does.
 *
 * @example
 * ```ts
 * import { asyncClient, CORE, createRing, RingClient, RingServer, Service } from "@hms/uabi";
 * const memory = createRing();
 * const server = new RingServer(new Service(CORE));
 * server.add(memory);
 * server.prepareToSleep();
 * // One thread is both ends here. Else the memory is posted to the other, and `wake` writes to an eventfd.
 * const wake = () => void setImmediate(() => server.poll());
 * const client = asyncClient(CORE, new RingClient(memory, { wake }));
 * console.log((await client.context.query()).revision); // 1
 * server.close();
 * ```
 */
export class RingServer<R extends Registry> implements Disposable {
  readonly #service: Service<R>;
  readonly #ends: ServerEnd[] = [];

  constructor(service: Service<R>) {
    this.#service = service;
  }

  /** Clients that are connected. */
  get size(): number {
    return this.#ends.length;
  }

  /** Serves a client whose RingClient is over this memory. Throws BAD_RING (EINVAL) for memory that is none. */
  add(memory: SharedArrayBuffer, peer: Peer = { transport: "ring", credentials: null }): void {
    const capacity = capacityOf(memory);
    const end: ServerEnd = new ServerEnd(memory, capacity, (send) =>
      this.#service.connect(peer, send, capacity),
    );
    this.#ends.push(end);
  }

  /**
   * Carries out requests that are there, of each client a bounded number, and puts down answers that there is room for
   * now. Returns how much it did; 0: there is nothing to do.
   */
  poll(): number {
    let done = 0;
    for (let i = 0; i < this.#ends.length; i++) {
      const end = this.#ends[i] as ServerEnd;
      done += end.turn();
      if (end.connection.closed) this.#ends.splice(i--, 1);
    }
    return done;
  }

  /** Tells every client that this thread is going to sleep. False: there is something to do, and it must not. */
  prepareToSleep(): boolean {
    for (const end of this.#ends) end.announce();
    for (const end of this.#ends) {
      if (!end.ready) continue;
      this.awake();
      return false;
    }
    return true;
  }

  /** Tells every client that it need not be woken. */
  awake(): void {
    for (const end of this.#ends) end.withdraw();
  }

  /** Closes every connection: clients that wait fail with CONNECTION_CLOSED. */
  close(): void {
    for (const end of this.#ends.splice(0)) end.close(CLOSED);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The service's end of one ring. */
class ServerEnd {
  readonly connection: Connection;
  readonly #words: Int32Array;
  readonly #reader: RingReader;
  readonly #writer: RingWriter;
  /** Answers that did not fit. While there are any, no request is taken: at most those that answer later add to them. */
  readonly #late: Uint8Array[] = [];

  constructor(
    memory: SharedArrayBuffer,
    capacity: number,
    connect: (send: (message: Uint8Array) => void) => Connection,
  ) {
    this.#words = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    const submissions = new Uint8Array(memory, CONTROL_BYTES, capacity);
    const completions = new Uint8Array(memory, CONTROL_BYTES + capacity, capacity);
    this.#reader = new RingReader(this.#words, submissions, SUBMISSION_TAIL, SUBMISSION_HEAD);
    this.#writer = new RingWriter(this.#words, completions, COMPLETION_TAIL, COMPLETION_HEAD);
    this.connection = connect((message) => this.#send(message));
  }

  turn(): number {
    if (Atomics.load(this.#words, STATE_WORD) !== OPEN) {
      this.close(CLOSED);
      return 1;
    }
    let done = this.#flush();
    for (let taken = 0; taken < TURN_MAX && this.#late.length === 0; taken++) {
      const length = this.#reader.next;
      if (length === 0) break;
      done++;
      if (length === BROKEN_MESSAGE) {
        this.close(BROKEN);
        break;
      }
      this.#reader.take(this.connection.room(length), length);
      if (mustWake(this.#words, CLIENT_WANTS_ROOM, Atomics)) ringClient(this.#words);
      this.connection.received(length);
      if (this.connection.closed) break;
    }
    return done;
  }

  /** Whether there is something to do. */
  get ready(): boolean {
    if (Atomics.load(this.#words, STATE_WORD) !== OPEN) return true;
    const [late] = this.#late;
    return late === undefined ? this.#reader.next !== 0 : late.length <= this.#writer.room;
  }

  announce(): void {
    announceSleep(this.#words, SERVICE_SLEEPS, Atomics);
    if (this.#late.length > 0) announceSleep(this.#words, SERVICE_WANTS_ROOM, Atomics);
  }

  withdraw(): void {
    withdrawSleep(this.#words, SERVICE_SLEEPS, Atomics);
    withdrawSleep(this.#words, SERVICE_WANTS_ROOM, Atomics);
  }

  close(state: number): void {
    Atomics.compareExchange(this.#words, STATE_WORD, OPEN, state);
    this.connection.close();
    this.#late.length = 0;
    ringClient(this.#words);
  }

  #send(message: Uint8Array): void {
    if (this.#late.length > 0 || !this.#writer.write(message)) this.#late.push(new Uint8Array(message));
    else if (mustWake(this.#words, CLIENT_WAITS, Atomics)) ringClient(this.#words);
  }

  #flush(): number {
    let done = 0;
    for (let [late] = this.#late; late !== undefined && this.#writer.write(late); [late] = this.#late) {
      this.#late.shift();
      done++;
    }
    if (done > 0 && mustWake(this.#words, CLIENT_WAITS, Atomics)) ringClient(this.#words);
    return done;
  }
}
