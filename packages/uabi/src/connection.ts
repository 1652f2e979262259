import type { Decoder } from "./decoder.ts";
import type { Peer } from "./peer.ts";

/** One client of a service. */
export class Connection implements Disposable {
  readonly peer: Peer;
  /** Answers that it waits for. */
  waiting = 0;
  /** No message to it is longer. */
  readonly maxBytes: number;
  readonly #send: (message: Uint8Array) => void;
  readonly #decoder: Decoder;
  readonly #process: (connection: Connection, bytes: number) => void;
  readonly #onClose: ((peer: Peer) => void) | undefined;
  #closed = false;

  constructor(
    peer: Peer,
    send: (message: Uint8Array) => void,
    maxBytes: number,
    decoder: Decoder,
    process: (connection: Connection, bytes: number) => void,
    onClose: ((peer: Peer) => void) | undefined,
  ) {
    this.peer = peer;
    this.#send = send;
    this.maxBytes = maxBytes;
    this.#decoder = decoder;
    this.#process = process;
    this.#onClose = onClose;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes a whole message, of at most MESSAGE_BYTES_MAX. It is copied first. */
  receive(message: Uint8Array): void {
    this.#decoder.room(message.length).set(message);
    this.received(message.length);
  }

  /** Where a message of so many bytes can be written to, for `received` to take it from. */
  room(bytes: number): Uint8Array {
    return this.#decoder.room(bytes);
  }

  /** Takes the message that was written to `room`. */
  received(bytes: number): void {
    if (!this.#closed) this.#process(this, bytes);
  }

  /** Gives the client a message. */
  send(message: Uint8Array): void {
    if (!this.#closed) this.#send(message);
  }

  /** The client has gone: what it still waits for is dropped, and the service told. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.(this.peer);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
