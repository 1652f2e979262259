import { connect, type Socket } from "node:net";
import { HmsError } from "@hms/topology";
import type { AsyncTransport } from "../client.ts";
import { idOf, setId } from "../ids.ts";
import { Frames } from "./frames.ts";

/** Requests that may be under way at once; a further one fails with EAGAIN. */
const WAITING_MAX = 65_536;

interface Waiter {
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: HmsError) => void;
}

/** A connection to a Unix socket that is served by `serveSocket`. */
export class SocketClient implements AsyncTransport {
  readonly #socket: Socket;
  readonly #frames = new Frames();
  readonly #waiting = new Map<number, Waiter>();
  /** What the service said before it closed the connection; each request gets it. */
  #farewell: Uint8Array | null = null;
  #gone: HmsError | null = null;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part) => this.#receive(part as Buffer));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#end(gone(error.code ?? String(error))));
    socket.on("close", () => this.#end(gone("the service closed it")));
  }

  /** Connects. Rejects with NO_SERVICE (ENOENT) when nobody serves the path, NO_SERVICE (EACCES) when it may not be used. */
  static open(path: string): Promise<SocketClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const failed = (error: NodeJS.ErrnoException): void => reject(noService(path, error));
      socket.once("error", failed);
      socket.once("connect", () => {
        socket.off("error", failed);
        resolve(new SocketClient(socket));
      });
    });
  }

  send(request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#farewell !== null) {
        resolve(this.#farewell);
        return;
      }
      if (this.#gone !== null) throw this.#gone;
      if (this.#waiting.size >= WAITING_MAX) throw tooMany();
      this.#lastId = setId(request, this.#lastId + 1);
      this.#waiting.set(this.#lastId, { resolve, reject });
      this.#socket.write(Buffer.from(request));
    });
  }

  close(): void {
    this.#end(gone("it was closed"));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #receive(part: Buffer): void {
    this.#frames.push(part);
    for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) {
      if (frame === undefined) {
        this.#end(gone("the service sent what is no message"));
        return;
      }
      const id = idOf(frame);
      // No request has the id 0: it is said to all of them.
      if (id === 0) this.#farewell = frame;
      const waiter = this.#waiting.get(id);
      this.#waiting.delete(id);
      waiter?.resolve(frame);
    }
    if (this.#farewell !== null) this.#end(gone("the service refused it"));
  }

  #end(why: HmsError): void {
    if (this.#gone !== null) return;
    this.#gone = why;
    this.#socket.destroy();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { resolve, reject } of waiting) {
      if (this.#farewell === null) reject(why);
      else resolve(this.#farewell);
    }
  }
}

function gone(why: string): HmsError {
  return new HmsError("CONNECTION_CLOSED", "EIO", `The connection failed: ${why}.`);
}

function tooMany(): HmsError {
  return new HmsError(
    "TOO_MANY_REQUESTS",
    "EAGAIN",
    `The request failed: ${WAITING_MAX} requests are under way already. Wait for one of them.`,
  );
}

function noService(path: string, error: NodeJS.ErrnoException): HmsError {
  const errno = error.code === "EACCES" || error.code === "EPERM" ? "EACCES" : "ENOENT";
  return new HmsError(
    "NO_SERVICE",
    errno,
    `Connecting to ${path} failed with ${error.code ?? String(error)}: nobody serves it, or this user may not use it. Check the path and who serves it.`,
    { cause: error },
  );
}
