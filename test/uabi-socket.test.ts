// The interface over a Unix socket: another process, another language, another user.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { HmsError } from "@hms/topology";
import {
  asyncClient,
  CORE,
  type CoreRegistry,
  type Credentials,
  createRing,
  type Handle,
  type Peer,
  RingClient,
  RingServer,
  relay,
  Service,
  SocketClient,
  serveSocket,
} from "@hms/uabi";
import koffi from "koffi";

const folder = mkdtempSync(join(tmpdir(), "hms-uabi-"));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));
let paths = 0;
const newPath = (): string => join(folder, `socket${paths++}`);

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** What the linux host passes in: getsockopt(SO_PEERCRED). */
function credentialsFromKernel(): (descriptor: number) => Credentials {
  const libc = koffi.load("libc.so.6");
  const getsockopt = libc.func(
    "int getsockopt(int, int, int, _Out_ uint8_t *value, _Inout_ uint32_t *length)",
  );
  return (descriptor) => {
    const value = Buffer.alloc(12);
    const length = [12];
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, value, length) !== 0 || length[0] !== 12)
      throw new Error("getsockopt failed");
    return { pid: value.readInt32LE(0), uid: value.readUInt32LE(4), gid: value.readUInt32LE(8) };
  };
}

const peerCredentials = credentialsFromKernel();
const context = 1 as Handle<"context">;
const space = 2 as Handle<"space">;
const errno = (name: string) => (error: unknown) => HmsError.is(error) && error.errno === name;

function service(seen: Peer[] = [], closed: Peer[] = []): Service<CoreRegistry> {
  return new Service(CORE, { onClose: (peer) => closed.push(peer) }).on({
    space: {
      create(_, { peer }) {
        seen.push(peer);
        return { space, pasid: 4 };
      },
    },
    device: { control: ({ command }) => ({ reply: command }) },
    events: {
      read(_, call) {
        const later = call.later();
        setTimeout(() => later.answer({ events: [], names: [], dropped: 5, more: false }), 5);
        return later;
      },
    },
  });
}

const python = spawnSync("python3", ["--version"]).error === undefined ? false : "python3 is not installed";
const root = process.getuid?.() === 0 ? false : "only root can run a client as another user";

interface Answer {
  readonly refused?: { readonly errno: string; readonly code: string; readonly message: string };
  readonly [name: string]: unknown;
}

function runPython(...args: readonly string[]): Promise<Answer> {
  const script = join(import.meta.dirname, "uabi/client.py");
  const child = spawn("python3", ["-", ...args], { stdio: ["pipe", "pipe", "inherit"] });
  // Another user may not be able to read the script where it lies.
  child.stdin.end(readFileSync(script));
  let output = "";
  child.stdout.on("data", (part) => (output += String(part)));
  return new Promise((resolve, reject) => {
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Answer);
      else reject(new Error(`python3 ended with ${code}`));
    });
  });
}

