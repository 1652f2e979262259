import { deepEqual, throws } from "node:assert/strict";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { peerCredentials } from "./credentials.ts";

/** Node keeps the number of a socket's descriptor to itself, but tells it to who asks. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
}

test("who is at the other end of a socket", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hms-peer-"));
  const path = join(folder, "socket");
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const server = createServer(resolve).listen(path);
  const client = connect(path);
  const socket = await promise;
  deepEqual(peerCredentials(descriptorOf(socket)), {
    pid: process.pid,
    uid: process.getuid?.(),
    gid: process.getgid?.(),
  });
  client.destroy();
  socket.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});

test("what is no socket has no other end", () => {
  const fd = openSync("/dev/null", "r");
  throws(() => peerCredentials(fd), { code: "NO_PEER" });
  throws(() => peerCredentials(-1), { code: "NO_PEER" });
});
