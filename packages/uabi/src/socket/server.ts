import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { HmsError } from "@hms/topology";
import { encodeFailure } from "../failure.ts";
import type { Credentials, Peer } from "../peer.ts";
import { Frames } from "./frames.ts";

/** Clients at a time; a further one is refused with EAGAIN. */
const CONNECTIONS_MAX = 256;
/** How long a client that is refused may take to read why. */
const FAREWELL_MS = 1000;
/** Bytes of answers that a client may leave unread before no more of its requests are taken. */
const UNREAD_BYTES_MAX: number = 1 << 20;

/** What takes the requests of a client: a Service, or a relay to one in another thread. */
export interface Acceptor {
  connect(
    peer: Peer,
    send: (message: Uint8Array) => void,
  ): {
    receive(message: Uint8Array): void;
    close(): void;
  };
}

export interface SocketOptions {
  /** Where the socket is made. A socket that nobody serves any more is replaced. */
  readonly path: string;
  /**
   * Who is at the other end of a connected socket, by its descriptor: what the kernel says (SO_PEERCRED), which Node
   * has no call for. What it throws refuses the client.
   */
  readonly peerCredentials: (descriptor: number) => Credentials;
  /** Who may connect; without it, processes of the same user, and of root. */
  readonly allow?: (credentials: Credentials) => boolean;
  /** Permissions of the socket's file; 0o600 without it. */
  readonly mode?: number;
}

/**
 * Serves other processes through a Unix socket; the thread's event loop does the work. A client that is not allowed
 * gets a failure with EPERM (NOT_ALLOWED), whatever it asks.
 *
 * Throws ADDRESS_IN_USE (EBUSY) when the path is served already or is no socket, BAD_ADDRESS when none can be made.
 *
 * @example
 * ```ts
 * import { asyncClient, CORE, type Credentials, Service, SocketClient, serveSocket } from "@hms/uabi";
 * // The host asks the kernel (SO_PEERCRED). Whoever lets in nobody needs no answer.
 * const peerCredentials = (): Credentials => ({ pid: 0, uid: 0, gid: 0 });
 * const path = `example-${process.pid}.socket`;
 * await using server = await serveSocket(new Service(CORE), { path, peerCredentials, allow: () => false });
 * const client = asyncClient(CORE, await SocketClient.open(path));
 * await client.context.query().catch((error) => console.log(error.errno, server.size)); // EPERM 1
 * ```
 */
export async function serveSocket(acceptor: Acceptor, options: SocketOptions): Promise<SocketServer> {
  const own = process.getuid?.() ?? -1;
  const allow = options.allow ?? (({ uid }: Credentials): boolean => uid === own || uid === 0);
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    // The client's failure is the client's.
    socket.on("error", () => socket.destroy());
    if (sockets.size >= 2 * CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    const admitted = admit(socket, sockets.size, options.peerCredentials, allow);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    if (HmsError.is(admitted)) sayFarewell(socket, admitted);
    else new SocketEnd(socket, acceptor, { transport: "socket", credentials: admitted }).start();
  });
  await listen(server, options.path);
  await chmod(options.path, options.mode ?? 0o600);
  return new SocketServer(server, sockets, options.path);
}

function admit(
  socket: Socket,
  connected: number,
  peerCredentials: (descriptor: number) => Credentials,
  allow: (credentials: Credentials) => boolean,
): Credentials | HmsError {
  if (connected >= CONNECTIONS_MAX) {
    return new HmsError(
      "TOO_MANY_CLIENTS",
      "EAGAIN",
      `Connecting failed: ${CONNECTIONS_MAX} clients are connected already. Wait until one has gone.`,
    );
  }
  try {
    const credentials = peerCredentials(descriptorOf(socket));
    if (allow(credentials)) return credentials;
    return notAllowed(`user ${credentials.uid} (process ${credentials.pid}) may not use it`);
  } catch (error) {
    return notAllowed(`who connects could not be found out (${String(error)})`);
  }
}

/** Says why, reads no more, and does not wait for long until it was heard. */
function sayFarewell(socket: Socket, error: HmsError): void {
  socket.removeAllListeners("data");
  socket.end(encodeFailure(error));
  socket.resume();
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
}

function notAllowed(why: string): HmsError {
  return new HmsError(
    "NOT_ALLOWED",
    "EPERM",
    `Connecting failed: ${why}. Run as the user who serves it, or have it served with other permissions.`,
  );
}

/** Node does not document where a socket keeps its descriptor. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } };
  if (typeof handle?.fd === "number" && handle.fd >= 0) return handle.fd;
  throw new Error("the socket has no descriptor");
}

async function listen(server: Server, path: string): Promise<void> {
  try {
    await listenOnce(server, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw badAddress(path, error);
    await expectLeftBehind(path, error);
    try {
      await unlink(path);
      await listenOnce(server, path);
    } catch (again) {
      throw badAddress(path, again);
    }
  }
}

function listenOnce(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Whether what is at a path is a socket that nobody serves any more. Throws HmsError if not: it is not ours to remove. */
async function expectLeftBehind(path: string, cause: unknown): Promise<void> {
  const inUse = (what: string): HmsError =>
    new HmsError(
      "ADDRESS_IN_USE",
      "EBUSY",
      `Serving ${path} failed: ${what}. Give another path, or remove what is there.`,
      { cause },
    );
  const stats = await lstat(path).catch(() => null);
  if (stats !== null && !stats.isSocket()) throw inUse("what is there is no socket");
  const served = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
  if (served) throw inUse("another process serves it");
}

function badAddress(path: string, cause: unknown): HmsError {
  const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new HmsError(
    "BAD_ADDRESS",
    null,
    `Serving ${path} failed with ${why}. Give a path of at most 107 bytes in a folder that may be written to.`,
    { cause },
  );
}

/** A socket that is served. */
export class SocketServer implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  constructor(server: Server, sockets: ReadonlySet<Socket>, path: string) {
    this.#server = server;
    this.#sockets = sockets;
    this.path = path;
  }

  /** Clients that are connected. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Disconnects the clients and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One client of a socket. */
class SocketEnd {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  readonly #connection;

  constructor(socket: Socket, acceptor: Acceptor, peer: Peer) {
    this.#socket = socket;
    this.#connection = acceptor.connect(peer, (message) => {
      if (!socket.destroyed) socket.write(Buffer.from(message));
    });
  }

  start(): void {
    const socket = this.#socket;
    socket.on("data", (part) => {
      this.#frames.push(part as Buffer);
      this.#take();
    });
    socket.on("drain", () => {
      socket.resume();
      this.#take();
    });
    socket.on("close", () => this.#connection.close());
    socket.resume();
  }

  /** Takes requests for as long as the client reads the answers. */
  #take(): void {
    const socket = this.#socket;
    while (!socket.destroyed) {
      if (socket.writableLength > UNREAD_BYTES_MAX) {
        socket.pause();
        return;
      }
      const frame = this.#frames.next();
      if (frame === null) return;
      if (frame === undefined) {
        const message =
          "The connection failed: what came is no message; expected is a length that is a multiple of 8.";
        this.#connection.close();
        sayFarewell(socket, new HmsError("BAD_MESSAGE", "EINVAL", message));
        return;
      }
      this.#connection.receive(frame);
    }
  }
}
