import { HmsError } from "@hms/topology";
import type { AsyncTransport } from "../client.ts";
import { encodeFailure } from "../failure.ts";
import type { Peer } from "../peer.ts";
import { HEADER_BYTES } from "../wire.ts";
import type { Acceptor } from "./server.ts";

/**
 * Hands the requests of socket clients on to a service in another thread. `open` makes a transport for each client, a
 * RingClient for example, so that the service can tell the clients apart; it is closed when its client has gone.
 */
export function relay(open: (peer: Peer) => AsyncTransport): Acceptor {
  return {
    connect(peer, send) {
      const transport = open(peer);
      return {
        receive(message) {
          // The transport gives the request an id of its own.
          const header = new Uint8Array(message.subarray(0, HEADER_BYTES));
          const answer = transport.send(message);
          answer.then(
            (bytes) => {
              bytes.set(header.subarray(8, 16), 8);
              send(bytes);
            },
            (error: unknown) => send(failed(header, error)),
          );
        },
        close: () => transport.close(),
      };
    },
  };
}

function failed(header: Uint8Array, error: unknown): Uint8Array {
  const known = HmsError.is(error) ? error : new HmsError("CONNECTION_CLOSED", "EIO", String(error));
  const message = encodeFailure(known);
  // Object, method and id of the request that it answers.
  message.set(header.subarray(4, 16), 4);
  return message;
}
