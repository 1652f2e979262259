import { peerCredentials } from "@hms/host-linux";
import { type AsyncTransport, type Credentials, relay, type SocketServer, serveSocket } from "@hms/uabi";
import type { Meeting } from "./beside.ts";
import { Link } from "./link.ts";
import { expectOptions, type Known } from "./options.ts";

/** Who is served on a socket. */
export interface ServeOptions {
  /** Who may connect, by what the kernel says of the process; without it, processes of the same user, and of root. */
  readonly allow?: (credentials: Credentials) => boolean;
  /** Permissions of the socket's file; 0o600 without it. */
  readonly mode?: number;
}

const SERVE: Known<ServeOptions> = { allow: "function", mode: "number" };

/** Serves an hms to other processes: each client gets a connection to the kernel thread of its own. */
export async function serve(meeting: Meeting, path: string, options: ServeOptions): Promise<SocketServer> {
  expectOptions("Serving", options, SERVE);
  const { allow, mode } = options;
  return await serveSocket(
    relay(() => connection(meeting)),
    {
      path,
      peerCredentials,
      ...(allow === undefined ? {} : { allow }),
      ...(mode === undefined ? {} : { mode }),
    },
  );
}

function connection(meeting: Meeting): AsyncTransport {
  const link = new Link(meeting, false);
  const close = (): void => link.close();
  return { send: (request) => link.transport.send(request), close, [Symbol.dispose]: close };
}