describe("a Unix socket", () => {
  test("carries requests, and says who asks", async () => {
    const [seen, closed]: [Peer[], Peer[]] = [[], []];
    await using server = await serveSocket(service(seen, closed), { path: newPath(), peerCredentials });
    const transport = await SocketClient.open(server.path);
    const client = asyncClient(CORE, transport);
    assert.equal((await client.space.create({ context })).pasid, 4);
    const [peer] = seen;
    assert.equal(peer?.transport, "socket");
    assert.deepEqual(peer?.credentials, {
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    const [later, direct] = await Promise.all([
      client.events.read({ events: 9 as Handle<"events"> }),
      client.space.create({ context }),
    ]);
    assert.deepEqual([later.dropped, direct.space], [5, 2]);
    assert.equal(server.size, 1);
    transport.close();
    await assert.rejects(client.space.create({ context }), { code: "CONNECTION_CLOSED" });
    while (closed.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(closed[0], peer);
  });

  test("carries large messages, and more of them than a socket's buffers hold", async () => {
    await using server = await serveSocket(service(), { path: newPath(), peerCredentials });
    using transport = await SocketClient.open(server.path);
    const client = asyncClient(CORE, transport);
    const device = 1 as Handle<"device">;
    const replies = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        client.device.control({ device, command: new Uint8Array(65_536).fill(i) }),
      ),
    );
    assert.ok(
      replies.every(({ reply }, i) => reply?.length === 65_536 && reply.every((byte) => byte === i % 256)),
    );
  });

  test("speaks with a client in another language", { skip: python }, async () => {
    await using server = await serveSocket(service(), { path: newPath(), peerCredentials });
    const answer = await runPython(server.path);
    assert.deepEqual(answer.objects, ["context"]);
    assert.deepEqual(answer.methods, ["query"]);
    assert.deepEqual(answer.ignored, [1, 77]);
    const { mandatory, wrong } = answer as unknown as Record<
      string,
      { errno: string; path: number[]; message: string }
    >;
    assert.deepEqual([mandatory?.errno, mandatory?.path], ["EPROTONOSUPPORT", [77]]);
    assert.deepEqual([wrong?.errno, wrong?.path], ["EINVAL", [1]]);
    assert.match(wrong?.message ?? "", /context.query failed: attribute object was refused: it is 70000/);
    assert.equal(answer.inOrder, true);
  });

  test("refuses another user, and says so", { skip: python || root }, async () => {
    const path = newPath();
    const seen: Peer[] = [];
    await using _server = await serveSocket(service(seen), { path, peerCredentials, mode: 0o666 });
    const { refused } = await runPython(path, "65534");
    assert.equal(refused?.errno, "EPERM");
    assert.match(refused?.message ?? "", /user 65534/);
    assert.equal(seen.length, 0);
  });

  test("serves another user whom it allows", { skip: python || root }, async () => {
    const path = newPath();
    const asked: Credentials[] = [];
    await using _server = await serveSocket(service(), {
      path,
      peerCredentials,
      mode: 0o666,
      allow(credentials) {
        asked.push(credentials);
        return credentials.uid === 65534 && credentials.gid === 65534;
      },
    });
    assert.deepEqual((await runPython(path, "65534")).objects, ["context"]);
    assert.equal(asked.length, 1);
  });

  test("gives a client of this library the reason, once and again", async () => {
    const path = newPath();
    await using _server = await serveSocket(service(), { path, peerCredentials, allow: () => false });
    const client = asyncClient(CORE, await SocketClient.open(path));
    await assert.rejects(client.space.create({ context }), { code: "NOT_ALLOWED", errno: "EPERM" });
    await assert.rejects(client.context.query(), { code: "NOT_ALLOWED", errno: "EPERM" });
  });

  test("refuses when it cannot be found out who asks", async () => {
    const path = newPath();
    const fails = (): Credentials => {
      throw new Error("no such call");
    };
    await using _server = await serveSocket(service(), { path, peerCredentials: fails });
    const client = asyncClient(CORE, await SocketClient.open(path));
    await assert.rejects(client.context.query(), { code: "NOT_ALLOWED", message: /no such call/ });
  });

  test("ends the connection of who sends what is no message, and no other", async () => {
    await using server = await serveSocket(service(), { path: newPath(), peerCredentials });
    using good = await SocketClient.open(server.path);
    for (const bytes of [
      Buffer.alloc(24),
      Buffer.alloc(64, 255),
      Buffer.from([25, 0, 0, 0]),
      Buffer.from("GET / HTTP/1.1\r\n"),
    ]) {
      const bad = connect(server.path);
      let said = Buffer.alloc(0);
      bad.on("data", (part) => {
        said = Buffer.concat([said, part as Buffer]);
      });
      bad.write(bytes);
      await new Promise((resolve) => bad.on("end", resolve));
      bad.destroy();
      assert.match(said.toString("latin1"), /BAD_MESSAGE/);
    }
    assert.equal((await asyncClient(CORE, good).space.create({ context })).space, 2);
  });

  test("takes a message in pieces", async () => {
    await using server = await serveSocket(service(), { path: newPath(), peerCredentials });
    const slow = connect(server.path);
    const request = Buffer.alloc(24);
    request.writeUInt32LE(24, 0);
    request.writeUInt16LE(1, 4);
    request.writeUInt16LE(2, 6);
    for (const byte of request) {
      slow.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const [answer] = await new Promise<[Buffer]>((resolve) =>
      slow.once("data", (part) => resolve([part as Buffer])),
    );
    assert.equal(answer.readUInt16LE(18), 1);
    slow.destroy();
  });

  test("replaces a socket that nobody serves, and no other", async () => {
    const path = newPath();
    const first = await serveSocket(service(), { path, peerCredentials });
    await assert.rejects(serveSocket(service(), { path, peerCredentials }), {
      code: "ADDRESS_IN_USE",
      errno: "EBUSY",
    });
    await first.close();
    assert.equal(existsSync(path), false);
    // Left behind by a process that was killed.
    const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`;
    spawnSync(process.execPath, ["-e", script]);
    assert.equal(existsSync(path), true);
    await using second = await serveSocket(service(), { path, peerCredentials });
    assert.equal(second.size, 0);
    const file = newPath();
    writeFileSync(file, "mine");
    await assert.rejects(serveSocket(service(), { path: file, peerCredentials }), { code: "ADDRESS_IN_USE" });
    assert.equal(existsSync(file), true);
    await assert.rejects(SocketClient.open(newPath()), { code: "NO_SERVICE", errno: "ENOENT" });
  });

  test("reaches a service behind a ring", async () => {
    const memories = [createRing(), createRing(), createRing()];
    const server = new RingServer(service());
    for (const memory of memories) server.add(memory);
    const wake = (): void => {
      setImmediate(() => server.poll());
    };
    const acceptor = relay(() => {
      const memory = memories.shift();
      assert.ok(memory);
      return new RingClient(memory, { wake });
    });
    server.prepareToSleep();
    await using listening = await serveSocket(acceptor, { path: newPath(), peerCredentials });
    using one = await SocketClient.open(listening.path);
    using two = await SocketClient.open(listening.path);
    const poll = setInterval(() => server.poll(), 1);
    // From here on the ids of the socket and of the ring differ.
    const raw = Buffer.from("180000000100020007000000090000000000000000000000", "hex");
    const stray = connect(listening.path);
    stray.write(raw);
    const [said] = await new Promise<[Buffer]>((resolve) =>
      stray.once("data", (part) => resolve([part as Buffer])),
    );
    assert.deepEqual([said.readUInt32LE(8), said.readUInt32LE(12)], [7, 9]);
    stray.destroy();
    const answers = await Promise.all(
      [one, two].flatMap((transport) => {
        const client = asyncClient(CORE, transport);
        return Array.from({ length: 20 }, () => client.space.create({ context }));
      }),
    );
    assert.ok(answers.every(({ pasid }) => pasid === 4) && answers.length === 40);
    await assert.rejects(asyncClient(CORE, one).context.close({ context }), errno("EPROTONOSUPPORT"));
    clearInterval(poll);
  });
});
