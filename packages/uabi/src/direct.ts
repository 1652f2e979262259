import { HmsError } from "@hms/topology";
import type { AsyncTransport, SyncTransport } from "./client.ts";
import { idOf, setId } from "./ids.ts";
import type { Peer } from "./peer.ts";
import type { Service } from "./service.ts";
import type { Registry } from "./spec.ts";

const THIS_PROCESS: Peer = { transport: "direct", credentials: null };

/**
 * Calls a service in the same thread. Requests are encoded and validated as those of any client are.
 *
 * `call` throws ANSWER_LATER (EAGAIN) for a method that answers later: the service has no chance to while it waits.
 */
export function directTransport<R extends Registry>(
  service: Service<R>,
  peer: Peer = THIS_PROCESS,
): SyncTransport & AsyncTransport {
  const waiting = new Map<number, (answer: Uint8Array) => void>();
  /** What the innermost call waits for: a handler may itself call. */
  let calling: { answer: Uint8Array | null } | null = null;
  let lastId = 0;
  const connection = service.connect(peer, (message) => {
    if (calling !== null) {
      calling.answer = message;
      return;
    }
    const id = idOf(message);
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(new Uint8Array(message));
  });
  const close = (): void => {
    connection.close();
    waiting.clear();
  };
  return {
    call(request) {
      expectOpen(connection.closed);
      const outer = calling;
      const own: { answer: Uint8Array | null } = { answer: null };
      calling = own;
      try {
        connection.receive(request);
      } finally {
        calling = outer;
      }
      if (own.answer === null) throw answersLater();
      return own.answer;
    },
    send(request) {
      return new Promise((resolve) => {
        expectOpen(connection.closed);
        lastId = setId(request, lastId + 1);
        waiting.set(lastId, resolve);
        connection.receive(request);
      });
    },
    close,
    [Symbol.dispose]: close,
  };
}

function expectOpen(closed: boolean): void {
  if (closed)
    throw new HmsError("CONNECTION_CLOSED", "EIO", "The request failed: the connection was closed.");
}

function answersLater(): HmsError {
  return new HmsError(
    "ANSWER_LATER",
    "EAGAIN",
    "The request failed: its method answers later, which a direct call cannot wait for. Use a client with promises.",
  );
}
